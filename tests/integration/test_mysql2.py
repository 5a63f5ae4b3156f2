"""The test suite of mysql2 for Node finds through the proxy what it finds on the server: each file of it that talks to one is a test.

It lies in a checkout of the driver (checkout.py). mysql2.exceptions lists what fails on the server itself as well and what cannot pass by
its nature, with the reason.
"""
import glob
import os
import re
import subprocess

import checkout
import stage

LIMIT_S = 120
FOLDER, MISSING = checkout.fetch_node("node-mysql2", "https://github.com/sidorares/node-mysql2", "v3.23.4")
END = ".test.mts"
# Accounts that its tests make on the server. A proxy's users are its own: they are told to it beforehand.
USERS = {"changeuser1": "changeuser1pass", "changeuser2": "changeuser2pass", "pooluser1": "pooluser1pass"}


def names():
    files = [path for part in ("integration", "global") for path in glob.glob(f"{FOLDER}/test/{part}/**/*{END}", recursive=True)]
    return ["suite"] if MISSING else sorted(os.path.relpath(path, f"{FOLDER}/test").removesuffix(END) for path in files)


class Mysql2(stage.Foreign):
    suite = "mysql2"
    missing = MISSING
    options = {"server_options": ["--local-infile=ON"], "users": USERS}

    def run_through(self, door, name):
        self.stage.server.script(["CREATE DATABASE IF NOT EXISTS test"])
        user, password = stage.ROOT
        env = {**os.environ, "MYSQL_HOST": door.host, "MYSQL_PORT": str(door.port), "MYSQL_USER": user, "MYSQL_PASSWORD": password,
               "MYSQL_DATABASE": "test", "CI": "1", "NO_COLOR": "1"}
        try:
            done = subprocess.run(["node", "--import", "tsx", f"test/{name}{END}"], cwd=FOLDER, env=env, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"not over in {LIMIT_S} s"
        if done.returncode:
            return re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)[-1200:]
        return None


Plain = stage.a_class(Mysql2, "Plain", names(), "proxy")
