"""The C API's own test program (mariadb-client-test, Debian's mariadb-test) finds through the proxy what it finds on the server.

Each of its tests runs in a process of its own, so that a crash costs one test only: in clear text and with TLS. What
fails through the proxy is tried directly too: capi.exceptions lists what fails there as well, and what cannot pass by its
nature, with the reason.
"""
import os
import shutil
import subprocess
import unittest

import stage
import xatest

PROGRAM = "mariadb-client-test"
OPTIONS = ["--general-log", "--log-output=FILE,TABLE", "--max-allowed-packet=32000000", "--proxy-protocol-networks=*",
           "--character-set-server=latin1", "--default-storage-engine=myisam", "--sql-mode=", "--local-infile",
           "--log-bin-trust-function-creators=1", "--skip-name-resolve=0"]
LIMIT_S = 120
# Accounts that its tests make on the server. A proxy's users are its own: they are told to it beforehand.
USERS = {"root": "", "test_grant": "", "testbug": "", "mysqltest_u1": "", "mysqltest_no_pw": "", "mysqltest_pw": "password",
         "u": "password", "b" * 16: "c" * 2048}


def names():
    told = subprocess.run([PROGRAM, "--no-defaults", "-T"], capture_output=True, text=True, check=False).stdout
    return told.partition(":")[2].split()


def exceptions():
    """{(name, where): reason} where `where` is direct or proxy."""
    found = {}
    with open(os.path.join(xatest.HERE, "capi.exceptions"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                name, where, reason = line.strip().split(None, 2)
                found[name, where] = reason
    return found


class Capi:
    """Made into a class a door, with a method a test of the program."""

    door = None

    @classmethod
    def setUpClass(cls):
        if not shutil.which(PROGRAM):
            raise unittest.SkipTest("mariadb-client-test is not installed: apt-get install mariadb-test")
        cls.stage = stage.Stage(server_options=OPTIONS, users=USERS).start()
        cls.addClassCleanup(cls.stage.wipe)
        cls.vardir = os.path.join(cls.stage.directory, "var")
        for folder in ("tmp", "log"):
            os.makedirs(os.path.join(cls.vardir, folder))

    def run_through(self, door, name):
        """None where it passed, else the end of what it said."""
        user, password = stage.ROOT
        argv = [PROGRAM, "--no-defaults", "-h", door.host, "-P", str(door.port), f"-u{user}", f"-p{password}",
                f"--vardir={self.vardir}", "--getopt-ll-test=25600M", "--silent", name]
        env = {**os.environ, "MYSQL_TMP_DIR": f"{self.vardir}/tmp", "MYSQLTEST_VARDIR": self.vardir}
        try:
            done = subprocess.run(argv, cwd=self.vardir, env=env, capture_output=True, text=True, errors="replace",
                                  timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"not over in {LIMIT_S} s"
        return None if done.returncode == 0 else f"status {done.returncode}: {(done.stdout + done.stderr)[-600:]}"

    def show(self, name):
        known = exceptions()
        said = self.run_through(self.stage.door(self.door), name)
        self.stage.clean(thoroughly=said is not None)
        if said is None:
            return
        self.assertTrue(self.stage.proxy.alive(), f"the proxy ended:\n{self.stage.proxy.log_tail()}")
        if (name, "proxy") in known:
            return
        fails_directly = self.run_through(self.stage.door("direct"), name) is not None
        self.stage.clean(thoroughly=fails_directly)
        if fails_directly:
            self.assertIn((name, "direct"), known, f"fails on the server itself too, unlike what was known:\n{said}")
        else:
            self.fail(said)


def a_test(name):
    return lambda self: self.show(name)


def a_class(title, door):
    there = names() if shutil.which(PROGRAM) else ["program"]  # which is skipped
    tests = {f"test_{name.removeprefix('test_')}": a_test(name) for name in there}
    return type(title, (Capi, unittest.TestCase), {**tests, "door": door})


Plain = a_class("Plain", "proxy")
Tls = a_class("Tls", "proxy-tls")
