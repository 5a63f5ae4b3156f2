"""The test suites of PHP's mysqli and PDO's MySQL driver find through the proxy what they find on the server.

Debian has them in the source package of its PHP only, which apt fetches once from where this machine has its packages; the PHP that is
installed runs them. Each .phpt is a test, but for pdo_mysql's common, which runs those of PDO itself. php.exceptions lists what fails on the
server itself as well and what cannot pass by its nature, with the reason. What is skipped through the proxy must be skipped on the server,
for the same reason.
"""
import glob
import os
import re
import shutil
import subprocess

import debian_source
import stage

LIMIT_S = 120
SUITES = ("mysqli", "pdo_mysql")
# PASS TITLE [PATH], where a title may have several lines.
LINE = re.compile(r"(?ms)^(PASS|SKIP|FAIL|BORK|LEAK|WARN|XFAIL)(?:&\w+)* .*?\[(?:[^]\n]*# )?\S*?ext/(\w+)/tests/(\S+)\.phpt\](?: reason: ([^\n]*))?")
# Accounts that its tests make on the server. A proxy's users are its own: they are told to it beforehand.
USERS = {"shatest": "shatest", "pcontest": "pcontest", "expiretest": "expiredpassword"}
FOLDER = debian_source.folder("php")


def find():
    """None, or a reason why the suite cannot be had."""
    if not shutil.which("php"):
        return "not installed: php-cli php-mysql"
    version = subprocess.run(["php", "-r", 'echo PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;'], capture_output=True, text=True, check=True).stdout
    return debian_source.fetch(FOLDER, {"php": f"php{version}"}, "ext/mysqli/tests")


MISSING = find()


def names():
    there = [(suite, path) for suite in SUITES for path in glob.glob(f"{FOLDER}/php/ext/{suite}/tests/*.phpt")]
    return ["suite"] if MISSING else sorted(f"{suite}/{os.path.basename(path).removesuffix('.phpt')}" for suite, path in there)


class Php(stage.Foreign):
    suite = "php"
    missing = MISSING
    options = {"server_options": ["--local-infile=ON", "--max-allowed-packet=64M"], "users": USERS}

    def told(self, door, name):
        self.stage.server.script(["CREATE DATABASE IF NOT EXISTS phptest"])
        suite, _, file = name.partition("/")
        try:
            done = subprocess.run(["php", "run-tests.php", "-p", shutil.which("php"), "-q", "--no-color", "--no-progress", "--show-diff", "--set-timeout",
                                   str(LIMIT_S), f"ext/{suite}/tests/{file}.phpt"], cwd=f"{FOLDER}/php", env=self.environment(door),
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=5 * LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return {name: f"not over in {5 * LIMIT_S} s"}
        told = {f"{suite}/{file}": self.said(word, reason, done.stdout) for word, suite, file, reason in LINE.findall(done.stdout)}
        return told or {name: f"status {done.returncode}: {(done.stdout + done.stderr)[-800:]}"}

    @staticmethod
    def said(word, reason, output):
        if word in ("PASS", "XFAIL"):
            return None
        return stage.Skips(reason) if word == "SKIP" else output[-1200:]

    @staticmethod
    def environment(door):
        user, password = stage.ROOT
        common = {"HOST": door.host, "PORT": str(door.port), "USER": user, "DB": "phptest"}
        return {**os.environ, "NO_INTERACTION": "1", **{f"MYSQL_TEST_{key}": value for key, value in common.items()},
                "MYSQL_TEST_PASSWD": password, **{f"PDO_MYSQL_TEST_{key}": value for key, value in common.items()},
                "PDO_MYSQL_TEST_PASS": password, "PDO_MYSQL_TEST_DSN": f"mysql:host={door.host};port={door.port};dbname=phptest"}


Plain = stage.a_class(Php, "Plain", names(), "proxy")
