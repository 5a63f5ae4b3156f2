"""Prepared statements of the binary protocol: whatever a server does with them, on connections that come and go."""
import os
import struct
import subprocess

import preparing
import xatest
from preparing import (Client, CURSOR_READ_ONLY, Error, LONG_BLOB, STATUS_CURSOR, STATUS_IN_TRANS, STATUS_LAST_ROW)


class Prepared(preparing.Case):
    world_options = {"proxy_options": "max_prepared_statements = 40\nmax_prepared_bytes = 2M",
                     "backend_options": f"max_prepared = 4\n{xatest.PATIENT}"}

    def client(self, schema="t1", **more):
        c = Client(self.world, schema, **more)
        self.addCleanup(c.close)
        return c

    def table(self, name="t1.p"):
        for server, schemas in xatest.SCHEMAS.items():
            if name.split(".")[0] in schemas:
                self.world.direct(server, f"DROP TABLE IF EXISTS {name}")
                self.world.direct(server, f"CREATE TABLE {name} (i BIGINT PRIMARY KEY, s LONGBLOB) ENGINE=InnoDB")

    def prepared_at(self, server):
        """How many statements clients have prepared there now."""
        return int(dict(self.world.direct(server, "SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'"))["Prepared_stmt_count"])

    # --- execute ---

    def test_types_are_remembered_for_each_statement(self):
        c = self.client()
        one, _, _ = c.prepare("SELECT ? + 1")
        two, _, _ = c.prepare("SELECT CONCAT(?, '!')")
        self.assertEqual(c.execute(one, 41).values(), [(42,)])
        self.assertEqual(c.execute(two, "a").values(), [("a!",)])
        self.assertEqual(c.execute(one, 1, types=False).values(), [(2,)])
        self.assertEqual(c.execute(two, "b", types=False).values(), [("b!",)])

    def test_types_never_sent_are_an_error(self):
        c = self.client()
        one, _, _ = c.prepare("SELECT ? + 1")
        self.fails(1210, c.execute, one, 1, types=False)
        self.assertEqual(c.execute(one, 1).values(), [(2,)])

    def test_packet_that_ends_too_early_is_an_error_and_no_more(self):
        c = self.client()
        two, _, _ = c.prepare("SELECT CONCAT(?, ?)")
        for cut in (b"", struct.pack("<I", two), struct.pack("<IBI", two, 0, 1) + b"\0\1\xfd"):
            self.fails(1835, self.command, c, b"\x17" + cut)
        if xatest.FAMILY == "mariadb":  # the statement prepared last
            self.fails(1835, self.command, c, b"\x17" + struct.pack("<IBI", 0xFFFFFFFF, 0, 1) + b"\1")
        self.assertEqual(c.execute(two, "a", "b").values(), [("ab",)])

    @staticmethod
    def command(client, payload):
        client.command(payload)
        return client.read_answer()

    def test_statement_follows_the_session_to_another_connection(self):
        self.table()
        c = self.client()
        put, _, _ = c.prepare("INSERT INTO p VALUES (?, ?)")
        c.execute(put, 1, "one")
        self.kill_connections("s1")
        # a statement after a lost connection is answered by another one; only what ran while it was lost is an error
        try:
            c.execute(put, 2, "two", types=False)
        except Error as error:
            self.assertEqual(error.code, 2013)
            c.execute(put, 2, "two", types=False)
        self.assertEqual(self.world.direct("s1", "SELECT i, s FROM t1.p ORDER BY i"), ((1, b"one"), (2, b"two")))

    def test_names_stay_bound_to_the_schema_of_prepare(self):
        self.table("t1.p")
        self.table("orders.p")
        c = self.client("t1")
        put, _, _ = c.prepare("INSERT INTO p VALUES (?, '')")
        c.text("USE orders")
        c.execute(put, 1)
        for i in range(5):  # more than one connection holds: it is prepared again, while the default schema is another
            c.prepare(f"SELECT {i}")
        c.execute(put, 2)
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM t1.p"), ((2,),))
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.p"), ((0,),))
        self.world.direct("s1", "DROP TABLE orders.p")

    def test_columns_changed_since_prepare(self):
        self.table()
        self.world.direct("s1", "INSERT INTO t1.p VALUES (1, 'x')")
        c = self.client()
        every, _, columns = c.prepare("SELECT * FROM p")
        self.assertEqual(len(columns), 2)
        self.assertEqual(c.execute(every).values(), [(1, "x")])
        self.world.direct("s1", "ALTER TABLE t1.p ADD more BIGINT DEFAULT 7")
        self.assertEqual(c.execute(every).values(), [(1, "x", 7)])

    def test_table_dropped_since_prepare(self):
        self.table()
        c = self.client()
        every, _, _ = c.prepare("SELECT * FROM p")
        self.world.direct("s1", "DROP TABLE t1.p")
        self.fails(1146, c.execute, every)
        self.table()
        self.assertEqual(c.execute(every).values(), [])

    def test_statement_without_tables_runs_where_the_session_was_last(self):
        self.world.direct("s2", "DROP TABLE IF EXISTS t2.auto")
        self.world.direct("s2", "CREATE TABLE t2.auto (i BIGINT AUTO_INCREMENT PRIMARY KEY, j INT)")
        c = self.client()
        last, _, _ = c.prepare("SELECT LAST_INSERT_ID()")
        c.text("INSERT INTO t2.auto VALUES (4711, 0)")
        c.text("INSERT INTO t2.auto (j) VALUES (1)")
        self.assertEqual(c.execute(last).values(), [(4712,)])

    def test_id_of_the_last_prepared(self):
        """MariaDB's drivers send PREPARE and EXECUTE of -1 in one write."""
        c = self.client()
        c.prepare("SELECT 7")
        self.assertEqual(c.execute(0xFFFFFFFF).values(), [(7,)])
        self.fails(1064, c.prepare, "SELEC 7")
        self.fails(1243, c.execute, 0xFFFFFFFF)

    def test_short_commands(self):
        c = self.client()
        one, _, _ = c.prepare("SELECT ?")
        for command in (b"\x17", b"\x17\x01", b"\x1a\x01\x00", b"\x1c\x01", b"\x17" + bytes([one, 0, 0, 0, 0, 1, 0, 0, 0])):
            with self.subTest(command=command):
                c.command(command)
                self.assertTrue(c.packet()[:1] == b"\xff")
        c.command(b"\x18\x01")
        c.command(b"\x19\x01")
        self.assertEqual(c.execute(one, 1).values(), [(1,)])

    def test_bulk_execute_is_for_those_who_agreed_on_it(self):
        c = self.client()
        c.prepare("SELECT ?")
        c.command(b"\xfa\x01\x00\x00\x00\x80\x00")
        self.fails(1047, c.checked)

    # --- limits ---

    def test_least_recently_used_statement_makes_room_on_the_server(self):
        c = self.client()
        xatest.until(lambda: self.prepared_at("s1") == 0, 5, "statements of those who have gone")
        statements = [c.prepare(f"SELECT {i} + ?")[0] for i in range(10)]
        for _ in range(2):
            for i, statement in enumerate(statements):
                self.assertEqual(c.execute(statement, 1).values(), [(i + 1,)])
        self.assertLessEqual(self.prepared_at("s1"), 4)
        for statement in statements:
            c.close_statement(statement)
        self.assertEqual(c.text("SELECT 1") & 1, 0)
        xatest.until(lambda: self.prepared_at("s1") == 0, 1, lambda: f"{self.prepared_at('s1')} are kept")

    def test_statements_of_a_client_are_limited_in_number(self):
        c = self.client()
        statements = [c.prepare(f"SELECT {i}")[0] for i in range(40)]
        self.fails(1461, c.prepare, "SELECT 41")
        self.fails(1461, c.prepare, "COMMIT")
        c.close_statement(statements[3])
        self.assertEqual(c.prepare("SELECT 41")[0], statements[3])

    def test_statements_of_a_client_are_limited_in_bytes(self):
        c = self.client()
        big = "SELECT 1 /* " + "x" * (1 << 20) + " */"
        one, _, _ = c.prepare(big)
        self.fails(1461, c.prepare, big)
        c.close_statement(one)
        c.prepare(big)

    def test_long_data_counts_and_is_given_back(self):
        c = self.client()
        length, _, _ = c.prepare("SELECT LENGTH(?)")
        for _ in range(3):
            c.long_data(length, 0, b"x" * (3 << 19))
            self.assertEqual(c.execute(length, "", type_of={0: LONG_BLOB}, skip=(0,)).values(), [(3 << 19,)])
        for _ in range(3):
            c.long_data(length, 0, b"x" * (3 << 19))
        self.fails(1105, c.execute, length, "", type_of={0: LONG_BLOB}, skip=(0,))
        self.assertEqual(c.execute(length, "abc").values(), [(3,)])

    # --- long data ---

    def test_it_follows_the_session_to_another_connection(self):
        c = self.client()
        both, _, _ = c.prepare("SELECT CONCAT(?, '-', ?)")
        c.text("SELECT 1")
        c.long_data(both, 0, b"ab")
        self.kill_connections("s1")
        c.long_data(both, 0, b"cd")
        try:
            got = c.execute(both, "", "z", type_of={0: LONG_BLOB}, skip=(0,)).values()
        except Error as error:
            self.assertEqual(error.code, 2013)
            c.long_data(both, 0, b"abcd")
            got = c.execute(both, "", "z", type_of={0: LONG_BLOB}, skip=(0,)).values()
        self.assertEqual(got, [("abcd-z",)])

    def test_empty_and_wrong_parameter(self):
        c = self.client()
        length, _, _ = c.prepare("SELECT LENGTH(?)")
        c.long_data(length, 0, b"")
        self.assertEqual(c.execute(length, "", type_of={0: LONG_BLOB}, skip=(0,)).values(), [(0,)])
        c.long_data(length, 5, b"x")
        self.fails(1210, c.execute, length, "abc")
        self.assertEqual(c.execute(length, "abc").values(), [(3,)])
        c.long_data(4711, 0, b"x")
        self.assertEqual(c.execute(length, "ab").values(), [(2,)])

    def test_reset_and_a_failed_execute_forget_it(self):
        c = self.client()
        length, _, _ = c.prepare("SELECT LENGTH(?)")
        c.long_data(length, 0, b"xyz")
        c.reset(length)
        self.assertEqual(c.execute(length, "a").values(), [(1,)])
        c.text("SET @x = 1")
        c.long_data(length, 0, b"xyz")
        self.fails(1210 if xatest.FAMILY == "mariadb" else 1835, c.execute, length, types=False)
        self.assertEqual(c.execute(length, "ab").values(), [(2,)])

    # --- cursors ---

    def ten(self):
        self.table()
        self.world.direct("s1", "INSERT INTO t1.p VALUES " + ", ".join(f"({i}, 'r{i}')" for i in range(10)))

    def open(self, c, sql="SELECT i FROM p ORDER BY i"):
        statement, _, _ = c.prepare(sql)
        answer = c.execute(statement, cursor=CURSOR_READ_ONLY)
        self.assertTrue(answer.status & STATUS_CURSOR)
        self.assertEqual(answer.rows, [])
        return statement, answer.columns

    def walk(self, deprecate_eof):
        self.ten()
        c = self.client(deprecate_eof=deprecate_eof)
        statement, columns = self.open(c)
        got = c.fetch(statement, 4, columns)
        self.assertEqual(got.values(), [(0,), (1,), (2,), (3,)])
        self.assertFalse(got.status & STATUS_LAST_ROW)
        c.text("SELECT 1")  # another statement between
        got = c.fetch(statement, 100, columns)
        self.assertEqual(got.values(), [(i,) for i in range(4, 10)])
        self.assertTrue(got.status & STATUS_LAST_ROW)
        self.fails(1421, c.fetch, statement, 1, columns)

    def test_fetch_in_pieces(self):
        self.walk(True)

    def test_fetch_in_pieces_with_eof(self):
        self.walk(False)

    def test_two_cursors_and_other_work_in_a_transaction(self):
        self.ten()
        self.table("t2.p")
        c = self.client()
        c.text("BEGIN")
        first, columns = self.open(c)
        second, _ = self.open(c, "SELECT i FROM p ORDER BY i DESC")
        put, _, _ = c.prepare("INSERT INTO t2.p VALUES (?, '')")
        for i in range(10):
            self.assertEqual(c.fetch(first, 1, columns).values(), [(i,)])
            self.assertEqual(c.fetch(second, 1, columns).values(), [(9 - i,)])
            c.execute(put, i)
        self.assertFalse(c.text("COMMIT") & STATUS_IN_TRANS)
        self.assertEqual(self.world.direct("s2", "SELECT COUNT(*) FROM t2.p"), ((10,),))

    def test_cursor_survives_commit(self):
        self.ten()
        c = self.client()
        c.text("BEGIN")
        statement, columns = self.open(c)
        c.text("UPDATE p SET s = 'changed'")
        c.text("COMMIT")
        self.assertEqual(len(c.fetch(statement, 100, columns).values()), 10)

    def test_reset_execute_and_close_end_it(self):
        self.ten()
        c = self.client()
        statement, columns = self.open(c)
        c.reset(statement)
        self.fails(1421, c.fetch, statement, 1, columns)
        c.execute(statement, cursor=CURSOR_READ_ONLY)
        self.assertEqual(len(c.execute(statement).values()), 10)
        self.fails(1421, c.fetch, statement, 1, columns)
        c.execute(statement, cursor=CURSOR_READ_ONLY)
        c.close_statement(statement)
        self.fails(1243, c.fetch, statement, 1, columns)

    def test_open_cursor_is_not_closed_to_make_room(self):
        self.ten()
        c = self.client()
        statement, columns = self.open(c)
        for i in range(12):
            c.execute(c.prepare(f"SELECT {i}")[0])
        self.assertEqual(len(c.fetch(statement, 100, columns).values()), 10)

    def test_statement_without_rows_opens_none(self):
        self.ten()
        c = self.client()
        statement, _, _ = c.prepare("UPDATE p SET s = 'x' WHERE i = 3")
        self.assertFalse(c.execute(statement, cursor=CURSOR_READ_ONLY).status & STATUS_CURSOR)
        self.fails(1421, c.fetch, statement, 1, [])

    def test_lost_server_closes_it(self):
        self.ten()
        c = self.client()
        statement, columns = self.open(c)
        self.kill_connections("s1")
        with self.assertRaises(Error) as caught:
            c.fetch(statement, 1, columns)
        self.assertIn(caught.exception.code, (1421, 2013))
        self.fails(1421, c.fetch, statement, 1, columns)

    # --- what the proxy does itself, prepared ---

    def test_transaction_control(self):
        self.table("t1.p")
        self.table("t2.p")
        c = self.client()
        commit, rollback = (c.prepare(sql)[0] for sql in ("/*!50000 COMMIT */ ;", "rollback work"))
        left, right = (c.prepare(f"INSERT INTO {t} VALUES (?, '')")[0] for t in ("t1.p", "t2.p"))
        for i, end in ((1, commit), (2, rollback), (3, commit)):
            self.assertTrue(c.run("START TRANSACTION READ WRITE").status & STATUS_IN_TRANS)
            c.execute(left, i)
            c.execute(right, i)
            self.assertFalse(c.execute(end).status & STATUS_IN_TRANS)
        for server, table in (("s1", "t1.p"), ("s2", "t2.p")):
            self.assertEqual(self.world.direct(server, f"SELECT i FROM {table} ORDER BY i"), ((1,), (3,)))

    def test_savepoints(self):
        self.table()
        c = self.client()
        c.text("BEGIN")
        for sql in ("SAVEPOINT a", "INSERT INTO p VALUES (1, '')", "ROLLBACK TO a", "INSERT INTO p VALUES (2, '')",
                    "RELEASE SAVEPOINT a", "COMMIT"):
            c.run(sql)
        self.assertEqual(self.world.direct("s1", "SELECT i FROM t1.p"), ((2,),))

    def test_set_and_use_with_values(self):
        c = self.client()
        assign, n, _ = c.prepare("SET @a = ?, @b = ?, SESSION sql_mode = ?")
        self.assertEqual(n, 3)
        c.execute(assign, "it's \\ 'quoted'", 7, "ANSI_QUOTES")
        look, _, _ = c.prepare("SELECT @a, @b, @@sql_mode")
        self.assertEqual(c.execute(look).values(), [("it's \\ 'quoted'", 7, "ANSI_QUOTES")])
        c.execute(assign, None, -1, "", types=True)
        self.assertEqual(c.execute(look).values(), [(None, -1, "")])
        c.execute(c.prepare("SET autocommit = ?")[0], 0)
        self.assertEqual(c.text("DO 1") & 2, 0)
        c.run("USE t2")
        self.assertEqual(c.execute(c.prepare("SELECT DATABASE()")[0]).values(), [("t2",)])

    def test_ddl_commits_first(self):
        self.table()
        c = self.client()
        make = c.prepare("CREATE TABLE IF NOT EXISTS p2 (i INT)")[0]
        c.text("BEGIN")
        c.execute(c.prepare("INSERT INTO p VALUES (1, '')")[0])
        self.assertFalse(c.execute(make).status & STATUS_IN_TRANS)
        c.text("ROLLBACK")
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM t1.p"), ((1,),))
        c.text("DROP TABLE p2")

    def test_lock_tables(self):
        self.table()
        c = self.client()
        c.run("LOCK TABLES p WRITE")
        c.execute(c.prepare("INSERT INTO p VALUES (1, '')")[0])
        c.run("UNLOCK TABLES")
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM t1.p"), ((1,),))

    def test_what_cannot_be_prepared(self):
        c = self.client()
        for sql, code in (("", 1065), ("XA RECOVER", 1295), (";", 1065), ("SELECT 1; SELECT 2", 1064), ("COMMIT; SELECT 1", 1064),
                          ("SET @a = 1; COMMIT", 1064), ("PREPARE s FROM 'SELECT 1'", 1295), ("EXECUTE s", 1295),
                          ("DEALLOCATE PREPARE s", 1295), ("COMMIT nonsense", 1064)):
            with self.subTest(sql=sql):
                self.fails(code, c.prepare, sql)
        self.assertEqual(c.execute(c.prepare("SELECT 1;")[0]).values(), [(1,)])
        c.execute(c.prepare("COMMIT;")[0])

    def test_failed_transaction_takes_a_prepared_rollback(self):
        self.table()
        c = self.client()
        rollback = c.prepare("ROLLBACK")[0]
        c.text("BEGIN")
        c.execute(c.prepare("INSERT INTO p VALUES (1, '')")[0])
        self.kill_connections("s1")
        with self.assertRaises(Error):
            c.text("SELECT * FROM p")
        self.fails(1402, c.text, "SELECT * FROM p")
        c.execute(rollback)
        self.assertEqual(c.text("SELECT * FROM p") & STATUS_IN_TRANS, 0)

    # --- as libmysqlclient does ---

    def test_cursor_of_the_library(self):
        driver = os.path.join(xatest.BUILD, "tests", "integration", "c_driver")
        done = subprocess.run([driver, str(self.world.proxy.port), "app", xatest.PASSWORDS["app"],
                               f"{self.world.certs}/ca.crt", "cursor"], capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


class Moving(xatest.Case):
    """Many clients over two connections: each finds its statements, whoever was there meanwhile."""

    world_options = {"workers": 1, "backend_options": f"max_connections = 2\nqueue_timeout = 4s\n{xatest.PATIENT}"}

    def clients(self, n):
        made = [Client(self.world, "t1") for _ in range(n)]
        for c in made:
            self.addCleanup(c.close)
        return made

    def test_statements_of_many(self):
        clients = self.clients(6)
        statements = [(c, c.prepare(f"SELECT {n} + ?")[0], c.prepare("SELECT CONCAT(?, 'x')")[0]) for n, c in enumerate(clients)]
        for n, (c, plus, _) in enumerate(statements):
            c.text(f"PREPARE named FROM 'SELECT {n} + ?'")
            self.assertEqual(c.execute(plus, 1).values(), [(n + 1,)])
        for round_ in range(3):
            for n, (c, plus, concat) in enumerate(statements):
                self.assertEqual(c.execute(plus, round_, types=False).values(), [(n + round_,)])
                c.long_data(concat, 0, b"%d" % n)
            for n, (c, _, concat) in enumerate(statements):
                self.assertEqual(c.execute(concat, "", type_of={0: LONG_BLOB}, skip=(0,)).values(), [(f"{n}x",)])
                c.text(f"SET @v = {round_}")
            for n, (c, _, _) in enumerate(statements):
                c.query("EXECUTE named USING @v")
                [row] = c.read_answer().rows
                self.assertEqual(row[1:].decode(), str(n + round_))
        for c, plus, concat in statements:
            c.reset(plus)
            c.close_statement(concat)
            c.text("DEALLOCATE PREPARE named")

    def test_cursor_keeps_its_connection(self):
        one, two, third = self.clients(3)
        opened = []
        for c in (one, two):
            statement, _, columns = c.prepare("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1")
            c.execute(statement, cursor=CURSOR_READ_ONLY)
            opened.append((c, statement, columns))
            self.assertEqual(len(c.fetch(statement, 1, columns).rows), 1)
        with self.assertRaises(Error):  # both are held
            third.text("SELECT * FROM information_schema.SCHEMATA")
        for ends in (lambda c, statement, columns: c.fetch(statement, 1000, columns),
                     lambda c, statement, columns: c.close_statement(statement)):
            ends(*opened.pop())
            for _ in range(2):
                third.text("SELECT * FROM information_schema.SCHEMATA")
        self.assertEqual(one.execute(one.prepare("SELECT 1")[0]).values(), [(1,)])
