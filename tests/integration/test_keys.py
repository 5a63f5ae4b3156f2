"""Keys of Redis that transactions hold: who waits for them goes in order, over all workers, and nobody waits for himself."""
import contextlib

import pymysql
import xatest
from running import Running


class Case(xatest.Case):
    world_options = {"redis_options": "lock_wait = 20s", "backend_options": "lock_wait = 20s", "workers": 3}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, table in (("s1", "t1.k"), ("s2", "t2.k")):
            cls.world.direct(name, f"CREATE TABLE {table} (id INT PRIMARY KEY, n INT) ENGINE=InnoDB")

    def setUp(self):
        self.r = self.redis()
        for name, table in (("s1", "t1.k"), ("s2", "t2.k")):
            self.world.direct(name, f"REPLACE INTO {table} VALUES (1, 0), (2, 0)")
        self.db, self.other = self.connect(), self.connect()

    def tearDown(self):
        self.close(self.db)
        self.close(self.other)
        self.world.settle()
        self.r.flushall()

    def state_of(self, db):
        with self.world.admin() as admin, admin.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW PROCESSLIST")
            return {row["Id"]: row["State"] for row in cursor.fetchall()}.get(db.thread_id())

    def waits(self, db, sql):
        """In a thread of its own, and waits for a key when this returns."""
        running = Running(db, sql)
        xatest.until(lambda: self.state_of(db) == "waiting for a Redis lock in cache", 10, lambda: self.state_of(db))
        return running

    def counter(self, name):
        with self.world.admin() as db, db.cursor() as cursor:
            cursor.execute("SHOW STATUS")
            return int(dict(cursor.fetchall())[name])


class Keys(Case):
    # --- the queue ---

    def test_who_waits_is_served_in_the_order_of_arrival(self):
        waiters = [self.connect() for _ in range(8)]
        self.run_sql(self.db, "BEGIN", "CALL cache.RPUSH('queue', 'holder')")
        running = []
        for i, db in enumerate(waiters):
            if i % 3:
                self.run_sql(db, "BEGIN")  # the others wait outside a transaction
            running.append(self.waits(db, f"CALL cache.RPUSH('queue', {i})"))
        self.sql("COMMIT")
        for db, waiter in zip(waiters, running):
            self.assertEqual(waiter.end(), 0)
            self.run_sql(db, "COMMIT")
        self.assertEqual(self.r.lrange("queue", 0, -1), ["holder", *map(str, range(8))])

    def test_a_newcomer_does_not_overtake_at_a_free_key(self):
        # The lock of another proxy, which nobody here can say the end of: waiters poll, and a newcomer could find it free first.
        self.sql("BEGIN", "CALL cache.RPUSH('queue', 'x')")
        control = next(k for k in self.r.scan_iter("xa:*") if self.r.type(k) == "hash" and self.r.hexists(k, "Lqueue"))
        self.sql("ROLLBACK")
        self.world.settle()
        for _ in range(5):
            self.r.delete("queue")
            self.r.hset(control, "Lqueue", "elsewhere:1:1:1")
            first = self.waits(self.db, "CALL cache.RPUSH('queue', 'first')")
            self.r.hdel(control, "Lqueue")
            self.run_sql(self.other, "CALL cache.RPUSH('queue', 'late')")
            self.assertEqual(first.end(), 0)
            self.assertEqual(self.r.lrange("queue", 0, -1), ["first", "late"])

    def test_who_holds_a_key_writes_it_again_before_those_who_wait(self):
        self.sql("BEGIN", "CALL cache.INCR('hot')")
        waiter = self.waits(self.other, "CALL cache.INCR('hot')")
        self.sql("CALL cache.INCR('hot')", "CALL cache.MSET('hot', 9, 'cold', 1)", "COMMIT")
        self.assertEqual((waiter.end(), waiter.rows), (0, ((10,),)))

    def test_a_waiter_goes_on_when_the_key_is_given_back(self):
        self.sql("BEGIN", "CALL cache.INCR('hot')")
        self.run_sql(self.other, "BEGIN")
        waiter = self.waits(self.other, "CALL cache.INCR('hot')")
        self.sql("ROLLBACK")
        self.assertEqual((waiter.end(), waiter.rows), (0, ((1,),)))
        self.run_sql(self.other, "COMMIT")
        self.world.settle()
        self.assertEqual(self.r.get("hot"), "1")

    def test_a_killed_waiter_and_a_vanished_one_leave_the_queue(self):
        gone = self.connect()
        self.sql("BEGIN", "CALL cache.RPUSH('queue', 'holder')")
        killed = self.waits(self.other, "CALL cache.RPUSH('queue', 'killed')")
        self.waits(gone, "CALL cache.RPUSH('queue', 'gone')")
        last = self.connect()
        waiter = self.waits(last, "CALL cache.RPUSH('queue', 'last')")
        with self.world.admin() as admin:
            self.run_sql(admin, f"KILL QUERY {self.other.thread_id()}", f"KILL {gone.thread_id()}")
        self.assertEqual(killed.end(), 1317)
        self.sql("COMMIT")
        self.assertEqual(waiter.end(), 0)
        self.assertEqual(self.r.lrange("queue", 0, -1), ["holder", "last"])

    # --- deadlocks ---

    def test_crosswise_is_a_deadlock_and_its_victim_is_rolled_back_in_full(self):
        self.sql("BEGIN", "CALL cache.INCR('a')", "UPDATE t1.k SET n = n + 1 WHERE id = 1")
        self.run_sql(self.other, "BEGIN", "UPDATE t2.k SET n = n + 1 WHERE id = 1", "CALL cache.INCR('b')")
        waiter = self.waits(self.db, "CALL cache.INCR('b')")
        self.refused(1213, self.other, "CALL cache.INCR('a')")
        self.assertEqual((waiter.end(), waiter.rows), (0, ((1,),)))  # the victim's was taken back
        self.sql("COMMIT")
        self.assertEqual(self.rows(self.other, "SELECT n FROM t2.k WHERE id = 1"), ((0,),))
        self.run_sql(self.other, "CALL cache.INCR('a')")  # it is free for the next transaction
        self.assertEqual((self.r.get("a"), self.r.get("b")), ("2", "1"))

    def test_a_cycle_of_three(self):
        third = self.connect()
        for db, key in ((self.db, "a"), (self.other, "b"), (third, "c")):
            self.run_sql(db, "BEGIN", f"CALL cache.SET('{key}', 1)")
        first = self.waits(self.db, "CALL cache.INCR('b')")
        second = self.waits(self.other, "CALL cache.INCR('c')")
        self.refused(1213, third, "CALL cache.INCR('a')")
        self.assertEqual(second.end(), 0)
        self.run_sql(self.other, "COMMIT")
        self.assertEqual(first.end(), 0)
        self.sql("COMMIT")
        self.assertEqual([self.r.get(k) for k in "abc"], ["1", "2", "1"])

    def test_a_deadlock_ends_a_multi_statement(self):
        self.other = self.connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
        self.sql("BEGIN", "CALL cache.INCR('a')")
        self.run_sql(self.other, "BEGIN", "CALL cache.INCR('b')")
        waiter = self.waits(self.db, "CALL cache.INCR('b')")
        self.refused(1213, self.other, "CALL cache.INCR('a'); CALL cache.SET('late', 1)")
        self.assertEqual(waiter.end(), 0)
        self.sql("ROLLBACK")
        self.assertIsNone(self.r.get("late"))

    def test_a_key_against_a_row(self):
        for order in ("the row is wanted first", "the key is wanted first"):
            with self.subTest(order):
                self.sql("BEGIN", "CALL cache.INCR('a')")
                self.run_sql(self.other, "BEGIN", "UPDATE t1.k SET n = 7 WHERE id = 1")
                holder, victim = (self.db, "UPDATE t1.k SET n = n + 1 WHERE id = 1"), (self.other, "CALL cache.INCR('a')")
                if order == "the row is wanted first":
                    row = self.blocked(*holder)
                    key = Running(*victim)
                else:
                    key = self.waits(*victim)
                    row = Running(*holder)
                self.assertEqual((key.end(), row.end()), (1213, 0))
                self.sql("ROLLBACK")
                self.assertEqual(self.rows(self.other, "SELECT n FROM t1.k WHERE id = 1"), ((0,),))
                self.world.settle()

    def blocked(self, db, sql):
        running = Running(db, sql)
        xatest.until(lambda: self.state_of(db) == "running on s1", 10, lambda: self.state_of(db))
        return running

    def test_a_circle_over_two_servers_and_a_key(self):
        third = self.connect()
        self.sql("BEGIN", "CALL cache.INCR('a')")
        self.run_sql(third, "BEGIN", "UPDATE t1.k SET n = 3 WHERE id = 1")  # has nothing to do with Redis
        self.run_sql(self.other, "BEGIN", "UPDATE t2.k SET n = 7 WHERE id = 1")
        first = self.blocked(self.db, "UPDATE t1.k SET n = 1 WHERE id = 1")
        second = Running(third, "UPDATE t2.k SET n = 3 WHERE id = 1")
        self.refused(1213, self.other, "CALL cache.INCR('a')")
        self.assertEqual(second.end(), 0)
        self.run_sql(third, "COMMIT")
        self.assertEqual(first.end(), 0)
        self.sql("COMMIT")
        self.assertEqual((self.world.direct("s1", "SELECT n FROM t1.k WHERE id = 1"), self.r.get("a")), (((1,),), "1"))

    def test_a_long_wait_without_a_circle_has_no_victim(self):
        self.sql("BEGIN", "CALL cache.INCR('a')")
        self.run_sql(self.other, "BEGIN", "UPDATE t1.k SET n = 7 WHERE id = 1")
        third = self.connect()
        self.run_sql(third, "BEGIN")
        row = self.blocked(third, "UPDATE t1.k SET n = 3 WHERE id = 1")
        key = self.waits(self.other, "CALL cache.INCR('a')")
        looks = self.counter("server_looks")
        with contextlib.closing(self.world.server["s1"].root()) as elsewhere:
            self.rows(elsewhere, "SELECT GET_LOCK('long', 0)")
            holder = self.blocked(self.db, "SELECT COUNT(*) FROM t1.k WHERE GET_LOCK('long', 60) = 9")
            xatest.until(lambda: self.counter("server_looks") >= looks + 2, 10, "nobody looks at the servers")
        self.assertEqual(holder.end(), 0)
        self.sql("COMMIT")
        self.assertEqual(key.end(), 0)
        self.run_sql(self.other, "COMMIT")
        self.assertEqual(row.end(), 0)
        self.run_sql(third, "ROLLBACK")

    # --- reads ---

    def test_reads_inside_transactions_are_of_committed_values(self):
        self.r.set("k", "before")
        self.sql("BEGIN", "CALL cache.SET('k', 'mine')")
        self.assertEqual(self.text(self.db, "CALL cache.GET('k')"), "mine")
        self.assertEqual(self.text(self.other, "CALL cache.GET('k')"), "mine")  # outside one it does not ask
        self.run_sql(self.other, "BEGIN")
        reader = self.waits(self.other, "CALL cache.MGET('x', 'k')")
        self.sql("ROLLBACK")
        self.assertEqual((reader.end(), [self.plain(row[-1]) for row in reader.rows]), (0, [None, "before"]))

    @staticmethod
    def plain(value):
        return value.decode() if isinstance(value, bytes) else value

    def text(self, db, sql):
        return self.plain(self.rows(db, sql)[0][0])

    def test_a_session_says_how_it_reads(self):
        self.sql("BEGIN", "CALL cache.SET('k', 'mine')")
        self.run_sql(self.other, "BEGIN", "SET xa_redis_isolation = read_uncommitted")
        self.assertEqual(self.text(self.other, "CALL cache.GET('k')"), "mine")
        self.run_sql(self.other, "COMMIT", "SET SESSION xa_redis_isolation = 'READ_COMMITTED', @a = 1")
        self.assertEqual(self.text(self.other, "SELECT @@xa_redis_isolation"), "read_committed")
        reader = self.waits(self.other, "CALL cache.GET('k')")
        self.sql("COMMIT")
        self.assertEqual((reader.end(), self.plain(reader.rows[0][0])), (0, "mine"))
        self.refused(1231, self.other, "SET xa_redis_isolation = serializable")
        self.run_sql(self.other, "SET xa_redis_isolation = DEFAULT")
        self.assertEqual(self.rows(self.other, "SHOW VARIABLES LIKE 'xa_redis_isolation'"), (("xa_redis_isolation", "resource"),))
        self.run_sql(self.other, "SET xa_redis_isolation = read_committed")
        self.other.ping()
        self.other._execute_command(0x1F, b"")  # COM_RESET_CONNECTION
        self.other._read_ok_packet()
        self.assertEqual(self.text(self.other, "SELECT @@session.xa_redis_isolation"), "resource")

    def test_readers_do_not_wait_for_each_other_and_come_before_later_writers(self):
        readers = [self.connect(), self.connect()]
        self.sql("BEGIN", "CALL cache.RPUSH('l', 'a')")
        for db in readers:
            self.run_sql(db, "BEGIN")
        running = [self.waits(db, "CALL cache.LLEN('l')") for db in readers]
        writer = self.waits(self.other, "CALL cache.RPUSH('l', 'b')")
        self.sql("COMMIT")
        self.assertEqual([(r.end(), r.rows) for r in running], [(0, ((1,),))] * 2)
        self.assertEqual(writer.end(), 0)

    def test_a_reader_can_close_a_circle(self):
        self.sql("BEGIN", "CALL cache.INCR('a')")
        self.run_sql(self.other, "BEGIN", "CALL cache.INCR('b')")
        waiter = self.waits(self.db, "CALL cache.GET('b')")
        self.refused(1213, self.other, "CALL cache.GET('a')")
        self.assertEqual((waiter.end(), waiter.rows), (0, ((None,),)))
        self.sql("COMMIT")

    READS = [("GET", "s"), ("STRLEN", "s"), ("GETRANGE", "s", 0, 1), ("HGETALL", "h"), ("HGET", "h", "f"), ("HMGET", "h", "f", "x"),
             ("HLEN", "h"), ("HSCAN", "h", 0), ("LRANGE", "l", 0, -1), ("LPOS", "l", "a"), ("SMEMBERS", "m"), ("SISMEMBER", "m", "a"),
             ("SRANDMEMBER", "m"), ("ZRANGE", "z", 0, -1, "WITHSCORES"), ("ZSCORE", "z", "a"), ("ZRANK", "z", "a"), ("TTL", "s"),
             ("PEXPIRETIME", "s"), ("TYPE", "s"), ("EXISTS", "s", "h", "nothing"), ("OBJECT", "ENCODING", "s"), ("XLEN", "x"),
             ("XRANGE", "x", "-", "+"), ("BITCOUNT", "s"), ("BITFIELD_RO", "s", "GET", "u8", 0), ("GEOPOS", "g", "p"),
             ("PFCOUNT", "p"), ("SORT_RO", "l", "ALPHA"), ("DUMP", "s"), ("GETBIT", "s", 1), ("SINTER", "m", "m2"), ("LCS", "s", "s2"),
             ("XINFO", "STREAM", "x"), ("GEODIST", "g", "p", "q"), ("MEMORY", "USAGE", "s"), ("ZMSCORE", "z", "a", "nothing")]

    def test_a_checked_read_answers_what_the_read_itself_does(self):
        r = self.r
        r.mset({"{t}s": "value", "{t}s2": "valid"})
        r.hset("{t}h", mapping={"f": 1, "g": "2"})
        r.rpush("{t}l", "a", "b", "c")
        r.sadd("{t}m", "a")
        r.sadd("{t}m2", "a", "b")
        r.zadd("{t}z", {"a": 1.5, "b": 9007199254740993})
        r.xadd("{t}x", {"f": 1}, id="1-1")
        r.geoadd("{t}g", (13.361389, 38.115556, "p", 15.087269, 37.502669, "q"))
        r.pfadd("{t}p", 1, 2, 3)
        for name, *args in self.READS:
            with self.subTest(name):
                args = ["{t}" + a if isinstance(a, str) and a in ("s", "s2", "h", "l", "m", "m2", "z", "x", "g", "p", "nothing")
                        and not (name in ("GEOPOS", "GEODIST") and i) else a for i, a in enumerate(args)]
                sql = f"CALL cache.{name}({', '.join(['%s'] * len(args))})"
                answers = []
                for how in ("read_uncommitted", "read_committed"):
                    self.sql(f"SET xa_redis_isolation = {how}")
                    answers.append(self.rows(self.db, sql, *args))
                self.assertEqual(answers[0], answers[1])
        self.sql("SET xa_redis_isolation = read_committed")
        self.refused(1235, self.db, "CALL cache.BITFIELD_RO('s', 'GET', 'u60', 0)")

    # --- locks without a write, counters without a lock ---

    def test_a_key_can_be_locked_before_it_is_read(self):
        self.r.set("k", 5)
        self.sql("BEGIN")
        self.assertEqual(self.text(self.db, "CALL cache.XALOCK('k', 'k2')"), "OK")
        waiter = self.waits(self.other, "CALL cache.INCR('k')")
        self.sql("CALL cache.SET('k', 7)", "COMMIT")
        self.assertEqual((waiter.end(), waiter.rows), (0, ((8,),)))
        self.sql("BEGIN", "CALL cache.XALOCK('k2')", "ROLLBACK")
        self.assertEqual(self.text(self.db, "CALL cache.XALOCK('k')"), "OK")  # over at once, as FOR UPDATE is in autocommit

    def test_counters_with_bounds_do_not_wait_for_each_other(self):
        self.r.hset("stock:42", "count", 3)
        self.sql("BEGIN")
        self.run_sql(self.other, "BEGIN")
        self.assertEqual(self.rows(self.db, "CALL cache.XAINCR('stock:42', 'count', -2, 0, NULL)"), ((1,),))
        self.assertEqual(self.rows(self.other, "CALL cache.XAINCR('stock:42', 'count', %s, %s, %s)", -1, 0, None), ((0,),))
        text = self.refused(1690, self.other, "CALL cache.XAINCR('stock:42', 'count', -1, 0, NULL)")
        self.assertIn("below 0", text)
        self.sql("ROLLBACK")
        self.run_sql(self.other, "COMMIT")
        self.assertEqual(self.r.hget("stock:42", "count"), "2")
        self.refused(1690, self.db, "CALL cache.XAINCR('stock:42', 'count', 1, NULL, 2)")  # outside a transaction, too
        self.assertEqual(self.rows(self.db, "CALL cache.XAINCR('n', 5, NULL, NULL)"), ((5,),))
        self.refused(1048, self.db, "CALL cache.INCRBY('n', NULL)")

    def test_a_plain_write_waits_for_all_who_count_and_they_for_it(self):
        third = self.connect()
        self.sql("BEGIN", "CALL cache.XAINCR('n', 5, NULL, NULL)")
        self.run_sql(third, "BEGIN", "CALL cache.XAINCR('n', 2, NULL, NULL)")
        waiter = self.waits(self.other, "CALL cache.SET('n', 0)")
        self.sql("COMMIT")
        late = self.waits(self.db, "CALL cache.XAINCR('n', 3, NULL, NULL)")
        self.run_sql(third, "ROLLBACK")
        self.assertEqual((waiter.end(), late.end(), late.rows), (0, 0, ((3,),)))
        self.sql("BEGIN", "CALL cache.SET('n', 10)")
        counting = self.waits(self.other, "CALL cache.XAINCR('n', 1, NULL, NULL)")
        self.sql("COMMIT")
        self.assertEqual((counting.end(), counting.rows), (0, ((11,),)))

    def test_two_who_count_and_then_write_are_a_deadlock(self):
        for db in (self.db, self.other):
            self.run_sql(db, "BEGIN", "CALL cache.XAINCR('n', 5, 0, NULL)")
        waiter = self.waits(self.db, "CALL cache.APPEND('n', 1)")
        self.refused(1213, self.other, "CALL cache.APPEND('n', 1)")
        self.assertEqual(waiter.end(), 0)
        self.sql("COMMIT")
        self.assertEqual(self.r.get("n"), "51")

    def test_a_crash_gives_locks_and_reservations_back(self):
        self.r.set("n", 10)
        self.sql("BEGIN", "CALL cache.XAINCR('n', -5, 0, NULL)", "CALL cache.XALOCK('k')", "CALL cache.XAINCR('m', 1, NULL, NULL)")
        self.run_sql(self.other, "BEGIN", "CALL cache.XAINCR('n', -5, 0, NULL)")
        self.world.restart_proxy()
        self.world.settle()
        self.assertEqual((self.r.get("n"), self.r.get("m")), ("10", "0"))
        with self.connect() as db:
            self.assertEqual(self.rows(db, "CALL cache.XAINCR('n', -10, 0, NULL)"), ((0,),))


class InTime(Case):
    world_options = {"redis_options": "lock_wait = 500ms"}

    def test_waiting_ends_at_its_deadline_and_the_transaction_goes_on(self):
        self.sql("BEGIN", "CALL cache.INCR('hot')")
        self.run_sql(self.other, "BEGIN", "CALL cache.INCR('mine')")
        self.refused(1205, self.other, "CALL cache.INCR('hot')")
        self.sql("ROLLBACK")
        self.run_sql(self.other, "CALL cache.INCR('hot')", "COMMIT")
        self.assertEqual((self.r.get("hot"), self.r.get("mine")), ("1", "1"))
