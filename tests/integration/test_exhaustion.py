"""Something runs out (descriptors, memory, time before the shutdown): the proxy says so, stays up, and recovers."""
import contextlib
import os
import resource
import signal
import threading
import time

import pymysql
import xatest
from rawclient import Gone, Raw, error_code


class Exhaustion(xatest.Case):
    def transaction(self, db, number):
        """Both servers and Redis; numbers may come again."""
        self.run_sql(db, "BEGIN", f"INSERT INTO orders.orders VALUES ({number}, 'u', 's', 1)",
                     "UPDATE account.account SET balance = balance - 1 WHERE user = 'user1'",
                     "CALL cache.HINCRBY('balance:user1', 'balance', -1)", "COMMIT")

    def memory_kib(self):
        with open(f"/proc/{self.world.proxy.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    def agree(self):
        """What was taken from the account on the server was taken from its mirror and stands in the orders."""
        self.world.settle(10)
        balance = self.world.direct("s2", "SELECT balance FROM account.account WHERE user = 'user1'")[0][0]
        orders = self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders")[0][0]
        self.assertEqual((balance, int(self.redis().hget("balance:user1", "balance"))), (xatest.Order.BALANCE - orders,) * 2)
        return orders


class Descriptors(Exhaustion):
    world_options = {"proxy_options": "max_unauthenticated = 2000"}

    def test_no_descriptors_left(self):
        xatest.Order.stock_up(self.world, [1])
        good = self.connect()
        self.transaction(good, 1)
        old = resource.prlimit(self.world.proxy.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.world.proxy.pid, resource.RLIMIT_NOFILE, (64, old[1]))
        crowd, refused = [], 0
        for _ in range(120):
            client = Raw(self.world.proxy.port, self.world.certs, limit_s=2)
            crowd.append(client)
            try:
                refused += error_code(client.packet()) != 0
            except Gone:
                refused += 1
        self.assertGreater(refused, 50)
        self.transaction(good, 2)
        with self.assertRaises((pymysql.err.MySQLError, OSError)):
            self.world.connect(connect_timeout=2)
        for client in crowd:
            client.close()
        xatest.until(self.world.works, 10, "not of use again with descriptors to spare")
        # few are left, and sessions want connections to servers: errors, never a wrong answer
        def strain(seed):
            for i in range(3):
                with contextlib.suppress(pymysql.err.MySQLError, OSError), contextlib.closing(self.world.connect()) as db:
                    self.transaction(db, seed * 100 + i)
        threads = [threading.Thread(target=strain, args=(seed,)) for seed in range(1, 25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        resource.prlimit(self.world.proxy.pid, resource.RLIMIT_NOFILE, old)
        xatest.until(self.world.works, 15, "not of use again")
        self.assertGreaterEqual(self.agree(), 2)
        self.assertIn("accept_failed", self.world.proxy.log_of_this_life())

    def test_memory_of_idle_clients(self):
        self.connect()
        before = self.memory_kib()
        for _ in range(500):
            self.connect()
        each = (self.memory_kib() - before) / 500
        print(f"# resident memory of an idle client through TLS: {each:.1f} KiB")
        with open(os.path.join(xatest.BUILD, "xaproxy"), "rb") as program:
            self.assertLess(each, 500 if b"__asan_init" in program.read() else 60)


class Shutdown(Exhaustion):
    def setUp(self):
        self.world.start_all()
        if not self.redis().exists("stock:sku1"):
            xatest.Order.stock_up(self.world, [1])

    def in_transactions(self, n):
        """Clients that run transactions until the proxy is gone; what each was told."""
        over, told = threading.Event(), []

        def run(seed):
            for i in range(10000):
                if over.is_set():
                    return
                try:
                    with contextlib.closing(self.world.connect()) as db:
                        self.transaction(db, int(time.monotonic_ns() % 10**15) * 100 + seed)
                    told.append(i)
                except (pymysql.err.MySQLError, OSError):
                    time.sleep(0.01)
        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(n)]
        for thread in threads:
            thread.start()

        def end():
            over.set()
            for thread in threads:
                thread.join(60)
        self.addCleanup(end)
        xatest.until(lambda: len(told) > 3 * n, 20, "no transactions run")
        return told, end

    def test_a_drain_under_load_leaves_nothing(self):
        told, end = self.in_transactions(16)
        proxy = self.world.proxy
        begun = time.monotonic()
        proxy.signal(signal.SIGTERM)
        proxy.wait_gone(15)
        took = time.monotonic() - begun
        self.assertEqual(proxy.status, 0, proxy.log_tail())
        self.assertEqual(self.world.in_doubt(), [])
        self.assertEqual([field for field in self.world.cache.open_fields()], [])
        end()
        print(f"# drained within {took:.2f} s after {len(told)} transactions")
        self.assertLess(took, 9, "the load kept it from ending")
        self.world.start_all()
        self.assertGreaterEqual(self.agree(), len(told))

    def test_a_second_signal_ends_it_at_once(self):
        proxy = self.world.proxy
        for between in (0.3, 0):
            self.world.start_all()
            stays = self.connect()
            self.run_sql(stays, "BEGIN", "UPDATE account.account SET balance = 0 WHERE user = 'user1'")
            proxy.signal(signal.SIGTERM)
            time.sleep(between)
            self.assertTrue(proxy.alive() or not between, "a transaction is open, and it has 10 s")
            proxy.signal(signal.SIGTERM)
            proxy.wait_gone(3)
            self.assertEqual(proxy.status, 0, proxy.log_tail())
        self.world.start_all()
        self.agree()

    def test_a_drain_has_an_end(self):
        self.world.options["proxy"] = "drain_timeout = 1s"
        self.world.write_config()
        self.world.restart_proxy()
        stays = self.connect()
        self.run_sql(stays, "BEGIN", "UPDATE account.account SET balance = 0 WHERE user = 'user1'")
        begun = time.monotonic()
        self.world.proxy.signal(signal.SIGTERM)
        self.world.proxy.wait_gone(5)
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertEqual(self.world.proxy.status, 0)
        self.world.start_all()
        self.agree()
