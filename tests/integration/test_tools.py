"""Programs that people run against a server, unchanged through the proxy: sysbench, mariadb-dump and its reload.
SYSBENCH_SECONDS (3) and DUMP_MIB (24) say how long and how much; `make check-full` takes 300 and 1024."""
import contextlib
import os
import re
import subprocess

import xatest

SECONDS = int(os.environ.get("SYSBENCH_SECONDS", "3"))
MIB = int(os.environ.get("DUMP_MIB", "24"))
THREADS = 32
MEMORY_MIB = 48  # what the proxy may grow by, however much goes through it


class Tools(xatest.Case):
    world_options = {"backend_options": xatest.PATIENT}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, one in cls.world.server.items():  # what dumps routines and loads those of others
            one.script([f"GRANT ALL ON *.* TO '{cls.world.account('app', name)[0]}'@'%'"])
        cls.folder = os.path.join(cls.world.directory, "tools")
        os.mkdir(cls.folder)
        # where sysbench looks for what TLS needs
        for name, file in (("cacert.pem", "ca.crt"), ("client-cert.pem", "client.crt"), ("client-key.pem", "client.key")):
            os.symlink(f"{cls.world.certs}/{file}", f"{cls.folder}/{name}")

    def tearDown(self):
        self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail(40))
        self.world.settle()

    def run_tool(self, *argv, **more):
        done = subprocess.run(argv, cwd=self.folder, stderr=subprocess.PIPE, check=False, timeout=SECONDS * 2 + MIB * 2 + 300,
                              **more)
        self.assertEqual(done.returncode, 0, (argv[:2], (done.stdout or b"")[-1500:], done.stderr[-1500:]))
        return (done.stdout or b"").decode()

    def program(self, name):
        """A client of MariaDB's package, through TLS with the certificate checked."""
        options = os.path.join(self.folder, "client.cnf")
        with open(options, "w", encoding="ascii") as f:
            f.write(f"[client]\nhost=127.0.0.1\nport={self.world.proxy.port}\nuser=app\npassword={xatest.PASSWORDS['app']}\n"
                    f"ssl-ca={self.world.certs}/ca.crt\nssl-verify-server-cert\n")
        return [name, f"--defaults-file={options}"]

    def proxy_peak_mib(self):
        with open(f"/proc/{self.world.proxy.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1]) / 1024

    # --- sysbench ---

    def sysbench(self, test, command, *options):
        return self.run_tool("sysbench", test, "--mysql-host=127.0.0.1", f"--mysql-port={self.world.proxy.port}",
                             "--mysql-user=app",
                             f"--mysql-password={xatest.PASSWORDS['app']}", "--mysql-db=t1", "--mysql-ssl=on", "--tables=2",
                             "--table-size=2000", f"--threads={THREADS}", f"--time={SECONDS}", *options, command,
                             stdout=subprocess.PIPE)

    def test_sysbench(self):
        """32 threads, with prepared statements and without; its deadlocks it counts itself, any other error ends it."""
        self.sysbench("oltp_read_write", "prepare")
        for test in ("oltp_read_write", "oltp_point_select"):
            for mode in ("auto", "disable"):
                with self.subTest(test=test, ps=mode):
                    said = self.sysbench(test, "run", f"--db-ps-mode={mode}")
                    number = {name: int(value) for name, value in re.findall(r"([a-z][a-z ]+):\s+(\d+)\s+\(", said)}
                    print(f"# {test} ps={mode}: {' '.join(f'{k}={v}' for k, v in number.items())}", flush=True)
                    self.assertGreater(number["transactions"], 0)
                    self.assertEqual(number["reconnects"], 0)
        self.sysbench("oltp_read_write", "cleanup")

    # --- dump and reload ---

    def fill(self):
        """Rows of all sorts, past the proxy: MIB of them in all."""
        per_row = 4096
        self.world.server["s1"].script([
            "CREATE TABLE t1.big (id INT PRIMARY KEY, name VARCHAR(80) CHARACTER SET utf8mb4 NOT NULL,"
            " price DECIMAL(12,3), at DATETIME(6),"
            " bits BIT(9), body LONGBLOB, txt MEDIUMTEXT CHARACTER SET utf8mb4, e ENUM('a','b'), KEY (name)) ENGINE=InnoDB",
            "CREATE TABLE t1.seed (i INT PRIMARY KEY) ENGINE=InnoDB",
            "INSERT INTO t1.seed VALUES " + ",".join(f"({i})" for i in range(256))])
        for at in range(0, MIB):
            self.world.direct("s1", "INSERT INTO t1.big SELECT i + %s * 256, CONCAT('na''me \\\\ \\n Ω ', i), i / 7, "
                              "'2020-01-01' + INTERVAL i * 99 MICROSECOND, i MOD 512, "
                              "IF(i MOD 9 = 0, NULL, UNHEX(REPEAT(SHA2(i + %s, 512), %s))), REPEAT('xÄ', i), 1 + i MOD 2"
                              " FROM t1.seed", at, at, per_row // 64)
        self.world.server["s1"].script([
            "USE t1",
            "CREATE VIEW few AS SELECT id, name FROM big WHERE id < 10",
            "CREATE PROCEDURE p(IN x INT) BEGIN SELECT x; SELECT x + 1; END",
            "CREATE TRIGGER keeps BEFORE UPDATE ON big FOR EACH ROW SET NEW.name = CONCAT(NEW.name, ';')"])

    def checksum(self, server, schema):
        columns = "id, name, price, at, bits + 0, SHA2(body, 256), txt, e"
        with contextlib.closing(self.world.server[server].root(schema)) as db:
            return [self.rows(db, f"SELECT COUNT(*), SUM(CRC32(CONCAT_WS('|', {columns}))) FROM big"),
                    self.rows(db, "SELECT COUNT(*), SUM(CRC32(name)) FROM few")]

    def test_dump_and_reload(self):
        self.fill()
        before = self.proxy_peak_mib()
        dump = os.path.join(self.folder, "dump.sql")
        with open(dump, "wb") as out:
            self.run_tool(*self.program("mariadb-dump"), "--single-transaction", "--routines", "--triggers", "--no-tablespaces",
                          "t1", stdout=out)
        with open(dump, "rb") as text:
            self.run_tool(*self.program("mariadb"), "t2", stdin=text, stdout=subprocess.PIPE)
        self.assertEqual(self.checksum("s1", "t1"), self.checksum("s2", "t2"))
        self.assertEqual(self.world.direct("s2", "SELECT COUNT(*) FROM information_schema.triggers WHERE trigger_schema = 't2'"),
                         ((1,),))
        grown = self.proxy_peak_mib() - before
        print(f"# {os.path.getsize(dump) >> 20} MiB dumped and loaded, the proxy's peak grew by {grown:.1f} MiB", flush=True)
        self.assertLess(grown, MEMORY_MIB)
