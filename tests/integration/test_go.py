"""The test suite of Go's MySQL driver (Debian's source package of it) finds through the proxy what it finds on the server.

Each of its tests runs in a process of its own: as the suite is, and with every connection of it encrypted. A test that is skipped
has not passed. go.exceptions lists what fails on the server itself as well, with the reason.
"""
import atexit
import os
import shutil
import subprocess
import tempfile

import stage

GOPATH = "/usr/share/gocode"
SOURCE = f"{GOPATH}/src/github.com/go-sql-driver/mysql"
LIMIT_S = 120
ABROAD = "TestConnectorReturnsTimeout"  # asks an address of the internet, and no server
NO_DSN = "TestNewConnector"  # names the schema by itself: what Encrypted says behind the name would belong to it
PACKAGES = "golang-go golang-github-go-sql-driver-mysql-dev"
# Sets the schema's name in the suite's own DSN, NAME?timeout=30s: the # makes the rest a comment in a SET that the driver sends.
ENCRYPTED = "gotest?tls=skip-verify&net_write_timeout=60%23"


def there():
    return os.path.exists(f"{SOURCE}/driver_test.go") and shutil.which("go")


def build():
    """The suite as a program; its path, and the names of its tests."""
    directory = tempfile.mkdtemp(prefix="xap-go-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    program = os.path.join(directory, "suite")
    env = {**os.environ, "GOPATH": GOPATH, "GO111MODULE": "off", "GOFLAGS": "", "GOCACHE": os.path.join(directory, "cache")}
    subprocess.run(["go", "test", "-c", "-o", program, "."], cwd=SOURCE, env=env, check=True)
    told = subprocess.run([program, "-test.list", "^Test"], capture_output=True, text=True, check=True).stdout
    return program, [name for name in told.split() if name != ABROAD]


PROGRAM, NAMES = build() if there() else (None, ["suite"])


class Go(stage.Foreign):
    suite = "go"
    missing = None if PROGRAM else f"not installed: {PACKAGES}"
    schema = "gotest"
    # TestConcurrent keeps what has a connection in a transaction until 400 clients have begun: the others wait as long.
    options = {"server_options": ["--local-infile=ON", "--max-allowed-packet=20971520"],
               "backend_options": ["queue_timeout = 120s"]}

    def run_through(self, door, name):
        self.stage.server.script(["CREATE DATABASE IF NOT EXISTS gotest"])
        user, password = stage.ROOT
        env = {**os.environ, "MYSQL_TEST_USER": user, "MYSQL_TEST_PASS": password, "MYSQL_TEST_PROT": "tcp", "MYSQL_TEST_CONCURRENT": "1",
               "MYSQL_TEST_ADDR": f"{door.host}:{door.port}", "MYSQL_TEST_DBNAME": self.schema}
        done = subprocess.run([PROGRAM, "-test.v", f"-test.timeout={LIMIT_S}s", f"-test.run=^{name}$"], cwd=SOURCE, env=env,
                              capture_output=True, text=True, errors="replace", check=False)
        passed = done.returncode == 0 and f"--- PASS: {name} " in done.stdout and "--- SKIP:" not in done.stdout
        return None if passed else f"status {done.returncode}: {(done.stdout + done.stderr)[-1500:]}"


class Encrypted(Go):
    schema = ENCRYPTED


Plain = stage.a_class(Go, "Plain", NAMES, "proxy")
Tls = stage.a_class(Encrypted, "Tls", [name for name in NAMES if name != NO_DSN], "proxy")
