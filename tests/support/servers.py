"""Real database servers and Redis for tests: each in a folder of its own, on loopback, killed and restarted at will.

What a test stores in them and how the proxy is configured before them is not known here.
"""
import contextlib
import fcntl
import functools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pymysql
import redis
import redis.crc

PEERS = os.environ.get("XAPROXY_PEERS", "/opt/peers")
ROOTFS = os.path.join(PEERS, "xaproxy-sid")
REDIS_ROOTFS = os.path.join(PEERS, "xaproxy-redis")
MARIADB_ROOTFS = os.environ.get("XAPROXY_MARIADB_ROOTFS")  # of another MariaDB than this machine's
ROOT_PASSWORD = ""
RESOLVER = ("xap_resolver", "resolver-secret")
START_LIMIT_S = 240
# The server, and what it takes to build against the genuine client library in there.
ROOTFS_PACKAGES = ("mysql-server-core,mysql-client-core,libmysqlclient-dev,gcc,libc6-dev,make,pkgconf,libev-dev,libhiredis-dev,"
                   "libssl-dev,libsodium-dev,libcrypt-dev,zlib1g-dev,libzstd-dev")


class Skip(Exception):
    """This machine cannot have such a server; the text says why."""


TAKEN = []  # locks on our ports, open as long as this process lives


def claim(port):
    """Makes it ours among all test processes of this machine, also while nobody listens there."""
    folder = os.path.join(tempfile.gettempdir(), f"xaproxy-test-ports-{os.getuid()}")
    os.makedirs(folder, exist_ok=True)
    lock = open(os.path.join(folder, str(port)), "w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    TAKEN.append(lock)
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def ephemeral_begins():
    """The first of the ports that outgoing connections take here."""
    with contextlib.suppress(OSError, ValueError), open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        return int(f.read().split()[0])
    return 32768


def free_port(count=1):
    """The first of so many TCP ports below the ephemeral range: no outgoing connection can sit on one while its server is down."""
    end = min(32000, ephemeral_begins() - count)
    if end < 8000:  # hardly any port is not
        end = 32000
    while True:
        port = random.randrange(max(2048, end - 17000), end)
        if all(claim(port + i) for i in range(count)):
            return port


def process_state(pid, thread=None):
    """One letter as in /proc/PID/stat, or None when there is no such process (a zombie counts as none)."""
    try:
        with open(f"/proc/{pid}/task/{thread or pid}/stat", encoding="ascii", errors="replace") as stat:
            letter = stat.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if letter in "ZX" else letter


class Process:
    """A daemon with a folder: pid file, log, and the knowledge of how it was started, so that it starts the same again."""

    kind = "process"

    def __init__(self, directory):
        self.directory = os.path.abspath(directory)
        self.child = None
        self.status = None  # how the last one that was started from here ended, as subprocess says it
        os.makedirs(self.directory, exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    @property
    def pid(self):
        try:
            with open(self.path("pid"), encoding="ascii") as f:
                return int(f.read() or 0)
        except FileNotFoundError:
            return 0

    def alive(self):
        if self.child is not None and self.child.poll() is not None:
            return False
        return bool(self.pid) and process_state(self.pid) is not None

    def launch(self, argv, env=None):
        with open(self.path("log"), "ab") as log:
            self.child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env,
                                          cwd=self.directory, start_new_session=True)
        with open(self.path("pid"), "w", encoding="ascii") as f:
            f.write(str(self.child.pid))

    def signal(self, number):
        """Behind SIGSTOP every thread stands still: kill() returns while some may still answer."""
        if self.alive():
            os.kill(self.pid, number)
            deadline = time.monotonic() + 10
            while number == signal.SIGSTOP and self.runs() and time.monotonic() < deadline:
                time.sleep(0.001)

    def runs(self):
        """Whether any of its threads may do something."""
        try:
            return any(process_state(self.pid, thread) not in ("T", "t", None) for thread in os.listdir(f"/proc/{self.pid}/task"))
        except (FileNotFoundError, ProcessLookupError):
            return False

    def wait_gone(self, limit_s=180):
        deadline = time.monotonic() + limit_s
        while self.alive():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.kind} pid {self.pid} did not end within {limit_s} s; log: {self.path('log')}")
            time.sleep(0.01)
        if self.child is not None:
            self.status = self.child.wait()
            self.child = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("pid"))

    def stop(self, limit_s=180):
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        self.wait_gone(limit_s)

    def crash(self):
        self.signal(signal.SIGKILL)
        self.wait_gone()
        with open(self.path("crashed"), "w", encoding="ascii") as f:
            f.write(str(time.time()))

    def crashed_ago_s(self):
        """Seconds since crash(), asked once; a large number when it was not crashed."""
        try:
            with open(self.path("crashed"), encoding="ascii") as f:
                at = float(f.read())
            os.unlink(self.path("crashed"))
            return time.time() - at
        except FileNotFoundError:
            return 1e9

    def wipe(self):
        if self.alive():
            self.crash()
        shutil.rmtree(self.directory, ignore_errors=True)

    def log_tail(self, lines=25):
        try:
            with open(self.path("log"), encoding="utf-8", errors="replace") as f:
                return "".join(f.readlines()[-lines:])
        except FileNotFoundError:
            return "(no log)\n"

    def wait_answer(self, asks):
        """Until asks() raises nothing."""
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                return asks()
            except (pymysql.err.MySQLError, redis.exceptions.RedisError, OSError) as error:
                if not self.alive() or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.kind} in {self.directory} does not answer ({error}):\n{self.log_tail()}") \
                        from error
                time.sleep(0.02)


def remembered_port(directory, count=1):
    """The port of this folder (the first of so many), chosen once, so that a restarted server is found where it was."""
    path = os.path.join(directory, "port")
    with contextlib.suppress(FileNotFoundError, ValueError):
        with open(path, encoding="ascii") as f:
            return int(f.read())
    port = free_port(count)
    with open(path, "w", encoding="ascii") as f:
        f.write(str(port))
    return port


class SqlServer(Process):
    """What MariaDB and MySQL share. `certs` is a folder made by certs/make-dev-certs, or None for a server without TLS."""

    def __init__(self, directory, certs=None, options=()):
        super().__init__(directory)
        self.certs = certs and os.path.abspath(certs)
        self.options = list(options)
        self.env = {}  # more of it
        self.port = remembered_port(self.directory)
        self.socket = self.path("s.sock")

    def tls_options(self):
        if not self.certs:
            return []
        return [f"--ssl-ca={self.certs}/ca.crt", f"--ssl-cert={self.certs}/server.crt", f"--ssl-key={self.certs}/server.key"]

    def common_options(self):
        return ["--user=root" if os.getuid() == 0 else f"--user={os.getuid()}", f"--datadir={self.path('data')}",
                f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1",
                f"--pid-file={self.path('server.pid')}", "--skip-name-resolve", f"--server-id={self.port}",
                "--max-connections=400", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=1",
                "--secure-file-priv=", self.own_tmpdir(), *self.tls_options(), *self.options]

    def own_tmpdir(self):
        """A server that starts removes what looks like temporary tables in its tmpdir: it must not be another one's."""
        os.makedirs(self.path("tmp"), exist_ok=True)
        return f"--tmpdir={self.path('tmp')}"

    def start(self, wait=True):
        """Starts on its data, made from the run's template at the first time; returns when it answers, unless told not to."""
        if self.alive():
            return self
        if not os.path.isdir(self.path("data")):
            self.make_data()
        for left_over in (self.socket, self.socket + ".lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(left_over)
        self.launch(self.argv(), env={**os.environ, **self.env})
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        self.wait_answer(lambda: self.root().close())

    def root(self, database=None):
        """Root through the local socket, autocommit on."""
        return pymysql.connect(unix_socket=self.socket, user="root", password=ROOT_PASSWORD, database=database,
                               autocommit=True, connect_timeout=5, charset="utf8mb4")

    def query(self, sql, *args):
        with contextlib.closing(self.root()) as db, db.cursor() as cursor:
            cursor.execute(sql, args or None)
            return cursor.fetchall()

    def script(self, statements):
        with contextlib.closing(self.root()) as db, db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def in_doubt(self):
        """The xids that XA RECOVER lists, as bytes gtrid+bqual."""
        return [row[3] if isinstance(row[3], bytes) else row[3].encode() for row in self.query("XA RECOVER")]

    def open_transactions(self):
        """The connections that have one. InnoDB shows a copy, and makes a new one only if it was not asked for 0.1 s."""
        time.sleep(0.12)
        return [row[0] for row in self.query("SELECT trx_mysql_thread_id FROM information_schema.innodb_trx")]

    # The template: initialised once in a run, accounts included, then copied for each server.

    def make_data(self):
        cache = os.environ.get("XAPROXY_TEST_CACHE")
        if not cache:
            return self.initialise()
        template = os.path.join(cache, self.template_name())
        os.makedirs(cache, exist_ok=True)
        with open(template + ".lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.isdir(template):
                self.initialise()
                subprocess.run(["cp", "-a", "--sparse=always", self.path("data"), template + ".tmp"], check=True)
                os.rename(template + ".tmp", template)
                return None
        subprocess.run(["cp", "-a", "--sparse=always", template, self.path("data")], check=True)
        return None

    def template_name(self):
        return self.kind

    def initialise(self):
        with open(self.path("install.log"), "wb") as log:
            status = subprocess.run(self.initialise_argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    check=False).returncode
        if status:
            with open(self.path("install.log"), encoding="utf-8", errors="replace") as log:
                raise RuntimeError(f"{self.kind} could not initialise {self.directory}:\n{log.read()[-3000:]}")
        self.launch(self.argv())
        self.wait_ready()
        self.script(self.resolver_account())
        self.stop()
        self.forget_identity()

    def forget_identity(self):
        """A copy of a server is another server."""


class MariaDB(SqlServer):
    """Debian's mariadbd, or the one of XAPROXY_MARIADB_ROOTFS."""

    kind = "mariadb"

    def argv(self):
        # Without native AIO: an asynchronous write of a killed process that lands late damages data (see crash()).
        return [*self.program(), *self.common_options(), "--innodb-use-native-aio=0",
                "--innodb-log-file-size=16M", "--key-buffer-size=1M", "--aria-pagecache-buffer-size=1M"]

    @staticmethod
    def program():
        if not MARIADB_ROOTFS:
            return ["/usr/sbin/mariadbd", "--no-defaults"]
        share = f"{MARIADB_ROOTFS}/usr/share/mariadb"
        return [*rootfs_argv(MARIADB_ROOTFS, "/usr/sbin/mariadbd"), "--no-defaults", f"--basedir={MARIADB_ROOTFS}/usr",
                f"--lc-messages-dir={share}", f"--character-sets-dir={share}/charsets",
                f"--plugin-dir={MARIADB_ROOTFS}/usr/lib/mysql/plugin"]

    def template_name(self):
        return self.kind + (MARIADB_ROOTFS or "").replace("/", "-")

    def initialise(self):
        if MARIADB_ROOTFS:
            self.initialise_inside()
        super().initialise()

    def initialise_inside(self):
        """Its script knows no loader but its own: the data is made inside the rootfs, and taken out."""
        made = tempfile.mkdtemp(dir=f"{MARIADB_ROOTFS}/tmp")
        subprocess.run(["chroot", MARIADB_ROOTFS, "mariadb-install-db", "--no-defaults", "--force", "--user=root",
                        f"--datadir=/tmp/{os.path.basename(made)}", "--auth-root-authentication-method=normal", "--skip-test-db"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        shutil.move(made, self.path("data"))

    def initialise_argv(self):
        if MARIADB_ROOTFS:
            return ["true"]
        if not shutil.which("mariadb-install-db"):
            raise Skip("MariaDB is not installed: apt-get install mariadb-server")
        return ["mariadb-install-db", "--no-defaults", "--user=root" if os.getuid() == 0 else f"--user={os.getuid()}",
                f"--datadir={self.path('data')}", "--auth-root-authentication-method=normal", "--skip-test-db",
                "--innodb-log-file-size=16M", "--innodb-use-native-aio=0", self.own_tmpdir()]

    def start(self, wait=True):
        time.sleep(max(0.0, 1.0 - max(0.0, self.crashed_ago_s())))
        return super().start(wait)

    def resolver_account(self):
        user, password = RESOLVER
        return [f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
                f"GRANT PROCESS, CONNECTION ADMIN, READ_ONLY ADMIN ON *.* TO '{user}'@'%'",
                f"GRANT ALL ON xaproxy.* TO '{user}'@'%'"]


class MySQL(SqlServer):
    """MySQL 9 out of a Debian sid rootfs."""

    kind = "mysql"

    @property
    def rootfs(self):
        return ROOTFS

    def rootfs_argv(self, program):
        return rootfs_argv(self.rootfs, program)

    def base_argv(self):
        share = f"{self.rootfs}/usr/share/mysql"
        return [*self.rootfs_argv("/usr/sbin/mysqld"), "--no-defaults", f"--basedir={self.rootfs}/usr",
                f"--lc-messages-dir={share}", f"--character-sets-dir={share}/charsets",
                f"--plugin-dir={self.rootfs}/usr/lib/mysql/plugin"]

    def argv(self):
        return [*self.base_argv(), *self.common_options(), "--mysqlx=OFF", "--innodb-redo-log-capacity=16M",
                "--performance-schema-digests-size=0"]

    def initialise_argv(self):
        if not os.path.exists(self.rootfs + "/usr/sbin/mysqld"):
            install_mysql()
        return [*self.base_argv(), "--user=root" if os.getuid() == 0 else f"--user={os.getuid()}",
                f"--datadir={self.path('data')}", "--innodb-redo-log-capacity=16M", self.own_tmpdir(), "--initialize-insecure"]

    def resolver_account(self):
        user, password = RESOLVER
        return [f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
                f"GRANT PROCESS, XA_RECOVER_ADMIN, CONNECTION_ADMIN, REPLICATION_SLAVE_ADMIN ON *.* TO '{user}'@'%'",
                f"GRANT SELECT ON performance_schema.* TO '{user}'@'%'",
                f"GRANT ALL ON xaproxy.* TO '{user}'@'%'"]

    def forget_identity(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("data", "auto.cnf"))


def debian_mirror():
    """The first Debian mirror that apt here is configured with, or None."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(SITE) $(REPO_URI)", "Created-By: Packages"],
                         capture_output=True, text=True, check=False).stdout
    for line in out.splitlines():
        uri = line.split()[-1]
        if "security" not in uri:
            return uri.rstrip("/")
    return None


def make_rootfs(target, packages, what):
    """Makes a rootfs of Debian sid with these packages, once; made anew where it holds less."""
    made_of = target + "/etc/made-of"
    os.makedirs(PEERS, exist_ok=True)
    with open(os.path.join(PEERS, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError), open(made_of, encoding="ascii") as f:
            if set(packages.split(",")) <= set(f.read().split(",")):
                return
        mirror = debian_mirror()
        if not mirror:
            raise Skip(f"no Debian mirror is configured: no {what}")
        if os.getuid() != 0 or not shutil.which("mmdebstrap"):
            raise Skip(f"{what} needs a rootfs in {target}, made as root with mmdebstrap (apt-get install mmdebstrap)")
        shutil.rmtree(target + ".tmp", ignore_errors=True)
        apt = ["Acquire::Check-Valid-Until \"false\"", "Acquire::Check-Date \"false\"", "APT::Install-Recommends \"false\""]
        made = subprocess.run(["mmdebstrap", "--variant=minbase", "--mode=root", *[f"--aptopt={o}" for o in apt],
                               *[f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("man", "doc", "locale")],
                               "--include=" + packages, "sid", target + ".tmp", mirror],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if made.returncode:
            shutil.rmtree(target + ".tmp", ignore_errors=True)
            raise Skip(f"{what} cannot be had from {mirror}: {made.stderr.strip().splitlines()[-1:]}")
        if os.path.isdir(target):
            shutil.rmtree(target)
        os.rename(target + ".tmp", target)
        with open(made_of, "w", encoding="ascii") as f:
            f.write(packages)


def install_mysql():
    """Debian has MySQL in sid only, and its libraries are newer than stable's."""
    make_rootfs(ROOTFS, ROOTFS_PACKAGES, "MySQL")


class Redis(Process):
    """Debian's redis-server, every write synced before it is answered, nothing evicted."""

    kind = "redis"

    def __init__(self, directory, options=()):
        super().__init__(directory)
        self.options = list(options)
        self.port = remembered_port(self.directory)

    @staticmethod
    def program():
        """Its argv without options."""
        path = shutil.which("redis-server")
        if not path:
            raise Skip("Redis is not installed: apt-get install redis-server")
        return [path]

    def start(self, wait=True):
        if self.alive():
            return self
        self.launch([*self.program(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory, "--save", "",
                     "--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction",
                     "--daemonize", "no", "--enable-debug-command", "yes", *self.options])
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        self.wait_answer(lambda: self.client().ping())

    def client(self, **more):
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=10, **more)

    def control(self, db=0):
        """Every lock (L...) and undo record (U...) in the proxies' control hashes: what is still open."""
        db = self.client(**({"db": db} if db else {}))
        return {key: sorted(field for field in db.hkeys(key) if field[:1] in b"LU")
                for key in db.scan_iter("xa:*:c", count=1000) if db.type(key) == b"hash"}

    def open_fields(self, db=0):
        return sorted(field for fields in self.control(db).values() for field in fields)


class TlsRedis(Redis):
    """A Redis that speaks TLS only, and asks for a certificate."""

    def __init__(self, directory, certs, options=()):
        super().__init__(directory, options)
        self.certs = certs
        self.options += ["--tls-port", str(self.port), "--port", "0", "--tls-auth-clients", "yes",
                         "--tls-cert-file", f"{certs}/server.crt", "--tls-key-file", f"{certs}/server.key",
                         "--tls-client-cert-file", f"{certs}/client.crt", "--tls-client-key-file", f"{certs}/client.key",
                         "--tls-ca-cert-file", f"{certs}/ca.crt"]

    def card(self):
        return {"ssl": True, "ssl_ca_certs": f"{self.certs}/ca.crt", "ssl_certfile": f"{self.certs}/client.crt",
                "ssl_keyfile": f"{self.certs}/client.key"}

    def client(self, **more):
        return super().client(**self.card(), **more)


class RedisNode(TlsRedis):
    """A node of a cluster; its bus has the port above its own."""

    def __init__(self, directory, certs):
        os.makedirs(directory, exist_ok=True)
        remembered_port(os.path.abspath(directory), 2)
        super().__init__(directory, certs, ["--cluster-enabled", "yes", "--cluster-node-timeout", "3000", "--tls-cluster", "yes",
                                            "--tls-replication", "yes"])
        self.options += ["--cluster-port", str(self.port + 1)]

    @functools.cached_property
    def line(self):
        """One client for all questions: a handshake each would take most of the time."""
        return super().client()

    def client(self, **more):
        return super().client(**more) if more else self.line

    def say(self, *words):
        return self.line.execute_command(*words)

    @property
    def name(self):
        return self.say("CLUSTER", "MYID").decode()


class RedisCluster:
    """Masters that share the slots evenly, without replicas, over TLS."""

    SLOTS = 16384

    def __init__(self, directory, certs, count=3):
        self.nodes = [RedisNode(os.path.join(directory, f"node{i}"), certs) for i in range(count)]

    def start(self):
        for node in self.nodes:
            node.start()
        step, strangers = self.SLOTS // len(self.nodes) + 1, []
        if b"cluster_slots_assigned:0" in self.info(self.nodes[0]):
            for i, node in enumerate(self.nodes):
                node.say("CLUSTER", "ADDSLOTSRANGE", i * step, min(self.SLOTS, (i + 1) * step) - 1)
            strangers = self.nodes[1:]
        self.come_together(strangers)
        return self

    def come_together(self, strangers):
        """Until all know all. A greeting that is not answered within a second or so is forgotten: it is said again."""
        begun, greeted = time.monotonic(), None
        while not self.whole():
            now = time.monotonic()
            if now > begun + START_LIMIT_S:
                raise RuntimeError(f"the cluster does not come together: {self.info(self.nodes[0])}")
            if not greeted or now > greeted + 5:
                greeted = now
                for node in strangers:
                    self.nodes[0].say("CLUSTER", "MEET", "127.0.0.1", node.port, node.port + 1)
            time.sleep(0.02)

    @staticmethod
    def info(node):
        return node.say("CLUSTER", "INFO")

    def whole(self):
        """Everybody knows everybody, and says the same."""
        want = f"cluster_known_nodes:{len(self.nodes)}\r".encode()
        return all(b"cluster_state:ok" in self.info(node) and want in self.info(node) and self.owner(0, node)
                   and self.owner(self.SLOTS - 1, node) for node in self.nodes)

    @staticmethod
    def slot(key):
        return redis.crc.key_slot(key.encode())

    def owner(self, slot, asked=None):
        """The node that serves the slot, as that one says."""
        for first, last, master, *_ in (asked or self.nodes[0]).say("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == master[1])
        return None

    @functools.lru_cache(maxsize=None)
    def client(self):
        return redis.RedisCluster(host="127.0.0.1", port=self.nodes[0].port, **self.nodes[0].card())

    def open_fields(self):
        return [field for node in self.nodes if node.alive() for field in node.open_fields()]


class Sentinel(Process):
    """Watches one master, with a password of its own; a quorum of one."""

    kind = "redis-sentinel"
    PASSWORD = "sentinel-secret"

    def __init__(self, directory, master_port, down_after_ms=1000):
        super().__init__(directory)
        self.port = remembered_port(self.directory)
        with open(self.path("sentinel.conf"), "w", encoding="ascii") as f:  # it writes there what it learns
            f.write("\n".join([f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}", f"requirepass {self.PASSWORD}",
                               f"sentinel sentinel-pass {self.PASSWORD}", f"sentinel monitor shop 127.0.0.1 {master_port} 1",
                               f"sentinel down-after-milliseconds shop {down_after_ms}",
                               "sentinel failover-timeout shop 1000"]) + "\n")

    def start(self):
        if not self.alive():
            self.launch([shutil.which("redis-server"), self.path("sentinel.conf"), "--sentinel"])
            self.wait_answer(lambda: self.client().ping())
        return self

    def client(self):
        return redis.Redis(host="127.0.0.1", port=self.port, password=self.PASSWORD, socket_timeout=10)

    def master_port(self):
        return int(self.client().execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop")[1])

    def replicas(self):
        return self.client().sentinel_slaves("shop")


def rootfs_argv(rootfs, program):
    """Runs a program of a rootfs with that rootfs's loader."""
    libraries = f"{rootfs}/usr/lib/x86_64-linux-gnu"
    return [f"{rootfs}/lib64/ld-linux-x86-64.so.2", "--library-path", f"{libraries}:{libraries}/mysql", rootfs + program]


class NewerRedis(Redis):
    """Redis of Debian sid: fields with times to live, vector sets."""

    kind = "newredis"
    executable = "/usr/bin/redis-server"

    @classmethod
    def program(cls):
        make_rootfs(REDIS_ROOTFS, "redis-server,valkey-server", "a newer Redis")
        return rootfs_argv(REDIS_ROOTFS, cls.executable)


class Valkey(NewerRedis):
    kind = "valkey"
    executable = "/usr/bin/valkey-server"


KINDS = {c.kind: c for c in (MariaDB, MySQL, Redis, NewerRedis, Valkey)}
