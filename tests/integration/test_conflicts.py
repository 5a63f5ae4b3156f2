"""Who writes past the proxy is noticed and never overwritten unasked: what becomes of a rollback then, by policy, and what a person
can do about it. Rows 16 to 19 of the failure matrix: a lost record, an expired key, a removed one, a changed one."""
import os
import subprocess

import pymysql
import xatest


class Policies(xatest.World):
    """One Redis under three names, a database and a policy each; `cache` has the default."""

    resources = ("cache", "skip", "force")

    def config_lines(self):
        yield from super().config_lines()
        for db, policy in ((1, "skip"), (2, "force")):
            yield from (f"[redis {policy}]", f"port = {self.cache.port}", f"db = {db}", f"dirty = {policy}")


class Conflicts(xatest.Case):
    world_class = Policies

    def setUp(self):
        self.r = {"cache": self.redis(), "skip": self.redis(db=1), "force": self.redis(db=2)}
        self.db = self.connect()

    def tearDown(self):
        self.close(self.db)
        self.world.settle()
        self.r["cache"].flushall()
        xatest.until(lambda: not self.conflicts(), 10, lambda: self.conflicts())

    def conflicts(self):
        with self.world.admin() as db, db.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW CONFLICTS")
            return cursor.fetchall()

    def one_conflict(self, resource="cache"):
        """Shown at the resolver's next look."""
        xatest.until(self.conflicts, 10, "no conflict is shown")
        [row] = self.conflicts()
        self.assertTrue(row["id"].startswith(resource + "/"), row)
        return row

    def said(self, verdict, row):
        with self.world.admin() as db:
            self.run_sql(db, f"{verdict} CONFLICT '{row['id']}'")

    def gone(self):
        xatest.until(lambda: not self.conflicts(), 10, lambda: self.conflicts())

    # --- the failure matrix ---

    def test_a_lost_control_hash_is_told_for_each_key(self):
        r = self.r["cache"]
        r.set("{t}a", "before")
        self.sql("BEGIN", "CALL cache.SET('{t}a', 'mine')", "CALL cache.HSET('{t}b', 'f', 1)")
        for key in r.scan_iter("xa:*"):
            r.delete(key)  # as an eviction would
        with self.assertRaises(pymysql.err.MySQLError):
            self.sql("COMMIT")
        xatest.until(lambda: len(self.conflicts()) == 2, 10, lambda: self.conflicts())
        rows = self.conflicts()
        self.assertEqual(sorted((row["key"], row["outcome"]) for row in rows), [("{t}a", "lost"), ("{t}b", "lost")])
        self.assertEqual(r.get("{t}a"), "mine")
        for row in rows:
            self.said("DISMISS", row)
        self.gone()

    def test_a_key_that_has_expired_needs_no_undo(self):
        r = self.r["cache"]
        r.set("lasting", "old")
        self.sql("BEGIN", "CALL cache.SET('lasting', 'new', 'PX', 100)")
        r.hset("brief", "n", 5)
        r.pexpire("brief", 2500)  # it is there when it is written
        self.sql("CALL cache.HINCRBY('brief', 'n', -5)")
        xatest.until(lambda: not r.exists("lasting", "brief"), 5, "nothing expires")
        self.sql("ROLLBACK")
        self.assertEqual((r.get("lasting"), r.exists("brief")), ("old", 0))
        self.assertEqual(self.conflicts(), ())

    def test_a_removed_key_is_not_brought_back(self):
        for resource in ("cache", "skip"):
            with self.subTest(resource):
                r = self.r[resource]
                r.set("k", "before")
                self.sql("BEGIN", f"CALL {resource}.SET('k', 'mine')")
                r.delete("k")
                self.sql("ROLLBACK")
                row = self.one_conflict(resource)
                self.assertEqual((row["outcome"], r.exists("k")), ("gone", 0))
                self.said("DISMISS", row)
                self.gone()

    def test_a_changed_counter_by_policy(self):
        for resource, value, outcome in (("cache", "10", None), ("skip", "13", "dirty")):
            with self.subTest(resource):
                r = self.r[resource]
                r.set("n", 5)
                self.sql("BEGIN", f"CALL {resource}.INCRBY('n', 3)")
                r.incrby("n", 5)
                self.sql("ROLLBACK")
                self.assertEqual(r.get("n"), value)
                if outcome:
                    row = self.one_conflict(resource)
                    self.assertEqual(row["outcome"], outcome)
                    self.said("FORCE", row)
                    self.gone()
                    self.assertEqual(r.get("n"), "10")
                self.assertEqual(self.conflicts(), ())

    def test_a_changed_value_by_policy(self):
        for resource, value in (("cache", "theirs"), ("skip", "theirs"), ("force", "before")):
            with self.subTest(resource):
                r = self.r[resource]
                r.set("k", "before")
                r.hset("h", mapping={"f": "before", "g": 1})
                self.sql("BEGIN", f"CALL {resource}.SET('k', 'mine')")
                r.set("k", "theirs")
                self.sql("ROLLBACK")
                self.assertEqual(r.get("k"), value)
                if resource != "force":
                    row = self.one_conflict(resource)
                    self.assertEqual((row["key"], row["command"], row["outcome"]), ("k", "SET", "dirty"))
                    self.said("DISMISS", row)
                    self.gone()
                    self.assertEqual(r.get("k"), "theirs")
                self.assertEqual(self.conflicts(), ())

    def test_what_others_did_to_another_field_is_no_conflict(self):
        r = self.r["skip"]
        r.hset("h", "f", "before")
        self.sql("BEGIN", "CALL skip.HSET('h', 'f', 'mine')")
        r.hset("h", "theirs", 1)
        self.sql("ROLLBACK")
        self.assertEqual(r.hgetall("h"), {"f": "before", "theirs": "1"})
        self.assertEqual(self.conflicts(), ())

    # --- people ---

    def test_a_conflict_is_retried_when_it_has_been_put_right(self):
        r = self.r["cache"]
        r.set("k", "before")
        self.sql("BEGIN", "CALL cache.SET('k', 'mine')")
        r.set("k", "theirs")
        self.sql("ROLLBACK")
        row = self.one_conflict()
        self.said("RETRY", row)  # nothing has changed: it stays
        heard = f"conflict_not_settled resource=cache id={row['id'].partition('/')[2]} "
        xatest.until(lambda: heard in self.world.proxy.log_of_this_life(), 10, "it is not tried again")
        self.assertEqual((self.one_conflict()["id"], r.get("k")), (row["id"], "theirs"))
        r.set("k", "mine")
        self.said("RETRY", row)
        self.gone()
        self.assertEqual(r.get("k"), "before")

    def test_a_conflict_is_not_forced_while_a_transaction_holds_the_key(self):
        r = self.r["cache"]
        r.set("k", "before")
        self.sql("BEGIN", "CALL cache.SET('k', 'mine')")
        r.set("k", "theirs")
        self.sql("ROLLBACK")
        row = self.one_conflict()
        self.sql("BEGIN", "CALL cache.APPEND('k', '+')")
        self.said("FORCE", row)
        xatest.until(lambda: "conflict_not_settled" in self.world.proxy.log_of_this_life(), 10, "it was settled")
        self.sql("COMMIT")
        self.assertEqual(r.get("k"), "theirs+")
        self.said("FORCE", row)
        self.gone()
        self.assertEqual(r.get("k"), "before")

    def test_xactl_lists_and_settles(self):
        r = self.r["cache"]
        self.sql("BEGIN", "CALL cache.SET('k', 'mine')")
        r.set("k", "theirs")
        self.sql("ROLLBACK")
        row = self.one_conflict()
        self.assertIn(row["id"], self.xactl("conflicts"))
        self.xactl("retry-conflict", row["id"])
        self.xactl("force-conflict", row["id"])
        self.gone()
        self.assertIsNone(r.get("k"))

    def xactl(self, *words):
        done = subprocess.run([os.path.join(xatest.BUILD, "xactl"), "--host", "127.0.0.1", "--port", str(self.world.proxy.admin_port),
                               "--user", "dba", "--ca", f"{self.world.certs}/ca.crt", *words],
                              env={**os.environ, "MYSQL_PWD": xatest.PASSWORDS["dba"]}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout
