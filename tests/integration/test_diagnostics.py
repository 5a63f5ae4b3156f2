"""What a session asks about itself and its last statement is answered as by one server, whoever answered that statement."""
import contextlib
import ssl

import preparing
import pymysql
import xatest
from pymysql.constants import COMMAND


class Diagnostics(xatest.Case):
    # a worker: connections move whenever two sessions take turns
    world_options = {"backend_options": f"max_connections = 1\n{xatest.PATIENT}"}

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

    def test_own_row_of_the_servers_process_list(self):
        db = self.connect(database="t1")
        tables = ["information_schema.processlist"]
        if xatest.FAMILY == "mysql":
            tables.append("performance_schema.processlist")
        for table in tables:
            for sql in (f"SELECT db, info FROM {table} WHERE id = CONNECTION_ID()",
                        f"SELECT p.db, p.info FROM {table} p, t1.numbered n WHERE p.id = CONNECTION_ID() GROUP BY 1, 2 UNION ALL "
                        f"SELECT db, info FROM {table} WHERE id = CONNECTION_ID() LIMIT 1"):
                with self.subTest(sql=sql):
                    self.assertEqual(self.rows(db, sql), (("t1", sql),))
        self.run_sql(db, "PREPARE p FROM 'SELECT db FROM information_schema.processlist WHERE id = CONNECTION_ID()'")
        self.assertEqual(self.one(db, "EXECUTE p"), "t1")
        db.select_db("information_schema")
        self.assertEqual(self.one(db, "SELECT db FROM processlist WHERE id = CONNECTION_ID()"), "information_schema")

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
        self.assertEqual(len(self.rows(db, "SHOW WARNINGS")), xatest.FAMILY == "mariadb")  # that SELECT was MySQL's last statement
        self.run_sql(db, "SELECT * FROM t1.here")
        self.assertEqual(self.rows(db, "SHOW WARNINGS"), ())
        self.assertEqual(self.one(db, "SELECT @@error_count"), 0)

    def test_errors_of_the_proxy_are_diagnosed(self):
        """By GET DIAGNOSTICS, which leaves them as they are; its variables follow the session."""
        db = self.connect(database="t1")
        self.rows(db, "SELECT CAST('x' AS SIGNED) FROM (SELECT COUNT(*) FROM t1.here) x")
        said = self.refused(1049, db, "USE it_is_nowhere")
        for _ in range(2):
            self.run_sql(db, "GET DIAGNOSTICS @n = NUMBER, @r = ROW_COUNT",
                         "GET CURRENT DIAGNOSTICS CONDITION 1 @s = RETURNED_SQLSTATE, @e = MYSQL_ERRNO, @m = MESSAGE_TEXT, @t = TABLE_NAME")
            self.assertEqual(self.rows(db, "SHOW WARNINGS"), (("Error", 1049, said),))
        wanted = (1, -1, "42000", 1049, said, "")
        self.assertEqual(self.rows(db, "SELECT @n, @r, @s, @e, @m, @t FROM (SELECT COUNT(*) FROM t2.here) x"), (wanted,))
        self.refused(1054, db, "SELECT nix FROM t1.here")
        self.run_sql(db, "GET DIAGNOSTICS CONDITION 1 @e = MYSQL_ERRNO")
        self.assertEqual(self.one(db, "SELECT @e"), 1054)

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

    def test_who_asks_for_warnings_begins_nothing(self):
        """With autocommit off a statement may need another one before it, of which MySQL would tell instead."""
        db = self.connect(database="t1", autocommit=False)
        self.run_sql(db, "DROP TABLE IF EXISTS nobody")
        self.assertEqual([int(code) for _, code, _ in self.rows(db, "SHOW WARNINGS")], [1051])
        self.run_sql(db, "DROP TABLE IF EXISTS nobody", "GET DIAGNOSTICS CONDITION 1 @code = MYSQL_ERRNO")
        self.assertEqual(self.one(db, "SELECT @code"), 1051)

    @xatest.only("mariadb")
    def test_a_routine_leaves_what_was_told_before(self):
        """Unless it uses tables, or has its own to tell: only the server knows. Also where it had to be told elsewhere before."""
        self.world.server["s1"].script([
            "CREATE OR REPLACE PROCEDURE t1.plain() SELECT 1", "CREATE OR REPLACE PROCEDURE t1.looks() SELECT COUNT(*) FROM t1.here",
            "CREATE OR REPLACE PROCEDURE t1.fails() SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 3333"])

        def codes():
            shown = [int(code) for _, code, _ in self.rows(db, "SHOW WARNINGS")]
            self.assertEqual(self.one(db, "SELECT @@warning_count"), len(shown))
            return shown

        for wrong, moves, code in (("SELECT * FROM t1.here, t2.here", False, 1235), ("SELECT nix FROM t1.here", True, 1054),
                                   ("SELECT nix FROM t1.here", False, 1054)):
            db = self.connect(database="t1")
            self.refused(code, db, wrong)
            if moves:
                self.others_turn()
            for call in ("CALL plain()", "CALL plain()", "BEGIN NOT ATOMIC SELECT 2; END"):
                self.rows(db, call)
                self.assertEqual((call, codes()), (call, [code]))
            self.run_sql(db, "PREPARE p FROM 'CALL plain()'", "EXECUTE p")
            self.assertEqual(codes(), [code])
            self.assertEqual(self.one(db, "SELECT ROW_COUNT()"), -1)
            self.rows(db, "CALL looks()")
            self.assertEqual(codes(), [])
            self.refused(code, db, wrong)
            self.refused(3333, db, "CALL fails()")
            self.assertEqual(codes(), [3333, 4094])
            db.close()

    @xatest.only("mariadb")
    def test_who_goes_while_the_server_is_asked_for_them(self):
        """Under sanitizers the end of the proxy tells what was forgotten then."""
        self.world.server["s1"].script(["CREATE OR REPLACE PROCEDURE t1.plain() SELECT 1"])
        for _ in range(40):
            db = self.connect(database="t1")
            self.refused(1054, db, "SELECT nix FROM t1.here")
            db._execute_command(COMMAND.COM_QUERY, "CALL plain()")
            db._force_close()
        self.assertEqual(self.one(self.connect(), "SELECT 1"), 1)

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

    @xatest.only("mysql")
    def test_found_rows_of_a_plan_that_was_run(self):
        db = self.connect()
        for text, found in (("SELECT 1 UNION SELECT 2", 2), ("EXPLAIN ANALYZE SELECT n FROM t1.numbered WHERE 1 = 0", 0)):
            self.rows(db, text)
            self.assertEqual(self.one(db, "SELECT FOUND_ROWS()"), found)

    def test_prepared_when_the_connection_is_somebody_elses_meanwhile(self):
        db = preparing.Client(self.world, "t1")
        self.addCleanup(db.close)
        rows, found = (db.prepare(f"SELECT {name}()")[0] for name in ("ROW_COUNT", "FOUND_ROWS"))
        inserts, selects = (db.prepare(text)[0] for text in (
            "INSERT INTO t1.numbered (n) VALUES (3), (4)", "SELECT SQL_CALC_FOUND_ROWS 1 FROM (SELECT 1 UNION SELECT 2) x LIMIT 1"))
        for _ in range(2):
            for first, question, answer in ((inserts, rows, 2), (selects, found, 2), (selects, rows, -1)):
                db.execute(first)
                self.others_turn()
                self.assertEqual(db.execute(question).values(), [(answer,)])
        for text in ("PREPARE p FROM 'SELECT ROW_COUNT()'", "INSERT INTO t1.numbered (n) VALUES (5), (6)", "EXECUTE p"):
            self.others_turn()
            db.query(text)
            said = db.read_answer()
        self.assertEqual(said.rows, [b"\x012"])

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
        # a variable by itself beside COUNT(*) of no rows is 0 to a server, too
        asked = "SELECT @@autocommit + 0, @@session.autocommit + 0 AS a, COUNT(*) FROM t1.here"
        self.assertEqual(self.rows(db, asked), ((1, 1, 0),))
        self.assertEqual(self.rows(db, "SHOW VARIABLES LIKE 'autocommit'"), (("autocommit", "ON"),))
        self.run_sql(db, "COMMIT", "SET autocommit = 0")
        self.assertEqual(self.rows(db, "SHOW SESSION VARIABLES LIKE 'AUTOCOMMIT'"), (("autocommit", "OFF"),))
        self.assertEqual(self.rows(db, "SELECT 1 - @@autocommit, COUNT(*) FROM t1.here"), ((1, 0),))

    def test_variables_that_are_shown_are_the_sessions(self):
        """However they are asked for; of the connection inside a transaction they would say something else."""
        db = self.connect(database="t1")
        self.run_sql(db, "BEGIN", "SELECT COUNT(*) FROM t1.here")
        wanted = {"autocommit": "ON", "pseudo_thread_id": str(db.thread_id()), "session_track_state_change": "OFF",
                  "session_track_transaction_info": "OFF", "session_track_schema": "ON"}
        for asked in ("SHOW VARIABLES", "SHOW SESSION VARIABLES", "SHOW LOCAL VARIABLES WHERE Variable_name IN ('%s')" % "','".join(wanted)):
            shown = dict(self.rows(db, asked))
            self.assertEqual({name: shown[name] for name in wanted}, wanted, asked)
        listed = dict(self.rows(db, "SHOW VARIABLES LIKE 'session_track_sys%'"))["session_track_system_variables"]
        self.assertNotIn("sql_mode", listed)
        self.assertEqual(dict(self.rows(db, "SHOW VARIABLES LIKE 'autoc%'")), {"autocommit": "ON"})
        self.run_sql(db, "COMMIT", "SET autocommit = 0, session_track_transaction_info = 'STATE', session_track_system_variables = 'sql_mode'")
        shown = dict(self.rows(db, "SHOW VARIABLES WHERE Variable_name LIKE 'auto%' OR Variable_name LIKE 'session_track%'"))
        self.assertEqual([shown[name] for name in ("autocommit", "session_track_transaction_info", "session_track_system_variables")],
                         ["OFF", "STATE", "sql_mode"])
        self.assertEqual(self.rows(db, "SELECT @@session_track_state_change, @@session.session_track_transaction_info AS t,"
                                       " @@session_track_system_variables, @@session_track_schema"), ((0, "STATE", "sql_mode", 1),))
        db.close()
        with contextlib.closing(preparing.Client(self.world, "t1")) as client:
            client.text("BEGIN")
            client.text("SELECT COUNT(*) FROM t1.here")
            statement, _, _ = client.prepare("SHOW VARIABLES LIKE 'autoc%'")
            self.assertEqual(client.execute(statement).values(), [("autocommit", "ON")])

    def test_status_tells_of_the_clients_connection(self):
        """The server's own is encrypted, whatever the client's is, and never compressed."""
        tls = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt")
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        db = self.connect(database="t1", ssl=tls)
        cipher, version, _ = db._sock.cipher()
        self.assertEqual(self.rows(db, "SHOW STATUS LIKE 'Ssl_cipher'"), (("Ssl_cipher", cipher),))
        shown = dict(self.rows(db, "SHOW SESSION STATUS"))
        self.assertEqual((shown["Ssl_version"], shown["Compression"]), (version, "OFF"))
        with contextlib.closing(preparing.Client(self.world, "t1")) as client:
            statement, _, _ = client.prepare("SHOW STATUS LIKE 'Ssl_version'")
            self.assertEqual(client.execute(statement).values(), [("Ssl_version", "TLSv1.3")])

    def test_what_is_stored_asks_whoever_runs_it(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP VIEW IF EXISTS t1.asks", "CREATE VIEW t1.asks AS SELECT CONNECTION_ID() AS c")
        self.assertIn("connection_id()", self.rows(db, "SHOW CREATE VIEW t1.asks")[0][1].lower())
