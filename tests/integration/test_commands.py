"""Commands that are no statements: another user, reset, columns of a table, options, and all that nobody may or nobody knows; and
transaction control in every spelling."""
import struct

import MySQLdb
import pymysql
import rawclient
import preparing
import xatest
from preparing import Client, STATUS_AUTOCOMMIT, STATUS_IN_TRANS

MULTI_OFF, MULTI_ON = b"\x1b\x01\x00", b"\x1b\x00\x00"
OPEN = ("SELECT trx_id, trx_state, trx_started, trx_rows_modified, p.* FROM information_schema.INNODB_TRX"
        " JOIN information_schema.PROCESSLIST p ON p.ID = trx_mysql_thread_id")


class Commands(preparing.Case):
    def client(self, schema="t1", **more):
        c = Client(self.world, schema, **more)
        self.addCleanup(c.close)
        return c

    def tables(self):
        for server, table in (("s1", "t1.p"), ("s2", "t2.p")):
            self.world.direct(server, f"DROP TABLE IF EXISTS {table}")
            self.world.direct(server, f"CREATE TABLE {table} (i BIGINT PRIMARY KEY, s VARCHAR(100)) ENGINE=InnoDB")

    def numbers(self, server):
        return [i for (i,) in self.world.direct(server, f"SELECT i FROM {'t1' if server == 's1' else 't2'}.p ORDER BY i")]

    def value(self, c, sql):
        [(got,)] = c.execute(c.prepare(sql)[0]).values()
        return got

    # --- COM_CHANGE_USER ---

    def change(self, c, user, password=None, schema="", plugin=b"caching_sha2_password", charset=45):
        """The exchange as a client sees it; the last packet. The password goes in clear text, through TLS, if it is wanted."""
        c.command(b"\x11" + user.encode() + b"\0" + b"\x05proof" + schema.encode() + b"\0" + struct.pack("<H", charset)
                  + plugin + b"\0")
        payload = c.packet()
        if payload[:1] == b"\xfe":
            self.assertIn(b"\0", payload)
            c.say(b"x" * 32)
            payload = c.packet()
        if payload == b"\x01\x04":
            c.say((xatest.PASSWORDS.get(user, "") if password is None else password).encode() + b"\0")
            payload = c.packet()
        return payload

    def test_change_of_user_begins_afresh(self):
        self.tables()
        c = self.client()
        old, _, _ = c.prepare("SELECT 1")
        for sql in ("PREPARE named FROM 'SELECT 1'", "SET @mine = 7, SESSION time_zone = '+03:00'",
                    "CREATE TEMPORARY TABLE mine (i INT)", "SET autocommit = 0", "INSERT INTO t1.p VALUES (1, '')",
                    "INSERT INTO t2.p VALUES (1, '')"):
            c.text(sql)
        answer = self.change(c, "native", schema="t2")
        self.assertEqual(answer[:1], b"\x00", answer)
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([], []))
        self.assertEqual(self.value(c, "SELECT DATABASE()"), "t2")
        self.assertTrue(self.value(c, "SELECT CURRENT_USER()").startswith("native_"))
        self.assertIsNone(self.value(c, "SELECT @mine"))
        self.assertEqual(c.text("DO 1") & (STATUS_AUTOCOMMIT | STATUS_IN_TRANS), STATUS_AUTOCOMMIT)
        self.fails(1146, c.text, "SELECT * FROM t1.mine")
        self.fails(1243, c.text, "EXECUTE named")
        self.assertNotEqual(self.value(c, "SELECT @@time_zone"), "+03:00")
        self.assertEqual(self.change(c, "app", schema="t1")[:1], b"\x00")
        self.fails(1243, c.execute, old)
        self.assertTrue(self.value(c, "SELECT CURRENT_USER()").startswith("app_"))

    def test_change_to_a_wrong_password(self):
        """MySQL's servers close the connection; MariaDB's let the client go on as who it was, three times."""
        self.tables()
        for user, password, schema, code in (("app", "wrong", "", 1045), ("nobody", "x", "", 1045),
                                             ("app", None, "no_such", 1049)):
            with self.subTest(user=user, schema=schema):
                c = self.client("t2")
                c.text("BEGIN")
                c.text("INSERT INTO t1.p VALUES (1, '')")
                self.assertEqual(rawclient.error_code(self.change(c, user, password, schema)), code)
                self.assertEqual(self.numbers("s1"), [])
                if xatest.FAMILY == "mysql":
                    self.assertRaises(rawclient.Gone, c.packet)
                    continue
                self.assertEqual(self.value(c, "SELECT DATABASE()"), "t2")
                self.assertTrue(self.value(c, "SELECT CURRENT_USER()").startswith("app_"))
                self.assertEqual(rawclient.error_code(self.change(c, user, password, schema)), code)
                self.assertEqual(self.change(c, "native", schema="t1")[:1], b"\x00")
                self.assertEqual(rawclient.error_code(self.change(c, user, password, schema)), code)
                self.assertTrue(self.value(c, "SELECT CURRENT_USER()").startswith("native_"))
                c.command(b"\x11app\0\0\0\x2d\0")
                self.fails(1047, c.checked)
                self.assertRaises(rawclient.Gone, c.packet)

    @xatest.only("mariadb")
    def test_a_change_that_failed_has_changed_the_character_set(self):
        asked = "SELECT CONCAT_WS(' ', @@character_set_client, @@collation_connection, @@character_set_results)"
        c = self.client("t1")
        self.assertEqual(rawclient.error_code(self.change(c, "app", "wrong", charset=8)), 1045)
        self.assertEqual(self.value(c, asked), "latin1 latin1_swedish_ci latin1")
        self.assertEqual(rawclient.error_code(self.change(c, "app", None, charset=35)), 1231)
        self.assertEqual(rawclient.error_code(self.change(c, "app", "wrong", charset=28)), 1045)
        self.assertEqual(self.value(c, asked), "gbk gbk_chinese_ci gbk")
        c.command(b"\x03SELECT '\x95\x5c' AS x")  # one character, whose second byte is a backslash alone
        self.assertEqual(c.read_answer().rows, [b"\x02\x95\x5c"])

    def test_change_that_cannot_be_read(self):
        for payload in (b"\x11", b"\x11app", b"\x11app\0\xffshort"):
            with self.subTest(payload=payload[:20]):
                c = self.client()
                c.command(payload)
                self.assertEqual(c.packet()[:1], b"\xff")
                self.assertRaises(rawclient.Gone, c.packet)

    def test_change_as_a_driver_does_it(self):
        """By the plugin that it knows, with the scramble that it is given."""
        for user in ("app", "native"):
            db = MySQLdb.connect(host="127.0.0.1", port=self.world.proxy.port, user="app",
                                 passwd=xatest.PASSWORDS["app"], db="t1",
                                 ssl={"ca": f"{self.world.certs}/ca.crt"})
            self.addCleanup(self.close, db)
            for _ in range(3):
                db.change_user(user, xatest.PASSWORDS[user], "t2")
                cursor = db.cursor()
                cursor.execute("SELECT DATABASE(), CURRENT_USER()")
                [(schema, account)] = cursor.fetchall()
                self.assertEqual((schema, account.split("_")[0]), ("t2", user))
            with self.assertRaises(MySQLdb.Error) as caught:
                db.change_user(user, "wrong", "t2")
            self.assertEqual(caught.exception.args[0], 1045)

    # --- COM_RESET_CONNECTION ---

    def test_reset_forgets_everything_but_the_schema(self):
        self.tables()
        c = self.client()
        statement, _, _ = c.prepare("SELECT 1")
        for sql in ("USE t2", "SET @mine = 7, SESSION time_zone = '+03:00'", "CREATE TEMPORARY TABLE t2.mine (i INT)",
                    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET autocommit = 0", "INSERT INTO t1.p VALUES (1, '')",
                    "INSERT INTO t2.p VALUES (1, '')"):
            c.text(sql)
        c.command(b"\x1f")
        self.assertEqual(c.ok() & (STATUS_AUTOCOMMIT | STATUS_IN_TRANS), STATUS_AUTOCOMMIT)
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([], []))
        self.fails(1243, c.execute, statement)
        self.assertEqual(self.value(c, "SELECT DATABASE()"), "t2")
        self.assertIsNone(self.value(c, "SELECT @mine"))
        self.assertNotEqual(self.value(c, "SELECT @@time_zone"), "+03:00")
        self.fails(1146, c.text, "SELECT * FROM t2.mine")

    def test_reset_gives_locks_back(self):
        self.tables()
        c = self.client()
        c.text("LOCK TABLES p WRITE")
        c.command(b"\x1f")
        c.ok()
        self.world.direct("s1", "INSERT INTO t1.p VALUES (1, '')")
        self.assertEqual(self.value(c, "SELECT GET_LOCK('commands', 0)"), 1)
        c.command(b"\x1f")
        c.ok()
        xatest.until(lambda: self.world.direct("s1", "SELECT IS_FREE_LOCK('commands')") == ((1,),), 5, "the lock is held")

    # --- COM_FIELD_LIST ---

    def field_list(self, c, table, wild=""):
        c.command(b"\x04" + table.encode() + b"\0" + wild.encode())
        types = []
        while True:
            payload = c.checked()
            if c.ends(payload):
                return types
            types.append(payload)

    def test_columns_of_a_table(self):
        self.tables()
        for deprecate_eof in (True, False):
            with self.subTest(deprecate_eof=deprecate_eof):
                c = self.client(deprecate_eof=deprecate_eof)
                fields = self.field_list(c, "p")
                self.assertEqual(len(fields), 2)
                self.assertIn(b"\x01i", fields[0])
                self.assertEqual(len(self.field_list(c, "p", "s%")), 1)
                self.fails(1146, self.field_list, c, "no_such")
                c.text("BEGIN")
                c.text("INSERT INTO t2.p VALUES (1, '')")
                self.assertEqual(len(self.field_list(c, "p")), 2)
                c.text("ROLLBACK")
                self.assertEqual(self.value(c, "SELECT 5"), 5)
        self.fails(1046, self.field_list, self.client(""), "p")

    # --- options and what nobody may ---

    def test_multi_statements_on_and_off(self):
        for deprecate_eof in (True, False):
            c = self.client(deprecate_eof=deprecate_eof)
            c.command(MULTI_OFF)
            c.ok()
            self.assertIn("near 'SELECT 2' at line 2", self.fails(1064, c.text, "SELECT 1;\nSELECT 2"))
            c.command(MULTI_ON)
            c.ok()
            c.query("DO 1; DO 2")
            self.assertTrue(c.ok() & 8)
            self.assertFalse(c.ok() & 8)
            for bad in (b"\x1b", b"\x1b\x00", b"\x1b\x07\x00"):
                c.command(bad)
                self.fails(1047, c.checked)

    def test_debug_is_answered_as_rows_end(self):
        self.world.direct("s1", "GRANT SUPER ON *.* TO app_s1")
        self.world.direct("s2", "GRANT SUPER ON *.* TO app_s2")
        for deprecate_eof in (True, False):
            c = self.client(deprecate_eof=deprecate_eof)
            c.command(b"\x0d")
            packet = c.checked()
            self.assertEqual((packet[0], len(packet) == 5), (0xfe, not deprecate_eof))

    def test_every_other_command_has_an_answer(self):
        c = self.client()
        denied = {0x08, 0x12, 0x13, 0x15, 0x1e}
        known = {0x01, 0x02, 0x03, 0x04, 0x07, 0x09, 0x0a, 0x0c, 0x0d, 0x0e, 0x11, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1f}
        for command in range(256):
            if command in known:
                continue
            with self.subTest(command=command):
                c.command(bytes([command]) + b"\x01\x02\x03\x04\x05\x06\x07\x08")
                self.fails(1227 if command in denied else 1047, c.checked)
        self.assertEqual(self.value(c, "SELECT 5"), 5)

    # --- COMMIT and its like, however they are written ---

    def test_spellings(self):
        begins = ("BEGIN", "begin work", "/* c */ BEGIN -- x\n", "START TRANSACTION", "START /* x */ TRANSACTION READ WRITE",
                  "/*!50000 BEGIN */",
                  "/*! START */ TRANSACTION", "START TRANSACTION READ WRITE ;", "# x\n BEGIN", "BEGIN;")
        commits = ("COMMIT", "commit work", "/*!50000 COMMIT */", "/*!COMMIT*/;", " \n\t COMMIT;", "COMMIT /* x */ WORK",
                   "COMMIT AND NO CHAIN",
                   "COMMIT NO RELEASE", "COMMIT AND NO CHAIN NO RELEASE -- x", "/*!40000 COMMIT*/ /*! WORK */", "COMMIT # x")
        rollbacks = ("ROLLBACK", "Rollback Work", "/*!ROLLBACK */", "ROLLBACK AND NO CHAIN;", "-- x\nROLLBACK")
        db = self.connect(database="t1")
        for ends, stays in ((commits, True), (rollbacks, False)):
            for n in range(max(len(begins), len(ends))):
                begin, end = begins[n % len(begins)], ends[n % len(ends)]
                with self.subTest(begin=begin, end=end):
                    self.tables()
                    self.run_sql(db, begin)
                    self.assertTrue(db.server_status & STATUS_IN_TRANS)
                    self.run_sql(db, "INSERT INTO t1.p VALUES (1, '')", "INSERT INTO t2.p VALUES (1, '')", end)
                    self.assertFalse(db.server_status & STATUS_IN_TRANS)
                    self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [1]) if stays else ([], []))

    def test_in_a_multi_statement(self):
        self.tables()
        db = self.connect(database="t1", client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
        with db.cursor() as cursor:
            cursor.execute("BEGIN; INSERT INTO t1.p VALUES (1, 'a;b'); INSERT INTO t2.p VALUES (1, ''); /*!50000 COMMIT */;"
                           "START TRANSACTION; INSERT INTO t1.p VALUES (2, ''); INSERT INTO t2.p VALUES (2, ''); ROLLBACK")
            while cursor.nextset():
                pass
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [1]))

    def test_chain_and_release(self):
        self.tables()
        db = self.connect(database="t1")
        self.run_sql(db, "BEGIN", "INSERT INTO t1.p VALUES (1, '')", "COMMIT AND CHAIN")
        self.assertTrue(db.server_status & STATUS_IN_TRANS)
        self.run_sql(db, "INSERT INTO t2.p VALUES (1, '')", "ROLLBACK /*!50000 AND CHAIN */")
        self.assertTrue(db.server_status & STATUS_IN_TRANS)
        self.run_sql(db, "INSERT INTO t2.p VALUES (2, '')", "COMMIT RELEASE")
        with self.assertRaises(pymysql.err.MySQLError):
            self.run_sql(db, "SELECT 1")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([1], [2]))

    def test_procedure_that_commits_is_refused_inside(self):
        self.tables()
        self.world.direct("s1", "DROP PROCEDURE IF EXISTS t1.ends")
        self.world.direct("s1", "CREATE PROCEDURE t1.ends() BEGIN INSERT INTO t1.p VALUES (5, ''); COMMIT; END")
        db = self.connect(database="t1")
        self.run_sql(db, "BEGIN", "INSERT INTO t2.p VALUES (1, '')")
        self.refused(1399, db, "CALL t1.ends()")
        self.run_sql(db, "ROLLBACK")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([], []))
        self.run_sql(db, "CALL t1.ends()")
        self.assertEqual(self.numbers("s1"), [5])

    def test_compound_statement_that_commits(self):
        if xatest.FAMILY == "mysql":
            return
        self.tables()
        db = self.connect(database="t1")
        block = "BEGIN NOT ATOMIC INSERT INTO t1.p VALUES (5, ''); COMMIT; END"
        self.run_sql(db, "BEGIN", "INSERT INTO t2.p VALUES (1, '')")
        self.refused(1399, db, block)
        self.run_sql(db, "ROLLBACK")
        self.assertEqual((self.numbers("s1"), self.numbers("s2")), ([], []))
        self.run_sql(db, block)
        self.assertEqual(self.numbers("s1"), [5])

    def test_transaction_left_open_by_a_procedure_is_taken_back(self):
        self.tables()
        self.world.direct("s1", "DROP PROCEDURE IF EXISTS t1.opens")
        self.world.direct("s1", "CREATE PROCEDURE t1.opens() BEGIN START TRANSACTION; INSERT INTO t1.p VALUES (6, ''); END")
        db = self.connect(database="t1")
        self.refused(1235, db, "CALL t1.opens()")
        xatest.until(lambda: self.world.direct("s1", "DO SLEEP(0.15)") or not self.world.direct("s1", OPEN), 5,
                     lambda: f"open still: {self.world.direct('s1', OPEN)}")  # renewed when nobody has read it for 0.1 s
        self.assertEqual(self.numbers("s1"), [])
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
