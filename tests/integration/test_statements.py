"""Statements of every kind pass as if the client spoke to the server itself."""
import contextlib
import os
import socket
import struct
import subprocess
import unittest

import pymysql
import stage
import xatest
from pymysql.constants import CLIENT

BIG = 20 * 1024 * 1024
os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", "")  # freed memory is free: we measure it


class Statements(xatest.Case):
    world_options = {"proxy_options": "max_packet = 64M", "backend_options": xatest.PATIENT}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("s1", "s2"):
            cls.world.direct(name, f"SET GLOBAL max_allowed_packet = {64 * 1024 * 1024}")

    def test_text_result(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP TABLE IF EXISTS people",
                     "CREATE TABLE people (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40), n INT NULL)"
                     " CHARACTER SET utf8mb4")
        with db.cursor() as cursor:
            self.assertEqual(cursor.execute("INSERT INTO people (name) VALUES ('Äsa'), ('雪')"), 2)
            self.assertEqual(cursor.lastrowid, 1)
            cursor.execute("SELECT name, n FROM people ORDER BY id")
            self.assertEqual(cursor.fetchall(), (("Äsa", None), ("雪", None)))
            self.assertEqual([column[0] for column in cursor.description], ["name", "n"])

    def test_routing_by_qualified_name_and_default_schema(self):
        db = self.connect(database="t1")
        self.run_sql(db, "CREATE TABLE IF NOT EXISTS t1.here (i INT)", "CREATE TABLE IF NOT EXISTS t2.there (i INT)")
        port = {name: one.port for name, one in self.world.server.items()}
        self.assertEqual(self.rows(db, "SELECT @@port FROM (SELECT COUNT(*) FROM t2.there) x"), ((port["s2"],),))
        self.assertEqual(self.rows(db, "SELECT @@port FROM (SELECT COUNT(*) FROM here) x"), ((port["s1"],),))
        db.select_db("t2")
        self.assertEqual(self.rows(db, "SELECT @@port, DATABASE() FROM (SELECT COUNT(*) FROM there) x"), ((port["s2"], "t2"),))
        self.run_sql(db, "USE t1")
        self.assertEqual(self.rows(db, "SELECT DATABASE()"), (("t1",),))

    def test_hint_overrides_routing(self):
        db = self.connect(database="t1")
        port = self.world.server["s2"].port
        self.assertEqual(self.rows(db, "/* xaproxy:backend=s2 */ SELECT @@port"), ((port,),))

    def test_spanning_statement_is_a_clear_error(self):
        db = self.connect()
        self.run_sql(db, "CREATE TABLE IF NOT EXISTS t1.here (i INT)", "CREATE TABLE IF NOT EXISTS t2.there (i INT)")
        text = self.refused(1235, db, "SELECT * FROM t1.here JOIN t2.there USING (i)")
        self.assertIn("s1", text)
        self.assertIn("s2", text)
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    def test_unknown_schema(self):
        db = self.connect()
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            db.select_db("nowhere")
        self.assertIn(caught.exception.args[0], (1044, 1049))
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    @xatest.only("mariadb")
    def test_more_columns_than_16_bits_count(self):
        self.assertEqual(self.rows(self.connect(), "SELECT " + ",".join(["7"] * 70000)), ((7,) * 70000,))

    def test_server_errors_pass_unchanged(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP TABLE IF EXISTS once", "CREATE TABLE once (i INT PRIMARY KEY)", "INSERT INTO once VALUES (1)")
        self.assertIn("Duplicate entry '1'", self.refused(1062, db, "INSERT INTO once VALUES (1)"))
        self.refused(1146, db, "SELECT * FROM t1.no_such_table")
        self.refused(1064, db, "SELEC 1")
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM once"), ((1,),))

    def test_account_has_only_its_grants(self):
        db = self.connect(database="t1")
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.rows(db, "/* xaproxy:backend=s1 */ SELECT * FROM mysql.user")
        self.assertIn(caught.exception.args[0], (1142, 1044))

    def test_multi_statements(self):
        db = self.connect(database="t1", client_flag=CLIENT.MULTI_STATEMENTS)
        with db.cursor() as cursor:
            cursor.execute("SELECT 1; SELECT 'two', 3; SET @a = 4; SELECT @a")
            results = [cursor.fetchall()]
            while cursor.nextset():
                results.append(cursor.fetchall())
        self.assertEqual(results, [((1,),), (("two", 3),), (), ((4,),)])

    def test_bodies_of_routines_end_where_they_end(self):
        """In one packet with what follows; the server itself judges where that is."""
        bodies = ["BEGIN END", "SELECT CASE 1 WHEN 1 THEN IF(1, 2, 3) END AS x", "l: BEGIN LEAVE l; END l", "IF 1 THEN SELECT 1; END IF",
                  "BEGIN DECLARE x INT DEFAULT IF(1, 2, 3); DECLARE EXIT HANDLER FOR NOT FOUND, SQLSTATE VALUE '23000' BEGIN END;"
                  " CASE x WHEN 1 THEN SELECT CASE 1 WHEN 1 THEN 3 END; ELSE BEGIN END; END CASE; WHILE 0 DO SELECT 1; END WHILE;"
                  " REPEAT SET x = CASE WHEN 1 THEN 2 ELSE IF(1, 2, 3) END; UNTIL REPEAT('1', 1) END REPEAT; m: LOOP LEAVE m; END LOOP; END"]
        blocks = ["BEGIN NOT ATOMIC SELECT 8; END", "IF 1 THEN SELECT 8; ELSE SELECT 9; END IF", "CASE WHEN 1 THEN SELECT 8; END CASE",
                  "BEGIN NOT ATOMIC FOR i IN 8..8 DO SELECT i; END FOR; END"]
        db = self.connect(database="t1", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
        for body in bodies:
            text = f"DROP PROCEDURE IF EXISTS shaped; CREATE PROCEDURE shaped() {body}; SET @behind = 5; SELECT @behind"
            self.assertEqual(self.results(db, text)[-1], ((5,),), body)
        if xatest.FAMILY == "mariadb":
            for block in blocks:
                self.assertEqual([rows for rows in self.results(db, f"{block}; SELECT 6; {block}; SELECT 7") if rows],
                                 [((8,),), ((6,),), ((8,),), ((7,),)], block)
        self.run_sql(db, "DROP PROCEDURE shaped")

    def results(self, db, text):
        with db.cursor() as cursor:
            cursor.execute(text)
            found = [cursor.fetchall()]
            while cursor.nextset():
                found.append(cursor.fetchall())
        return found

    def test_multi_statement_stops_at_the_error(self):
        db = self.connect(database="t1", client_flag=CLIENT.MULTI_STATEMENTS)
        self.run_sql(db, "DROP TABLE IF EXISTS m", "CREATE TABLE m (i INT)")
        with self.assertRaises(pymysql.err.MySQLError), db.cursor() as cursor:
            cursor.execute("INSERT INTO m VALUES (1); INSERT INTO no_such VALUES (1); INSERT INTO m VALUES (2)")
            while cursor.nextset():
                pass
        self.assertEqual(self.rows(db, "SELECT i FROM m"), ((1,),))

    def test_syntax_error_quotes_the_rest_of_the_packet(self):
        """As the server says it that has all of it, which is asked itself."""
        def says(db, sql):
            with contextlib.closing(db), db.cursor() as cursor:
                with self.assertRaises(pymysql.err.ProgrammingError) as caught:
                    cursor.execute(sql)
                    while cursor.nextset():
                        pass
            return caught.exception.args

        server = self.world.server["s1"]
        for sql in ("BAR; FOO;", "SELECT 1 FROM ; FOO", "SELECT 1; BAR\n;\nFOO; x", "BAR", "SELECT 1; BAR /* c */", "BAR; SELECT '%s'" % ("x" * 100),
                    "SELECT '%s' BAR FOO; FOO" % ("x" * 100), "BAR%s; FOO" % (" y" * 60)):
            directly = pymysql.connect(unix_socket=server.socket, user="root", client_flag=CLIENT.MULTI_STATEMENTS, charset="utf8mb4")
            through = self.connect(database="t1", client_flag=CLIENT.MULTI_STATEMENTS)
            self.assertEqual(says(through, sql), says(directly, sql), sql)

    def test_multi_statements_only_where_the_client_asked(self):
        # PyMySQL always asks for them; its flag is taken away between construction and connection.
        db = self.world.connect(database="t1", defer_connect=True)
        self.addCleanup(self.close, db)
        db.client_flag &= ~CLIENT.MULTI_STATEMENTS
        db.connect()
        self.refused(1064, db, "SELECT 1; SELECT 2")
        self.assertEqual(self.rows(db, "SELECT 3"), ((3,),))

    def test_call_with_several_results(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP PROCEDURE IF EXISTS p", "CREATE PROCEDURE p(a INT) BEGIN SELECT a; SELECT a + 1, 'x'; END")
        with db.cursor() as cursor:
            cursor.callproc("p", (1,))
            first = cursor.fetchall()
            self.assertTrue(cursor.nextset())
            second = cursor.fetchall()
        self.assertEqual((first, second), (((1,),), ((2, "x"),)))
        self.assertEqual(self.rows(db, "SELECT 5"), ((5,),))

    def test_big_result(self):
        db = self.connect(database="t1")
        [(value,)] = self.rows(db, f"SELECT REPEAT('x', {BIG})")
        self.assertEqual(len(value), BIG)
        self.assertEqual(value.count("x"), BIG)

    def test_many_rows_streamed(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP TABLE IF EXISTS digits", "CREATE TABLE digits (d INT)",
                     "INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9)")
        with db.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute("SELECT a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d, REPEAT('y', 100) "
                           "FROM digits a, digits b, digits c, digits e, digits f")
            count = total = 0
            for number, text in cursor:
                count, total = count + 1, total + number
                self.assertEqual(len(text), 100)
        self.assertEqual((count, total), (100000, 99999 * 100000 // 2))

    def test_slow_reader_of_a_big_result_holds_nobody_up(self):
        slow = self.connect(database="t1")
        before = self.resident_kb()
        slow._execute_command(3, f"SELECT REPEAT('x', {BIG})")
        for _ in range(20):
            self.assertEqual(self.rows(self.connect(), "SELECT 1"), ((1,),))
        self.assertLess(self.resident_kb() - before, BIG // 1024 // 2, "the result was gathered in memory")
        slow._read_query_result()
        self.assertEqual(len(slow._result.rows[0][0]), BIG)

    def resident_kb(self):
        with open(f"/proc/{self.world.proxy.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))

    def test_big_parameter(self):
        db = self.connect(database="t1", max_allowed_packet=64 * 1024 * 1024)
        [(length, md5)] = self.rows(db, "SELECT LENGTH(%s), 1", "z" * BIG)
        self.assertEqual((length, md5), (BIG, 1))

    def test_packet_of_exactly_the_frame_limit(self):
        db = self.connect(database="t1", max_allowed_packet=64 * 1024 * 1024)
        for size in (0xFFFFFF - 1, 0xFFFFFF, 0xFFFFFF + 1):
            sql = "SELECT LENGTH('" + "q" * (size - 1 - len("SELECT LENGTH('')")) + "')"
            self.assertEqual(len(sql) + 1, size)
            self.assertEqual(self.rows(db, sql), ((size - 1 - len("SELECT LENGTH('')"),),))

    def test_packet_over_the_limit_is_refused(self):
        db = self.connect(database="t1", max_allowed_packet=256 * 1024 * 1024)
        with self.assertRaises((pymysql.err.MySQLError, OSError)) as caught:
            self.rows(db, "SELECT LENGTH(%s)", "z" * (65 * 1024 * 1024))
        if isinstance(caught.exception, pymysql.err.MySQLError):
            # this driver writes all of it before it reads: the refusal, which comes earlier, has an earlier number
            out_of_order = isinstance(caught.exception, pymysql.err.InternalError)
            self.assertTrue(out_of_order or caught.exception.args[0] in (1153, 2006, 2013), caught.exception)
        self.assertEqual(self.rows(self.connect(), "SELECT 1"), ((1,),))

    def test_ping_and_reset(self):
        db = self.connect(database="t1")
        db.ping(reconnect=False)
        self.run_sql(db, "SET @mine = 7")
        self.assertEqual(self.rows(db, "SELECT @mine"), ((7,),))
        db._execute_command(0x1F, b"")
        db._read_ok_packet()
        self.assertEqual(self.rows(db, "SELECT @mine"), ((None,),))

    def test_reset_rolls_back(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP TABLE IF EXISTS r", "CREATE TABLE r (i INT)", "BEGIN", "INSERT INTO r VALUES (1)")
        db._execute_command(0x1F, b"")
        db._read_ok_packet()
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM r"), ((0,),))

    def test_unknown_command_is_an_error_not_a_hang(self):
        db = self.connect()
        for command in (0x05, 0x06, 0x0B, 0x13, 0x15, 0x1D, 0x7F):
            with self.subTest(command=command):
                db._execute_command(command, b"x")
                with self.assertRaises(pymysql.err.MySQLError) as caught:
                    db._read_packet()
                self.assertNotIn(caught.exception.args[0], (2006, 2013))
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    def test_foreign_statement_id(self):
        db = self.connect()
        db._execute_command(0x17, struct.pack("<IBI", 4711, 0, 1))
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            db._read_packet()
        self.assertEqual(caught.exception.args[0], 1243)
        db._execute_command(0x19, struct.pack("<I", 4711))  # COM_STMT_CLOSE has no answer
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    def test_session_variables_follow_the_client(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET SESSION sql_mode = 'ANSI_QUOTES', time_zone = '+03:00'")
        for table in ("t1.here", "t2.there"):
            self.run_sql(db, f"CREATE TABLE IF NOT EXISTS {table} (i INT)")
            [(mode, zone, _)] = self.rows(db, f"SELECT @@sql_mode, @@time_zone, COUNT(*) FROM {table}")
            self.assertIn("ANSI_QUOTES", mode)
            self.assertEqual(zone, "+03:00")
        other = self.connect(database="t1")
        self.assertNotIn("ANSI_QUOTES", self.rows(other, "SELECT @@sql_mode")[0][0])

    def test_local_infile_is_refused(self):
        db = self.connect(database="t1", local_infile=True)
        self.run_sql(db, "CREATE TABLE IF NOT EXISTS t1.here (i INT)")
        with self.assertRaises(pymysql.err.MySQLError):
            self.run_sql(db, "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE here")
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    def test_empty_results_of_a_procedure_with_a_cursor_of_its_own(self):
        """Its status says CURSOR in the middle of answers that have none of the protocol's."""
        self.world.server["s1"].script([
            "DROP PROCEDURE IF EXISTS t1.cursing",
            "CREATE PROCEDURE t1.cursing() BEGIN DECLARE done INT DEFAULT 0; DECLARE v VARCHAR(9);"
            " DECLARE c CURSOR FOR SELECT 'a' UNION SELECT 'b'; DECLARE CONTINUE HANDLER FOR NOT FOUND SET done = 1; OPEN c;"
            " l: LOOP FETCH c INTO v; IF done THEN LEAVE l; END IF; SELECT v FROM (SELECT 1) x WHERE v = 'z'; SELECT v; END LOOP; END"])
        with self.connect().cursor() as cursor:
            cursor.execute("CALL t1.cursing()")
            results = [cursor.fetchall()]
            while cursor.nextset():
                results.append(cursor.fetchall())
        self.assertEqual(results, [(), (("a",),), (), (("b",),), ()])


class Prepared(xatest.Case):
    """Through a C program with libmysqlclient."""

    def scenario(self, name):
        driver = os.path.join(xatest.BUILD, "tests", "integration", "c_driver")
        done = subprocess.run([driver, str(self.world.proxy.port), "app", xatest.PASSWORDS["app"],
                               f"{self.world.certs}/ca.crt", name], capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_types(self):
        self.scenario("types")

    def test_two_servers_in_one_transaction(self):
        self.scenario("two_servers")

    def test_long_data(self):
        self.scenario("long_data")

    def test_errors(self):
        self.scenario("errors")

    def test_many_statements(self):
        self.scenario("many")

    def test_procedure_with_two_results(self):
        self.scenario("procedure")

    def test_redis_call_with_binary_values(self):
        self.scenario("redis_binary")

    def test_columns_are_told_at_prepare(self):
        self.scenario("columns")


class MainServer(unittest.TestCase):
    """A backend that takes every schema, as one main server does."""

    @classmethod
    def setUpClass(cls):
        cls.stage = stage.Stage().start()
        cls.addClassCleanup(cls.stage.wipe)

    def connect(self, autocommit=True, **more):
        db = pymysql.connect(host="127.0.0.1", port=self.stage.proxy.port, user=stage.ROOT[0], password=stage.ROOT[1],
                             autocommit=autocommit, **more)
        self.addCleanup(lambda: db.open and db.close())
        return db

    @staticmethod
    def rows(db, sql):
        with db.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def test_a_schema_that_no_backend_lists(self):
        db = self.connect()
        for sql in ("DROP DATABASE IF EXISTS young", "CREATE DATABASE young", "CREATE TABLE young.t (i INT)", "USE young"):
            self.rows(db, sql)
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM t"), ((0,),))
        self.assertEqual(self.rows(self.connect(database="young"), "SELECT DATABASE(), COUNT(*) FROM t"), (("young", 0),))

    def test_a_schema_of_the_server_itself_at_log_in(self):
        self.assertEqual(self.rows(self.connect(database="information_schema"),
                                   "SELECT COUNT(*) FROM schemata WHERE schema_name = 'test'"),
                         ((1,),))

    def test_a_default_schema_that_was_dropped(self):
        db = self.connect()
        for sql in ("DROP DATABASE IF EXISTS old", "CREATE DATABASE old", "USE old", "DROP DATABASE old"):
            self.rows(db, sql)
        self.assertEqual(self.rows(db, "SELECT DATABASE()"), ((None,),))
        self.rows(db, "CREATE DATABASE old")
        db.close()  # its connection to the server, which has no default schema any more, goes to the next client
        db = self.connect(database="old")
        self.rows(db, "CREATE TABLE t (i INT)")
        self.assertEqual(self.rows(db, "SELECT DATABASE(), COUNT(*) FROM t"), (("old", 0),))

    def test_a_server_whose_sessions_begin_without_autocommit(self):
        self.rows(self.connect(), "SET GLOBAL autocommit = 0")
        self.addCleanup(self.rows, self.connect(), "SET GLOBAL autocommit = 1")
        for sql in ("DROP TABLE IF EXISTS test.later", "CREATE TABLE test.later (i INT) ENGINE=InnoDB"):
            self.rows(self.connect(), sql)
        # as the server has it, once what was on its way to the proxy about it has arrived
        xatest.until(lambda: self.rows(self.connect(autocommit=None), "SELECT @@autocommit") == ((0,),), 5,
                     "autocommit is still on")
        db = self.connect(autocommit=None)
        self.rows(db, "INSERT INTO test.later VALUES (1)")
        self.assertEqual(self.rows(self.connect(), "SELECT COUNT(*) FROM test.later"), ((0,),))
        self.rows(db, "COMMIT")
        self.assertEqual(self.rows(self.connect(), "SELECT COUNT(*) FROM test.later"), ((1,),))

    def locked(self):
        db = self.connect(autocommit=False, database="test")
        for sql in ("DROP TABLE IF EXISTS held", "CREATE TABLE held (i INT PRIMARY KEY) ENGINE=InnoDB", "LOCK TABLES held WRITE"):
            with self.subTest(sql):
                self.rows(db, sql)
        return db

    def test_a_transaction_under_table_locks(self):
        db = self.locked()
        for sql in ("INSERT INTO held VALUES (1)", "ROLLBACK", "INSERT INTO held VALUES (2)", "COMMIT",
                    "INSERT INTO held VALUES (3)"):
            self.rows(db, sql)
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.rows(db, "SELECT * FROM test.later")
        self.assertEqual(caught.exception.args[0], 1100)  # the locks are still there: no other table can be used
        self.rows(db, "UNLOCK TABLES")  # which commits
        self.assertEqual(self.rows(self.connect(), "SELECT i FROM test.held ORDER BY i"), ((2,), (3,)))

    def test_begin_unlocks_tables(self):
        db = self.locked()
        for sql in ("BEGIN", "INSERT INTO held VALUES (1)"):
            self.rows(db, sql)
        self.assertEqual(self.rows(self.connect(), "SELECT COUNT(*) FROM test.held"), ((0,),))
        self.rows(db, "COMMIT")
        self.assertEqual(self.rows(self.connect(), "SELECT COUNT(*) FROM test.held"), ((1,),))

    def test_wait_timeout_of_the_client(self):
        db = self.connect()
        self.rows(db, "SET SESSION wait_timeout = 1")
        self.assertEqual(db._sock.recv(1, socket.MSG_PEEK)[:0], b"")  # what MySQL says, or the end
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(db, "SELECT 1")
