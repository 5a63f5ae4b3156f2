"""Rows of the failure matrix for Redis in a transaction (tests/README.md has the table), each on a Redis behind a line that loses
and holds what goes over it: what was sent and not heard, what comes late, what cannot be undone now, what is forgotten.
"""
import contextlib
import os
import re
import shutil
import subprocess
import threading

import pymysql
import storm
import xatest

LOG_ID = re.compile(r"xap1:test:([0-9a-z]+):")


@xatest.only("mariadb")
class FailureMatrix(xatest.Case):
    world_class = storm.World
    world_options = {"redis_options": "timeout = 3s"}

    def setUp(self):
        self.world.start_all()
        self.cache, self.line, self.r = self.world.cache, self.world.line["cache"], self.redis()
        self.r.flushall()
        self.r.mset({"n": 5, "k": "before"})
        self.world.direct("s1", "CREATE TABLE IF NOT EXISTS t1.f (id INT) ENGINE=InnoDB")
        self.world.direct("s1", "DELETE FROM t1.f")
        self.world.direct("s2", "CREATE TABLE IF NOT EXISTS t2.g (id INT) ENGINE=InnoDB")
        self.db = self.connect()

    def begin(self, *more):
        self.run_sql(self.db, "BEGIN", "INSERT INTO t1.f VALUES (1)", *more)

    def fails(self, *statements):
        with self.assertRaises((pymysql.err.MySQLError, OSError)) as caught:
            self.run_sql(self.db, *statements)
        return caught.exception

    def dies_at(self, point, *statements):
        """kill -9 of the proxy there."""
        self.world.proxy.stop()  # the log knows all that was done: nothing of it comes by the crash point
        self.world.start_proxy(f"{point}:1:crash")
        self.db = self.connect()
        self.fails("BEGIN", "INSERT INTO t1.f VALUES (1)", *statements)
        self.world.proxy.wait_gone()

    def all_is(self, n, k, rows):
        """Once all is up again: these values, so many rows, nothing open."""
        self.world.settle()
        self.assertEqual((self.r.get("n"), self.r.get("k")), (n, k))
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM t1.f"), ((rows,),))
        xatest.until(lambda: self.conflicts() == {}, 10, lambda: self.conflicts())  # looked at now and then

    def undone(self):
        self.all_is("5", "before", 0)

    def conflicts(self):
        with contextlib.closing(self.world.admin()) as db, db.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW CONFLICTS")
            return {row["key"]: row["outcome"] for row in cursor.fetchall()}

    def control(self):
        """Kinds of fields in the control hash."""
        return {field[0] for key in self.r.scan_iter("xa:*:c") for field in self.r.hkeys(key)}

    # --- on the way there and back ---

    def test_01_the_proxy_dies_before_a_write_is_sent(self):
        self.dies_at("touch_durable", "CALL cache.INCR('n')")
        self.assertEqual(self.control() & set("UL"), set())
        self.world.start_proxy()
        self.undone()

    def test_02_a_write_that_is_lost_on_the_way_is_sent_again(self):
        self.lost("requests")
        self.assertEqual(self.rows(self.db, "CALL cache.INCR('n')"), ((6,),))
        self.run_sql(self.db, "COMMIT")
        self.all_is("6", "mine", 1)

    def test_02_a_write_that_is_lost_again_is_rolled_back(self):
        self.lost("requests", 2)
        self.refused(1402, self.db, "CALL cache.INCR('n')")
        self.refused(1402, self.db, "COMMIT")
        self.undone()

    def test_03_a_write_whose_reply_is_lost_is_done_once(self):
        self.lost("replies")
        self.assertEqual(self.rows(self.db, "CALL cache.INCR('n')"), ((6,),))
        self.assertEqual(self.rows(self.db, "CALL cache.INCR('n')"), ((7,),))
        self.run_sql(self.db, "COMMIT")
        self.all_is("7", "mine", 1)

    def lost(self, what, strikes=1):
        """What goes over the line with the next INCR."""
        self.begin("CALL cache.SET('k', 'mine')")
        self.line.lose(what, b"INCR", strikes)
        self.addCleanup(lambda: self.assertEqual(self.line.strikes, 0, "nothing was lost"))

    def test_04_the_proxy_dies_behind_a_write(self):
        self.dies_at("redis_replied", "CALL cache.INCR('n')")
        self.assertEqual(self.r.get("n"), "6")
        self.world.start_proxy()
        self.undone()
        self.assertIn("F", self.control(), "no tombstone, and a late twin could come")

    def test_05_a_write_in_flight_during_recovery(self):
        """What a dead proxy sent comes when all is settled: its connection is gone, or it bounces."""
        self.begin("CALL cache.SET('k', 'mine')")
        release = self.line.hold()
        thread = threading.Thread(target=lambda: self.fails("CALL cache.INCR('n')"), daemon=True)
        thread.start()
        log = self.world.proxy.log_of_this_life
        with contextlib.closing(self.world.admin()) as db:
            xatest.until(lambda: "Redis" in str(self.rows(db, "SHOW PROCESSLIST")), 5, log)
        self.world.restart_proxy()
        thread.join(60)
        self.undone()
        release()
        self.r.ping()
        self.undone()

    # --- the decision ---

    def test_06_the_proxy_dies_while_servers_prepare(self):
        for point in ("end_prepare_sent", "all_votes"):
            with self.subTest(point):
                self.dies_at(point, "INSERT INTO t2.g VALUES (1)", "CALL cache.INCR('n')", "COMMIT")
                self.world.start_proxy()
                self.undone()

    def test_07_the_proxy_dies_behind_the_decision(self):
        self.dies_at("decided", "CALL cache.INCR('n')", "COMMIT")
        self.assertIn("L", self.control(), "its key is free though it is not ended")
        self.world.start_proxy()
        self.all_is("6", "before", 1)

    def test_08_the_proxy_dies_behind_the_end_in_redis(self):
        for end, n in (("COMMIT", 1), ("ROLLBACK", 0)):
            with self.subTest(end):
                self.r.set("n", 5)
                self.world.direct("s1", "DELETE FROM t1.f")
                self.dies_at("undo_replied", "CALL cache.INCR('n')", end)
                self.world.start_proxy()
                self.all_is(str(5 + n), "before", n)

    # --- what stands in an undo's way ---

    def test_09_one_inverse_that_fails_does_not_stop_the_others(self):
        self.begin("CALL cache.SET('k', 'mine')", "CALL cache.INCR('n')", "CALL cache.RPUSH('l', 'x')")
        self.r.delete("n")
        self.r.rpush("n", "of another type")
        self.run_sql(self.db, "ROLLBACK")
        self.world.settle()
        self.assertEqual((self.r.get("k"), self.r.exists("l"), self.r.lrange("n", 0, -1)), ("before", 0, ["of another type"]))
        xatest.until(lambda: set(self.conflicts()) == {"n"}, 10, lambda: self.conflicts())

    def test_14_redis_is_away_at_rollback(self):
        self.begin("CALL cache.INCR('n')", "CALL cache.SET('k', 'mine')")
        self.cache.crash()
        self.run_sql(self.db, "ROLLBACK")
        self.cache.start()
        self.undone()

    def test_14_redis_falls_silent_while_it_is_looked_at(self):
        """At each question of a new proxy: it asks again."""
        self.begin("CALL cache.INCR('n')", "CALL cache.SET('k', 'mine')")
        for question in ("INFO\r\n", "xa1_epoch", "*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST"):
            with self.subTest(repr(question)):
                self.world.proxy.crash()
                self.line.lose("replies", question.encode())
                self.world.proxy.start()
                xatest.until(lambda: not self.line.strikes, 10, "that was not asked")
                self.world.proxy.wait_judged([("resource", name) for name in storm.POLICIES], 15)
                self.assertTrue(self.world.proxy.alive(), self.world.proxy.log_tail())
        self.undone()

    def test_15_redis_takes_no_writes_at_rollback(self):
        for name, ill, well in (("out of memory", self.full, self.roomy), ("cannot save", self.unsaved, self.saved),
                                ("a replica", self.replica, self.master), ("loading", self.slow, self.loaded)):
            with self.subTest(name):
                self.setUp()
                self.begin("CALL cache.INCR('n')", "CALL cache.SET('k', 'mine')")
                ill()
                self.run_sql(self.db, "ROLLBACK")
                if name in ("cannot save", "a replica"):
                    self.assertEqual((self.r.get("n"), self.r.get("k")), ("6", "mine"), "Redis took writes after all")
                well()
                self.undone()

    def full(self):
        self.r.config_set("maxmemory", 1)
        with self.assertRaises(xatest.redis.exceptions.ResponseError):
            self.r.set("no", "room")

    def roomy(self):
        self.world.settle()  # all is taken back where nothing can be written
        self.r.config_set("maxmemory", 0)

    def unsaved(self):
        os.makedirs(self.cache.path("dump.rdb", "in the way"))
        self.r.config_set("save", "3600 1")
        self.r.bgsave()
        xatest.until(lambda: self.r.info("persistence")["rdb_last_bgsave_status"] == "err", 10, "it can be saved")

    def saved(self):
        shutil.rmtree(self.cache.path("dump.rdb"))
        self.r.config_set("save", "")

    def replica(self):
        self.r.execute_command("REPLICAOF", "127.0.0.1", "1")

    def master(self):
        self.r.execute_command("REPLICAOF", "NO", "ONE")

    def slow(self):
        with self.r.pipeline(transaction=False) as many:
            for i in range(4000):  # it looks at its connections after each 1024
                many.set("many", i)
            many.execute()
        self.cache.options[:] = ["--key-load-delay", "100"]  # microseconds
        self.cache.crash()
        self.cache.start(wait=False)

    def loaded(self):
        self.cache.wait_ready()
        self.cache.options.clear()

    # --- what is forgotten ---

    def test_21_the_log_is_lost(self):
        """What it left is told of as another log's, and taken back when a person says that nobody else is at work."""
        self.dies_at("all_votes", "INSERT INTO t2.g VALUES (1)", "CALL cache.INCR('n')", "CALL cache.SET('k', 'mine')", "COMMIT")
        [left] = {LOG_ID.search(field.decode())[1] for field in self.cache.open_fields() if LOG_ID.search(field.decode())}
        shutil.rmtree(os.path.join(self.world.directory, "proxy", "data"))
        self.world.start_proxy()
        found = self.xactl("reconcile", "--format", "tsv", "--timeout", "10")
        self.assertIn(left, found)
        self.assertEqual((self.r.get("n"), self.r.get("k")), ("6", "mine"), "nobody has said anything yet")
        self.xactl("adopt", left)
        self.undone()
        xatest.until(self.world.works, 10, lambda: self.world.why_not)

    def xactl(self, *words):
        done = subprocess.run([os.path.join(xatest.BUILD, "xactl"), "--host", "127.0.0.1",
                               "--port", str(self.world.proxy.admin_port), "--user", "dba",
                               "--ca", f"{self.world.certs}/ca.crt", *words],
                              env={**os.environ, "MYSQL_PWD": xatest.PASSWORDS["dba"]}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30, check=False)
        return done.stdout + done.stderr

    def test_22_the_function_library_is_gone(self):
        self.begin("CALL cache.INCR('n')")
        self.r.execute_command("FUNCTION", "FLUSH")
        self.run_sql(self.db, "CALL cache.INCR('n')")
        self.r.execute_command("FUNCTION", "FLUSH")
        self.run_sql(self.db, "COMMIT")
        self.all_is("7", "before", 1)
