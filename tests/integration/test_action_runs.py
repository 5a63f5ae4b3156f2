"""Actions in numbers and in a person's hands: what gathered while servers were away drains in order and starves nobody; one key
is one queue; the DBA sees, edits, retries, dismisses and exports.

ACTIONS_PENDING says how many gather (2000; make check-full: 100,000).
"""
import itertools
import json
import os
import statistics
import subprocess
import time

import pymysql
import xatest

PENDING = int(os.environ.get("ACTIONS_PENDING", "2000"))
PER_OWNER = 10
LEFT = ("actions_now_due", "actions_now_wait")
DONE = "(id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(60), n BIGINT, KEY (what)) ENGINE=InnoDB"


class World(xatest.World):
    tables = {name: xatest.TABLES[name] + [f"CREATE TABLE IF NOT EXISTS {schema}.ran {DONE}"]
              for name, schema in (("s1", "t1"), ("s2", "t2"))}


class Case(xatest.Case):
    world_class = World
    numbers = itertools.count(1)

    def setUp(self):
        self.name = f"r{next(self.numbers)}"
        self.addCleanup(self.world.start_all)

    def admin(self, *args, status=0):
        done = subprocess.run([os.path.join(xatest.BUILD, "xactl"), "--host", "127.0.0.1",
                               "--port", str(self.world.proxy.admin_port), "--user", "dba", "--ca", f"{self.world.certs}/ca.crt", *args],
                              env={**os.environ, "MYSQL_PWD": xatest.PASSWORDS["dba"]}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, status, f"xactl {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def status(self, *names):
        """Their sum, of one look."""
        shown = dict(line.split("\t")[:2] for line in self.admin("status", "--format", "tsv").splitlines())
        return sum(int(shown[name]) for name in names)

    def ran(self, where, *args):
        return self.world.direct("s2", f"SELECT id, what, n FROM t2.ran WHERE {where} ORDER BY id", *args)


class Drain(Case):
    def gather(self, db, owner):
        """A transaction with its actions: one after another on s2, and as many in Redis."""
        calls = [f"CALL xa.on_commit('t2', 'INSERT INTO ran (what, n) VALUES (?, ?)', '{self.name}:{owner}', {n})"
                 for n in range(PER_OWNER // 2)]
        calls += [f"CALL xa.on_commit('cache', 'RPUSH', '{self.name}:{owner}', {n})" for n in range(PER_OWNER // 2)]
        self.run_sql(db, "BEGIN", *calls, "COMMIT")

    def new_work(self, db, number):
        """How long an action takes that is registered now, its row's number, and how much of what gathered is left behind that."""
        what, began = f"{self.name}:new{number}", time.monotonic()
        self.run_sql(db, f"CALL xa.on_commit('t2', 'INSERT INTO ran (what, n) VALUES (?, 0)', '{what}')")
        left, rows = PENDING // 2 - len(self.gathered()), []
        xatest.until(lambda: rows.extend(self.ran("what = %s", what)) or rows, 30, "new work starves")
        return time.monotonic() - began, rows[0][0], left

    def gathered(self):
        """What has been done of it on the server."""
        return self.ran("what LIKE %s AND what NOT LIKE %s", f"{self.name}:%", f"{self.name}:new%")

    def judge_order(self, owners):
        rows = self.gathered()
        seen = {}
        for _, what, n in rows:
            seen.setdefault(what, []).append(n)
        client = self.redis()
        for owner in range(owners):
            expected = list(range(PER_OWNER // 2))
            self.assertEqual(seen.get(f"{self.name}:{owner}"), expected, "an owner's actions on a server, in order, once")
            self.assertEqual([int(n) for n in client.lrange(f"{self.name}:{owner}", 0, -1)], expected, "and in Redis")
        return rows[-1][0]

    def test_what_gathered_drains_in_order_beside_new_work(self):
        owners = PENDING // PER_OWNER
        db = self.connect()
        self.run_sql(db, "CALL xa.on_commit('t2', 'INSERT INTO ran (what, n) VALUES (?, 0)', 'first')")
        xatest.until(lambda: self.ran("what = 'first'"), 10, "actions do not run")
        xatest.until(lambda: not self.status("actions_now_due"), 10, "that it ran is not known")
        self.world.server["s2"].crash()
        self.world.cache.crash()
        began = time.monotonic()
        for owner in range(owners):
            self.gather(db, owner)
        gathered = time.monotonic() - began
        self.assertEqual(self.status(*LEFT), PENDING // PER_OWNER * PER_OWNER)
        self.world.restart_proxy()  # and all of it was only in the log
        self.world.start_all()
        began, db = time.monotonic(), self.connect()
        xatest.until(lambda: self.world.direct("s2", "SELECT 1 FROM t2.ran WHERE what LIKE %s LIMIT 1", f"{self.name}:%"), 60,
                     lambda: self.world.proxy.log_tail(20))
        new = [self.new_work(db, number) for number in range(5)]
        while self.status(*LEFT):
            if PENDING > 20000:
                new.append(self.new_work(db, len(new)))
            self.assertLess(time.monotonic() - began, 60 + PENDING / 20, "it does not drain")
            time.sleep(0.2)
        drained = time.monotonic() - began
        last = self.judge_order(owners)
        if new[0][2] > PENDING // 4:  # a machine that stands still for a moment leaves nothing to be overtaken
            self.assertLess(new[0][1], last if PENDING < 20000 else last // 4, "new work waited for what had gathered")
        waits = sorted(wait for wait, *_ in new)
        self.note(f"{PENDING} gathered in {gathered:.1f} s, drained in {drained:.1f} s ({PENDING / drained:.0f} a second); "
                  f"new work beside {new[0][2]} of it took {1000 * statistics.median(waits):.0f} ms, "
                  f"at most {1000 * waits[-1]:.0f} ms ({len(waits)})")

    @staticmethod
    def note(text):
        print(f"# {text}", flush=True)


class Keys(Case):
    def test_one_key_is_one_queue(self):
        """Over transactions: the second waits behind the first, which fails until its table is there; other keys do not."""
        db = self.connect()
        def call(key, body):
            self.run_sql(db, f"""CALL xa.options('{{"key":"{key}"}}')""", f"CALL xa.on_commit('t2', '{body}')")
        call("order-1", f"INSERT INTO late_{self.name} VALUES (1)")
        call("order-1", f"INSERT INTO ran (what, n) SELECT ''{self.name}'', COUNT(*) FROM late_{self.name}")
        call("order-2", f"INSERT INTO ran (what, n) VALUES (''{self.name}'', 100)")
        xatest.until(lambda: self.ran("what = %s", self.name), 10, "the other key waits too")
        self.assertEqual([n for _, _, n in self.ran("what = %s", self.name)], [100])
        self.world.direct("s2", f"CREATE TABLE t2.late_{self.name} (id INT) ENGINE=InnoDB")
        xatest.until(self.tried_again, 20, "the second is not done")
        self.assertEqual([n for _, _, n in self.ran("what = %s", self.name)], [100, 1])

    def tried_again(self):
        """Whether both have been done; before, what has been given up by now is tried again."""
        for row in json.loads(self.admin("actions", "--format", "json")):
            if row["state"] == "DEAD":
                self.admin("retry-action", str(row["id"]))
        return len(self.ran("what = %s", self.name)) == 2


class Dba(Case):
    def dead(self):
        db = self.connect()
        self.run_sql(db, f"CALL xa.on_commit('t2', 'INSERT INTO nowhere_{self.name} (what, n) VALUES (?, ?)', '{self.name}', 5)")
        rows = []
        xatest.until(lambda: rows.extend(json.loads(self.admin("dead-actions", "--format", "json"))) or rows, 20,
                     "it is not given up")
        self.assertEqual(len(rows), 1)
        return rows[0]

    def test_edit_and_retry(self):
        row = self.dead()
        action = str(row["id"])
        self.assertIn(f"nowhere_{self.name}", row["error"])
        self.assertEqual((row["state"], row["resource"], row["user"], row["attempts"]), ("DEAD", "s2", "app", 3))
        shown = self.admin("action", action)
        for word in ("DEAD", self.name, "argument 2", "nowhere"):
            self.assertIn(word, shown)
        self.assertIn("dead action", self.admin("reconcile", status=2))
        self.admin("edit-action", action, "--body", "INSERT INTO ran (what, n) VALUES (?, ?)")
        self.assertIn("INSERT INTO ran", self.admin("action", action))
        self.world.restart_proxy()
        self.admin("retry-action", action)
        xatest.until(lambda: self.ran("what = %s AND n = 5", self.name), 10, lambda: self.admin("action", action))
        xatest.until(lambda: not json.loads(self.admin("actions", "--format", "json")), 10, "it is still listed")
        self.assertIn("does not exist", self.admin("retry-action", action, status=1))

    def test_dismiss_wants_a_reason(self):
        action = str(self.dead()["id"])
        self.admin("dismiss-action", action, status=2)
        self.admin("dismiss-action", action, "--why", "done by hand")
        self.assertEqual(json.loads(self.admin("all-actions", "--format", "json")), [])
        self.assertIn("done by hand", self.world.proxy.log_tail(50))
        self.assertGreaterEqual(self.status("actions_dismissed"), 1)
        self.assertIn("is no action's id", self.admin("action", "seven", status=1))

    def test_an_export_has_all_of_it(self):
        """A body longer than lists show, arguments of every kind, options; what is done by hand with it is what was meant."""
        db, body = self.connect(), f"INSERT INTO ran (what, n) VALUES (?, ?) /* {'x' * 2000} */"
        self.run_sql(db, "BEGIN", "CALL xa.options('{\"key\": \"k\", \"max_age\": \"1h\", \"order\": \"parallel\"}')",
                     f"CALL xa.on_commit('t2', '{body}', 'a\\\"b', -5)", "CALL xa.on_rollback('cache', 'HSET', X'00ff', 'y', 1.5)")
        by_sql, by_redis = json.loads(self.admin("export-actions", "--format", "json"))
        self.assertEqual({name: by_sql[name] for name in ("state", "on", "resource", "user", "schema", "key", "order", "max_age_ms", "body")},
                         {"state": "ARMED", "on": "commit", "resource": "s2", "user": "app", "schema": "t2", "key": "k",
                          "order": "parallel", "max_age_ms": 3600000, "body": body})
        self.assertEqual(json.loads(by_sql["arguments"]), ['a"b', -5])
        self.assertEqual([str(v) for v in json.loads(by_redis["arguments"])], ["\x00\xff", "y", "1.5"])
        self.assertEqual((by_redis["body"], by_redis["key"], by_redis["due_ms"]), ("HSET", None, None))
        self.run_sql(db, "ROLLBACK")
        xatest.until(lambda: self.admin("export-actions", "--format", "json").strip() == "[]", 10, "something is left")

    def test_only_what_is_dead_may_be_edited(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", f"CALL xa.on_commit('t2', 'INSERT INTO ran (what) VALUES (?)', '{self.name}')")
        listed = json.loads(self.admin("all-actions", "--format", "json"))
        self.assertEqual([row["state"] for row in listed], ["ARMED"])
        for command in (("edit-action", "--body", "DO 1"), ("retry-action",), ("dismiss-action", "--why", "x")):
            self.assertIn("has not ended", self.admin(command[0], str(listed[0]["id"]), *command[1:], status=1))
        self.run_sql(db, "ROLLBACK")
        self.assertEqual(json.loads(self.admin("all-actions", "--format", "json")), [])

    def test_the_limit_refuses_and_drops_none(self):
        self.world.options["proxy"] = "max_actions = 5"
        self.world.write_config()
        self.world.restart_proxy()
        def back():
            self.world.options["proxy"] = ""
            self.world.write_config()
            self.world.restart_proxy()
        self.addCleanup(back)
        db = self.connect()
        self.run_sql(db, "BEGIN", *(f"CALL xa.on_commit('t2', 'INSERT INTO ran (what, n) VALUES (?, ?)', '{self.name}', {n})"
                                    for n in range(5)))
        with self.assertRaises(pymysql.err.MySQLError) as refused:
            self.rows(db, f"CALL xa.on_commit('t2', 'INSERT INTO ran (what, n) VALUES (?, 6)', '{self.name}')")
        self.assertEqual(refused.exception.args[0], 1041)
        self.run_sql(db, "COMMIT")
        xatest.until(lambda: [n for _, _, n in self.ran("what = %s", self.name)] == list(range(5)), 10, "the first five are lost")


if __name__ == "__main__":
    xatest.unittest.main()
