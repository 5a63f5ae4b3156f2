"""Clients that do not wait, do not read, or say things in an unusual order; servers that go in the middle of an answer."""
import contextlib
import io
import select
import signal
import ssl
import struct
import time

import pymysql
import xatest
from pymysql.constants import CLIENT
from running import Running

PING, PREPARE, EXECUTE, LONG_DATA, CLOSE = 0x0E, 0x16, 0x17, 0x18, 0x19


class Flood(io.RawIOBase):
    """Sends commands ahead of the answers that are read meanwhile. One thread does both, since a TLS connection is no
    place for two: whatever reads an answer sends what the line takes."""

    def __init__(self, db, data):
        super().__init__()
        self.db, self.data, self.rfile = db, memoryview(data), db._rfile
        db._sock.setblocking(False)
        db._rfile = io.BufferedReader(self, 1 << 16)
        self.send()

    def send(self):
        with contextlib.suppress(ssl.SSLWantWriteError, ssl.SSLWantReadError):
            while self.data:
                self.data = self.data[self.db._sock.send(self.data[:1 << 14]):]

    def readable(self):
        return True

    def readinto(self, buffer):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self.send()
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return self.db._sock.recv_into(buffer)
            select.select([self.db._sock], [self.db._sock] if self.data else [], [], 1)
        raise TimeoutError("nothing read for 30 s")

    def end(self):
        """Gives the connection back as it was; what was not sent."""
        self.db._rfile = self.rfile
        self.db._sock.setblocking(True)
        return bytes(self.data)


class Rough(xatest.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.server["s1"].script(["CREATE TABLE t1.a (i INT PRIMARY KEY, v LONGTEXT) ENGINE=InnoDB"])
        cls.world.server["s2"].script(["CREATE TABLE t2.b (i INT PRIMARY KEY, v LONGTEXT) ENGINE=InnoDB",
                                       "CREATE TABLE stock.b (i INT PRIMARY KEY, v LONGTEXT) ENGINE=InnoDB",
                                       "SET GLOBAL log_bin_trust_function_creators = 1",
                                       "CREATE FUNCTION t2.writes() RETURNS INT "
                                        "BEGIN INSERT INTO t2.b (i) VALUES (50); RETURN 7; END"])

    def setUp(self):
        for name, table in (("s1", "t1.a"), ("s2", "t2.b"), ("s2", "stock.b")):
            self.world.direct(name, f"DELETE FROM {table}")
        self.db = self.connect()

    def tearDown(self):
        self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail(40))
        self.close(self.db)
        self.world.settle()

    def keys(self, name, table):
        return [row[0] for row in self.world.direct(name, f"SELECT i FROM {table} ORDER BY i")]

    def of_session(self, name):
        """The ids of the proxy's connections on a server that hold this client's transaction."""
        return self.world.server[name].open_transactions()

    # --- not waiting, not reading ---

    def test_a_hundred_thousand_commands_at_once(self):
        count = 100000
        flood = Flood(self.db, b"\x01\0\0\0\x0e" * count)
        for _ in range(count):
            self.db._next_seq_id = 1
            self.assertTrue(self.db._read_packet().is_ok_packet())
        self.assertFalse(flood.end())

    def test_many_statements_in_one_command(self):
        count = 30000
        db = self.connect(client_flag=CLIENT.MULTI_STATEMENTS)
        db._execute_command(3, "COMMIT;" * count + "SELECT 1")
        for _ in range(count):
            self.assertTrue(db._read_packet().is_ok_packet())
        self.assertEqual(db._read_packet()._data[:1], b"\x01")

    def test_commands_behind_an_answer_that_nobody_reads(self):
        """The proxy stops taking commands, keeps no more than a little of the answers, and goes on when they are read."""
        count, size = 3000, 10000
        sql = b"\x03SELECT REPEAT('x', %d)" % size
        packet = struct.pack("<I", len(sql)) + sql
        flood = Flood(self.db, packet * count)
        time.sleep(1)
        for _ in range(count):
            self.db._next_seq_id = 1
            result = pymysql.connections.MySQLResult(self.db)
            result.read()
            self.assertEqual(len(result.rows[0][0]), size)
        self.assertFalse(flood.end())
        self.assertEqual(self.rows(self.db, "SELECT 5"), ((5,),))

    def test_a_command_behind_commit_release_is_not_run(self):
        commands = [b"\x03COMMIT RELEASE", b"\x03INSERT INTO t1.a (i) VALUES (2)"]
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)")
        self.db._sock.sendall(b"".join(struct.pack("<I", len(c)) + c for c in commands))
        with contextlib.suppress(pymysql.err.MySQLError, OSError):
            self.db._next_seq_id = 1
            self.assertTrue(self.db._read_packet().is_ok_packet())
            self.db._next_seq_id = 1
            self.assertFalse(self.db._read_packet().is_ok_packet())
        self.assertEqual(self.keys("s1", "t1.a"), [1])

    # --- servers that go ---

    def test_a_server_that_goes_in_the_middle_of_a_row(self):
        """An error does not fit into a row: the client is sent away, and learns no wrong value."""
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)")
        self.db._execute_command(3, "SELECT REPEAT('x', 15000000) FROM t1.a")
        time.sleep(0.5)
        for thread in self.of_session("s1"):
            self.world.direct("s1", f"KILL {thread}")
        with self.assertRaises((pymysql.err.MySQLError, OSError)):
            result = pymysql.connections.MySQLResult(self.db)
            result.read()
            self.assertEqual(len(result.rows[0][0]), 15000000)
            raise OSError("all of it had been sent before")

    def test_a_snapshot_that_cannot_be_taken_leaves_no_transaction(self):
        self.world.server["s1"].crash()
        try:
            with self.assertRaises(pymysql.err.MySQLError):
                self.sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            self.db.ping(reconnect=False)
            self.assertFalse(self.db.server_status & 1)
        finally:
            self.world.start_all()
        self.world.settle()

    def test_a_call_whose_arguments_no_server_evaluates(self):
        self.world.server["s1"].crash()
        try:
            for _ in range(3):
                with self.assertRaises(pymysql.err.MySQLError):
                    self.sql("CALL cache.SET('k', CONCAT('a', 'b'))")
        finally:
            self.world.start_all()
        self.sql("CALL cache.SET('k', CONCAT('a', 'b'))")
        self.assertEqual(self.redis().get("k"), "ab")

    # --- transactions ---

    def test_the_next_statement_waits_for_the_end_of_a_deadlock(self):
        """The lighter transaction is the victim, as a rule."""
        self.sql("INSERT INTO t1.a (i) VALUES (1), (2)")
        answers = next((found for found in (self.deadlock() for _ in range(10)) if found[0] is not True), "the other is the victim, always")
        self.assertEqual(answers, [1213, True, True, True])
        self.assertEqual(self.keys("s2", "t2.b"), [7])

    def deadlock(self):
        """Answers of what comes in one write: the statement that closes the circle, and a transaction behind it."""
        other = self.connect()
        self.run_sql(other, "BEGIN", "UPDATE t1.a SET v = 'o' WHERE i = 2",
                     "INSERT INTO t1.a (i) VALUES " + ",".join(f"({n})" for n in range(11, 60)))
        self.sql("BEGIN", "UPDATE t1.a SET v = 'm' WHERE i = 1")
        waits = Running(other, "UPDATE t1.a SET v = 'o' WHERE i = 1")
        xatest.until(lambda: self.world.direct("s1", "SELECT 1 FROM information_schema.processlist WHERE info = %s", waits.sql), 10,
                     "nobody waits")
        commands = [b"\x03UPDATE t1.a SET v = 'm' WHERE i = 2", b"\x03BEGIN", b"\x03REPLACE INTO t2.b (i) VALUES (7)", b"\x03COMMIT"]
        self.db._sock.sendall(b"".join(struct.pack("<I", len(c)) + c for c in commands))
        answers = []
        for _ in commands:
            self.db._next_seq_id = 1
            try:
                answers.append(self.db._read_packet().is_ok_packet())
            except pymysql.err.MySQLError as error:
                answers.append(error.args[0])
        waits.end()
        self.run_sql(other, "ROLLBACK")
        return answers

    def test_set_from_a_table_leaves_nothing_open(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (3)", "COMMIT", "SET @m = (SELECT MAX(i) FROM t1.a)")
        self.assertEqual(self.of_session("s1"), [])
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (@m + 1)", "COMMIT")
        self.assertEqual(self.keys("s1", "t1.a"), [3, 4])

    def test_set_that_writes_makes_its_branch_a_writer(self):
        def prepares(name):
            return int(self.world.direct(name, "SHOW GLOBAL STATUS LIKE 'Com_xa_prepare'")[0][1])
        before = prepares("s2")
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "SELECT COUNT(*) FROM t2.b", "SET @x = t2.writes()", "COMMIT")
        self.assertEqual(prepares("s2") - before, 1)
        self.assertEqual(self.keys("s2", "t2.b"), [50])

    def test_savepoint_of_the_same_name_in_another_case(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "CALL cache.HSET('sp', 'n', 1)", "SAVEPOINT One",
                 "INSERT INTO t2.b (i) VALUES (1)", "CALL cache.HSET('sp', 'n', 2)", "SAVEPOINT oNE",
                 "INSERT INTO t2.b (i) VALUES (2)", "CALL cache.HSET('sp', 'n', 3)", "ROLLBACK TO one", "COMMIT")
        self.assertEqual((self.keys("s1", "t1.a"), self.keys("s2", "t2.b")), ([1], [1]))
        self.assertEqual(self.redis().hget("sp", "n"), "2")

    def test_lock_tables_goes_with_its_client(self):
        db = self.world.connect()
        self.run_sql(db, "LOCK TABLES t1.a WRITE")
        db._force_close()
        self.sql("INSERT INTO t1.a (i) VALUES (1)")
        self.assertEqual(self.keys("s1", "t1.a"), [1])

    # --- how text is read ---

    def test_sql_mode_from_an_expression(self):
        """Afterwards \"...\" is a name, which routes; and the mode follows to the other server."""
        self.sql("INSERT INTO t2.b (i) VALUES (1)", "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
        self.assertEqual(self.rows(self.db, 'SELECT COUNT(*) FROM "t2"."b"'), ((1,),))
        self.assertEqual(self.rows(self.db, 'SELECT COUNT(*) FROM "t1"."a"'), ((0,),))
        self.sql("SET sql_mode = REPLACE(@@sql_mode, 'ANSI_QUOTES', '')")
        self.assertEqual(self.rows(self.db, 'SELECT "t2.b"'), (("t2.b",),))
        self.refused(1231, self.db, "SET sql_mode = 'no such mode'")
        self.assertEqual(self.rows(self.db, 'SELECT "still"'), (("still",),))

    # --- prepared statements ---

    def prepare(self, sql):
        self.db._execute_command(PREPARE, sql)
        head = self.db._read_packet()._data
        columns, params = struct.unpack("<HH", head[5:9])
        for n in (params, columns):
            for _ in range(n + 1 if n else 0):
                self.db._read_packet()
        return struct.unpack("<I", head[1:5])[0]

    def execute(self, statement, arguments=b""):
        self.db._execute_command(EXECUTE, struct.pack("<IBI", statement, 0, 1) + arguments)
        return self.db._read_packet()

    def lose_connections(self, name):
        """Returns when the proxy knows it."""
        for number, in self.world.direct(name, "SELECT id FROM information_schema.processlist WHERE user LIKE 'app%%'"):
            with contextlib.suppress(pymysql.err.MySQLError):
                self.world.direct(name, f"KILL {number}")
            lost = f"backend_lost backend={name} id={number} "
            xatest.until(lambda lost=lost: lost in self.world.proxy.log_of_this_life(), 10, lost)

    def test_a_prepared_statement_keeps_its_schema(self):
        self.sql("USE t2")
        insert = self.prepare("INSERT INTO b (i) VALUES (77)")
        self.sql("USE stock", "SELECT 1")
        self.lose_connections("s2")
        self.assertTrue(self.execute(insert).is_ok_packet())
        self.assertEqual((self.keys("s2", "t2.b"), self.keys("s2", "stock.b")), ([77], []))
        self.assertEqual(self.rows(self.db, "SELECT COUNT(*) FROM b"), ((0,),))

    def test_long_data_outlives_its_connection(self):
        """The proxy has it until EXECUTE: a server that goes takes nothing along, and nothing is inserted twice or of before."""
        insert = self.prepare("INSERT INTO t1.a (i, v) VALUES (1, ?)")
        types = b"\0\x01" + struct.pack("<H", 252)

        def long_data(data):
            self.db._execute_command(LONG_DATA, struct.pack("<IH", insert, 0) + data)
        long_data(b"first")
        self.lose_connections("s1")
        long_data(b" and second")
        self.assertTrue(self.execute(insert, types).is_ok_packet())
        self.assertEqual(self.world.direct("s1", "SELECT i, v FROM t1.a"), ((1, "first and second"),))
        self.world.direct("s1", "DELETE FROM t1.a")
        self.assertTrue(self.execute(insert, types + b"\x05third").is_ok_packet())
        self.assertEqual(self.world.direct("s1", "SELECT i, v FROM t1.a"), ((1, "third"),))

    def test_a_statement_whose_prepare_failed_cannot_be_closed_twice(self):
        self.world.server["s2"].signal(signal.SIGSTOP)
        try:
            self.db._execute_command(PREPARE, "SELECT * FROM t2.b")
            time.sleep(0.2)
        finally:
            self.world.server["s2"].crash()
        with self.assertRaises(pymysql.err.MySQLError):
            self.db._read_packet()
        for number in (1, 1, 2):
            self.db._execute_command(CLOSE, struct.pack("<I", number))
        self.world.start_all()
        self.world.settle()
        self.assertEqual(self.execute(self.prepare("SELECT 1"))._data[:1], b"\x01")


class Durable(xatest.Case):
    """A vote that waits for a replica: without one there is no commit, with one it has what was committed."""

    # long enough for a replica on a machine that does something else for a second
    world_options = {"redis_options": "durability = wait\ndurability_replicas = 1\ndurability_timeout = 3s"}

    def test_without_and_with_a_replica(self):
        self.world.server["s1"].script(["CREATE TABLE t1.a (i INT PRIMARY KEY) ENGINE=InnoDB"])
        db = self.connect()
        self.run_sql(db, "BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "CALL cache.SET('k', 'lost')")
        self.refused(1402, db, "COMMIT")
        self.world.settle()
        self.assertEqual(self.world.direct("s1", "SELECT i FROM t1.a"), ())
        self.assertIsNone(self.redis().get("k"))
        self.run_sql(db, "BEGIN", "CALL xa.on_commit('cache', 'INCR', 'acted')", "COMMIT")
        xatest.until(lambda: "replicas" in str(self.rows(db, "SELECT * FROM xa.actions")), 15, "an action that nobody has is done")
        self.assertEqual(self.redis().get("acted"), "1")

        replica = xatest.servers.Redis(f"{self.world.directory}/replica")
        self.addCleanup(replica.crash)
        replica.start()
        replica.client().replicaof("127.0.0.1", self.world.cache.port)
        # its link is up some time before it acknowledges
        writer = self.redis()
        xatest.until(lambda: writer.set("reached", 1) and writer.wait(1, 250) == 1, 15, "no replica")
        self.run_sql(db, "BEGIN", "INSERT INTO t1.a (i) VALUES (2)", "CALL cache.SET('k', 'kept')", "COMMIT")
        self.assertEqual(self.world.direct("s1", "SELECT i FROM t1.a"), ((2,),))
        self.assertEqual(replica.client().get("k"), b"kept")
        xatest.until(lambda: not self.rows(db, "SELECT * FROM xa.actions"), 60, "the action is not done")
        self.assertEqual(replica.client().get("acted"), b"1")
