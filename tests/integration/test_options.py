"""Options that change how Redis is used, how a CALL ends and where the barrier lies, each beside what is so without it."""
import contextlib
import os
import threading

import pymysql
import redis as redis_py
import xatest

MORE = """
[redis raw]
address = 127.0.0.1
port = {port}
db = 1
autocommit = raw
scripts = declared
[redis shop]
address = 127.0.0.1
port = {port}
db = 2
key_prefix = {prefix}
scripts = declared
[listener shop]
address = 127.0.0.1
port = {shop}
redis = shop
tls_required = off
auth = off
"""


class World(xatest.World):
    """The user native has call_status_packet; raw is another database of cache's Redis, past locks; the barrier lies in a schema of ours; what is
    in shop begins with s?op: (a pattern of it would fit skop: too), and it has a Redis port."""

    shop_prefix = "s?op:"
    resources = ("cache", "raw", "shop")

    def __init__(self, **more):
        super().__init__(**more)
        os.mkdir(f"{self.directory}/shop")
        self.shop_port = xatest.servers.remembered_port(f"{self.directory}/shop", 1)

    def server_script(self, name):
        yield from super().server_script(name)
        yield "CREATE DATABASE `of sagas`"
        yield f"GRANT INSERT, SELECT ON `of sagas`.* TO '{self.account('app', name)[0]}'@'%'"
        yield f"GRANT ALL ON `of sagas`.* TO '{xatest.servers.RESOLVER[0]}'@'%'"

    def config_lines(self):
        self.options["more"] = MORE.format(port=self.cache.port, shop=self.shop_port, prefix=self.shop_prefix)
        for line in super().config_lines():
            yield line
            if line == "[user native]":
                yield "call_status_packet = on"


class Options(xatest.Case):
    world_class = World
    world_options = {"backend_options": "barrier_schema = of sagas", "redis_options": "lock_wait = 500ms"}

    def setUp(self):
        self.r = self.redis()
        self.raw = self.redis(db=1)
        self.shop = self.redis(db=2)
        self.r.flushall()
        self.db = self.connect()

    # --- call_status_packet ---

    def results(self, user, sql, *args, **more):
        """How many results the statement has, and the rows of the first."""
        db = self.connect(user, **more)
        with db.cursor() as cursor:
            cursor.execute(sql, args or None)
            rows, n = cursor.fetchall(), 1
            while cursor.nextset():
                n += 1
            cursor.execute("SELECT 1")
            self.assertEqual(cursor.fetchall(), ((1,),))
        return n, rows

    def test_a_call_ends_with_one_where_it_is_asked_for(self):
        self.r.set("k", "v")
        self.assertEqual(self.results("app", "CALL cache.GET('k')"), (1, (("v",),)))
        self.assertEqual(self.results("native", "CALL cache.GET('k')"), (2, (("v",),)))
        self.assertEqual(self.results("native", "CALL cache.KEYS('k')"), (2, ((0, "k"),)))
        self.assertEqual(self.results("native", "CALL cache.GET('absent')"), (2, ((None,),)))

    def test_what_is_no_call_does_not(self):
        self.assertEqual(self.results("native", "SELECT cache.GET('k')")[0], 1)
        self.assertEqual(self.results("native", "SELECT COUNT(*) FROM xa.actions")[0], 1)

    def test_in_a_row_of_statements(self):
        more = {"client_flag": pymysql.constants.CLIENT.MULTI_STATEMENTS}
        self.assertEqual(self.results("native", "CALL cache.SET('k', 1); SELECT 2; CALL cache.INCR('k')", **more)[0], 5)
        self.assertEqual(self.results("app", "CALL cache.SET('k', 1); SELECT 2; CALL cache.INCR('k')", **more)[0], 3)

    def test_callproc(self):
        db = self.connect("native")
        with db.cursor() as cursor:
            cursor.callproc("cache.SET", ("k", "v"))
            self.assertEqual(cursor.fetchall(), (("OK",),))
            self.assertTrue(cursor.nextset())
            self.assertFalse(cursor.nextset())

    # --- autocommit = raw ---

    def test_raw_goes_past_locks(self):
        self.run_sql(self.db, "BEGIN", "CALL cache.SET('k', 'mine')", "CALL raw.SET('k', 'mine')")
        other = self.connect()
        self.refused(1205, other, "CALL cache.SET('k', 'theirs')")
        self.assertEqual(self.rows(other, "CALL raw.SET('k', 'theirs')"), (("OK",),))
        self.run_sql(self.db, "ROLLBACK")
        self.assertEqual((self.r.get("k"), self.raw.get("k")), (None, "theirs"))
        xatest.until(self.conflicts, 10, "no conflict is shown")
        [row] = self.conflicts()
        self.assertEqual(row[3], "k")
        with contextlib.closing(self.world.admin()) as admin:
            self.run_sql(admin, f"DISMISS CONFLICT '{row[0]}'")

    def conflicts(self):
        with contextlib.closing(self.world.admin()) as admin:
            return self.rows(admin, "SHOW CONFLICTS")

    def test_raw_says_what_redis_says(self):
        self.assertEqual(self.rows(self.db, "CALL raw.INCRBY('n', 9007199254740993)"), ((9007199254740993,),))
        self.assertIn("WRONGTYPE", self.refused(1644, self.db, "CALL raw.LPUSH('n', 1)"))

    def test_raw_what_only_the_library_can_is_done_by_it(self):
        self.assertEqual(self.rows(self.db, "CALL raw.XAINCR('c', '', 5, 0, 9)"), ((5,),))
        self.refused(1690, self.db, "CALL raw.XAINCR('c', '', 5, 0, 9)")
        self.assertEqual(self.rows(self.db, "CALL raw.EVAL('return redis.call(\"SET\", KEYS[1], 1)', 1, 's')"), (("OK",),))
        got = []
        thread = threading.Thread(target=lambda: got.append(self.rows(self.connect(), "CALL raw.BLPOP('l', 20)")))
        thread.start()
        self.raw.rpush("l", "x")
        thread.join()
        self.assertEqual(got, [((0, "l"), (1, "x"))])

    def test_raw_in_a_transaction_it_is_undone(self):
        self.run_sql(self.db, "BEGIN", "CALL raw.SET('k', 'v')", "ROLLBACK")
        self.assertIsNone(self.raw.get("k"))

    # --- barrier_schema ---

    def test_the_barrier_lies_where_it_was_said(self):
        xatest.until(lambda: self.tables() == {"of sagas"}, 10, self.tables)
        self.run_sql(self.db, "BEGIN")
        self.run_sql(self.db, "CALL xa.on_commit('s1', 'INSERT INTO orders.orders VALUES (801, ?, ?, 1)', 'alice', 'sku')", "COMMIT")
        xatest.until(lambda: self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = 801") == ((1,),), 10, "the action")
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM `of sagas`.barrier")[0][0], 1)

    def tables(self):
        rows = self.world.direct("s1", "SELECT table_schema FROM information_schema.tables WHERE table_name = 'barrier'")
        return {row[0] for row in rows}

    # --- key_prefix ---

    def restart_with(self, prefix):
        self.world.proxy.crash()
        self.world.shop_prefix = prefix
        self.world.write_config()
        self.world.start_all()

    def shop_rows(self, command):
        return self.rows(self.db, f"CALL shop.{command}")

    def test_prefix_of_keys(self):
        self.shop.set("k", "elsewhere")
        self.shop.set("skop:k", "elsewhere")
        for command in ("SET('k', 'v')", "MSET('a', 1, 'b', 2)", "RPUSH('l', 1, 2, 3)", "LMOVE('l', 'm', 'LEFT', 'RIGHT')", "SADD('t', 'x')",
                        "SUNIONSTORE('u', 't')", "XADD('x', '1-1', 'f', 'v')",
                        "EVAL('return redis.call(\"SET\", KEYS[1], ARGV[1])', 1, 'e', 'k')"):
            self.shop_rows(command)
        self.assertEqual(set(self.shop.keys()), {"k", "skop:k"} | {f"s?op:{k}" for k in "kablmtuxe"})
        self.assertEqual((self.shop.get("s?op:k"), self.shop.get("s?op:e")), ("v", "k"))
        self.assertEqual(self.shop_rows("MGET('k', 'a', 'skop:k')"), ((0, "v"), (1, "1"), (2, None)))

    def test_prefix_in_replies(self):
        for key in ("skop:k", "s?op:k", "s?op:l2"):
            self.shop.set(key, 1)
        self.shop.rpush("s?op:l", "s?op:x", "y")
        self.shop.xadd("s?op:x", {"f": "v"}, id="1-1")
        self.assertEqual({row[1] for row in self.shop_rows("KEYS('*')")}, {"k", "l", "l2", "x"})
        self.assertEqual({row[1] for row in self.shop_rows("KEYS('l*')")}, {"l", "l2"})
        self.assertEqual({row[1] for row in self.shop_rows("SCAN(0, 'COUNT', 100)")}, {"k", "l", "l2", "x"})
        self.assertEqual({row[1] for row in self.shop_rows("SCAN(0, 'MATCH', 'k', 'COUNT', 100)")}, {"k"})
        self.assertEqual(self.shop_rows("BLPOP('none', 'l', 1)"), ((0, "l"), (1, "s?op:x")))
        self.assertEqual(self.shop_rows("LMPOP(1, 'l', 'LEFT')"), (('["l",["y"]]',),))
        self.assertEqual(self.shop_rows("XREAD('STREAMS', 'x', '0')"), (('[["x",[["1-1",["f","v"]]]]]',),))

    def test_prefix_of_what_sort_looks_up(self):
        self.shop.rpush("s?op:l", "a", "b")
        self.shop.mset({"s?op:w_a": 2, "s?op:w_b": 1, "s?op:v_a": "A", "s?op:v_b": "B"})
        self.assertEqual(self.shop_rows("SORT('l', 'BY', 'w_*', 'GET', 'v_*', 'GET', '#')"), ((0, "B"), (1, "b"), (2, "A"), (3, "a")))

    def test_prefix_and_what_is_about_others(self):
        for command in ("DBSIZE()", "RANDOMKEY()"):
            self.refused(1235, self.db, f"CALL shop.{command}")

    def test_prefix_in_a_transaction(self):
        self.shop.set("s?op:k", "before")
        self.run_sql(self.db, "BEGIN", "CALL shop.SET('k', 'v')", "CALL shop.HSET('h', 'f', 1)")
        self.assertEqual(self.shop_rows("GET('k')"), (("v",),))
        self.run_sql(self.db, "ROLLBACK")
        self.assertEqual((self.shop.get("s?op:k"), self.shop.exists("s?op:h")), ("before", 0))
        self.run_sql(self.db, "BEGIN", "CALL shop.SET('k', 'v')", "CALL shop.HELD('SET', 'held', 1)",
                     "CALL xa.on_commit('shop', 'SET', 'later', 1)", "COMMIT")
        xatest.until(lambda: self.shop.exists("s?op:held", "s?op:later") == 2, 10, self.shop.keys)
        self.assertEqual(set(self.shop.keys("s*")), {"s?op:k", "s?op:held", "s?op:later"})

    def test_an_action_keeps_the_prefix_that_it_was_registered_with(self):
        """Its Redis is away at COMMIT, and there is another prefix when it is back."""
        self.run_sql(self.db, "BEGIN", "CALL xa.on_commit('shop', 'RPUSH', 'kept', 1)", "CALL shop.HELD('RPUSH', 'kept', 2)")
        self.world.cache.crash()
        self.run_sql(self.db, "COMMIT")
        self.addCleanup(self.restart_with, self.world.shop_prefix)
        self.restart_with("other:")
        xatest.until(lambda: self.shop.llen("s?op:kept") == 2, 10, self.shop.keys)
        self.assertEqual(self.shop.lrange("s?op:kept", 0, -1), ["1", "2"])
        self.assertEqual(self.shop.keys("other:*"), [])

    def test_prefix_at_the_redis_port(self):
        with redis_py.Redis(port=self.world.shop_port, decode_responses=True) as client:
            client.set("k", "v")
            self.assertEqual((client.keys("*"), self.shop.get("s?op:k")), (["k"], "v"))
            with client.pipeline() as pipe:
                pipe.watch("k")
                pipe.multi()
                pipe.rpush("l", 1).blpop("l", 1).keys("k*")
                self.assertEqual(pipe.execute(), [1, ("l", "1"), ["k"]])
            with client.pipeline() as pipe:
                pipe.watch("k")
                self.shop.set("s?op:k", "w")
                pipe.multi()
                pipe.set("k", "x")
                self.assertRaises(redis_py.exceptions.WatchError, pipe.execute)
