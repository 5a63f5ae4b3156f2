"""Each limit turns away what is beyond it with an error that says why, counts it, and leaves those within it alone."""
import contextlib
import os
import resource
import time

import pymysql
import xatest
from rawclient import Gone, Raw, error_code


class Limited(xatest.World):
    """Room for few: 12 clients in all, 8 on the main listener, 5 of an address, 2 of a user."""

    def config_lines(self):
        for line in super().config_lines():
            yield line
            if line == "[listener main]":
                yield "max_clients = 8"
        sha2, _ = xatest.verifiers("secret")
        yield from ("[user few]", f"password_verifier = {sha2}", "max_connections = 2")


class Counted(xatest.Case):
    """What a limit did is counted."""

    def setUp(self):
        super().setUp()
        xatest.until(lambda: self.gauge("clients") == 1, 10, lambda: f"{self.gauge('clients')} clients are left")  # who asks

    def admin(self):
        """A DBA's connection, as soon as there is a place for one."""
        while True:
            try:
                return self.world.admin()
            except pymysql.err.OperationalError as error:
                self.assertEqual(error.args[0], 1040)

    def gauge(self, name):
        with contextlib.closing(self.admin()) as db, db.cursor() as cursor:
            cursor.execute("SHOW STATUS")
            return int(dict(cursor.fetchall())[name])

    @contextlib.contextmanager
    def counts(self, name, by):
        before = self.gauge(name)
        yield
        xatest.until(lambda: self.gauge(name) == before + by, 10, lambda: f"{name}: {self.gauge(name) - before}, not {by}")


class Limits(Counted):
    world_class = Limited
    world_options = {"proxy_options": "max_clients = 12\nmax_clients_per_address = 5\nmax_unauthenticated = 10"}

    def turned_away(self, code, user="app", password=None, **more):
        with self.assertRaises((pymysql.err.MySQLError, OSError)) as caught:
            self.connect(user, password, **more)
        self.assertEqual(caught.exception.args[0], code, caught.exception)
        return caught.exception.args[1]

    def test_clients_of_an_address(self):
        clients = [self.connect() for _ in range(5)]
        with self.counts("refused_address", 2):
            for _ in range(2):
                self.assertIn("max_clients_per_address", self.turned_away(1040))
        self.connect(bind_address="127.0.0.9").close()  # another one has its own share
        self.world.admin().close()
        for db in clients:
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
        clients[0].close()

        def gets_in():
            with contextlib.suppress(pymysql.err.MySQLError):
                return bool(self.connect())
            return False
        xatest.until(gets_in, 5, "no place is given back")

    def test_clients_of_a_user(self):
        clients = [self.connect("few", "secret") for _ in range(2)]
        with self.counts("refused_user", 1):
            self.turned_away(1226, "few", "secret")
        for db in clients:
            db.ping(reconnect=False)

    def crowd(self, n, port=None):
        """Connections that do not log in; the codes of those that are turned away."""
        codes = []
        for _ in range(n):
            client = Raw(port or self.world.proxy.port, self.world.certs)
            self.addCleanup(client.close)
            with contextlib.suppress(Gone):
                codes.append(error_code(client.packet()))
        return [code for code in codes if code]

    def test_clients_of_a_listener_and_in_all(self):
        with self.counts("refused_listener", 3):
            clients = [self.connect(bind_address=f"127.0.0.{i}") for i in range(11, 19)]
            self.assertEqual(self.crowd(3), [1040] * 3)
        before = self.gauge("refused_max_clients")
        dbas = [self.admin() for _ in range(3)]
        xatest.until(lambda: dict(self.rows(dbas[0], "SHOW STATUS"))["clients"] == "11", 10, "who asked is still there")
        self.assertEqual(self.crowd(4, self.world.proxy.admin_port), [1040] * 3)  # one place was left
        for db in [*clients, *dbas]:
            db.ping(reconnect=False)
        for db in dbas:
            db.close()
        self.assertGreaterEqual(self.gauge("refused_max_clients") - before, 3)

    def test_no_descriptor_for_a_server(self):
        used, starved = self.connect(), self.connect()
        self.rows(used, "SELECT COUNT(*) FROM orders.orders")
        self.run_sql(used, "BEGIN", "SELECT * FROM orders.orders FOR UPDATE")  # keeps its connection
        pid = self.world.proxy.pid
        old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, old[1]))
        try:
            text = self.refused(1105, starved, "SELECT COUNT(*) FROM stock.stock")
            self.assertIn("s2", text)
            self.assertIn("open files", text)
            self.assertEqual(len(self.rows(used, "SELECT 1")), 1)
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        xatest.until(lambda: self.answers(starved), 10, "not of use again")

    def answers(self, db):
        with contextlib.suppress(pymysql.err.MySQLError):
            return bool(self.rows(db, "SELECT COUNT(*) FROM stock.stock"))
        return False


class Late(Counted):
    """Who takes too long. As long as that a machine may stand still, and nobody else is to meet these limits."""

    world_class = xatest.World
    world_options = {"proxy_options": "login_timeout = 4s\nidle_timeout = 4s\ntransaction_timeout = 4s"}

    def test_a_log_in_that_takes_too_long(self):
        with self.counts("timed_out_login", 2):
            clients = [Raw(self.world.proxy.port, self.world.certs) for _ in range(2)]
            for client in clients:
                client.packet()
                with self.assertRaises(Gone):
                    client.packet()
                client.close()

    def test_who_says_nothing(self):
        db = self.connect()
        with self.counts("timed_out_idle", 1):
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
        with self.assertRaises((pymysql.err.MySQLError, OSError)):
            self.rows(db, "SELECT 1")

    def test_a_transaction_that_takes_too_long(self):
        db, other = self.connect(), self.connect()
        with self.counts("timed_out_transaction", 1):
            self.run_sql(db, "BEGIN", "INSERT INTO orders.orders VALUES (77, 'u', 's', 1)")
            self.run_sql(other, "INSERT INTO orders.orders VALUES (77, 'u', 's', 2)")  # waits for the first to be undone
        self.assertEqual(self.world.direct("s1", "SELECT pieces FROM orders.orders WHERE id = 77"), ((2,),))


class Slow(xatest.Case):
    """Half a gigabyte for a client that does not read: it waits in the server, not in the proxy."""

    def memory_kib(self):
        with open(f"/proc/{self.world.proxy.pid}/status", encoding="ascii") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    def test_a_big_result_that_nobody_reads(self):
        client = Raw(self.world.proxy.port, self.world.certs, limit_s=30, receive_buffer=8192)
        self.addCleanup(client.close)
        client.login()
        other = self.connect()
        self.rows(other, "SELECT 1")
        before = self.memory_kib()
        client.query("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
                     "SELECT REPEAT('x', 1000000) FROM n")
        most = 0
        for _ in range(20):
            time.sleep(0.1)
            self.rows(other, "SELECT 1")
            most = max(most, self.memory_kib() - before)
        print(f"# memory for a result of 500 MB that nobody reads: {most} KiB")
        with open(os.path.join(xatest.BUILD, "xaproxy"), "rb") as program:
            self.assertLess(most, 32768 if b"__asan_init" in program.read() else 4096)
        self.assertGreater(sum(len(client.packet()) for _ in range(12)), 9 * 1000000, "who reads late gets it all the same")
