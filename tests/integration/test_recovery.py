"""What a restart, a dead server and a person find: drains, foreign branches, transactions in doubt, xactl and waldump."""
import contextlib
import os
import re
import shutil
import subprocess
import threading
import time

import pymysql
import xatest

GTRID = re.compile(r"xap1:test:[0-9a-z]+:[0-9a-f]+:[0-9a-f]+-[0-9a-f]+")


class Recovery(xatest.Case):
    numbers = iter(range(1, 1000))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        xatest.Order.stock_up(cls.world, range(1, 100))

    def setUp(self):
        self.world.start_all()
        self.world.settle()

    def order(self):
        return xatest.Order(self.world, next(self.numbers))

    def xactl_argv(self, *args):
        return [os.path.join(xatest.BUILD, "xactl"), "--host", "127.0.0.1", "--port", str(self.world.proxy.admin_port),
                "--user", "dba", "--ca", f"{self.world.certs}/ca.crt", *args]

    @staticmethod
    def xactl_env():
        return {**os.environ, "MYSQL_PWD": xatest.PASSWORDS["dba"]}

    def xactl(self, *args, status=0):
        done = subprocess.run(self.xactl_argv(*args), env=self.xactl_env(), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=30, check=False)
        self.assertIn(done.returncode, status if isinstance(status, tuple) else (status,), f"xactl {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def foreign(self, server, gtrid, table_row):
        """A prepared branch that nobody of ours made."""
        db = self.world.server[server].root()
        self.run_sql(db, f"XA START '{gtrid}','b',1", f"INSERT INTO orders.orders VALUES ({table_row}, 'foreign', 'x', 1)",
                     f"XA END '{gtrid}','b',1", f"XA PREPARE '{gtrid}','b',1")
        db.close()
        xatest.until(lambda: not any(self.world.server[server].open_transactions()), 5, "not detached")

    def decided_with_a_dead_server(self):
        """An order whose decision is durable while s2 is dead; the order, the connection, what SHOW WARNINGS says."""
        self.world.restart_proxy("commit_sent:1:pause")
        order, db = self.order(), self.connect()
        thread = threading.Thread(target=order.execute, args=("COMMIT", db), daemon=True)
        thread.start()
        xatest.until(self.world.proxy.paused, 10, "commit_sent was not passed")
        self.world.server["s2"].crash()
        self.world.proxy.resume()
        thread.join(30)
        self.assertFalse(thread.is_alive(), "no answer to COMMIT")
        return order, db

    # --- dead servers ---

    def test_decided_commit_with_a_dead_server_is_ok_with_a_warning(self):
        order, db = self.decided_with_a_dead_server()
        self.assertEqual(order.outcome, "acked", order.error)
        self.assertRegex(str(self.rows(db, "SHOW WARNINGS")), GTRID)
        self.world.server["s2"].start()
        self.world.settle()
        order.judge(expect=True)

    def test_xactl_shows_what_is_in_doubt(self):
        order, _ = self.decided_with_a_dead_server()
        xatest.until(lambda: GTRID.search(self.xactl("in-doubt")), 5, "xactl does not list it")
        listed = self.xactl("in-doubt")
        gtrid = GTRID.search(listed)[0]
        self.assertIn("s2", listed)
        shown = self.xactl("show", gtrid)
        for word in ("commit", "app@127.0.0.1", "s2"):
            self.assertIn(word, shown)
        refused = self.xactl("rollback", gtrid, status=1)
        self.assertIn("force", refused.lower(), "a verdict against the log needs force")
        self.world.server["s2"].start()
        self.world.settle()
        order.judge(expect=True)
        xatest.until(lambda: not GTRID.search(self.xactl("in-doubt")), 5, "still listed after it is settled")

    # --- reconciliation, with exit codes for cron ---

    def reconcile(self, *args, status=0):
        return self.xactl("reconcile", "--format", "tsv", "--timeout", "10", *args, status=status)

    def test_reconcile_when_all_agree(self):
        self.reconcile("--repair", status=(0, 1))  # a crash before may have taken along that all was done
        self.assertEqual(self.order().execute().outcome, "acked")
        self.assertNotIn("settling", self.reconcile("--repair"))

    def test_reconcile_where_nobody_can_look(self):
        order, _ = self.decided_with_a_dead_server()
        found = self.xactl("reconcile", "--format", "tsv", "--timeout", "1", status=3)
        self.assertRegex(found, r"unseen\tserver\ts2")
        self.assertRegex(found, rf"settling\ttransaction in doubt\ts2\t{GTRID.pattern}")
        self.world.server["s2"].start()
        xatest.until(lambda: "unseen" not in self.xactl("reconcile", "--repair", "--timeout", "5", status=(0, 1, 3)), 20,
                     "s2 is not looked at again")
        order.judge(expect=True)
        self.assertNotRegex(self.reconcile(), "settling")

    def test_reconcile_repairs_what_is_certain(self):
        self.world.restart_proxy("commit_sent:1:crash")
        order = self.order().execute("COMMIT")
        xatest.until(lambda: not self.world.proxy.alive(), 10, "commit_sent was not hit")
        self.world.start_proxy("recovery_between:1:delay=700")
        self.assertIn("agree", self.xactl("reconcile", "--repair", status=(0, 1)))
        order.judge(expect=True)

    def test_reconcile_waits_until_what_is_certain_is_settled(self):
        """Exit status 1. Nobody else asks for a look meanwhile: the one that is counted follows its first question."""
        self.configure("sweep_interval = 1m")
        self.addCleanup(self.configure, "")
        order, _ = self.decided_with_a_dead_server()
        self.xactl("reconcile", "--timeout", "1", status=3)
        before = self.sweeps()
        with subprocess.Popen(self.xactl_argv("reconcile", "--repair", "--timeout", "30"), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, env=self.xactl_env(), text=True) as reconciling:
            xatest.until(lambda: self.sweeps() > before, 20, "it does not ask for a look")
            self.world.server["s2"].start()
            self.assertIn("agree", reconciling.communicate(timeout=40)[0])
        self.assertEqual(reconciling.returncode, 1)
        self.assertEqual(self.world.in_doubt(), [])
        order.judge(expect=True)

    def configure(self, options):
        self.world.options["proxy"] = options
        self.world.write_config()
        self.world.restart_proxy()

    def sweeps(self):
        with contextlib.closing(self.world.admin()) as db:
            return int(dict(self.rows(db, "SHOW STATUS"))["resolver_sweeps"])

    def test_reconcile_tells_a_person(self):
        other_log = "xap1:test:01234567:1:1-0123456789abcdef"
        self.foreign("s1", other_log, 9001)
        self.foreign("s1", "somebody", 9002)
        found = self.reconcile(status=2)
        self.assertRegex(found, rf"person\torphan of another log\ts1\t{other_log}\t.*xactl adopt")
        self.assertRegex(found, r"foreign\tforeign transaction\ts1\tsomebody\t")
        self.xactl("adopt", "01234567")
        self.assertNotIn(other_log, self.reconcile("--repair", status=(0, 1)))
        db = self.world.server["s1"].root()
        self.run_sql(db, "XA ROLLBACK 'somebody','b',1")
        db.close()

    def test_other_servers_are_served_while_one_is_dead(self):
        self.world.server["s2"].crash()
        db = self.connect()
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM orders.orders WHERE id = 0"), ((0,),))
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(db, "SELECT * FROM stock.stock")
        self.run_sql(db, "INSERT INTO orders.orders VALUES (900, 'x', 'y', 1)")
        self.world.server["s2"].start()
        xatest.until(lambda: self.answers(db, "SELECT COUNT(*) FROM stock.stock"), 5, "the server is not found again")

    def answers(self, db, sql):
        with contextlib.suppress(pymysql.err.MySQLError):
            return bool(self.rows(db, sql))
        return False

    def test_start_with_a_dead_server(self):
        self.world.proxy.stop()
        self.world.server["s2"].crash()
        self.world.start_proxy()
        db = self.connect()
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM orders.orders WHERE id = 0"), ((0,),))
        self.world.server["s2"].start()
        xatest.until(lambda: self.answers(self.connect(), "SELECT COUNT(*) FROM stock.stock"), 5, "the server is not found")
        xatest.until(self.world.works, 5, lambda: self.world.why_not)
        self.assertEqual(self.order().execute().outcome, "acked")

    def test_start_with_redis_dead(self):
        self.world.proxy.stop()
        self.world.cache.crash()
        self.world.start_proxy()
        db = self.connect()
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM orders.orders WHERE id = 0"), ((0,),))
        self.world.cache.start()
        xatest.until(lambda: self.answers(db, "CALL cache.SET('k', 'v')"), 5, "Redis is not found")

    def test_redis_takes_part_again_as_soon_as_it_has_loaded_its_data(self):
        cache = self.world.cache
        with self.redis().pipeline(transaction=False) as many:
            for i in range(8000):  # it looks at its connections after each 1024
                many.set("many", i)
            many.execute()
        self.addCleanup(cache.options.clear)
        cache.options[:] = ["--key-load-delay", "200"]  # microseconds
        self.assertTrue(any(self.is_used_again(cache) for _ in range(3)), "Redis is not used again")

    def is_used_again(self, cache):
        """At once, that is; a machine may stand still meanwhile, and is given another try."""
        cache.crash()
        cache.start()
        return xatest.happens(self.world.works, 1.6)

    def test_branches_that_waited_for_a_restart_of_both(self):
        self.world.restart_proxy("commit_sent:1:pause")
        order = self.order()
        thread = order.execute_in_thread()
        xatest.until(self.world.proxy.paused, 10, "commit_sent was not passed")
        for server in self.world.server.values():
            server.crash()
        self.world.proxy.crash()
        thread.join(10)
        for server in self.world.server.values():
            server.start()
        self.world.start_proxy()
        self.world.settle()
        order.judge(expect=True)

    # --- others' branches ---

    def test_foreign_branches_are_not_touched(self):
        names = ["somebody-elses", "xap1:other:0123abcd:1:1-00112233445566aa", "xap1:test:0badbeef:1:1-00112233445566aa"]
        for i, gtrid in enumerate(names):
            self.foreign("s1", gtrid, 800 + i)
        self.world.restart_proxy()
        time.sleep(2.5)
        listed = [xid.decode() for xid in self.world.server["s1"].in_doubt()]
        for gtrid in names:
            self.assertIn(gtrid + "b", listed)
            self.world.direct("s1", f"XA ROLLBACK '{gtrid}','b',1")
        self.assertEqual(self.order().execute().outcome, "acked")

    # --- the end of the process ---

    def test_sigterm_lets_a_transaction_finish(self):
        order, db = self.order(), self.connect()
        self.run_sql(db, "BEGIN", *order.statements())
        self.world.proxy.signal(xatest.signal.SIGTERM)
        xatest.until(lambda: not self.world.proxy.listens(), 5, "it takes new clients")
        time.sleep(0.3)
        self.assertTrue(self.world.proxy.alive(), "it did not wait for the open transaction")
        with self.assertRaises((pymysql.err.MySQLError, OSError)):
            self.world.connect(connect_timeout=2)
        self.run_sql(db, "COMMIT")
        order.outcome = "acked"
        self.world.proxy.wait_gone()
        self.assertNotIn("drain_timeout", self.world.proxy.log_of_this_life())
        self.assertEqual(self.world.leftovers(), [])
        order.judge(expect=True)

    def test_sigterm_with_idle_clients_ends_at_once(self):
        for _ in range(5):
            self.rows(self.connect(), "SELECT 1")
        begun = time.monotonic()
        self.world.proxy.stop()
        self.assertLess(time.monotonic() - begun, 8)  # drain_timeout is 10 s

    def test_drain_deadline(self):
        order, db = self.order(), self.connect()
        self.run_sql(db, "BEGIN", *order.statements())
        self.world.proxy.signal(xatest.signal.SIGTERM)
        self.world.proxy.wait_gone()
        self.world.start_proxy()
        self.world.settle()
        order.outcome = "refused"
        order.judge(expect=False)

    def test_kill_while_transactions_are_open(self):
        open_ones = []
        for _ in range(5):
            order, db = self.order(), self.connect()
            self.run_sql(db, "BEGIN", *order.statements())
            open_ones.append(order)
        self.world.restart_proxy()
        self.world.settle()
        for order in open_ones:
            order.outcome = "refused"
            order.judge(expect=False)
        for order in open_ones:
            self.assertEqual(xatest.Order(self.world, order.number).execute().outcome, "acked", "a lock was left")

    def test_second_process_on_the_same_log_is_refused(self):
        second = os.path.join(self.world.directory, "second.conf")
        with open(self.world.config, encoding="utf-8") as f, open(second, "w", encoding="utf-8") as g:
            text = f.read()
            for port in (self.world.proxy.port, self.world.proxy.admin_port):
                text = text.replace(f"port = {port}\n", f"port = {xatest.servers.free_port()}\n")
            g.write(text)
        done = subprocess.run([os.path.join(xatest.BUILD, "xaproxy"), "--config", second], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertTrue(re.search("lock|another|use", done.stdout + done.stderr), done.stderr)
        self.assertEqual(self.rows(self.connect(), "SELECT 1"), ((1,),))

    def test_a_start_that_fails_late(self):
        """Its threads run already; what it has put up is taken down."""
        second, where = os.path.join(self.world.directory, "late.conf"), os.path.join(self.world.directory, "late")
        with open(self.world.config, encoding="utf-8") as f, open(second, "w", encoding="utf-8") as g:
            text = f.read().replace(f"data_dir = {self.world.directory}/proxy/data", f"data_dir = {where}\npid_file = {where}/no/pid")
            for port in (self.world.proxy.port, self.world.proxy.admin_port):
                text = text.replace(f"port = {port}\n", f"port = {xatest.servers.free_port()}\n")
            g.write(f"{text}\n[listener local]\naddress = {self.world.directory}/late.sock\n")
        done = subprocess.run([os.path.join(xatest.BUILD, "xaproxy"), "--config", second], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("listener=local", done.stderr)
        self.assertIn("pid_file_failed", done.stderr)
        self.assertFalse(os.path.exists(f"{self.world.directory}/late.sock"))

    def test_many_restarts_in_a_row(self):
        orders = []
        for _ in range(8):
            orders.append(self.order().execute())
            self.world.restart_proxy()
        self.world.settle()
        for order in orders:
            order.judge(expect=True)

    # --- tools ---

    def test_waldump_reads_the_log_of_a_stopped_proxy(self):
        order = self.order().execute()
        self.assertEqual(order.outcome, "acked", order.error)
        self.world.proxy.stop()
        done = subprocess.run([os.path.join(xatest.BUILD, "waldump"), os.path.join(self.world.directory, "proxy/data/log")],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, GTRID)

    def test_xactl_backends(self):
        text = self.xactl("backends")
        for name in ("s1", "s2"):
            self.assertIn(name, text)

    def test_another_server_behind_a_known_name(self):
        """It is refused until a person has said that it is right: what was prepared on the old one is not to be taken for gone."""
        self.assertIn("nothing is to be accepted at backend 's2'", self.xactl("accept-failover", "s2", status=1))
        server, old = self.world.server["s2"], os.path.join(self.world.directory, "old")

        def swap():
            server.crash()
            if os.path.isdir(old):
                shutil.rmtree(server.path("data"))
                os.rename(old, server.path("data"))
                server.start()
            else:
                os.rename(server.path("data"), old)
                server.start()
                server.script(self.world.server_script("s2"))
            xatest.until(lambda: "another server than before" in self.xactl("backends"), 20, lambda: self.xactl("backends"))
            self.assertIn("another server than before", str(self.order().execute().error))
            self.xactl("accept-failover", "s2")
            xatest.until(self.world.works, 20, lambda: self.world.why_not)
        swap()
        swap()

    def test_xactl_refuses_a_wrong_password(self):
        done = subprocess.run([os.path.join(xatest.BUILD, "xactl"), "--host", "127.0.0.1", "--port",
                               str(self.world.proxy.admin_port),
                               "--user", "dba", "--ca", f"{self.world.certs}/ca.crt", "in-doubt"],
                              env={**os.environ, "MYSQL_PWD": "not-it"}, capture_output=True, text=True, timeout=30, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("denied", done.stderr)

    def test_check_tells_file_and_line(self):
        wrong = os.path.join(self.world.directory, "wrong.conf")
        with open(self.world.config, encoding="utf-8") as f, open(wrong, "w", encoding="utf-8") as g:
            text = f.read().replace("workers = 2", "wrokers = 2")
            g.write(text)
        line = text.splitlines().index("wrokers = 2") + 1
        done = subprocess.run([os.path.join(xatest.BUILD, "xaproxy"), "--check", wrong], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(f"wrong.conf:{line}:", done.stdout + done.stderr)
        self.assertIn("workers", (done.stdout + done.stderr).replace("wrokers", ""))

    def test_check_reads_the_certificates(self):
        wrong = os.path.join(self.world.directory, "no-certificate.conf")
        with open(self.world.config, encoding="utf-8") as f, open(wrong, "w", encoding="utf-8") as g:
            g.write(f.read().replace("/server.key", "/ca.key", 1))
        for config, code, told in ((self.world.config, 0, "good"), (wrong, 1, "does not belong to certificate")):
            done = subprocess.run([os.path.join(xatest.BUILD, "xaproxy"), "--check", config], capture_output=True, text=True,
                                  timeout=20, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(told, done.stdout + done.stderr)
