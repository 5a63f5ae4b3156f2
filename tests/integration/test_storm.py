"""Transactions from many connections over both servers and Redis, while proxy, servers, Redis and the lines between them break
at random.

Afterwards the sums are constant, every acknowledged transaction is there, no refused one is, none is half done, Redis equals the
tables, no lock is left, and whatever was in doubt was not for long. STORM_SECONDS (default 60) and STORM_CONNECTIONS (default
16) set its size, STORM_SEED repeats its choices.
"""
import collections
import contextlib
import os
import random
import re
import threading
import time

import storm
import xatest
from storm import ACCOUNTS, BUCKETS, START

SECONDS = float(os.environ.get("STORM_SECONDS") or 60)
CONNECTIONS = int(os.environ.get("STORM_CONNECTIONS") or 16)
SEED = int(os.environ.get("STORM_SEED") or random.randrange(1 << 30))
IN_DOUBT_MAX_S = 5.0
ACKED_PER_S = 3  # fewer are no storm: nothing was shown


class Storm(xatest.Case):
    world_class = storm.World
    world_options = {"proxy_options": "wal_segment_size = 256K", "backend_options": "lock_wait = 2s\ncommit_timeout = 3s"}

    def prepare(self):
        accounts = ",".join(f"({i},{START},0)" for i in range(ACCOUNTS))
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            self.world.server[name].script(
                [f"CREATE TABLE {schema}.account (id INT PRIMARY KEY, balance BIGINT NOT NULL, last BIGINT NOT NULL) "
                 "ENGINE=InnoDB",
                 f"CREATE TABLE {schema}.journal (id BIGINT PRIMARY KEY, l INT, r INT, amount INT) ENGINE=InnoDB",
                 f"CREATE TABLE {schema}.solo (id BIGINT PRIMARY KEY) ENGINE=InnoDB",
                 f"CREATE TABLE {schema}.auto (id BIGINT PRIMARY KEY) ENGINE=InnoDB",
                 f"INSERT INTO {schema}.account VALUES " + accounts])
        for i in range(ACCOUNTS):
            self.redis().set(f"last:{i}", 0)
            for side in ("left", "right"):
                self.redis().hset(f"{side}:{i}", "balance", START)

    def test_storm(self):
        self.prepare()
        print(f"# seed {SEED}, {CONNECTIONS} connections, {SECONDS:.0f} s", flush=True)
        stop, ledger = threading.Event(), storm.Ledger()
        gauge = storm.Gauge(self.world, stop)
        weather = storm.Weather(self.world, gauge, SEED)
        clients = [storm.Client(self.world, ledger, SEED * 1000 + i, stop) for i in range(CONNECTIONS)]
        for thread in [gauge, *clients]:
            thread.start()
        self.blow(weather, ledger)
        self.all_work_again(clients)
        stop.set()
        for thread in [gauge, *clients]:
            thread.join(60)
            self.assertFalse(thread.is_alive(), "a client hangs")
        settled = self.world.settle()
        self.report(ledger, weather, gauge, settled)
        self.judge(ledger)
        self.nothing_left()
        self.assertLessEqual(max(gauge.ages, default=0), IN_DOUBT_MAX_S + 0.5, f"in doubt for too long: {gauge.oldest}")
        self.assertEqual([text for text in ledger.errors if "timed out" in text], [],
                         "a client had to wait for its answer for ever")

    @staticmethod
    def blow(weather, ledger):
        begun = told = time.monotonic()
        while time.monotonic() - begun < SECONDS:
            weather.strike()
            if time.monotonic() - told > 10:
                told = time.monotonic()
                print(f"# {told - begun:.0f} s: {ledger.acked()} acknowledged, {dict(weather.done)}", flush=True)

    def all_work_again(self, clients):
        """Once nothing breaks any more, everybody's transactions are acknowledged again."""
        before = {client: client.acked for client in clients}
        xatest.until(lambda: all(client.acked > before[client] for client in clients), 20,
                     lambda: "no transaction of some clients comes through any more:\n" + self.world.proxy.log_tail(20))

    @staticmethod
    def report(ledger, weather, gauge, settled):
        ages = sorted(gauge.ages)
        p99 = ages[int(len(ages) * 0.99)] if ages else 0
        told = {outcome: dict(collections.Counter(ledger.kind[n] for n in numbers)) for outcome, numbers in ledger.told.items()}
        print(f"# told {told}\n# weather {dict(weather.done)}")
        for text, times in ledger.errors.most_common(15):
            print(f"# {times} x {text}")
        print(f"# in doubt: {len(ages)}, max {max(ages, default=0):.1f} s, p99 {p99:.1f} s; "
              f"settled {settled:.2f} s after the end",
              flush=True)

    def judge(self, ledger):
        left = {row[0]: row[1:] for row in self.world.direct("s1", "SELECT * FROM t1.journal")}
        right = {row[0]: row[1:] for row in self.world.direct("s2", "SELECT * FROM t2.journal")}
        self.assertEqual(left, right, "half done")
        self.judge_kind(ledger, "transfer", set(left))
        self.assertGreater(len(ledger.of("transfer", "acked")), ACKED_PER_S * SECONDS, "the storm was a calm")
        for kind in ("solo", "auto"):
            self.judge_kind(ledger, kind, {row[0] for name, schema in (("s1", "t1"), ("s2", "t2"))
                                           for row in self.world.direct(name, f"SELECT id FROM {schema}.{kind}")})
        self.judge_redis(ledger)
        self.judge_balances(left)

    def judge_kind(self, ledger, kind, there):
        self.assertEqual(ledger.of(kind, "acked") - there, set(), f"{kind}: acknowledged and lost")
        self.assertEqual(there - ledger.of(kind, "acked") - ledger.of(kind, "unknown"), set(), f"{kind}: refused and there")

    def judge_redis(self, ledger):
        client = self.redis()
        for kind in ("mirror", "call"):
            there = {int(field) for i in range(BUCKETS) for field in client.hkeys(f"{kind}:{i}")}
            self.judge_kind(ledger, kind, there)
            if kind == "mirror":
                self.assertEqual({int(one) for one in client.smembers("mirrors")}, there, "half done in Redis")

    def judge_balances(self, transfers):
        expected = {(side, i): START for side in ("left", "right") for i in range(ACCOUNTS)}
        lists = collections.defaultdict(set)
        for number, (l, r, amount) in transfers.items():
            expected["left", l] -= amount
            expected["right", r] += amount
            lists[r].add(number)
        tables = {(side, i): balance for side, name, schema in (("left", "s1", "t1"), ("right", "s2", "t2"))
                  for i, balance in self.world.direct(name, f"SELECT id, balance FROM {schema}.account")}
        self.assertEqual(tables, expected, "the tables do not add up to the transfers")
        self.assertEqual(sum(tables.values()), 2 * ACCOUNTS * START)
        client = self.redis()
        self.assertEqual({(side, i): int(client.hget(f"{side}:{i}", "balance")) for side, i in tables}, tables,
                         "Redis differs from the tables")
        self.assertEqual({i: int(client.get(f"last:{i}")) for i in range(ACCOUNTS)},
                         dict(self.world.direct("s1", "SELECT id, last FROM t1.account")),
                         "Redis' last writers differ from the table's")
        self.assertEqual({i: sorted(map(int, client.lrange(f"list:{i}", 0, -1))) for i in range(ACCOUNTS)},
                         {i: sorted(lists[i]) for i in range(ACCOUNTS)}, "Redis' lists differ from the journal")

    def nothing_left(self):
        """No transaction open on a server, nothing in doubt or in conflict by the proxy's own account, every row and key free."""
        for name, server in self.world.server.items():
            xatest.until(lambda server=server: not server.open_transactions(), 5, f"transactions are open on {name}")
        with open(self.world.proxy.path("log"), encoding="utf-8", errors="replace") as log:
            bad = re.compile(" heuristic |check_failed|Sanitizer|runtime error")
            self.assertEqual([text for text in log if bad.search(text)], [])
        with contextlib.closing(self.world.admin()) as db:
            for statement in ("SHOW IN DOUBT", "SHOW CONFLICTS"):
                self.assertEqual(self.rows(db, statement), (), statement)
        db = self.connect()
        self.run_sql(db, "BEGIN", "UPDATE t1.account SET balance = balance + 1", "UPDATE t2.account SET balance = balance + 1",
                     *(f"CALL cache.{command}" for i in range(ACCOUNTS) for command in
                       (f"HINCRBY('left:{i}', 'balance', 1)", f"HINCRBY('right:{i}', 'balance', 1)",
                        f"DEL('last:{i}', 'list:{i}')")),
                     "COMMIT")
