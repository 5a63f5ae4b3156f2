"""MULTI, EXEC and WATCH at the Redis port: one step in Redis with one look at the locks, WATCH as Redis has it, and in a joined transaction
a part of that transaction."""
import hashlib
import threading

import redis
import redisport
import xatest
from redisport import Later


class Case(redisport.Case):
    world_options = {"redis_options": "lock_wait = 20s\nmax_connections = 4\nscripts = declared\npublish = on_commit",
                     "proxy_options": "max_packet = 2M"}

    def setUp(self):
        super().setUp()
        self.db = self.connect()

    def say(self, client, *words):
        """On its own connection, the reply as it comes."""
        client.connection.send_command(*words)
        return client.connection.read_response()

    def token(self):
        return self.rows(self.db, "SELECT xa.token()")[0][0]

    def wait_waiting(self):
        xatest.until(lambda: any("waiting for a key" in str(row) or "lock" in str(row).lower() for row in self.states()), 10,
                     lambda: self.states())

    def states(self):
        with self.world.admin() as admin, admin.cursor() as cursor:
            cursor.execute("SHOW PROCESSLIST")
            return cursor.fetchall()


class Outside(Case):
    def test_a_pipeline_is_one_step(self):
        with self.port().pipeline() as pipe:
            pipe.set("a", 1).incr("a").hset("h", "f", "v").hgetall("h").zadd("z", {"m": 1.5}).zrange("z", 0, -1, withscores=True)
            self.assertEqual(pipe.execute(), [True, 2, 1, {b"f": b"v"}, 1, [(b"m", 1.5)]])

    def test_what_fails_fails_alone(self):
        r = self.port()
        with r.pipeline() as pipe:
            pipe.set("a", "x").incr("a").lpush("a", 1).set("b", 2)
            answers = pipe.execute(raise_on_error=False)
        self.assertEqual([answers[0], answers[3]], [True, True])
        self.assertIn("not an integer", str(answers[1]))
        self.assertIn("WRONGTYPE", str(answers[2]))

    def test_nothing_is_done_before_exec(self):
        r = self.port()
        self.assertEqual(r.execute_command("MULTI"), b"OK")
        self.assertEqual(r.execute_command("APPEND", "a", 1), b"QUEUED")
        self.assertEqual(self.r.get("a"), None)
        self.assertEqual(r.execute_command("DISCARD"), b"OK")
        self.error("EXEC without MULTI", r, "EXEC")
        self.assertEqual(self.r.get("a"), None)
        r.execute_command("MULTI")
        self.assertEqual(r.execute_command("EXEC"), [])

    def test_what_is_refused_discards_all(self):
        r = self.port()
        for words in (("NONSENSE", 1), ("SET", "a"), ("SUBSCRIBE", "c"), ("CLIENT", "ID"), ("SELECT", 0), ("XA.JOIN", "t"),
                      ("FCALL", "f", 1, "k"), ("EVALSHA", "0" * 40, 1, "k"), ("FLUSHALL",), ("EXEC", 1)):
            with self.subTest(words):
                r.execute_command("MULTI")
                self.error("", r, *words)
                r.execute_command("SET", "a", 1)
                with self.assertRaises(redis.exceptions.ExecAbortError):
                    r.execute_command("EXEC")
                self.assertEqual(self.r.get("a"), None)

    def test_misplaced_words(self):
        r = self.port()
        self.error("DISCARD without MULTI", r, "DISCARD")
        r.execute_command("MULTI")
        self.error("MULTI calls can not be nested", r, "MULTI")
        self.error("WATCH inside MULTI is not allowed", r, "WATCH", "a")
        r.execute_command("SET", "a", 1)
        self.assertEqual(r.execute_command("EXEC"), [b"OK"])

    def test_a_command_that_waits_does_not(self):
        r = self.port()
        self.r.rpush("l", "x")
        with r.pipeline() as pipe:
            pipe.execute_command("BLPOP", "l", 0).execute_command("BLPOP", "l", 0).ping().echo("hello")
            self.assertEqual(pipe.execute(), [(b"l", b"x"), None, True, b"hello"])

    def test_scripts(self):
        r = self.port()
        script = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
        self.assertEqual(script(["a"], [5]), 5)
        with r.pipeline() as pipe:
            script(["a"], [2], client=pipe)
            pipe.eval("return redis.call('GET', KEYS[1])", 1, "a")
            self.assertEqual(pipe.execute(), [7, b"7"])

    def test_a_script_is_known_afterwards(self):
        r, text = self.port(), "return redis.call('INCRBY', KEYS[1], 5)"
        with r.pipeline() as pipe:
            self.assertEqual(pipe.eval(text, 1, "a").execute(), [5])
        self.assertEqual(r.evalsha(hashlib.sha1(text.encode()).hexdigest(), 1, "a"), 10)

    def test_more_than_is_kept(self):
        r, value = self.port(), b"x" * 900000
        r.execute_command("MULTI")
        for i in range(2):
            self.assertEqual(self.say(r, "SET", f"k{i}", value), b"QUEUED")
        self.error("what stands between MULTI and EXEC is more than max_packet", r, "SET", "k2", value)
        self.error("Transaction discarded", r, "EXEC")
        self.assertEqual(self.r.dbsize(), 0)
        with r.pipeline() as pipe:
            self.assertEqual(pipe.set("k0", value).strlen("k0").execute(), [True, 900000])

    def test_one_held_key_holds_up_the_whole(self):
        self.sql("BEGIN", "CALL cache.SET('b', 'mine')")
        r, answers = self.port(), []

        def run():
            with r.pipeline() as pipe:
                pipe.set("a", 1).get("b")
                answers.extend(pipe.execute())
        thread = threading.Thread(target=run)
        thread.start()
        self.wait_waiting()
        self.assertEqual(self.r.get("a"), None)
        self.sql("ROLLBACK")
        thread.join(60)
        self.assertEqual(answers, [True, None])

    def test_without_memory_nothing_is_done(self):
        r = self.port()
        self.r.config_set("maxmemory", 1)
        self.addCleanup(self.r.config_set, "maxmemory", 0)
        with self.assertRaises(redis.exceptions.ExecAbortError) as caught, r.pipeline() as pipe:
            pipe.get("a").set("a", 1).execute()
        self.assertIn("OOM", str(caught.exception))
        with r.pipeline() as pipe:
            self.assertEqual(pipe.get("a").delete("a").execute(), [None, 0])

    def test_resp3(self):
        s = self.raw()
        s.sendall(b"HELLO 3\r\nMULTI\r\nHSET h f v\r\nHGETALL h\r\nZADD z 1 m\r\nZSCORE z m\r\nSMEMBERS s\r\nGET none\r\nEXEC\r\nPING\r\n")
        got = b""
        while not got.endswith(b"+PONG\r\n"):
            got += s.recv(65536)
        self.assertTrue(got.endswith(b"+QUEUED\r\n*6\r\n:1\r\n%1\r\n$1\r\nf\r\n$1\r\nv\r\n:1\r\n,1\r\n~0\r\n_\r\n+PONG\r\n"), got)


class Watch(Case):
    def test_nobody_came_between(self):
        r = self.port()
        self.r.set("a", 1)
        with r.pipeline() as pipe:
            pipe.watch("a")
            n = int(pipe.get("a"))
            pipe.multi()
            pipe.set("a", n + 1).get("a")
            self.assertEqual(pipe.execute(), [True, b"2"])

    def test_somebody_came_between(self):
        r = self.port()
        for begin in (lambda: self.r.set("a", 5), lambda: self.sql("CALL cache.SET('a', 6)"), lambda: self.port().set("a", 7)):
            with r.pipeline() as pipe:
                pipe.watch("a", "b")
                begin()
                pipe.multi()
                pipe.set("b", 1)
                with self.assertRaises(redis.exceptions.WatchError):
                    pipe.execute()
        self.assertEqual(self.r.get("b"), None)

    def test_unwatch_discard_and_reset_forget(self):
        r = self.port()
        for forget in (("UNWATCH",), ("MULTI", "DISCARD"), ("MULTI", "EXEC"), ("RESET",)):
            with self.subTest(forget):
                r.execute_command("WATCH", "a")
                self.r.incr("a")
                for word in forget:
                    if word == "EXEC":
                        self.assertIsNone(r.execute_command("EXEC"))
                    elif word == "RESET":
                        r.execute_command("RESET")
                        r.execute_command("AUTH", "app", xatest.PASSWORDS["app"])
                    else:
                        r.execute_command(word)
                r.execute_command("MULTI")
                r.execute_command("INCR", "a")
                self.assertEqual(len(r.execute_command("EXEC")), 1)

    def test_unwatch_between_multi_and_exec_forgets_nothing(self):
        r = self.port()
        r.execute_command("WATCH", "a")
        self.r.incr("a")
        r.execute_command("MULTI")
        r.execute_command("INCR", "a")
        self.error("", r, "UNWATCH")
        self.error("Transaction discarded", r, "EXEC")
        self.assertEqual(self.r.get("a"), b"1")

    def test_counting_by_several_loses_nothing(self):
        def count(r):
            for _ in range(20):
                r.transaction(self.add_one, "n")
        clients = [self.port() for _ in range(2)]
        threads = [threading.Thread(target=count, args=(r,)) for r in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(self.r.get("n"), b"40")

    def add_one(self, pipe):
        n = int(pipe.get("n") or 0)
        pipe.multi()
        pipe.set("n", n + 1)

    def test_what_a_transaction_holds_is_waited_for_and_has_changed(self):
        r = self.port()
        r.execute_command("WATCH", "a")
        self.sql("BEGIN", "CALL cache.SET('a', 1)")
        r.execute_command("MULTI")
        r.execute_command("SET", "a", 2)
        thread = threading.Thread(target=lambda: self.sql("COMMIT"))
        thread.start()
        self.assertIsNone(r.execute_command("EXEC"))
        thread.join(60)
        self.assertEqual(self.r.get("a"), b"1")

    def lose_watchers(self):
        """Returns when the proxy knows it: what is sent before has an unknown outcome."""
        for number in [client["id"] for client in self.r.client_list() if client["cmd"] == "watch"]:
            self.r.client_kill_filter(_id=number)
            lost = f"redis_lost resource=cache id={number} "
            xatest.until(lambda lost=lost: lost in self.world.proxy.log_of_this_life(), 10, lost)

    def test_a_lost_connection_is_a_change(self):
        r = self.port()
        self.r.set("a", 1)
        r.execute_command("WATCH", "a")
        self.lose_watchers()
        r.execute_command("MULTI")
        r.execute_command("SET", "a", 2)
        self.assertIsNone(r.execute_command("EXEC"))
        self.assertEqual(r.execute_command("GET", "a"), b"1")

    def test_its_connection_is_lost_while_it_waits_for_a_key(self):
        self.sql("BEGIN", "CALL cache.SET('a', 1)")
        first, r = self.port(), self.port()
        numbers = first.client_id(), r.client_id()
        before = Later(first, ("SET", "a", 2))
        self.wait_state(numbers[0], "waiting for a Redis lock in cache")
        r.execute_command("WATCH", "b")
        r.execute_command("MULTI")
        r.execute_command("SET", "a", 3)
        exec_ = Later(r, ("EXEC",))
        self.wait_state(numbers[1], "waiting for a Redis lock in cache")
        self.lose_watchers()
        self.sql("COMMIT")
        self.assertEqual((before.end(), exec_.end()), (True, None))
        self.assertEqual(r.execute_command("GET", "a"), b"2")

    def test_keys_of_the_proxy_cannot_be_watched(self):
        r = self.port()
        self.error("Redis keys that begin with xa:{ belong to the proxy", r, "WATCH", "a", "xa:{abc}:c")
        self.assertEqual(r.execute_command("WATCH", "a"), True)

    def test_not_all_connections_are_for_watching(self):
        """Each worker may keep two of its four connections; there are more clients than all of them may have."""
        clients, refused = [self.port() for _ in range(20)], 0
        for r in clients:
            try:
                r.execute_command("WATCH", "a")
            except redis.exceptions.ResponseError as e:
                self.assertIn("too many clients WATCH", str(e))
                refused += 1
        self.assertGreater(refused, 0)
        self.assertEqual([r.get("a") for r in clients], [None] * 20)
        for r in clients:
            r.connection_pool.disconnect()
            r.connection = None
        xatest.until(lambda: not any(c["cmd"] == "watch" for c in self.r.client_list()), 10, lambda: self.r.client_list())


class Joined(Case):
    def test_what_is_collected_is_of_the_transaction(self):
        r = self.port()
        for end, left in (("ROLLBACK", [None, 0]), ("COMMIT", [b"2", 1])):
            self.sql("BEGIN", "DO 1")
            r.execute_command("XA.JOIN", self.token())
            with self.subTest(end):
                for words in (("MULTI",), ("APPEND", "a", 1), ("INCR", "a"), ("SADD", "s", "m"), ("LPUSH", "a", "x")):
                    self.say(r, *words)
                answers = self.say(r, "EXEC")
                self.assertEqual(answers[:3], [1, 2, 1])
                self.assertIn("WRONGTYPE", str(answers[3]))
            self.sql(end)
            self.world.settle()
            self.assertEqual([self.r.get("a"), self.r.scard("s")], left)
            self.error("XAGONE", r, "GET", "a")
            r.execute_command("XA.LEAVE")
        self.assertEqual(self.world.cache.open_fields(), [])

    def test_messages_wait_for_the_commit(self):
        """publish = on_commit"""
        r, listener = self.port(), self.r.pubsub(ignore_subscribe_messages=True)
        listener.subscribe("c")
        self.sql("BEGIN")
        r.execute_command("XA.JOIN", self.token())
        for words in (("MULTI",), ("SET", "a", 1), ("PUBLISH", "c", "m")):
            self.say(r, *words)
        self.assertEqual(self.say(r, "EXEC"), [b"OK", b"QUEUED"])
        self.assertIsNone(listener.get_message())
        self.sql("COMMIT")
        got = []
        xatest.until(lambda: got.append(listener.get_message()) or got[-1], 10, "no message")
        self.assertEqual(got[-1]["data"], b"m")
        listener.close()

    def test_killed_in_the_middle_of_exec(self):
        """It ends all of EXEC, not only what is under way."""
        with self.connect() as other:
            self.run_sql(other, "BEGIN", "CALL cache.SET('held', 1)")
            r = self.port()
            number = r.client_id()
            self.sql("BEGIN")
            r.execute_command("XA.JOIN", self.token())
            for words in (("MULTI",), ("SET", "a", 1), ("SET", "held", 2), ("SET", "b", 3)):
                self.say(r, *words)
            exec_ = Later(r, ("EXEC",))
            self.wait_waiting()
            self.run_sql(other, f"KILL QUERY {number}")
            answers = exec_.end()
            self.assertEqual((len(answers), answers[0]), (3, b"OK"))
            self.assertTrue(all(str(one).startswith("XAKILLED") for one in answers[1:]), answers)
            self.run_sql(other, "ROLLBACK")
            self.sql("COMMIT")
        self.assertEqual(self.r.mget("a", "held", "b"), [b"1", None, None])

    def test_a_transaction_that_is_gone(self):
        r = self.port()
        self.sql("BEGIN")
        r.execute_command("XA.JOIN", self.token())
        r.execute_command("MULTI")
        r.execute_command("SET", "a", 1)
        self.sql("ROLLBACK")
        answers = r.execute_command("EXEC")
        self.assertIn("XAGONE", str(answers[0]))
        self.assertEqual(self.r.get("a"), None)
        self.error("WATCH is not needed", r, "WATCH", "a")


class InTime(Case):
    world_options = {"redis_options": "lock_wait = 500ms"}

    def test_the_lock_does_not_become_free(self):
        self.sql("BEGIN", "CALL cache.SET('b', 'mine')")
        r = self.port()
        with self.assertRaises(redis.exceptions.ResponseError) as caught, r.pipeline() as pipe:
            pipe.set("a", 1).set("b", 2).execute()
        self.assertIn("XALOCKED", str(caught.exception))
        self.sql("ROLLBACK")
        self.assertEqual(self.r.get("a"), None)
        with r.pipeline() as pipe:
            self.assertEqual(pipe.set("a", 1).set("b", 2).execute(), [True, True])
