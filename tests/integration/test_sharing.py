"""Many clients over few connections: each finds its own state only, and what cannot move stays where it is.

One worker with four connections a server. Sessions rest between statements, and whoever comes next takes the connection that
rested longest. The servers themselves say how many connections there are.
"""
import contextlib
import struct
import threading
import time

import pymysql
import pymysql.cursors

import preparing
import rawclient
import xatest

LIMIT = 4
COM_RESET_CONNECTION = 0x1F
OPTIONS = {"workers": 1,
           "backend_options": f"max_connections = {LIMIT}\nqueue_timeout = 6s\nping_interval = 1s\n{xatest.PATIENT}"}


class Few(xatest.Case):
    world_options = OPTIONS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.server["s1"].script([
            "CREATE TABLE t1.a (i INT PRIMARY KEY, v INT NOT NULL DEFAULT 0) ENGINE=InnoDB",
            "CREATE TABLE t1.ids (id BIGINT AUTO_INCREMENT PRIMARY KEY, who INT NOT NULL) ENGINE=InnoDB",
            "INSERT INTO t1.a (i) VALUES (1), (2), (3)",
            "CREATE PROCEDURE t1.set_variable() BEGIN SET @inside = 7; END",
            "GRANT EXECUTE ON t1.* TO 'app_s1'@'%'"]
            + ["GRANT SESSION_VARIABLES_ADMIN ON *.* TO 'app_s1'@'%'"] * (xatest.FAMILY == "mysql"))
        cls.world.server["s2"].script([
            "CREATE TABLE t2.b (i INT PRIMARY KEY, v INT NOT NULL DEFAULT 0) ENGINE=InnoDB"])

    def clients(self, n, **more):
        more.setdefault("database", "t1")
        return [self.connect(**more) for _ in range(n)]

    def value(self, db, sql, *args):
        return self.rows(db, sql, *args)[0][0]

    def server_connections(self, name="s1"):
        return self.world.direct(name, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = %s", f"app_{name}")[0][0]

    def pool(self):
        with self.world.admin() as admin, admin.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW POOLS")
            pool, = (row for row in cursor.fetchall() if (row["backend"], row["account"]) == ("s1", "app"))
            return pool


class Sharing(Few):
    def test_more_clients_than_connections(self):
        clients = self.clients(40)
        for _ in range(3):
            for number, db in enumerate(clients):
                self.assertEqual(self.value(db, f"SELECT {number}"), number)
        self.assertLessEqual(self.server_connections(), LIMIT)

    def test_the_dba_sees_the_pools(self):
        for db in self.clients(LIMIT + 3):
            self.value(db, "SELECT 1")
        pool = self.pool()
        self.assertEqual(int(pool["lent"]) + int(pool["parked"]) + int(pool["idle"]) + int(pool["opening"]), LIMIT)
        self.assertGreater(int(pool["taken"]), 2)
        self.assertGreaterEqual(int(pool["resets"]), int(pool["taken"]))
        self.assertGreater(int(pool["waited"]), 2)
        self.assertEqual(int(pool["waiting"]), 0)

    def test_settings_and_user_variables_follow(self):
        clients = self.clients(12)
        for number, db in enumerate(clients):
            self.run_sql(db, f"SET @mine = {number}", f"SET SESSION sort_buffer_size = {262144 + 4096 * number}")
        for _ in range(2):
            for number, db in enumerate(clients):
                self.assertEqual(self.rows(db, "SELECT @mine, @@sort_buffer_size, v FROM a WHERE i = 1"),
                                 ((number, 262144 + 4096 * number, 0),))
        self.assertEqual(self.rows(self.connect(database="t1"), "SELECT @mine, v FROM a WHERE i = 1"), ((None, 0),))

    def test_last_insert_id_is_ones_own(self):
        clients = self.clients(12)
        expected = []
        for number, db in enumerate(clients):
            with db.cursor() as cursor:
                cursor.execute("INSERT INTO ids (who) VALUES (%s)", (number,))
                expected.append(cursor.lastrowid)
        for number, db in enumerate(clients):
            self.assertEqual(self.value(db, "SELECT LAST_INSERT_ID()"), expected[number])
        self.assertEqual(self.value(self.connect(database="t1"), "SELECT LAST_INSERT_ID()"), 0)

    def test_an_id_given_explicitly_is_no_last_insert_id(self):
        clients = self.clients(12)
        for number, db in enumerate(clients):
            self.run_sql(db, f"INSERT INTO ids (id, who) VALUES ({1000000 + number}, {number})")
        for db in clients:
            self.assertEqual(self.value(db, "SELECT LAST_INSERT_ID()"), 0)

    def test_last_insert_id_of_an_expression(self):
        clients = self.clients(12)
        for number, db in enumerate(clients):
            self.value(db, f"SELECT LAST_INSERT_ID({500 + number})")
        for number, db in enumerate(clients):
            self.assertEqual(self.value(db, "SELECT LAST_INSERT_ID()"), 500 + number)

    def test_a_role_is_ones_own(self):
        """A server's reset does not take it back."""
        self.world.direct("s1", "CREATE ROLE IF NOT EXISTS baker")
        self.world.direct("s1", "GRANT baker TO app_s1")
        clients = self.clients(3 * LIMIT)
        self.run_sql(clients[0], "SET ROLE baker")
        self.assertIn("baker", self.value(clients[0], "SELECT CURRENT_ROLE()"))
        for _ in range(2):
            for db in clients[1:]:
                self.assertIn(self.value(db, "SELECT CURRENT_ROLE()"), (None, "NONE"))
            self.assertIn("baker", self.value(clients[0], "SELECT CURRENT_ROLE()"))
        clients[0].close()
        for db in clients[1:]:
            self.assertIn(self.value(db, "SELECT CURRENT_ROLE()"), (None, "NONE"))

    def test_a_role_that_a_routine_took_is_ones_own(self):
        self.world.server["s1"].script(["CREATE ROLE IF NOT EXISTS baker", "GRANT baker TO app_s1",
                                        "CREATE PROCEDURE t1.become_baker() SQL SECURITY INVOKER SET ROLE baker"])
        for turn in range(2):
            taker = self.connect(database="t1")
            self.run_sql(taker, "CALL become_baker()")
            self.assertIn("baker", self.value(taker, "SELECT CURRENT_ROLE()"))
            taker.close()
            for db in self.clients(2 * LIMIT):
                self.assertIn(self.value(db, "SELECT CURRENT_ROLE()"), (None, "NONE"), turn)

    def test_a_role_outlives_a_reset_of_the_client(self):
        """As on a server."""
        self.world.server["s1"].script(["CREATE ROLE IF NOT EXISTS baker", "GRANT baker TO app_s1"])
        clients = self.clients(2 * LIMIT)
        self.run_sql(clients[0], "SET ROLE baker", "SET @mine = 1")
        clients[0]._execute_command(COM_RESET_CONNECTION, b"")
        clients[0]._read_ok_packet()
        for db in clients[1:]:
            self.assertIn(self.value(db, "SELECT CURRENT_ROLE()"), (None, "NONE"))
        for db in (clients[0], clients[0]):
            self.assertIn("baker", self.value(db, "SELECT CURRENT_ROLE()"))
        self.assertIsNone(self.value(clients[0], "SELECT @mine"))

    def test_a_schemas_character_set_is_in_force(self):
        """By it a server reads the files of LOAD DATA."""
        self.world.direct("s1", "ALTER DATABASE t1 CHARACTER SET latin1")
        try:
            clients = self.clients(2 * LIMIT)
            for db in clients:  # each connection is given to another one since
                self.value(db, "SELECT 1")
            for db in clients:
                self.assertEqual(self.value(db, "SELECT @@character_set_database"), "latin1")
        finally:
            self.world.direct("s1", "ALTER DATABASE t1 CHARACTER SET utf8mb4")

    def test_a_new_session_finds_its_schema_as_it_is_now(self):
        """Not as it was when the connection that it is given entered it."""
        for db in self.clients(LIMIT):
            self.value(db, "SELECT 1")
            db.close()
        self.run_sql(self.connect(database="t1"), "ALTER DATABASE t1 CHARACTER SET latin1")
        try:
            for db in self.clients(LIMIT):
                self.assertEqual(self.value(db, "SELECT @@character_set_database"), "latin1")
                db.close()
        finally:
            self.world.direct("s1", "ALTER DATABASE t1 CHARACTER SET utf8mb4")
        xatest.until(lambda: all(self.value(db, "SELECT @@character_set_database") == "utf8mb4" for db in self.clients(LIMIT)), 20,
                     "who altered it past the proxy is not noticed")

    def test_warnings_outlive_a_ping(self):
        clients = self.clients(LIMIT + 1)
        self.value(clients[0], "SELECT CAST('x' AS SIGNED)")
        pinged = self.pings()
        xatest.until(lambda: self.pings() > pinged + 2 * LIMIT, 20, "nobody pings")
        for db in clients[1:]:
            self.value(db, "SELECT 1")
        self.assertEqual(self.rows(clients[0], "SHOW WARNINGS")[0][1], 1292)

    def pings(self):
        with self.world.admin() as dba, dba.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW POOLS")
            return sum(int(row["pinged"]) for row in cursor.fetchall() if (row["backend"], row["account"]) == ("s1", "app"))

    def test_schemas_are_ones_own(self):
        with_schema, without = self.clients(8), self.clients(8, database=None)
        for _ in range(2):
            for one, other in zip(with_schema, without):
                self.assertEqual(self.value(one, "SELECT DATABASE()"), "t1")
                self.assertIsNone(self.value(other, "SELECT DATABASE()"))
        self.assertLessEqual(self.server_connections(), LIMIT)

    def test_holders_keep_what_they_hold(self):
        holder = self.connect(database="t1")
        self.run_sql(holder, "CREATE TEMPORARY TABLE mine (i INT)", "INSERT INTO mine VALUES (42)")
        locker = self.connect(database="t1")
        self.assertEqual(self.value(locker, "SELECT GET_LOCK('sharing', 0)"), 1)
        variable = self.connect(database="t1")
        self.rows(variable, "SELECT @counted := 5")
        for number, db in enumerate(self.clients(10)):
            self.assertEqual(self.value(db, f"SELECT {number}"), number)
            self.assertEqual(self.value(db, "SELECT IS_FREE_LOCK('sharing')"), 0)
        self.assertEqual(self.value(holder, "SELECT i FROM mine"), 42)
        self.assertEqual(self.value(variable, "SELECT @counted"), 5)
        self.assertEqual(self.value(locker, "SELECT RELEASE_ALL_LOCKS()"), 1)

    def test_a_dropped_temporary_table_keeps_nothing(self):
        db = self.connect(database="t1")
        self.run_sql(db, "CREATE TEMPORARY TABLE one (i INT)", "CREATE TEMPORARY TABLE IF NOT EXISTS two (i INT)",
                     "CREATE TEMPORARY TABLE three AS SELECT 1 AS i")
        self.refused(1050, db, "CREATE TEMPORARY TABLE three (i INT)")
        for dropped in ("DROP TEMPORARY TABLE one", "DROP TEMPORARY TABLE IF EXISTS none_such, none_either",
                        "ALTER TABLE two RENAME TO four", "SET sql_notes = 0", "DROP TEMPORARY TABLE IF EXISTS none_such"):
            self.run_sql(db, dropped)
            self.holds(1, dropped)
        self.refused(1051, db, "DROP TEMPORARY TABLE three, two")
        self.holds(1)
        self.run_sql(db, "SET sql_notes = 1")
        other = self.connect(database="t1")
        self.run_sql(other, "CREATE TEMPORARY TABLE one (i INT)", "CREATE TEMPORARY TABLE two (i INT)")
        self.holds(2)
        self.run_sql(other, "DROP TEMPORARY TABLE IF EXISTS one, two")
        self.holds(1)

    def test_a_temporary_table_dropped_as_any_other_keeps_nothing(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP TABLE IF EXISTS lasting", "CREATE TABLE lasting (i INT)", "CREATE TEMPORARY TABLE one (i INT)",
                     "CREATE TEMPORARY TABLE lasting (i INT)")
        for sql, held in (("DROP TABLE lasting", 1), ("DROP TABLE lasting", 1), ("DROP TABLE IF EXISTS lasting", 1),
                          ("DROP TABLE IF EXISTS t1.one, lasting", 0), ("CREATE TEMPORARY TABLE one (i INT)", 1),
                          ("CREATE TEMPORARY TABLE IF NOT EXISTS one (i INT)", 1), ("CREATE TEMPORARY TABLE `t1`.`two` (i INT)", 1),
                          ("DROP TABLE one, two", 0), ("CREATE TEMPORARY TABLE one (i INT)", 1),
                          ("ALTER TABLE one RENAME TO other", 1), ("CREATE TABLE one (i INT)", 1), ("DROP TABLE one", 1),
                          ("DROP TEMPORARY TABLE other", 0)):
            self.run_sql(db, sql)
            self.holds(held, sql)

    def test_released_locks_keep_nothing(self):
        db = self.connect(database="t1")
        for sql, value, held in (("SELECT GET_LOCK('job', 0)", 1, 1), ("SELECT GET_LOCK('job', 0) AS again", 1, 1),
                                 ("SELECT RELEASE_LOCK('job')", 1, 1), ("SELECT RELEASE_LOCK('other')", None, 1),
                                 ("SELECT RELEASE_LOCK('job') AS last", 1, 0), ("SELECT RELEASE_LOCK('job')", None, 0)):
            self.assertEqual(self.value(db, sql), value, sql)
            self.holds(held, sql)
        taken = self.connect(database="t1")
        self.assertEqual(self.value(taken, "SELECT GET_LOCK('job', 0)"), 1)
        self.assertEqual(self.value(db, "SELECT GET_LOCK('job', 0)"), 0)
        self.holds(1, "who did not get it holds nothing")
        self.assertEqual(self.value(taken, "SELECT GET_LOCK('job', 0) + GET_LOCK('more', 0)"), 2)
        self.rows(taken, "SELECT RELEASE_LOCK('job'), RELEASE_LOCK('job'), RELEASE_LOCK('more')")
        self.holds(1, "more than was counted")
        self.rows(taken, "SELECT RELEASE_ALL_LOCKS()")
        self.holds(0)

    def test_locks_released_by_prepared_statements_keep_nothing(self):
        c = preparing.Client(self.world, "t1")
        self.addCleanup(c.close)
        get, release = (c.prepare(f"SELECT {sql}")[0] for sql in ("GET_LOCK(?, ?)", "RELEASE_LOCK(?)"))
        for statement, values, answer, held in ((get, ("job", 0), 1, 1), (release, ("other",), None, 1), (release, ("job",), 1, 0),
                                                (release, ("job",), None, 0)):
            self.assertEqual(c.execute(statement, *values).values(), [(answer,)])
            self.holds(held)

    def test_a_temporary_table_that_was_altered_is_one_still(self):
        db = self.connect(database="t1")
        self.run_sql(db, "CREATE TEMPORARY TABLE mine (i INT)", "ALTER TABLE mine ADD COLUMN j INT", "TRUNCATE TABLE mine",
                     "CREATE INDEX by_j ON mine (j)")
        self.holds(1)
        self.run_sql(db, "DROP TEMPORARY TABLE mine")
        self.holds(0)

    def test_a_routine_that_is_not_there_keeps_nothing(self):
        db = self.connect(database="t1")
        self.refused(1305, db, "SELECT no_such_function(1)")
        self.refused(1305, db, "CALL no_such_procedure()")
        self.holds(0)
        self.run_sql(db, "CALL set_variable()")
        self.holds(1)

    def test_a_closed_handler_keeps_nothing(self):
        db = self.connect(database="t1")
        self.run_sql(db, "HANDLER a OPEN", "HANDLER t1.a OPEN AS b")
        self.refused(1066, db, "HANDLER a OPEN")
        self.rows(db, "HANDLER a READ FIRST")
        self.run_sql(db, "HANDLER a CLOSE")
        self.refused(1109, db, "HANDLER a CLOSE")
        self.holds(1)
        self.run_sql(db, "HANDLER b CLOSE")
        self.holds(0)

    @xatest.only("mysql")
    def test_a_hint_that_sets_a_variable_keeps_nothing(self):
        for db in self.clients(LIMIT + 2):
            self.assertEqual(self.value(db, "SELECT /*+ SET_VAR(sort_buffer_size = 50000) */ @@sort_buffer_size"), 50000)
            self.assertNotEqual(self.value(db, "SELECT @@sort_buffer_size"), 50000)

    def test_a_write_that_reads_what_was_never_set_keeps_nothing(self):
        for number, db in enumerate(self.clients(LIMIT + 2)):
            self.run_sql(db, "INSERT INTO ids (who) VALUES (COALESCE(@never_set, 1)), (COALESCE(@`Nor this`, 1))")
            self.assertEqual(self.rows(db, "SELECT @never_set, @`nor this`"), ((None, None),), number)

    def test_what_routines_keep_is_counted(self):
        db = self.connect(database="t1")
        before = self.counter("held_by_routines")
        self.run_sql(db, "CALL set_variable()", "CALL set_variable()")
        self.assertEqual(self.counter("held_by_routines") - before, 1)
        self.assertIn("routines_hold = off", self.world.proxy.log_of_this_life())

    def holds(self, n, what=""):
        """So many connections rest with nobody's statement on them and cannot be taken, once all that is under way is over."""
        xatest.until(lambda: int(self.pool()["lent"]) == n, 2, lambda: f"{self.pool()['lent']} are held, not {n}: {what}")

    def counter(self, name):
        with self.world.admin() as admin:
            return int(dict(self.rows(admin, "SHOW STATUS"))[name])

    def test_assigned_variables_are_read_before_the_connection_goes(self):
        clients = self.clients(12)
        for number, db in enumerate(clients):
            self.rows(db, f"SELECT @mine := {number}, @twice := CONCAT('x', {number * 2}) FROM a WHERE i = 1")
        for _ in range(2):
            for number, db in enumerate(clients):
                self.assertEqual(self.rows(db, "SELECT @mine, @twice FROM a WHERE i = 1"), ((number, f"x{number * 2}"),))
        for number, db in enumerate(clients):
            self.rows(db, f"SELECT REPEAT('{number % 10}', 300000) INTO @long")
        for number, db in enumerate(clients):
            self.assertEqual(self.value(db, "SELECT @long FROM a WHERE i = 1"), str(number % 10) * 300000)
        self.assertLessEqual(self.server_connections(), LIMIT)

    def test_a_client_that_goes_while_its_connection_is_taken(self):
        for turn in range(10):
            clients = self.clients(LIMIT)
            for number, db in enumerate(clients):
                self.rows(db, f"SELECT @mine := {number}, v FROM a WHERE i = 1")
            others = self.clients(LIMIT)
            threads = [threading.Thread(target=self.value, args=(db, "SELECT 1")) for db in others]
            for one in threads:
                one.start()
            for db in clients:
                db.close()
            for one in threads:
                one.join()
            for db in others:
                self.assertEqual(self.value(db, f"SELECT {turn}"), turn)
                db.close()

    def test_what_went_with_a_connection_is_told(self):
        holder, other = self.clients(2)
        self.value(holder, "SELECT GET_LOCK('lost', 0)")
        self.value(other, "SELECT 1")
        mine = self.value(holder, "SELECT CONNECTION_ID() + 0 FROM a WHERE i = 1")
        there = self.world.direct("s1", "SELECT IS_USED_LOCK('lost')")[0][0]
        self.assertTrue(mine)
        lost = f"backend=s1 id={there} "
        before = self.world.proxy.log_of_this_life().count(lost)  # a server that crashed counts its ids from the beginning
        self.world.server["s1"].script([f"KILL CONNECTION {there}"])
        xatest.until(lambda: not self.world.direct("s1", "SELECT IS_USED_LOCK('lost')")[0][0], 5, "the lock is still held")
        xatest.until(lambda: self.world.proxy.log_of_this_life().count(lost) > before, 5, "the proxy has not noticed")
        self.assertIn("GET_LOCK", self.refused(2013, holder, "SELECT 1"))
        self.assertEqual(self.value(holder, "SELECT 1"), 1)
        self.assertEqual(self.value(other, "SELECT 1"), 1)

    def test_a_procedure_may_leave_anything(self):
        caller = self.connect(database="t1")
        self.run_sql(caller, "CALL set_variable()")
        for number, db in enumerate(self.clients(10)):
            self.assertEqual(self.value(db, f"SELECT {number}"), number)
        self.assertEqual(self.value(caller, "SELECT @inside"), 7)

    def test_temporary_tables_in_a_transaction(self):
        db, other = self.clients(2)
        self.run_sql(db, "CREATE TEMPORARY TABLE early (i INT)", "BEGIN", "INSERT INTO early VALUES (1), (2)",
                     "INSERT INTO a (i) SELECT i + 500 FROM early", "INSERT INTO t2.b VALUES (500, 1)", "COMMIT")
        self.assertEqual(self.value(other, "SELECT COUNT(*) FROM a WHERE i BETWEEN 501 AND 502"), 2)
        self.run_sql(db, "BEGIN", "CREATE TEMPORARY TABLE first (i INT)", "INSERT INTO first VALUES (7)",
                     "INSERT INTO a (i) SELECT i + 500 FROM first", "COMMIT")
        self.assertEqual(self.value(other, "SELECT COUNT(*) FROM a WHERE i = 507"), 1)
        self.assertEqual(self.value(db, "SELECT COUNT(*) FROM early"), 2)
        self.run_sql(other, "DELETE FROM a WHERE i >= 500", "DELETE FROM t2.b")
        self.world.settle()

    @xatest.only("mysql")
    def test_temporary_tables_too_late_say_what_to_do(self):
        db = self.connect(database="t1")
        self.run_sql(db, "BEGIN", "UPDATE a SET v = 9 WHERE i = 2")
        self.assertIn("SESSION_VARIABLES_ADMIN", self.refused(4091, db, "CREATE TEMPORARY TABLE late (i INT)"))
        self.run_sql(db, "UPDATE a SET v = 0 WHERE i = 2", "COMMIT")

    def test_when_all_are_held_the_queue_has_a_deadline(self):
        holders = self.clients(LIMIT)
        for number, db in enumerate(holders):
            self.run_sql(db, f"CREATE TEMPORARY TABLE held{number} (i INT)")
        late = self.connect(database="t1")
        begun = time.monotonic()
        self.assertIn("max_connections", self.refused(1205, late, "SELECT 1"))
        self.assertGreater(time.monotonic() - begun, 5.5)
        self.assertIn("pool_queue", self.world.proxy.log_of_this_life())
        holders[0].close()
        self.assertEqual(self.value(late, "SELECT 1"), 1)  # its session is sound

    def prepare(self, number):
        raw = rawclient.Raw(self.world.proxy.port, self.world.certs)
        self.addCleanup(raw.close)
        raw.login()
        raw.command(f"\x16SELECT {number} + v FROM t1.a WHERE i = 1".encode())
        statement = struct.unpack_from("<I", raw.packet(), 1)[0]
        raw.packet()  # its one column
        return raw, statement

    @staticmethod
    def execute(raw, statement):
        raw.command(b"\x17" + struct.pack("<IBI", statement, 0, 1))
        answer = [raw.packet()]
        while answer[-1][:1] not in (b"\xfe", b"\xff"):
            answer.append(raw.packet())
        return int.from_bytes(answer[-2][2:6], "little") if len(answer) == 4 else answer

    def test_prepared_statements_move(self):
        clients = [self.prepare(number) for number in range(12)]
        for _ in range(3):
            for number, (raw, statement) in enumerate(clients):
                self.assertEqual(self.execute(raw, statement), number)
        self.assertLessEqual(self.server_connections(), LIMIT)

    def test_a_server_restarts_while_many_wait(self):
        clients = self.clients(20)
        stop, answers = threading.Event(), []

        def ask(db):
            while not stop.is_set():
                try:
                    answers.append(self.value(db, "SELECT 1"))
                except pymysql.err.MySQLError as error:
                    answers.append(error.args[0])
                    time.sleep(0.05)
        threads = [threading.Thread(target=ask, args=(db,)) for db in clients]
        for one in threads:
            one.start()
        self.world.server["s1"].crash()
        self.world.server["s1"].start()
        time.sleep(2)
        stop.set()
        for one in threads:
            one.join()
        self.assertLessEqual(set(answers), {1, 1105, 2013, 1205})
        for db in clients:
            xatest.until(lambda: self.answers(db), 5, "not of use again")

    def answers(self, db):
        with contextlib.suppress(pymysql.err.OperationalError):
            return self.value(db, "SELECT 1") == 1
        return False


class Crowd(Few):
    """Nobody gives up waiting here, however slow the machine is."""

    world_options = {**OPTIONS, "proxy_options": "login_timeout = 2m",
                     "backend_options": f"max_connections = {LIMIT}\nqueue_timeout = 10m\n{xatest.PATIENT}"}

    def test_who_came_first_is_served_first(self):
        holders = self.clients(LIMIT)
        for number, db in enumerate(holders):
            self.run_sql(db, "BEGIN", f"SELECT v FROM a WHERE i = 1 /* {number} */")
        self.run_sql(holders[0], "DELETE FROM ids")
        waiting = self.clients(6)
        threads = [threading.Thread(target=self.run_sql, args=(db, f"INSERT INTO ids (who) VALUES ({number})"))
                   for number, db in enumerate(waiting)]
        for number, one in enumerate(threads):
            one.start()
            xatest.until(lambda: int(self.pool()["waiting"]) == number + 1, 10, "it does not wait")
        self.run_sql(holders[0], "COMMIT")
        for one in threads:
            one.join()
        self.assertEqual([who for (who,) in self.world.direct("s1", "SELECT who FROM t1.ids ORDER BY id")], list(range(6)))

    def test_transactions_of_many(self):
        """Each transaction holds a connection from its first statement on; the others wait for their turn."""
        self.run_sql(self.connect(), "DELETE FROM t1.a WHERE i > 1000", "DELETE FROM t2.b")
        failures = []

        def work(number):
            try:
                with contextlib.closing(self.world.connect(read_timeout=600)) as db, db.cursor() as cursor:
                    for turn in range(3):
                        cursor.execute("BEGIN")
                        cursor.execute(f"INSERT INTO t1.a VALUES ({10000 + number * 10 + turn}, {number})")
                        cursor.execute(f"INSERT INTO t2.b VALUES ({number * 10 + turn}, {number})")
                        cursor.execute(f"SELECT COUNT(*) FROM t1.a WHERE v = {number} AND i > 1000")
                        if cursor.fetchone()[0] != turn + 1:
                            raise AssertionError(f"client {number} sees something else")
                        cursor.execute("COMMIT")
            except Exception as error:  # pylint: disable=broad-except
                failures.append((number, error))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(40)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        self.assertEqual(failures, [])
        self.assertLessEqual(self.server_connections(), LIMIT)

    def everything(self, number, rounds):
        """One client's life: whatever it sees is its own. The seconds that it waits are the others'."""
        with contextlib.closing(self.world.connect(database="t1", read_timeout=600)) as db, db.cursor() as cursor:
            def value(sql):
                cursor.execute(sql)
                return cursor.fetchone()[0]
            cursor.execute(f"SET @mine = {number}, SESSION lc_time_names = '{('de_DE', 'fr_FR')[number % 2]}'")
            cursor.execute(f"PREPARE own FROM 'SELECT {number} * 10 + ?'")
            for turn in range(rounds):
                cursor.execute(f"SET @turn = {turn}")
                seen = (value("SELECT @mine"), value("SELECT @turn"), value("SELECT @@lc_time_names"),
                        value("EXECUTE own USING @turn"))
                expected = (number, turn, ("de_DE", "fr_FR")[number % 2], number * 10 + turn)
                if seen != expected:
                    raise AssertionError(f"{seen} instead of {expected}")
                cursor.execute("BEGIN")
                cursor.execute(f"INSERT INTO ids (who) VALUES ({number})")
                made = cursor.lastrowid
                cursor.execute(f"UPDATE t2.b SET v = v + 1 WHERE i = {number}")
                cursor.execute("COMMIT" if turn % 2 else "ROLLBACK")
                if value("SELECT LAST_INSERT_ID()") != made:
                    raise AssertionError("the id of somebody else")
            return value(f"SELECT v FROM t2.b WHERE i = {number}")

    def test_two_hundred_clients(self):
        rounds, clients, wrong = 2, 200, []
        self.run_sql(self.connect(), "DELETE FROM t2.b",
                     "INSERT INTO t2.b (i) VALUES " + ",".join(f"({n})" for n in range(clients)))

        def work(number):
            try:
                counted = self.everything(number, rounds)
                if counted != rounds // 2:
                    raise AssertionError(f"{counted} commits instead of {rounds // 2}")
            except Exception as error:  # pylint: disable=broad-except
                wrong.append((number, error))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        self.assertEqual(wrong, [])
        self.assertLessEqual(self.server_connections(), LIMIT)
        self.world.settle()
