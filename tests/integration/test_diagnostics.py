"""What a session asks about itself and its last statement is answered as by one server, whoever answered that statement."""
import pymysql
import xatest


class Diagnostics(xatest.Case):
    world_options = {"backend_options": "max_connections = 1"}  # a worker: connections move whenever two sessions take turns

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            cls.world.server[name].script([
                f"CREATE TABLE IF NOT EXISTS {schema}.numbered (id INT AUTO_INCREMENT PRIMARY KEY, n BIGINT, v VARCHAR(5))",
                f"CREATE TABLE IF NOT EXISTS {schema}.here (i INT)"])

    def one(self, db, sql, *args):
        [[value]] = self.rows(db, sql, *args)
        return value

    def others_turn(self):
        """Other sessions use every connection that this one does not hold."""
        for _ in range(4):
            other = self.connect(database="t1")
            self.run_sql(other, "SELECT 1", "INSERT INTO t1.numbered (n) VALUES (-1)", "INSERT INTO t2.numbered (n) VALUES (-1)",
                         "SELECT * FROM t1.numbered LIMIT 1")
            with self.assertRaises(pymysql.err.MySQLError):
                self.run_sql(other, "SELECT nonsense")
            other.close()

    def test_connection_id_is_what_kill_takes(self):
        db = self.connect(database="t1")
        mine = db.thread_id()
        with db.cursor() as cursor:
            cursor.execute("SELECT CONNECTION_ID(), connection_id() + 1 AS more, CONCAT('c', CONNECTION_ID())")
            self.assertEqual(cursor.fetchall(), ((mine, mine + 1, f"c{mine}"),))
            self.assertEqual([column[0] for column in cursor.description],
                             ["CONNECTION_ID()", "more", "CONCAT('c', CONNECTION_ID())"])
        self.assertEqual(self.one(db, "SELECT CONNECTION_ID() FROM (SELECT COUNT(*) FROM t2.here) x"), mine)
        self.run_sql(db, "PREPARE p FROM 'SELECT CONNECTION_ID()'")
        self.assertEqual(self.one(db, "EXECUTE p"), mine)
        self.run_sql(db, "SET @id = CONNECTION_ID()")
        self.assertEqual(self.one(db, "SELECT @id"), mine)

    def test_row_count(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DELETE FROM t1.numbered", "BEGIN", "INSERT INTO t1.numbered (n) VALUES (1), (2), (3)")
        self.assertEqual(self.one(db, "SELECT ROW_COUNT()"), 3)
        self.assertEqual(self.one(db, "SELECT ROW_COUNT()"), -1)
        self.run_sql(db, "UPDATE t1.numbered SET n = 7 WHERE n < 3 AND n > 0", "INSERT INTO t2.numbered (n) VALUES (ROW_COUNT())")
        self.assertEqual(self.one(db, "SELECT n FROM t2.numbered ORDER BY id DESC LIMIT 1"), 2)
        self.run_sql(db, "UPDATE t1.numbered SET n = 8 WHERE n = 7", "COMMIT")
        self.assertEqual(self.one(db, "SELECT ROW_COUNT()"), 0)
        self.refused(1235, db, "SELECT * FROM t1.here, t2.here")
        self.assertEqual(self.one(db, "SELECT ROW_COUNT()"), -1)

    def test_errors_of_the_proxy_are_shown(self):
        db = self.connect(database="t1")
        text = self.refused(1235, db, "SELECT * FROM t1.here, t2.here")
        for _ in range(2):
            [(level, code, message)] = self.rows(db, "SHOW WARNINGS")
            self.assertEqual((level, int(code)), ("Error", 1235))
            self.assertIn(message, text)
        self.assertEqual(len(self.rows(db, "SHOW ERRORS")), 1)
        self.assertEqual(self.rows(db, "SHOW WARNINGS LIMIT 1, 5"), ())
        self.assertEqual(int(self.one(db, "SHOW COUNT(*) ERRORS")), 1)
        self.assertEqual(self.rows(db, "SELECT @@warning_count, @@session.error_count"), ((1, 1),))
        self.assertEqual(len(self.rows(db, "SHOW WARNINGS")), 1)
        self.run_sql(db, "SELECT * FROM t1.here")
        self.assertEqual(self.rows(db, "SHOW WARNINGS"), ())
        self.assertEqual(self.one(db, "SELECT @@error_count"), 0)

    def test_warnings_of_a_server_are_shown(self):
        db = self.connect(database="t1")
        for schema in ("t1", "t2"):
            self.run_sql(db, f"INSERT IGNORE INTO {schema}.numbered (v) VALUES ('too long')")
            [(level, code, _)] = self.rows(db, "SHOW WARNINGS")
            self.assertEqual((level, int(code)), ("Warning", 1265))
        self.run_sql(db, "BEGIN", "INSERT INTO t1.numbered (n) VALUES (1)",
                     "INSERT IGNORE INTO t2.numbered (v) VALUES ('too long')")
        self.assertEqual(len(self.rows(db, "SHOW WARNINGS")), 1)
        self.run_sql(db, "BEGIN")
        self.assertEqual(len(self.rows(db, "SHOW WARNINGS")), 1 if self.world.family == "mariadb" else 0)  # as each does
        self.refused(1064, db, "SELEKT")
        self.assertEqual(int(self.rows(db, "SHOW ERRORS")[0][1]), 1064)
        self.run_sql(db, "ROLLBACK")

    def test_when_the_connection_is_somebody_elses_meanwhile(self):
        db = self.connect(database="t1")
        self.run_sql(db, "INSERT IGNORE INTO t1.numbered (v) VALUES ('too long')")
        self.others_turn()
        self.assertEqual(int(self.one(db, "SHOW COUNT(*) WARNINGS")), 1)
        self.assertEqual(int(self.rows(db, "SHOW WARNINGS")[0][1]), 1265)
        self.assertEqual(self.one(db, "SELECT @@warning_count"), 1)
        self.run_sql(db, "INSERT INTO t1.numbered (n) VALUES (5), (6)")
        self.others_turn()
        self.assertEqual(self.one(db, "SELECT ROW_COUNT()"), 2)
        self.rows(db, "SELECT SQL_CALC_FOUND_ROWS n FROM t1.numbered WHERE n IN (5, 6) LIMIT 1")
        self.others_turn()
        self.assertEqual(self.one(db, "SELECT FOUND_ROWS()"), 2)

    def test_last_insert_id_over_servers(self):
        db = self.connect(database="t1")
        self.run_sql(db, "ALTER TABLE t1.numbered AUTO_INCREMENT = 5000", "INSERT INTO t1.numbered (n) VALUES (1)")
        given = db.insert_id()
        self.assertGreaterEqual(given, 5000)
        self.assertEqual(self.one(db, "SELECT LAST_INSERT_ID() FROM (SELECT COUNT(*) FROM t2.here) x"), given)
        self.run_sql(db, "INSERT INTO t2.numbered (n) VALUES (LAST_INSERT_ID())")
        self.assertEqual(self.one(db, "SELECT n FROM t2.numbered WHERE id = LAST_INSERT_ID()"), given)
        second = self.one(db, "SELECT @@last_insert_id")
        self.others_turn()
        self.assertEqual(self.one(db, "SELECT LAST_INSERT_ID()"), second)
        self.assertEqual(self.one(db, "SELECT @@identity FROM (SELECT COUNT(*) FROM t1.here) x"), second)

    def test_session_is_the_same_on_every_server(self):
        db = self.connect(database="t1")
        self.assertEqual(self.rows(db, "SELECT DATABASE(), COUNT(*) FROM t2.here"), (("t1", 0),))
        self.run_sql(db, "USE t2")
        self.assertEqual(self.rows(db, "SELECT SCHEMA(), DATABASE(), COUNT(*) FROM t1.here"), (("t2", "t2", 0),))
        self.run_sql(db, "BEGIN")
        self.assertEqual(self.rows(db, "SELECT @@autocommit, @@session.autocommit AS a, COUNT(*) FROM t1.here"), ((1, 1, 0),))
        self.assertEqual(self.rows(db, "SHOW VARIABLES LIKE 'autocommit'"), (("autocommit", "ON"),))
        self.run_sql(db, "COMMIT", "SET autocommit = 0")
        self.assertEqual(self.rows(db, "SHOW SESSION VARIABLES LIKE 'AUTOCOMMIT'"), (("autocommit", "OFF"),))
        self.assertEqual(self.rows(db, "SELECT 1 - @@autocommit, COUNT(*) FROM t1.here"), ((1, 0),))

    def test_what_is_stored_asks_whoever_runs_it(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP VIEW IF EXISTS t1.asks", "CREATE VIEW t1.asks AS SELECT CONNECTION_ID() AS c")
        self.assertIn("connection_id()", self.rows(db, "SHOW CREATE VIEW t1.asks")[0][1].lower())
