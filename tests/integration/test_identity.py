"""Who a client is and what follows from it: proofs by ed25519, certificates, addresses, schemas."""
import os
import shutil
import subprocess
import time

import pymysql
import xatest

PASSWORDS = {"curve": "curve-secret", "both": "both-secret"}
xatest.PASSWORDS.update(PASSWORDS)


def ed25519_verifier(password):
    done = subprocess.run([os.path.join(xatest.BUILD, "xaproxy"), "--make-verifier"], input=password + "\n", text=True,
                          stdout=subprocess.PIPE, check=True)
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines())["ed25519_verifier"]


class World(xatest.World):
    """Users of every kind; each has the same accounts on the servers, on MariaDB the first server's by ed25519 too."""

    def config_lines(self):
        yield from super().config_lines()
        sha2, _ = xatest.verifiers(PASSWORDS["both"])
        yield from ("[user curve]", f"ed25519_verifier = {ed25519_verifier(PASSWORDS['curve'])}",
                    "[user both]", f"password_verifier = {sha2}", f"ed25519_verifier = {ed25519_verifier(PASSWORDS['both'])}")
        for name in self.server:
            yield from (f"[account *@{name}]", f"user = everybody_{name}", "password = everybody-secret")

    def server_script(self, name):
        yield from super().server_script(name)
        account = f"'everybody_{name}'@'%'"
        if name == "s1" and self.family == "mariadb":
            yield "INSTALL SONAME 'auth_ed25519'"
            yield f"CREATE USER {account} IDENTIFIED VIA ed25519 USING PASSWORD('everybody-secret')"
        else:
            yield f"CREATE USER {account} IDENTIFIED BY 'everybody-secret'"
        for schema in xatest.SCHEMAS[name]:
            yield f"GRANT ALL ON {schema}.* TO {account}"


class Identity(xatest.Case):
    world_class = World
    world_options = {"proxy_options": "failed_login_delay = 0"}

    def login_error(self, **more):
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.connect(**more)
        return caught.exception.args

    def cli(self, user, password, *options):
        """MariaDB's own client, with its own plugins; its exit code, what it printed, its error text."""
        client = shutil.which("mariadb")
        self.assertTrue(client, "apt-get install mariadb-client")
        done = subprocess.run([client, "--no-defaults", "-h127.0.0.1", f"-P{self.world.proxy.port}", f"-u{user}",
                               f"--ssl-ca={self.world.certs}/ca.crt", "--ssl-verify-server-cert", "-N", "-B", *options,
                               "-e", "SELECT COUNT(*) FROM orders.orders"],
                              env={**os.environ, "MYSQL_PWD": password}, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.strip(), done.stderr


class Ed25519(Identity):
    def test_a_driver_is_switched_to_it(self):
        for user in PASSWORDS:
            self.assertEqual(self.rows(self.connect(user), "SELECT COUNT(*) FROM orders.orders"), ((0,),), user)

    def test_mariadbs_client(self):
        self.assertEqual(self.cli("curve", PASSWORDS["curve"])[:2], (0, "0"))
        self.assertEqual(self.cli("both", PASSWORDS["both"], "--default-auth=client_ed25519")[:2], (0, "0"))

    def test_wrong_passwords(self):
        for user in PASSWORDS:
            for password in ("not-it", "", "x" * 511):
                self.assertEqual(self.login_error(user=user, password=password)[0], 1045, (user, password))
        status, _, error = self.cli("both", "not-it", "--default-auth=client_ed25519")
        self.assertTrue(status and "1045" in error, error)

    def test_account_on_the_backend(self):
        # The server itself says by which plugin the proxy's account logs in there.
        if self.world.family != "mariadb":
            self.skipTest("ed25519 is MariaDB's")
        self.assertEqual(self.rows(self.connect("curve"), "SELECT COUNT(*) FROM orders.orders"), ((0,),))
        plugin = self.world.direct("s1", "SELECT plugin FROM mysql.user WHERE user = 'everybody_s1'")
        self.assertEqual(plugin, (("ed25519",),))
        seen = self.world.direct("s1", "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'everybody_s1'")
        self.assertGreater(seen[0][0], 0)

    def asked_for(self, user):
        """The plugin that a client which knows none of ours is asked for."""
        class Stranger(pymysql.connections.Connection):
            asked = None

            def _get_server_information(self):
                super()._get_server_information()
                self._auth_plugin_name = "sha256_password"

            def _process_auth(self, plugin_name, auth_packet):
                Stranger.asked = plugin_name.decode()
                return super()._process_auth(plugin_name, auth_packet)

        with self.assertRaises(pymysql.err.MySQLError):
            Stranger(host="127.0.0.1", port=self.world.proxy.port, user=user, password="not-it",
                     ssl={"ca": f"{self.world.certs}/ca.crt"})
        return Stranger.asked

    def test_unknown_users_are_asked_for_what_some_user_is_asked_for(self):
        names = [f"nobody{i}" for i in range(60)]
        asked = {name: self.asked_for(name) for name in names}
        self.assertEqual(set(asked.values()), {"caching_sha2_password", "client_ed25519"})
        for name in names[:10]:
            self.assertEqual(self.asked_for(name), asked[name], "another plugin the second time: no such user exists")
        self.assertEqual(self.asked_for("curve"), "client_ed25519")

    def test_unknown_user_costs_the_same(self):
        unknown = next(f"nobody{i}" for i in range(1000) if self.asked_for(f"nobody{i}") == "client_ed25519")
        spent = {"curve": [], unknown: []}
        told = {}
        for _ in range(25):
            for user, of_user in spent.items():
                begun = time.monotonic()
                told[user] = self.login_error(user=user, password="not-it")
                of_user.append(time.monotonic() - begun)
        wrong, nobody = (min(of_user) for of_user in spent.values())
        self.assertLess(abs(wrong - nobody), 0.3 * max(wrong, nobody), f"wrong {wrong:.4f} s, unknown {nobody:.4f} s")
        self.assertEqual(told["curve"][1].replace("curve", "?"), told[unknown][1].replace(unknown, "?"))
