"""The three hard cases of TCC and sagas, on a server and in Redis: a cancel without a try, a try that comes after its cancel, and
everything twice.

There is no row or key for a try: the log knows whether its step has committed. A cancel whose try did not is not run; a try that
comes late finds its transaction ended and does nothing; what was done once is known by the barrier's row, by the mark in Redis.
"""
import contextlib

import pymysql
import storm
import xatest
from running import Running

PIECES = 100


class HardCases(xatest.Case):
    failureException = xatest.Broken
    world_class = storm.World

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.direct("s1", "CREATE TABLE t1.stock (id INT PRIMARY KEY, pieces INT, cancelled INT, confirmed INT)"
                         " ENGINE=InnoDB")

    def setUp(self):
        self.world.start_all()
        self.r = self.redis()
        self.r.flushall()
        self.r.hset("stock", "pieces", PIECES)
        self.world.direct("s1", f"REPLACE INTO t1.stock VALUES (1, {PIECES}, 0, 0)")
        self.db = self.saga()

    def saga(self):
        db = self.connect()
        self.run_sql(db, "SET xa_mode = 'saga'")
        return db

    CANCEL = ("CALL xa.on_rollback('t1', 'UPDATE stock SET pieces = pieces + 1, cancelled = cancelled + 1 WHERE id = 1')",
              "CALL xa.on_rollback('cache', 'HINCRBY', 'stock', 'pieces', 1)",
              "CALL xa.on_rollback('cache', 'HINCRBY', 'stock', 'cancelled', 1)")
    CONFIRM = ("CALL xa.on_commit('t1', 'UPDATE stock SET confirmed = confirmed + 1 WHERE id = 1')",
               "CALL xa.on_commit('cache', 'HINCRBY', 'stock', 'confirmed', 1)")
    ON_SERVER = "UPDATE t1.stock SET pieces = pieces - 1 WHERE id = 1"
    IN_REDIS = "CALL cache.HINCRBY('stock', 'pieces', -1)"

    def begin(self, *tries):
        """What cancels and confirms is known before anything is tried."""
        self.run_sql(self.db, "BEGIN", "CALL xa.step('try')", *self.CANCEL, *self.CONFIRM, *tries)

    def ends_as(self, pieces, cancelled, confirmed):
        """On the server and in Redis; and it stays so."""
        self.world.settle()
        with contextlib.closing(self.world.connect()) as db:
            xatest.until(lambda: not self.rows(db, "SELECT * FROM xa.actions"), 10,
                         lambda: self.rows(db, "SELECT * FROM xa.actions"))
        there = self.world.direct("s1", "SELECT pieces, cancelled, confirmed FROM t1.stock WHERE id = 1")
        self.assertEqual(there, ((pieces, cancelled, confirmed),))
        mirror = self.r.hmget("stock", "pieces", "cancelled", "confirmed")
        self.assertEqual([int(n or 0) for n in mirror], [pieces, cancelled, confirmed])

    # --- a cancel without a try ---

    def test_a_try_that_never_came_is_not_cancelled(self):
        self.begin()
        self.run_sql(self.db, "ROLLBACK")
        self.ends_as(PIECES, 0, 0)

    def test_a_try_whose_step_failed_is_not_cancelled(self):
        """By a server that dies before it votes, and by the proxy's own death behind all votes."""
        self.begin(self.ON_SERVER, self.IN_REDIS, "DELETE FROM stock.stock")
        self.world.server["s2"].crash()
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(self.db, "CALL xa.step('tried')")
        self.world.start_all()
        self.run_sql(self.db, "ROLLBACK")
        self.ends_as(PIECES, 0, 0)
        self.world.restart_proxy("all_votes:1:crash")
        self.db = self.saga()
        self.begin(self.ON_SERVER, self.IN_REDIS)
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(self.db, "CALL xa.step('tried')")
        self.world.proxy.wait_gone()
        self.world.start_proxy()
        self.ends_as(PIECES, 0, 0)

    def test_a_try_that_was_done_is_cancelled_once(self):
        self.begin(self.ON_SERVER, self.IN_REDIS, "CALL xa.step('tried')")
        self.run_sql(self.db, "ROLLBACK")
        self.ends_as(PIECES, 1, 0)

    # --- a try behind its cancel ---

    def test_a_try_that_reaches_the_server_late_does_nothing(self):
        """It waits for a row when its proxy dies; the row is free when all has been taken back."""
        self.world.direct("s1", "REPLACE INTO t1.stock VALUES (2, 7, 0, 0)")
        with contextlib.closing(self.world.server["s1"].root()) as other:
            self.run_sql(other, "BEGIN", "UPDATE t1.stock SET confirmed = 1 WHERE id = 2")
            self.begin("CALL xa.step('again')", self.IN_REDIS)
            late = Running(self.db, "UPDATE t1.stock SET pieces = pieces - 1 WHERE id = 2")
            xatest.until(lambda: self.waits_for_a_row("s1"), 10, "the try does not wait")
            self.world.restart_proxy()
            self.assertNotEqual(late.end(), 0)
            xatest.until(lambda: not self.waits_for_a_row("s1"), 10, "the try still waits")
            self.ends_as(*self.cancelled_without_effect())
            self.run_sql(other, "COMMIT")
        self.assertEqual(self.world.direct("s1", "SELECT pieces FROM t1.stock WHERE id = 2"), ((7,),))
        self.ends_as(*self.cancelled_without_effect())

    def waits_for_a_row(self, name):
        self.world.direct(name, "DO SLEEP(0.15)")  # InnoDB renews that table when nobody has read it for 0.1 s
        return self.world.direct(name, "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'")[0][0]

    def cancelled_without_effect(self):
        """The first step, which tried nothing, had committed: its cancels were due, as if it had."""
        return PIECES + 1, 1, 0

    def test_a_try_that_reaches_redis_late_does_nothing(self):
        """It is on the line when its proxy dies, and arrives when all has been taken back."""
        self.begin("CALL xa.step('again')", "CALL cache.HINCRBY('stock', 'warm', 0)")
        release = self.world.line["cache"].hold()
        late = Running(self.db, self.IN_REDIS)
        with contextlib.closing(self.world.admin()) as admin:
            xatest.until(lambda: "Redis" in str(self.rows(admin, "SHOW PROCESSLIST")), 10, "the try is not on its way")
        self.world.restart_proxy()
        self.assertNotEqual(late.end(), 0)
        self.ends_as(*self.cancelled_without_effect())
        release()
        self.r.ping()
        self.ends_as(*self.cancelled_without_effect())

    # --- twice ---

    def test_what_was_done_is_not_done_again(self):
        """The proxy dies between an action's effect and its record, on the way to either end, at each action."""
        for end, nth, expected in (("COMMIT", 1, (PIECES - 1, 0, 1)), ("COMMIT", 2, (PIECES - 1, 0, 1)),
                                   ("ROLLBACK", 1, (PIECES, 1, 0)), ("ROLLBACK", 3, (PIECES, 1, 0))):
            with self.subTest(end=end, nth=nth):
                self.setUp()
                self.world.proxy.stop()  # the log knows all that was done: nothing of it comes by the crash point
                self.world.start_proxy(f"action_executed:{nth}:crash")
                self.db = self.saga()
                self.begin(self.ON_SERVER, self.IN_REDIS, "CALL xa.step('tried')")
                ending = Running(self.db, end)
                self.world.proxy.wait_gone()
                ending.end()
                self.world.start_proxy()
                self.ends_as(*expected)
