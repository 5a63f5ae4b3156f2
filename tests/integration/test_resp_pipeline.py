"""What a client of the Redis port sends ahead: commands that need not wait for each other go to Redis together, answers come in order and
are those of Redis itself; where one waits for a key, those behind it wait too."""
import contextlib
import random
import threading

import redis
import redisport
import xatest
from redisport import command

TOGETHER = 128  # at most so many commands go at once


class Case(redisport.Case):
    world_options = {"redis_options": "lock_wait = 20s\ntimeout = 20s"}  # what is lost here is lost by the tests

    def setUp(self):
        super().setUp()
        self.db = self.connect()

    def together(self):
        """How many commands have gone in company so far."""
        with contextlib.closing(self.world.admin()) as admin, admin.cursor() as cursor:
            cursor.execute("SHOW STATUS")
            return {name: int(value) for name, value in cursor.fetchall() if str(value).isdigit()}["resp_together"]

    def ahead(self, client, *commands):
        """All at once, without waiting; what comes back is read by answers()."""
        client.connection.send_packed_command([b"".join(command(*words) for words in commands)])
        return len(commands)

    def answers(self, client, n):
        return [self.answer(client) for _ in range(n)]

    def answer(self, client):
        try:
            return client.connection.read_response()
        except redis.exceptions.ResponseError as error:
            return error

    def logged_in(self):
        client = self.port()
        return client, client.client_id()

    def wait_for_key(self, number):
        self.wait_state(number, "waiting for a Redis lock in cache")


def some_commands(chance, n):
    """Of every kind, some of which fail."""
    keys = [f"{kind}{i}" for kind in "shlzt" for i in range(3)]
    makers = (
        lambda k: ("SET", k, chance.randint(0, 99)), lambda k: ("GET", k), lambda k: ("INCRBY", k, chance.randint(-5, 5)),
        lambda k: ("HSET", k, f"f{chance.randint(0, 3)}", "v"), lambda k: ("HGETALL", k), lambda k: ("DEL", k), lambda k: ("TYPE", k),
        lambda k: ("RPUSH", k, "a", "b"), lambda k: ("LRANGE", k, 0, -1), lambda k: ("LPOP", k, 2), lambda k: ("BLPOP", k, "s0", 0.01),
        lambda k: ("ZADD", k, chance.randint(0, 9) / 4, "m"), lambda k: ("ZRANGE", k, 0, -1, "WITHSCORES"), lambda k: ("ZSCORE", k, "m"),
        lambda k: ("SADD", k, "x", "y"), lambda k: ("SISMEMBER", k, "x"), lambda k: ("SMISMEMBER", k, "x", "q"),
        lambda k: ("MGET", k, "nothing", "s1"), lambda k: ("MSET", k, 1, "s2", 2), lambda k: ("RENAME", k, chance.choice(keys)),
        lambda k: ("EXPIRE", k, 100), lambda k: ("PERSIST", k), lambda k: ("GET", k, "too many"), lambda k: ("INCR", k, 1, 2),
        lambda k: ("GETRANGE", k, 0, "x"), lambda k: ("PING",), lambda k: ("ECHO", k), lambda k: ("DBSIZE",),
        lambda k: ("APPEND", k, chance.choice(("", "\r\n", "é"))), lambda k: ("STRLEN", k), lambda k: ("INCRBYFLOAT", k, "0.5"),
        lambda k: ("SPOP", "nothing"), lambda k: ("ZINCRBY", k, 1.5, "m"), lambda k: ("HINCRBY", k, "n", 2), lambda k: ("OBJECT", "ENCODING", k),
    )
    return [chance.choice(makers)(chance.choice(keys)) for _ in range(n)]


class Order:
    def test_answers_are_those_of_redis(self):
        """Byte by byte, in both versions of the protocol, for commands of which some fail."""
        for proto in (2, 3):
            for seed in range(4):
                with self.subTest(proto=proto, seed=seed):
                    commands = some_commands(random.Random(seed), 700)
                    direct = self.told(self.world.cache.port, proto, commands)
                    before = self.together()
                    through = self.told(self.world.plain_port, proto, commands)
                    self.assertEqual(through, direct)
                    self.assertGreater(self.together() - before, 300)

    def told(self, port, proto, commands):
        """All that is answered behind HELLO, from an empty server."""
        self.r.flushall()
        sock = self.socket_at(port)
        sock.sendall(command("HELLO", proto) + command("ECHO", "begin") + b"".join(command(*c) for c in commands) + command("ECHO", "end"))
        got = b""
        while not got.endswith(b"$3\r\nend\r\n"):
            piece = sock.recv(1 << 16)
            self.assertTrue(piece, got[-200:])
            got += piece
        return got.split(b"$5\r\nbegin\r\n", 1)[1]

    def socket_at(self, port):
        sock = redisport.socket.create_connection(("127.0.0.1", port), 60)
        sock.settimeout(60)
        self.addCleanup(sock.close)
        return sock

    def test_more_than_go_at_once(self):
        client, _ = self.logged_in()
        before, n = self.together(), 5 * TOGETHER + 7
        self.ahead(client, *(("INCR", "n") for _ in range(n)))
        self.assertEqual(self.answers(client, n), list(range(1, n + 1)))
        self.assertGreaterEqual(self.together() - before, n // 2)

    def test_among_commands_of_its_own(self):
        """What the proxy answers itself, MULTI, what waits for an element and a script stand in their places."""
        client, _ = self.logged_in()
        n = self.ahead(client, ("SET", "a", 1), ("GET", "a"), ("CLIENT", "GETNAME"), ("CLIENT", "SETNAME", "me"), ("RPUSH", "l", "x"),
                       ("BLPOP", "l", 5), ("LLEN", "l"), ("MULTI",), ("INCR", "a"), ("GET", "a"), ("EXEC",), ("GET", "a"), ("INCR", "a"),
                       ("CLIENT", "GETNAME"), ("SUBSCRIBE", "c"), ("GET", "a"), ("INCR", "a"), ("PING",))
        got = self.answers(client, n)
        self.assertIn("cannot be used through the proxy", str(got.pop(14)))
        self.assertEqual(got, [b"OK", b"1", None, b"OK", 1, [b"l", b"x"], 0, b"OK", b"QUEUED", b"QUEUED", [2, b"2"], b"2", 3, b"me", b"3",
                               4, b"PONG"])

    def test_what_is_no_command_comes_behind_the_answers(self):
        sock = self.raw()
        sock.sendall(command("SET", "a", 1) + command("GET", "a") + b"*1\r\n:1\r\n" + command("SET", "a", 2))
        got = b""
        while piece := sock.recv(4096):
            got += piece
        self.assertTrue(got.startswith(b"+OK\r\n$1\r\n1\r\n-ERR Protocol error"), got)
        self.assertEqual(self.r.get("a"), b"1")

    def test_the_last_word_is_quit(self):
        sock = self.raw()
        sock.sendall(command("SET", "a", 1) + command("INCR", "a") + command("QUIT") + command("SET", "a", 9))
        got = b""
        while piece := sock.recv(4096):
            got += piece
        self.assertEqual((got, self.r.get("a")), (b"+OK\r\n:2\r\n+OK\r\n", b"2"))


class Keys:
    def test_those_behind_a_held_key_wait(self):
        self.r.set("held", "old")
        self.sql("BEGIN", "CALL cache.SET('held', 'mine')")
        client, number = self.logged_in()
        n = self.ahead(client, ("SET", "a", 1), ("GET", "held"), ("APPEND", "held", "!"), ("GET", "held"), ("SET", "b", 1), ("GET", "b"))
        self.assertEqual(self.answers(client, 2), [b"OK", b"mine"])
        self.wait_for_key(number)
        self.assertEqual(self.r.mget("a", "b"), [b"1", None])
        self.sql("COMMIT")
        self.assertEqual(self.answers(client, n - 2), [5, b"mine!", b"OK", b"1"])
        self.assertEqual(self.world.leftovers(), [])

    def test_rolled_back_meanwhile(self):
        self.sql("BEGIN", "CALL cache.RPUSH('held', 'mine')")
        client, number = self.logged_in()
        n = self.ahead(client, *(("RPUSH", "held" if i == 40 else f"l{i}", i) for i in range(60)), ("LRANGE", "held", 0, -1))
        self.wait_for_key(number)
        self.sql("ROLLBACK")
        self.assertEqual(self.answers(client, n), [1] * 60 + [[b"40"]])

    def test_who_waits_already_comes_first(self):
        self.sql("BEGIN", "CALL cache.RPUSH('held', 'tx')")
        (first, one), (second, two) = self.logged_in(), self.logged_in()
        self.ahead(first, ("RPUSH", "held", "first"))
        self.wait_for_key(one)
        n = self.ahead(second, ("SET", "a", 1), ("RPUSH", "held", "second"), ("LRANGE", "held", 0, -1))
        self.wait_for_key(two)
        self.sql("COMMIT")
        self.assertEqual(self.answers(first, 1), [2])
        self.assertEqual(self.answers(second, n), [b"OK", 3, [b"tx", b"first", b"second"]])

    def test_killed_while_one_waits(self):
        self.sql("BEGIN", "CALL cache.SET('held', 'mine')")
        client, number = self.logged_in()
        n = self.ahead(client, ("SET", "a", 1), ("SET", "held", 2), ("SET", "b", 3), ("GET", "b"))
        self.wait_for_key(number)
        with contextlib.closing(self.world.admin()) as admin, admin.cursor() as cursor:
            cursor.execute(f"KILL QUERY {number}")
        got = self.answers(client, n)
        self.assertEqual(got[:1] + got[2:], [b"OK", b"OK", b"3"])
        self.assertTrue(str(got[1]).startswith("XAKILLED"), got[1])
        self.ahead(client, ("SET", "held", 2), ("SET", "c", 3))
        self.wait_for_key(number)
        with contextlib.closing(self.world.admin()) as admin, admin.cursor() as cursor:
            cursor.execute(f"KILL {number}")
        with self.assertRaises(redis.exceptions.ConnectionError):
            self.answers(client, 2)
        self.sql("ROLLBACK")
        self.assertEqual(self.r.mget("a", "b", "c", "held"), [b"1", b"3", None, None])


class Lost:
    def test_the_connection_is_lost_in_the_middle(self):
        """What went with it is told for each and never sent again; the rest goes on."""
        client, _ = self.logged_in()
        self.r.client_pause(60000, all=False)
        self.addCleanup(self.r.client_unpause)
        n = 2 * TOGETHER
        self.ahead(client, ("GET", "n"), *(("INCR", "n") for _ in range(n)))
        found = []
        xatest.until(lambda: found.append(self.stuck()) or found[-1], 10, self.r.client_list)
        self.r.client_kill_filter(_id=found[-1])
        self.r.client_unpause()
        got = self.answers(client, n + 1)
        lost = [str(one) for one in got if isinstance(one, Exception)]
        self.assertTrue(TOGETHER > len(lost) > 1, len(lost))
        self.assertTrue(all(one.startswith("XADOWN") and "outcome unknown" in one for one in lost), lost[0])
        self.assertEqual((got[0], got[1 + len(lost):]), (None, list(range(1, n - len(lost) + 1))))
        self.assertEqual(self.r.get("n"), b"%d" % (n - len(lost)))

    def stuck(self):
        """The connection whose writes the server holds back."""
        return next((c["id"] for c in self.r.client_list() if c["cmd"].startswith("fcall") and "b" in c["flags"]), None)

    def test_its_client_is_gone(self):
        client, number = self.logged_in()
        self.r.client_pause(60000, all=False)
        self.addCleanup(self.r.client_unpause)
        self.ahead(client, *(("INCR", "n") for _ in range(2 * TOGETHER)))
        xatest.until(self.stuck, 10, self.r.client_list)
        client.connection.disconnect()
        xatest.until(lambda: number not in self.processes(), 10, self.processes)
        self.r.client_unpause()
        other, _ = self.logged_in()
        self.ahead(other, ("SET", "a", 1), ("GET", "a"))
        self.assertEqual(self.answers(other, 2), [b"OK", b"1"])
        self.assertLessEqual(int(self.r.get("n") or 0), TOGETHER)  # what had gone out, at most

    def test_redis_is_away(self):
        client, _ = self.logged_in()
        self.world.cache.stop()
        try:
            n = self.ahead(client, ("GET", "a"), ("SET", "a", 1), ("GET", "a"))
            got = self.answers(client, n)
        finally:
            self.world.start_all()
        self.assertTrue(all(str(one).startswith("XADOWN") for one in got), got)

    def test_the_library_is_missing(self):
        client, _ = self.logged_in()
        self.r.function_flush()
        n = self.ahead(client, ("GET", "a"), ("SET", "a", 1), ("GET", "a"), ("SET", "b", 2))
        self.assertEqual(self.answers(client, n), [None, b"OK", b"1", b"OK"])

    def test_without_memory(self):
        client, _ = self.logged_in()
        self.r.set("a", 1)
        self.r.config_set("maxmemory", 1)
        self.addCleanup(self.r.config_set, "maxmemory", 0)
        n = self.ahead(client, ("GET", "a"), ("SET", "b", 1), ("DEL", "a"), ("GET", "a"), ("INCR", "b"), ("DEL", "b"))
        got = self.answers(client, n)
        self.assertEqual([got[0], got[2], got[3], got[5]], [b"1", 1, None, 0])
        self.assertTrue(all("used memory > 'maxmemory'" in str(got[i]) for i in (1, 4)), got)


class Limits:
    def test_big_replies_come_when_they_are_read(self):
        """More than the proxy keeps for a client that does not read: asked for again, all in order."""
        values = [bytes([65 + i]) * (1 << 20) for i in range(12)]
        for i, value in enumerate(values):
            self.r.set(f"big{i}", value)
        client, _ = self.logged_in()
        asked = [("GET", f"big{i % 12}") for i in range(36)] + [("SET", "a", 1)] + [("GET", f"big{i}") for i in range(12)]
        self.ahead(client, *asked)
        got = self.answers(client, len(asked))
        expected = values * 3 + [b"OK"] + values
        self.assertEqual([(i, one if isinstance(one, Exception) else one[:9]) for i, one in enumerate(got) if one != expected[i]], [])

    def test_big_commands(self):
        value = b"x" * (300 * 1024)
        client = self.plain()  # a TLS session of Python is not for two threads
        commands = [("SET", f"k{i}", value) for i in range(8)] + [("STRLEN", f"k{i}") for i in range(8)]
        thread = threading.Thread(target=self.ahead, args=(client, *commands))
        thread.start()
        got = self.answers(client, len(commands))
        thread.join(10)
        self.assertEqual(got, [b"OK"] * 8 + [len(value)] * 8)

    def test_one_client_leaves_room_for_others(self):
        """While commands of one pour in without an end, another is answered."""
        greedy, other, over = self.port(), self.port(), threading.Event()
        rounds, wrong = [], []

        def pour():
            while not over.is_set():
                n = self.ahead(greedy, *(("INCR", "n") for _ in range(3000)))
                got = self.answers(greedy, n)
                wrong.extend(one for one in got if not isinstance(one, int))
                rounds.append(n)
        thread = threading.Thread(target=pour)
        thread.start()
        try:
            xatest.until(lambda: int(self.r.get("n") or 0) > 100, 20, "nothing is done")
            for i in range(50):
                self.assertEqual(other.set("m", i), True)
        finally:
            over.set()
            thread.join(60)
        self.assertEqual((wrong, int(self.r.get("n"))), ([], sum(rounds)))


class Pipeline(Order, Keys, Lost, Limits, Case):
    pass


class ShortWait(Case):
    world_options = {"redis_options": "lock_wait = 1s"}

    def test_the_key_does_not_become_free(self):
        self.sql("BEGIN", "CALL cache.SET('held', 'mine')")
        client, _ = self.logged_in()
        n = self.ahead(client, ("SET", "a", 1), ("SET", "held", 2), ("SET", "b", 3), ("GET", "b"))
        got = self.answers(client, n)
        self.assertEqual(got[:1] + got[2:], [b"OK", b"OK", b"3"])
        self.assertTrue(str(got[1]).startswith("XALOCKED"), got[1])


class Committed(Case):
    world_options = {"redis_options": "lock_wait = 20s\nisolation = read_committed"}

    def test_reads_wait_where_they_are_to(self):
        """isolation = read_committed: nobody sees what may still be taken back."""
        self.r.set("held", "old")
        self.sql("BEGIN", "CALL cache.SET('held', 'mine')")
        client, number = self.logged_in()
        n = self.ahead(client, ("GET", "a"), ("GET", "held"), ("GET", "b"))
        self.wait_for_key(number)
        self.sql("ROLLBACK")
        self.assertEqual(self.answers(client, n), [None, b"old", None])
