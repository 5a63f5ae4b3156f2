"""The test suite of Redis itself finds through the Redis port what it finds on the server: unit by unit, as a server elsewhere with one
database, at a listener without TLS and AUTH whose clients may administer the server.

Debian has it in the source package of its Redis, which apt fetches once. redis_suite.exceptions lists the tests that cannot pass through
the port by their nature, with the reason; they are left out there. Whatever else passes on the server must pass through the port.
Tests that Redis calls slow are left out everywhere, and with them all of the unit type/list-2.
"""
import os
import re
import shutil
import subprocess
import unittest

import debian_source
import redisport
import xatest

UNITS = ("type/string", "type/incr", "type/list", "type/list-3", "type/set", "type/zset", "type/hash", "type/stream",
         "type/stream-cgroups", "sort", "expire", "multi", "keyspace", "scan", "dump", "protocol", "other", "bitops", "bitfield", "geo",
         "hyperloglog", "quit", "scripting", "functions")
LIMIT_S = 900
FOLDER = debian_source.folder("redis")
MISSING = debian_source.fetch(FOLDER, {"redis": "redis"}, "tests/unit") if shutil.which("tclsh") else "tclsh is needed"


def exceptions(unit):
    """Those that are left out, those that are only not judged; a line is: unit (with a * for the latter), test, reason, with | in between."""
    found = {unit: [], unit + "*": []}
    with open(os.path.join(xatest.HERE, "redis_suite.exceptions"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                of, test, _ = line.split(" | ", 2)
                found.get(of, []).append(test)
    return found[unit], found[unit + "*"]


class Suite(redisport.Case):
    world_options = {"plain_options": "redis_admin = on", "redis_options": "lock_wait = 2s\nscripts = declared"}

    @classmethod
    def setUpClass(cls):
        if MISSING:
            raise unittest.SkipTest(MISSING)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.own_port = xatest.servers.free_port()
        self.settings = self.r.config_get()

    def put_back(self):
        """What a unit that broke off has left behind."""
        self.r.config_set("maxmemory", 0)
        for name, value in self.r.config_get().items():
            if self.settings.get(name, value) != value:
                self.r.config_set(name, self.settings[name])
        self.r.flushall()

    def run_at(self, port, unit, left_out=()):
        """The tests that passed, and all that was said."""
        path = os.path.join(self.world.directory, "left-out")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{name}\n" for name in left_out)
        done = subprocess.run(["tclsh", "tests/test_helper.tcl", "--host", "127.0.0.1", "--port", str(port), "--singledb", "--durable",
                               "--clients", "1", "--baseport", str(self.own_port + 32), "--single", f"unit/{unit}", "--tags", "-slow -needs:repl", "--skipfile", path],
                              cwd=os.path.join(FOLDER, "redis"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT_S, check=False)
        self.put_back()
        text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
        return set(re.findall(r"(?m)^\[ok\]: (.*) \(\d+ ms\)$", text)), text

    def run_unit(self, unit):
        left_out, not_judged = exceptions(unit)
        direct, said = self.run_at(self.world.cache.port, unit)
        self.assertTrue(direct, said[-3000:])
        through, said = self.run_at(self.world.plain_port, unit, left_out)
        lost = direct - through - set(left_out + not_judged)
        print(f"# {unit}: {len(direct)} pass on the server, {len(through)} through the port, {len(left_out + not_judged)} are exceptions",
              flush=True)
        wrong = "\n".join(re.findall(r"(?m)^\[err\].*\n(?:.*\n){0,4}", said))
        self.assertEqual(sorted(lost), [], wrong[-4000:])


for one in UNITS:
    setattr(Suite, "test_" + re.sub(r"\W", "_", one), lambda self, unit=one: self.run_unit(unit))
