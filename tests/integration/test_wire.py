"""What goes over the wire besides statements: compressed packets, as clients of both families speak them and as liars do."""
import os
import random
import shutil
import struct
import subprocess
import threading
import time

import pymysql
import rawclient
import squeezed
import xatest
from pymysql.constants import CLIENT
from xatest import servers
from rawclient import COMPRESS, DEPRECATE_EOF, LOCAL_FILES, SESSION_TRACK, SSL, USUAL, ZSTD, Gone, Raw, error_code, frame, \
    login_packet

os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", "")  # freed memory is free: we measure it
MIB = 1 << 20


class Wire(xatest.Case):
    world_options = {"proxy_options": "max_packet = 40M", "backend_options": xatest.PATIENT}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("s1", "s2"):
            cls.world.direct(name, f"SET GLOBAL max_allowed_packet = {64 * MIB}")

    def raw(self, **more):
        client = Raw(self.world.proxy.port, self.world.certs, **more)
        self.addCleanup(client.close)
        return client

    def memory_kib(self):
        with open(f"/proc/{self.world.proxy.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


class Compressed(Wire):
    """A statement, an answer, and what lies between."""

    def squeezed(self, method=squeezed.ZLIB, **more):
        client = self.raw(limit_s=30)
        self.assertEqual(client.squeezed_login(method, **more)[:1], b"\x00")
        return client

    def one_row(self, client, text):
        """The value of a one-column result of one row, of any size."""
        client.query(text)
        self.assertEqual(client.packet(), b"\x01")
        client.packet()
        row = b""
        while True:
            part = client.packet()
            row += part
            if len(part) < 0xFFFFFF:
                break
        self.assertEqual(client.packet()[:1], b"\xfe")
        size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(row[0], 0)
        return row[1 + size:]

    def test_both_methods_answer_small_and_big(self):
        for method in (squeezed.ZLIB, squeezed.ZSTD):
            with self.subTest(method):
                client = self.squeezed(method)
                self.assertEqual(self.one_row(client, "SELECT 1"), b"1")
                self.assertEqual(self.one_row(client, "SELECT REPEAT('ab', 1000000)"), b"ab" * 1000000)
                self.assertLess(client.s.received, 300000)
                noise = random.Random(1).randbytes(300000).hex()
                self.assertEqual(self.one_row(client, f"SELECT '{noise}'"), noise.encode())
                client.query("SELECT nonsense FROM nowhere.at_all")
                self.assertEqual(client.packet()[:1], b"\xff")
                self.assertTrue(client.in_step())

    def test_packets_beyond_16_mib(self):
        for method in (squeezed.ZLIB, squeezed.ZSTD):
            for size in (0xFFFFFF - 9, 2 * 0xFFFFFF - 9):
                with self.subTest(f"{method} {size}"):
                    client = self.squeezed(method)
                    self.assertEqual(self.one_row(client, "SELECT '" + "x" * size + "'"), b"x" * size)
                    self.assertTrue(client.in_step())

    def test_commands_sent_at_once_are_answered_in_order(self):
        client = self.squeezed()
        whole = b"".join(squeezed.packet(0, frame(0, b"\x03SELECT " + str(n).encode()), 0) for n in range(50))
        client.s.sock.sendall(whole)
        for n in range(50):
            client.s.number = 1
            self.assertEqual([client.packet() for _ in range(4)][2], bytes([len(str(n))]) + str(n).encode())
        together = b"".join(frame(0, b"\x03SELECT 1") for _ in range(20))
        client.s.new_command()
        client.s.sendall(together)
        for _ in range(20):
            client.s.number = 1
            self.assertEqual([client.packet() for _ in range(4)][2], b"\x011")

    def test_a_command_right_behind_the_log_in(self):
        """It has come before it is known that packets are compressed from here on."""
        client = self.raw()
        client.tls()
        client.say(login_packet(b"app", b"x" * 32, caps=USUAL | SSL | COMPRESS))
        self.assertEqual(client.packet()[:2], b"\x01\x04")
        client.send(frame(client.seq, xatest.PASSWORDS["app"].encode() + b"\0")
                    + squeezed.packet(0, frame(0, b"\x03SELECT 1"), 0))
        self.assertEqual(client.packet()[:1], b"\x00")
        client.s = squeezed.Socket(client.s)
        client.s.number = 1
        self.assertEqual([client.packet() for _ in range(4)][2], b"\x011")
        self.assertTrue(client.in_step())

    def test_who_asks_for_both_gets_zlib_and_a_level_must_exist(self):
        client = self.raw()
        self.assertEqual(client.login(caps=USUAL | SSL | COMPRESS | ZSTD, more=b"\x03")[:1], b"\x00")
        client.s = squeezed.Socket(client.s)
        self.assertTrue(client.in_step())
        for level, fine in ((1, True), (22, True), (0, False), (23, False), (255, False)):
            client = self.raw()
            answer = client.login(caps=USUAL | SSL | ZSTD, more=bytes([level]))
            self.assertEqual(answer[:1] == b"\x00", fine, level)

    def test_only_clients_that_ask_are_answered_so_and_a_listener_may_offer_none(self):
        self.assertEqual(self.rows(self.connect(), "SELECT REPEAT('a', 1000)"), (("a" * 1000,),))
        with Raw(self.world.proxy.port, self.world.certs) as client:
            greeting = client.packet()
        at = greeting.index(b"\0") + 1 + 4 + 8 + 1
        offered = struct.unpack_from("<H", greeting, at)[0] | struct.unpack_from("<H", greeting, at + 5)[0] << 16
        self.assertEqual(offered & (COMPRESS | ZSTD), COMPRESS | ZSTD)

    def test_liars(self):
        query = frame(0, b"\x03SELECT '" + b"x" * 200 + b"'")
        for method in (squeezed.ZLIB, squeezed.ZSTD):
            packed = squeezed.Socket(None, method).compress(query)
            lies = {
                "a length too small": squeezed.packet(0, packed, len(query) - 1),
                "a length too big": squeezed.packet(0, packed, len(query) + 1),
                "an end too early": squeezed.packet(0, packed[:-1], len(query)),
                "an end too late": squeezed.packet(0, packed + b"\0", len(query)),
                "no compression": squeezed.packet(0, query, len(query)),
                "nothing": squeezed.packet(0, b"", len(query)),
                "a wrong number": squeezed.packet(3, packed, len(query)),
                "16 MiB of nothing": squeezed.packet(0, squeezed.Socket(None, method).compress(b"\0" * 0xFFFFFF), 0xFFFFFF)[:500],
            }
            for what, lie in lies.items():
                with self.subTest(f"{method}: {what}"):
                    client = self.squeezed(method)
                    client.s.sock.sendall(lie)
                    if what == "16 MiB of nothing":  # cut in the middle, and silent: nobody waits for more than itself
                        client.close()
                        continue
                    with self.assertRaises(Gone):
                        client.packet()
        self.assertTrue(self.squeezed().in_step())
        self.assertIn("damaged", self.world.proxy.log_of_this_life())

    def test_bombs_cost_their_senders_own_limit_and_no_more(self):
        before = self.memory_kib()
        header = struct.pack("<I", 0xFFFFFF)[:3] + b"\0\x03"
        for method in (squeezed.ZLIB, squeezed.ZSTD):
            bomb = squeezed.Socket(None, method).compress(header + b" " * (0xFFFFFF - len(header)))
            clients = [self.squeezed(method) for _ in range(2)]
            for client in clients:
                for number in range(60):  # a GiB each, which would be one statement
                    try:
                        client.s.sock.sendall(squeezed.packet(number, bomb, 0xFFFFFF))
                    except OSError:
                        break
            for client in clients:
                with self.assertRaises((Gone, AssertionError)):
                    self.assertEqual(error_code(client.packet()), 1153)
                    client.packet()
        self.assertLess(self.memory_kib() - before, 300 * 1024, "4 GiB were sent")
        self.assertTrue(self.squeezed().in_step())

    def test_memory_only_for_who_uses_it(self):
        self.world.restart_proxy()  # which has nothing left over
        before = self.memory_kib()
        clients = [self.squeezed() for _ in range(100)]
        for client in clients:
            self.assertTrue(client.in_step())
        plain = self.memory_kib() - before
        self.assertLess(plain, 100 * 200, "a quiet client keeps what zlib needs")


class Files(Wire):
    """LOAD DATA LOCAL, for a user that may."""

    @classmethod
    def setUpClass(cls):
        sha2, _ = xatest.verifiers("loader-secret")
        lines = ["[user loader]", f"password_verifier = {sha2}", "local_infile = on"]
        for name in ("s1", "s2"):
            account, password = xatest.World.account("app", name)
            lines += [f"[account loader@{name}]", f"user = {account}", f"password = {password}"]
        cls.world_options = {"proxy_options": "write_timeout = 5s", "backend_options": xatest.PATIENT, "more": "\n".join(lines)}
        super().setUpClass()
        for name in ("s1", "s2"):
            cls.world.direct(name, "SET GLOBAL local_infile = ON")
        cls.world.direct("s1", "CREATE TABLE t1.loaded (id INT PRIMARY KEY, name VARCHAR(200)) ENGINE=InnoDB")
        cls.world.direct("s2", "CREATE TABLE t2.loaded (id INT PRIMARY KEY, name VARCHAR(200)) ENGINE=InnoDB")

    def setUp(self):
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            self.world.direct(name, f"DELETE FROM {schema}.loaded")

    def loader(self, **more):
        return self.connect("loader", "loader-secret", **{"local_infile": True, "database": "t1", **more})

    def file(self, rows, name="rows.csv"):
        path = os.path.join(self.world.directory, name)
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{n},{text}\n" for n, text in rows)
        return path

    @staticmethod
    def load(path, table="loaded"):
        return f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','"

    def count(self, schema="t1"):
        return self.world.direct({"t1": "s1", "t2": "s2"}[schema], f"SELECT COUNT(*) FROM {schema}.loaded")[0][0]

    def test_rows_arrive(self):
        db = self.loader()
        with db.cursor() as cursor:
            self.assertEqual(cursor.execute(self.load(self.file([(1, "one"), (2, "zwei ü")]))), 2)
        self.assertEqual(self.rows(db, "SELECT name FROM loaded ORDER BY id"), (("one",), ("zwei ü",)))
        with db.cursor() as cursor:
            self.assertEqual(cursor.execute(self.load(self.file([], "empty.csv"))), 0)
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    def test_as_part_of_a_transaction_over_two_servers(self):
        db, path = self.loader(), self.file([(n, "x") for n in range(10)])
        for end, left in (("ROLLBACK", 0), ("COMMIT", 10)):
            self.run_sql(db, "BEGIN", self.load(path, "t1.loaded"), self.load(path, "t2.loaded"), end)
            self.assertEqual((self.count("t1"), self.count("t2")), (left, left), end)

    def test_in_a_multi_statement(self):
        db, path = self.loader(client_flag=CLIENT.MULTI_STATEMENTS), self.file([(n, "x") for n in range(10)])
        with db.cursor() as cursor:
            cursor.execute(f"SELECT 'before'; {self.load(path)}; SELECT COUNT(*) FROM loaded;"
                           f" /* again */ {self.load(path)} ; SELECT 'never'")
            self.assertEqual(cursor.fetchall(), (("before",),))
            cursor.nextset()
            self.assertEqual(cursor.rowcount, 10)
            cursor.nextset()
            self.assertEqual(cursor.fetchall(), ((10,),))
            cursor.nextset()  # LOCAL makes doubles warnings
            self.assertEqual(cursor.rowcount, 0)
            cursor.nextset()
            self.assertEqual(cursor.fetchall(), (("never",),))

    def test_a_file_that_is_not_there_and_one_that_does_not_fit(self):
        db = self.loader()
        with self.assertRaises(pymysql.err.OperationalError):
            self.run_sql(db, self.load("/nowhere/at/all"))
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
        big = self.file([(n, "x" * 150) for n in range(3000)])
        self.refused(1146, db, self.load(big, "t1.not_there"))
        self.run_sql(db, self.load(big))
        self.assertEqual(self.count(), 3000)

    def test_a_big_file_is_passed_on_and_not_stored(self):
        path = self.file([(n, "x" * 180) for n in range(250000)])
        before = self.memory_kib()
        top = [0]
        over = threading.Event()

        def watch():
            while not over.wait(0.02):
                top[0] = max(top[0], self.memory_kib() - before)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            self.run_sql(self.loader(), self.load(path))
        finally:
            over.set()
            watcher.join()
        self.assertEqual(self.count(), 250000)
        self.assertLess(top[0], 24 * 1024, "45 MB went through")

    def test_only_who_offers_and_may(self):
        path = self.file([(1, "x")])
        for what, db in (("does not offer", self.loader(local_infile=False)),
                         ("may not", self.connect(local_infile=True, database="t1"))):
            with self.subTest(what), self.assertRaises(pymysql.err.MySQLError):
                self.run_sql(db, self.load(path))
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
        self.assertEqual(self.count(), 0)

    # --- in bytes ---

    def test_what_comes_ahead_of_the_request_and_is_no_file(self):
        """It is there when the server asks."""
        client = self.raw()
        self.assertEqual(client.login("loader", "loader-secret", caps=USUAL | SSL | LOCAL_FILES)[:1], b"\x00")
        client.send(frame(0, b"\x03" + self.load("any name", "t1.loaded").encode()) + frame(0, b"\x03SELECT 1"))
        self.assertEqual(client.packet(), b"\xfbany name")
        with self.assertRaises(Gone):
            client.packet()
        self.assertEqual(self.rows(self.loader(), "SELECT 1"), ((1,),))
        self.assertEqual(self.count(), 0)

    def asked(self, method=None, table="loaded", begin=False, first=()):
        """A client that has just been asked for its file."""
        client = self.raw()
        caps = USUAL | SSL | LOCAL_FILES
        logged_in = (client.squeezed_login(method, caps=caps, user="loader", password="loader-secret") if method
                     else client.login("loader", "loader-secret", caps=caps))
        self.assertEqual(logged_in[:1], b"\x00")
        for text in ["USE t1", *first] + ["BEGIN"] * begin:
            client.query(text)
            self.assertEqual(client.packet()[:1], b"\x00")
        client.query(self.load("any name", table))
        self.assertEqual(client.packet(), b"\xfbany name")
        return client

    def test_killed_while_the_file_comes(self):
        """A server reads all of it before it says so, and is given up meanwhile: the client hears of it behind its file."""
        client = self.asked(begin=True)
        ident = self.id_of("loader")
        with self.connect("loader", "loader-secret") as killer:
            self.run_sql(killer, f"KILL QUERY {ident}")
        given_up = time.monotonic() + 6.5
        n = 0
        while time.monotonic() < given_up:
            n += 1
            client.say(b"%d,slow\n" % n)
            time.sleep(0.2)
        client.say(b"")
        self.assertEqual(error_code(client.packet()), 1317)
        client.query("ROLLBACK")
        self.assertEqual(client.packet()[:1], b"\x00")
        self.assertTrue(client.in_step())
        self.assertEqual(self.count(), 0)

    def id_of(self, user):
        found = []

        def alone():
            with self.world.admin() as dba:
                found[:] = [row[0] for row in self.rows(dba, "SHOW SESSIONS") if row[1] == user]
            return len(found) == 1
        xatest.until(alone, 5, lambda: f"sessions of before: {found}")
        return found[0]

    def test_compressed(self):
        for method in (squeezed.ZLIB, squeezed.ZSTD):
            client = self.asked(method)
            for n in range(100):
                client.say(b"%d,%s\n" % (n, b"y" * n))
            client.say(b"")
            self.assertEqual(client.packet()[:1], b"\x00")
            self.assertTrue(client.in_step())
            self.assertEqual(self.count(), 100)
            self.setUp()

    def test_frames_of_every_size(self):
        for sizes in ((1, 1, 7), (0xFFFFFF,), (0xFFFFFF, 1), (0xFFFFFF - 1, 5)):
            with self.subTest(sizes):
                client = self.asked()
                left = b"1," + b"a" * (sum(sizes) - 2)
                for size in sizes:
                    client.say(left[:size])
                    client.seq += size == 0xFFFFFF  # its empty continuation
                    left = left[size:]
                client.say(b"")
                self.assertEqual(client.packet()[:2], b"\x00\x01")
                self.assertTrue(client.in_step())
                self.setUp()

    def test_liars_and_those_who_stop_in_the_middle(self):
        client = self.asked()
        client.send(frame(99, b"1,x\n"))
        with self.assertRaises(Gone):
            client.packet()
        client = self.asked()
        client.query("SELECT 1")  # instead of a file
        with self.assertRaises(Gone):
            client.packet()
        for rest in (b"", b"\x10", frame(client.seq, b"2,y\n", 1000)):
            client = self.asked(begin=True)
            client.say(b"1,x\n")
            client.send(rest)
            client.close()
        xatest.until(lambda: not self.world.server["s1"].open_transactions(), 10, "a transaction of somebody who is gone")
        self.assertEqual(self.count(), 0)
        silent = self.asked()
        silent.say(b"1,x\n")
        with self.assertRaises(Gone):  # write_timeout
            silent.packet()
        self.assertIn("does not send its file", self.world.proxy.log_of_this_life())

    def test_server_waits_for_the_file_no_longer(self):
        """It says so and hangs up while the client is still at it."""
        def losses():
            return self.world.proxy.log_of_this_life().count("backend_lost")

        for begin in (False, True):
            before = losses()
            client = self.asked(begin=begin, first=("SET net_read_timeout = 1",))
            client.say(b"1,x\n")
            xatest.until(lambda: losses() > before, 10, "it is not noticed")
            client.say(b"2,x\n" * 1000)
            client.say(b"")
            self.assertEqual(error_code(client.packet()), 1402 if begin else 2013)
            client.query("ROLLBACK")
            self.assertEqual(client.packet()[:1], b"\x00")
            self.assertTrue(client.in_step())
        self.assertEqual(self.count(), 0)

    def test_server_dies_in_the_middle(self):
        def losses():
            return self.world.proxy.log_of_this_life().count("backend_lost")

        client = self.asked(begin=True)
        client.say(b"1,x\n")
        before = losses()
        self.world.server["s1"].crash()
        try:
            xatest.until(lambda: losses() > before, 10, "it is not noticed")
            client.say(b"2,x\n" * 100000)
            client.say(b"")
            self.assertEqual(error_code(client.packet()), 1402)
            client.query("ROLLBACK")
            self.assertEqual(client.packet()[:1], b"\x00")
        finally:
            self.world.start_all()
            self.world.direct("s1", "SET GLOBAL local_infile = ON")
        client.query("SELECT 1")
        client.until(b"\x011")


class Big(Wire):
    """Packets at the boundaries of frames, 0xFFFFFF bytes, one less, one more, two frames; both ways, in every form."""

    FRAME = 0xFFFFFF
    SIZES = (FRAME - 1, FRAME, FRAME + 1, 2 * FRAME)

    def logged_in(self):
        client = self.raw(limit_s=60)
        self.assertEqual(client.login()[:1], b"\x00")
        return client

    def whole(self, client):
        """One packet of any number of frames, and how many they were."""
        got, n = b"", 0
        while True:
            part = client.packet()
            got, n = got + part, n + 1
            if len(part) < self.FRAME:
                return got, n

    def test_statements_and_rows_as_text(self):
        for size in self.SIZES:
            with self.subTest(size):
                client = self.logged_in()
                frame_of_text = b"\x03SELECT LENGTH('%s')"
                text = frame_of_text % (b"x" * (size - len(frame_of_text) + 2))
                self.assertEqual(len(text), size)
                client.command(text)
                client.seq = 0
                for _ in range(2):
                    client.packet()
                self.assertEqual(client.packet()[1:], str(size - len(frame_of_text) + 2).encode())
                client.packet()
                head = 9 if size - 4 >= 1 << 24 else 4  # of a row with one value
                client.query(f"SELECT REPEAT('y', {size - head})")
                for _ in range(2):
                    client.packet()
                row, n = self.whole(client)
                self.assertEqual((len(row), n), (size, size // self.FRAME + 1))
                self.assertEqual(client.packet()[:1], b"\xfe")
                self.assertTrue(client.in_step())

    def prepare(self, client, text):
        client.command(b"\x16" + text)
        number = struct.unpack_from("<I", client.packet(), 1)[0]
        for _ in range(2):
            client.packet()
        return number

    def check_length(self, client, expected):
        for _ in range(2):
            client.packet()
        row = client.packet()
        self.assertEqual(int.from_bytes(row[2:], "little"), expected)
        client.packet()

    def test_executes_and_long_data(self):
        client = self.logged_in()
        number = self.prepare(client, b"SELECT LENGTH(?)")
        head = b"\x17" + struct.pack("<IBI", number, 0, 1) + b"\0\x01" + b"\xfb\0"
        for size in self.SIZES:
            with self.subTest(size):
                room = size - len(head)
                value = (b"\xfd" + struct.pack("<I", room - 4)[:3] + b"z" * (room - 4) if room - 4 < 1 << 24
                         else b"\xfe" + struct.pack("<Q", room - 9) + b"z" * (room - 9))
                self.assertEqual(len(head + value), size)
                client.command(head + value)
                self.check_length(client, room - (4 if room - 4 < 1 << 24 else 9))
                client.command(b"\x18" + struct.pack("<IH", number, 0) + b"z" * (size - 7))
                client.command(head)
                self.check_length(client, size - 7)

    def test_the_sum_is_limited_before_it_is_stored(self):
        client = self.logged_in()
        before = self.memory_kib()
        client.send(frame(0, b"\x03" + b" " * (self.FRAME - 1)))
        client.send(frame(1, b" " * self.FRAME))
        client.send(frame(2, b"", 41 * MIB - 2 * self.FRAME))
        answer = client.packet()
        self.assertEqual(error_code(answer), 1153)
        self.assertIn(b"max_packet", answer)
        with self.assertRaises(Gone):
            client.packet()
        self.assertLess(self.memory_kib() - before, 80 * 1024)

    def test_a_server_that_takes_less_says_so_itself(self):
        self.world.direct("s2", f"SET GLOBAL max_allowed_packet = {4 * MIB}")
        try:
            db = self.connect()
            with self.assertRaises(pymysql.err.MySQLError) as caught:
                self.rows(db, "/* xaproxy:backend=s2 */ SELECT LENGTH('" + "x" * (8 * MIB) + "')")
            self.assertIn(caught.exception.args[0], (1153, 2013))
            self.assertEqual(self.rows(db, "/* xaproxy:backend=s2 */ SELECT 1"), ((1,),))
        finally:
            self.world.direct("s2", f"SET GLOBAL max_allowed_packet = {64 * MIB}")

    def test_a_statement_is_not_held_again_and_again(self):
        client = self.logged_in()
        self.assertTrue(client.in_step())
        before, top, over = self.memory_kib(), [0], threading.Event()

        def watch():
            while not over.wait(0.005):
                top[0] = max(top[0], self.memory_kib() - before)
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            client.query(b"DO LENGTH('" + b"x" * (38 * MIB) + b"')")
            self.assertEqual(client.packet()[:1], b"\x00")
        finally:
            over.set()
            watcher.join()
        self.assertLess(top[0], 4 * 38 * 1024)


class Pipelined(Wire):
    """Commands sent before the answers to those before them."""

    def test_answers_come_in_order(self):
        client = self.raw()
        self.assertEqual(client.login()[:1], b"\x00")
        texts = [f"SELECT {n}" if n % 3 else f"SELECT {n} FROM nowhere.at_all" if n % 2 else "BEGIN" for n in range(300)]
        client.send(b"".join(frame(0, b"\x03" + text.encode()) for text in texts))
        for n, text in enumerate(texts):
            first = client.packet()
            self.assertEqual(client.seq, 2, "each answer is numbered anew")
            if text == "BEGIN":
                self.assertEqual(first[:1], b"\x00")
            elif "FROM" in text:
                self.assertEqual(error_code(first), 1049)
            else:
                client.packet()
                self.assertEqual(client.packet()[1:], str(n).encode())
                client.packet()
        client.send(b"".join(frame(0, command) for command in (b"\x03ROLLBACK", b"\x0e", b"\x1f", b"\x03SELECT 1", b"\x01")))
        for _ in range(3):
            self.assertEqual(client.packet()[:1], b"\x00")
        self.assertEqual([client.packet() for _ in range(4)][2], b"\x011")
        with self.assertRaises(Gone):
            client.packet()


class Capabilities(Wire):
    """What a client asks for counts for its servers, too; what nobody here speaks is not offered."""

    def greeting(self):
        client = self.raw()
        greeting = client.packet()
        end = greeting.index(b"\0")
        low, high = struct.unpack_from("<H", greeting, end + 14)[0], struct.unpack_from("<H", greeting, end + 19)[0]
        return greeting[1:end].decode(), low | high << 16, greeting[end + 22:end + 32]

    def test_the_greeting_is_of_the_servers_family(self):
        version, caps, filler = self.greeting()
        direct = self.world.direct("s1", "SELECT VERSION()")[0][0]
        self.assertEqual(version.removeprefix("5.5.5-"), direct)
        self.assertEqual(bool(caps & 1), self.world.family == "mysql", "MariaDB's servers leave LONG_PASSWORD out")
        self.assertEqual(filler[:6], bytes(6))
        extended = struct.unpack_from("<I", filler, 6)[0] << 32
        self.assertEqual(extended, rawclient.EXTENDED if self.world.family == "mariadb" else 0)
        self.assertEqual(caps & (1 << 25 | 1 << 27 | 1 << 28 | 1 << 29 | LOCAL_FILES), 0)
        ours = SESSION_TRACK | DEPRECATE_EOF | COMPRESS | ZSTD | 1 << 22
        self.assertEqual(caps & ours, ours)

    def test_who_takes_no_further_results_gets_none(self):
        self.world.direct("s1", "CREATE PROCEDURE t1.two_rows() BEGIN SELECT 1; SELECT 2; END")
        for caps, fine in ((USUAL | SSL, True), (USUAL & ~(1 << 16 | 1 << 17) | SSL, False)):
            for more in (0, DEPRECATE_EOF):
                client = self.raw()
                self.assertEqual(client.login(caps=caps ^ more)[:1], b"\x00")
                client.query("CALL t1.two_rows()")
                self.assertEqual(error_code(client.packet()), 0 if fine else 1312)
                if not fine:
                    client.query("SELECT 3")
                    self.assertEqual(client.packet(), b"\x01")


def lenenc(data, at):
    """A length-encoded string and where it ends."""
    length, at = data[at], at + 1
    if length >= 0xFC:
        size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[length]
        length, at = int.from_bytes(data[at:at + size], "little"), at + size
    return data[at:at + length], at + length


def told(ok):
    """What an OK packet says of the session: {kind: value}, variables as {"name": "value"}."""
    at, out = 1, {}
    for _ in range(2):  # rows, insert id: small here
        at += 1
    status = int.from_bytes(ok[at:at + 2], "little")
    at += 4
    if not status & 0x4000:
        return out
    _, at = lenenc(ok, at)
    block, _ = lenenc(ok, at)
    at = 0
    while at < len(block):
        kind = block[at]
        data, at = lenenc(block, at + 1)
        if kind == 0:
            name, end = lenenc(data, 0)
            out[name.decode().lower()] = lenenc(data, end)[0].decode()
        elif kind in (2, 3):
            out[{2: "change", 3: "gtids"}[kind]] = data.decode()
        else:
            out[{1: "schema", 4: "characteristics", 5: "state"}[kind]] = lenenc(data, 0)[0].decode()
    return out


class Tracking(Wire):
    """What OK packets say of the session is what one server would say to this client."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            cls.world.direct(name, f"CREATE TABLE {schema}.tracked (id INT PRIMARY KEY) ENGINE=InnoDB")
        cls.family = cls.world.family

    def tracking(self, caps=USUAL | SSL | SESSION_TRACK):
        client = self.raw()
        self.assertEqual(client.login(caps=caps)[:1], b"\x00")
        return client

    def say(self, client, text):
        """What the last packet of its answer tells."""
        client.query(text)
        packet = client.packet()
        if packet[:1] == b"\x00":
            return told(packet)
        self.assertNotEqual(packet[:1], b"\xff", packet)
        while client.packet()[:1] != b"\xfe":
            pass
        return {}

    def test_by_default_the_schema_and_five_variables(self):
        client = self.tracking()
        self.assertEqual(self.say(client, "USE t1"), {"schema": "t1"})
        self.assertEqual(self.say(client, "SET time_zone = '+03:00'"), {"time_zone": "+03:00"})
        said = self.say(client, "SET NAMES latin1")
        self.assertEqual({k: said[k] for k in said if k.startswith("character_set")},
                         dict.fromkeys(("character_set_client", "character_set_connection", "character_set_results"), "latin1"))
        self.assertEqual(self.say(client, "SET sql_mode = ''"), {})
        self.assertEqual(self.say(client, "SET autocommit = 0"), {"autocommit": "OFF"})
        self.assertEqual(self.say(client, "SET autocommit = 1, time_zone = 'SYSTEM'"),
                         {"autocommit": "ON", "time_zone": "SYSTEM"})
        self.assertEqual(self.say(client, "SET @x = 1"), {})

    def test_nothing_of_what_the_proxy_does_for_itself(self):
        client = self.tracking()
        for text in ("BEGIN", "INSERT INTO t1.tracked VALUES (1)", "INSERT INTO t2.tracked VALUES (1)", "SAVEPOINT a",
                     "ROLLBACK TO a", "ROLLBACK", "DO 1"):
            self.assertEqual(self.say(client, text), {}, text)

    def test_as_the_client_sets_it(self):
        client = self.tracking()
        self.say(client, "SET session_track_schema = OFF, session_track_system_variables = 'sql_mode, max_sort_length'")
        self.assertEqual(self.say(client, "USE t1"), {})
        self.assertEqual(self.say(client, "SET sql_mode = 'ANSI', time_zone = '+01:00'")["sql_mode"][:4], "REAL")
        self.assertEqual(self.say(client, "SET max_sort_length = 999"), {"max_sort_length": "999"})
        self.assertEqual(self.say(client, "/* xaproxy:backend=s2 */ SET max_sort_length = 998"), {"max_sort_length": "998"})
        self.say(client, "SET SESSION session_track_state_change = 1, session_track_system_variables = ''")
        self.assertEqual(self.say(client, "SET @x = 1"), {"change": "1"})
        self.assertEqual(self.say(client, "SET autocommit = 0"), {"change": "1"})
        self.say(client, "SET @@session_track_system_variables = '*', session_track_state_change = DEFAULT, autocommit = 1")
        self.assertEqual(self.say(client, "SET max_sort_length = 997")["max_sort_length"], "997")
        self.assertEqual(self.say(client, "SET autocommit = 1")["autocommit"], "ON")
        self.say(client, "SET session_track_schema = DEFAULT, session_track_system_variables = DEFAULT")
        self.assertEqual(self.say(client, "USE t2"), {"schema": "t2"})
        self.assertEqual(self.say(client, "SET max_sort_length = 996"), {})
        self.say(client, "SET autocommit = 1, session_track_system_variables = CONCAT(@@global.session_track_system_variables, "
                         "',max_sort_length'), sql_mode = concat(@@sql_mode, ',STRICT_TRANS_TABLES')")  # MariaDB's JDBC driver
        self.assertEqual(self.say(client, "SET max_sort_length = 995"), {"max_sort_length": "995"})
        self.say(client, "SET @@session_track_system_variables = CONCAT(@@session.session_track_system_variables, ',lock_wait_timeout')")
        self.assertEqual(self.say(client, "SET max_sort_length = 994, lock_wait_timeout = 7, time_zone = '+06:00'"),
                         {"max_sort_length": "994", "lock_wait_timeout": "7", "time_zone": "+06:00"})
        name = "tx_" if xatest.FAMILY == "mariadb" else "transaction_"
        for names in (f"{name}isolation, {name}read_only", "*"):
            self.say(client, f"SET session_track_system_variables = '{names}'")
            self.assertEqual(self.say(client, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY"),
                             {f"{name}isolation": "READ-COMMITTED", f"{name}read_only": "ON"})
            self.assertEqual(self.say(client, "SET SESSION TRANSACTION READ WRITE"), {f"{name}read_only": "OFF"})
            self.assertEqual(self.say(client, "SET TRANSACTION READ WRITE"), {})
        client.query("SET session_track_system_variables = 'it\\'s, \"none\"'")  # MySQL takes any name
        self.assertEqual(error_code(client.packet()), 1193 if xatest.FAMILY == "mariadb" else 0)
        self.say(client, "SET session_track_system_variables = DEFAULT")
        for wrong in ("session_track_schema = 7", "session_track_transaction_info = 'MAYBE'",
                      "session_track_system_variables = CONCAT('a', 'b', UUID())",
                      "session_track_schema = @@session_track_system_variables"):
            client.query(f"SET {wrong}")
            self.assertEqual(error_code(client.packet()), 1231, wrong)
        client.command(b"\x1f")
        self.assertEqual(client.packet()[:1], b"\x00")
        self.assertEqual(self.say(client, "SET time_zone = '+04:00'"), {"time_zone": "+04:00"})

    def test_the_transaction_over_two_servers_as_one(self):
        client = self.tracking()
        self.assertEqual(self.say(client, "SET session_track_transaction_info = 'STATE'"), {"state": "________"})
        self.assertEqual(self.say(client, "BEGIN"), {"state": "T_______"})
        self.assertEqual(self.say(client, "DO 1"), {})
        said = self.say(client, "INSERT INTO t1.tracked VALUES (2)")["state"]
        self.assertEqual((said[0], said[4]), ("T", "W"))
        self.say(client, "SELECT * FROM t2.tracked")
        self.assertEqual(self.say(client, "COMMIT"), {"state": "________"})
        self.assertEqual(self.say(client, "SET autocommit = 0"), {"autocommit": "OFF"})
        self.assertEqual(self.say(client, "INSERT INTO t1.tracked VALUES (3)")["state"][0], "I")
        self.assertEqual(self.say(client, "ROLLBACK AND CHAIN").get("state", "T_______"), "T_______")
        self.assertEqual(self.say(client, "ROLLBACK")["state"], "________")
        self.assertEqual(self.world.direct("s1", "SELECT GROUP_CONCAT(id) FROM t1.tracked")[0][0], "2")

    def test_characteristics(self):
        client = self.tracking()
        self.say(client, "SET session_track_transaction_info = 'CHARACTERISTICS'")
        self.assertEqual(self.say(client, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")["characteristics"],
                         "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;")
        said = self.say(client, "START TRANSACTION READ ONLY")
        self.assertEqual(said["characteristics"], "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION READ ONLY;")
        self.assertEqual(self.say(client, "COMMIT"), {"characteristics": "", "state": "________"})

    def test_gtids_of_mysql(self):
        client = self.tracking()
        client.query("SET session_track_gtids = 'OWN_GTID'")
        if self.family == "mariadb":
            self.assertEqual(error_code(client.packet()), 1193)
        else:
            self.assertEqual(client.packet()[:1], b"\x00")

    @xatest.only("mysql")  # MariaDB's performance schema is off
    def test_attributes_of_the_client_and_ours(self):
        # the first of this user: its connection is opened for it
        db = self.connect("native", program_name="a program with a name")
        self.rows(db, "SELECT COUNT(*) FROM t1.tracked")
        found = {}
        for number, name, value in self.world.direct("s1", "SELECT processlist_id, attr_name, attr_value FROM"
                                                     " performance_schema.session_connect_attrs"):
            found.setdefault(number, {})[name] = value
        ours = [said for said in found.values() if said.get("program_name") == "a program with a name"]
        self.assertEqual(len(ours), 1, found)
        self.assertEqual((ours[0]["proxy_name"], ours[0]["proxy_user"], ours[0]["_client_name"], ours[0]["proxy_pid"]),
                         ("xaproxy", "native", "pymysql", str(self.world.proxy.pid)))

    def test_who_cannot_be_told_is_not(self):
        for caps in (USUAL | SSL, USUAL & ~DEPRECATE_EOF | SSL):
            client = self.tracking(caps)
            client.query("USE t1")
            packet = client.packet()
            self.assertEqual((packet[:3], int.from_bytes(packet[3:5], "little") & 0x4000), (b"\x00\x00\x00", 0))
        client = self.tracking(USUAL & ~DEPRECATE_EOF | SSL | SESSION_TRACK)
        self.assertEqual(self.say(client, "USE t1"), {"schema": "t1"})
        self.assertEqual(self.say(client, "SELECT 1"), {})


class Clients(Wire):
    """What people have installed."""

    BIG = "SELECT REPEAT('abcdefgh', 500000) AS x, @@version_comment"

    def client(self, argv, *more, script=None):
        done = subprocess.run([*argv, "--host=127.0.0.1", f"--port={self.world.proxy.port}", "--user=app",
                               f"--password={xatest.PASSWORDS['app']}", "--batch", "--skip-column-names", *more],
                              input=script, capture_output=True, text=True, check=False, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def check(self, argv, *more):
        out = self.client(argv, *more, "-e", f"{self.BIG}; SHOW STATUS LIKE 'Compression'; SELECT 'over'")
        self.assertEqual(out.splitlines()[0].split("\t")[0], "abcdefgh" * 500000)
        self.assertEqual(out.splitlines()[-1], "over")
        script = "\n".join(f"SELECT {n}, REPEAT('x', {n} * 37);" for n in range(500))
        self.assertEqual(self.client(argv, *more, script=script), "".join(f"{n}\t{'x' * (37 * n)}\n" for n in range(500)))

    def test_mariadb_client(self):
        self.check(["mariadb", "--no-defaults"], f"--ssl-ca={self.world.certs}/ca.crt", "--compress")

    @xatest.only("mysql")  # whose rootfs has it
    def test_mysql_client(self):
        argv = [*servers.MySQL(self.world.directory + "/none", self.world.certs).rootfs_argv("/usr/bin/mysql"), "--no-defaults",
                f"--character-sets-dir={servers.ROOTFS}/usr/share/mysql/charsets", f"--ssl-ca={self.world.certs}/ca.crt",
                "--ssl-mode=VERIFY_CA"]
        for more in (["--compression-algorithms=zlib"], ["--compression-algorithms=zstd"],
                     ["--compression-algorithms=zstd", "--zstd-compression-level=22"], ["--compression-algorithms=uncompressed"]):
            with self.subTest(more):
                self.check(argv, *more)

    def test_php(self):
        if not shutil.which("php"):
            raise xatest.unittest.SkipTest("no PHP")
        script = """
            mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
            $db = mysqli_init();
            $db->ssl_set(null, null, $argv[2], null, null);
            $flags = MYSQLI_CLIENT_COMPRESS | MYSQLI_CLIENT_SSL;
            $db->real_connect('127.0.0.1', 'app', $argv[3], 't1', (int)$argv[1], null, $flags);
            for ($i = 0; $i < 200; $i++) {
                $row = $db->query("SELECT $i, REPEAT('x', $i * 1000)")->fetch_row();
                if ($row[0] != $i || strlen($row[1]) != $i * 1000) die("wrong at $i");
            }
            $stmt = $db->prepare('SELECT ?');
            $big = str_repeat('abc', 1000000);
            $stmt->bind_param('s', $big);
            $stmt->execute();
            $stmt->bind_result($got);
            $stmt->fetch();
            echo $got === $big ? 'fine' : 'wrong';"""
        done = subprocess.run(["php", "-r", script, "--", str(self.world.proxy.port), f"{self.world.certs}/ca.crt",
                               xatest.PASSWORDS["app"]], capture_output=True, text=True, check=False, timeout=300)
        self.assertEqual(done.stdout, "fine", done.stderr)
