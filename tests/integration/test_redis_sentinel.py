"""A master that Sentinels name: failover under transactions, to a replica that lags or not, and what is lost with the old one."""
import os
import signal
import threading
import time

import xatest
from xatest import servers


class World(xatest.World):
    def __init__(self, **more):
        super().__init__(**more)
        self.pair = [servers.Redis(os.path.join(self.directory, "one"), ["--repl-timeout", "3"]),
                     servers.Redis(os.path.join(self.directory, "two"), ["--repl-timeout", "3"])]
        self.pair[1].options += ["--replicaof", "127.0.0.1", str(self.pair[0].port)]
        self.sentinels = [servers.Sentinel(os.path.join(self.directory, f"sentinel{i}"), self.pair[0].port) for i in range(2)]

    def start(self, failpoint=None):
        for one in [*self.pair, *self.sentinels]:
            one.start()
        xatest.until(self.at_rest, 20, "master, replica and Sentinels do not come together")
        return super().start(failpoint)

    def master(self):
        """As the Sentinels say, unless they do not agree yet."""
        ports = {sentinel.master_port() for sentinel in self.sentinels}
        return next((one for one in self.pair if ports == {one.port}), None)

    def at_rest(self):
        """One master, one replica that follows it, Sentinels that know both."""
        master = self.master()
        if not master or not all(one.alive() for one in self.pair):
            return False
        role, _, replicas = master.client().execute_command("ROLE")
        slave = next(one for one in self.pair if one is not master).client().execute_command("ROLE")
        known = all(any(r["flags"] == "slave" for r in sentinel.replicas()) for sentinel in self.sentinels)
        return role == b"master" and len(replicas) == 1 and slave[0] == b"slave" and slave[2] == master.port \
            and slave[3] == b"connected" and known

    def parts(self):
        return super().parts() + self.sentinels + self.pair

    def config_lines(self):
        yield from super().config_lines()
        nodes = " ".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        for name, more in (("ha", "lock_wait = 2s"), ("sure", "db = 1\ndurability = wait\ndurability_timeout = 500ms")):
            yield from (f"[redis {name}]", "mode = sentinel", f"nodes = {nodes}", "master_name = shop",
                        f"sentinel_password = {servers.Sentinel.PASSWORD}", "timeout = 3s", more)

    def wait_judged(self):
        super().wait_judged()
        self.proxy.wait_judged([("resource", "ha"), ("resource", "sure")])


@xatest.only("mariadb")
class Sentinel(xatest.Case):
    world_class = World

    def setUp(self):
        for one in [*self.world.pair, *self.world.sentinels]:
            one.signal(signal.SIGCONT)
            one.start()
        self.come_to_rest()
        xatest.until(lambda: self.verdict()[2] == "yes", 20, lambda: self.verdict())
        self.db = self.connect()
        self.old = self.world.master()
        self.new = next(one for one in self.world.pair if one is not self.old)
        self.old.client().flushall()

    def come_to_rest(self):
        """Sentinels take 8 s and more to make an old master a replica: done for them."""
        xatest.until(self.world.master, 30, "Sentinels do not agree")
        master = self.world.master()
        for one in self.world.pair:
            if one is not master and one.client().execute_command("ROLE")[0] == b"master":
                one.client().replicaof("127.0.0.1", master.port)
        xatest.until(self.world.at_rest, 30, "not at rest again")

    def verdict(self, resource="ha"):
        db = self.world.admin()
        try:
            return next(row for row in self.rows(db, "SHOW REDIS") if row[0] == resource)
        finally:
            self.close(db)

    def works(self, resource="ha"):
        try:
            self.run_sql(self.db, "ROLLBACK", "BEGIN", f"CALL {resource}.SET('probe', 'v')", "COMMIT")
            return True
        except xatest.pymysql.err.MySQLError:
            return False

    def wait_failover(self):
        xatest.until(lambda: self.world.master() is self.new, 30, "no failover")
        xatest.until(lambda: self.new.client().execute_command("ROLE")[0] == b"master", 10, "no new master")

    def wait_followed(self):
        xatest.until(lambda: self.verdict()[1] == f"127.0.0.1:{self.new.port}", 5, "not followed")

    def wait_replicated(self):
        """What was written up to now, on a connection of its own behind a write of its own."""
        def replicated():
            client = self.old.client(single_connection_client=True)
            client.incr("replicated")
            return client.wait(1, 1000)
        xatest.until(replicated, 15, "the replica does not have it")

    def cut_replication(self):
        """What the master is told from now on does not reach the replica, which sleeps."""
        self.new.signal(signal.SIGSTOP)
        self.old.client().client_kill_filter(_type="slave")

    def settled(self):
        xatest.until(lambda: not self.new.open_fields(), 10, lambda: self.new.open_fields())
        self.assertEqual(self.world.in_doubt(), [])

    # --- nothing is lost ---

    def test_verdict(self):
        row = self.verdict()
        self.assertEqual((row[1], row[2], row[3]), (f"127.0.0.1:{self.old.port}", "yes", "yes"))
        self.assertIn("good: master", row[5])

    def test_failover_under_an_open_transaction_that_the_replica_has(self):
        self.run_sql(self.db, "BEGIN", "CALL ha.SET('k', 'v')", "INSERT INTO orders.orders VALUES (1, 'u', 's', 1)")
        self.wait_replicated()
        self.world.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", "shop")
        self.wait_failover()
        self.wait_followed()
        self.run_sql(self.db, "CALL ha.APPEND('k', '!')", "COMMIT")
        self.assertEqual(self.new.client().get("k"), b"v!")
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = 1"), ((1,),))
        self.settled()

    def test_master_dies_and_work_goes_on_with_the_other(self):
        self.assertTrue(self.works())
        self.wait_replicated()
        self.old.crash()
        self.wait_failover()
        xatest.until(self.works, 20, lambda: self.verdict())
        self.wait_followed()

    def test_library_missing_on_the_new_master(self):
        self.new.client().execute_command("REPLICAOF", "NO", "ONE")
        self.new.client().execute_command("FUNCTION", "FLUSH")
        self.old.crash()
        self.wait_failover()
        xatest.until(self.works, 20, lambda: self.verdict())
        self.assertIn(b"xaproxy1", self.new.client().execute_command("FUNCTION", "LIST")[0])

    # --- something is lost ---

    def test_lagging_replica_before_the_decision(self):
        """Its writes are not there: the vote says so, and everything is rolled back."""
        self.old.client().set("kept", "before")
        self.wait_replicated()
        self.cut_replication()
        self.run_sql(self.db, "BEGIN", "INSERT INTO orders.orders VALUES (2, 'u', 's', 1)", "CALL ha.SET('kept', 'after')",
                     "CALL ha.SET('fresh', 'after')")
        self.old.crash()
        self.new.signal(signal.SIGCONT)
        self.wait_failover()
        with self.assertRaises(xatest.pymysql.err.MySQLError) as caught:
            self.rows(self.db, "COMMIT")
        self.assertNotEqual(caught.exception.args[0], 2013, caught.exception)
        self.assertEqual(self.new.client().mget("kept", "fresh"), [b"before", None])
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = 2"), ((0,),))
        self.settled()

    def test_split_brain(self):
        """The old master still answers who asks it: what it was told is dropped when it follows, and nobody relies on it."""
        self.cut_replication()
        self.run_sql(self.db, "BEGIN", "INSERT INTO orders.orders VALUES (3, 'u', 's', 1)", "CALL ha.SET('split', 'old')")
        self.old.signal(signal.SIGSTOP)
        self.new.signal(signal.SIGCONT)
        self.wait_failover()
        self.old.signal(signal.SIGCONT)
        self.wait_followed()
        with self.assertRaises(xatest.pymysql.err.MySQLError):
            self.rows(self.db, "COMMIT")
        self.assertIsNone(self.new.client().get("split"))
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = 3"), ((0,),))
        xatest.until(self.works, 20, lambda: self.verdict())
        self.assertEqual(self.new.client().get("probe"), b"v")
        self.settled()

    def test_durability_asks_the_replica_before_the_decision(self):
        """Without it, the loss after the decision is the price of a lagging replica; with it there is no decision."""
        self.new.signal(signal.SIGSTOP)
        try:
            self.run_sql(self.db, "BEGIN", "INSERT INTO orders.orders VALUES (4, 'u', 's', 1)", "CALL sure.SET('k', 'v')")
            self.refused(1402, self.db, "COMMIT")
        finally:
            self.new.signal(signal.SIGCONT)
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = 4"), ((0,),))
        self.assertIsNone(self.old.client(db=1).get("k"))
        xatest.until(lambda: self.works("sure"), 10, lambda: self.verdict("sure"))

    def test_committed_and_forgotten_comes_back_and_is_ended_again(self):
        """The end did not reach the replica: the decision is still known."""
        self.run_sql(self.db, "BEGIN", "CALL ha.SET('end', 'v')")
        self.wait_replicated()
        self.cut_replication()
        self.rows(self.db, "COMMIT")
        self.assertEqual(self.old.open_fields(), [])
        self.old.crash()
        self.new.signal(signal.SIGCONT)
        self.wait_failover()
        self.settled()
        self.assertEqual(self.new.client().get("end"), b"v")

    # --- Sentinels ---

    def test_one_sentinel_is_enough(self):
        self.world.sentinels[0].crash()
        self.world.restart_proxy()
        self.db = self.connect()
        xatest.until(self.works, 10, lambda: self.verdict())

    def test_no_sentinel_leaves_what_works_alone(self):
        for sentinel in self.world.sentinels:
            sentinel.crash()
        for _ in range(20):
            self.run_sql(self.db, "BEGIN", "CALL ha.SET('alone', 'v')", "COMMIT")
            time.sleep(0.05)
        self.assertEqual(self.verdict()[2], "yes")

    def test_load_over_failovers(self):
        """Counters over failovers: with the replica's word before each decision nothing acknowledged is lost; no lock stays."""
        stop, trouble, done = threading.Event(), [], []

        def work(key):
            db = self.connect()
            while not stop.is_set():
                try:
                    self.run_sql(db, "BEGIN", f"CALL sure.INCR('{key}')", "COMMIT")
                    done.append(key)
                except xatest.pymysql.err.MySQLError as error:
                    if error.args[0] in (2006, 2013):
                        trouble.append(error)
                        return
                    self.rows(db, "ROLLBACK")
        threads = [threading.Thread(target=work, args=(f"n{i}",), daemon=True) for i in range(3)]
        for thread in threads:
            thread.start()
        self.world.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", "shop")
        self.wait_failover()
        self.come_to_rest()
        xatest.until(lambda: self.works("sure"), 10, lambda: self.verdict("sure"))
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(trouble, [])
        master = self.world.master()
        xatest.until(lambda: not master.open_fields(), 10, lambda: master.open_fields())
        counts = {f"n{i}": int(master.client(db=1).get(f"n{i}") or 0) for i in range(3)}
        self.assertEqual(counts, {key: done.count(key) for key in counts})
        print(f"# {len(done)} committed over a failover")
