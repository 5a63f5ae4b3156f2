"""Everything comes back: random transactions over every form of every write, through the proxy, rolled back or restored to
savepoints; the state of each server before and after. RANDOM_UNDO says how many (check-full: 100000 a server); RANDOM_UNDO_SEED
repeats one run."""
import os
import random
import stat
import subprocess

import pymysql
import undoing
import xatest

TRANSACTIONS = int(os.environ.get("RANDOM_UNDO", "400"))
SEED = int(os.environ.get("RANDOM_UNDO_SEED", random.randrange(1 << 32)))
BROKEN = {1105, 1402, 2006, 2013}  # errors that no command may have on a server that lives


class World(xatest.World):
    schemas, tables = {"s1": ["t1"]}, {}
    cache_options = ("--appendonly", "no")  # durable it is in other tests


class WorldNewer(World):
    cache_class = xatest.servers.NewerRedis


class WorldValkey(World):
    cache_class = xatest.servers.Valkey


class Redis70(xatest.Case):
    failureException = xatest.Broken
    world_class = World
    world_options = {"redis_options": "scripts = declared\nlock_wait = 100ms\ntimeout = 20s", "workers": 1}

    def setUp(self):
        self.r = self.redis(encoding="latin-1")
        self.r.response_callbacks.clear()  # replies as they come, whatever the driver would make of them
        self.db = self.connect()
        self.told, self.refusals, self.statements = [], 0, 0

    def tearDown(self):
        self.close(self.db)

    def sql(self, text):
        self.told.append(text)
        self.run_sql(self.db, text)

    def write(self, command):
        """An error is an answer like any other: then it has done nothing."""
        self.told.append(" ".join(word if len(word) < 60 else f"{word[:20]}..." for word in command))
        self.statements += 1
        sql, args = undoing.call_of(command)
        try:
            with self.db.cursor() as cursor:
                cursor.execute(sql, args)
        except pymysql.err.MySQLError as error:
            self.assertNotIn(error.args[0], BROKEN, f"{error}, after {self.told}")
            self.refusals += 1

    @staticmethod
    def plain(state):
        """Without what the open transaction keeps there, which changes."""
        state.keys = {key: value for key, value in state.keys.items() if not key.startswith("xa:{")}
        return state

    def expect(self, state, when):
        now = undoing.State(self.r)
        found = state.differences(self.plain(now) if when == "ROLLBACK TO" else now)
        self.assertEqual(found, [], f"{when} of {self.told}")

    def transaction(self, writes):
        before, self.told = undoing.State(self.r), []
        self.sql("BEGIN")
        for command in writes.some(6):
            self.write(command)
        if writes.random.random() < 0.3:
            at = undoing.State(self.r)
            self.sql("SAVEPOINT here")
            for command in writes.some(4):
                self.write(command)
            self.sql("ROLLBACK TO here")
            self.expect(self.plain(at), "ROLLBACK TO")
            for command in writes.some(2):
                self.write(command)
        self.sql("ROLLBACK")
        self.expect(before, "ROLLBACK")

    def vary(self, writes):
        """Another state to begin with: some writes past the proxy, which nobody takes back."""
        pipe = self.r.pipeline(transaction=False)
        for command in writes.some(12):
            pipe.execute_command(*command)
        pipe.execute(raise_on_error=False)

    def test_random_transactions_leave_no_trace(self):
        print(f"# seed {SEED}", flush=True)
        writes = undoing.Writes(SEED)
        for n in range(TRANSACTIONS):
            if n % 20 == 0:
                undoing.seed(self.r)
            elif n % 2:
                self.vary(writes)
            self.transaction(writes)
            if n and n % 10000 == 0:
                print(f"# {n} transactions, {self.statements} writes", flush=True)
        info = self.redis().info("server")
        print(f"# {TRANSACTIONS} transactions, {self.statements} writes, {self.refusals} of them refused or in error,"
              f" {len(writes.used)} of {len(writes.forms)} forms, on {info.get('valkey_version') or info['redis_version']}: no difference", flush=True)
        self.assertEqual(self.rows(self.db, "SELECT 1"), ((1,),))


class NewerRedis(Redis70):
    world_class = WorldNewer

    def test_the_library_on_this_server(self):
        """The programs of tests/unit that stand on redis-server elsewhere."""
        script = os.path.join(self.world.directory, "redis-server")
        with open(script, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\nexec " + " ".join(self.world.cache.program()) + ' "$@"\n')
        os.chmod(script, stat.S_IRWXU)
        for name in ("comp_table", "comp_elements", "comp_redis", "comp_commands", "comp_tail", "comp_series", "resp_types"):
            with self.subTest(name):
                done = subprocess.run([os.path.join(xatest.BUILD, "tests", "unit", f"test_{name}")], text=True, check=False,
                                      env={**os.environ, "REDIS_SERVER": script, "srcdir": xatest.SOURCE},
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                self.assertEqual(done.returncode, 0, done.stdout[-4000:])


class Valkey(NewerRedis):
    world_class = WorldValkey
