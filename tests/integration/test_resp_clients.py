"""The Redis port with the clients that applications use, over TLS with AUTH: each by itself, with MULTI, and in a transaction of a MySQL
session by XA.JOIN and XA.DO. Judged by Redis itself. Each knows the port by its certificate."""
import os
import shutil
import subprocess
import tempfile

import node
import redisport
import xatest

DRIVERS = os.path.join(xatest.HERE, "drivers")
STORY = ["3 v", "OK -1 yes"]


class Clients(redisport.Case):
    def setUp(self):
        super().setUp()
        self.db = self.connect()
        self.addCleanup(self.close, self.db)

    def environment(self, port=None):
        return {**os.environ, "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port or self.world.redis_port), "REDIS_USER": "app",
                "REDIS_PASSWORD": xatest.PASSWORDS["app"], "REDIS_CA": f"{self.world.certs}/ca.crt"}

    def run_client(self, argv, environment, text=None):
        return subprocess.run(argv, env=environment, input=text, stdin=subprocess.DEVNULL if text is None else None,
                              capture_output=True, text=True, timeout=60, check=False)

    def tell(self, *argv, environment=None):
        """Once in a transaction that is rolled back, once in one that is committed."""
        for end, stays in (("ROLLBACK", False), ("COMMIT", True)):
            self.r.flushall()
            self.run_sql(self.db, "BEGIN")
            token = self.rows(self.db, "SELECT xa.token()")[0][0]
            done = self.run_client([*argv, "p", token], environment or self.environment())
            self.run_sql(self.db, end)
            self.world.settle()
            self.assertEqual((done.returncode, done.stdout.splitlines()), (0, STORY), done.stdout + done.stderr)
            self.judge(stays)

    def judge(self, stays):
        self.assertEqual((self.r.get("p:a"), self.r.hgetall("p:h")), (b"3", {b"f": b"v"}))
        self.assertEqual((self.r.get("p:done"), self.r.hget("p:stock", "pieces")), (b"yes", b"-1") if stays else (None, None))

    def takes_no_other(self, *argv):
        """A certificate that another CA vouches for."""
        self.r.flushall()
        done = self.run_client([*argv, "p", "token"], {**self.environment(), "REDIS_CA": f"{self.world.certs}/other-ca.crt"})
        self.assertNotEqual(done.returncode, 0, "it takes any certificate")
        self.assertEqual(self.r.get("p:a"), None)

    def test_redis_py(self):
        argv = ("/usr/bin/python3", os.path.join(DRIVERS, "redis_story.py"))
        self.takes_no_other(*argv)
        self.tell(*argv)

    def test_phpredis(self):
        if subprocess.run(["php", "-r", "exit(class_exists('Redis') ? 0 : 1);"], check=False).returncode:
            self.skipTest("not installed: php-cli php-redis")
        argv = ("php", os.path.join(DRIVERS, "redis_story.php"))
        self.takes_no_other(*argv)
        self.tell(*argv)

    def test_node(self):
        if not shutil.which("npm"):
            self.skipTest("not installed: npm")
        for driver in ("ioredis", "redis", "redis-3"):
            with self.subTest(driver):
                argv = ("node", node.program("redis_story.mjs"), driver)
                self.takes_no_other(*argv)
                self.tell(*argv)

    def test_hiredis(self):
        """Debian's has no TLS: at the plain port, which lets everybody in, but transactions only those who say who they are."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "story")
            subprocess.run(["gcc", "-o", path, os.path.join(DRIVERS, "redis_story.c"), "-lhiredis"], check=True)
            self.tell(path, environment=self.environment(self.world.plain_port))

    def test_redis_cli(self):
        for more in ([], ["-3"]):
            self.r.flushall()
            self.run_sql(self.db, "BEGIN")
            token = self.rows(self.db, "SELECT xa.token()")[0][0]
            argv = ["redis-cli", "--tls", "--cacert", f"{self.world.certs}/ca.crt", "-h", "127.0.0.1", "-p", str(self.world.redis_port),
                    "--user", "app", "--pass", xatest.PASSWORDS["app"], "--no-auth-warning", *more]
            lines = ("SET p:a 1", "INCR p:a", "MULTI", "INCR p:a", "HSET p:h f v", "EXEC", "HGETALL p:h", f"XA.DO {token} SET p:done yes",
                     f"XA.JOIN {token}", "HINCRBY p:stock pieces -1", "GET p:done", "XA.LEAVE", "GET p:a")
            done = self.run_client(argv, self.environment(), "\n".join(lines) + "\n")
            self.run_sql(self.db, "ROLLBACK")
            self.world.settle()
            map_line = ["f v"] if more else ["f", "v"]
            self.assertEqual(done.stdout.splitlines(), ["OK", "2", "OK", "QUEUED", "QUEUED", "3", "1", *map_line, "OK", "OK", "-1", "yes",
                                                        "OK", "3"], done.stderr)
            self.judge(False)
