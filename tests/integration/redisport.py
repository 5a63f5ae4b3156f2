"""A proxy with Redis ports: over TLS, where clients log in, one of them behind a balancer, and a plain one where nobody needs to; and
what tests of them share."""
import contextlib
import os
import socket
import threading

import pymysql
import redis
import xatest
from xatest import servers


def command(*words):
    """The bytes of a command."""
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Bytes:
    """A connection whose replies are read as they come."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("rb")

    def send(self, *words):
        self.sock.sendall(command(*words))

    def line(self):
        return self.file.readline().rstrip(b"\r\n")

    def ask(self, *words):
        """A reply of one line."""
        self.send(*words)
        return self.line()

    def bulk(self):
        n = int(self.line()[1:])
        return None if n < 0 else self.file.read(n + 2)[:-2]

    def ended(self):
        try:
            return self.file.read(1) == b""
        except ConnectionError:
            return True


class Later(threading.Thread):
    """A command in a thread of its own: its reply, or the error."""

    def __init__(self, client, words):
        super().__init__()
        self.client, self.words, self.result = client, words, None
        self.start()

    def run(self):
        try:
            self.result = self.client.execute_command(*self.words)
        except redis.exceptions.RedisError as error:
            self.result = error

    def end(self, limit_s=20):
        self.join(limit_s)
        if self.is_alive():
            raise AssertionError(f"still runs: {self.words}")
        return self.result


class World(xatest.World):
    def __init__(self, plain_options="", **more):
        super().__init__(**more)
        ports = os.path.join(self.directory, "ports")
        os.mkdir(ports)
        self.redis_port = servers.remembered_port(ports, 3)
        self.plain_port, self.balanced_port = self.redis_port + 1, self.redis_port + 2
        self.plain_options = plain_options

    def config_lines(self):
        yield from super().config_lines()
        for name, port, more in (("redis", self.redis_port, ""), ("balanced", self.balanced_port, "proxy_protocol_from = 127.0.0.1")):
            yield from (f"[listener {name}]", "address = 127.0.0.1", f"port = {port}", "redis = cache", more,
                        f"tls_cert = {self.certs}/server.crt", f"tls_key = {self.certs}/server.key")
        yield from ("[listener plain]", "address = 127.0.0.1", f"port = {self.plain_port}", "redis = cache", "tls_required = off",
                    "auth = off", self.plain_options)

    def port(self, user="app", password=None, **more):
        """redis-py at the port over TLS, its certificate verified; one connection, so that what has joined stays joined."""
        options = {"host": "127.0.0.1", "port": self.redis_port, "username": user, "ssl": True,
                   "ssl_ca_certs": f"{self.certs}/ca.crt", "single_connection_client": True, "socket_timeout": 60,
                   "password": xatest.PASSWORDS.get(user, "") if password is None else password}
        options.update(more)
        return redis.Redis(**options)

    def plain(self, **more):
        return redis.Redis(**{"host": "127.0.0.1", "port": self.plain_port, "single_connection_client": True, "socket_timeout": 60,
                              **more})


class Case(xatest.Case):
    world_class = World

    def setUp(self):
        self.r = self.world.cache.client()
        self.r.flushall()

    def port(self, *args, **more):
        client = self.world.port(*args, **more)
        self.addCleanup(client.connection_pool.disconnect)
        return client

    def plain(self, **more):
        client = self.world.plain(**more)
        self.addCleanup(client.connection_pool.disconnect)
        return client

    def raw(self, limit_s=60):
        """A socket at the plain port."""
        s = socket.create_connection(("127.0.0.1", self.world.plain_port), limit_s)
        s.settimeout(limit_s)
        self.addCleanup(s.close)
        return s

    def error(self, begins, client, *words):
        """The command is answered with an error that begins so; its text. redis-py cuts ERR off."""
        with self.assertRaises(redis.exceptions.RedisError) as caught:
            client.execute_command(*words)
        self.assertTrue(str(caught.exception).startswith(begins), f"{words}: {caught.exception}")
        return str(caught.exception)

    def processes(self):
        with contextlib.closing(self.world.admin()) as admin, admin.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW PROCESSLIST")
            return {row["Id"]: row for row in cursor.fetchall()}

    def wait_state(self, number, state):
        xatest.until(lambda: self.processes().get(number, {}).get("State") == state, 10, lambda: self.processes())
