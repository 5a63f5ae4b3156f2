"""Actions of a transaction: what xa.on_commit and xa.on_rollback register is done after it, exactly once, or not at all.

SQL on a server and commands on Redis, with arguments of every kind; options, savepoints, statements of one's own; what is
refused, and what a user may name; actions that were given up, retried and dismissed; and kill -9 of the proxy at every moment
between the CALL and the action's end.
"""
import contextlib
import itertools

import preparing
import pymysql
import rawclient
import xatest

TABLES = {name: [f"CREATE TABLE IF NOT EXISTS {schema}.done (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(60), n BIGINT, b BLOB)"
                 " ENGINE=InnoDB"]
          for name, schema in (("s1", "t1"), ("s2", "t2"))}
LONG = "someone-" * 15 + "else"
TWIN = "limited@" + LONG[:110]
LIMITED = """
[user limited]
password_verifier = {verifier}
schemas = t1
[account limited@s1]
user = app_s1
password = app-s1-secret
[user {long}]
password_verifier = {verifier}
[account {long}@s1]
user = app_s1
password = app-s1-secret
[user {twin}]
password_verifier = {verifier}
[account {twin}@s1]
user = app_s1
password = app-s1-secret
[user bare]
password_verifier = {verifier}
[account bare@s1]
user = bare
password = bare-secret
"""


class World(xatest.World):
    tables = {name: xatest.TABLES[name] + TABLES[name] for name in xatest.TABLES}


class Case(xatest.Case):
    world_class = World
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        verifier, _ = xatest.verifiers("limited-secret")
        cls.world_options = {"more": LIMITED.format(verifier=verifier, long=LONG, twin=TWIN)}
        super().setUpClass()

    def setUp(self):
        self.name = f"n{next(self.numbers)}"
        self.addCleanup(self.world.start_all)

    def done(self, name=None):
        """What of this name was done on the servers, in its order, and how often in Redis."""
        name = name or self.name
        rows = [row for backend, schema in (("s1", "t1"), ("s2", "t2"))
                for row in self.world.direct(backend, f"SELECT n FROM {schema}.done WHERE what = %s ORDER BY id", name)]
        return [n for n, in rows], int(self.redis().get(name) or 0)

    def until_done(self, expected, name=None):
        xatest.until(lambda: self.done(name) == expected, 10, lambda: f"{self.done(name)}, expected {expected}\n"
                     + self.world.proxy.log_tail(20))

    def settled(self):
        """No action is left to be done, whatever there was."""
        with contextlib.closing(self.world.connect()) as db:
            xatest.until(lambda: not self.rows(db, "SELECT * FROM xa.actions"), 10,
                         lambda: self.rows(db, "SELECT * FROM xa.actions"))

    def insert(self, n, on="on_commit", schema="t1"):
        return f"CALL xa.{on}('{schema}', 'INSERT INTO done (what, n) VALUES (?, ?)', '{self.name}', {n})"

    def incr(self, on="on_commit"):
        return f"CALL xa.{on}('cache', 'INCR', '{self.name}')"


class Outcome(Case):
    def test_on_commit_is_done_after_the_commit_and_not_before(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", "INSERT INTO t1.done (what) VALUES ('x')", self.insert(7), self.incr(), self.incr("on_rollback"))
        self.assertEqual(self.done(), ([], 0))
        self.run_sql(db, "COMMIT")
        self.until_done(([7], 1))
        self.settled()
        self.assertEqual(self.done(), ([7], 1))

    def test_on_rollback_is_done_in_reverse_after_the_rollback(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", "INSERT INTO t1.done (what) VALUES ('x')", *(self.insert(n, "on_rollback") for n in (1, 2, 3)),
                     self.incr("on_rollback"), self.insert(4), "ROLLBACK")
        self.until_done(([3, 2, 1], 1))
        self.settled()
        self.assertEqual(self.done(), ([3, 2, 1], 1))

    def test_on_rollback_is_done_when_the_client_is_gone(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", self.insert(1, "on_rollback"), self.insert(2))
        db._force_close()
        self.until_done(([1], 0))

    def test_on_commit_is_done_in_its_order_on_each_resource(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", *(self.insert(n) for n in range(20)), "COMMIT")
        self.until_done((list(range(20)), 0))

    def test_on_commit_finds_what_it_follows_also_by_reads_without_locks(self):
        """The decision makes it due; the branches commit a moment later."""
        self.world.direct("s1", f"CREATE PROCEDURE t1.seen_{self.name}() BEGIN SELECT COUNT(*) INTO @n FROM t1.done"
                          f" WHERE what = '{self.name}x'; INSERT INTO t1.done (what, n) VALUES ('{self.name}', @n); END")
        self.world.restart_proxy("decided:1:delay=1500")
        self.run_sql(self.connect(), "BEGIN", f"INSERT INTO t1.done (what) VALUES ('{self.name}x')",
                     f"CALL xa.on_commit('t1', 'CALL seen_{self.name}()')", "COMMIT")
        self.until_done(([1], 0))

    def test_one_server_that_wrote_and_an_action_are_one_decision(self):
        """A single writer would commit in one phase: the action makes it a matter of the log."""
        db = self.connect()
        self.run_sql(db, "BEGIN", f"INSERT INTO t2.done (what, n) VALUES ('{self.name}', 1)", self.incr(), "COMMIT")
        self.until_done(([1], 1))

    def test_outside_a_transaction_it_is_one_of_its_own(self):
        db = self.connect()
        rows = self.rows(db, self.insert(1))
        self.assertEqual((len(rows), len(rows[0])), (1, 1))
        self.run_sql(db, self.incr())
        self.assertFalse(db.server_status & 1, "no transaction is open")
        self.until_done(([1], 1))
        self.refused(1235, db, self.incr("on_rollback"))

    def test_with_autocommit_off_a_set_is_no_commit(self):
        db = self.connect(autocommit=False)
        self.run_sql(db, self.insert(1), "SET @x = 1", "SET NAMES utf8mb4")
        with self.assertRaisesRegex(pymysql.err.OperationalError, "1568"):
            self.run_sql(db, "SET TRANSACTION READ ONLY")
        self.run_sql(db, "ROLLBACK", self.insert(2), "SET @x = 2", "COMMIT")
        self.until_done(([2], 0))

    def test_with_autocommit_off_it_waits_for_commit(self):
        db = self.connect(autocommit=False)
        self.run_sql(db, self.insert(1), self.incr("on_rollback"))
        self.assertEqual(self.done(), ([], 0))
        self.run_sql(db, "COMMIT")
        self.until_done(([1], 0))

    def test_rollback_to_savepoint_forgets_what_came_behind_it(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", self.insert(1), "SAVEPOINT a", self.insert(2), self.incr(), self.incr("on_rollback"),
                     "ROLLBACK TO a", self.insert(3), "COMMIT")
        self.until_done(([1, 3], 0))
        self.settled()
        self.assertEqual(self.done(), ([1, 3], 0))

    def test_a_failed_commit_is_a_rollback(self):
        db, other = self.connect(), self.connect()
        self.run_sql(other, "CREATE TABLE IF NOT EXISTS t1.parent (id INT PRIMARY KEY) ENGINE=InnoDB")
        self.run_sql(db, "BEGIN", "INSERT INTO t1.done (what) VALUES ('x')", "INSERT INTO t2.done (what) VALUES ('x')", self.insert(1),
                     self.incr("on_rollback"))
        self.world.server["s2"].crash()
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(db, "COMMIT")
        self.world.start_all()
        self.until_done(([], 1))

    def test_a_resource_that_is_away_gets_it_when_it_is_back(self):
        db = self.connect()
        self.world.server["s2"].crash()
        self.world.cache.crash()
        self.run_sql(db, "BEGIN", "INSERT INTO t1.done (what) VALUES ('x')", self.insert(1, schema="t2"), self.incr(), "COMMIT")
        self.world.start_all()
        self.until_done(([1], 1))


class Arguments(Case):
    def value(self, *args):
        """What arrives in a column b of an argument."""
        with self.connect().cursor() as cursor:
            cursor.execute(*args)
        self.until_done(([1], 0))
        return self.world.direct("s1", "SELECT b FROM t1.done WHERE what = %s", self.name)[0][0]

    def body(self, argument):
        return (f"CALL xa.on_commit('t1', 'INSERT INTO done (what, n, b) VALUES (?, 1, ?)', '{self.name}', {argument})")

    def test_every_kind_arrives_as_it_was(self):
        for argument, expected in (("'it''s'", b"it's"), ("17", b"17"), ("-2.50", b"-2.50"), ("NULL", None), ("X'00ff27'", b"\0\xff'"),
                                   ("18446744073709551615", b"18446744073709551615"), ("CONCAT('a', 1+1)", b"a2"), ("''", b""),
                                   ("'grüße 🐘'", "grüße 🐘".encode())):
            with self.subTest(argument=argument):
                self.setUp()
                self.assertEqual(self.value(self.body(argument)), expected)

    def test_a_number_counts_as_one_and_names_of_the_session_work(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET @n = 3", f"CALL xa.on_commit('s1', 'INSERT INTO done (what, n) SELECT ?, id FROM done LIMIT ?', '{self.name}', 0)",
                     f"CALL xa.on_commit('s1', 'INSERT INTO done (what, n) VALUES (?, ? / 2 * 2)', '{self.name}', @n)")
        self.until_done(([3], 0))

    def test_callproc_as_drivers_do_it(self):
        db = self.connect()
        with db.cursor() as cursor:
            cursor.callproc("xa.on_commit", ("t1", "INSERT INTO done (what, n) VALUES (?, ?)", self.name, 5))
            self.assertEqual(len(cursor.fetchall()), 1)
            self.assertFalse(cursor.nextset())
        self.until_done(([5], 0))

    def test_redis_takes_bytes(self):
        db = self.connect()
        self.run_sql(db, f"CALL xa.on_commit('cache', 'HSET', '{self.name}:h', 'f', X'00FF', 'g', 12)")
        client = self.redis()
        client.connection_pool.connection_kwargs["decode_responses"] = False
        xatest.until(lambda: client.hgetall(f"{self.name}:h") == {b"f": b"\0\xff", b"g": b"12"}, 10,
                     lambda: client.hgetall(f"{self.name}:h"))

    def test_prepared_as_text(self):
        db = self.connect()
        self.run_sql(db, "PREPARE p FROM 'CALL xa.on_commit(?, ?, ?, ?)'",
                     f"SET @a='t1', @b='INSERT INTO done (what, n) VALUES (?, ?)', @c='{self.name}', @d=9", "EXECUTE p USING @a, @b, @c, @d")
        self.until_done(([9], 0))

    def test_prepared_in_binary(self):
        client = preparing.Client(self.world)
        self.addCleanup(client.close)
        statement, n_params, columns = client.prepare("CALL xa.on_commit(?, ?, ?, ?)")
        self.assertEqual((n_params, columns), (4, []))
        answer = client.execute(statement, "t1", "INSERT INTO done (what, n) VALUES (?, ?)", self.name, 8)
        self.assertEqual(len(answer.rows), 1)
        self.until_done(([8], 0))


class Refusals(Case):
    def test_what_cannot_be_an_action_is_said_at_once(self):
        db = self.connect()
        for code, call in ((1049, "'nowhere', 'DELETE FROM done'"), (1235, "'t1', 'SELECT 1'"), (1235, "'t1', 'COMMIT'"),
                           (1235, "'t1', 'DROP TABLE done'"), (1235, "'t1', 'DELETE FROM done; DELETE FROM done'"), (1235, "'t1', ''"),
                           (1235, "'t1', 'UPDATE t2.done SET n = 1'"), (1235, "'s1', 'DELETE FROM done'"), (1318, "'t1'"),
                           (1318, "'t1', 'UPDATE done SET n = ?'"), (1318, "'t1', 'UPDATE done SET n = 1', 2"),
                           (1235, "'cache', 'GET', 'k'"), (1305, "'cache', 'NOSUCH', 'k'"), (1318, "'cache', 'SET', 'k'"),
                           (1048, "'cache', 'SET', 'k', NULL"), (1235, "'t1', 'SELECT GET_LOCK(1, 1)'")):
            with self.subTest(call=call):
                self.refused(code, db, f"CALL xa.on_commit({call})")
        self.assertIn("on_commit", self.refused(1305, db, "CALL xa.nothing(1)"))
        self.settled()

    def test_options_say_what_is_wrong_with_them(self):
        db = self.connect()
        self.assertIn("max_age", self.refused(1210, db, """CALL xa.options('{"max_age":"soon"}')"""))
        self.assertIn("there is no option", self.refused(1210, db, """CALL xa.options('{"color":"red"}')"""))
        self.refused(1210, db, "CALL xa.options(NULL)")
        self.refused(1210, db, """CALL xa.options('{"max_attempts":5\\0}')""")

    def test_a_read_only_transaction_and_ones_own_xa_take_none(self):
        db = self.connect()
        self.run_sql(db, "START TRANSACTION READ ONLY")
        self.refused(1792, db, self.insert(1))
        self.run_sql(db, "ROLLBACK", "XA START 'own'", "INSERT INTO t1.done (what) VALUES ('x')")
        self.refused(1399, db, self.insert(1))
        self.run_sql(db, "XA END 'own'", "XA ROLLBACK 'own'")

    def test_a_body_is_run_as_it_was_read(self):
        """Where its strings and names end is what the rights were checked by."""
        db = self.connect()
        for n, (mode, body) in enumerate((("NO_BACKSLASH_ESCAPES", """INSERT INTO done (what, n, b) VALUES ("{}", {}, "\\")"""),
                                          ("ANSI_QUOTES", """INSERT INTO "done" ("what", n) VALUES (''{}'', {})"""),
                                          ("", r"""INSERT INTO done (what, n, b) VALUES ("{}", {}, "\\\\")"""))):
            self.run_sql(db, f"SET sql_mode = '{mode}'", f"CALL xa.on_commit('t1', '{body.format(self.name, n)}')")
            self.until_done((list(range(n + 1)), 0))
        self.assertEqual(self.world.direct("s1", "SELECT b FROM t1.done WHERE what = %s ORDER BY id", self.name),
                         ((b"\\",), (None,), (b"\\",)))

    def test_a_body_comes_in_the_character_set_of_its_session(self):
        insert = f"CALL xa.on_commit('t1', 'INSERT INTO done (what, n) VALUES (?, {{}})', '\u00e9{self.name}')"
        with rawclient.Raw(self.world.proxy.port, self.world.certs) as raw:
            raw.login(charset=8)
            raw.query(insert.format(1).encode("latin-1"))
            raw.until(b"id")
            self.until_done(([1], 0), f"\u00e9{self.name}")
        self.run_sql(self.connect(charset="latin1"), insert.format(2))
        self.until_done(([1, 2], 0), f"\u00e9{self.name}")

    def test_a_user_names_only_what_is_its_own(self):
        db = self.connect("limited", "limited-secret")
        for call in ("'cache', 'INCR', 'k'", "'t2', 'DELETE FROM done'", "'s1', 'DELETE FROM orders.orders'"):
            with self.subTest(call=call):
                self.refused(1044, db, f"CALL xa.on_commit({call})")
        self.run_sql(db, self.insert(1))
        self.until_done(([1], 0))


class Rights(Case):
    """An account that may not use the barrier table."""

    def test_an_action_is_refused_until_the_account_has_the_right(self):
        for sql in ("CREATE USER bare@'%' IDENTIFIED BY 'bare-secret'", "GRANT SELECT, INSERT, UPDATE, DELETE ON t1.* TO bare@'%'"):
            self.world.direct("s1", sql)
        self.world.restart_proxy()  # it looks, and finds no right
        db = self.connect("bare", "limited-secret")
        xatest.until(lambda: self.registers(db) == 1235, 10, "it is not refused")
        self.run_sql(db, "CALL xa.options('{\"idempotent\": true}')", self.insert(1))
        self.world.direct("s1", "GRANT INSERT, SELECT ON xaproxy.barrier TO bare@'%'")
        xatest.until(lambda: self.registers(db) == 0, 10, "the right does not count")
        xatest.until(lambda: len(self.done()[0]) >= 2, 10, self.done)
        self.settled()

    def registers(self, db):
        try:
            self.run_sql(db, self.insert(2))
            return 0
        except pymysql.err.MySQLError as error:
            return error.args[0]


    def test_a_user_of_a_long_name(self):
        """It is done by its account, and known to it until then."""
        db = self.connect(LONG, "limited-secret")
        self.run_sql(db, "BEGIN", self.insert(1))
        self.assertEqual(self.rows(db, "SELECT state FROM xa.actions"), (("ARMED",),))
        self.run_sql(db, "COMMIT")
        self.until_done(([1], 0))


    def test_a_decided_transaction_is_known_to_its_own_user(self):
        """Whatever the name of another begins with, and however long it is."""
        self.world.restart_proxy("decided:1:crash")
        db = self.connect(TWIN, "limited-secret")
        self.run_sql(db, "BEGIN", f"INSERT INTO t1.done (what) VALUES ('{self.name}x')", self.insert(1))
        with self.assertRaises((pymysql.err.MySQLError, OSError)):
            self.run_sql(db, "COMMIT")
        self.world.proxy.wait_gone()
        self.world.server["s1"].crash()
        self.world.start_proxy()
        try:
            xatest.until(lambda: self.decided_as(TWIN) == 1, 10, self.world.proxy.log_tail)
            self.assertEqual(self.decided_as("limited"), 0)
        finally:
            self.world.server["s1"].start()
        self.until_done(([1], 0))

    def decided_as(self, user):
        return self.rows(self.connect(user, "limited-secret"), "SELECT COUNT(*) FROM xa.transactions")[0][0]


class GivenUp(Case):
    """An action that no repetition mends is given up, stays, and waits for a word."""

    def dead(self):
        self.run_sql(self.connect(), f"CALL xa.on_commit('t1', 'INSERT INTO late_{self.name} VALUES (1)')")
        db = self.connect()
        xatest.until(lambda: self.states(db) == ["DEAD"], 20, lambda: self.rows(db, "SELECT * FROM xa.actions"))
        return db

    def states(self, db):
        with db.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SELECT * FROM xa.actions")
            self.actions = cursor.fetchall()
        return [row["state"].upper() for row in self.actions]

    def test_it_is_retried_when_its_cause_is_mended(self):
        db = self.dead()
        self.assertIn("late_", self.actions[0]["error"])
        self.run_sql(db, f"CREATE TABLE t1.late_{self.name} (id INT)", f"CALL xa.retry({self.actions[0]['id']})")
        self.settled()
        self.assertEqual(self.world.direct("s1", f"SELECT * FROM t1.late_{self.name}"), ((1,),))

    def test_those_behind_it_say_whom_they_wait_for(self):
        """In the order of its transaction and by its key; dismissed, it lets them go."""
        db = self.connect()
        key = f"CALL xa.options('{{\"key\": \"{self.name}\"}}')"
        self.run_sql(db, "BEGIN", key, f"CALL xa.on_commit('t1', 'INSERT INTO late_{self.name} VALUES (1)')", self.insert(1), "COMMIT",
                     "BEGIN", key, self.insert(2), "COMMIT")
        xatest.until(lambda: "DEAD" in self.states(db), 20, lambda: self.rows(db, "SELECT * FROM xa.actions"))
        dead, behind, by_key = self.actions
        self.assertEqual([a["behind"] for a in self.actions], [None, dead["id"], dead["id"]])
        with self.world.admin() as admin:
            for action, why in ((behind, "transaction"), (by_key, "key")):
                facts = dict(self.rows(admin, f"SHOW ACTION {action['id']}"))
                self.assertEqual(facts["waits for"], f"action {dead['id']} of the same {why}, which is DEAD: RETRY, EDIT or DISMISS"
                                                     " that one")
            with admin.cursor(pymysql.cursors.DictCursor) as cursor:
                cursor.execute("SHOW ACTIONS")
                self.assertEqual([a["behind"] for a in cursor.fetchall()], [None, dead["id"], dead["id"]])
        self.run_sql(db, f"CALL xa.dismiss({dead['id']}, 'nobody needs it')")
        self.settled()
        self.assertEqual(sorted(self.done()[0]), [1, 2])  # they do not wait for each other

    def test_a_word_about_it_is_not_the_next_transaction(self):
        db = self.dead()
        self.run_sql(db, "SET TRANSACTION READ ONLY", f"CALL xa.dismiss({self.actions[0]['id']}, 'nobody needs it')", "BEGIN")
        self.refused(1792, db, self.insert(1))
        self.run_sql(db, "ROLLBACK")

    def test_a_word_about_it_leaves_the_transaction_open(self):
        db = self.dead()
        self.run_sql(db, "BEGIN", f"INSERT INTO t1.done (what, n) VALUES ('{self.name}', 1)",
                     f"CALL xa.dismiss({self.actions[0]['id']}, 'nobody needs it')", "ROLLBACK")
        self.assertEqual(self.rows(db, "SELECT * FROM xa.actions"), ())
        self.until_done(([], 0))

    def test_it_outlives_the_proxy_and_can_be_dismissed(self):
        self.dead()
        self.world.restart_proxy()
        db = self.connect()
        self.assertEqual(self.states(db), ["DEAD"])
        action = self.actions[0]["id"]
        self.refused(1210, db, f"CALL xa.dismiss({action}, '')")
        self.refused(1305, self.connect("limited", "limited-secret"), f"CALL xa.dismiss({action}, 'not mine')")
        self.run_sql(db, f"CALL xa.dismiss({action}, 'nobody needs it')")
        self.settled()
        self.world.restart_proxy()
        self.assertEqual(self.states(self.connect()), [])
        self.refused(1305, self.connect(), f"CALL xa.retry({action})")


class LeftBehind(Case):
    """What a procedure leaves in the session that runs it is nothing to the action behind it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.options["proxy"] = "action_connections = 1"
        cls.world.write_config()
        cls.world.restart_proxy()

    def setUp(self):
        super().setUp()
        self.db = self.connect()

    def after(self, procedure, body):
        """`body` in an action, behind one that calls a procedure of these statements."""
        self.world.direct("s1", f"CREATE PROCEDURE t1.leaves_{self.name}() BEGIN {procedure}; END")
        self.run_sql(self.connect(), "BEGIN", f"CALL xa.on_commit('t1', 'CALL leaves_{self.name}()')", self.insert(1), "COMMIT")
        self.until_done(([1], 0))
        self.run_sql(self.connect(), f"CALL xa.on_commit('t1', {self.db.literal(body)})")

    def test_autocommit(self):
        """With it the action's row in the barrier would be there although the action failed, and a retry do nothing."""
        late = f"late_{self.name}"
        self.after("SET autocommit = 1", f"INSERT INTO {late} VALUES (1)")
        states = lambda: [row[0] for row in self.rows(self.db, "SELECT state FROM xa.actions")]
        xatest.until(lambda: [s.upper() for s in states()] == ["DEAD"], 20, states)
        action, = self.rows(self.db, "SELECT id FROM xa.actions")[0]
        self.run_sql(self.db, f"CREATE TABLE t1.{late} (id INT)", f"CALL xa.retry({action})")
        self.settled()
        self.assertEqual(self.world.direct("s1", f"SELECT * FROM t1.{late}"), ((1,),))

    def test_a_variable_and_a_lock(self):
        self.after(f"SET @left = 5; DO GET_LOCK('{self.name}', 0)", f"INSERT INTO done (what, n) VALUES ('{self.name}', COALESCE(@left, 2))")
        self.until_done(([1, 2], 0))
        self.assertEqual(self.world.direct("s1", f"SELECT IS_FREE_LOCK('{self.name}')"), ((1,),))


class Killed(Case):
    """kill -9 at every passage of the points between the CALL and the end of its action."""

    POINTS = ("action_armed", "action_due", "action_taken", "action_uncommitted", "action_executed", "action_recorded", "all_votes", "log_appended", "log_written", "log_synced", "decided", "commit_sent", "before_ack",
              "all_in", "journal_closed")

    def tearDown(self):
        self.world.proxy.crash()  # its point may still be armed

    def transact(self, end):
        with contextlib.suppress(pymysql.err.MySQLError, OSError), contextlib.closing(self.world.connect()) as db:
            self.run_sql(db, "BEGIN", f"INSERT INTO t2.done (what, n) VALUES ('{self.name}:own', 1)", self.insert(1), self.incr(),
                         self.insert(2, "on_rollback"), end)
            return True
        return False

    def judge(self, told, end):
        """The row that the transaction wrote says what became of it, and the actions agree."""
        self.world.settle()
        committed = bool(self.done(f"{self.name}:own")[0])
        self.assertFalse(told and not committed and end == "COMMIT", "an acknowledged commit is lost")
        self.settled()
        rows, counted = self.done()
        allowed = [([1], 1)] if committed else [([2], 0), ([], 0)]  # no on_rollback whose CALL was not answered
        self.assertIn((rows, counted), allowed)
        if told and not committed:
            self.assertEqual(rows, [2])

    def passages(self, point, end):
        for nth in xatest.passages():
            self.setUp()
            try:
                self.world.restart_proxy(f"{point}:{nth}:crash")
                told = self.transact(end)
            except xatest.ProxyDied:  # of an action before it, whose end was not on the disk yet
                told = False
            if not xatest.happens(lambda: not self.world.proxy.alive(), 60 if nth == 1 else 0.4):  # the first must come
                return nth > 1
            with self.subTest(point=point, nth=nth, end=end):
                self.world.start_proxy()
                self.judge(told, end)
        return True

    def test_on_the_way_to_being_given_up(self):
        """Between two tries, and between the last and its record: it is given up all the same, and done once when it is retried."""
        for point, nth in (("action_executed", 2), ("action_recorded", 1), ("action_recorded", 3)):
            with self.subTest(point=point, nth=nth):
                self.setUp()
                self.world.proxy.stop()  # the log knows all that was done: nothing of it comes by the crash point
                self.world.start_proxy(f"{point}:{nth}:crash")
                with contextlib.suppress(pymysql.err.MySQLError):  # the answer may come or not
                    self.run_sql(self.connect(), f"CALL xa.on_commit('t1', 'INSERT INTO late_{self.name} VALUES (1)')")
                self.world.proxy.wait_gone()
                self.world.start_proxy()
                db, rows = self.connect(), []
                xatest.until(lambda db=db, rows=rows: self.listed(db, rows) == ["DEAD"], 20, lambda rows=rows: rows)
                self.world.direct("s1", f"CREATE TABLE t1.late_{self.name} (id INT) ENGINE=InnoDB")
                self.run_sql(db, f"CALL xa.retry({rows[0]['id']})")
                self.settled()
                self.assertEqual(self.world.direct("s1", f"SELECT * FROM t1.late_{self.name}"), ((1,),))

    @staticmethod
    def listed(db, rows):
        """The states of a user's actions; the rows are left in `rows`."""
        with db.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SELECT * FROM xa.actions")
            rows[:] = cursor.fetchall()
        return [row["state"].upper() for row in rows]

    def test_every_passage(self):
        for point in self.POINTS:
            self.assertTrue(self.passages(point, "COMMIT"), f"{point} was never passed")
        self.assertTrue(self.passages("rollback_sent", "ROLLBACK"))


if __name__ == "__main__":
    xatest.unittest.main()
