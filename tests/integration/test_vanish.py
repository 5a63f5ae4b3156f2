"""A client that vanishes, in every phase of a session: what it had open is undone or finished as a whole, and nobody else
waits for it."""
import contextlib
import os
import signal
import threading
import time

import pymysql
import xatest

SLEEP = "SELECT SLEEP(30)"
BUMP = "UPDATE t1.a SET v = v + 1 WHERE i = 1"


class Vanishing(xatest.Case):
    """What a client leaves behind on two servers and Redis."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, table in (("s1", "t1.a"), ("s2", "t2.b")):
            cls.world.server[name].script([f"CREATE TABLE {table} (i INT PRIMARY KEY, v INT NOT NULL DEFAULT 0) ENGINE=InnoDB"])

    def setUp(self):
        self.world.settle()
        self.world.direct("s1", "DELETE FROM t1.a")
        self.world.direct("s2", "DELETE FROM t2.b")
        self.world.cache.client().flushall()
        self.db = self.connect()

    def tearDown(self):
        """Whatever happened, everything is free again and another client works."""
        xatest.until(self.nothing_is_open, 8, self.what_is_open)
        self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail(40))
        with contextlib.closing(self.world.connect()) as other:
            self.run_sql(other, "BEGIN", "INSERT INTO t1.a (i) VALUES (99)", "INSERT INTO t2.b (i) VALUES (99)",
                         "CALL cache.HINCRBY('k', 'other', 1)", "COMMIT")

    def what_is_open(self):
        return {"in doubt": self.world.leftovers(), "transactions": [self.open_on(name) for name in ("s1", "s2")]}

    def open_on(self, name):
        return self.world.server[name].open_transactions()

    def nothing_is_open(self):
        return not self.world.leftovers() and not any(self.open_on(name) for name in ("s1", "s2"))

    def begin(self, db=None):
        self.run_sql(db or self.db, "BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)",
                     "CALL cache.HINCRBY('k', 'n', 1)")

    def send(self, sql, db=None):
        """The command goes out, and nobody waits for its answer."""
        (db or self.db)._execute_command(3, sql)

    def vanish(self, after_s=0.2):
        time.sleep(after_s)
        self.db._force_close()

    def parts(self):
        return (len(self.world.direct("s1", "SELECT i FROM t1.a WHERE i = 1")),
                len(self.world.direct("s2", "SELECT i FROM t2.b WHERE i = 1")),
                int(self.redis().hget("k", "n") or 0))

    def expect(self, *allowed):
        xatest.until(self.nothing_is_open, 8, self.what_is_open)
        self.assertIn(self.parts(), allowed)

    def running(self, name, text):
        return bool(self.world.direct(name,
                                      "SELECT 1 FROM information_schema.processlist WHERE info LIKE %s AND id <> CONNECTION_ID()",
                                      f"{text}%"))

    def closed(self, db):
        return db.thread_id() not in self.states()

    def states(self):
        """Of all clients, by number."""
        with self.world.admin() as admin, admin.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW PROCESSLIST")
            return {row["Id"]: row["State"] for row in cursor.fetchall()}


class Vanish(Vanishing):
    world_options = {"backend_options": "lock_wait = 20s", "redis_options": "lock_wait = 20s"}

    def test_idle_in_a_transaction(self):
        self.begin()
        self.vanish(0)
        self.expect((0, 0, 0))

    def test_while_its_statement_runs(self):
        self.begin()
        self.send(SLEEP)
        xatest.until(lambda: any(self.running(name, SLEEP) for name in ("s1", "s2")), 5, "it does not run")
        self.vanish(0)
        self.expect((0, 0, 0))
        xatest.until(lambda: not any(self.running(name, SLEEP) for name in ("s1", "s2")), 5, "it runs for nobody")

    def test_while_it_writes_outside_a_transaction(self):
        """As on a server, which hears of it when it answers: it is done, and the connection serves others. No read goes on."""
        block = ("BEGIN NOT ATOMIC DO SLEEP(3); INSERT INTO t1.a (i) VALUES (1); END", "DO SLEEP")
        writes = [("INSERT INTO t1.a (i, v) SELECT 1, SLEEP(3)", "INSERT")] + [block] * (xatest.FAMILY == "mariadb")
        for slow, what in writes:
            with self.subTest(slow=slow):
                self.world.direct("s1", "DELETE FROM t1.a")
                self.db = self.connect(database="t1")
                self.send(slow)
                xatest.until(lambda: self.running("s1", what), 5, "it does not run")
                self.vanish(0)
                xatest.until(lambda: self.parts() == (1, 0, 0), 8, self.parts)
        self.db = self.connect()
        self.send(SLEEP)
        xatest.until(lambda: any(self.running(name, SLEEP) for name in ("s1", "s2")), 5, "it does not run")
        self.vanish(0)
        xatest.until(lambda: not any(self.running(name, SLEEP) for name in ("s1", "s2")), 5, "it runs for nobody")

    def test_while_it_changes_a_table(self):
        slow = "CREATE TABLE t1.made AS SELECT SLEEP(3) AS n"
        self.addCleanup(self.world.direct, "s1", "DROP TABLE IF EXISTS t1.made")
        self.send(slow)
        xatest.until(lambda: self.running("s1", slow), 5, "it does not run")
        self.vanish(0)
        xatest.until(lambda: self.world.direct("s1", "SHOW TABLES FROM t1 LIKE 'made'"), 8, "it is not there")

    def test_while_a_write_outside_a_transaction_waits_for_a_row(self):
        holder = self.connect()
        self.run_sql(holder, "INSERT INTO t1.a (i) VALUES (1)", "BEGIN", "UPDATE t1.a SET v = 1 WHERE i = 1")
        self.send("UPDATE t1.a SET v = v + 5 WHERE i = 1")
        xatest.until(lambda: self.running("s1", "UPDATE t1.a SET v = v + 5"), 5, "it does not wait")
        self.vanish(0)
        xatest.until(lambda: self.closed(self.db), 5, "it is still a client")
        self.run_sql(holder, "COMMIT")
        xatest.until(lambda: self.world.direct("s1", "SELECT v FROM t1.a WHERE i = 1") == ((6,),), 8, "it is not done")

    def test_while_its_statement_waits_for_a_row(self):
        holder = self.connect()
        self.run_sql(holder, "INSERT INTO t2.b (i) VALUES (5)", "BEGIN", "UPDATE t2.b SET v = 1 WHERE i = 5")
        self.begin()
        self.send("UPDATE t2.b SET v = 2 WHERE i = 5")
        self.vanish()
        xatest.until(lambda: len(self.open_on("s2")) == 1, 5, self.what_is_open)
        self.run_sql(holder, "COMMIT")
        self.expect((0, 0, 0))
        self.assertEqual(self.world.direct("s2", "SELECT v FROM t2.b WHERE i = 5"), ((1,),))

    def test_while_its_call_waits_for_a_key(self):
        holder = self.connect()
        self.run_sql(holder, "BEGIN", "CALL cache.SET('held', 'by another')")
        self.begin()
        self.send("CALL cache.SET('held', 'by me')")
        self.vanish()
        time.sleep(0.2)
        self.run_sql(holder, "COMMIT")
        self.expect((0, 0, 0))
        self.assertEqual(self.redis().get("held"), "by another")

    def test_while_its_call_outside_a_transaction_waits_for_a_key(self):
        holder = self.connect()
        self.run_sql(holder, "BEGIN", "CALL cache.SET('held', 'by another')")
        self.send("CALL cache.SET('held', 'by me')")
        self.vanish()
        xatest.until(lambda: self.closed(self.db), 5, "it is still a client")
        self.run_sql(holder, "ROLLBACK")
        time.sleep(0.3)
        self.assertIsNone(self.redis().get("held"), "nobody waits for it any more")

    def test_while_redis_does_not_answer(self):
        self.begin()
        self.world.cache.signal(signal.SIGSTOP)
        try:
            self.send("CALL cache.HINCRBY('k', 'n', 1)")
            self.vanish()
            time.sleep(0.3)
        finally:
            self.world.cache.signal(signal.SIGCONT)
        self.expect((0, 0, 0))

    def test_while_prepare_is_blocked(self):
        """FLUSH TABLES WITH READ LOCK holds PREPARE up on MariaDB: it ends together with the others or not at all."""
        self.begin()
        with contextlib.closing(self.world.server["s2"].root()) as root, root.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            self.send("COMMIT")
            xatest.until(lambda: self.states()[self.db.thread_id()], 5, "COMMIT is not under way")
            self.vanish(0.5)
            time.sleep(0.3)
            cursor.execute("UNLOCK TABLES")
        self.expect((1, 1, 1))

    def test_right_behind_commit(self):
        for pause in (0, 0.001, 0.003, 0.01):
            with self.subTest(pause=pause):
                self.world.direct("s1", "DELETE FROM t1.a")
                self.world.direct("s2", "DELETE FROM t2.b")
                self.world.cache.client().flushall()
                self.db = self.world.connect()
                self.begin()
                self.send("COMMIT")
                self.vanish(pause)
                self.expect((1, 1, 1), (0, 0, 0))

    def test_while_it_reads_a_big_result(self):
        """Its server's connection was stopped for its slowness; it goes too."""
        self.run_sql(self.db, "BEGIN", "INSERT INTO t1.a (i) VALUES (1)")
        self.send("SELECT REPEAT('x', 100000) FROM information_schema.columns a, information_schema.columns b LIMIT 2000")
        self.vanish(0.5)
        self.expect((0, 0, 0))

    def test_while_its_servers_connection_is_made(self):
        for one in self.world.server.values():
            one.signal(signal.SIGSTOP)
        try:
            db = self.world.connect()
            self.db, old = db, self.db
            self.send("SELECT COUNT(*) FROM t1.a")
            self.vanish()
            self.db = old
        finally:
            for one in self.world.server.values():
                one.signal(signal.SIGCONT)

    def test_hundreds_at_once(self):
        def half_a_transaction(n):
            with contextlib.suppress(pymysql.err.MySQLError, OSError):
                db = self.world.connect()
                self.run_sql(db, "BEGIN", f"INSERT INTO t1.a (i) VALUES ({n})", f"INSERT INTO t2.b (i) VALUES ({n})",
                             f"CALL cache.SET('many:{n}', 'x')")
                if n % 3 == 0:
                    self.send("COMMIT", db)
                elif n % 3 == 1:
                    self.send(SLEEP, db)
                db._force_close()
        threads = [threading.Thread(target=half_a_transaction, args=(1000 + n,)) for n in range(90)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        xatest.until(self.nothing_is_open, 10, self.what_is_open)
        left, right = ({row[0] for row in self.world.direct(name, f"SELECT i FROM {table}")}
                       for name, table in (("s1", "t1.a"), ("s2", "t2.b")))
        mirror = {int(key.split(":")[1]) for key in self.redis().keys("many:*")}
        self.assertEqual((left, right), (mirror, mirror))


class Hurry(xatest.World):
    """With a user whose statements must not take long."""

    def config_lines(self):
        yield from super().config_lines()
        sha2, _ = xatest.verifiers("secret")
        yield from ("[user hasty]", f"password_verifier = {sha2}", "statement_timeout = 6s")
        for name in self.server:
            account, password = self.account("app", name)
            yield from (f"[account hasty@{name}]", f"user = {account}", f"password = {password}")


class Crowd(Vanishing):
    """Half of a pool at most runs for nobody; what is more is stopped, and statement_timeout ends that too."""

    world_class = Hurry
    world_options = {"workers": 1, "backend_options": "max_connections = 4\nlock_wait = 20s"}

    @contextlib.contextmanager
    def row_held(self):
        with contextlib.closing(self.world.server["s1"].root()) as root, root.cursor() as cursor:
            cursor.execute("INSERT INTO t1.a (i) VALUES (1)")
            cursor.execute("BEGIN")
            cursor.execute("UPDATE t1.a SET v = 0 WHERE i = 1")
            yield
            cursor.execute("COMMIT")

    def test_many_writes_leave_connections_for_others(self):
        clients = [self.connect() for _ in range(6)]
        with self.row_held():
            for db in clients:
                self.send(BUMP, db)
            xatest.until(lambda: self.count_running(BUMP) == 4, 8, "they do not run")
            for db in clients:
                db._force_close()
            xatest.until(lambda: self.count_running(BUMP) == 2 and all(self.closed(db) for db in clients), 8, "they are still there")
            self.assertEqual(self.rows(self.connect(), "SELECT COUNT(*) FROM t1.a WHERE i = 99"), ((0,),))
        xatest.until(lambda: not self.count_running(BUMP), 8, "they run on")
        self.assertEqual(self.world.direct("s1", "SELECT v FROM t1.a"), ((2,),))

    def test_for_too_long(self):
        self.db = self.connect("hasty", "secret")
        with self.row_held():
            self.send(BUMP)
            xatest.until(lambda: self.count_running(BUMP), 5, "it does not run")
            self.vanish(0)
            xatest.until(lambda: self.closed(self.db), 5, "it is still a client")
            self.assertEqual(self.count_running(BUMP), 1)
            xatest.until(lambda: not self.count_running(BUMP), 8, "it runs for ever")
        self.assertEqual(self.world.direct("s1", "SELECT v FROM t1.a"), ((0,),))

    def count_running(self, text):
        return len(self.world.direct("s1", "SELECT 1 FROM information_schema.processlist WHERE info LIKE %s AND id <> CONNECTION_ID()",
                                     f"{text}%"))


class Drain(xatest.Case):
    """SIGTERM: idle sessions end, transactions finish, new ones are refused. Workers without any end at once."""

    world_options = {"proxy_options": "drain_timeout = 20s"}

    def test_transactions_finish_and_new_ones_are_refused(self):
        self.world.server["s1"].script(["CREATE TABLE t1.a (i INT PRIMARY KEY) ENGINE=InnoDB"])
        self.world.server["s2"].script(["CREATE TABLE t2.b (i INT PRIMARY KEY) ENGINE=InnoDB"])
        busy, idle = self.connect(), self.connect()
        dbas = [self.connect("dba", port=self.world.proxy.admin_port) for _ in range(5)]
        self.run_sql(busy, "BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        os.kill(self.world.proxy.pid, signal.SIGUSR2)  # means nothing, and does not keep the next from being heard
        os.kill(self.world.proxy.pid, signal.SIGTERM)
        xatest.until(lambda: not self.is_served(idle), 10, "a client that rests stays")
        os.kill(self.world.proxy.pid, signal.SIGHUP)  # also for workers that have ended
        self.assertTrue(any(self.shows_sessions_within(dba, 1.5) for dba in dbas), "workers that have ended are waited for")
        self.assertTrue(self.rows(busy, "SHOW PROCESSLIST"))  # asks every worker
        self.run_sql(busy, "CALL cache.SET('late', 'yes')")
        busy._execute_command(3, "COMMIT")
        busy._read_ok_packet()
        self.world.proxy.wait_gone()
        self.assertNotIn("drain_timeout", self.world.proxy.log_of_this_life())
        self.assertEqual(self.world.proxy.status, 0)
        self.assertEqual(self.world.direct("s1", "SELECT i FROM t1.a"), ((1,),))
        self.assertEqual(self.world.direct("s2", "SELECT i FROM t2.b"), ((1,),))
        self.assertEqual(self.redis().get("late"), "yes")
        self.assertEqual(self.world.leftovers(), [])

    def is_served(self, db):
        with contextlib.suppress(pymysql.err.MySQLError, OSError):
            return bool(self.rows(db, "SELECT 1"))
        return False

    def shows_sessions_within(self, dba, limit_s):  # its last statement: the proxy is about to end
        begun = time.monotonic()
        self.assertTrue(self.rows(dba, "SHOW SESSIONS"))
        return time.monotonic() - begun < limit_s


class SlowLogWorld(xatest.World):
    def __init__(self, **more):
        super().__init__(**more)
        self.slow, self.pid_file = os.path.join(self.directory, "slow"), os.path.join(self.directory, "xaproxy.pid")
        self.options["proxy"] = f"pid_file = {self.pid_file}"
        self.proxy.env.update(LD_PRELOAD=xatest.preload(self.directory, "slow_sync.c"), SLOW_SYNC=self.slow)


class SlowLog(xatest.Case):
    """A log that is still at work when everybody has gone."""

    world_class = SlowLogWorld

    def test_the_end_before_the_log_has_written_for_a_client_that_has_gone(self):
        """COMMIT waits until the log knows of its connections; the workers are no more when it does."""
        for name, table in (("s1", "t1.a"), ("s2", "t2.b")):
            self.world.server[name].script([f"CREATE TABLE {table} (i INT PRIMARY KEY) ENGINE=InnoDB"])
        db = self.connect()
        with open(self.world.slow, "wb"):
            self.run_sql(db, "BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        db._execute_command(3, "COMMIT")
        db._force_close()
        xatest.until(lambda: not self.world.server["s1"].open_transactions(), 10, "it is not rolled back")
        self.world.proxy.signal(signal.SIGTERM)
        xatest.until(lambda: not os.path.exists(self.world.pid_file), 20, "its workers do not end")
        os.unlink(self.world.slow)
        self.world.proxy.wait_gone()
        self.assertEqual(self.world.proxy.status, 0)
        self.world.start_proxy()
        self.world.settle()
        self.assertEqual(self.world.direct("s1", "SELECT i FROM t1.a"), ())


class Timeout(xatest.Case):
    """A transaction that is open for too long is rolled back, and its client told."""

    world_options = {"proxy_options": "transaction_timeout = 3s"}

    def test_open_for_too_long(self):
        self.world.server["s1"].script(["CREATE TABLE t1.a (i INT PRIMARY KEY) ENGINE=InnoDB"])
        db = self.connect()
        self.run_sql(db, "BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "CALL cache.SET('slow', 'yes')")
        begun = time.monotonic()
        while time.monotonic() < begun + 30:  # it works now and then, and is open all the same
            time.sleep(0.3)
            try:
                self.rows(db, "SELECT COUNT(*) FROM t1.a")
            except (pymysql.err.MySQLError, OSError) as error:
                self.assertIn(error.args[0], (4031, 2006, 2013, 0))
                break
        else:
            self.fail("it is still open")
        self.world.settle()
        self.assertEqual(self.world.direct("s1", "SELECT i FROM t1.a"), ())
        self.assertIsNone(self.redis().get("slow"))
