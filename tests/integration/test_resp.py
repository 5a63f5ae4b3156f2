"""The Redis port, with redis-py over TLS and with bytes of our own: who comes in, what is answered, the locks that plain commands honour,
and how its clients wait, are killed and go."""
import contextlib
import os
import socket
import ssl
import time

import redis
import redisport
import xatest
from redisport import Bytes, Later, command


class Case(redisport.Case):
    world_options = {"redis_options": "lock_wait = 20s", "more": "[user narrow]\nmax_connections = 1\nlisteners = redis plain\n"
                     "empty_password = on\n[user elsewhere]\nempty_password = on\nschemas = orders\n[user mysql]\nempty_password = on\n"
                     "listeners = main"}

    def bytes(self):
        return Bytes(self.raw())


class LogIn(Case):
    def test_user_and_password(self):
        self.assertEqual(self.port().execute_command("CLIENT INFO")["user"], "app")
        self.assertTrue(self.port("native").ping())

    def test_wrong_password_and_unknown_user_look_the_same(self):
        texts = []
        for user, password in (("app", "wrong"), ("nobody", "wrong"), ("app", ""), ("mysql", "")):
            with self.assertRaises(redis.exceptions.RedisError) as caught:
                self.port(user, password).ping()
            texts.append(str(caught.exception))
        self.assertEqual(len(set(texts)), 1, texts)

    def test_a_wrong_password_ends_the_connection(self):
        b = self.bytes()
        self.assertTrue(b.ask("AUTH", "app", "wrong").startswith(b"-WRONGPASS"))
        self.assertTrue(b.ended())

    def through_tls(self, port, before=b""):
        """Bytes at a port behind TLS; `before` goes ahead of it."""
        sock = socket.create_connection(("127.0.0.1", port), 60)
        sock.sendall(before)
        try:
            sock = ssl.create_default_context(cafile=f"{self.world.certs}/ca.crt").wrap_socket(sock, server_hostname="127.0.0.1")
        finally:
            self.addCleanup(sock.close)
        return Bytes(sock)

    def test_nothing_before_the_log_in(self):
        b = self.through_tls(self.world.redis_port)
        for words in (("GET", "k"), ("PING",), ("XA.JOIN", "x"), ("CLIENT", "ID"), ("HELLO", 3), ("MULTI",)):
            self.assertTrue(b.ask(*words).startswith(b"-NOAUTH"), words)
        self.assertEqual(b.ask("AUTH", "app", xatest.PASSWORDS["app"]), b"+OK")
        self.assertEqual(b.ask("PING"), b"+PONG")

    def test_strangers_say_little(self):
        for bad in (b"*11\r\n", b"*2\r\n$4\r\nAUTH\r\n$20000\r\n"):
            b = self.through_tls(self.world.redis_port)
            b.sock.sendall(bad)
            self.assertIn(b"unauthenticated", b.line())
            self.assertTrue(b.ended())

    def test_strangers_that_do_not_read(self):
        """What they are told costs no memory without end: they are sent away."""
        b = self.through_tls(self.world.redis_port)
        with self.assertRaises(OSError):
            while True:
                b.sock.sendall(b"x\r\n" * 100000)
        xatest.until(lambda: "a stranger does not read" in self.world.proxy.log_tail(50), 10, "it was not sent away for that")

    def test_behind_a_balancer(self):
        """The header comes before TLS, and names the client; without one there is no way in."""
        b = self.through_tls(self.world.balanced_port, b"PROXY TCP4 10.9.8.7 10.9.8.1 1111 2222\r\n")
        self.assertEqual(b.ask("AUTH", "app", xatest.PASSWORDS["app"]), b"+OK")
        b.send("CLIENT", "INFO")
        self.assertIn(b" addr=10.9.8.7:", b.bulk())
        for bad in (b"", b"PROXY TCP4 nonsense\r\n"):
            with self.assertRaises(OSError):
                self.through_tls(self.world.balanced_port, bad)

    def test_no_bytes_without_tls(self):
        sock = socket.create_connection(("127.0.0.1", self.world.redis_port), 60)
        with contextlib.closing(sock):
            sock.settimeout(60)
            sock.sendall(command("PING"))
            self.assertNotIn(b"PONG", sock.makefile("rb").read())

    def test_limit_of_a_user(self):
        first = self.port("narrow", "")
        first.ping()
        with self.assertRaises(redis.exceptions.RedisError):
            self.port("narrow", "").ping()
        first.connection.disconnect()
        xatest.until(lambda: self.comes_in("narrow"), 10, "the place of the one that left is not given back")

    def comes_in(self, user):
        try:
            return self.port(user, "").ping()
        except redis.exceptions.RedisError:
            return False

    def test_a_user_without_the_resource(self):
        with self.assertRaises(redis.exceptions.RedisError) as caught:
            self.port("elsewhere", "").ping()
        self.assertIn("may not use", str(caught.exception))

    def test_another_user_on_the_same_connection(self):
        r = self.port()
        self.assertEqual(r.execute_command("CLIENT INFO")["user"], "app")
        self.assertTrue(r.execute_command("AUTH", "native", xatest.PASSWORDS["native"]))
        self.assertEqual(r.execute_command("CLIENT INFO")["user"], "native")
        self.error("WRONGPASS", r, "AUTH", "native", "wrong")

    def test_reset_forgets_who_it_was(self):
        r = self.port()
        r.client_setname("me")
        r.execute_command("RESET")
        self.error("Authentication required", r, "GET", "k")
        r.execute_command("AUTH", "app", xatest.PASSWORDS["app"])
        self.assertIsNone(r.client_getname())

    def test_reset_where_nobody_needs_to_log_in(self):
        r = self.plain()
        r.execute_command("AUTH", "app", xatest.PASSWORDS["app"])
        self.assertEqual(r.execute_command("CLIENT INFO")["user"], "app")
        r.execute_command("RESET")
        self.assertEqual(r.execute_command("CLIENT INFO")["user"], "")
        self.assertTrue(r.set("k", "v"))

    def test_hello(self):
        b = self.bytes()
        b.send("HELLO", 3, "AUTH", "app", xatest.PASSWORDS["app"], "SETNAME", "me")
        self.assertEqual(b.line(), b"%7")
        said = {}
        for _ in range(6):
            key, value = b.bulk(), b.line()
            said[key] = value if value.startswith(b":") else b.line()
        self.assertEqual((said[b"server"], said[b"proto"], said[b"role"]), (b"redis", b":3", b"master"))
        self.assertEqual((b.bulk(), b.line()), (b"modules", b"*0"))
        self.assertEqual(b.ask("GET", "nothing"), b"_")
        self.r.hset("h", "a", "1")
        self.assertEqual(b.ask("HGETALL", "h"), b"%1")
        self.assertEqual((b.bulk(), b.bulk()), (b"a", b"1"))
        b.send("CLIENT", "GETNAME")
        self.assertEqual(b.bulk(), b"me")
        self.assertTrue(b.ask("HELLO", 4).startswith(b"-NOPROTO"))
        self.assertEqual(b.ask("HELLO", 2), b"*14")


class Plain(Case):
    def test_reads_and_writes(self):
        r = self.port()
        self.assertTrue(r.set("k", "v", px=100000))
        self.assertEqual((r.get("k"), r.get("nothing")), (b"v", None))
        self.assertEqual(r.hset("h", mapping={"a": 1, "b": 2}), 2)
        self.assertEqual(r.hgetall("h"), {b"a": b"1", b"b": b"2"})
        self.assertEqual(r.zadd("z", {"x": 1.5}), 1)
        self.assertEqual(r.zrange("z", 0, -1, withscores=True), [(b"x", 1.5)])
        self.assertEqual(r.incrby("n", 9007199254740993), 9007199254740993)
        self.assertGreater(int(r.info()["redis_version"].split(".")[0]), 5)
        with self.assertRaises(redis.exceptions.ResponseError) as caught:
            r.lpush("k", "x")
        self.assertTrue(str(caught.exception).startswith("WRONGTYPE"), caught.exception)
        self.assertEqual(self.world.leftovers(), [])

    def test_a_pipeline_is_answered_in_order(self):
        pipe = self.port().pipeline(transaction=False)
        for i in range(500):
            pipe.set(f"k{i}", i)
            pipe.get(f"k{i}")
        got = pipe.execute()
        self.assertEqual(got[1::2], [b"%d" % i for i in range(500)])
        self.assertTrue(all(got[::2]))

    def test_lines_of_words(self):
        b = self.bytes()
        b.sock.sendall(b"set k 'a b'\r\nGET k\r\n\r\nPING\r\n")
        self.assertEqual((b.line(), b.bulk(), b.line()), (b"+OK", b"a b", b"+PONG"))

    def test_bytes_in_pieces(self):
        b = self.bytes()
        for i in command("SET", "k", b"\r\n$\0\xff"):
            b.sock.sendall(bytes([i]))
        self.assertEqual(b.line(), b"+OK")
        self.assertEqual(self.r.get("k"), b"\r\n$\0\xff")

    def test_what_is_no_command_ends_the_connection(self):
        b = self.bytes()
        b.sock.sendall(b"*1\r\n:1\r\n")
        self.assertTrue(b.line().startswith(b"-ERR Protocol error"))
        self.assertTrue(b.ended())

    def test_a_big_value(self):
        value = os.urandom(8 << 20)
        r = self.port()
        self.assertTrue(r.set("big", value))
        self.assertEqual(r.get("big"), value)

    def test_who_does_not_read_gets_no_more(self):
        """A hundred answers of a megabyte each do not pile up in the proxy; they come when they are wanted."""
        self.r.set("big", b"x" * (1 << 20))
        b = self.bytes()
        before = self.resident_kb()
        b.sock.sendall(command("GET", "big") * 100)
        worst = max(self.resident_kb() for _ in range(50) if not time.sleep(0.02))
        self.assertLess(worst - before, 30000)
        for _ in range(100):
            self.assertEqual(len(b.bulk()), 1 << 20)

    def test_a_write_behind_a_read_that_had_no_room(self):
        """Its answer waits for that of the read, which is asked again alone, and comes although nothing else follows."""
        self.r.set("big", b"x" * (16 << 20))
        b = Bytes(self.raw(20))
        number = int(b.ask("CLIENT", "ID")[1:])
        b.sock.sendall(command("GET", "big") * 2 + command("SET", "k", "v"))
        xatest.until(lambda: self.r.get("k") == b"v", 10, "not done")
        xatest.until(lambda: self.processes()[number]["State"] != "commands sent ahead", 10, lambda: self.processes())
        self.assertEqual((len(b.bulk()), len(b.bulk()), b.line()), (16 << 20, 16 << 20, b"+OK"))

    def resident_kb(self):
        with open(f"/proc/{self.world.proxy.pid}/status", encoding="ascii") as f:
            return int(next(line for line in f if line.startswith("VmRSS")).split()[1])

    def test_refused(self):
        r = self.port()
        for words in (("SUBSCRIBE", "c"), ("MONITOR",), ("SYNC",), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("WAIT", 0, 0)):
            self.assertIn("cannot be used through the proxy", self.error("", r, *words))
        for words in (("CLIENT", "REPLY", "OFF"), ("CLIENT", "TRACKING", "ON"), ("CLIENT", "KILL", "ID", 1)):
            self.assertIn("is not possible here", self.error("", r, *words))
        self.assertIn("out of range", self.error("", r, "SELECT", 1))
        self.assertTrue(r.execute_command("SELECT", 0))
        for words in (("COMMAND",), ("COMMAND", "DOCS", "get")):
            self.assertIn("nested", self.error("", r, *words))
        self.error("unknown command", r, "NONSENSE")
        self.error("wrong number of arguments", r, "GET")
        self.error("wrong number of arguments", r, "PING", 1, 2)
        self.assertTrue(r.ping())

    def test_of_itself(self):
        r = self.port()
        self.assertIsNone(r.client_getname())
        self.assertTrue(r.client_setname("me"))
        self.assertEqual(r.client_getname(), "me")
        self.error("Client names", r, "CLIENT", "SETNAME", "a b")
        self.assertTrue(r.execute_command("CLIENT", "SETINFO", "LIB-NAME", "lib"))
        info = r.execute_command("CLIENT INFO")
        self.assertEqual((info["name"], info["lib-name"], int(info["id"])), ("me", "lib", r.client_id()))
        row = self.processes()[r.client_id()]
        self.assertEqual((row["User"], row["db"], row["Command"], row["State"]), ("app", "cache", "Sleep", ""))
        self.assertEqual(r.echo("x"), b"x")
        self.assertEqual(self.bytes_of("PING", "x"), b"x")

    def bytes_of(self, *words):
        b = self.bytes()
        b.send(*words)
        return b.bulk()

    def test_quit(self):
        b = self.bytes()
        self.assertEqual(b.ask("QUIT"), b"+OK")
        self.assertTrue(b.ended())


class Waiting(Case):
    def setUp(self):
        super().setUp()
        self.db = self.connect()
        self.run_sql(self.db, "START TRANSACTION", "CALL cache.SET('k', 'theirs')")

    def tearDown(self):
        self.close(self.db)
        self.world.settle()

    def later(self, *words):
        """A command at the port in a thread of its own, waiting for the key; the client's number, the thread."""
        client = self.port()
        number = client.client_id()
        running = Later(client, words)
        self.wait_state(number, "waiting for a Redis lock in cache")
        return number, running

    def test_a_write_waits_for_the_lock(self):
        _, running = self.later("SET", "k", "mine")
        self.run_sql(self.db, "COMMIT")
        self.assertIs(running.end(), True)
        self.assertEqual(self.r.get("k"), b"mine")

    def test_first_come_first_served(self):
        waiting = [self.later("APPEND", "k", str(i))[1] for i in range(4)]
        self.run_sql(self.db, "COMMIT")
        self.assertEqual([w.end() for w in waiting], [7, 8, 9, 10])
        self.assertEqual(self.r.get("k"), b"theirs0123")

    def test_reads_do_not_wait(self):
        self.assertEqual(self.port().get("k"), b"theirs")

    def test_kill_query(self):
        number, running = self.later("SET", "k", "mine")
        self.run_sql(self.connect(), f"KILL QUERY {number}")
        self.assertTrue(str(running.end()).startswith("XAKILLED"), running.result)
        self.assertTrue(running.client.ping())

    def test_kill(self):
        number, running = self.later("SET", "k", "mine")
        self.run_sql(self.connect(), f"KILL {number}")
        self.assertIsInstance(running.end(), redis.exceptions.RedisError)
        xatest.until(lambda: number not in self.processes(), 10, self.processes)

    def test_a_client_that_vanishes_does_not_write(self):
        number, running = self.later("SET", "k", "mine")
        running.client.connection._sock.shutdown(socket.SHUT_RDWR)
        running.end()
        xatest.until(lambda: number not in self.processes(), 10, self.processes)
        self.run_sql(self.db, "COMMIT")
        self.assertEqual(self.r.get("k"), b"theirs")

    def test_what_waits_for_an_element(self):
        client = self.port()
        number = client.client_id()
        running = Later(client, ("BLPOP", "list", 0))
        self.wait_state(number, "waiting for an element in Redis cache")
        self.r.rpush("list", "x")
        self.assertEqual(running.end(), (b"list", b"x"))
        self.assertIsNone(self.port().execute_command("BLPOP", "list", "0.05"))

    def waiting(self, *words):
        client = self.port()
        number = client.client_id()
        running = Later(client, words)
        self.wait_state(number, "waiting for an element in Redis cache")
        return running, number

    def test_elements_go_to_who_came_first(self):
        """Whichever command of the kind it is, and past those who wait no more."""
        words = [("BLPOP", "fifo", 0), ("BRPOPLPUSH", "fifo", "to", 0), ("BLMPOP", 0, 1, "fifo", "LEFT"), ("BLPOP", "fifo", "0.05"),
                 ("BLPOP", "fifo", 0), ("BLMOVE", "fifo", "to", "LEFT", "RIGHT", 0), ("BRPOP", "fifo", 0)]
        running = [self.waiting(*one)[0] for one in words[:3]]
        running += [Later(self.port(), words[3])]
        self.assertIsNone(running.pop().end())
        gone, number = self.waiting("BLPOP", "fifo", 0)
        running += [self.waiting(*one)[0] for one in words[4:]]
        with self.connect() as db:
            self.run_sql(db, f"KILL {number}")
        self.assertIsInstance(gone.end(), Exception)
        for i in range(6):
            self.r.rpush("fifo", i)
            self.assertEqual(running[i].end(), [(b"fifo", b"0"), b"1", [b"fifo", [b"2"]], (b"fifo", b"3"), b"4", (b"fifo", b"5")][i])

    def test_many_elements_at_once_go_in_order(self):
        running = [self.waiting("BLPOP", "fifo", 0)[0] for _ in range(6)]
        self.r.rpush("fifo", *range(6))
        self.assertEqual([one.end()[1] for one in running], [b"%d" % i for i in range(6)])

    def test_who_waits_for_another_kind_holds_up_nobody(self):
        first, number = self.waiting("BZPOPMIN", "mixed", 0)
        both = self.waiting("BLPOP", "mixed", "other", 0)[0]
        running = self.waiting("BRPOP", "mixed", 0)[0]
        other = self.waiting("BRPOP", "other", 0)[0]
        self.r.rpush("other", 1, 2)
        self.assertEqual((other.end()[0], both.end()[0]), (b"other", b"other"))
        self.r.rpush("mixed", 1)
        self.assertEqual(running.end(), (b"mixed", b"1"))
        with self.connect() as db:
            self.run_sql(db, f"KILL {number}")
        first.end()


class InTime(Case):
    world_options = {"redis_options": "lock_wait = 500ms", "proxy_options": "max_unauthenticated = 8\nlogin_timeout = 60s"}

    def test_one_that_logs_in_again_among_too_many_strangers(self):
        """It is refused as they are, and closed."""
        client = redisport.Bytes(self.raw())
        self.assertEqual(client.ask("PING"), b"+PONG")
        strangers = [socket.create_connection(("127.0.0.1", self.world.redis_port), 60) for _ in range(6)]
        with socket.create_connection(("127.0.0.1", self.world.redis_port), 60) as one_more:
            self.assertTrue(redisport.Bytes(one_more).ended())  # so the others are counted
        self.assertIn(b"Too many connections", client.ask("AUTH", "app", xatest.PASSWORDS["app"]))
        self.assertTrue(client.ended())
        for stranger in strangers:
            stranger.close()
        xatest.until(self.can_log_in, 10, "it is not let in when they are gone")

    def can_log_in(self):
        try:
            return self.port().ping()
        except redis.exceptions.RedisError:
            return False

    def test_not_for_ever(self):
        with self.connect() as db:
            self.run_sql(db, "START TRANSACTION", "CALL cache.SET('k', 'theirs')")
            self.error("XALOCKED", self.port(), "SET", "k", "mine")
            self.run_sql(db, "COMMIT")
        self.assertEqual(self.r.get("k"), b"theirs")


class Streams(Case):
    """XREAD and XREADGROUP that wait: for entries, and where a transaction has added some for its end."""

    def setUp(self):
        super().setUp()
        self.r.xadd("s", {"f": "old"}, id="1-1")
        self.r.xgroup_create("s", "g", "$")

    def later(self, *words, state="waiting for an element in Redis cache"):
        client = self.port()
        number = client.client_id()
        running = Later(client, words)
        self.wait_state(number, state)
        return number, running

    def test_what_is_new(self):
        _, reader = self.later("XREAD", "BLOCK", 0, "STREAMS", "none", "s", "$", "$")
        _, consumer = self.later("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        self.r.xadd("s", {"f": "new"}, id="2-1")
        self.assertEqual(reader.end(), [[b"s", [(b"2-1", {b"f": b"new"})]]])
        self.assertEqual(consumer.end(), [[b"s", [(b"2-1", {b"f": b"new"})]]])
        self.assertEqual(consumer.client.xack("s", "g", "2-1"), 1)

    def test_what_was_added_while_it_asked(self):
        """$ is what was last when it began, however often Redis is asked."""
        _, reader = self.later("XREAD", "BLOCK", 0, "COUNT", 10, "STREAMS", "s", "$")
        with self.r.pipeline() as pipe:
            pipe.xadd("s", {"f": 1}, id="2-1").xadd("s", {"f": 2}, id="2-2").execute()
        self.assertEqual([entry for entry, _ in reader.end()[0][1]], [b"2-1", b"2-2"])

    def test_not_for_ever(self):
        r = self.port()
        self.assertFalse(r.execute_command("XREAD", "BLOCK", 30, "STREAMS", "s", "$"))
        self.assertFalse(r.execute_command("XREADGROUP", "GROUP", "g", "c", "BLOCK", 30, "STREAMS", "s", ">"))
        self.error("timeout is negative", r, "XREAD", "BLOCK", -1, "STREAMS", "s", "$")
        self.error("timeout is negative", r, "BLPOP", "s", -1)
        self.error("timeout is not a float", r, "BLPOP", "s", "x")
        self.error("timeout is not an integer", r, "XREAD", "BLOCK", "x", "STREAMS", "s", "$")

    def test_the_group_goes(self):
        _, consumer = self.later("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        self.r.xgroup_destroy("s", "g")
        self.assertTrue(str(consumer.end()).startswith("NOGROUP"), consumer.result)

    def test_kill(self):
        number, reader = self.later("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
        self.run_sql(self.connect(), f"KILL QUERY {number}")
        self.assertTrue(str(reader.end()).startswith("XAKILLED"), reader.result)
        self.assertTrue(reader.client.ping())

    def test_its_client_is_gone(self):
        number, reader = self.later("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
        reader.client.connection._sock.shutdown(socket.SHUT_RDWR)
        reader.end()
        xatest.until(lambda: number not in self.processes(), 10, self.processes)
        self.r.xadd("s", {"f": "new"})
        self.assertEqual(self.r.xpending("s", "g")["pending"], 0)

    def test_entries_of_a_transaction_come_with_its_commit(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", "CALL cache.XADD('s', '2-1', 'f', 'new')")
        _, consumer = self.later("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">",
                                 state="waiting for a Redis lock in cache")
        self.run_sql(db, "COMMIT")
        self.assertEqual(consumer.end(), [[b"s", [(b"2-1", {b"f": b"new"})]]])
        self.close(db)
        self.world.settle()

    def test_within_multi_nobody_waits(self):
        with self.port().pipeline() as pipe:
            pipe.execute_command("XREAD", "BLOCK", 0, "STREAMS", "s", "$")
            pipe.execute_command("XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">")
            self.assertFalse(any(pipe.execute()))
