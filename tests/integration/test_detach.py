"""MariaDB's connections that end while their prepared branches are settled. An XA COMMIT or XA ROLLBACK between a thread's leaving
the list of processes and InnoDB's detaching its transaction answers OK and does nothing; here that takes half a second. And one
of the resolver's own that does not end when it is killed.
"""
import contextlib
import os

import xatest


class World(xatest.World):
    def __init__(self, **more):
        super().__init__(**more)
        for server in self.server.values():
            server.env["LD_PRELOAD"] = xatest.shared_object(self.directory, "closes_slowly.c")


class Detach(xatest.Case):
    world_class = World
    numbers = iter(range(1, 100))

    def crashed_at(self, point):
        """An order whose proxy dies there; all is settled by the next one."""
        order = xatest.Order(self.world, next(self.numbers))
        xatest.Order.stock_up(self.world, [order.number])
        self.world.restart_proxy(f"{point}:1:crash")
        order.execute()
        xatest.until(lambda: not self.world.proxy.alive(), 10, f"{point} was not hit")
        self.world.start_proxy()
        self.world.settle()
        return order

    def nothing_locked(self):
        """A branch that is forgotten by its server has its locks until that is started again."""
        for name, server in self.world.server.items():
            xatest.until(lambda server=server: not server.open_transactions(), 5, f"{name} has transactions that nobody ends")

    def test_a_commit_is_done(self):
        self.crashed_at("commit_sent").judge(expect=True)
        self.nothing_locked()

    def test_a_rollback_is_done(self):
        self.crashed_at("all_votes").judge(expect=False)
        self.nothing_locked()

    def configure(self, options):
        self.world.options["proxy"] = options
        self.world.write_config()

    def test_servers_that_have_just_begun_anew(self):
        """Before the proxy has looked at them again; it dies with connections to them that it opened meanwhile."""
        self.configure("sweep_interval = 1m")
        self.addCleanup(self.configure, "")
        order = xatest.Order(self.world, next(self.numbers))
        xatest.Order.stock_up(self.world, [order.number])
        self.world.restart_proxy("commit_sent:1:crash")
        for server in self.world.server.values():
            server.crash()
            server.start()
        order.execute()
        xatest.until(lambda: not self.world.proxy.alive(), 10, "commit_sent was not hit")
        self.configure("")
        self.world.start_proxy()
        self.world.settle()
        order.judge(expect=True)
        self.nothing_locked()

    def test_a_connection_that_is_killed(self):
        """Behind the decision, by somebody else, while the proxy lives."""
        order = xatest.Order(self.world, next(self.numbers))
        xatest.Order.stock_up(self.world, [order.number])
        self.world.restart_proxy("commit_sent:1:pause")
        thread = order.execute_in_thread()
        xatest.until(self.world.proxy.paused, 10, "commit_sent was not passed")
        for server in self.world.server.values():
            for connection in [one for one in server.open_transactions() if one]:
                server.query(f"KILL {connection}")
        self.world.proxy.resume()
        thread.join(30)
        self.world.settle()
        order.judge(expect=True)
        self.nothing_locked()


class SlowDiskWorld(xatest.World):
    def __init__(self, **more):
        super().__init__(backend_options="commit_timeout = 1s", **more)
        self.slow = os.path.join(self.directory, "slow")
        self.server["s2"].env.update(LD_PRELOAD=xatest.shared_object(self.directory, "slow_sync.c"), SLOW_SYNC=self.slow)


class SlowDisk(xatest.Case):
    """The resolver gives its connection up in the middle of an XA COMMIT, which no KILL ends. It holds the lock of our log."""

    world_class = SlowDiskWorld

    def test_transactions_go_on(self):
        xatest.Order.stock_up(self.world, [1, 2])
        self.world.restart_proxy("decided:1:crash")
        self.addCleanup(self.quick)
        order = xatest.Order(self.world, 1).execute()
        self.world.proxy.wait_gone()
        with open(self.world.slow, "wb"):
            self.world.proxy.start()
        log = self.world.proxy.log_tail
        xatest.until(lambda: 'why="held the lock of this log"' in log(100), 10, lambda: log(20))
        tries = self.tries()
        xatest.until(lambda: self.tries() >= tries + 2, 10, lambda: log(20))
        self.assertFalse("another resolver" in log(100), log(10))
        other = xatest.Order(self.world, 2).execute("ROLLBACK")
        self.assertIsNone(other.error)
        self.quick()
        self.world.settle()
        order.judge(expect=True)
        other.judge(expect=False)

    def tries(self):
        """So often s2 was judged, and the lock asked for; no try is told."""
        return int(self.world.direct("s2", "SHOW GLOBAL STATUS LIKE 'Com_show_variables'")[0][1])

    def quick(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.world.slow)
