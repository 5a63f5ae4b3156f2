"""The test suite of MariaDB's driver for Node finds through the proxy what it finds on the server, test by test; each of its files is run by
itself.

It lies in a checkout of the driver (checkout.py). mariadb_node.exceptions lists what fails on the server itself as well and what cannot
pass by its nature, with the reason. What a test skips for the server it finds is skipped on both.
"""
import glob
import json
import os
import re
import subprocess

import checkout
import stage

LIMIT_S = 600
FOLDER, MISSING = checkout.fetch_node("mariadb-connector-nodejs", "https://github.com/mariadb-corporation/mariadb-connector-nodejs", "3.5.3")
END = ".test.js"
# Accounts that its tests make on the server. A proxy's users are its own: they are told to it beforehand.
USERS = {"ChangeUser": "m1P4ssw0@rd", "ChangeUser2": "m1SecondP@rd", "verificationEd25519AuthPlugin": stage.Ed25519("MySup8%rPassw@ord"),
         "mysqltest1": "!Passw0rd3", "jeffrey": "5$?tuiHLKyklµ€rd", "jeffrey2": "5$?kLOPµ€rd", "sslTestUser": "ytoKS@led5",
         "nosslTestUser": "ytoKS@led5", "X509testUser": "éà@d684SQpl¨^"}


def names():
    return ["suite"] if MISSING else sorted(os.path.basename(path).removesuffix(END)
                                            for path in glob.glob(f"{FOLDER}/test/integration/*{END}"))


class MariadbNode(stage.Foreign):
    suite = "mariadb_node"
    missing = MISSING
    options = {"server_options": ["--local-infile=ON", "--max-allowed-packet=30M"], "users": USERS}

    def told(self, door, name):
        self.stage.server.script(["CREATE DATABASE IF NOT EXISTS testn"])
        user, password = stage.ROOT
        env = {**os.environ, "TEST_DB_HOST": door.host, "TEST_DB_PORT": str(door.port), "TEST_DB_USER": user, "TEST_DB_PASSWORD": password,
               "TEST_DB_DATABASE": "testn"}
        report = os.path.join(self.stage.directory, "report.json")
        argv = ["node", "node_modules/vitest/vitest.mjs", "--no-file-parallelism", "--isolate", "--testTimeout=60000", "--reporter=json", f"--outputFile={report}",
                "run", f"test/integration/{name}{END}"]
        try:
            done = subprocess.run(argv, cwd=FOLDER, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                  timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return {name: f"not over in {LIMIT_S} s"}
        if not os.path.exists(report):
            return {name: f"status {done.returncode}: {(done.stdout + done.stderr)[-800:]}"}
        with open(report, encoding="utf-8") as f:
            files = json.load(f)["testResults"]
        os.unlink(report)
        return {f"{name}/{key}": said for file in files for key, said in of_file(file)}


def of_file(file):
    if file["status"] != "passed" and not any(test["status"] == "failed" for test in file["assertionResults"]):
        yield "file", file.get("message", "")[:800]  # what it does before and behind its tests
    for test in file["assertionResults"]:
        said = "\n".join(test.get("failureMessages") or [])[:800] or test["status"]
        yield re.sub(r"\s+", "_", test["fullName"].strip()), said if test["status"] == "failed" else None


Plain = stage.a_class(MariadbNode, "Plain", names(), "proxy")
