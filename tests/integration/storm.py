"""What a storm is made of: clients, the weather that breaks parts, the gauge of what is in doubt meanwhile.

What the clients say, and what must be true of it afterwards, is in storm_kinds.py and storm_actions.py.
"""
import collections
import contextlib
import datetime
import os
import random
import re
import socket
import struct
import sys
import threading
import time

import pymysql
import storm_kinds
import xatest

sys.path.insert(0, os.path.join(xatest.SOURCE, "tests", "support"))
import line  # noqa: E402

TROUBLE = (pymysql.err.MySQLError, OSError)
POLICIES = {"cache": 0, "skip": 1, "force": 2}  # towards who writes past the proxy; databases of one Redis


class World(xatest.World):
    """With a line before each server and Redis."""

    resources = tuple(POLICIES)

    def __init__(self, **more):
        super().__init__(**more)
        self.lines = line.Lines()
        self.line = {name: self.lines.add(part.port) for name, part in [*self.server.items(), ("cache", self.cache)]}

    def port_of(self, name):
        return self.line[name].port

    def config_lines(self):
        yield from super().config_lines()
        for policy in ("skip", "force"):
            yield from (f"[redis {policy}]", "address = 127.0.0.1", f"port = {self.port_of('cache')}", f"db = {POLICIES[policy]}",
                        f"dirty = {policy}")

    def past(self, policy):
        """A client of that resource, past the proxy."""
        return self.cache.client(db=POLICIES[policy], decode_responses=True)

    def open_fields(self):
        return [field for db in POLICIES.values() for field in self.cache.open_fields(db)]

    def leftovers(self):
        return self.in_doubt() + [f"redis: {field[:80]!r}" for field in self.open_fields()]

    def databases(self):
        """Clients past the proxy, of everything where keys may be."""
        return [self.past(policy) for policy in POLICIES]

    def own_keys(self, kinds):
        """Keys of the proxy's in Redis whose name ends so."""
        return [key for client in self.databases() for key in client.scan_iter(f"xa:{kinds}", count=1000)]

    def control_kinds(self):
        """Of fields in control hashes: their first letters."""
        return {field[0] for client in self.databases() for key in client.scan_iter("xa:*:c", count=1000)
                for field in client.hkeys(key)}

    def wipe(self):
        super().wipe()
        self.lines.close()


def kind_of(error):
    """An error's code and text without what differs from one to the next."""
    code, text = (*error.args, "")[:2] if error.args else ("", str(error))
    return f"{code} {re.sub(r'xap1:[^ )]*', 'GTRID', str(text))}"[:150]


class Ledger:
    """What the clients were told, by number of the transaction; each number belongs to one kind of transaction."""

    def __init__(self):
        self.lock = threading.Lock()
        self.kind = {}
        self.told = {"acked": set(), "refused": set(), "unknown": set()}
        self.errors = collections.Counter()

    def number(self, kind):
        with self.lock:
            number = len(self.kind) + 1
            self.kind[number] = kind
            return number

    def tell(self, number, outcome, error=None):
        with self.lock:
            self.told[outcome].add(number)
            if error is not None:
                self.errors[kind_of(error)] += 1

    def of(self, kind, outcome):
        return {number for number in self.told[outcome] if self.kind[number] == kind}

    def acked(self):
        return len(self.told["acked"])


class Client(threading.Thread):
    """One connection's worth of transactions, until told to stop; connects again whenever its connection is gone."""

    def __init__(self, world, kinds, ledger, seed, stop):
        super().__init__(daemon=True)
        self.world, self.kinds, self.ledger, self.stop = world, kinds, ledger, stop
        self.random = random.Random(seed)
        self.db = None
        self.acked = 0

    def run(self):
        while not self.stop.is_set():
            if self.db is None and not self.connect():
                self.stop.wait(0.05)
                continue
            kind = self.random.choices(self.kinds, [kind.weight for kind in self.kinds])[0]
            number = self.ledger.number(kind.name)
            self.transact(number, list(kind.statements(number, self.random)), kind.rolled_back)
        self.close()

    def connect(self):
        with contextlib.suppress(*TROUBLE):
            self.db = self.world.connect(connect_timeout=5)
        return self.db is not None

    def close(self):
        if self.db is not None:
            with contextlib.suppress(*TROUBLE):
                self.db.close()
        self.db = None

    def transact(self, number, statements, rolled_back):
        """The last statement is the one that decides. Some are rolled back instead, some clients just leave."""
        whim, last = self.random.random() - rolled_back, len(statements) - 1
        deciding = False
        try:
            with self.db.cursor() as cursor:
                for i, statement in enumerate(statements):
                    deciding = i == last
                    if deciding and whim < 0 and last:
                        deciding, statement = False, "ROLLBACK"
                    elif deciding and whim < 0.03:
                        return self.leave(number, statement)
                    elif i == last // 2 and 0.03 < whim < 0.05:
                        return self.leave(number, None)
                    self.say(cursor, statement)
            self.tell(number, "acked" if deciding else "refused")
        except TROUBLE as error:
            self.tell(number, "unknown" if deciding and xatest.outcome_unknown(error) else "refused", error)
            self.after(error)
        return None

    def say(self, cursor, statement):
        if callable(statement):
            statement = statement(cursor.fetchall(), self.world)
        if statement:
            cursor.execute(statement)

    def tell(self, number, outcome, error=None):
        self.acked += outcome == "acked"
        self.ledger.tell(number, outcome, error)

    def leave(self, number, statement):
        """Says at most one more thing and is gone without waiting for the answer, by a reset half of the time."""
        sock = self.db._sock
        with contextlib.suppress(*TROUBLE):
            if statement:
                self.db._execute_command(pymysql.constants.COMMAND.COM_QUERY, statement)
            if self.random.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.db._force_close()
        self.db = None
        self.tell(number, "unknown" if statement else "refused")

    def after(self, error):
        """An error leaves the transaction open or ended, or the connection gone: ROLLBACK or connect again."""
        try:
            if not self.db.open or xatest.outcome_unknown(error):
                raise OSError("gone")
            with self.db.cursor() as cursor:
                cursor.execute("ROLLBACK")
                cursor.execute("SET xa_redis_writes = DEFAULT")
            self.stop.wait(0.01)
        except TROUBLE:
            self.close()


class Gauge(threading.Thread):
    """How long something stays in doubt while its server and the proxy are up, asked past the proxy: every prepared branch, and
    in Redis the records of a proxy that is dead."""

    def __init__(self, world, kinds, stop):
        super().__init__(daemon=True)
        self.world, self.kinds, self.stop = world, kinds, stop
        self.lock = threading.Lock()
        self.up = dict.fromkeys([*world.server, "cache", "proxy"], time.monotonic())  # since when; None = it is not
        self.since, self.age, self.ages, self.oldest = {}, {}, [], (0, None)

    def is_down(self, *names):
        self.note("down", *names)
        with self.lock:
            self.up.update(dict.fromkeys(names))

    def is_up(self, *names):
        self.note("up", *names)
        with self.lock:
            self.up.update(dict.fromkeys(names, time.monotonic()))

    def note(self, *words):
        """For whoever reads the logs beside it."""
        with open(os.path.join(self.world.directory, "weather"), "a", encoding="ascii") as f:
            now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
            print(now, *words, file=f)

    def run(self):
        while not self.stop.wait(0.2):
            with contextlib.suppress(*storm_kinds.REDIS_TROUBLE):
                for kind in self.kinds:
                    kind.watch(self.world.past("cache"))
            for name in [*self.world.server, "cache"]:
                with contextlib.suppress(*storm_kinds.REDIS_TROUBLE, *TROUBLE):
                    if self.up[name]:
                        self.sample(name, self.left_in_redis() if name == "cache" else self.world.server[name].in_doubt())
        for key in list(self.since):
            self.over(key)

    def left_in_redis(self):
        return [field[1:].rpartition(b":")[0] for field in self.world.open_fields() if field[:1] == b"U"]

    def sample(self, name, listed):
        now = time.monotonic()
        with self.lock:  # what Redis has on record may wait for the word of any server
            proxy, needed = self.up["proxy"], list(self.up.values()) if name == "cache" else [self.up["proxy"], self.up[name]]
        up = all(needed) and max(needed)
        for key in [key for key in self.since if key[0] == name and key[1] not in listed]:
            self.over(key)
        for xid in listed:
            key, begun = (name, xid), self.since.setdefault((name, xid), now)
            if up and (name != "cache" or begun < proxy):
                self.age[key] = max(self.age.get(key, 0), now - max(begun, up))

    def over(self, key):
        del self.since[key]
        age = self.age.pop(key, None)
        if age is not None:
            if age > 2:
                self.note("old", *key, round(age, 1))
            self.oldest = max(self.oldest, (age, key), key=lambda one: one[0])
            self.ages.append(age)


class Weather:
    """Breaks parts at random and mends them."""

    def __init__(self, world, gauge, seed):
        self.world, self.gauge, self.random = world, gauge, random.Random(seed)
        self.parts = {"proxy": world.proxy, **world.server, "cache": world.cache}
        self.done, self.due = collections.Counter(), []

    def strike(self):
        """One blow. Now and then it is calm afterwards for longer than anything may be in doubt."""
        for name, part in self.parts.items():
            assert part.alive(), f"{name} died by itself:\n{part.log_tail(60)}"
        kinds = self.blows()
        kind = self.due.pop() if self.due else self.random.choices(list(kinds), kinds.values())[0]
        self.gauge.note(kind.__name__)
        kind()
        self.done[kind.__name__] += 1
        time.sleep(7 if self.random.random() < 0.12 else self.random.uniform(0.3, 2.5))

    def blows(self):
        return {self.kill: 8, self.kill_two: 3, self.pause: 2, self.sever: 2, self.cut: 2, self.silence: 2, self.tear: 1}

    def kill(self):
        self.crash(self.random.choice(["proxy", "proxy", "s1", "s2", "cache"]))

    def kill_two(self):
        self.crash(*self.random.sample(list(self.parts), 2))

    def crash(self, *names):
        self.gauge.is_down(*names)
        for name in names:
            self.parts[name].crash()
        time.sleep(self.random.choice([0, 0, 0.3, 1]))
        for name in self.random.sample(names, len(names)):
            self.parts[name].start()
            self.gauge.is_up(name)

    def pause(self):
        """A part stands still, and somebody else may die meanwhile."""
        name = self.random.choice(list(self.parts))
        part = self.parts[name]
        self.gauge.is_down(name)
        part.signal(xatest.signal.SIGSTOP)
        time.sleep(self.random.choice([0.1, 0.5, 2, 4]))
        if self.random.random() < 0.3:
            self.crash(self.random.choice([other for other in self.parts if other != name]))
        part.signal(xatest.signal.SIGCONT)
        self.gauge.is_up(name)

    def sever(self):
        """Half of the sessions' connections to a server are killed there."""
        server = self.world.server[self.random.choice(["s1", "s2"])]
        with contextlib.closing(server.root()) as db, db.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user LIKE 'app%'")
            for (number,) in cursor.fetchall():
                if self.random.random() < 0.5:
                    with contextlib.suppress(pymysql.err.MySQLError):
                        cursor.execute(f"KILL {number}")

    def cut(self):
        name = self.random.choice(list(self.world.line))
        self.gauge.is_down(name)
        self.world.line[name].cut()
        self.gauge.is_up(name)

    def silence(self):
        """Nothing passes for a while, and the connections may be cut at its end."""
        name = self.random.choice(list(self.world.line))
        self.gauge.is_down(name)
        self.world.line[name].silence()
        time.sleep(self.random.choice([0.3, 1, 3, 6]))
        if self.random.random() < 0.5:
            self.world.line[name].cut()
        self.world.line[name].restore()
        self.gauge.is_up(name)

    def tear(self):
        """Redis dies in the middle of writing to its file: half a command, never answered, is its end."""
        self.gauge.is_down("cache")
        cache = self.world.cache
        cache.crash()
        folder = cache.path("appendonlydir")
        newest = max((name for name in os.listdir(folder) if name.endswith(".incr.aof")),
                     key=lambda name: int(name.split(".")[-3]))
        with open(os.path.join(folder, newest), "ab") as f:
            f.write(b"*3\r\n$3\r\nSET\r\n$8\r\nleft:")
        cache.start()
        self.gauge.is_up("cache")
