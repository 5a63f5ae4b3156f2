"""Generated sessions that are cut or killed anywhere, mostly in the middle of an answer: nothing of them is left, on the servers, in
Redis, or (which sanitizers tell at the proxy's end) in the proxy."""
import contextlib
import os
import random
import socket
import struct
import threading
import time

import differential
import speaker
import stream
import xatest

SECONDS = float(os.environ.get("ABRUPT_SECONDS", "12"))
SEED = os.environ.get("ABRUPT_SEED") or str(random.randrange(1 << 30))
CLIENTS = 16
REDIS = [("query", text) for text in ("BEGIN", "CALL cache.HINCRBY('h', 'n', 1)", "CALL cache.RPUSH('l', 'v')", "SELECT 1",
                                      "CALL cache.GET('s')", "SAVEPOINT a", "CALL cache.SET('s', 'v')", "ROLLBACK TO a", "COMMIT")]
ENDS = (speaker.Gone, TimeoutError, OSError)


class World(xatest.World):
    schemas = {"s1": [f"d{i:02}" for i in range(CLIENTS)], "s2": [f"e{i:02}" for i in range(CLIENTS)]}
    tables = {}


class Client(threading.Thread):
    """Session after session; a few commands each, the last of which is not waited for."""

    def __init__(self, case, number):
        super().__init__(daemon=True)
        self.world, self.stop = case.world, case.stop
        self.random = random.Random(f"{SEED}/{number}")
        self.stream = stream.Stream(SEED, number, xatest.FAMILY, across=number % 2 == 0)
        self.side = differential.Side(self.world, self.world.proxy.port, "app", xatest.PASSWORDS["app"])
        self.cut = self.gone = 0

    def run(self):
        while not self.stop.is_set():
            try:
                self.session()
                self.cut += 1
            except ENDS:  # killed
                self.gone += 1
            with contextlib.suppress(OSError):
                self.side.close()

    def session(self):
        for schema, server in ((self.stream.schema, "s1"), (self.stream.other, "s2")):
            self.world.server[server].script([f"CREATE DATABASE IF NOT EXISTS {schema}"])
        self.side.connect(self.stream.schema, self.stream.caps())
        commands = self.commands(self.random.randrange(1, 60))
        for command in commands[:-1]:
            self.side.begin(command)
            if self.side.finish(command)[-1][0] in ("gone", "silent"):
                raise speaker.Gone()
        self.side.begin(commands[-1])
        if self.random.random() < 0.5:
            time.sleep(self.random.random() * 0.02)
        if self.random.random() < 0.5:  # a reset instead of a goodbye
            self.side.connection.s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def commands(self, count):
        made = list(self.stream.first())
        while len(made) < count:
            episode = REDIS if self.random.random() < 0.2 else self.stream.episode()
            made += [command for command in episode if hasattr(self.side, "say_" + command[0]) and command[0] != "quit"]
        return made[:count]


class Abrupt(xatest.Case):
    world_class = World
    world_options = {"backend_options": "max_connections = 5\nqueue_timeout = 60s"}

    def kill_some(self):
        """Three of the sessions, whole or what they do."""
        with contextlib.suppress(xatest.pymysql.err.MySQLError, OSError), contextlib.closing(self.world.admin()) as db:
            ids = [row[0] for row in self.rows(db, "SHOW PROCESSLIST")]
            for session in random.sample(ids, min(3, len(ids))):
                with contextlib.suppress(xatest.pymysql.err.OperationalError):
                    self.rows(db, f"KILL {random.choice(('', 'QUERY '))}{session}")

    def test_anywhere(self):
        self.stop = threading.Event()
        clients = [Client(self, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.kill_some()
            time.sleep(0.3)
        self.stop.set()
        for client in clients:
            client.join(120)
            self.assertFalse(client.is_alive(), "a client hangs")
        self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail(100))
        self.world.settle()
        with contextlib.closing(self.world.admin()) as db:
            xatest.until(lambda: len(self.rows(db, "SHOW PROCESSLIST")) == 1, 10, "sessions are left")
        for name, server in self.world.server.items():
            xatest.until(lambda server=server: not server.open_transactions(), 10, f"transactions are open on {name}")
        self.run_sql(self.connect(), *("BEGIN", "CALL cache.DEL('h', 'l', 's')", "COMMIT"))
        print(f"# seed {SEED}: {sum(client.cut for client in clients)} cut, {sum(client.gone for client in clients)} killed")
        self.assertTrue(any(client.cut for client in clients))
