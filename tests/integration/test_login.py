"""Who gets in, and that every other is told the same and costs the same."""
import os
import shutil
import socket
import struct
import subprocess
import time
import unittest

import pymysql
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
        for i in range(300):
            for user in sorted(least, reverse=i % 2):
                begun = time.monotonic()
                self.login_error(user=user, password="not-it")
                least[user] = min(least[user], time.monotonic() - begun)
            wrong, unknown = least["app"], least["nobody-here"]
            if i > 20 and abs(wrong - unknown) < 0.3 * max(wrong, unknown):
                return
        self.fail(f"wrong {wrong:.4f} s, unknown {unknown:.4f} s")

    def test_empty_password_is_refused(self):
        self.assertEqual(self.login_error(user="app", password="")[0], 1045)

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
