"""XA statements of a client that is a transaction manager itself: passed on to one server, refused where they would
endanger others."""
import pymysql
import xatest
from running import Running

RMFAIL, OUTSIDE, NOTA, INVAL = 1399, 1400, 1397, 1398
IN_TRANS = 1


class ClientXa(xatest.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            cls.world.direct(name, f"CREATE TABLE IF NOT EXISTS {schema}.x (id INT PRIMARY KEY) ENGINE=InnoDB")
        cls.detaches = cls.world.family == "mysql"  # what is prepared leaves its connection at once
        if cls.detaches:
            for name in ("s1", "s2"):
                account, _ = cls.world.account("app", name)
                cls.world.direct(name, f"GRANT XA_RECOVER_ADMIN ON *.* TO '{account}'@'%'")

    def setUp(self):
        super().setUp()
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            self.world.direct(name, f"DELETE FROM {schema}.x")

    def tearDown(self):
        super().tearDown()
        self.assertEqual(self.world.in_doubt(), [])

    def ids(self, name="s1"):
        return [row[0] for row in self.world.direct(name, f"SELECT id FROM {'t1' if name == 's1' else 't2'}.x ORDER BY id")]

    def in_trans(self, db):
        db.ping(reconnect=False)
        return bool(db.server_status & IN_TRANS)

    def listed(self, db):
        return [row[3] if isinstance(row[3], bytes) else row[3].encode() for row in self.rows(db, "XA RECOVER")]

    def wait_detached(self):
        """MariaDB answers OK to the XA COMMIT of another session before that, and commits nothing (docs/operating.md)."""
        xatest.until(lambda: not any(self.world.server["s1"].open_transactions()), 5, "not detached")

    def test_one_phase_and_two(self):
        db = self.connect(database="t1")
        for start in ("START", "BEGIN"):
            self.run_sql(db, f"XA {start} 'a'", "INSERT INTO x VALUES (1)")
            self.assertTrue(self.in_trans(db))
            self.run_sql(db, "XA END 'a'", "XA COMMIT 'a' ONE PHASE")
            self.assertFalse(self.in_trans(db))
            self.run_sql(db, f"XA {start} X'61', 0x62, 1", "INSERT INTO t1.x VALUES (2)", "XA END 'a','b'",
                         "XA PREPARE b'01100001','b',1")
            self.assertEqual(self.in_trans(db), not self.detaches)
            self.assertEqual(self.listed(db), [b"ab"])
            self.run_sql(db, "XA COMMIT 'a','b'")
            self.assertEqual(self.ids(), [1, 2])
            self.run_sql(db, "DELETE FROM x")

    def test_rollback(self):
        db = self.connect(database="t1")
        self.run_sql(db, "XA START 'r'", "INSERT INTO x VALUES (1)", "XA END 'r'", "XA ROLLBACK 'r'",
                     "XA START 'r'", "INSERT INTO x VALUES (1)", "XA END 'r'", "XA PREPARE 'r'", "XA ROLLBACK 'r'")
        self.assertEqual(self.ids(), [])
        self.run_sql(db, "BEGIN", "INSERT INTO x VALUES (3)", "COMMIT")
        self.assertEqual(self.ids(), [3])

    def test_home_is_the_default_schemas_server_or_the_hint(self):
        db = self.connect(database="t2")
        self.run_sql(db, "XA START 'h'", "INSERT INTO x VALUES (1)", "XA END 'h'", "XA PREPARE 'h'", "XA COMMIT 'h'")
        self.assertEqual(self.ids("s2"), [1])
        self.run_sql(db, "/* xaproxy:backend=s1 */ XA START 'h'", "INSERT INTO t1.x VALUES (1)", "XA END 'h'",
                     "XA COMMIT 'h' ONE PHASE")
        self.assertEqual(self.ids("s1"), [1])

    def test_one_server_only(self):
        db = self.connect(database="t1")
        self.run_sql(db, "XA START 'o'", "INSERT INTO x VALUES (1)")
        text = self.refused(RMFAIL, db, "INSERT INTO t2.x VALUES (1)")
        self.assertIn("'s2'", text)
        self.refused(RMFAIL, db, "CALL cache.SET('k', '1')")
        self.rows(db, "CALL cache.GET('k')")
        self.run_sql(db, "INSERT INTO x VALUES (2)", "XA END 'o'", "XA COMMIT 'o' ONE PHASE", "INSERT INTO t2.x VALUES (7)")
        self.assertEqual((self.ids("s1"), self.ids("s2")), ([1, 2], [7]))
        self.assertIsNone(self.world.cache.client().get("k"))

    def test_what_its_state_forbids(self):
        db = self.connect(database="t1")
        self.run_sql(db, "XA START 's'", "INSERT INTO x VALUES (1)")
        for sql in ("BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "CREATE TABLE t1.z (i INT)", "LOCK TABLES x WRITE",
                    "XA START 't'"):
            self.refused(RMFAIL, db, sql)
        self.refused(1568, db, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        self.run_sql(db, "SAVEPOINT p", "INSERT INTO x VALUES (2)", "ROLLBACK TO p", "XA END 's'")
        for sql in ("BEGIN", "INSERT INTO x VALUES (5)", "XA START 't'"):
            self.refused(RMFAIL, db, sql)
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
        self.run_sql(db, "XA PREPARE 's'")
        if not self.detaches:
            for sql in ("BEGIN", "COMMIT", "INSERT INTO x VALUES (5)", "XA START 't'"):
                self.refused(RMFAIL, db, sql)
        self.run_sql(db, "XA COMMIT 's'")
        self.assertEqual(self.ids(), [1])

    def test_not_inside_a_transaction_of_ours(self):
        db = self.connect(database="t1")
        self.run_sql(db, "BEGIN", "INSERT INTO x VALUES (1)")
        self.refused(OUTSIDE, db, "XA START 'i'")
        self.refused(RMFAIL, db, "XA COMMIT 'i'")
        self.run_sql(db, "COMMIT", "SET autocommit=0", "XA START 'i'", "INSERT INTO x VALUES (2)", "XA END 'i'",
                     "XA COMMIT 'i' ONE PHASE",
                     "INSERT INTO x VALUES (3)", "ROLLBACK")
        self.assertEqual(self.ids(), [1, 2])

    def test_names_that_are_refused(self):
        db = self.connect(database="t1")
        for xid in ("'a','b',2", "'a','b',0", "'a','b',131077", "0x61,0x62,0x20002"):
            self.assertIn("formatID", self.refused(INVAL, db, f"XA START {xid}"))
        self.refused(INVAL, db, "XA START 'xap1:test:00000000:1:1-0'")
        self.refused(INVAL, db, "XA START 'MySQLXid0123456789abcdef'")
        self.refused(INVAL, db, "XA START ''")
        for verb in ("COMMIT", "ROLLBACK", "END", "PREPARE"):
            self.refused(NOTA, db, f"XA {verb} 'xap1:test:00000000:1:1-0','0:s1',1")
        for sql in ("XA", "XA START", "XA START a", "XA START @a", "XA START N'a'", f"XA START '{'a' * 65}'", "XA COMMIT 'a' ONE",
                    "XA START 'a' END",
                    "XA RECOVER NOW", "XA START 'a','b',1,2", "XA START 'a"):
            self.refused(1064, db, sql)
        self.refused(NOTA, db, "XA COMMIT 'nobody'")
        self.refused(NOTA, db, "XA ROLLBACK 'nobody'")
        self.run_sql(db, "XA START 'MySQLXid0123456789abcdef','b'", "XA END 'MySQLXid0123456789abcdef','b'",
                     "XA ROLLBACK 'MySQLXid0123456789abcdef','b'")

    def test_a_prepared_one_outlives_its_session(self):
        """A transaction manager that starts again finds it with XA RECOVER and ends it, from another session."""
        for verb, ids in (("COMMIT", [4]), ("ROLLBACK", [])):
            db = self.connect(database="t1")
            self.run_sql(db, "XA START 'p','q'", "INSERT INTO x VALUES (4)", "XA END 'p','q'", "XA PREPARE 'p','q'")
            other = self.connect(database="t1")
            if not self.detaches:
                self.refused(NOTA, other, f"XA {verb} 'p','q'")  # as long as its session has it
            if verb == "COMMIT":
                db.close()
            else:
                self.run_sql(other, f"KILL {db.thread_id()}")
            self.assertEqual(self.listed(other), [b"pq"])
            self.wait_detached()
            self.run_sql(other, f"XA {verb} 'p','q'")
            self.assertEqual(self.ids(), ids)
            self.run_sql(self.connect(database="t1"), "DELETE FROM x")

    def test_reset_and_kill_query_leave_what_is_prepared(self):
        db, other = self.connect(database="t1"), self.connect(database="t1")
        self.run_sql(db, "XA START 'k'", "INSERT INTO x VALUES (4)", "XA END 'k'", "XA PREPARE 'k'")
        self.run_sql(other, f"KILL QUERY {db.thread_id()}")
        db._execute_command(0x1f, b"")  # COM_RESET_CONNECTION
        db._read_ok_packet()
        self.assertFalse(self.in_trans(db))
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
        self.wait_detached()
        self.run_sql(other, "XA COMMIT 'k'")
        self.assertEqual(self.ids(), [4])

    def test_an_open_one_ends_with_its_session(self):
        for end in ("close", "kill", "reset"):
            db, other = self.connect(database="t1"), self.connect()
            self.run_sql(db, "XA START 'e'", "INSERT INTO x VALUES (4)")
            if end == "close":
                db.close()
            elif end == "kill":
                self.run_sql(other, f"KILL {db.thread_id()}")
            else:
                db._execute_command(0x1f, b"")
                db._read_ok_packet()
                self.run_sql(db, "INSERT INTO t1.x VALUES (9)", "DELETE FROM t1.x")
            self.run_sql(self.connect(), "INSERT INTO t1.x VALUES (4)", "DELETE FROM t1.x")  # it waits for the lock to be gone

    def test_a_lost_server_takes_the_session_along(self):
        """Its next statement would commit by itself, on another connection."""
        db = self.connect(database="t1")
        self.run_sql(db, "XA START 'l'", "INSERT INTO x VALUES (4)")
        for (thread,) in self.world.direct("s1", "SELECT id FROM information_schema.processlist WHERE user = 'app_s1'"):
            try:
                self.world.direct("s1", f"KILL {thread}")
            except pymysql.err.MySQLError as error:
                self.assertEqual(error.args[0], 1094)  # it has gone meanwhile
        with self.assertRaises((pymysql.err.MySQLError, OSError)) as caught:
            self.rows(db, "INSERT INTO x VALUES (5)")
        self.assertIn(caught.exception.args[0], (2006, 2013))
        self.assertEqual(self.ids(), [])

    def test_recover_shows_nothing_of_ours(self):
        db = self.connect(database="t1")
        self.world.server["s1"].script(["XA START 'xap1:other:00000000:1:1-0','0:s1',1", "INSERT INTO t1.x VALUES (6)",
                                        "XA END 'xap1:other:00000000:1:1-0','0:s1',1",
                                        "XA PREPARE 'xap1:other:00000000:1:1-0','0:s1',1"])
        try:
            self.assertEqual(len(self.world.direct("s1", "XA RECOVER")), 1)
            for sql in ("XA RECOVER", "XA RECOVER CONVERT XID" if self.detaches else "XA RECOVER FORMAT='SQL'"):
                self.assertEqual(self.rows(db, sql), ())
            self.run_sql(db, "XA START 'm'", "INSERT INTO x VALUES (5)", "XA END 'm'", "XA PREPARE 'm'")
            self.assertEqual(self.listed(db), [b"m"])
            self.run_sql(db, "XA ROLLBACK 'm'")
        finally:
            self.wait_detached()
            self.world.direct("s1", "XA ROLLBACK 'xap1:other:00000000:1:1-0','0:s1',1")

    def test_prepared_statements_and_settings_inside(self):
        db = self.connect(database="t1")
        db.query("PREPARE p FROM 'INSERT INTO x VALUES (?)'")
        self.run_sql(db, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "XA START 'q'", "SET @a = 8",
                     "EXECUTE p USING @a",
                     "SET @b = 'x', sql_mode = 'ANSI_QUOTES'", "XA END 'q'", "XA PREPARE 'q'", "XA COMMIT 'q'")
        self.assertEqual(self.ids(), [8])

    def test_a_deadlock_leaves_it_to_roll_back(self):
        self.world.direct("s1", "INSERT INTO t1.x VALUES (1), (2)")
        one, two = self.connect(database="t1"), self.connect(database="t1")
        self.run_sql(one, "XA START 'd1'", "SELECT * FROM x WHERE id = 1 FOR UPDATE")
        self.run_sql(two, "XA START 'd2'", "SELECT * FROM x WHERE id = 2 FOR UPDATE")
        running = Running(one, "SELECT * FROM x WHERE id = 2 FOR UPDATE")
        errors = {"d1": 0, "d2": 0}
        try:
            self.rows(two, "SELECT * FROM x WHERE id = 1 FOR UPDATE")
        except pymysql.err.OperationalError as error:
            errors["d2"] = error.args[0]
        errors["d1"] = running.end()
        self.assertEqual(sorted(errors.values()), [0, 1213])
        for xid, db in (("d1", one), ("d2", two)):
            try:
                self.run_sql(db, f"XA END '{xid}'")
            except pymysql.err.MySQLError as error:
                self.assertIn(error.args[0], (RMFAIL, 1402, 1614))
            self.run_sql(db, f"XA ROLLBACK '{xid}'")
            self.assertFalse(self.in_trans(db))
