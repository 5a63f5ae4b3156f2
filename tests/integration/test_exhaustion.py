"""Something runs out (descriptors, memory, disk, time before the shutdown): the proxy says so, stays up, and recovers."""
import contextlib
import os
import resource
import signal
import subprocess
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
            client = Raw(self.world.proxy.port, self.world.certs)
            crowd.append(client)
            try:
                refused += error_code(client.packet()) != 0
            except Gone:
                refused += 1
        self.assertGreater(refused, 50)
        self.transaction(good, 2)
        with self.assertRaises((pymysql.err.MySQLError, OSError)):
            self.world.connect()
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

    def test_it_takes_as_many_as_it_may(self):
        old = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, old[1]))
        try:
            self.world.restart_proxy()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, old)
        self.assertEqual(resource.prlimit(self.world.proxy.pid, resource.RLIMIT_NOFILE), (old[1], old[1]))

    def test_memory_of_idle_clients(self):
        self.connect()
        before = self.memory_kib()
        for _ in range(500):
            self.connect()
        each = (self.memory_kib() - before) / 500
        print(f"# resident memory of an idle client through TLS: {each:.1f} KiB")
        with open(os.path.join(xatest.BUILD, "xaproxy"), "rb") as program:
            self.assertLess(each, 500 if b"__asan_init" in program.read() else 32)


class Shutdown(Exhaustion):
    world_options = {"proxy_options": "drain_timeout = 40s"}

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
        proxy.wait_gone(120)
        took = time.monotonic() - begun
        self.assertEqual(proxy.status, 0, proxy.log_tail())
        self.assertEqual(self.world.in_doubt(), [])
        self.assertEqual([field for field in self.world.cache.open_fields()], [])
        end()
        print(f"# drained within {took:.2f} s after {len(told)} transactions")
        self.assertLess(took, 30, "the load kept it from ending")
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
            self.assertTrue(proxy.alive() or not between, "a transaction is open, and it has 40 s")

            def over():
                proxy.signal(signal.SIGTERM)  # two that come before the first is seen are one
                return not proxy.alive()
            self.assertTrue(xatest.happens(over, 20), proxy.log_tail())
            proxy.wait_gone()
            self.assertEqual(proxy.status, 0, proxy.log_tail())
        self.world.start_all()
        self.agree()

    def test_a_drain_has_an_end(self):
        def drain_timeout(value):
            self.world.options["proxy"] = f"drain_timeout = {value}"
            self.world.write_config()

        drain_timeout("1s")
        self.world.restart_proxy()
        stays = self.connect()
        self.run_sql(stays, "BEGIN", "UPDATE account.account SET balance = 0 WHERE user = 'user1'")
        begun = time.monotonic()
        self.world.proxy.signal(signal.SIGTERM)
        self.world.proxy.wait_gone(40)
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertEqual(self.world.proxy.status, 0)
        drain_timeout("40s")
        self.world.start_all()
        self.agree()


class OnSmallDisk(xatest.World):
    """The log has a file system of its own, of 1 MiB."""

    def start_proxy(self, failpoint=None):
        where = os.path.join(self.directory, "proxy", "data")
        if not os.path.ismount(where):
            os.makedirs(where, exist_ok=True)
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "xaproxy-test", where], check=False,
                                  capture_output=True)
            if done.returncode:
                raise xatest.servers.Skip("mounting a file system needs root")
        super().start_proxy(failpoint)

    def wipe(self):
        if self.proxy.alive():
            self.proxy.crash()
        subprocess.run(["umount", os.path.join(self.directory, "proxy", "data")], check=False, capture_output=True)
        super().wipe()


class Disk(Exhaustion):
    world_class = OnSmallDisk
    world_options = {"proxy_options": "wal_segment_size = 64K\nwal_max_size = 1M\nsweep_interval = 200ms"}

    def fill(self):
        """Whatever else lives on that disk takes all that is left."""
        with contextlib.suppress(OSError), open(self.ballast(), "wb", buffering=0) as f:
            while f.write(b"x" * 4096):
                pass

    def ballast(self):
        return os.path.join(self.world.directory, "proxy", "data", "ballast")

    def until_refused(self, number):
        """Transactions until the first that is refused; how many were not, and what was said."""
        for n in range(2000):
            try:
                with contextlib.closing(self.world.connect()) as db:
                    self.transaction(db, number + n)
            except (pymysql.err.MySQLError, OSError) as error:
                return n, error.args
        raise AssertionError("the log is never full")

    def commits(self, number):
        try:
            with contextlib.closing(self.world.connect()) as db:
                self.transaction(db, number)
            return True
        except pymysql.err.MySQLError as error:
            self.assertEqual(error.args[0], 1041)
            return False

    def test_a_full_disk(self):
        # An open transaction that has written to Redis keeps all of the log behind it, so that its segments grow. Its decision is as
        # large as those of the others: a smaller one may find room where they do not.
        xatest.Order.stock_up(self.world, [1])
        opened = self.connect()
        self.run_sql(opened, "BEGIN", "CALL cache.SET('opened', 'x')", "INSERT INTO orders.orders VALUES (9000, 'u', 's', 1)",
                     "UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = 'sku1'")
        self.fill()
        acked, refusal = self.until_refused(1)
        print(f"# disk full after {acked} transactions: {refusal}")
        self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail())
        self.assertEqual(refusal[0], 1041, refusal)
        self.assertFalse(self.commits(4000), "and the next one too")
        self.assertEqual(self.rows(self.connect(), "SELECT COUNT(*) FROM orders.orders")[0][0], acked)
        self.refused(1041, opened, "COMMIT")
        os.unlink(self.ballast())
        xatest.until(lambda: self.commits(5000), 5, "not of use again with room on the disk")
        self.assertEqual(self.agree(), acked + 1)
        self.assertIsNone(self.redis().get("opened"))
        self.assertEqual(self.world.direct("s2", "SELECT pieces FROM stock.stock")[0][0], xatest.Order.PIECES)
