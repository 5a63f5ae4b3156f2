"""The C API's own test program (mariadb-client-test, Debian's mariadb-test) finds through the proxy what it finds on the server.

Each of its tests runs in a process of its own, so that a crash costs one test only: in clear text and with TLS. What
fails through the proxy is tried directly too: capi.exceptions lists what fails there as well, and what cannot pass by its
nature, with the reason.
"""
import os
import shutil
import subprocess

import stage
import xatest

PROGRAM = "mariadb-client-test"
OPTIONS = ["--general-log", "--log-output=FILE,TABLE", "--max-allowed-packet=32000000", "--character-set-server=latin1",
           "--default-storage-engine=myisam", "--sql-mode=", "--local-infile", "--log-bin-trust-function-creators=1",
           "--skip-name-resolve=0"]
if xatest.FAMILY == "mariadb":
    OPTIONS.append("--proxy-protocol-networks=*")
LIMIT_S = 300
# Accounts that its tests make on the server. A proxy's users are its own: they are told to it beforehand.
USERS = {"root": "", "test_grant": "", "testbug": "", "mysqltest_u1": "", "mysqltest_no_pw": "", "mysqltest_pw": "password",
         "u": "password", "b" * 16: "c" * 2048}


def names():
    told = subprocess.run([PROGRAM, "--no-defaults", "-T"], capture_output=True, text=True, check=False).stdout
    return told.partition(":")[2].split()


class Capi(stage.Foreign):
    suite = "capi"
    missing = None if shutil.which(PROGRAM) else "mariadb-client-test is not installed: apt-get install mariadb-test"
    options = {"server_options": OPTIONS, "users": USERS}

    @classmethod
    def prepare(cls):
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


THERE = names() if shutil.which(PROGRAM) else ["program"]  # which is skipped
Plain = stage.a_class(Capi, "Plain", THERE, "proxy")
Tls = stage.a_class(Capi, "Tls", THERE, "proxy-tls")
