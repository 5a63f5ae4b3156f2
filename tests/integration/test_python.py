"""The test suites of PyMySQL and of mysqlclient for Python find through the proxy what they find on the server, test by test; each of their
files is run by itself.

mysqlclient's comes from Debian's source package of what is installed, which apt fetches once from where this machine has its packages;
PyMySQL's lies in a checkout of the driver, which it tests (checkout.py). python.exceptions lists what fails on the server itself as well and
what cannot pass by its nature, with the reason. What is skipped through the proxy must be skipped on the server, for the same reason.
"""
import glob
import importlib.util
import json
import os
import subprocess

import checkout
import debian_source
import stage

LIMIT_S = 300
PYTHON = "/usr/bin/python3"  # Debian's, which has the drivers
NO_SERVER = {"pymysql/tests/test_err", "pymysql/tests/test_optionfile", "pymysql/tests/test_converters", "pymysql/tests/test_charset",
             "tests/test_MySQLdb_times"}


def find(module, source):
    """The folder of a suite, and None or a reason why it cannot be had."""
    if not (importlib.util.find_spec("pytest") and importlib.util.find_spec(module)):
        return None, "not installed: python3-pytest python3-pymysql python3-mysqldb"
    return source()


def mysqlclient():
    folder = debian_source.folder("python")
    return f"{folder}/mysqlclient", debian_source.fetch(folder, {"mysqlclient": "python-mysqldb"}, "tests")


def pymysql():
    return checkout.fetch("PyMySQL", "https://github.com/PyMySQL/PyMySQL", "v1.2.0")


def names(folder, missing, tests):
    there = {os.path.relpath(path, folder).removesuffix(".py") for path in glob.glob(f"{folder}/{tests}/**/test_*.py", recursive=True)}
    return ["suite"] if missing else sorted(there - NO_SERVER)


class Python(stage.Foreign):
    suite = "python"
    options = {"server_options": ["--local-infile=ON", "--character-set-server=utf8mb4"]}

    folder = None

    def tell(self, door):
        """The suite where the server is; more of the environment of its tests."""
        raise NotImplementedError

    def told(self, door, name):
        self.stage.server.script([f"CREATE DATABASE IF NOT EXISTS {schema}" for schema in ("test1", "test2")])
        report = os.path.join(self.stage.directory, "report.xml")
        done = subprocess.run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", f"{self.folder}/{name}.py"],
                              cwd=self.stage.directory, env={**os.environ, **self.tell(door)}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=LIMIT_S, check=False)
        if not os.path.exists(report):
            return {name: f"status {done.returncode}: {(done.stdout + done.stderr)[-800:]}"}
        told = stage.junit_report(report, lambda case: f"{os.path.basename(name)}.{case.get('name')}")
        os.unlink(report)
        return told


class OfPyMySQL(Python):
    def tell(self, door):
        user, password = stage.ROOT
        common = {"host": door.host, "port": door.port, "user": user, "password": password, "use_unicode": True, "local_infile": True}
        with open(f"{self.folder}/pymysql/tests/databases.json", "w", encoding="ascii") as f:
            json.dump([{**common, "database": schema} for schema in ("test1", "test2")], f)
        return {"PYTHONPATH": self.folder}


class OfMysqlclient(Python):
    def tell(self, door):
        user, password = stage.ROOT
        path = os.path.join(self.stage.directory, "mysqlclient.cnf")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"[MySQLdb-tests]\nhost = {door.host}\nport = {door.port}\nuser = {user}\npassword = {password}\ndatabase = test1\n"
                    "default-character-set = utf8mb4\n")
        return {"TESTDB": path}


def a_suite(base, title, module, source, tests):
    folder, missing = find(module, source)
    made = stage.a_class(base, title, names(folder, missing, tests), "proxy")
    made.folder, made.missing = folder, missing
    return made


PyMySQL = a_suite(OfPyMySQL, "PyMySQL", "pymysql", pymysql, "pymysql/tests")
Mysqlclient = a_suite(OfMysqlclient, "Mysqlclient", "MySQLdb", mysqlclient, "tests")
