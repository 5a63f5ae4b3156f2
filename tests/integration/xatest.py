"""A proxy before two SQL servers and a Redis, for one test process: the fixture and the oracle of all integration tests.

It makes the configuration, starts and kills every part, gives connections through TLS, and judges from the servers
themselves (never through the proxy) whether a transaction is done, undone or half done.
"""
import atexit
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import pymysql
import redis

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("XAPROXY_BUILD", os.getcwd())
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
import servers  # noqa: E402

FAMILY = os.environ.get("FAMILY", "mariadb")
PASSWORDS = {"app": "app-secret", "native": "native-secret", "dba": "dba-secret"}
# Of backends that are not to hang, though much work at once, or a machine that stands still, may keep them from an answer.
PATIENT = "connect_timeout = 30s\ncommit_timeout = 30s"
SETTLE_S = 5.0  # what is promised: nothing in doubt for longer while every server is up

# Which schema lives on which server.
SCHEMAS = {"s1": ["orders", "t1"], "s2": ["stock", "account", "t2"]}
TABLES = {
    "s1": ["CREATE TABLE IF NOT EXISTS orders.orders (id BIGINT PRIMARY KEY, user VARCHAR(40) NOT NULL, sku VARCHAR(40) NOT NULL,"
           " pieces INT NOT NULL) ENGINE=InnoDB"],
    "s2": ["CREATE TABLE IF NOT EXISTS stock.stock (sku VARCHAR(40) PRIMARY KEY, pieces BIGINT NOT NULL) ENGINE=InnoDB",
           "CREATE TABLE IF NOT EXISTS account.account (user VARCHAR(40) PRIMARY KEY, balance BIGINT NOT NULL) ENGINE=InnoDB"],
}


def made_verifiers(password):
    """What `xaproxy --make-verifier` prints for a password: option to value."""
    done = subprocess.run([os.path.join(BUILD, "xaproxy"), "--make-verifier"], input=password + "\n", text=True,
                          stdout=subprocess.PIPE, check=True)
    return dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)


def verifiers(password):
    """Of passwords that are sent through TLS, and of mysql_native_password."""
    lines = made_verifiers(password)
    return lines["password_verifier"], lines["native_verifier"]


def ed25519_verifier(password):
    return made_verifiers(password)["ed25519_verifier"]


def happens(condition, limit_s):
    """Whether condition() comes true in that time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


PATIENCE = 8  # a busy machine may be that much slower than one that has nothing else to do


def until(condition, limit_s, what):
    """Waits until condition() is true, which takes less than limit_s where nothing else runs; says what is missing otherwise."""
    if not happens(condition, limit_s * PATIENCE):
        raise AssertionError(f"not within {limit_s} s, {PATIENCE} times over: {what() if callable(what) else what}")


def make_certs(directory):
    """Development certificates, made once for all tests of a run where the environment names a cache."""
    cache = os.environ.get("XAPROXY_TEST_CACHE")
    target = os.path.join(cache or directory, "certs")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target + ".lock", "w", encoding="ascii") as lock:
        servers.fcntl.flock(lock, servers.fcntl.LOCK_EX)
        subprocess.run([os.path.join(SOURCE, "certs", "make-dev-certs"), target], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return target


def shared_object(directory, source):
    """One of tests/support, compiled into the folder, for a server to preload; its path."""
    target = os.path.join(directory, source.replace(".c", ".so"))
    subprocess.run([os.environ.get("CC") or "cc", "-O1", "-shared", "-fPIC", "-o", target,
                    os.path.join(SOURCE, "tests", "support", source), "-ldl"], check=True)
    return target


def preload(directory, source):
    """The same for the proxy: what its LD_PRELOAD must be. A sanitizer's library wants to be the first."""
    libraries = subprocess.run(["ldd", os.path.join(BUILD, "xaproxy")], stdout=subprocess.PIPE, text=True, check=True).stdout
    return " ".join([*re.findall(r"=> (\S*/libasan\S*)", libraries), shared_object(directory, source)])


class Broken(AssertionError):
    """A promise: what no repetition of a test excuses (see runtests). Where every assertion is about one, it is a Case's
    failureException."""


SANITIZER = 86  # the exit code that runtests asks sanitizers for
FAULTS = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL, SANITIZER)


class Proxy(servers.Process):
    """xaproxy from the build tree; started with crash points armed or not."""

    kind = "xaproxy"

    def __init__(self, directory, config):
        super().__init__(directory)
        self.config = config
        self.port = servers.remembered_port(self.directory, 2)
        self.admin_port = self.port + 1
        self.env = {"LD_PRELOAD": preload(self.directory, "jitter.c")} if os.environ.get("JITTER") else {}  # more of it
        self.life_begins = 0  # where in the log file the present life begins
        self.faults = FAULTS  # ends that break a test by themselves

    def judge_life(self):
        """Raises Broken, once, when the life before ended by a fault of its own or with a sanitizer's report."""
        status = self.child.poll() if self.child else self.status
        if status in self.faults:
            self.child = self.status = None
            raise Broken(f"xaproxy crashed, status {status}:\n{self.log_tail(60)}")

    def start(self, failpoint=None, wait=True):
        if self.alive():
            return self
        self.judge_life()
        env = {**os.environ, **self.env}
        env.pop("XAPROXY_FAILPOINT", None)
        if failpoint:
            env["XAPROXY_FAILPOINT"] = failpoint
        with contextlib.suppress(FileNotFoundError):
            self.life_begins = os.path.getsize(self.path("log"))
        self.launch([os.path.join(BUILD, "xaproxy"), "--config", self.config], env)
        if wait:
            self.wait_ready()
        return self

    def listens(self):
        """A greeting comes: the listener works, not only its socket."""
        try:
            with contextlib.closing(socket.create_connection(("127.0.0.1", self.port), 2)) as s:
                s.settimeout(2)
                return len(s.recv(5)) > 0
        except OSError:
            return False

    def wait_judged(self, names, limit_s=5):
        """Until it has looked at these servers and resources; until then they do not take part in transactions."""
        def judged():
            log = self.log_of_this_life()
            return self.paused() or not self.alive() or all(f"_verdict {kind}={name} " in log for kind, name in names)
        until(judged, limit_s, f"no verdict on {names}")

    def wait_ready(self, limit_s=60):
        deadline = time.monotonic() + limit_s
        while not self.listens():
            if not self.alive():
                raise ProxyDied(f"xaproxy ended at its start:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"xaproxy does not listen after {limit_s} s:\n{self.log_tail()}")
            time.sleep(0.005)

    def log_of_this_life(self):
        with open(self.path("log"), "rb") as f:
            f.seek(self.life_begins)
            return f.read().decode(errors="replace")

    def hits(self, point):
        """How often the armed point fired in this life."""
        return sum(f"name={point} " in line for line in self.log_of_this_life().splitlines() if "failpoint" in line)

    def paused(self):
        return servers.process_state(self.pid) in ("T", "t") if self.pid else False

    def resume(self):
        self.signal(signal.SIGCONT)


class ProxyDied(Exception):
    """At its start; a test that armed a crash point there expects it."""


class World:
    """Everything that one test process needs. Made once; its parts are killed and restarted."""

    judged = True  # a start returns only when the proxy has looked at every server
    schemas, tables = SCHEMAS, TABLES
    cache_class, cache_options = servers.Redis, ()
    resources = ("cache",)  # names that the cache has in the configuration

    def __init__(self, family=None, proxy_options="", backend_options="", redis_options="", more="", workers=2):
        self.family = family or FAMILY
        self.directory = tempfile.mkdtemp(prefix=f"xap-{self.family}-")
        atexit.register(self.wipe)
        self.certs = make_certs(self.directory)
        self.server = {name: servers.KINDS[self.family](os.path.join(self.directory, name), self.certs) for name in self.schemas}
        self.cache = self.cache_class(os.path.join(self.directory, "cache"), self.cache_options)
        self.workers = workers
        self.options = {"proxy": proxy_options, "backend": backend_options, "redis": redis_options, "more": more}
        self.config = os.path.join(self.directory, "xaproxy.conf")
        self.proxy = Proxy(os.path.join(self.directory, "proxy"), self.config)

    # --- making ---

    def start(self, failpoint=None):
        for one in self.server.values():
            one.start(wait=False)
        self.cache.start()
        for name, one in self.server.items():
            one.wait_ready()
            one.script(self.server_script(name))
        self.write_config()
        self.start_proxy(failpoint)
        return self

    def server_script(self, name):
        yield from (f"CREATE DATABASE IF NOT EXISTS {schema}" for schema in self.schemas[name])
        yield from self.tables.get(name, [])
        for user in ("app", "native"):
            account, password = self.account(user, name)
            yield f"CREATE USER IF NOT EXISTS '{account}'@'%' IDENTIFIED BY '{password}'"
            for schema in self.schemas[name]:
                yield f"GRANT ALL ON {schema}.* TO '{account}'@'%'"
            yield f"GRANT INSERT, SELECT ON xaproxy.* TO '{account}'@'%'"

    @staticmethod
    def account(user, backend):
        """What a proxy user is on a server: neither its name nor its password there is known to the client."""
        return f"{user}_{backend}", f"{user}-{backend}-secret"

    def write_config(self):
        with open(self.config, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write("\n".join(self.config_lines()) + "\n")

    def port_of(self, name):
        """Where the proxy finds a server or the cache: with its own port here, behind a relay elsewhere."""
        return (self.cache if name == "cache" else self.server[name]).port

    def config_lines(self):
        yield from ("[proxy]", "node = test", f"data_dir = {self.directory}/proxy/data", f"workers = {self.workers}",
                    self.options["proxy"])
        for name, port, more in (("main", self.proxy.port, ""), ("admin", self.proxy.admin_port, "admin = on")):
            yield from (f"[listener {name}]", "address = 127.0.0.1", f"port = {port}", more,
                        f"tls_cert = {self.certs}/server.crt", f"tls_key = {self.certs}/server.key")
        sha2, _ = verifiers(PASSWORDS["app"])
        yield from ("[user app]", f"password_verifier = {sha2}")
        sha2, native = verifiers(PASSWORDS["native"])
        yield from ("[user native]", f"password_verifier = {sha2}", f"native_verifier = {native}")
        sha2, _ = verifiers(PASSWORDS["dba"])
        yield from ("[admin dba]", f"password_verifier = {sha2}")
        for name, one in self.server.items():
            yield from (f"[backend {name}]", "address = 127.0.0.1", f"port = {self.port_of(name)}",
                        f"schemas = {' '.join(self.schemas[name])}", f"tls_ca = {self.certs}/ca.crt",
                        f"resolver_user = {servers.RESOLVER[0]}", f"resolver_password = {servers.RESOLVER[1]}",
                        self.options["backend"])
            for user in ("app", "native"):
                account, password = self.account(user, name)
                yield from (f"[account {user}@{name}]", f"user = {account}", f"password = {password}")
        yield from ("[redis cache]", "address = 127.0.0.1", f"port = {self.port_of('cache')}", self.options["redis"])
        yield self.options["more"]

    def start_proxy(self, failpoint=None):
        """Returns when it is of full use: whatever is up has been looked at."""
        self.proxy.start(failpoint)
        if self.judged:
            self.wait_judged()

    def wait_judged(self):
        self.proxy.wait_judged([("backend", name) for name, one in self.server.items() if one.alive()]
                               + [("resource", name) for name in self.resources if self.cache.alive()])

    def start_all(self):
        """Everything that is dead, and returns when a transaction over all of it works."""
        for part in [*self.server.values(), self.cache]:
            part.start()
        self.start_proxy()
        until(self.works, SETTLE_S, lambda: f"not of use again: {self.why_not}\n{self.proxy.log_tail(15)}")

    def works(self):
        try:
            with contextlib.closing(self.connect()) as db, db.cursor() as cursor:
                for statement in ("BEGIN", "DELETE FROM orders.orders WHERE id = -1", "DELETE FROM stock.stock WHERE sku = ''",
                                  "CALL cache.DEL('probe')", "ROLLBACK"):
                    cursor.execute(statement)
            return True
        except (pymysql.err.MySQLError, OSError) as error:
            self.why_not = error
            return False

    def parts(self):
        return [self.proxy, *self.server.values(), self.cache]

    def wipe(self):
        atexit.unregister(self.wipe)
        for part in self.parts():
            if part.alive():
                part.crash()
        if os.environ.get("XAPROXY_KEEP"):
            print(f"# kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def restart_proxy(self, failpoint=None):
        self.proxy.crash()
        self.start_proxy(failpoint)

    # --- using ---

    def connect(self, user="app", password=None, port=None, **more):
        """An ordinary driver's connection through TLS, the proxy's certificate verified."""
        options = {"host": "127.0.0.1", "port": port or self.proxy.port, "user": user,
                   "password": PASSWORDS.get(user, "") if password is None else password, "autocommit": True,
                   "connect_timeout": 10, "read_timeout": 30, "charset": "utf8mb4",
                   "ssl": {"ca": f"{self.certs}/ca.crt", "check_hostname": True}}
        options.update(more)
        return pymysql.connect(**options)

    def admin(self, **more):
        return self.connect("dba", port=self.proxy.admin_port, **more)

    def direct(self, backend, sql, *args):
        """What a server itself says, past the proxy."""
        return self.server[backend].query(sql, *args)

    # --- judging ---

    def in_doubt(self):
        return [f"{name}: {xid.decode(errors='replace')}" for name, one in self.server.items() for xid in one.in_doubt()]

    def leftovers(self):
        return self.in_doubt() + [f"redis: {field[:80]!r}" for field in self.cache.open_fields()]

    def settle(self, limit_s=SETTLE_S):
        """Waits until nothing is in doubt on any server and nothing is open in Redis; the seconds that it took."""
        begun = time.monotonic()
        left = []

        def clean():
            left[:] = self.leftovers()
            return not left
        until(clean, limit_s, lambda: f"still open: {self.as_the_proxy_sees_it()}; {left}\nproxy log:\n{self.proxy.log_tail(100)}")
        return time.monotonic() - begun

    def as_the_proxy_sees_it(self):
        """What it says of what is in doubt, for whoever reads of a failure."""
        try:
            with contextlib.closing(self.admin()) as db, db.cursor() as cursor:
                cursor.execute("SHOW IN DOUBT")
                return cursor.fetchall()
        except (pymysql.err.MySQLError, OSError) as error:
            return error


class Order:
    """The order story as one transaction: a row on s1, two rows on s2, three mirrors in Redis. Each has its own user and
    article, so that each can be judged by itself, whatever became of the others."""

    PIECES, BALANCE, PRICE = 100, 1000, 10

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.user, self.sku = f"user{number}", f"sku{number}"
        self.outcome = None  # "acked", "refused" or "unknown", once execute() has returned
        self.error = None

    def statements(self):
        return [f"INSERT INTO orders.orders (id, user, sku, pieces) VALUES ({self.number}, '{self.user}', '{self.sku}', 1)",
                f"UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = '{self.sku}'",
                f"CALL cache.HINCRBY('stock:{self.sku}', 'pieces', -1)",
                f"UPDATE account.account SET balance = balance - {self.PRICE} WHERE user = '{self.user}'",
                f"CALL cache.HINCRBY('balance:{self.user}', 'balance', {-self.PRICE})",
                f"CALL cache.HINCRBY('orders:{self.user}', 'count', 1)"]

    @staticmethod
    def stock_up(world, numbers):
        """The articles and accounts that orders with these numbers need."""
        numbers = list(numbers)
        with contextlib.closing(world.server["s2"].root()) as db, db.cursor() as cursor:
            cursor.executemany("INSERT IGNORE INTO stock.stock VALUES (%s, %s)", [(f"sku{n}", Order.PIECES) for n in numbers])
            cursor.executemany("INSERT IGNORE INTO account.account VALUES (%s, %s)",
                               [(f"user{n}", Order.BALANCE) for n in numbers])
        pipe = world.cache.client().pipeline(transaction=False)
        for n in numbers:
            pipe.hset(f"stock:sku{n}", "pieces", Order.PIECES)
            pipe.hset(f"balance:user{n}", "balance", Order.BALANCE)
            pipe.hset(f"orders:user{n}", "count", 0)
        pipe.execute()

    def execute(self, end="COMMIT", connection=None):
        """Runs it as a client; never raises for what the world did."""
        try:
            db = connection or self.world.connect()
        except (pymysql.err.MySQLError, OSError) as error:
            self.outcome, self.error = "refused", error
            return self
        committing = False
        try:
            with db.cursor() as cursor:
                cursor.execute("BEGIN")
                for statement in self.statements():
                    cursor.execute(statement)
                committing = end == "COMMIT"
                cursor.execute(end)
            self.outcome = "acked" if end == "COMMIT" else "refused"
        except (pymysql.err.MySQLError, OSError) as error:
            self.error = error
            self.outcome = "unknown" if committing and outcome_unknown(error) else "refused"
        finally:
            if connection is None:
                with contextlib.suppress(Exception):
                    db.close()
        return self

    def execute_in_thread(self, end="COMMIT"):
        thread = threading.Thread(target=self.execute, args=(end,), daemon=True)
        thread.start()
        return thread

    def state(self):
        """What the servers and Redis hold of it, as booleans: done or not, part by part."""
        one = self.world.direct
        mirror = self.world.cache.client()
        number = {"order": one("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = %s", self.number)[0][0],
                  "stock": self.PIECES - one("s2", "SELECT pieces FROM stock.stock WHERE sku = %s", self.sku)[0][0],
                  "account": self.BALANCE - one("s2", "SELECT balance FROM account.account WHERE user = %s", self.user)[0][0],
                  "redis stock": self.PIECES - int(mirror.hget(f"stock:{self.sku}", "pieces")),
                  "redis account": self.BALANCE - int(mirror.hget(f"balance:{self.user}", "balance")),
                  "redis orders": int(mirror.hget(f"orders:{self.user}", "count"))}
        unit = {"account": self.PRICE, "redis account": self.PRICE}
        for part, value in number.items():
            if value not in (0, unit.get(part, 1)):
                raise Broken(f"order {self.number}: {part} moved by {value}, not by 0 or {unit.get(part, 1)}: {number}")
        return {part: bool(value) for part, value in number.items()}

    def judge(self, expect=None):
        """All done or all undone; an acknowledged one done, a refused one undone. Returns whether it is done."""
        state = self.state()
        if len(set(state.values())) != 1:
            raise Broken(f"order {self.number} ({self.outcome}, {self.error}) is half done: {state}")
        done = state["order"]
        if self.outcome == "acked" and not done:
            raise Broken(f"order {self.number} was acknowledged and is lost")
        if self.outcome == "refused" and done:
            raise Broken(f"order {self.number} was refused ({self.error}) and is there")
        if expect is not None and done != expect:
            raise AssertionError(f"order {self.number} ({self.outcome}, {self.error}): done={done}, expected {expect}")
        return done


CONNECTION_LOST = {2003, 2006, 2013, 2055, 0}


def outcome_unknown(error):
    """Whether this error to COMMIT leaves open what became of the transaction: the connection broke, or the proxy says so."""
    if not isinstance(error, pymysql.err.MySQLError) or not error.args:
        return True
    return error.args[0] in CONNECTION_LOST or "unknown" in str(error.args[-1]).lower()


def passages():
    """Which passages of a crash point a suite tries; where all crash points are asked for, every one."""
    if os.environ.get("XAPROXY_CRASHPOINTS") == "all":
        return range(1, 17)
    return (1, 3, 8) if FAMILY == "mariadb" else (1,)


def only(family):
    """A test, or a class of them, that is about this family only: it stands in no list of the other's, so nothing is skipped."""
    return lambda test: test if FAMILY == family else None


class Case(unittest.TestCase):
    """A test case over one World that all tests of the module share: the first makes it."""

    world = db = None
    world_class, world_options = World, {}

    @classmethod
    def setUpClass(cls):
        try:
            cls.world = cls.world_class(**cls.world_options).start()
        except servers.Skip as why:
            raise unittest.SkipTest(str(why)) from why

    @classmethod
    def tearDownClass(cls):
        if not cls.world:
            return
        proxy = cls.world.proxy
        try:
            proxy.judge_life()
            if proxy.alive():
                proxy.stop()
                if proxy.status:
                    raise Broken(f"xaproxy ended with status {proxy.status} after SIGTERM:\n{proxy.log_tail(60)}")
        finally:
            cls.world.wipe()
            cls.world = None

    def connect(self, *args, **more):
        db = self.world.connect(*args, **more)
        self.addCleanup(self.close, db)
        return db

    @staticmethod
    def close(db):
        with contextlib.suppress(Exception):
            db.close()

    def rows(self, db, sql, *args):
        with db.cursor() as cursor:
            cursor.execute(sql, args or None)
            return cursor.fetchall()

    def run_sql(self, db, *statements):
        with db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def sql(self, *statements):
        """On the session that the test calls its own."""
        self.run_sql(self.db, *statements)

    def refused(self, code, db, sql, *args):
        """The statement is answered with this error; its text."""
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.rows(db, sql, *args)
        self.assertEqual(caught.exception.args[0], code, f"{sql}: {caught.exception}")
        return caught.exception.args[1]

    def redis(self, **more):
        return redis.Redis(host="127.0.0.1", port=self.world.cache.port, decode_responses=True, **more)
