"""Held writes: nothing touches Redis until the decision, then it is done, exactly once, whatever dies in between."""
import contextlib

import pymysql
import xatest


class Case(xatest.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.direct("s1", "CREATE TABLE t1.h (id INT PRIMARY KEY) ENGINE=InnoDB")

    def setUp(self):
        self.r = self.redis()
        self.world.direct("s1", "DELETE FROM t1.h")
        self.db = self.connect()

    def tearDown(self):
        self.close(self.db)
        self.world.settle()
        self.r.flushall()

    def until_is(self, key, value):
        xatest.until(lambda: self.r.get(key) == value, 10, lambda: f"{key} is {self.r.get(key)}")

    def nothing_is_pending(self):
        def none():
            with self.connect() as db:
                return not self.rows(db, "SELECT * FROM xa.actions")
        xatest.until(none, 10, "actions are pending")

    def only_control_keys(self):
        return all(key.startswith("xa:") for key in self.r.scan_iter())


class Held(Case):
    def test_a_held_delete_is_done_after_the_commit(self):
        self.r.set("cached", "old")
        self.sql("BEGIN", "INSERT INTO t1.h VALUES (1)")
        [(answer,)] = self.rows(self.db, "CALL cache.HELD('DEL', 'cached')")
        self.assertIn(answer, ("QUEUED", b"QUEUED"))
        self.assertEqual(self.r.get("cached"), "old")
        other = self.connect()
        self.run_sql(other, "CALL cache.SET('cached', 'older')")  # nobody waits for it: no key is held
        self.sql("COMMIT")
        self.until_is("cached", None)

    def test_a_rollback_drops_what_was_held(self):
        self.sql("BEGIN", "CALL cache.HELD('SET', 'a', 1)", "ROLLBACK")
        self.sql("BEGIN", "CALL cache.HELD('SET', 'b', 1)", "SAVEPOINT p", "CALL cache.HELD('SET', 'c', 1)", "ROLLBACK TO p", "COMMIT")
        self.until_is("b", "1")
        self.nothing_is_pending()
        self.assertEqual(self.r.mget("a", "c"), [None, None])

    def test_a_message_is_refused_in_a_transaction(self):
        self.sql("BEGIN")
        self.refused(1235, self.db, "CALL cache.PUBLISH('news', 'x')")

    def test_a_session_holds_all_its_writes(self):
        self.sql("SET xa_redis_writes = held", "BEGIN", "CALL cache.RPUSH('l', 'a')", "CALL cache.RPUSH('l', 'b')",
                 "CALL cache.CMD('HSET', 'h', 'f', 1)")
        self.assertTrue(self.only_control_keys())
        self.assertEqual(self.rows(self.db, "CALL cache.LLEN('l')"), ((0,),))  # it does not see its own: nothing is done
        self.assertEqual(self.rows(self.db, "CALL cache.XAINCR('n', 1, 0, NULL)"), ((1,),))  # what cannot wait is done now
        self.sql("COMMIT")
        xatest.until(lambda: self.r.lrange("l", 0, -1) == ["a", "b"] and self.r.hget("h", "f") == "1", 10, "it is not done")
        self.sql("SET xa_redis_writes = DEFAULT", "BEGIN", "CALL cache.RPUSH('l', 'c')")
        self.assertEqual(self.r.llen("l"), 3)
        self.sql("ROLLBACK")

    def test_a_message_can_be_held(self):
        self.db.autocommit(False)
        subscriber = self.r.pubsub()
        subscriber.subscribe("c")
        self.assertEqual(subscriber.get_message(timeout=60)["type"], "subscribe")
        self.sql("CALL cache.HELD('PUBLISH', 'c', 'said')")
        self.assertIsNone(subscriber.get_message(timeout=0.2))
        self.sql("COMMIT")
        self.assertEqual(subscriber.get_message(timeout=60)["data"], "said")
        subscriber.close()

    def test_what_cannot_be_held_is_refused(self):
        self.sql("BEGIN")
        for command in ("'GET', 'k'", "'XALOCK', 'k'", "'XAINCR', 'k', 1, NULL, NULL", "'SELECT', 1"):
            with self.subTest(command):
                self.refused(1235, self.db, f"CALL cache.HELD({command})")
        self.refused(1318, self.db, "CALL cache.HELD()")
        self.refused(1153, self.db, f"CALL cache.HELD('SET', 'k', '{'x' * 60000}')")
        self.sql("COMMIT")

    def test_outside_a_transaction_there_is_nothing_to_wait_for(self):
        self.assertEqual(self.rows(self.db, "CALL cache.HELD('INCR', 'n')"), ((1,),))
        self.assertEqual(self.r.get("n"), "1")

    def test_it_is_done_once_whatever_dies(self):
        """Before the decision, behind it, and between the command and the record that it was done."""
        for row, (point, value) in enumerate((("all_votes", None), ("decided", "1"), ("action_taken", "1"), ("action_executed", "1"))):
            with self.subTest(point):
                self.world.proxy.stop()  # the log knows all that was done: nothing of it comes by the crash point
                self.world.start_proxy(f"{point}:1:crash")
                db = self.connect()
                with contextlib.suppress(pymysql.err.MySQLError):  # it dies before it answers, or behind
                    self.run_sql(db, "BEGIN", f"INSERT INTO t1.h VALUES ({100 + row})", "CALL cache.HELD('INCR', 'n')", "COMMIT")
                xatest.until(lambda: not self.world.proxy.alive(), 10, f"{point} is not reached")
                self.world.start_proxy()
                self.until_is("n", value)
                self.world.settle()
                self.nothing_is_pending()
                self.assertEqual(self.r.get("n"), value)
                self.r.delete("n")

    def test_it_is_done_when_redis_is_back(self):
        self.sql("BEGIN", "CALL cache.HELD('INCR', 'n')")
        self.world.cache.crash()
        self.sql("COMMIT")
        self.world.cache.start()
        self.until_is("n", "1")
        self.nothing_is_pending()
        self.assertEqual(self.r.get("n"), "1")


class Published(Case):
    world_options = {"redis_options": "publish = on_commit"}

    def test_a_message_comes_after_the_commit_and_only_then(self):
        listener = self.r.pubsub(ignore_subscribe_messages=True)
        self.addCleanup(listener.close)
        listener.subscribe("news")
        xatest.until(lambda: self.r.pubsub_numsub("news")[0][1] == 1, 10, "nobody listens")
        self.sql("BEGIN", "CALL cache.PUBLISH('news', 'dropped')", "ROLLBACK", "BEGIN")
        [(answer,)] = self.rows(self.db, "CALL cache.PUBLISH('news', 'said')")
        self.assertEqual(answer, "QUEUED")
        self.assertEqual(self.rows(self.connect(), "CALL cache.publish('news', 'at once')"), ((1,),))
        self.sql("COMMIT")
        self.assertEqual([self.next_of(listener) for _ in range(2)], ["at once", "said"])
        self.nothing_is_pending()

    def next_of(self, listener):
        heard = []
        xatest.until(lambda: heard.extend(m["data"] for m in [listener.get_message(timeout=0.1)] if m) or heard, 10, "no message")
        return heard[0]
