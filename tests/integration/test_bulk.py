"""MariaDB's extended capabilities: many rows in one EXECUTE, metadata that is told once, definitions with one string more."""
import os
import random
import subprocess

import rawclient
import preparing
import xatest
from preparing import LONGLONG, VAR_STRING, CURSOR_READ_ONLY, Client

DEFAULT = ...
TYPES = (LONGLONG, VAR_STRING)
INSERT = "INSERT INTO {} VALUES (?, ?)"


class Extended(preparing.Case):
    def client(self, extended=rawclient.EXTENDED, **more):
        c = Client(self.world, "t1", extended=extended, **more)
        self.addCleanup(c.close)
        return c

    def tables(self):
        for server, table in (("s1", "t1.bulk"), ("s2", "t2.bulk")):
            self.world.direct(server, f"DROP TABLE IF EXISTS {table}")
            self.world.direct(server, f"CREATE TABLE {table} (i BIGINT PRIMARY KEY, s VARCHAR(100) DEFAULT 'none') ENGINE=InnoDB")

    def rows(self, server="s1", table="t1.bulk"):
        return list(self.world.direct(server, f"SELECT i, s FROM {table} ORDER BY i"))


class Bulk(Extended):
    def setUp(self):
        self.tables()

    def test_rows_with_nulls_and_defaults(self):
        c = self.client()
        insert, _, _ = c.prepare(INSERT.format("t1.bulk"))
        self.assertEqual(c.bulk(insert, [(1, b"one"), (2, None), (3, DEFAULT)], TYPES).affected, 3)
        self.assertEqual(self.rows(), [(1, "one"), (2, None), (3, "none")])
        update, _, _ = c.prepare("UPDATE t1.bulk SET s = ? WHERE i = ?")
        self.assertEqual(c.bulk(update, [(b"a", 1), (b"b", 2)], TYPES[::-1]).affected, 2)
        self.assertEqual(self.rows(), [(1, "a"), (2, "b"), (3, "none")])

    def test_types_are_remembered_and_shared_with_execute(self):
        c = self.client()
        insert, _, _ = c.prepare(INSERT.format("t1.bulk"))
        self.fails(1210, c.bulk, insert, [(1, b"x")])
        c.bulk(insert, [(1, b"x")], TYPES)
        c.bulk(insert, [(2, b"y")])
        c.execute(insert, 3, "z", types=False)
        self.kill_connections()
        c.bulk(insert, [(4, b"u"), (5, None)])
        c.execute(insert, 6, "v", types=False)
        self.kill_connections()
        c.execute(insert, 7, "w", types=False)
        c.bulk(insert, [(8, b"q")])
        self.assertEqual([i for i, _ in self.rows()], [1, 2, 3, 4, 5, 6, 7, 8])

    def test_part_of_a_transaction_of_two_servers(self):
        c = self.client()
        left, right = (c.prepare(INSERT.format(f"{schema}.bulk"))[0] for schema in ("t1", "t2"))
        for n, end in enumerate(("COMMIT", "ROLLBACK", "COMMIT")):
            c.text("BEGIN")
            for statement in (left, right):
                c.bulk(statement, [(10 * n + i, b"x") for i in range(5)], TYPES)
            self.assertEqual((len(self.rows()), len(self.rows("s2", "t2.bulk"))), ((n + 1) // 2 * 5,) * 2)
            c.text(end)
        expected = [10 * n + i for n in (0, 2) for i in range(5)]
        self.assertEqual([i for i, _ in self.rows()], expected)
        self.assertEqual([i for i, _ in self.rows("s2", "t2.bulk")], expected)

    def test_an_error_among_the_rows(self):
        c = self.client()
        insert, _, _ = c.prepare(INSERT.format("t1.bulk"))
        c.text("BEGIN")
        self.fails(1062, c.bulk, insert, [(1, b"x"), (1, b"y")], TYPES)
        c.bulk(insert, [(2, b"z")])
        c.text("COMMIT")
        self.assertIn((2, "z"), self.rows())
        self.assertTrue(c.in_step())

    def test_rows_come_back(self):
        c = self.client()
        insert, _, _ = c.prepare(INSERT.format("t1.bulk") + " RETURNING i")
        self.assertEqual(c.bulk(insert, [(5, b"x"), (6, b"y")], TYPES).values(), [(5,), (6,)])

    def test_more_than_a_packet(self):
        c = self.client()
        self.world.direct("s1", "CREATE TABLE IF NOT EXISTS t1.bulk_long (i BIGINT PRIMARY KEY, s LONGBLOB) ENGINE=InnoDB")
        self.world.direct("s1", "TRUNCATE t1.bulk_long")
        insert, _, _ = c.prepare(INSERT.format("t1.bulk_long"))
        before = self.world.direct("s1", "SELECT @@GLOBAL.max_allowed_packet")[0][0]
        self.world.direct("s1", f"SET GLOBAL max_allowed_packet = {64 << 20}")
        self.addCleanup(self.world.direct, "s1", f"SET GLOBAL max_allowed_packet = {before}")
        self.kill_connections()
        self.assertEqual(c.bulk(insert, [(i, b"x" * (1 << 20)) for i in range(20)], TYPES).affected, 20)
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*), SUM(LENGTH(s)) FROM t1.bulk_long")[0], (20, 20 << 20))

    def test_what_the_proxy_does_itself(self):
        c = self.client()
        for text, types, row in (("SET @a = ?", (LONGLONG,), (1,)), ("COMMIT", (), ()),
                                 ("CALL cache.GET(?)", (VAR_STRING,), (b"k",))):
            statement, _, _ = c.prepare(text)
            self.fails(1295, c.bulk, statement, [row], types)
        self.fails(1295, c.bulk, c.prepare("SELECT ?")[0], [(1,)], (LONGLONG,))  # the server's own word
        self.fails(1243, c.bulk, 77, [(1,)], (LONGLONG,))

    def test_garbage(self):
        chance = random.Random(20261122)
        c = self.client()
        insert, _, _ = c.prepare(INSERT.format("t1.bulk"))
        whole = b"\xfa" + insert.to_bytes(4, "little") + b"\x80\0\x08\0\xfd\0" + b"\0" + bytes(8) + b"\0\x03abc"
        for length in range(1, len(whole) + 1):
            c.command(whole[:length])
            c.packet()
            self.assertTrue(c.in_step(), length)
        for _ in range(150):
            c.command(whole[:5] + chance.randbytes(2) + bytes([chance.getrandbits(8), 0] * 2)
                      + chance.randbytes(chance.choice([0, 1, 9, 40])))
            c.packet()
            self.assertTrue(c.in_step())

    def test_connector_c(self):
        driver = os.path.join(xatest.BUILD, "tests", "integration", "c_driver")
        done = subprocess.run([driver, str(self.world.proxy.port), "app", xatest.PASSWORDS["app"],
                               f"{self.world.certs}/ca.crt", "bulk"], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode == 77:
            self.skipTest("c_driver was built with a library that knows no bulks")
        self.assertEqual(done.returncode, 0, done.stderr)
        for server, table in (("s1", "t1.bulk"), ("s2", "t2.bulk")):
            self.assertEqual(self.rows(server, table), [(i, f"r{i}") for i in range(3)])


class Metadata(Extended):
    def setUp(self):
        self.tables()
        self.world.direct("s1", "INSERT INTO t1.bulk VALUES (1, 'one')")

    def change(self):
        self.world.direct("s1", "ALTER TABLE t1.bulk ADD COLUMN j BIGINT DEFAULT 7 FIRST")

    def test_is_told_once(self):
        for deprecate_eof in (True, False):
            c = self.client(deprecate_eof=deprecate_eof)
            select, _, _ = c.prepare("SELECT i, s FROM t1.bulk WHERE i > ?")
            for least, rows in ((0, [(1, "one")]), (1, [])):
                answer = c.execute(select, least)
                self.assertEqual((answer.follows, answer.values()), (False, rows))
            self.assertTrue(c.in_step())

    def test_who_did_not_ask_gets_it_always(self):
        c = self.client(extended=rawclient.BULK)
        select, _, _ = c.prepare("SELECT * FROM t1.bulk")
        for _ in range(2):
            self.assertEqual(c.execute(select).values(), [(1, "one")])

    def test_is_told_again_when_the_table_has_changed(self):
        c = self.client()
        select, _, _ = c.prepare("SELECT * FROM t1.bulk")
        self.assertFalse(c.execute(select).follows)
        self.change()
        for follows in (True, False):
            answer = c.execute(select)
            self.assertEqual((answer.follows, answer.values()), (follows, [(7, 1, "one")]))

    def test_is_told_again_by_another_connection(self):
        for deprecate_eof in (True, False):
            self.setUp()
            c = self.client(deprecate_eof=deprecate_eof)
            select, _, _ = c.prepare("SELECT * FROM t1.bulk WHERE ? < 2")
            self.assertFalse(c.execute(select, 1).follows)
            self.kill_connections()
            self.change()
            for follows in (True, False):
                answer = c.execute(select, 1)
                self.assertEqual((answer.follows, answer.values()), (follows, [(7, 1, "one")]))
            self.assertTrue(c.in_step())

    def test_what_an_error_kept_back_is_told_later(self):
        c = self.client()
        self.world.direct("s1", "CREATE OR REPLACE TABLE t1.bulk_two (j BIGINT)")
        self.world.direct("s1", "INSERT INTO t1.bulk_two VALUES (1)")
        select, _, _ = c.prepare("SELECT * FROM t1.bulk WHERE i = (SELECT j FROM t1.bulk_two)")
        self.assertEqual(c.execute(select).values(), [(1, "one")])
        self.world.direct("s1", "INSERT INTO t1.bulk_two VALUES (2)")
        self.kill_connections()
        self.change()
        self.fails(1242, c.execute, select)
        self.world.direct("s1", "DELETE FROM t1.bulk_two WHERE j = 2")
        self.assertEqual(c.execute(select).values(), [(7, 1, "one")])

    def test_procedures(self):
        self.world.direct("s1", "CREATE OR REPLACE PROCEDURE t1.bulk_two_results() BEGIN SELECT 1; SELECT 2, 3; END")
        c = self.client()
        call, _, _ = c.prepare("CALL t1.bulk_two_results()")
        for _ in range(2):
            self.assertEqual(c.execute(call).values(), [(1,)])
            self.assertEqual(c.read_answer().values(), [(2, 3)])
            self.assertEqual(c.read_answer().rows, [])

    def test_cursors(self):
        for deprecate_eof in (True, False):
            c = self.client(deprecate_eof=deprecate_eof)
            select, _, columns = c.prepare("SELECT i, s FROM t1.bulk")
            for _ in range(2):
                c.execute(select, cursor=CURSOR_READ_ONLY)
                self.assertEqual(c.fetch(select, 5, columns).values(), [(1, "one")])
                self.kill_connections()
                c.execute(select, cursor=CURSOR_READ_ONLY)
                self.assertEqual(c.fetch(select, 5, columns).values(), [(1, "one")])
                self.assertEqual(c.execute(select).values(), [(1, "one")])

    def test_own_answers(self):
        c = self.client()
        c.text("CALL cache.SET('bulk', 'x')")
        c.query("CALL cache.GET('bulk')")
        answer = c.read_answer()
        self.assertEqual((answer.follows, answer.rows), (True, [b"\x01x"]))
        get, _, _ = c.prepare("CALL cache.GET(?)")
        for _ in range(2):
            self.assertEqual(c.execute(get, "bulk").values(), [("x",)])
        for text in ("SHOW WARNINGS", "SHOW PROCESSLIST", "SELECT @@autocommit"):
            c.text(text)
        c.text("SET @copy = 5")
        self.kill_connections()
        c.query("SELECT @copy")
        self.assertEqual(c.read_answer().rows, [b"\x015"])

    def test_extended_definitions(self):
        self.world.direct("s1", "CREATE OR REPLACE TABLE t1.bulk_json (j JSON)")
        c = self.client()
        c.text("SELECT j FROM t1.bulk_json")
        self.assertIn(b"json", c.last_text)
        c.text("SELECT 1")
        self.assertEqual(c.last_text, b"")
