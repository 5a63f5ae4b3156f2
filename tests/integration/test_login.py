"""Who gets in, and that every other is told the same and costs the same."""
import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
import unittest

import MySQLdb
import pymysql
import stage
import xatest


def greeting_of(world):
    """The first packet from the proxy, raw, and the socket it came on."""
    s = socket.create_connection(("127.0.0.1", world.proxy.port), 5)
    head = s.recv(4, socket.MSG_WAITALL)
    return s, s.recv(head[0] | head[1] << 8 | head[2] << 16, socket.MSG_WAITALL)


def packet(seq, payload):
    return struct.pack("<I", len(payload))[:3] + bytes([seq]) + payload


def answer(s):
    head = s.recv(4, socket.MSG_WAITALL)
    return s.recv(head[0] | head[1] << 8 | head[2] << 16, socket.MSG_WAITALL) if len(head) == 4 else b""


class Login(xatest.Case):
    world_options = {"proxy_options": "failed_login_delay = 0"}  # what failures cost beyond it is another suite's subject

    def login_error(self, **more):
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.connect(**more)
        return caught.exception.args

    def test_good_password_through_tls(self):
        db = self.connect()
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    def test_four_hundred_clients_of_one_address_come_at_once(self):
        """As behind a restart of the proxy: each is greeted, though nobody has logged in yet."""
        with contextlib.ExitStack() as open_ones:
            sockets = [open_ones.enter_context(socket.create_connection(("127.0.0.1", self.world.proxy.port), 20)) for _ in range(400)]
            self.assertEqual({answer(s)[:1] for s in sockets}, {b"\x0a"})

    def test_second_login_takes_the_fast_path(self):
        for _ in range(2):
            self.assertEqual(self.rows(self.connect(), "SELECT 1"), ((1,),))

    def test_client_that_begins_with_native_password(self):
        # It does so whatever the greeting says; a user without a native verifier must be switched to the other plugin.
        class Native(pymysql.connections.Connection):
            def _get_server_information(self):
                super()._get_server_information()
                self._auth_plugin_name = "mysql_native_password"

        for user in ("native", "app"):
            with self.subTest(user=user):
                db = Native(host="127.0.0.1", port=self.world.proxy.port, user=user, password=xatest.PASSWORDS[user],
                            ssl={"ca": f"{self.world.certs}/ca.crt"})
                self.addCleanup(self.close, db)
                self.assertEqual(self.rows(db, "SELECT 2"), ((2,),))
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            Native(host="127.0.0.1", port=self.world.proxy.port, user="native", password="not-it",
                   ssl={"ca": f"{self.world.certs}/ca.crt"})
        self.assertEqual(caught.exception.args[0], 1045)

    def test_wrong_password_and_unknown_user_look_the_same(self):
        wrong = self.login_error(user="app", password="not-it")
        unknown = self.login_error(user="nobody-here", password="not-it")
        self.assertEqual(wrong[0], 1045)
        self.assertEqual((wrong[0], wrong[1].replace("app", "?")), (unknown[0], unknown[1].replace("nobody-here", "?")))

    def test_wrong_password_and_unknown_user_cost_the_same(self):
        # In turn and each on every worker, so that a busy machine delays both alike; the quickest, since nothing makes a log-in
        # quicker than it is.
        least = {"app": 60.0, "nobody-here": 60.0}
        for i in range(1500):
            for user in sorted(least, reverse=i % 2):
                begun = time.monotonic()
                self.login_error(user=user, password="not-it")
                least[user] = min(least[user], time.monotonic() - begun)
            wrong, unknown = least["app"], least["nobody-here"]
            if i > 20 and abs(wrong - unknown) < 0.3 * max(wrong, unknown):
                return
        self.fail(f"wrong {wrong:.4f} s, unknown {unknown:.4f} s")

    def test_empty_password_is_refused(self):
        for user in ("app", "native", "nobody"):
            for password, used in (("", "NO"), ("wrong", "YES")):
                error = self.login_error(user=user, password=password)
                self.assertEqual((error[0], error[1][error[1].index("("):]), (1045, f"(using password: {used})"), user)

    def test_admin_and_user_are_not_mixed_up(self):
        self.assertEqual(self.login_error(user="dba")[0], 1045)
        self.assertEqual(self.login_error(user="app", port=self.world.proxy.admin_port)[0], 1045)

    def test_plain_text_is_refused_before_credentials(self):
        s, greeting = greeting_of(self.world)
        with s:
            self.assertEqual(greeting[0], 10)
            capabilities = 0x00000001 | 0x00000200 | 0x00008000 | 0x00080000
            reply = struct.pack("<IIB23x", capabilities, 1 << 24, 45) + b"app\0" + b"\0" + b"caching_sha2_password\0"
            s.sendall(packet(1, reply))
            got = answer(s)
            self.assertEqual(got[0], 0xFF, got)
            self.assertEqual(struct.unpack_from("<H", got, 1)[0], 3159, got)

    def test_nothing_is_read_from_plain_text_behind_the_tls_request(self):
        # The class of CVE-2021-23214: a query injected behind the SSLRequest must not be served as if it came through TLS.
        s, _ = greeting_of(self.world)
        with s:
            capabilities = 0x00000200 | 0x00000800 | 0x00008000 | 0x00080000
            s.sendall(packet(1, struct.pack("<IIB23x", capabilities, 1 << 24, 45)) + packet(0, b"\x03SELECT 1"))
            s.settimeout(10)
            try:
                got = s.recv(4096)
            except ConnectionResetError:
                got = b""
            self.assertNotIn(b"SELECT", got)
            self.assertNotEqual(got[4:5], b"\x01", "a result came")

    def test_silent_client_is_dropped(self):
        # Not by waiting for the deadline here: a short read is enough to see that others are served meanwhile.
        silent = [greeting_of(self.world)[0] for _ in range(20)]
        self.assertEqual(self.rows(self.connect(), "SELECT 1"), ((1,),))
        for s in silent:
            s.close()

    def test_tls_1_2_and_1_3(self):
        import ssl
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt")
            context.minimum_version = context.maximum_version = version
            db = self.connect(ssl=context)
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),), version)

    def test_client_that_does_not_trust_the_ca_goes_away(self):
        import ssl
        with self.assertRaises((pymysql.err.MySQLError, ssl.SSLError)):
            self.connect(ssl=ssl.create_default_context())

    def test_mariadb_command_line_client(self):
        client = shutil.which("mariadb")
        self.assertTrue(client, "apt-get install mariadb-client")
        done = subprocess.run([client, "--no-defaults", "-h127.0.0.1", f"-P{self.world.proxy.port}", "-uapp",
                               f"--ssl-ca={self.world.certs}/ca.crt", "--ssl-verify-server-cert", "-N", "-B",
                               "-e", "SELECT 'through the proxy'; SELECT 1+1"],
                              env={**os.environ, "MYSQL_PWD": xatest.PASSWORDS["app"]},
                              capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "through the proxy\n2\n"), done.stderr)

    def test_default_schema_at_login(self):
        self.assertEqual(self.rows(self.connect(database="t2"), "SELECT DATABASE()"), (("t2",),))

    def test_unknown_default_schema(self):
        self.assertIn(self.login_error(database="no_such_schema")[0], (1044, 1049))


class LikeTheServer(unittest.TestCase):
    """What a log-in is told where the proxy itself does not know the answer: as by the server behind it."""

    @classmethod
    def setUpClass(cls):
        cls.stage = stage.Stage(server_options=["--character-set-server=latin1"], users={"narrow": "narrow-secret"})
        cls.addClassCleanup(cls.stage.wipe)
        cls.stage.start()
        with cls.stage.server.root() as root, root.cursor() as cursor:
            for sql in ("CREATE DATABASE mine", "CREATE USER narrow@'%' IDENTIFIED BY 'narrow-secret'",
                        "GRANT ALL ON mine.* TO narrow@'%'"):
                cursor.execute(sql)

    def connect(self, port, user="tester", database=None):
        db = pymysql.connect(host="127.0.0.1", port=port, user=user, password=f"{user}-secret", database=database,
                             ssl={"ca": f"{self.stage.certs}/ca.crt"}, autocommit=True, read_timeout=30)
        self.addCleanup(Login.close, db)
        return db

    def said(self, ask):
        """The same of both: an error's number and text, or the default schema."""
        told = []
        for port in (self.stage.server.port, self.stage.proxy.port):
            try:
                db = ask(port)
                with db.cursor() as cursor:
                    cursor.execute("SELECT DATABASE()")
                    told.append(cursor.fetchone())
            except pymysql.err.MySQLError as error:
                told.append((error.args[0], re.sub("@'[^']*'", "@", error.args[1])))  # which row of its accounts it was
        self.assertEqual(*told)
        return told[0]

    def test_schemas(self):
        for user, schema, wanted in (("tester", "mine", "mine"), ("tester", "information_schema", "information_schema"),
                                     ("tester", "missing", 1049), ("tester", "mine", "mine"), ("tester", "missing", 1049),
                                     ("narrow", "mine", "mine"), ("narrow", "missing", 1044), ("narrow", "mysql", 1044)):
            with self.subTest(user=user, schema=schema):
                self.assertEqual(self.said(lambda port: self.connect(port, user, schema))[0], wanted)

    def test_schemas_of_a_change_of_user(self):
        def change(port, schema):
            db = MySQLdb.connect(host="127.0.0.1", port=port, user="tester", passwd="tester-secret",
                                 ssl={"ca": f"{self.stage.certs}/ca.crt"})
            self.addCleanup(Login.close, db)
            try:
                db.change_user("narrow", "narrow-secret", schema)
            except MySQLdb.Error as error:
                raise pymysql.err.OperationalError(*error.args) from error
            return db

        for schema, wanted in (("mine", "mine"), ("missing", 1044), ("mine", "mine")):
            with self.subTest(schema=schema):
                self.assertEqual(self.said(lambda port: change(port, schema))[0], wanted)

    def test_a_schema_that_has_gone(self):
        """What was found lately is not believed once a session of ours has dropped it; new ones are there at once."""
        db = self.connect(self.stage.proxy.port)
        for _ in range(3):
            with db.cursor() as cursor:
                cursor.execute("CREATE DATABASE passing")
            for _ in range(3):
                self.assertEqual(self.said(lambda port: self.connect(port, database="passing")), ("passing",))
            with db.cursor() as cursor:
                cursor.execute("DROP DATABASE passing")
            self.assertEqual(self.said(lambda port: self.connect(port, database="passing"))[0], 1049)

    def test_a_server_that_does_not_answer(self):
        """Nobody is kept out by it, since other servers may do; its own statements tell."""
        server = self.stage.server
        with server.root() as root, root.cursor() as cursor:
            cursor.execute("CREATE DATABASE IF NOT EXISTS later")
        server.signal(signal.SIGSTOP)
        try:
            db = self.connect(self.stage.proxy.port, database="later")
        finally:
            server.signal(signal.SIGCONT)
        with db.cursor() as cursor:
            cursor.execute("SELECT DATABASE()")
            self.assertEqual(cursor.fetchone(), ("later",))

    def test_new_sessions_begin_with_the_global_variables(self):
        """Also where they get a connection that was idle while these were set."""
        def ask(sql):
            db = self.connect(self.stage.proxy.port)
            with db.cursor() as cursor:
                cursor.execute(sql)
                said = cursor.fetchone()
            db.close()
            return said

        [usual] = ask("SELECT @@max_sort_length")
        for value in (1001, 1002, usual):
            for _ in range(3):
                ask("SELECT 1")
            ask(f"SET GLOBAL max_sort_length = {value}")
            for _ in range(3):
                self.assertEqual(ask("SELECT @@max_sort_length"), (value,))

    def test_character_set_of_the_greeting(self):
        """Drivers that are told none take this one."""
        charsets = []
        for port in (self.stage.server.port, self.stage.proxy.port):
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                head = s.recv(4, socket.MSG_WAITALL)
                greeting = s.recv(head[0] | head[1] << 8 | head[2] << 16, socket.MSG_WAITALL)
            charsets.append(greeting[greeting.index(b"\0", 1) + 1 + 4 + 8 + 1 + 2])
        self.assertEqual(charsets, [8, 8])


class BackendCertificate(unittest.TestCase):
    """A backend whose certificate is expired, for another host or from another authority is not spoken to."""

    def world_with(self, kind):
        world = xatest.World()
        world.judged = False
        self.addCleanup(world.wipe)
        world.server["s1"].tls_options = lambda: [f"--ssl-ca={world.certs}/ca.crt", f"--ssl-cert={world.certs}/{kind}.crt",
                                                  f"--ssl-key={world.certs}/{kind}.key"]
        try:
            return world.start()
        except xatest.servers.Skip as why:
            self.skipTest(str(why))

    def closed_for(self, kind):
        world = self.world_with(kind)
        db = world.connect()
        with db.cursor() as cursor:
            with self.assertRaises(pymysql.err.MySQLError):
                cursor.execute("SELECT COUNT(*) FROM orders.orders")
            cursor.execute("SELECT COUNT(*) FROM stock.stock")
            self.assertEqual(cursor.fetchall(), ((0,),))
        seen = world.direct("s1", "SELECT COUNT(*) FROM information_schema.processlist WHERE user LIKE 'app%%'")
        self.assertEqual(seen[0][0], 0, "the proxy logged in on a server that it must not trust")

    def test_expired(self):
        self.closed_for("expired")

    def test_wrong_host(self):
        self.closed_for("wrong-host")

    def test_unknown_authority(self):
        self.closed_for("unknown-ca")
