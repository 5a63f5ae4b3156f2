"""Redis clients in the transaction of a MySQL session, by its token: what they do is done and undone with it, in order with its own
statements, whoever waits, vanishes, is killed or dies."""
import random
import socket
import threading

import preparing
import pymysql
import rawclient
import redis
import redisport
import xatest
from redisport import Later
from running import Running


class Case(redisport.Case):
    world_options = {"redis_options": "lock_wait = 20s", "workers": 3}

    def setUp(self):
        super().setUp()
        self.db = self.connect()
        self.others = []

    def tearDown(self):
        for db in (self.db, *self.others):
            self.close(db)
        self.world.settle()

    def token(self, db=None):
        """Of a transaction that begins here."""
        db = db or self.db
        self.run_sql(db, "START TRANSACTION")
        return self.rows(db, "SELECT xa.token()")[0][0]

    def joined(self, db=None):
        client = self.port()
        client.execute_command("XA.JOIN", self.token(db))
        return client

    def end(self, how="COMMIT"):
        self.run_sql(self.db, how)

    def blocked(self, key="k"):
        """Another session's transaction that holds the key."""
        other = self.connect()
        self.others.append(other)
        self.run_sql(other, "START TRANSACTION", f"CALL cache.SET('{key}', 'theirs')")
        return other


class Together(Case):
    def test_commit(self):
        for _ in range(6):  # on the same worker, and from others
            r = self.joined()
            r.set("k", "v")
            r.hset("h", "f", 1)
            self.assertEqual(r.get("k"), b"v")
            self.assertEqual(self.rows(self.db, "CALL cache.GET('k')"), (("v",),))
            self.end()
            self.assertEqual((self.r.get("k"), self.r.hget("h", "f")), (b"v", b"1"))
            self.world.settle()
            self.r.flushall()

    def test_rollback(self):
        self.r.set("k", "old", ex=1000)
        self.r.rpush("l", "a", "b")
        for _ in range(6):
            r = self.joined()
            r.set("k", "new")
            self.assertEqual(r.lpop("l"), b"a")
            r.delete("nothing")
            r.incr("n")
            self.end("ROLLBACK")
            self.assertEqual(self.r.get("k"), b"old")
            self.assertGreater(self.r.ttl("k"), 900)
            self.assertEqual((self.r.lrange("l", 0, -1), self.r.get("n")), ([b"a", b"b"], None))

    def test_with_servers(self):
        r = self.joined()
        self.run_sql(self.db, "INSERT INTO orders.orders VALUES (901, 'u', 's', 1)",
                     "INSERT INTO stock.stock VALUES ('joined', 1) ON DUPLICATE KEY UPDATE pieces = 1")
        r.incr("n")
        self.end()
        self.assertEqual(self.r.get("n"), b"1")
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = 901"), ((1,),))

    def test_savepoints(self):
        r = self.joined()
        r.set("a", 1)
        self.run_sql(self.db, "SAVEPOINT s")
        r.set("a", 2)
        r.set("b", 2)
        self.run_sql(self.db, "ROLLBACK TO s")
        self.assertEqual((r.get("a"), r.get("b")), (b"1", None))
        r.set("c", 3)
        self.end()
        self.assertEqual(self.r.mget("a", "b", "c"), [b"1", None, b"3"])

    def test_single_commands(self):
        """XA.DO leaves the connection what it was."""
        r, token = self.port(), self.token()
        self.assertEqual(r.execute_command("XA.DO", token, "INCRBY", "n", 5), 5)
        r.set("other", "outside")
        self.end("ROLLBACK")
        self.assertEqual(self.r.mget("n", "other"), [None, b"outside"])
        self.error("XAGONE", r, "XA.DO", token, "INCR", "n")

    def test_several_clients(self):
        token = self.token()
        clients = [self.port() for _ in range(4)]
        for r in clients:
            r.execute_command("XA.JOIN", token)
        waiting = [Later(r, ("INCR", "n")) for r in clients]
        self.assertEqual(sorted(w.end() for w in waiting), [1, 2, 3, 4])
        self.end("ROLLBACK")
        self.assertIsNone(self.r.get("n"))
        for r in clients:
            self.error("XAGONE", r, "INCR", "n")

    def test_a_pipeline(self):
        r = self.joined()
        pipe = r.pipeline(transaction=False)
        for i in range(200):
            pipe.rpush("l", i)
        self.assertEqual(pipe.execute(), list(range(1, 201)))
        self.end()
        self.assertEqual(self.r.lrange("l", 0, -1), [b"%d" % i for i in range(200)])

    def test_its_own_connection_matters_stay_here(self):
        r = self.joined()
        self.assertTrue(r.ping())
        self.assertTrue(r.client_setname("me"))
        row = self.processes()[r.client_id()]
        self.assertEqual(row["Transaction"], self.processes()[self.db.thread_id()]["Transaction"])
        self.end()
        xatest.until(lambda: self.processes()[r.client_id()]["Transaction"] is None, 10, self.processes)

    def test_afterwards(self):
        r = self.joined()
        r.set("k", "v")
        self.end()
        for _ in range(2):
            self.error("XAGONE", r, "SET", "k", "late")
        self.assertEqual(self.r.get("k"), b"v")
        self.assertTrue(r.execute_command("XA.LEAVE"))
        self.assertTrue(r.set("k", "outside"))
        r.execute_command("XA.JOIN", self.token())
        r.set("k", "again")
        self.end("ROLLBACK")
        self.assertEqual(self.r.get("k"), b"outside")

    def test_errors_leave_the_transaction_as_it_is(self):
        r = self.joined()
        r.set("k", "v")
        self.error("WRONGTYPE", r, "LPUSH", "k", 1)
        self.error("wrong number of arguments", r, "GET")
        self.error("unknown command", r, "NONSENSE")
        self.assertIn("cannot be used", self.error("", r, "FLUSHALL"))
        self.assertIn("cannot be used", self.error("", r, "PUBLISH", "c", "m"))
        self.assertIn("nested", self.error("", r, "COMMAND"))
        self.end()
        self.assertEqual(self.r.get("k"), b"v")

    def test_held_writes(self):
        r = self.joined()
        self.run_sql(self.db, "SET xa_redis_writes = held")
        r.response_callbacks.pop("RPUSH")
        self.assertEqual(r.execute_command("RPUSH", "l", "x"), b"QUEUED")
        self.assertEqual(self.r.llen("l"), 0)
        self.end()
        xatest.until(lambda: self.r.llen("l") == 1, 10, "not done after the commit")


class Tokens(Case):
    def test_without_a_transaction(self):
        self.assertIn("START TRANSACTION", self.refused(1235, self.db, "SELECT xa.token()"))
        self.refused(1318, self.db, "CALL xa.token(1)")

    def test_forms(self):
        token = self.token()
        self.assertEqual(self.rows(self.db, "CALL xa.token()"), ((token,),))
        self.assertEqual(self.rows(self.db, "select XA.`token`() AS t"), ((token,),))
        self.run_sql(self.db, "ROLLBACK", "SET autocommit = 0")
        self.assertNotEqual(self.rows(self.db, "SELECT xa.token()"), ((token,),))

    def test_bad_ones(self):
        token, r = self.token(), self.port()
        head, secret = token.rsplit(".", 1)
        node, rest = token.split(".", 1)
        for bad in ("", "x", "." * 9, token[:-1], token + "0", token.upper(), head):
            self.assertIn("no token", self.error("", r, "XA.JOIN", bad))
        other = head + "." + ("0" if secret[0] != "0" else "1") + secret[1:]
        for foreign in (other, "other." + rest):
            self.error("XAGONE", r, "XA.JOIN", foreign)
            self.error("XAGONE", r, "XA.DO", foreign, "GET", "k")
        self.error("wrong number of arguments", r, "XA.DO", token)
        self.assertTrue(r.set("k", "not joined"))
        self.assertNotIn(secret, self.world.proxy.log_of_this_life())

    def test_another_user(self):
        token = self.token()
        self.error("XAGONE", self.port("native"), "XA.JOIN", token)
        self.error("XAGONE", self.port("native"), "XA.DO", token, "SET", "k", "v")
        self.assertIn("log in with AUTH", self.error("", self.plain(), "XA.JOIN", token))
        r = self.plain()
        r.execute_command("AUTH", "app", xatest.PASSWORDS["app"])
        self.assertTrue(r.execute_command("XA.DO", token, "SET", "k", "v"))
        r.execute_command("XA.JOIN", token)
        self.assertIn("not possible in a transaction", self.error("", r, "AUTH", "app", xatest.PASSWORDS["app"]))

    def test_the_next_transaction_has_another(self):
        token, r = self.token(), self.port()
        self.end()
        self.token()
        self.error("XAGONE", r, "XA.DO", token, "SET", "k", "v")

    def test_a_local_transaction(self):
        self.run_sql(self.db, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        self.assertIn("local", self.refused(1235, self.db, "SELECT xa.token()"))


class InOrder(Case):
    """What waits for what."""

    def waits(self, client, *words):
        running = Later(client, words)
        self.wait_state(self.db.thread_id(), "waiting for a Redis lock in cache")
        return running

    def test_a_command_waits_for_the_statement_under_way(self):
        r = self.joined()
        number = r.client_id()
        holder = self.world.server["s1"].root()
        self.addCleanup(self.close, holder)
        self.rows(holder, "SELECT GET_LOCK('joined', 0)")
        statement = Running(self.db, "SELECT GET_LOCK('joined', 60)")
        xatest.until(lambda: "running on" in self.processes()[self.db.thread_id()]["State"], 10, self.processes)
        command = Later(r, ("SET", "k", "v"))
        self.wait_state(number, "waiting for the session of its transaction")
        self.assertIsNone(self.r.get("k"))
        self.close(holder)
        self.assertFalse(statement.end())
        self.assertIs(command.end(), True)
        self.end("ROLLBACK")

    def test_between_the_frames_of_a_long_statement(self):
        r = self.joined()
        statement = rawclient.frames(0, b"\x03SAVEPOINT s /*" + b"x" * (17 << 20) + b"*/")
        first = rawclient.FRAME_MAX + 4
        self.db._sock.sendall(statement[:first])
        self.assertIs(r.set("k", "v"), True)
        self.db._sock.sendall(statement[first:])
        self.db._next_seq_id = 2
        self.db._read_query_result()
        self.run_sql(self.db, "ROLLBACK TO s")
        self.end()
        self.assertEqual(self.r.get("k"), b"v")

    def test_commit_waits_for_a_command_before_it(self):
        other, r = self.blocked(), self.joined()
        command = self.waits(r, "SET", "k", "mine")
        commit = Running(self.db, "COMMIT")
        self.run_sql(other, "ROLLBACK")
        self.assertEqual((commit.end(), command.end()), (0, True))
        self.assertEqual(self.r.get("k"), b"mine")

    def test_a_client_that_vanishes_does_not_keep_the_session(self):
        self.blocked()
        r = self.joined()
        command = self.waits(r, "SET", "k", "mine")
        r.connection._sock.shutdown(socket.SHUT_RDWR)
        command.end()
        self.end()
        self.assertEqual(self.r.get("k"), b"theirs")

    def test_blocking_for_an_element(self):
        r = self.joined()
        command = Later(r, ("BLPOP", "l", 0))
        self.wait_state(self.db.thread_id(), "waiting for an element in Redis cache")
        r.connection._sock.shutdown(socket.SHUT_RDWR)
        command.end()
        self.wait_state(self.db.thread_id(), "")
        self.r.rpush("l", "x")
        self.end()
        self.assertEqual(self.r.lrange("l", 0, -1), [b"x"])

    def test_kill_of_the_client_s_command(self):
        self.blocked()
        r = self.joined()
        number = r.client_id()
        command = self.waits(r, "SET", "k", "mine")
        self.run_sql(self.connect(), f"KILL QUERY {number}")
        self.assertTrue(str(command.end()).startswith("XAKILLED"), command.result)
        self.assertTrue(r.set("other", 1))
        self.end("ROLLBACK")

    def test_kill_of_the_session_s_command(self):
        self.blocked()
        r = self.joined()
        command = self.waits(r, "SET", "k", "mine")
        self.run_sql(self.connect(), f"KILL QUERY {self.db.thread_id()}")
        self.assertTrue(str(command.end()).startswith("XAKILLED"), command.result)
        self.end()

    def test_the_session_vanishes(self):
        self.blocked()
        r = self.joined()
        r.set("other", 1)
        command = self.waits(r, "SET", "k", "mine")
        self.db._sock.shutdown(socket.SHUT_RDWR)
        self.assertTrue(str(command.end()).startswith("XAGONE"), command.result)
        self.error("XAGONE", r, "SET", "k", "mine")
        xatest.until(lambda: self.r.get("other") is None, 10, "not taken back")

    def test_kill_of_the_session(self):
        r = self.joined()
        r.set("k", "v")
        self.run_sql(self.connect(), f"KILL {self.db.thread_id()}")
        xatest.until(lambda: self.r.get("k") is None, 10, "not taken back")
        self.error("XAGONE", r, "SET", "k", "v")

    def test_a_circle(self):
        """The client is told, and so is the session, whose transaction it was."""
        other = self.blocked("a")
        r = self.joined()
        r.set("b", "mine")
        theirs = Running(other, "CALL cache.SET('b', 'theirs')")
        self.wait_state(other.thread_id(), "waiting for a Redis lock in cache")
        self.error("XADEADLOCK", r, "SET", "a", "mine")
        self.assertEqual(theirs.end(), 0)
        self.error("XAGONE", r, "GET", "b")
        self.refused(1213, self.db, "INSERT INTO orders.orders VALUES (902, 'u', 's', 1)")
        self.assertEqual(self.rows(self.db, "SELECT COUNT(*) FROM orders.orders WHERE id = 902"), ((0,),))
        self.run_sql(other, "COMMIT")
        self.assertEqual(self.r.mget("a", "b"), [b"theirs", b"theirs"])

    def test_a_circle_and_a_prepared_call(self):
        """It is told first of all, too: what belonged to the transaction is not done without one."""
        db = preparing.Client(self.world)
        self.addCleanup(db.close)
        late, _, _ = db.prepare("CALL cache.SET('late', ?)")
        db.command(b"\x03START TRANSACTION")
        db.ok()
        db.command(b"\x03SELECT xa.token()")
        [row] = db.read_answer().rows
        token = row[1:].decode()
        other, r = self.blocked("a"), self.port()
        r.execute_command("XA.JOIN", token)
        r.set("b", "mine")
        theirs = Running(other, "CALL cache.SET('b', 'theirs')")
        self.wait_state(other.thread_id(), "waiting for a Redis lock in cache")
        self.error("XADEADLOCK", r, "SET", "a", "mine")
        db.send_execute(late, "mine")
        with self.assertRaisesRegex(preparing.Error, "1213"):
            db.read_answer()
        self.assertEqual(theirs.end(), 0)
        self.assertIsNone(self.r.get("late"))
        db.send_execute(late, "mine")
        db.read_answer()
        self.assertEqual(self.r.get("late"), b"mine")
        self.run_sql(other, "COMMIT")

    def test_a_circle_and_rollback(self):
        other = self.blocked("a")
        r = self.joined()
        r.set("b", "mine")
        theirs = Running(other, "CALL cache.SET('b', 'theirs')")
        self.wait_state(other.thread_id(), "waiting for a Redis lock in cache")
        self.error("XADEADLOCK", r, "SET", "a", "mine")
        self.end("ROLLBACK")
        self.end("COMMIT")
        self.assertEqual(theirs.end(), 0)


class InTime(Case):
    world_options = {"redis_options": "lock_wait = 500ms"}

    def test_not_for_ever(self):
        self.blocked()
        r = self.joined()
        self.error("XALOCKED", r, "SET", "k", "mine")
        self.assertTrue(r.set("other", 1))
        self.end()
        self.assertEqual(self.r.get("other"), b"1")


class Life(threading.Thread):
    """Transactions one after the other, in which a session and a Redis client of its own count, each in its place; some end well, some
    do not, in some of them somebody vanishes in the middle of a command."""

    def __init__(self, world, number, rounds):
        super().__init__(daemon=True)
        self.world, self.number, self.rounds = world, number, rounds
        self.random = random.Random(number)
        self.db = self.client = self.error = None
        self.committed = 0
        self.start()

    def run(self):
        try:
            for _ in range(self.rounds):
                self.transaction()
        except Exception as error:  # told by the test
            self.error = error

    def transaction(self):
        self.db = self.db or self.world.connect()
        self.client = self.client or self.world.port()
        with self.db.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute("SELECT xa.token()")
            token = cursor.fetchone()[0]
            before = ("XA.DO", token) if self.random.random() < 0.5 else ()
            if not before:
                self.client.execute_command("XA.JOIN", token)
            cursor.execute("UPDATE stock.stock SET pieces = pieces + 1 WHERE sku = %s", (f"life{self.number}",))
            self.client.execute_command(*before, "INCR", f"life{self.number}")
            getattr(self, self.random.choice(["commit", "commit", "rollback", "client_goes", "session_goes"]))(cursor, before)

    def commit(self, cursor, before):
        cursor.execute("COMMIT")
        self.committed += 1

    def rollback(self, cursor, before):
        cursor.execute("ROLLBACK")

    def send(self, *words):
        """Without waiting for the reply."""
        self.client.connection.send_command(*words)

    def client_goes(self, cursor, before):
        self.send(*before, "BLPOP", "nothing", 0)
        self.client.connection.disconnect()
        self.client = None
        self.commit(cursor, before)

    def session_goes(self, cursor, before):
        self.send(*before, "RPUSH", f"list{self.number}", "x")
        self.db._sock.shutdown(socket.SHUT_RDWR)
        self.db = None
        self.client.connection.disconnect()
        self.client = None


class Crowd(Case):
    world_options = {**Case.world_options, "backend_options": "lock_wait = 20s"}

    def test_all_count_right(self):
        numbers = range(6)
        for n in numbers:
            self.world.direct("s2", f"REPLACE INTO stock.stock VALUES ('life{n}', 0)")
        lives = [Life(self.world, n, 12) for n in numbers]
        for life in lives:
            life.join(120)
            self.assertFalse(life.is_alive(), f"life {life.number} hangs: {self.processes()}")
            self.assertIsNone(life.error, f"life {life.number}")
        self.world.settle()
        for life in lives:
            rows = self.world.direct("s2", f"SELECT pieces FROM stock.stock WHERE sku = 'life{life.number}'")
            self.assertEqual((rows[0][0], int(self.r.get(f"life{life.number}") or 0)), (life.committed, life.committed), life.number)
            self.assertEqual(self.r.llen(f"list{life.number}"), 0)
            if life.db:
                self.close(life.db)
            if life.client:
                life.client.connection_pool.disconnect()
        xatest.until(lambda: len(self.processes()) <= 3, 10, self.processes)


class Crashes(Case):
    @staticmethod
    def lives(client):
        try:
            return client.ping()
        except redis.exceptions.RedisError:
            return False

    def test_the_proxy_dies(self):
        """At each step of a write; afterwards nothing is left of the transaction, and its token is of no use."""
        self.r.set("k", "old")
        for point in ("touch_durable:1:crash", "redis_sent:2:crash", "redis_replied:2:crash"):
            self.world.restart_proxy(point)
            db = self.connect()
            token, r = self.token(db), self.port()
            with self.assertRaises(redis.exceptions.RedisError):
                r.execute_command("XA.JOIN", token)
                for i in range(4):
                    r.append("k", i)
            self.world.restart_proxy()
            self.world.settle()
            self.assertEqual(self.r.get("k"), b"old", point)
            self.error("XAGONE", self.port(), "XA.DO", token, "SET", "k", "v")
        self.db = self.connect()

    def test_killed_in_the_middle(self):
        r = self.joined()
        r.set("k", "v")
        self.world.restart_proxy()
        self.world.settle()
        self.assertIsNone(self.r.get("k"))
        self.db = self.connect()

    def test_who_asks_late_is_answered_while_the_proxy_ends(self):
        """Also where the transaction's worker has no session any more."""
        others = [self.connect() for _ in range(3)]
        tokens = [self.token(db) for db in others]
        r = self.joined()
        self.world.proxy.signal(15)
        xatest.until(lambda: "draining" in self.world.proxy.log_of_this_life(), 10, "no drain")
        for db in others:
            self.run_sql(db, "ROLLBACK")
            xatest.until(lambda db=db: not self.rests(db), 10, "a client that rests stays")
        for token in tokens:
            self.error("XAGONE", r, "XA.DO", token, "GET", "k")
        self.assertTrue(self.rows(self.db, "SHOW PROCESSLIST"))
        self.end()
        xatest.until(lambda: not self.world.proxy.alive(), 5, self.world.proxy.log_tail)
        self.world.start_proxy()
        self.db = self.connect()

    @staticmethod
    def rests(db):
        try:
            db.ping(reconnect=False)
            return True
        except (pymysql.err.MySQLError, OSError):
            return False

    def test_a_polite_end(self):
        """Who has joined may go on until the transaction has ended; then the proxy ends, soon."""
        r, idle = self.joined(), self.port()
        r.set("k", "v")
        idle.ping()
        self.world.proxy.signal(15)
        xatest.until(lambda: "draining" in self.world.proxy.log_of_this_life(), 10, "no drain")
        xatest.until(lambda: not self.lives(idle), 10, "a client that rests stays")
        r.set("k2", "v")
        self.end()
        xatest.until(lambda: not self.world.proxy.alive(), 5, self.world.proxy.log_tail)
        self.assertEqual(self.r.mget("k", "k2"), [b"v", b"v"])
        self.world.start_proxy()
        self.db = self.connect()
