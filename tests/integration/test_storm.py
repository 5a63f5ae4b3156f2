"""Transfers from many connections over both servers and Redis, while proxy, servers and Redis are killed at random.

Afterwards the sums are constant, every acknowledged transfer is there, no refused one is, none is half done, and Redis equals
the tables. STORM_SECONDS (default 60) and STORM_CONNECTIONS (default 16) set its size, STORM_SEED repeats its choices.
"""
import collections
import contextlib
import os
import random
import threading
import time

import pymysql
import xatest

SECONDS = float(os.environ.get("STORM_SECONDS") or 60)
CONNECTIONS = int(os.environ.get("STORM_CONNECTIONS") or 16)
SEED = int(os.environ.get("STORM_SEED") or random.randrange(1 << 30))
ACCOUNTS, START = 40, 1000
IN_DOUBT_MAX_S = 5.0


class Ledger:
    """What the clients were told, by transfer number."""

    def __init__(self):
        self.lock = threading.Lock()
        self.told = {"acked": set(), "refused": set(), "unknown": set()}
        self.errors = collections.Counter()
        self.next = 0

    def number(self):
        with self.lock:
            self.next += 1
            return self.next

    def tell(self, number, outcome, error=None):
        with self.lock:
            self.told[outcome].add(number)
            if error is not None:
                self.errors[str(error.args[0] if error.args else error)] += 1


class Client(threading.Thread):
    """One connection's worth of transfers, until told to stop; connects again whenever its connection is gone."""

    def __init__(self, world, ledger, index, stop):
        super().__init__(daemon=True)
        self.world, self.ledger, self.stop = world, ledger, stop
        self.random = random.Random(SEED * 1000 + index)
        self.db = None

    def run(self):
        while not self.stop.is_set():
            if self.db is None:
                try:
                    self.db = self.world.connect(connect_timeout=5)
                except (pymysql.err.MySQLError, OSError):
                    self.stop.wait(0.05)
                    continue
            self.transfer()
        if self.db:
            with contextlib.suppress(Exception):
                self.db.close()

    def transfer(self):
        number, amount = self.ledger.number(), self.random.randint(1, 9)
        left, right = self.random.randrange(ACCOUNTS), self.random.randrange(ACCOUNTS)
        end = "ROLLBACK" if self.random.random() < 0.15 else "COMMIT"
        ending = False
        try:
            with self.db.cursor() as cursor:
                for statement in self.statements(number, left, right, amount):
                    cursor.execute(statement)
                ending = end == "COMMIT"
                cursor.execute(end)
            self.ledger.tell(number, "acked" if end == "COMMIT" else "refused")
        except (pymysql.err.MySQLError, OSError) as error:
            self.ledger.tell(number, "unknown" if ending and xatest.outcome_unknown(error) else "refused", error)
            self.after(error)

    def after(self, error):
        """An error leaves the transaction open or ended, or the connection gone: ROLLBACK or connect again."""
        try:
            if not self.db.open or xatest.outcome_unknown(error):
                raise OSError("gone")
            with self.db.cursor() as cursor:
                cursor.execute("ROLLBACK")
        except (pymysql.err.MySQLError, OSError):
            with contextlib.suppress(Exception):
                self.db.close()
            self.db = None

    def statements(self, number, left, right, amount):
        yield "BEGIN"
        yield f"UPDATE t1.account SET balance = balance - {amount} WHERE id = {left}"
        yield f"INSERT INTO t1.journal VALUES ({number}, {left}, {right}, {amount})"
        if self.random.random() < 0.2:
            yield "SAVEPOINT detour"
            yield f"UPDATE t1.account SET balance = balance + 1000000 WHERE id = {left}"
            yield f"CALL cache.HINCRBY('left:{left}', 'balance', 1000000)"
            yield "ROLLBACK TO SAVEPOINT detour"
        yield f"UPDATE t2.account SET balance = balance + {amount} WHERE id = {right}"
        yield f"INSERT INTO t2.journal VALUES ({number}, {left}, {right}, {amount})"
        yield f"CALL cache.HINCRBY('left:{left}', 'balance', {-amount})"
        yield f"CALL cache.HINCRBY('right:{right}', 'balance', {amount})"


class Gauge(threading.Thread):
    """How long branches stay in doubt while their server and the proxy are up, sampled past the proxy."""

    def __init__(self, world, stop):
        super().__init__(daemon=True)
        self.world, self.stop = world, stop
        self.since, self.ages = {}, []
        self.quiet_since = time.monotonic()  # everything is up since then

    def disturbed(self):
        self.quiet_since = time.monotonic()

    def run(self):
        while not self.stop.wait(0.2):
            for name, server in self.world.server.items():
                try:
                    listed = server.in_doubt()
                except (pymysql.err.MySQLError, OSError):
                    continue
                self.sample(name, set(listed), time.monotonic())

    def sample(self, name, listed, now):
        for key in [k for k in self.since if k[0] == name and k[1] not in listed]:
            del self.since[key]
        for xid in listed:
            begun = max(self.since.setdefault((name, xid), now), self.quiet_since)
            self.ages.append(now - begun)


class Storm(xatest.Case):
    world_options = {"proxy_options": "wal_segment_size = 256K"}

    def prepare(self):
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            self.world.server[name].script(
                [f"CREATE TABLE {schema}.account (id INT PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB",
                 f"CREATE TABLE {schema}.journal (id BIGINT PRIMARY KEY, l INT, r INT, amount INT) ENGINE=InnoDB",
                 f"INSERT INTO {schema}.account VALUES " + ",".join(f"({i},{START})" for i in range(ACCOUNTS))])
        for i in range(ACCOUNTS):
            for side in ("left", "right"):
                self.redis().hset(f"{side}:{i}", "balance", START)

    def disturb(self, chance, gauge):
        """Kills one part and brings it back."""
        victim = chance.choice([self.world.proxy, self.world.proxy, *self.world.server.values(), self.world.cache])
        victim.crash()
        time.sleep(chance.choice([0, 0, 0.3, 1]))
        victim.start()
        gauge.disturbed()
        return victim.kind

    def test_storm(self):
        self.prepare()
        print(f"# seed {SEED}, {CONNECTIONS} connections, {SECONDS:.0f} s", flush=True)
        chance, stop, ledger, killed = random.Random(SEED), threading.Event(), Ledger(), collections.Counter()
        gauge = Gauge(self.world, stop)
        clients = [Client(self.world, ledger, i, stop) for i in range(CONNECTIONS)]
        for thread in [gauge, *clients]:
            thread.start()
        end, told = time.monotonic() + SECONDS, time.monotonic()
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.5, 3))
            killed[self.disturb(chance, gauge)] += 1
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"# {len(ledger.told['acked'])} acknowledged, killed {dict(killed)}", flush=True)
        time.sleep(1)
        stop.set()
        for thread in [gauge, *clients]:
            thread.join(60)
            self.assertFalse(thread.is_alive(), "a client hangs")
        settled = self.world.settle()
        self.report(ledger, killed, gauge, settled)
        self.judge(ledger)
        self.assertLessEqual(max(gauge.ages, default=0), IN_DOUBT_MAX_S + 0.5, "a branch was in doubt for too long")

    @staticmethod
    def report(ledger, killed, gauge, settled):
        ages = sorted(gauge.ages)
        p99 = ages[int(len(ages) * 0.99)] if ages else 0
        counts = {outcome: len(numbers) for outcome, numbers in ledger.told.items()}
        print(f"# told {counts}, killed {dict(killed)}, errors {dict(ledger.errors.most_common(12))}")
        print(f"# in doubt: max {max(ages, default=0):.1f} s, p99 {p99:.1f} s; settled {settled:.2f} s after the end", flush=True)

    def judge(self, ledger):
        left = {row[0]: row[1:] for row in self.world.direct("s1", "SELECT * FROM t1.journal")}
        right = {row[0]: row[1:] for row in self.world.direct("s2", "SELECT * FROM t2.journal")}
        self.assertEqual(left, right, "half done")
        there = set(left)
        self.assertEqual(ledger.told["acked"] - there, set(), "acknowledged and lost")
        self.assertEqual(ledger.told["refused"] & there, set(), "refused and there")
        self.assertGreater(len(ledger.told["acked"]), CONNECTIONS, "the storm was a calm")
        expected = {("left", i): START for i in range(ACCOUNTS)} | {("right", i): START for i in range(ACCOUNTS)}
        for l, r, amount in left.values():
            expected["left", l] -= amount
            expected["right", r] += amount
        tables = {(side, i): balance for side, name, schema in (("left", "s1", "t1"), ("right", "s2", "t2"))
                  for i, balance in self.world.direct(name, f"SELECT id, balance FROM {schema}.account")}
        self.assertEqual(tables, expected, "the tables do not add up to the transfers")
        self.assertEqual(sum(tables.values()), 2 * ACCOUNTS * START)
        client = self.redis()
        mirror = {(side, i): int(client.hget(f"{side}:{i}", "balance")) for side, i in tables}
        self.assertEqual(mirror, tables, "Redis differs from the tables")
