"""No memory: the n-th allocation fails, or a client wants more than there is.

What a client's bytes need is refused to that client. Where anything else finds no memory the process ends by itself, as by
kill -9, and the next start settles everything: no transaction is half done, none that was acknowledged is lost. MALLOC_FAILURES
says how many allocations are tried (8).
"""
import contextlib
import itertools
import os
import random
import resource
import signal
import struct

import pymysql
import redisport
import xatest

FAILURES = int(os.environ.get("MALLOC_FAILURES") or 8)
SEED = int(os.environ.get("MALLOC_SEED") or (random.randrange(1 << 30) if "MALLOC_FAILURES" in os.environ else 1))
CONTROL = struct.Struct("qq")


def is_sanitized():
    """Then its allocations are not to be had."""
    with open(os.path.join(xatest.BUILD, "xaproxy"), "rb") as program:
        return b"__asan_init" in program.read()


class World(xatest.World):
    def __init__(self, **more):
        super().__init__(**more)
        self.control = os.path.join(self.directory, "malloc_fails")
        self.write(0)
        self.proxy.env.update(LD_PRELOAD=xatest.preload(self.directory, "malloc_fails.c"), MALLOC_FAILS=self.control)

    def write(self, left):
        with open(self.control, "r+b" if os.path.exists(self.control) else "wb") as f:
            f.write(CONTROL.pack(left, 0))

    def seen(self):
        with open(self.control, "rb") as f:
            return CONTROL.unpack(f.read())[1]


class NthAllocation(xatest.Case):
    world_class = World
    numbers = itertools.count(1)

    def order(self):
        number = next(self.numbers)
        xatest.Order.stock_up(self.world, [number])
        return xatest.Order(self.world, number)

    def count(self, login):
        order, db = self.order(), None if login else self.connect()
        self.world.write(0)
        self.assertEqual(order.execute("COMMIT", db).outcome, "acked")
        return self.world.seen()

    def test_one_allocation_fails(self):
        """Each time another one of those that a log-in, an order and what else goes on meanwhile need."""
        chance, ended = random.Random(SEED), 0
        self.world.proxy.faults = ()  # each end is looked at below
        self.count(False)  # opens what others will use
        total = {login: self.count(login) for login in (False, True)}
        print(f"# seed {SEED}: an order takes {total[False]} allocations, with a log-in {total[True]}")
        for i in range(FAILURES):
            login = i % 3 == 0
            nth = chance.randrange(1, total[login])
            with self.subTest(nth=nth, login=login):
                order, db = self.order(), None if login else self.connect()
                self.world.write(nth)
                order.execute(chance.choice(["COMMIT", "COMMIT", "ROLLBACK"]), db)
                with contextlib.suppress(AssertionError):
                    xatest.until(lambda: not self.world.proxy.alive(), 0.2, "")
                self.world.write(0)
                if not self.world.proxy.alive():
                    ended += 1
                    self.world.proxy.wait_gone()
                    self.assertEqual(self.world.proxy.status, -signal.SIGABRT, self.world.proxy.log_tail())
                self.world.start_all()
                self.world.settle()
                order.judge()
        print(f"# {FAILURES} allocations failed, {ended} ended the process, no order is half done or lost")


class Bytes(xatest.Case):
    world_options = {"proxy_options": "max_packet = 512M"}

    def test_a_statement_that_finds_no_memory(self):
        """It ends its connection, and nothing else; however much of what it needs is there."""
        xatest.Order.stock_up(self.world, range(1, 10))
        good, pid = self.connect(), self.world.proxy.pid
        self.assertEqual(xatest.Order(self.world, 1).execute("COMMIT", good).outcome, "acked")
        old = resource.prlimit(pid, resource.RLIMIT_AS)
        for number, mib in enumerate((10, 30, 80, 150), 2):
            with self.subTest(mib=mib):
                greedy = self.connect()
                resource.prlimit(pid, resource.RLIMIT_AS, (used(pid) + (40 << 20), old[1]))
                refused = False
                try:
                    self.rows(greedy, "SELECT LENGTH('" + "x" * (mib << 20) + "')")
                except (pymysql.err.MySQLError, OSError):
                    refused = True
                order = xatest.Order(self.world, number).execute("COMMIT", good)
                resource.prlimit(pid, resource.RLIMIT_AS, old)
                self.assertTrue(refused or mib < 40, "there was memory for it")
                self.assertEqual(order.outcome, "acked", f"{order.error}\n{self.world.proxy.log_tail()}")
                self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail())
        self.assertIn('why="no memory', self.world.proxy.log_of_this_life())


class RedisBytes(redisport.Case):
    world_options = {"proxy_options": "max_packet = 512M"}

    def test_a_command_that_finds_no_memory(self):
        """At the Redis port: refused, and nothing else suffers."""
        good, pid = self.plain(), self.world.proxy.pid
        self.assertTrue(good.set("a", 1))
        old = resource.prlimit(pid, resource.RLIMIT_AS)
        for mib in (10, 30, 80, 150):
            with self.subTest(mib=mib):
                greedy, said = self.raw(), b""
                resource.prlimit(pid, resource.RLIMIT_AS, (used(pid) + (40 << 20), old[1]))
                with contextlib.suppress(OSError):
                    greedy.sendall(redisport.command("SET", "big", b"x" * (mib << 20)))
                    said = greedy.recv(1000)
                went_on = good.incr("a")
                resource.prlimit(pid, resource.RLIMIT_AS, old)
                self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail())
                self.assertGreater(went_on, 1)
                self.assertTrue(said[:4] == b"-OOM" or (mib > 30 and not said) or (mib < 40 and said == b"+OK\r\n"), said)


def used(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return 1024 * int(next(line for line in status if line.startswith("VmSize")).split()[1])


if is_sanitized():
    del NthAllocation, Bytes, RedisBytes
