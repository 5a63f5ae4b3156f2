"""A storm as a test: prepares, lets it blow, judges. What it blows over, and how, is for the tests to say."""
import collections
import contextlib
import math
import os
import random
import re
import threading
import time

import storm
import storm_actions
import storm_kinds
import xatest

SECONDS = float(os.environ.get("STORM_SECONDS") or 0)  # 0: as long as the test says
CONNECTIONS = int(os.environ.get("STORM_CONNECTIONS") or 16)
SEED = int(os.environ.get("STORM_SEED") or random.randrange(1 << 30))


class Case(xatest.Case):
    failureException = xatest.Broken
    world_class, weather_class = storm.World, storm.Weather
    kinds = storm_kinds.PLAIN + storm_actions.ACTIONS
    seconds = SECONDS or 60
    acked_per_s = 3  # fewer are no storm: nothing was shown
    in_doubt_max_s = math.inf
    world_options = {"proxy_options": "wal_segment_size = 256K\nsaga_wait = 1s",
                     "backend_options": "lock_wait = 2s\ncommit_timeout = 3s"}

    def prepare(self, kinds):
        for kind in kinds:
            for table, columns in kind.tables.items():
                own = "" if columns is None else f" PRIMARY KEY{columns and ', ' + columns}"
                self.world.direct({"t1": "s1", "t2": "s2"}[table.split(".")[0]],
                                  f"CREATE TABLE {table} (id BIGINT{own}) ENGINE=InnoDB")
            kind.seed(storm_kinds.Aftermath(self, None))

    def storm(self):
        """Each judgement is made, whatever comes of those before it."""
        kinds = [kind() if isinstance(kind, type) else kind for kind in self.kinds]
        self.prepare(kinds)
        print(f"# seed {SEED}, {CONNECTIONS} connections, {self.seconds:.0f} s", flush=True)
        stop, ledger = threading.Event(), storm.Ledger()
        gauge = storm.Gauge(self.world, kinds, stop)
        weather = self.weather_class(self.world, gauge, SEED)
        clients = [storm.Client(self.world, kinds, ledger, SEED * 1000 + i, stop) for i in range(CONNECTIONS)]
        for thread in [gauge, *clients]:
            thread.start()
        self.blow(weather, ledger)
        with self.subTest("all work again"):
            self.all_work_again(clients)
        stop.set()
        for thread in [gauge, *clients]:
            thread.join(60)
            self.assertFalse(thread.is_alive(), "a client hangs")
        with self.subTest("it comes to rest"):
            self.nobody_left()
            settled = self.world.settle()
            print(f"# settled {settled:.2f} s after the end")
            self.actions_done()
        self.report(ledger, weather, gauge)
        self.judge(kinds, ledger)
        self.tell_left()
        with self.subTest("nothing left"):
            self.nothing_left()
        with self.subTest("in doubt"):
            if max(gauge.ages, default=0) > self.in_doubt_max_s:  # a measure of time: a machine may stand still for once
                raise AssertionError(f"in doubt for too long: {gauge.oldest}")
        with self.subTest("answers"):
            own = [text for text in ledger.errors if not text.startswith("1")]  # the driver's; an answer tells of servers
            self.assertEqual([text for text in own if "timed out" in text], [], "a client had to wait for its answer for ever")
        with self.subTest("enough"):
            if ledger.acked() <= self.acked_per_s * self.seconds:
                raise AssertionError(f"the storm was a calm: {ledger.acked()} acknowledged")

    def redis(self, **_more):
        return self.world.past("cache")

    def blow(self, weather, ledger):
        begun = told = time.monotonic()
        while time.monotonic() - begun < self.seconds or weather.due:
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
    def report(ledger, weather, gauge):
        ages = sorted(gauge.ages)
        p99 = ages[int(len(ages) * 0.99)] if ages else 0
        told = {outcome: dict(collections.Counter(ledger.kind[n] for n in numbers)) for outcome, numbers in ledger.told.items()}
        print(f"# told {told}\n# weather {dict(weather.done)}")
        for text, times in ledger.errors.most_common(15):
            print(f"# {times} x {text}")
        print(f"# in doubt: {len(ages)}, max {max(ages, default=0):.1f} s, p99 {p99:.1f} s", flush=True)

    def judge(self, kinds, ledger):
        after = storm_kinds.Aftermath(self, ledger)
        for kind in kinds:
            with self.subTest(kind.name):
                kind.judge(after)
                if ledger.acked() > 1000:
                    self.assertTrue(ledger.of(kind.name, "acked"), f"no {kind.name} came through")

    def actions_done(self):
        with contextlib.closing(self.world.connect()) as db:
            xatest.until(lambda: not self.rows(db, "SELECT * FROM xa.actions"), 70,  # one may wait for a minute
                         lambda: self.rows(db, "SELECT * FROM xa.actions"))

    def nobody_left(self):
        """The last word of a client that has gone may still be under way."""
        with contextlib.closing(self.world.admin()) as db:
            xatest.until(lambda: len(self.rows(db, "SHOW PROCESSLIST")) == 1, 20, lambda: self.rows(db, "SHOW PROCESSLIST"))
        for name, server in self.world.server.items():
            xatest.until(lambda server=server: not server.open_transactions(), 5, f"transactions are open on {name}")

    def nothing_left(self):
        """No transaction open on a server, nothing in doubt or in conflict by the proxy's own account, every row and key free."""
        for name, server in self.world.server.items():
            xatest.until(lambda server=server: not server.open_transactions(), 5, f"transactions are open on {name}")
        with open(self.world.proxy.path("log"), encoding="utf-8", errors="replace") as log:
            bad = re.compile(" heuristic |check_failed|Sanitizer|runtime error")
            self.assertEqual([text for text in log if bad.search(text)], [])
        with contextlib.closing(self.world.admin()) as db:
            for statement in ("SHOW IN DOUBT", "SHOW CONFLICTS"):  # as its last look found them
                xatest.until(lambda sql=statement: not self.rows(db, sql), 5, lambda sql=statement: f"{sql}: {self.rows(db, sql)}")
        db = self.connect()
        self.run_sql(db, "BEGIN", *(f"UPDATE {schema}.account SET balance = balance + 1" for schema in ("t1", "t2")), "COMMIT")
        for i in range(storm_kinds.ACCOUNTS):
            self.run_sql(db, "BEGIN", *(f"CALL cache.HINCRBY('{side}:{i}', 'balance', 1)" for side in ("left", "right")),
                         *(f"CALL cache.DEL('{name}:{i}')" for name in ("last", "list", "locked", "counter")), "COMMIT")
        self.only_known_keys()

    def tell_left(self):
        fields = collections.Counter(field[:1] for client in self.world.databases() for key in client.scan_iter("xa:*:c", count=1000)
                                     for field in client.hkeys(key))
        print(f"# left: on servers {[len(one.open_transactions()) for one in self.world.server.values()]} transactions,"
              f" {len(self.world.in_doubt())} in doubt; in Redis {len(self.world.own_keys('*:s:*'))} images,"
              f" {len(self.world.own_keys('*:k'))} conflicts, control fields by kind {dict(fields)}", flush=True)

    def only_known_keys(self):
        """No image and no pending sum; of control fields epochs and, for a while, fences."""
        self.assertEqual(self.world.own_keys("*:s:*"), [])
        self.assertEqual(self.world.control_kinds() - set("EF"), set())
