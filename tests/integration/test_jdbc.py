"""The integration tests of MariaDB Connector/J find through the proxy what they find on the server, test by test; each class of them is run
by itself.

They lie in a checkout of the driver, mariadb-connector-j in the folder that XAPROXY_SUITES names, as Maven leaves it: its classes compiled
in target/classes and target/test-classes, and beside them in target/dependency what they need, the console of JUnit's platform among it.
jdbc.exceptions lists what fails on the server itself as well and what cannot pass by its nature, with the reason.
"""
import glob
import os
import shutil
import subprocess

import checkout
import stage

LIMIT_S = 900
PACKAGE = "org/mariadb/jdbc/integration"
# Accounts that its tests make on the server. A proxy's users are its own: they are told to it beforehand.
GENERAL, OTHER = "!Passw0rd3Works", "MySup8%rPassw@ord"
USERS = {"poolUser": GENERAL, "identityUser": GENERAL, "expired_pwd_user": GENERAL, "serverAuthUser": GENERAL, "mutualAuthUser": GENERAL,
         "dsUser": OTHER, "StatementErrorUser": OTHER, "verificationEd25519AuthPlugin": stage.Ed25519(OTHER), "testSocket": "heyPassw!µ20§rd"}


def find():
    """The compiled checkout, and None or a reason why there is none."""
    folder = os.path.join(checkout.SUITES or "", "mariadb-connector-j", "target")
    if not shutil.which("java"):
        return folder, "not installed: default-jre-headless"
    if not (checkout.SUITES and os.path.isdir(f"{folder}/test-classes") and os.path.isdir(f"{folder}/dependency")):
        return folder, "XAPROXY_SUITES names no folder with a compiled mariadb-connector-j (see test_jdbc.py)"
    return folder, None


FOLDER, MISSING = find()


def names():
    there = {os.path.basename(path).removesuffix(".class") for path in glob.glob(f"{FOLDER}/test-classes/{PACKAGE}/*Test.class")}
    return ["suite"] if MISSING else sorted(there)


class Jdbc(stage.Foreign):
    suite = "jdbc"
    missing = MISSING
    options = {"server_options": ["--local-infile=ON", "--max-allowed-packet=64M"], "users": USERS}

    def told(self, door, name):
        self.stage.server.script(["CREATE DATABASE IF NOT EXISTS testj"])
        user, password = stage.ROOT
        env = {**os.environ, "TEST_DB_HOST": door.host, "TEST_DB_PORT": str(door.port), "TEST_DB_USER": user, "TEST_DB_PASSWORD": password,
               "TEST_DB_DATABASE": "testj"}
        reports = os.path.join(self.stage.directory, "reports")
        argv = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{FOLDER}/test-classes:{FOLDER}/classes:{FOLDER}/dependency/*",
                "org.junit.platform.console.ConsoleLauncher", "--disable-banner", "--disable-ansi-colors", "--details=none",
                f"--reports-dir={reports}", f"--select-class={PACKAGE.replace('/', '.')}.{name}"]
        try:
            done = subprocess.run(argv, env=env, cwd=self.stage.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  errors="replace", timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return {name: f"not over in {LIMIT_S} s"}
        report = f"{reports}/TEST-junit-jupiter.xml"
        if not os.path.exists(report):
            return {name: f"status {done.returncode}: {(done.stdout + done.stderr)[-800:]}"}
        told = stage.junit_report(report, lambda case: f"{case.get('classname').rpartition('.')[2]}.{case.get('name')}")
        shutil.rmtree(reports)
        return {test.removesuffix("()"): said for test, said in told.items()}


Plain = stage.a_class(Jdbc, "Plain", names(), "proxy")
