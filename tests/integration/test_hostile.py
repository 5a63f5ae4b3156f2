"""Clients that mean harm: nothing they say crashes or hangs the proxy, makes it grow, or keeps others out."""
import contextlib
import itertools
import os
import random
import shutil
import ssl
import statistics
import struct
import subprocess
import threading
import time

import pymysql
import xatest
from rawclient import (ATTRIBUTES, LENENC, LOCAL_FILES, PLUGIN_AUTH, SSL, USUAL, WITH_DB, Gone, Raw, error_code, frame,
                       login_head, login_packet)

SEED = 20260101
os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=1:" + os.environ.get("ASAN_OPTIONS", "")  # freed memory is free: we measure it


class Hostile(xatest.Case):
    """Raw connections, and a good client that watches what the attack does to it."""

    def raw(self, **more):
        client = Raw(self.world.proxy.port, self.world.certs, **more)
        self.addCleanup(client.close)
        return client

    def logged_in(self, **more):
        client = self.raw(**more)
        self.assertEqual(client.login()[:1], b"\x00")
        return client

    def memory_kib(self):
        with open(f"/proc/{self.world.proxy.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    def log(self):
        return self.world.proxy.log_of_this_life()

    @contextlib.contextmanager
    def good_client(self, worst_s, **more):
        """On each worker one that goes on asking while the attack runs, and never waits longer than this for its answer, but for
        what this process itself stood still meanwhile."""
        spent, late, over = [], [], threading.Event()

        def ask(db):
            while not over.is_set():
                begun = time.monotonic()
                self.rows(db, "SELECT 1")
                answered = time.monotonic()
                spent.append(answered - begun)
                time.sleep(0.002)
                late.append(time.monotonic() - answered)
        asking = [threading.Thread(target=ask, args=(self.connect(**more),)) for _ in range(2)]
        for thread in asking:
            thread.start()
        try:
            yield spent
        finally:
            over.set()
            for thread in asking:
                thread.join(30)
        self.assertGreater(len(spent), 5)
        self.assertLess(max(spent), worst_s + max(late), f"median {statistics.median(spent):.4f} s")

    def ends(self, client):
        """The proxy says what it has to say and closes; its error code, 0 without one."""
        code = 0
        with contextlib.suppress(Gone):
            while True:
                code = error_code(client.packet()) or code
        return code


class BeforeLogIn(Hostile):
    world_options = {"proxy_options": "login_timeout = 10s\nmax_unauthenticated = 40\nfailed_login_delay = 400ms"}

    def test_whoever_drips_meets_one_deadline_for_all(self):
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500
        begun = time.monotonic()  # before the first of their deadlines
        plain, handshake, inside = self.raw(), self.raw(), self.raw()
        plain.packet()
        handshake.packet()
        handshake.send(frame(1, login_head(USUAL | SSL)))
        inside.tls()
        drops = {plain: frame(1, login_packet(b"a" * 500)), handshake: hello, inside: frame(2, login_packet(b"a" * 500))}
        lasted = {}
        for i in range(480):
            for client in drops.keys() - lasted.keys():
                try:
                    client.send(drops[client][i:i + 1])
                except Gone:
                    lasted[client] = time.monotonic() - begun
            time.sleep(0.03)
            if len(lasted) == len(drops):
                break
        self.assertEqual(len(lasted), len(drops), "somebody drips for ever")
        self.assertGreater(min(lasted.values()), 9.9)

    def test_garbage_is_told_so_or_dropped(self):
        chance = random.Random(SEED)
        for _ in range(150):
            with self.raw() as client:
                client.packet()
                noise = chance.randbytes(chance.choice([1, 4, 32, 36, 200, 3000]))
                with contextlib.suppress(Gone):
                    client.send(chance.choice([noise, frame(1, noise), frame(1, login_head(chance.getrandbits(32)) + noise)]))
                    client.s.shutdown(1)
                self.assertIn(self.ends(client), (0, 1043, 1045, 3159))
        self.assertEqual(self.rows(self.connect(), "SELECT 1"), ((1,),))

    def test_broken_log_in_packets(self):
        lenenc = USUAL | SSL | LENENC
        cases = {
            "empty": b"", "capabilities only": login_head(USUAL | SSL), "name without end": login_head(USUAL | SSL) + b"app",
            "proof longer than the packet": login_head(USUAL | SSL) + b"app\0\xff" + b"x" * 20,
            "length NULL": login_head(lenenc) + b"app\0\xfb", "length of an error": login_head(lenenc) + b"app\0\xff",
            "length beyond all": login_head(lenenc) + b"app\0\xfe" + b"\xff" * 8,
            "schema without end": login_packet(b"app", b"x" * 32, USUAL | SSL | WITH_DB, plugin=b"t1"),
            "plugin without end": login_packet(b"app", b"x" * 32, USUAL | SSL)[:-1],
            "attributes longer than the packet": login_packet(b"app", b"x" * 32, USUAL | SSL | ATTRIBUTES,
                                                              more=b"\xfc\xff\xff\x01a"),
            "before 4.1": login_packet(b"app", b"x" * 32, (USUAL | SSL) & ~0x200),
            "a name of 1000 bytes": login_packet(b"a" * 1000, b"x" * 32, USUAL | SSL),
            "20000 bytes": login_packet(b"a" * 20000, b"x" * 32, USUAL | SSL),
        }
        for what, payload in cases.items():
            with self.subTest(what), self.raw().tls() as client:
                client.say(payload)
                self.assertEqual(self.ends(client), 1043)
        with self.raw().tls() as client:
            client.send(frame(2, b"", 0xFFFFFF))
            self.assertEqual(self.ends(client), 1043, "16 MiB were announced")

    def test_empty_everything_and_unknown_plugin(self):
        for user, plugin, caps in itertools.product((b"", b"app"), (b"", b"no_such_plugin"),
                                                    (USUAL | SSL, (USUAL | SSL) & ~PLUGIN_AUTH)):
            with self.subTest(user=user, plugin=plugin, caps=caps), self.raw().tls() as client:
                client.say(login_packet(user, b"", caps, plugin=plugin))
                self.assertEqual(client.packet()[:1], b"\xfe", "nobody is let in for nothing: the right plugin is asked for")
                client.say(b"")
                self.assertEqual(self.ends(client), 1045)

    def test_names_write_no_lines_into_the_log(self):
        with self.raw() as client:
            self.assertEqual(error_code(client.login("evil\n2026-01-01T00:00:00.000Z error forged\x1b[2J\r")), 1045)
        self.assertIn("evil\\x0a", self.log())
        self.assertFalse([line for line in self.log().splitlines() if "forged" in line and "login_denied" not in line])

    def test_passwords_are_not_in_the_log(self):
        self.connect()
        for secret in ("app-secret", "dba-secret", "app-s1-secret", xatest.servers.RESOLVER[1], "$5$"):
            self.assertNotIn(secret, self.log())

    def test_old_tls_and_renegotiation(self):
        for version in (ssl.TLSVersion.SSLv3, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version, context.maximum_version = version, version
            with self.assertRaises((Gone, ssl.SSLError, ValueError)):
                self.raw().tls(context)
        self.assertTrue(shutil.which("openssl"), "apt-get install openssl")
        done = subprocess.run(["openssl", "s_client", "-starttls", "mysql", "-tls1_2", "-connect",
                               f"127.0.0.1:{self.world.proxy.port}"],
                              input="R\n", capture_output=True, text=True, timeout=60, check=False)
        self.assertIn("RENEGOTIATING", done.stdout + done.stderr)
        self.assertIn("no renegotiation", done.stderr)

    def test_one_address_cannot_take_all_places(self):
        xatest.until(lambda: self.places_taken() == 0, 5, lambda: f"{self.places_taken()} places are taken")
        crowd = []
        for _ in range(45):
            crowd.append(self.raw())
        codes = [error_code(client.packet()) for client in crowd]
        self.assertEqual((codes.count(0), codes.count(1040)), (30, 15))
        self.assertEqual(self.rows(self.connect(bind_address="127.0.0.2"), "SELECT 1"), ((1,),))
        for client in crowd:
            client.close()
        xatest.until(lambda: self.places_taken() == 0, 3, "the places are not given back")
        self.assertEqual(self.still_refused(), 0)
        self.assertEqual(self.rows(self.connect(), "SELECT 1"), ((1,),))
        self.assertLess(self.log().count("client_refused"), 10, "a flood of clients became one of lines")

    def places_taken(self):
        try:
            with self.world.admin() as dba:
                return int(dict(self.rows(dba, "SHOW STATUS"))["clients_unauthenticated"])
        except pymysql.err.OperationalError as error:
            self.assertEqual(error.args[0], 1040)  # of this address, too
            return 30

    def still_refused(self):
        with self.raw() as client:
            return error_code(client.packet())

    def test_handshake_flood_delays_nobody_much(self):
        over = threading.Event()

        def knock():
            while not over.is_set():
                with contextlib.suppress(Gone, OSError), Raw(self.world.proxy.port, self.world.certs) as client:
                    client.login("nobody", "guess")
        attackers = [threading.Thread(target=knock) for _ in range(8)]
        with self.good_client(5.0, bind_address="127.0.0.2") as spent:
            for thread in attackers:
                thread.start()
            time.sleep(2)
            self.assertEqual(self.rows(self.connect(bind_address="127.0.0.2"), "SELECT 1"), ((1,),))
            over.set()
            for thread in attackers:
                thread.join(60)
        tail = sorted(spent)[int(len(spent) * 0.99)]
        print(f"# a good client during a handshake flood: median {statistics.median(spent) * 1e3:.1f} ms, "
              f"p99 {tail * 1e3:.1f} ms")

    def test_who_fails_again_and_again_waits(self):
        def failure(source):
            begun = time.monotonic()
            with self.raw(source=source) as client:
                self.assertEqual(error_code(client.login("nobody", "guess")), 1045)
            return time.monotonic() - begun
        spent = [failure("127.0.0.3") for _ in range(12)]
        for i, least in ((5, 0.1), (6, 0.2), (7, 0.4), (8, 0.4)):
            self.assertGreater(spent[i], 0.98 * least, spent)
        self.assertLess(spent[11], 5, "not 6.4: there is a most")
        waits = min(spent[7:])
        self.assertLess(min(failure(f"127.0.0.{n}") for n in range(4, 9)), waits, "another one waits")

        def success():
            begun = time.monotonic()
            self.connect(bind_address="127.0.0.3").close()
            return time.monotonic() - begun
        self.assertLess(min(success() for _ in range(5)), waits, "a right password waits")


class AfterLogIn(Hostile):
    world_options = {"proxy_options": "write_timeout = 6s\nmax_packet = 17M\nfailed_login_delay = 0"}

    def test_every_command_with_any_payload(self):
        chance = random.Random(SEED)
        commands = [command for command in range(256) if command not in (1, 0x11)]  # QUIT, CHANGE_USER
        client = self.logged_in()
        for command in chance.sample(commands, len(commands)):
            payload = chance.randbytes(chance.choice([0, 1, 3, 4, 5, 9, 10, 60]))
            client.command(bytes([command]) + payload)
            self.assertTrue(client.in_step(), f"command {command} with {payload.hex()}")
        client.command(b"")
        self.assertTrue(client.in_step(), "an empty packet")
        client.command(b"\x01")
        self.assertFalse(client.in_step(), "COM_QUIT")

    def refused_for_good(self, client):
        """A change of user that fails ends the connection, as on a server, whatever is said when it asks for more."""
        with self.assertRaises(Gone):
            for _ in range(5):
                self.assertNotEqual(client.packet()[:1], b"\x00")
                client.say(b"x" * 20)

    def test_change_user_in_every_state(self):
        change = b"\x11" + b"native\0\0t1\0" + struct.pack("<H", 45) + b"mysql_native_password\0"
        for state in ("SELECT 1", "BEGIN", "INSERT INTO orders.orders VALUES (-7, 'u', 's', 1)", "CALL cache.SET('cu', '1')",
                      "SELECT nonsense FROM nowhere", "XA START 'x'", "SELECT 1; SELECT 2"):
            with self.subTest(state):
                for cut in (len(change), 1, 3, 12):
                    client = self.logged_in()
                    client.query("BEGIN")
                    client.packet()
                    client.query(state)
                    self.assertTrue(client.in_step(b"before"))
                    client.command(change[:cut])
                    self.refused_for_good(client)
        self.world.settle()
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = -7")[0][0], 0)

    def prepare(self, client, text):
        client.command(b"\x16" + text)
        ok = client.packet()
        self.assertEqual(ok[:1], b"\x00", ok)
        self.assertTrue(client.in_step())
        return struct.unpack_from("<I", ok, 1)[0]

    def test_statements_of_others(self):
        owner, thief = self.logged_in(), self.logged_in()
        of_owner = self.prepare(owner, b"SELECT ?")
        for number in (0, of_owner, 77, 0xFFFFFFFF):
            for command, more in ((0x17, b"\0" + struct.pack("<I", 1) + b"\0" * 12), (0x1A, b""), (0x1C, struct.pack("<I", 1))):
                thief.command(bytes([command]) + struct.pack("<I", number) + more)
                self.assertEqual(error_code(thief.packet()), 1243, (command, number))
            for command in (0x18, 0x19):  # SEND_LONG_DATA and CLOSE are not answered
                thief.command(bytes([command]) + struct.pack("<I", number) + b"\0\0stolen")
            self.assertTrue(thief.in_step())

    def test_executes_cut_at_every_byte_and_of_wrong_types(self):
        chance = random.Random(SEED)
        client = self.logged_in()
        for text in (b"SELECT CONCAT(?, ?) AS c", b"CALL cache.SET(?, ?)"):
            number = self.prepare(client, text)
            whole = (b"\x17" + struct.pack("<IBI", number, 0, 1) + b"\0\x01" + b"\xfd\0\xfd\0" + b"\x03key" + b"\x05value")
            for length in range(1, len(whole) + 1):
                client.command(whole[:length])
                self.assertTrue(client.in_step(), f"{text}: {length} bytes")
            for _ in range(150):
                head = b"\x17" + struct.pack("<IBI", number, chance.choice([0, 0, 0, 1, 8, 255]), 1)
                client.command(head + bytes([chance.getrandbits(8), 1]) + bytes([chance.getrandbits(8), 0] * 2)
                               + chance.randbytes(chance.choice([0, 1, 8, 30])))
                self.assertTrue(client.in_step(), text)

    def test_texts_that_have_other_parameters_when_they_are_executed(self):
        """By another sql_mode, or to a server that skips a versioned comment: as many values as there were, and no more."""
        many = b", ".join([b"?"] * 3000)
        for text in (b"SET @a = ?, @b = CONCAT('a\\', " + many + b", ')", b"KILL ? + LENGTH('a\\', " + many + b", ')",
                     b"SET @a = ? /*!99999 , @b = CONCAT(" + many + b") */"):
            client = self.logged_in()
            number = self.prepare(client, text)
            client.query("SET sql_mode = 'NO_BACKSLASH_ESCAPES'")
            self.assertEqual(client.packet()[:1], b"\x00")
            client.command(b"\x17" + struct.pack("<IBI", number, 0, 1) + b"\0\x01" + b"\xfd\0" + b"\x011")
            self.assertEqual(error_code(client.packet()), 1615)
            self.assertTrue(client.in_step())
        db = self.connect()
        self.run_sql(db, r"""PREPARE p FROM "SET @a = ?, @b = CONCAT('a\\\\', ?, ?, ')" """,
                     "SET @a = 5, sql_mode = 'NO_BACKSLASH_ESCAPES'")
        self.refused(1210, db, "EXECUTE p USING @a")
        self.assertEqual(self.rows(db, "SELECT @a"), ((5,),))

    def test_long_data_has_the_limit_of_a_packet(self):
        client = self.logged_in()
        number = self.prepare(client, b"CALL cache.RPUSH('long', " + b",".join([b"?"] * 20) + b")")
        before = self.memory_kib()
        for param in range(20):
            client.command(b"\x18" + struct.pack("<IH", number, param) + b"x" * (8 << 20))
        self.assertTrue(client.in_step())
        self.assertLess(self.memory_kib() - before, 130 * 1024, "160 MiB were sent")
        client.command(b"\x17" + struct.pack("<IBI", number, 0, 1) + b"\0\0\0\x01" + b"\xfc\0" * 20)
        self.assertEqual(error_code(client.packet()), 1105)  # what servers say
        client.command(b"\x16" + b"CALL cache.SADD('k', " + b"?," * 70000 + b"?)")
        self.assertEqual(error_code(client.packet()), 1390)
        self.assertTrue(client.in_step())

    def test_what_a_server_says_of_our_account_is_not_for_clients(self):
        account, password = self.world.account("native", "s1")
        self.world.direct("s1", f"ALTER USER '{account}'@'%' IDENTIFIED BY 'changed behind our back'")
        try:
            text = self.refused(1105, self.connect("native"), "SELECT COUNT(*) FROM orders.orders")
        finally:
            self.world.direct("s1", f"ALTER USER '{account}'@'%' IDENTIFIED BY '{password}'")
        self.assertIn("1045", text)
        for secret in (account, password, "Access denied", "127.0.0.1", "localhost"):
            self.assertNotIn(secret, text)
        self.assertIn("backend_login_refused", self.log())

    def test_sequence_numbers(self):
        for wrong in (1, 2, 255):
            client = self.logged_in()
            client.send(frame(wrong, b"\x03SELECT 1"))
            self.assertEqual(self.ends(client), 1156)

    def test_too_big_is_refused_before_it_is_stored(self):
        client = self.logged_in()
        client.send(frame(0, b"\x03" + b"-" * 0xFFFFFE))
        client.send(frame(1, b"", 0x200000))
        self.assertEqual(self.ends(client), 1153)
        before = self.memory_kib()
        many = [self.logged_in() for _ in range(20)]
        for client in many:
            client.send(frame(0, b"\x03-", 0xFFFFFF))
        time.sleep(0.2)
        self.assertLess(self.memory_kib() - before, 20 * 1024, "what is announced is not reserved")

    def test_local_files_are_not_for_the_asking(self):
        client = self.raw()
        self.assertEqual(client.login(caps=USUAL | SSL | LOCAL_FILES)[:1], b"\x00")
        self.assertTrue(client.in_step())
        client.query("LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE orders.orders")
        self.assertNotEqual(error_code(client.packet()), 0)
        self.assertTrue(client.in_step())

    def test_who_does_not_read_is_not_waited_for(self):
        lazy = self.logged_in(receive_buffer=8192)
        before = self.memory_kib()
        with self.good_client(3.0):
            lazy.query("SELECT REPEAT('x', 1000000) FROM orders.seq_1_to_100")
            time.sleep(1)
            self.assertLess(self.memory_kib() - before, 16 * 1024, "an answer that nobody reads is stored")
            xatest.until(lambda: "client does not read" in self.log(), 8, "it is waited for")
        whole = self.logged_in(limit_s=30)
        whole.query("SELECT REPEAT('x', 1000000) FROM orders.seq_1_to_100")
        self.assertGreater(whole.until(b"\xfe\0\0", 1 << 27), 100 * 1000000, "who reads slowly gets it all")

    def test_clients_that_vanish_in_the_middle_of_transactions(self):
        numbers = range(1, 21)
        xatest.Order.stock_up(self.world, numbers)

        def come_and_go(seed):
            chance = random.Random(seed)
            for _ in range(25):
                with contextlib.suppress(pymysql.err.MySQLError, OSError):
                    db = self.world.connect()
                    order = xatest.Order(self.world, chance.choice(numbers))
                    with db.cursor() as cursor:
                        cursor.execute("BEGIN")
                        for statement in order.statements()[1:chance.randrange(1, 6)]:
                            cursor.execute(statement)
                    chance.choice([db._force_close, db.close, lambda: db._sock.shutdown(1), lambda: None])()
        threads = [threading.Thread(target=come_and_go, args=(SEED + i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.world.settle(15)
        self.run_sql(self.connect(), "BEGIN", "UPDATE stock.stock SET pieces = pieces + 0",
                     "UPDATE account.account SET balance = 1000",
                     "COMMIT")
        self.assertEqual(self.world.direct("s2", "SELECT SUM(pieces) FROM stock.stock")[0][0], 20 * xatest.Order.PIECES)
        self.assertEqual({self.redis().hget(f"stock:sku{n}", "pieces") for n in numbers}, {str(xatest.Order.PIECES)})

    def test_monstrous_statements(self):
        size = 4 << 20
        monsters = {
            "10000 statements": b"BEGIN;ROLLBACK;" * 5000,
            "nothing but ends": b";" * (16 << 20),
            "a comment without end": b"/*" + b"*" * size,
            "comments in comments": b"/*!" * (size // 3),
            "parentheses": b"SELECT " + b"(" * size,
            "escapes": b"SELECT '" + b"\\" * size,
            "quotes": b"SELECT '" + b"''" * (size // 2),
            "dots": b"SELECT " + b"a." * (size // 2),
            "tables": b"SELECT 1 FROM " + b"orders.orders," * (size // 14) + b"stock.stock",
            "unions": b"SELECT 1 " + b"UNION SELECT 1 " * 500,
            "a list": b"SELECT COUNT(*) FROM orders.orders WHERE id IN (" + b"1," * (size // 2) + b"1)",
            "variables": b"SET " + b",".join(b"@a%d=%d" % (n, n) for n in range(20000)),
        }
        client = self.logged_in(limit_s=30)
        with self.good_client(10.0) as spent:
            for what, text in monsters.items():
                with self.subTest(what):
                    client.command(b"\x03" + text)
                    self.assertTrue(client.in_step(), what)
        print(f"# a good client beside monstrous statements: worst {max(spent) * 1e3:.0f} ms")

    def test_names_and_arguments_at_their_limits(self):
        db = self.connect()
        name = "`" + "``" * 64 + "`"
        self.run_sql(db, "BEGIN", "INSERT INTO orders.orders VALUES (-8, 'u', 's', 1)", f"SAVEPOINT {name}",
                     "CALL cache.SET('limits', 'x')", f"ROLLBACK TO {name}", f"RELEASE SAVEPOINT {name}", "ROLLBACK")
        self.assertIsNone(self.redis().get("limits"))
        members = ",".join(f"'{n}'" for n in range(1023))
        self.run_sql(db, "BEGIN", f"CALL cache.SADD('many', {members})", "COMMIT")
        self.assertEqual(self.redis().scard("many"), 1023)
        self.refused(1064, db, f"CALL cache.SADD('many', {members}, 'a', 'b')")

    def test_huge_values_in_redis(self):
        value = random.Random(SEED).randbytes(5 << 20)
        db = self.connect()
        with db.cursor() as cursor:
            cursor.execute("CALL cache.SET('huge', x'" + value.hex() + "')")
            cursor.execute("CALL cache.GET('huge')")
            got = cursor.fetchall()[0][0]
        self.assertEqual(got if isinstance(got, bytes) else got.encode(), value)
        self.assertEqual(xatest.redis.Redis(port=self.world.cache.port).get("huge"), value)
