"""What a session was set to is the same on every server it uses, however it was said."""

import pymysql
import rawclient
import xatest


class Settings(xatest.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            cls.world.server[name].script([f"CREATE TABLE IF NOT EXISTS {schema}.here (i INT)",
                                           f"CREATE TABLE IF NOT EXISTS {schema}.kept (v VARCHAR(100), n INT)"])

    def on(self, db, server, what):
        """An expression's value on a server, which a table of its own leads to."""
        schema = {"s1": "t1", "s2": "t2"}[server]
        [row] = self.rows(db, f"SELECT {what} FROM (SELECT COUNT(*) FROM {schema}.here) x")
        return row if len(row) > 1 else row[0]

    def everywhere(self, db, what, value):
        for server in ("s1", "s2", "s1"):
            self.assertEqual(self.on(db, server, what), value, (server, what))

    def test_value_of_an_expression_follows(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET @a = 3", "SET @b = @a * 2, @c = CONCAT('x', @a), @d = @a / 7, @e = 1e0 / 3, @f = NULL",
                     "SET @g = (SELECT COUNT(*) FROM t2.here) + 5")
        self.everywhere(db, "@b, @c, @f, @g", (6, "x3", None, 5))
        for server in ("s1", "s2"):
            self.assertTrue(str(self.on(db, server, "@d")).startswith("0.428"))
            self.assertEqual(self.on(db, server, "@e = 1e0 / 3"), 1)

    def test_type_and_character_set_of_a_value_follow(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET @s = CONCAT(_latin1 X'E4F6' COLLATE latin1_german1_ci, ''), @bin = UNHEX('00FF5C27'), @i = 5 + 0,"
                         " @dec = CAST(5 AS DECIMAL(10,0)), @big = 18446744073709551615 - 0, @empty = CONCAT('', '')")
        self.everywhere(db, "HEX(@s), COLLATION(@s), HEX(@bin), COLLATION(@bin)",
                        ("E4F6", "latin1_german1_ci", "00FF5C27", "binary"))
        self.everywhere(db, "@i, @big, @empty", (5, 18446744073709551615, ""))
        types = {server: self.on(db, server, "@dec / 3, @i / 3") for server in ("s1", "s2")}
        self.assertEqual(types["s1"], types["s2"])

    def test_strings_keep_their_bytes_when_the_character_set_changes(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET @u = 'ä\\'x'", "SET NAMES latin1", "SET @l = 'x'", "SET NAMES utf8mb4")
        self.everywhere(db, "HEX(@u), CHARSET(@u), CHARSET(@l)", ("C3A42778", "utf8mb4", "latin1"))

    def test_strings_keep_their_bytes_when_the_mode_changes(self):
        db = self.connect(database="t1")
        self.run_sql(db, r"""SET @q = "a\\b" """, "SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'", r"SET @r = 'a\'",
                     "SET sql_mode = ''")
        self.everywhere(db, "HEX(@q), HEX(@r)", ("615C62", "615C"))

    def test_variables_from_expressions_follow(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET @old_zone = @@time_zone, time_zone = '+03:00'", "SET @mine = '+04:00'", "SET time_zone = @mine",
                     "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')", "SET group_concat_max_len = 1000 + 24")
        for server in ("s1", "s2"):
            zone, mode, length = self.on(db, server, "@@time_zone, @@sql_mode, @@group_concat_max_len")
            self.assertEqual((zone, length), ("+04:00", 1024))
            self.assertIn("ANSI_QUOTES", mode)
            self.assertIn("STRICT_TRANS_TABLES", mode)
        self.run_sql(db, "SET time_zone = @old_zone")
        self.everywhere(db, "@@time_zone", self.world.direct("s1", "SELECT @@time_zone")[0][0])

    def test_head_and_tail_of_a_dump(self):
        db = self.connect(database="t1")
        before = {server: self.on(db, server, "@@sql_mode, @@time_zone, @@foreign_key_checks") for server in ("s1", "s2")}
        self.run_sql(db, "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */", "/*!40101 SET NAMES utf8mb4 */",
                     "/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */", "/*!40103 SET TIME_ZONE='+00:00' */",
                     "/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */",
                     "/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */",
                     "SET @OLD_AUTOCOMMIT=@@AUTOCOMMIT, @@AUTOCOMMIT=0")
        self.everywhere(db, "@@sql_mode, @@time_zone, @@foreign_key_checks", ("NO_AUTO_VALUE_ON_ZERO", "+00:00", 0))
        self.run_sql(db, "INSERT INTO t2.here VALUES (1)", "SET AUTOCOMMIT=@OLD_AUTOCOMMIT",
                     "/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */",
                     "/*!40101 SET SQL_MODE=@OLD_SQL_MODE */", "/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */",
                     "/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */")
        self.assertEqual(self.world.direct("s2", "SELECT COUNT(*) FROM t2.here")[0][0], 1)
        self.run_sql(db, "DELETE FROM t2.here")
        self.assertTrue(db.get_autocommit())
        for server, was in before.items():
            self.assertEqual(self.on(db, server, "@@sql_mode, @@time_zone, @@foreign_key_checks"), was)

    def test_assigned_in_other_statements(self):
        db = self.connect(database="t1")
        self.run_sql(db, "INSERT INTO t1.kept VALUES ('one', 1)", "SELECT v, n INTO @v, @n FROM t1.kept",
                     "SELECT @total := 40 + 2",
                     "DROP PROCEDURE IF EXISTS t1.out_of_it", "CREATE PROCEDURE t1.out_of_it(OUT a INT) SET a = 11",
                     "CALL t1.out_of_it(@out)", "DELETE FROM t1.kept")
        self.everywhere(db, "@v, @n, @total, @out", ("one", 1, 42, 11))

    def test_set_inside_a_procedure(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP PROCEDURE IF EXISTS t1.sets",
                     "CREATE PROCEDURE t1.sets() BEGIN SET time_zone = '+05:00'; SET @inside = 9; END",
                     "CALL t1.sets()")
        self.everywhere(db, "@@time_zone", "+05:00")
        self.assertEqual(self.on(db, "s1", "@inside"), 9)  # its connection is kept for it

    def test_unreadable_set_is_the_servers_and_keeps_the_connection(self):
        db = self.connect(database="t1")
        self.refused(1064, db, "SET")
        self.refused(1064, db, "SET @a = ")
        self.refused(1193, db, "SET no_such_variable = 1")
        for wrong in ("SET SESSION @honk = 99", "SET GLOBAL @honk = 99", "SET SESSION autocommit = 0, LOCAL @honk = 99",
                      "SET names = 'foo2'", "SET @honk = 1, names = 'utf8mb4'", "SET SESSION NAMES utf8mb4"):
            self.refused(1064, db, wrong)
        self.refused(1193, db, "SET role = 'x'")
        self.assertEqual(self.rows(db, "SELECT @honk, @@autocommit"), ((None, 1),))
        self.run_sql(db, "SET insert_id = 77")
        self.everywhere(db, "1", 1)

    def test_one_servers_refusal_does_not_stop_the_session(self):
        db = self.connect(database="t1")
        self.world.server["s1"].script(["DROP ROLE IF EXISTS keeper", "CREATE ROLE keeper",
                                        f"GRANT keeper TO '{self.world.account('app', 's1')[0]}'@'%'"])
        self.run_sql(db, "SET ROLE keeper", "SET time_zone = '+01:00'")
        self.everywhere(db, "@@time_zone", "+01:00")  # s2 has no such role
        self.assertIn("session_setting_skipped", self.world.proxy.log_of_this_life())

    def test_scopes_in_one_statement(self):
        was = self.world.direct("s1", "SELECT @@global.max_error_count")[0][0]
        db = self.connect(database="t1")
        error = None
        try:
            self.run_sql(db, "SET @u = 1, SESSION group_concat_max_len = 4096, @@session.max_sort_length = 2048, "
                             "GLOBAL max_error_count = 101")
        except pymysql.err.MySQLError as caught:
            error = caught.args[0]
        self.assertIn(error, (1227, None))  # the account may not; then nothing of it is in force
        self.assertEqual(self.world.direct("s1", "SELECT @@global.max_error_count")[0][0], was)
        self.run_sql(db, "SET @u = 2, SESSION group_concat_max_len = 4096, @@session.max_sort_length = 2048")
        self.everywhere(db, "@u, @@group_concat_max_len, @@max_sort_length", (2, 4096, 2048))

    def test_a_set_that_begins_the_transaction_it_speaks_of(self):
        """It was fine when it came, and is answered once."""
        level = "@@tx_isolation" if xatest.FAMILY == "mariadb" else "@@transaction_isolation"
        for what in ("xa_mode = 'saga'", f"{level} = 'SERIALIZABLE'", f"{level} = 'SERIALIZABLE', autocommit = 0 + 0"):
            db = self.connect(database="t1", autocommit=False)
            self.run_sql(db, f"SET @a = (SELECT COUNT(*) FROM t1.here) + 7, {what}")
            self.assertEqual(self.rows(db, "SELECT @a >= 7, 'in step'"), ((1, "in step"),), what)

    def test_refused_set_leaves_nothing_for_the_next_transaction(self):
        """Nothing of it is in force, so neither is what the proxy keeps for the next transaction."""
        mariadb = xatest.FAMILY == "mariadb"
        level, access = ("tx_isolation", "tx_read_only") if mariadb else ("transaction_isolation", "transaction_read_only")
        for refused in ("sql_mode = 'NO_SUCH_MODE'", "xa_mode = 'nothing'", "autocommit = 5 + 5",
                        "sql_mode = (SELECT CONCAT('NO_SUCH_MODE', COUNT(*)) FROM t1.here)"):
            db = self.connect(database="t1")
            self.run_sql(db, f"SET @@{access} = 0")
            with self.assertRaises(pymysql.err.MySQLError):
                self.run_sql(db, f"SET @@{level} = 'SERIALIZABLE', @@{access} = 1, {refused}")
            self.run_sql(db, "BEGIN", "INSERT INTO t1.here VALUES (9)", "ROLLBACK")

    def test_of_two_lists_to_be_tracked_the_last_counts(self):
        """Both are made of the list before."""
        name = "session_track_system_variables"
        db = self.connect(database="t1")
        self.run_sql(db, f"SET {name} = 'time_zone'")
        self.run_sql(db, f"SET {name} = CONCAT(@@{name}, ',autocommit'), {name} = CONCAT(@@{name}, ',sql_mode')")
        self.assertEqual(self.rows(db, f"SELECT @@{name}"), (("time_zone,sql_mode",),))
        more = ",max_sort_length" * 200
        self.run_sql(db, f"SET {name} = CONCAT(@@{name}, '{more}'), {name} = CONCAT(@@{name}, '{more}')")
        self.assertEqual(self.rows(db, f"SELECT LENGTH(@@{name})"), ((len("time_zone,sql_mode" + more),),))

    def test_autocommit_from_an_expression(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET @off = 0", "SET autocommit = @off", "INSERT INTO t2.here VALUES (5)")
        self.assertFalse(db.get_autocommit())
        self.assertEqual(self.world.direct("s2", "SELECT COUNT(*) FROM t2.here WHERE i = 5")[0][0], 0)
        self.run_sql(db, "ROLLBACK", "SET autocommit = 1 + 0")
        self.assertTrue(db.get_autocommit())
        self.refused(1231, db, "SET autocommit = 'maybe'")

    def test_global_mode_of_a_server_is_known_from_the_first_statement_on(self):
        was = self.world.direct("s1", "SELECT @@global.sql_mode")[0][0]
        self.world.direct("s1", "SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
        try:
            self.world.restart_proxy()
            db = self.connect(database="t1")
            self.run_sql(db, 'INSERT INTO "t2"."kept" ("v", n) VALUES (\'a\\\', 1)')
            self.assertEqual(self.world.direct("s2", "SELECT v FROM t2.kept"), (("a\\",),))
            self.run_sql(db, "DELETE FROM t2.kept", "SET sql_mode = ''", 'INSERT INTO t2.kept VALUES ("it\\"s", 2)')
            self.assertEqual(self.world.direct("s2", "SELECT v FROM t2.kept"), (('it"s',),))
            self.run_sql(db, "DELETE FROM t2.kept", "SELECT * FROM t1.here", "SET sql_mode = DEFAULT",
                         'SELECT i FROM "t2"."here"')
        finally:
            self.world.direct("s1", "SET GLOBAL sql_mode = %s", was)
            self.world.direct("s2", "DELETE FROM t2.kept")
            self.world.restart_proxy()

    SECOND_BYTES = {"gbk": b"\xd5\x5c", "sjis": b"\x95\x5c", "cp932": b"\x95\x5c", "big5": b"\xa5\x5c", "gb18030": b"\xd5\x5c"}

    def query(self, db, sql):
        db.query(sql)
        return db._result.rows

    def test_character_sets_that_hide_backslashes(self):
        for charset, character in self.SECOND_BYTES.items():
            if charset == "gb18030" and self.world.family == "mariadb":
                continue
            with self.subTest(charset=charset):
                db = self.connect(database="t1")
                self.run_sql(db, "SET NAMES " + charset)
                hidden = b"'" + character + b"'"
                [row] = self.query(db, b"SELECT HEX(" + hidden + b") AS a, 'x;y' FROM (SELECT COUNT(*) FROM t2.here) z")
                self.assertEqual([str(value) for value in row], [character.hex().upper(), "x;y"])
                self.query(db, b"SET @hidden = " + hidden)
                self.run_sql(db, "SET NAMES utf8mb4")
                self.everywhere(db, "HEX(@hidden), CHARSET(@hidden)", (character.hex().upper(), charset))

    def test_names_whose_characters_hide_quotes(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET NAMES gbk")
        for value in (b"5", b"2 + 3"):
            self.query(db, b"SET @`\x81`=1, @second=1 -- x` = " + value)
            self.assertEqual(self.rows(db, "SELECT @second FROM (SELECT COUNT(*) FROM t2.here) z"), ((None,),))
        self.assertEqual(list(self.query(db, b"SELECT @`\x81`=1, @second=1 -- x` AS five")), [(5,)])

    def test_quote_that_a_client_escaped_in_the_wrong_character_set(self):
        """The injection of old: an escape function that knows nothing of gbk makes BF 5C 27 of BF 27."""
        db = self.connect(database="t1")
        self.run_sql(db, "SET NAMES gbk")
        self.refused(1064, db, b"SELECT '\xbf\\' ; DROP TABLE t1.here -- '")
        self.run_sql(db, "SELECT * FROM t1.here")

    def test_character_set_of_the_log_in(self):
        for charset, name in (("gbk", "gbk"), ("latin1", "latin1"), ("utf8mb3", "utf8"), ("sjis", "sjis"),
                              ("utf8mb4", "utf8mb4")):
            with self.subTest(charset=charset):
                number = self.world.direct("s1", "SELECT MIN(id) FROM information_schema.collations WHERE character_set_name = %s"
                                           " AND collation_name LIKE '%%_ci'", charset)[0][0]
                with rawclient.Raw(self.world.proxy.port, self.world.certs) as raw:
                    raw.login("app", charset=number)
                    for schema in ("t1", "t2"):
                        raw.query(f"SELECT @@character_set_client, @@collation_connection "
                                  f"FROM (SELECT COUNT(*) FROM {schema}.here) x")
                        packets = [raw.packet() for _ in range(5)]  # count, two columns, row, end
                        self.assertIn(name.encode(), packets[3])
                        self.assertEqual(packets[4][:1], b"\xfe")

    def test_collation_of_the_log_in(self):
        """Also where it is not its character set's own."""
        for name in ("latin1_bin", "latin1_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "gbk_bin",
                     "utf8mb4_unicode_520_ci", "binary"):
            with self.subTest(collation=name):
                [[number]] = self.world.direct("s1", "SELECT id FROM information_schema.collations"
                                               " WHERE collation_name = %s", name)
                charset = name.partition("_")[0].encode()
                with rawclient.Raw(self.world.proxy.port, self.world.certs) as raw:
                    raw.login("app", charset=number)
                    for schema in ("t1", "t2"):
                        raw.query("SELECT @@collation_connection, @@character_set_client, @@character_set_results "
                                  f"FROM (SELECT COUNT(*) FROM {schema}.here) x")
                        row = [raw.packet() for _ in range(6)][4]
                        told = b"".join(bytes([len(value)]) + value for value in (name.encode(), charset, charset))
                        self.assertEqual(row, told)

    def test_collation_of_the_other_family_becomes_the_nearest(self):
        """255 is what MySQL's own clients ask for; MariaDB before 11.4 has never heard of it."""
        with rawclient.Raw(self.world.proxy.port, self.world.certs) as raw:
            raw.login("app", charset=255)
            for schema in ("t1", "t2"):
                raw.query(f"SELECT @@character_set_client, @@collation_connection FROM (SELECT COUNT(*) FROM {schema}.here) x")
                packets = [raw.packet() for _ in range(5)]
                self.assertIn(b"\x07utf8mb4", packets[3])
                if self.world.family == "mysql":
                    self.assertIn(b"utf8mb4_0900_ai_ci", packets[3])

    def test_unknown_collation_at_log_in_is_the_servers_default(self):
        with rawclient.Raw(self.world.proxy.port, self.world.certs) as raw:
            raw.login("app", charset=17)  # no collation has this number
            raw.query("SELECT 1 FROM (SELECT COUNT(*) FROM t2.here) x")
            self.assertEqual(raw.packet(), b"\x01")


class Locks(xatest.Case):
    """LOCK TABLES and transactions, as the servers' manuals have them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            cls.world.server[name].script([f"CREATE TABLE IF NOT EXISTS {schema}.held (i INT) ENGINE=InnoDB"])

    def setUp(self):
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            self.world.direct(name, f"DELETE FROM {schema}.held")

    def count(self, name):
        return self.world.direct(name, f"SELECT COUNT(*) FROM {'t1' if name == 's1' else 't2'}.held")[0][0]

    def test_begin_releases_the_tables(self):
        db, other = self.connect(database="t1"), self.connect(database="t1")
        self.run_sql(db, "LOCK TABLES t1.held WRITE", "INSERT INTO t1.held VALUES (1)", "BEGIN")
        self.run_sql(other, "SET lock_wait_timeout = 5", "INSERT INTO t1.held VALUES (2)")
        self.run_sql(db, "INSERT INTO t1.held VALUES (3)", "INSERT INTO t2.held VALUES (3)", "COMMIT")
        self.assertEqual((self.count("s1"), self.count("s2")), (3, 1))

    def test_next_lock_releases_the_tables_of_the_other_server(self):
        db, other = self.connect(database="t1"), self.connect(database="t1")
        self.run_sql(db, "LOCK TABLES t1.held WRITE", "LOCK TABLES t2.held WRITE")
        self.run_sql(other, "SET lock_wait_timeout = 5", "INSERT INTO t1.held VALUES (2)")
        self.run_sql(db, "INSERT INTO t2.held VALUES (1)", "UNLOCK TABLES")
        self.run_sql(other, "INSERT INTO t2.held VALUES (2)")

    def test_autocommit_off_and_locks(self):
        """As the manuals say it shall be done: SET autocommit=0, LOCK TABLES, work, COMMIT, UNLOCK TABLES."""
        db = self.connect(database="t1")
        self.run_sql(db, "SET autocommit = 0", "LOCK TABLES t1.held WRITE", "INSERT INTO t1.held VALUES (1)", "COMMIT",
                     "INSERT INTO t1.held VALUES (2)", "ROLLBACK", "INSERT INTO t1.held VALUES (3)")
        self.assertIn("local", self.refused(1235, db, "INSERT INTO t2.held VALUES (3)"))
        self.run_sql(db, "UNLOCK TABLES")
        self.assertEqual(self.count("s1"), 2)
        self.run_sql(db, "INSERT INTO t1.held VALUES (4)", "INSERT INTO t2.held VALUES (4)", "COMMIT")
        self.assertEqual((self.count("s1"), self.count("s2")), (3, 1))

    def test_transaction_that_began_elsewhere_is_told_the_remedy(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET autocommit = 0", "LOCK TABLES t1.held WRITE", "INSERT INTO t2.held VALUES (1)")
        self.assertIn("UNLOCK TABLES", self.refused(1235, db, "INSERT INTO t1.held VALUES (1)"))
        self.run_sql(db, "COMMIT", "INSERT INTO t1.held VALUES (1)", "COMMIT", "UNLOCK TABLES")
        self.assertEqual((self.count("s1"), self.count("s2")), (1, 1))

    def test_procedure_that_commits_is_refused_inside_a_transaction(self):
        db = self.connect(database="t1")
        self.run_sql(db, "DROP PROCEDURE IF EXISTS t1.commits",
                     "CREATE PROCEDURE t1.commits() BEGIN INSERT INTO t1.held VALUES (1); COMMIT; END",
                     "CALL t1.commits()")
        self.assertEqual(self.count("s1"), 1)
        self.run_sql(db, "BEGIN", "INSERT INTO t2.held VALUES (1)")
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.run_sql(db, "CALL t1.commits()")
        self.assertEqual(caught.exception.args[0], 1399)
        self.assertIn("after COMMIT", caught.exception.args[1])
        self.run_sql(db, "ROLLBACK")
        self.assertEqual((self.count("s1"), self.count("s2")), (1, 0))


class MixedWorld(xatest.World):
    """s1 of MySQL's family, s2 of MariaDB's."""

    def __init__(self, **more):
        super().__init__(**more)
        self.server["s2"] = xatest.servers.KINDS["mariadb"](self.server["s2"].directory, self.certs)


@xatest.only("mysql")  # which needs both
class Mixed(xatest.Case):
    """One session on servers of both families."""

    world_class = MixedWorld

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            cls.world.server[name].script([f"CREATE TABLE IF NOT EXISTS {schema}.here (i INT)"])

    def both(self, db, what):
        return [self.rows(db, f"SELECT {what} FROM (SELECT COUNT(*) FROM {table}) x")[0][0]
                for table in ("t1.here", "t2.here", "t1.here")]

    def test_what_only_one_family_knows_is_left_out_on_the_other(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SET NAMES utf8mb4 COLLATE utf8mb4_0900_ai_ci", "SET information_schema_stats_expiry = 7",
                     "SET @word = CONCAT('x', 'y')",
                     "SET time_zone = '+02:00'")
        self.assertEqual(self.both(db, "@@time_zone"), ["+02:00"] * 3)
        self.assertEqual(self.both(db, "@@character_set_client"), ["utf8mb4"] * 3)
        self.assertEqual(self.both(db, "@word"), ["xy"] * 3)
        self.assertEqual(self.rows(db, "SELECT @@information_schema_stats_expiry FROM t1.here RIGHT JOIN (SELECT 1) x ON TRUE"),
                         ((7,),))

    def test_isolation_by_either_name(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SELECT * FROM t1.here", "SET SESSION transaction_isolation = 'READ-COMMITTED'")
        self.assertEqual(self.rows(db, "SELECT @@tx_isolation FROM (SELECT COUNT(*) FROM t2.here) x"), (("READ-COMMITTED",),))
        self.run_sql(db, "SELECT * FROM t2.here", "SET SESSION tx_isolation = 'SERIALIZABLE'")
        self.assertEqual(self.rows(db, "SELECT @@transaction_isolation FROM (SELECT COUNT(*) FROM t1.here) x"),
                         (("SERIALIZABLE",),))

    def test_statements_are_read_alike_in_a_mode_that_one_does_not_have(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SELECT * FROM t2.here", "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,NO_AUTO_CREATE_USER')")
        self.assertEqual(self.rows(db, 'SELECT COUNT(*) FROM "t1"."here"'), ((0,),))
        self.assertEqual(self.rows(db, 'SELECT COUNT(*) FROM "t2"."here"'), ((0,),))

    def test_character_set_that_one_does_not_have_is_told(self):
        db = self.connect(database="t1")
        self.run_sql(db, "SELECT * FROM t1.here", "SET NAMES gb18030")
        self.assertIn("gb18030", self.refused(1115, db, "SELECT * FROM t2.here"))
        self.run_sql(db, "SELECT * FROM t1.here", "SET NAMES utf8mb4", "SELECT * FROM t2.here")
