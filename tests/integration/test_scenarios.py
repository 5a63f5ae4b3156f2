"""The stories of tests/scenarios, each on real servers; tests/scenarios/README.md says how one is written."""
import glob
import os
import re
import threading
import time
import unittest

import pymysql
import xatest

FOLDER = os.path.join(xatest.SOURCE, "tests", "scenarios")
ANSWER_S = 30


class Client:
    """A named client of the story: a connection, and the statement that is under way on it, if any."""

    def __init__(self, world):
        self.world = world
        self.db = world.connect()
        self.thread = None
        self.got = None

    def run(self, sql):
        try:
            with self.db.cursor() as cursor:
                cursor.execute(sql)
                self.got = text_of(cursor.fetchall())
        except (pymysql.err.MySQLError, OSError) as error:
            self.got = f"error {error.args[0] if error.args else error}"
            self.error = error

    def start(self, sql):
        self.thread = threading.Thread(target=self.run, args=(sql,), daemon=True)
        self.thread.start()

    def join(self):
        self.thread.join(ANSWER_S)
        if self.thread.is_alive():
            raise AssertionError(f"no answer within {ANSWER_S} s")
        self.thread = None


def text_of(rows):
    def one(value):
        return "NULL" if value is None else value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return "; ".join(", ".join(one(value) for value in row) for row in rows)


class Story:
    """Plays the lines of one file."""

    def __init__(self, case, path):
        self.case, self.world, self.clients = case, case.world, {}
        with open(path, encoding="utf-8") as f:
            self.lines = [(n, line.strip()) for n, line in enumerate(f, 1)]
        self.name = os.path.basename(path)

    def play(self):
        for n, line in self.lines:
            if not line or line.startswith("#"):
                continue
            try:
                self.step(line)
            except Exception as error:
                raise AssertionError(f"{self.name}:{n}: {line}: {error}") from error

    def step(self, line):
        who, colon, rest = line.partition(": ")
        if colon and re.fullmatch(r"\w+", who):
            action, _, expected = rest.partition(" => ")
            return self.expect(self.says(who, action.strip()), expected.strip(), " => " in rest)
        verb, *args = line.split()
        return getattr(self, "do_" + verb)(*args)

    def says(self, who, sql):
        if who in self.world.server:
            return text_of(self.world.direct(who, sql))
        if who == "redis":
            got = self.case.redis().execute_command(*sql.split())
            return text_of([[value] for value in got]) if isinstance(got, list) else text_of([[got]])
        client = self.clients.get(who) or self.clients.setdefault(who, Client(self.world))
        if sql.startswith("begins "):
            client.start(sql.removeprefix("begins "))
            return None
        if sql == "is answered":
            client.join()
        elif sql == "vanishes":
            client.db._force_close()
            del self.clients[who]
            return None
        else:
            client.run(sql)
        return client.got

    @staticmethod
    def expect(got, expected, stated):
        if not stated:
            if got is not None and got.startswith("error "):
                raise AssertionError(f"answered {got}")
        elif expected == "an error":
            if not got.startswith("error "):
                raise AssertionError(f"answered {got}")
        elif got != expected:
            raise AssertionError(f"answered {got!r}, expected {expected!r}")

    def part(self, name):
        return {"proxy": self.world.proxy, "cache": self.world.cache, **self.world.server}[name]

    def do_crash(self, name):
        self.part(name).crash()

    def do_start(self, name):
        if name == "proxy":
            self.world.start_proxy()
        else:
            self.part(name).start()

    def do_restart(self, name, point=None):
        if name == "proxy":
            self.world.restart_proxy(point)
        else:
            self.part(name).crash()
            self.part(name).start()

    def do_paused(self):
        xatest.until(self.world.proxy.paused, 10, "the proxy did not come to the point")

    def do_resume(self):
        self.world.proxy.resume()

    def do_freeze(self, name):
        self.part(name).signal(xatest.signal.SIGSTOP)

    def do_thaw(self, name):
        self.part(name).signal(xatest.signal.SIGCONT)

    def do_settle(self):
        self.world.settle()

    def do_wait(self, seconds):
        time.sleep(float(seconds))

    def end(self):
        for client in self.clients.values():
            if client.thread:
                client.thread.join(ANSWER_S)
            self.case.close(client.db)


class Scenarios(xatest.Case):
    def setUp(self):
        self.world.start_all()
        for name, schemas in xatest.SCHEMAS.items():
            for schema in (s for s in schemas if s.startswith("t")):
                self.world.server[name].script([f"DROP DATABASE {schema}", f"CREATE DATABASE {schema}"])
        self.redis().flushall()

    def play(self, path):
        story = Story(self, path)
        try:
            story.play()
        finally:
            story.end()
        self.world.settle()


def add_stories():
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.scenario"))):
        def test(self, path=path):
            self.play(path)
        test.__name__ = "test_" + os.path.basename(path).removesuffix(".scenario").replace("-", "_")
        setattr(Scenarios, test.__name__, test)


add_stories()


class TheFolder(unittest.TestCase):
    def test_there_are_stories(self):
        self.assertGreater(len(glob.glob(os.path.join(FOLDER, "*.scenario"))), 3)
