"""One server and a proxy before it that lets everything through to it: the stage for test suites that others wrote for a server.

Each suite runs directly and through the proxy, with the same accounts; its own file knows how one of its tests is run. `Door` is a
way in: a port, and whether TLS is begun there for programs that cannot do so themselves. `Foreign` compares: what fails through
the proxy is tried directly, too, and NAME.exceptions lists what fails there as well and what cannot pass by its nature.
"""
import atexit
import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import sys
import tempfile
import unittest
from xml.etree import ElementTree

import pymysql
import xatest
from xatest import servers

sys.path.insert(0, os.path.join(xatest.SOURCE, "tests", "support"))
import starttls  # noqa: E402

ROOT = ("tester", "tester-secret")  # may do everything


@dataclasses.dataclass
class Door:
    name: str  # direct, direct-tls, proxy, proxy-tls
    port: int
    host: str = "127.0.0.1"


class Ed25519(str):
    """The password of an account that MariaDB's ed25519 looks after."""


class Stage:
    """users: name to password, of the accounts that the suite makes on the server by itself."""

    def __init__(self, family=None, server_options=(), users=None, proxy_options=(), listener_options=(), backend_options=()):
        self.family = family or xatest.FAMILY
        self.directory = tempfile.mkdtemp(prefix=f"xap-stage-{self.family}-")
        atexit.register(self.wipe)
        self.certs = xatest.make_certs(self.directory)
        self.server = servers.KINDS[self.family](os.path.join(self.directory, "server"), self.certs, server_options)
        self.users = {ROOT[0]: ROOT[1], **(users or {})}
        self.options = {"proxy": proxy_options, "listener": listener_options, "backend": backend_options}
        self.config = os.path.join(self.directory, "xaproxy.conf")
        self.proxy = xatest.Proxy(os.path.join(self.directory, "proxy"), self.config)
        self.starters = {}
        self.found = None  # by look(), before any suite

    def start(self):
        self.server.start()
        user, password = ROOT
        self.server.script([f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'",
                            f"GRANT ALL ON *.* TO '{user}'@'%' WITH GRANT OPTION", "CREATE DATABASE IF NOT EXISTS test"])
        lines = "\n".join(self.config_lines()) + "\n"
        with open(self.config, "w", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as f:
            f.write(lines)
        self.proxy.start()
        self.proxy.wait_judged([("backend", "main")])
        self.found = self.look()
        return self

    def config_lines(self):
        yield from ("[proxy]", "node = stage", f"data_dir = {self.directory}/proxy/data", "workers = 2",
                    "failed_login_delay = 0", *self.options["proxy"])
        yield from ("[listener main]", "address = 127.0.0.1", f"port = {self.proxy.port}", "tls_required = off",
                    f"tls_cert = {self.certs}/server.crt", f"tls_key = {self.certs}/server.key", *self.options["listener"])
        yield from ("[backend main]", "address = 127.0.0.1", f"port = {self.server.port}", "schemas = *",
                    f"tls_ca = {self.certs}/ca.crt", f"resolver_user = {servers.RESOLVER[0]}",
                    f"resolver_password = {servers.RESOLVER[1]}", *self.options["backend"])
        for user, password in self.users.items():
            yield from (f"[user {user}]", "local_infile = on")
            if isinstance(password, Ed25519):
                yield f"ed25519_verifier = {xatest.ed25519_verifier(password)}"
            elif password:
                digest = hashlib.sha1(hashlib.sha1(password.encode()).digest()).hexdigest().upper()
                yield f"native_verifier = *{digest}"  # of the plugin that works without TLS, too
            else:
                yield "empty_password = on"
            yield from (f"[account {user}@main]", f"password = {password}" if password else "")

    def door(self, name):
        """direct or proxy, with -tls for one that begins TLS by itself."""
        port = (self.proxy if name.startswith("proxy") else self.server).port
        if name.endswith("-tls"):
            if name not in self.starters:
                self.starters[name] = starttls.Starter(port, f"{self.certs}/ca.crt")
            port = self.starters[name].port
        return Door(name, port)

    def wipe(self):
        atexit.unregister(self.wipe)
        for starter in self.starters.values():
            starter.close()
        for part in (self.proxy, self.server):
            if part.alive():
                part.crash()
        if os.environ.get("XAPROXY_KEEP"):
            print(f"# kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    # What a test left behind, so that the next one does not fail for it; done directly.

    def look(self):
        """What the server has: schemas, accounts, global variables."""
        with contextlib.closing(self.server.root()) as db, db.cursor() as cursor:
            def ask(sql):
                cursor.execute(sql)
                return cursor.fetchall()
            return ({schema for (schema,) in ask("SHOW DATABASES")}, set(ask("SELECT user, host FROM mysql.user")),
                    dict(ask("SHOW GLOBAL VARIABLES")))

    def clean(self, thoroughly):
        """Drops new schemas; after a test that failed on its way also new accounts, and takes back global variables."""
        schemas, accounts, variables = self.look()
        statements = [f"DROP DATABASE `{schema}`" for schema in schemas - self.found[0]]
        if thoroughly:
            statements += [f"DROP USER '{user}'@'{host}'" for user, host in accounts - self.found[1]]
            statements += [f"SET GLOBAL {name} = {value if value.isdigit() else repr(value)}"
                           for name, value in self.found[2].items() if variables.get(name, value) != value]
        with contextlib.closing(self.server.root()) as db, db.cursor() as cursor:
            for statement in statements:
                with contextlib.suppress(pymysql.err.MySQLError):  # read-only variables that change by themselves
                    cursor.execute(statement)


class Skips(str):
    """What a test said that passed but for parts of it that it skipped, and why."""


def exceptions(name):
    """{(test, where): reason} where `where` is direct or proxy."""
    found = {}
    with open(os.path.join(xatest.HERE, f"{name}.exceptions"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                test, where, reason = line.strip().split(None, 2)
                found[test, where] = reason
    return found


class Foreign:
    """Made into a class a door by a_class, with a method a test of the suite."""

    suite = None  # its exceptions' name
    missing = None  # why it cannot run here
    door = None
    options = {}  # of Stage

    @classmethod
    def setUpClass(cls):
        if cls.missing:
            raise unittest.SkipTest(cls.missing)
        cls.stage = Stage(**cls.options).start()
        cls.addClassCleanup(cls.stage.wipe)
        cls.prepare()

    @classmethod
    def prepare(cls):
        """What the suite needs on the stage."""

    def run_through(self, door, name):
        """None where it passed, else the end of what it said, or Skips."""
        raise NotImplementedError

    def told(self, door, name):
        """{test: as run_through says it}, for suites whose programs have many tests each."""
        return {name: self.run_through(door, name)}

    def told_by(self, door, name):
        """The same; the next test finds the server as it was."""
        told = self.told(self.stage.door(door), name)
        self.stage.clean(thoroughly=any(said is not None for said in told.values()))
        return told

    def show(self, name):
        known = exceptions(self.suite)
        told = self.told_by(self.door, name)
        self.assertTrue(self.stage.proxy.alive(), f"the proxy ended:\n{self.stage.proxy.log_tail()}")
        lost = {test: said for test, said in told.items() if said is not None and (test, "proxy") not in known}
        if lost:
            directly = self.told_by("direct", name)
            verdicts = [verdict(test, said, directly.get(test), known) for test, said in lost.items()]
            self.assertFalse(any(verdicts), "\n".join(filter(None, verdicts)))


def verdict(test, said, directly, known):
    """What is wrong with a test that did not simply pass through the proxy; None: nothing."""
    if isinstance(said, Skips) and isinstance(directly, Skips):
        return None if said == directly else f"{test} skips {said}, and on the server {directly}"
    if directly is None:
        return f"{test}: {said}"
    return None if (test, "direct") in known else f"{test} fails on the server itself too, unlike what was known:\n{said}"


def junit_report(path, name_of):
    """{test: as run_through says it} of a report as JUnit writes it; name_of(case) names a test."""
    found = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        said = next((part for part in case if part.tag in ("failure", "error", "skipped")), None)
        if said is not None:
            text = f"{said.get('message') or ''} {said.text or ''}".strip()
            said = Skips(text[:300]) if said.tag == "skipped" else text[:800]
        found[re.sub(r"\s+", "_", name_of(case))] = said
    return found


def a_test(name):
    return lambda self: self.show(name)


def a_class(base, title, names, door):
    tests = {f"test_{name.removeprefix('test_')}": a_test(name) for name in names}
    return type(title, (base, unittest.TestCase), {**tests, "door": door, "__module__": base.__module__})
