"""Servers, Redis and a proxy that are late, and nothing else: nobody is refused for it longer than it lasts, and nothing that was
asked for is forgotten.
"""
import os
import signal
import sys
import time

import xatest
from running import Running

sys.path.insert(0, os.path.join(xatest.SOURCE, "tests", "support"))
import line  # noqa: E402

REDIS_TIMEOUT_S = 1


class World(xatest.World):
    """With a line before each SQL server, which can read what passes."""

    def __init__(self, **more):
        super().__init__(backend_options="tls = off\ncommit_timeout = 1s", redis_options=f"timeout = {REDIS_TIMEOUT_S}s", **more)
        self.lines = line.Lines()
        self.line = {name: self.lines.add(part.port) for name, part in self.server.items()}

    def port_of(self, name):
        return self.line[name].port if name in self.line else super().port_of(name)

    def wipe(self):
        super().wipe()
        self.lines.close()


class Late(xatest.Case):
    world_class = World

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.server["s2"].script(["CREATE TABLE t2.k (id INT PRIMARY KEY, n INT NOT NULL) ENGINE=InnoDB",
                                       "INSERT INTO t2.k VALUES (1, 0), (2, 0)"])

    def until_logged(self, text):
        xatest.until(lambda: text in self.world.proxy.log_of_this_life(), 10, lambda: f"no {text}: {self.world.proxy.log_tail()}")

    def test_a_proxy_that_was_stopped_hears_what_came_meanwhile(self):
        """It goes on behind the deadline, but the reply was there before."""
        db = self.connect()
        self.run_sql(db, "CALL cache.GET('late')")  # there is a connection now
        self.world.cache.signal(signal.SIGSTOP)
        try:
            running = Running(db, "CALL cache.INCR('late')")
            xatest.until(lambda: self.is_asking_redis(db), 10, "nothing was sent")
            self.world.proxy.signal(signal.SIGSTOP)
        finally:
            self.world.cache.signal(signal.SIGCONT)
        try:
            xatest.until(lambda: self.redis().get("late") == "1", 10, "nothing was done")
            time.sleep(1.2 * REDIS_TIMEOUT_S)
        finally:
            self.world.proxy.resume()
        self.assertEqual((running.end(), running.rows), (0, ((1,),)))

    def is_asking_redis(self, db):
        with self.world.admin() as dba, dba.cursor() as cursor:
            cursor.execute("SHOW PROCESSLIST")
            return any(row[0] == db.thread_id() and "waiting for Redis cache" in row for row in cursor.fetchall())

    def unreachable(self, clients):
        """Each has asked for a connection of its own while Redis stood still, and none got one; when the last one was told."""
        def ask():
            told = [one.end() for one in [Running(db, "CALL cache.GET('k')") for db in clients]]
            return all(told) and self.world.proxy.log_tail(50).count("no connection in time") >= len(clients)
        xatest.until(ask, 10, self.world.proxy.log_tail)
        return time.monotonic()

    def test_redis_is_asked_again_soon_however_many_waited_for_it(self):
        """They fail together, which is one failure, not as many as lead to a pause of a second."""
        waits = []
        for _ in range(3):
            self.world.restart_proxy()
            clients = [self.connect() for _ in range(12)]
            self.world.cache.signal(signal.SIGSTOP)
            try:
                failed = self.unreachable(clients)
            finally:
                self.world.cache.signal(signal.SIGCONT)
            xatest.until(lambda: not Running(clients[0], "CALL cache.GET('k')").end(), 5, self.world.proxy.log_tail)
            waits.append(time.monotonic() - failed)
        self.assertLess(min(waits), 0.8)

    def test_a_lock_whose_answer_was_lost_is_our_own(self):
        """The server has given it to a connection that it takes to be alive."""
        there = self.world.line["s2"]
        self.addCleanup(there.restore)
        self.world.proxy.crash()
        xatest.until(lambda: not there.ends, 5, "connections of the dead proxy are still there")
        there.keep_ends()
        there.lose("replies", b"GET_LOCK")
        self.world.proxy.start()
        self.until_logged("_verdict backend=s2 ")
        self.assertEqual(there.strikes, 0)
        log = self.world.proxy.log_of_this_life()
        self.assertIn('why="held the lock of this log"', log)
        self.assertNotIn("another resolver", log)

    def test_a_right_is_not_lost_with_the_question_for_it(self):
        there = self.world.line["s2"]
        self.world.proxy.crash()
        there.lose("replies", b"EXPLAIN INSERT")
        self.world.start_proxy()
        xatest.until(lambda: not there.strikes, 10, "no look at the barrier")
        there.cut()
        self.until_logged("barrier_judged backend=s2\n")
        self.assertNotIn("barrier_unusable", self.world.proxy.log_of_this_life())
        self.run_sql(self.connect(), "BEGIN", "CALL xa.on_commit('t2', 'UPDATE k SET n = n + 1 WHERE id = 2')", "COMMIT")
        xatest.until(lambda: self.world.direct("s2", "SELECT n FROM t2.k WHERE id = 2") == ((1,),), 10, self.world.proxy.log_tail)

    def test_a_kill_outlives_the_connection_it_went_over(self):
        """Else the statement would end with its own connection, much later, and its transaction with it."""
        self.world.restart_proxy()
        there = self.world.line["s2"]
        db = self.connect()
        self.run_sql(db, "BEGIN", "UPDATE t2.k SET n = 7 WHERE id = 1")
        running = Running(db, "SELECT COUNT(*) FROM t2.k WHERE SLEEP(30) = 9")
        xatest.until(lambda: self.world.direct("s2", "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE '%SLEEP(30)%'"
                                                     " AND ID <> CONNECTION_ID()"), 10, "nothing runs")
        there.lose("requests", b"KILL QUERY")
        self.run_sql(self.connect(), f"KILL QUERY {db.thread_id()}")
        self.assertEqual(running.end(), 1317)
        self.assertEqual(there.strikes, 0)
        self.run_sql(db, "COMMIT")
        self.assertEqual(self.world.direct("s2", "SELECT n FROM t2.k WHERE id = 1"), ((7,),))
