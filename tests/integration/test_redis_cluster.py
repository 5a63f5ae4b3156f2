"""A Redis Cluster over TLS as a resource: transactions over its nodes, slots that move under them, nodes that die."""
import contextlib
import logging
import os
import shutil
import socket
import threading
import time

import redis
import xatest
from xatest import servers

logging.disable(logging.CRITICAL)  # redis-py tells of each slot that has moved
STRANGE = "Uxap1:strange:0badcafe:1:1-0123456789abcdef:1"
ODD_KEYS = ["plain", "a}b{", "foo{}{bar}", "{}", "{tag}more", "{", "}", "{}{x}", "key with blanks", "größe",
            bytes(range(1, 40)).decode("latin-1")]


class World(xatest.World):
    prefix = ""

    def __init__(self, **more):
        super().__init__(**more)
        self.cluster = servers.RedisCluster(os.path.join(self.directory, "cluster"), self.certs)
        ports = os.path.join(self.directory, "ports")
        os.mkdir(ports)
        self.redis_port = servers.remembered_port(ports)

    def start(self, failpoint=None):
        self.cluster.start()
        return super().start(failpoint)

    def parts(self):
        return super().parts() + self.cluster.nodes

    def config_lines(self):
        yield from super().config_lines()
        nodes = " ".join(f"127.0.0.1:{node.port}" for node in self.cluster.nodes[:2])
        yield from ("[redis shards]", *([f"key_prefix = {self.prefix}"] if self.prefix else []), "mode = cluster", f"nodes = {nodes}", "timeout = 3s", "lock_wait = 2s", "scripts = declared", "tls = on",
                    f"tls_ca = {self.certs}/ca.crt", f"tls_cert = {self.certs}/client.crt", f"tls_key = {self.certs}/client.key",
                    "[listener shards]", "address = 127.0.0.1", f"port = {self.redis_port}", "redis = shards", "tls_required = off",
                    "auth = off")

    def wait_judged(self):
        super().wait_judged()
        self.proxy.wait_judged([("resource", "shards")])

    def leftovers(self):
        return super().leftovers() + [f"cluster: {field[:80]!r}" for field in self.cluster.open_fields()]


@xatest.only("mariadb")
class Cluster(xatest.Case):
    world_class = World

    def setUp(self):
        self.cluster = self.world.cluster
        self.db = self.connect()
        self.direct = self.cluster.client()

    def tearDown(self):
        self.close(self.db)
        self.world.settle()
        for node in self.cluster.nodes:
            node.client().flushall()

    def call(self, command, *args, db=None):
        return self.rows(db or self.db, f"CALL shards.{command}({', '.join(['%s'] * len(args))})", *args)

    def verdict(self):
        db = self.world.admin()
        try:
            return next(row for row in self.rows(db, "SHOW REDIS") if row[0] == "shards")
        finally:
            self.close(db)

    def keys_of_all_nodes(self, n=12):
        """Keys of which each node has some."""
        keys, count = [], {}
        for i in range(1000):
            node = self.cluster.owner(self.cluster.slot(f"k{i}"))
            if count.get(node, 0) * len(self.cluster.nodes) < n:
                count[node] = count.get(node, 0) + 1
                keys.append(f"k{i}")
        return keys

    def begin_move(self, slot):
        """Half of it: keys may go over one by one."""
        source = self.cluster.owner(slot)
        target = next(node for node in self.cluster.nodes if node is not source)
        target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", source.name)
        source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", target.name)
        return source, target

    def move_keys(self, slot, source, target):
        """True: there were some. A node that heard of nobody for a moment, on a busy machine, moves them when it has."""
        keys = source.say("CLUSTER", "GETKEYSINSLOT", slot, 1000)
        try:
            if keys:
                source.say("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        except redis.exceptions.ResponseError as error:
            if "CLUSTERDOWN" not in str(error):
                raise
        return len(keys) > 0

    def end_move(self, slot, source, target):
        xatest.until(lambda: not self.move_keys(slot, source, target), 5, "keys of the slot stay where they are")
        for node in (target, source, *self.cluster.nodes):
            node.say("CLUSTER", "SETSLOT", slot, "NODE", target.name)

    def move(self, slot):
        at = self.begin_move(slot)
        self.end_move(slot, *at)
        return at

    # --- transactions over its nodes ---

    def test_verdict(self):
        row = self.verdict()
        self.assertEqual((row[2], row[3]), ("yes", "yes"), row)
        self.assertIn("cluster of 3 masters", row[5])
        self.assertEqual(len(row[1].split()), 3)

    def test_commit_and_rollback_over_all_nodes(self):
        keys = self.keys_of_all_nodes()
        for key in keys:
            self.direct.set(key, "before")
        self.run_sql(self.db, "BEGIN")
        for key in keys:
            self.call("SET", key, "after")
        self.rows(self.db, "ROLLBACK")
        self.assertEqual({self.direct.get(key) for key in keys}, {b"before"})
        self.run_sql(self.db, "BEGIN")
        for key in keys:
            self.call("APPEND", key, "!")
        self.rows(self.db, "COMMIT")
        self.assertEqual({self.direct.get(key) for key in keys}, {b"before!"})
        self.world.settle()

    # --- a client of the Redis port, which sends ahead ---

    def pipeline(self, *commands):
        """Their answers, an error as its text."""
        client = redis.Redis(host="127.0.0.1", port=self.world.redis_port, socket_timeout=60)
        try:
            with client.pipeline(transaction=False) as pipe:
                for words in commands:
                    pipe.execute_command(*words)
                return [str(one) if isinstance(one, Exception) else one for one in pipe.execute(raise_on_error=False)]
        finally:
            client.close()

    def test_sent_ahead_to_all_nodes(self):
        keys = self.keys_of_all_nodes(40)
        got = self.pipeline(*((word, key, *more) for key in keys for word, *more in (("SET", 5), ("INCR",), ("GET",), ("LPOP",))))
        self.assertEqual(got[:3], [True, 6, b"6"])
        self.assertEqual([got[i::4] for i in range(3)], [[True] * len(keys), [6] * len(keys), [b"6"] * len(keys)])
        self.assertTrue(all("WRONGTYPE" in one for one in got[3::4]))
        got = self.pipeline(*(("GET", key) for key in reversed(keys)), ("MGET", *keys))
        self.assertEqual(got[:-1], [b"6"] * len(keys))
        self.assertIn("different slots", got[-1])

    def test_slot_of_what_was_watched_binds_nothing_once_it_is_not(self):
        one, other = self.keys_of_all_nodes()[:2]
        with redis.Redis(port=self.world.redis_port, single_connection_client=True) as client:
            for watch, unwatch in (((one,), ("UNWATCH",)), ((one, other), ("PING",))):
                with self.subTest(watch):
                    with contextlib.suppress(redis.exceptions.ResponseError): # keys of two slots
                        client.execute_command("WATCH", *watch)
                    client.execute_command(*unwatch)
                    client.execute_command("MULTI")
                    self.assertEqual(client.execute_command("INCR", other), b"QUEUED")
                    self.assertEqual(len(client.execute_command("EXEC")), 1)

    def test_sent_ahead_while_one_slot_is_held(self):
        """Answers keep their order, and so do the commands of a slot."""
        keys = self.keys_of_all_nodes()
        held = keys[1]
        self.run_sql(self.db, "BEGIN")
        self.call("RPUSH", held, "tx")
        got = []
        thread = threading.Thread(target=lambda: got.extend(self.pipeline(
            *(("RPUSH", key, i) for i in range(3) for key in keys), *(("LRANGE", key, 0, -1) for key in keys))))
        thread.start()
        try:
            xatest.until(lambda: self.direct.llen(keys[2]), 10, "a slot waits for the key of another")
            self.assertEqual(self.direct.lrange(held, 0, -1), [b"tx"])
        finally:
            self.rows(self.db, "ROLLBACK")
            thread.join(30)
        self.assertEqual(got, [i + 1 for i in range(3) for _ in keys] + [[b"0", b"1", b"2"]] * len(keys))

    def test_sent_ahead_while_slots_move(self):
        """One slot has moved and nobody knows, one is on its way and half of it has gone."""
        keys = self.keys_of_all_nodes()
        self.pipeline(*(("SET", key, 0) for key in keys))
        self.move(self.cluster.slot(keys[0]))
        slot = self.cluster.slot(keys[4])
        at = self.begin_move(slot)
        got = []
        thread = threading.Thread(target=lambda: got.extend(self.pipeline(*(("INCR", key) for _ in range(3) for key in keys))))
        thread.start()
        self.end_move(slot, *at)
        thread.join(30)
        self.assertEqual(got, [i + 1 for i in range(3) for _ in keys])
        self.assertEqual(self.pipeline(*(("GET", key) for key in keys)), [b"3"] * len(keys))

    def test_odd_keys(self):
        self.run_sql(self.db, "BEGIN")
        for key in ODD_KEYS:
            self.call("HSET", key, "f", key)
        self.rows(self.db, "ROLLBACK")
        self.assertEqual([self.direct.exists(key) for key in ODD_KEYS], [0] * len(ODD_KEYS))
        self.run_sql(self.db, "BEGIN")
        for key in ODD_KEYS:
            self.call("HSET", key, "f", key)
        self.rows(self.db, "COMMIT")
        self.assertEqual([self.direct.hget(key, "f").decode() for key in ODD_KEYS], ODD_KEYS)
        for key in ODD_KEYS:
            self.assertEqual(self.call("HGET", key, "f"), ((key,),))

    def test_binary_key(self):
        key = bytes(range(256))
        with self.db.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"CALL shards.SET(X'{key.hex()}', 'v')")
            cursor.execute("COMMIT")
        self.assertEqual(self.direct.get(key), b"v")

    def test_keys_of_one_command_must_share_a_slot(self):
        self.assertIn("different slots", self.refused(1235, self.db, "CALL shards.MSET('a', '1', 'b', '2')"))
        self.assertIn("names no key", self.refused(1235, self.db, "CALL shards.DBSIZE()"))
        self.run_sql(self.db, "BEGIN", "CALL shards.MSET('{t}a', '1', '{t}b', '2')", "ROLLBACK")
        self.assertIsNone(self.direct.get("{t}a"))
        self.assertEqual(self.call("PING"), (("PONG",),))

    def restart_with(self, prefix):
        self.close(self.db)
        self.world.proxy.crash()
        self.world.prefix = prefix
        self.world.write_config()
        self.world.start_proxy()
        self.db = self.connect()

    def test_key_prefix_with_and_without_a_tag(self):
        """With one all keys share a slot, so any may stand in one command; without they are where their own tags say."""
        self.addCleanup(self.restart_with, "")
        for prefix, together in (("{shop}:", True), ("shop:", False)):
            with self.subTest(prefix):
                self.restart_with(prefix)
                self.run_sql(self.db, "BEGIN", "CALL shards.SET('a', 1)", "CALL shards.HSET('b', 'f', 1)", "COMMIT")
                self.assertEqual((self.direct.get(prefix + "a"), self.direct.hget(prefix + "b", "f")), (b"1", b"1"))
                self.run_sql(self.db, "BEGIN", "CALL shards.SET('a', 2)", "CALL shards.DEL('b')", "CALL shards.SET('{t}c', 1)", "ROLLBACK")
                self.assertEqual((self.direct.get(prefix + "a"), self.direct.exists(prefix + "b", prefix + "{t}c")), (b"1", 1))
                self.run_sql(self.db, "CALL shards.MSET('{t}a', 1, '{t}b', 2)")
                self.assertEqual(self.direct.mget(prefix + "{t}a", prefix + "{t}b"), [b"1", b"2"])
                if together:
                    self.run_sql(self.db, "CALL shards.MSET('a', 3, 'b', 4)")
                else:
                    self.refused(1235, self.db, "CALL shards.MSET('a', 3, 'b', 4)")
                with redis.Redis(port=self.world.redis_port) as client:
                    self.assertEqual((client.get("{t}a"), client.set("z", 1), self.direct.get(prefix + "z")), (b"1", True, b"1"))

    def test_savepoints_over_slots(self):
        a, b, c = self.keys_of_all_nodes()[:3]
        self.run_sql(self.db, "BEGIN")
        self.call("SET", a, "1")
        self.rows(self.db, "SAVEPOINT s")
        for key in (a, b, c):
            self.call("SET", key, "2")
        self.rows(self.db, "ROLLBACK TO s")
        self.assertEqual([self.direct.get(key) for key in (a, b, c)], [b"1", None, None])
        self.call("SET", b, "3")
        self.rows(self.db, "COMMIT")
        self.assertEqual([self.direct.get(key) for key in (a, b, c)], [b"1", b"3", None])

    def test_more_slots_than_a_transaction_may_have(self):
        self.rows(self.db, "BEGIN")
        keys = [f"many{i}" for i in range(200)]
        done = []
        with self.assertRaises(xatest.pymysql.err.MySQLError) as caught:
            for key in keys:
                self.call("SET", key, "v")
                done.append(key)
        self.assertEqual(caught.exception.args[0], 1235)
        self.assertIn("64", caught.exception.args[1])
        self.assertEqual(len({self.cluster.slot(key) for key in done}), 64)
        self.rows(self.db, "COMMIT")
        self.assertEqual(sum(self.direct.exists(key) for key in keys), len(done))

    def test_library_missing_on_a_node_is_loaded_there(self):
        key = self.keys_of_all_nodes()[0]
        node = self.cluster.owner(self.cluster.slot(key))
        node.say("FUNCTION", "FLUSH")
        self.run_sql(self.db, "BEGIN")
        self.call("SET", key, "v")
        self.rows(self.db, "COMMIT")
        self.assertEqual(self.direct.get(key), b"v")
        self.assertIn(b"xaproxy1", node.say("FUNCTION", "LIST")[0])

    def test_lock_is_honoured_across_connections(self):
        other = self.connect()
        self.run_sql(self.db, "BEGIN", "CALL shards.SET('locked', '1')")
        self.refused(1205, other, "CALL shards.SET('locked', '2')")
        self.rows(self.db, "COMMIT")
        self.rows(other, "CALL shards.SET('locked', '2')")
        self.assertEqual(self.direct.get("locked"), b"2")

    # --- slots that move ---

    def test_slot_that_has_moved_is_followed(self):
        slot = self.cluster.slot("mover")
        self.run_sql(self.db, "BEGIN", "CALL shards.SET('mover', 'new')")
        self.move(slot)
        self.run_sql(self.db, "CALL shards.APPEND('mover', '!')", "COMMIT")
        self.assertEqual(self.direct.get("mover"), b"new!")
        self.run_sql(self.db, "BEGIN", "CALL shards.APPEND('mover', '?')")
        self.move(slot)
        self.rows(self.db, "ROLLBACK")
        self.assertEqual(self.direct.get("mover"), b"new!")
        self.assertEqual(self.call("GET", "mover"), (("new!",),))

    def test_script_that_names_another_node_is_not_followed(self):
        """It would lead the proxy, with its password, wherever a client likes. Where its slot has moved it runs all the same."""
        text = "return redis.call('GET', KEYS[1])"
        self.direct.set("mover", "here")
        self.assertEqual(self.call("EVAL_RO", text, 1, "mover"), (("here",),))
        self.move(self.cluster.slot("mover"))
        self.assertEqual(self.call("EVAL_RO", text, 1, "mover"), (("here",),))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(0.2)
            said = f"MOVED {self.cluster.slot('mover')} 127.0.0.1:{listener.getsockname()[1]}"
            self.refused(1105, self.db, "CALL shards.EVAL_RO('return {err = ARGV[1]}', 1, 'mover', %s)", said)
            with self.assertRaises(TimeoutError):
                listener.accept()

    def test_script_that_speaks_like_a_node_runs_once(self):
        """What a node says before it has done anything a script may say behind its writes."""
        for n, words in enumerate(("MOVED 1 127.0.0.1:1", "TRYAGAIN x", "CLUSTERDOWN x", "READONLY x")):
            self.refused(1644, self.db, "CALL shards.EVAL(%s, 1, %s)", f"redis.call('INCR', KEYS[1]) return {{err = '{words}'}}", f"said{n}")
            self.assertEqual(self.direct.get(f"said{n}"), b"1", words)

    def test_write_waits_while_its_slot_moves(self):
        slot = self.cluster.slot("waiting")
        self.direct.set("waiting", "before")
        at = self.begin_move(slot)
        done = threading.Event()
        failed = []

        def write():
            try:
                self.run_sql(self.db, "BEGIN", "CALL shards.APPEND('waiting', '+')", "COMMIT")
            except Exception as error:  # told below
                failed.append(error)
            done.set()
        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        self.assertFalse(done.wait(0.3), "it must not touch half a slot")
        self.end_move(slot, *at)
        self.assertTrue(done.wait(60))
        self.assertEqual(failed, [])
        self.assertEqual(self.direct.get("waiting"), b"before+")

    def test_rollback_while_keys_are_on_their_way(self):
        """The record is still here, the key already there: an undo now would take it for deleted."""
        slot = self.cluster.slot("{way}a")
        self.direct.mset_nonatomic({"{way}a": "1", "{way}b": "2"})
        self.run_sql(self.db, "BEGIN", "CALL shards.MSET('{way}a', '3', '{way}b', '4')", "CALL shards.DEL('{way}b')")
        source, target = self.begin_move(slot)
        source.say("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", "{way}a")
        thread = threading.Thread(target=lambda: self.rows(self.db, "ROLLBACK"), daemon=True)
        thread.start()
        time.sleep(0.2)
        self.end_move(slot, source, target)
        thread.join(60)
        self.world.settle(10)
        self.assertEqual(self.direct.mget_nonatomic("{way}a", "{way}b"), [b"1", b"2"])
        db = self.world.admin()
        self.assertEqual([row for row in self.rows(db, "SHOW CONFLICTS") if row[0].startswith("shards/")], [])
        self.close(db)

    def test_load_while_slots_move(self):
        """Counters: what was acknowledged is there, what was rolled back is not, whichever way their slots went."""
        keys = [f"count{i}" for i in range(4)]
        sums = dict.fromkeys(keys, 0)
        guard, stop = threading.Lock(), threading.Event()
        trouble, rolled = [], []

        def work(seed):
            db = self.connect()
            n = seed
            while not stop.is_set():
                n += 1
                pair = (keys[n % 4], keys[(n // 4) % 4])
                try:
                    self.rows(db, "BEGIN")
                    for key in pair:
                        self.call("INCRBY", key, 1, db=db)
                    if n % 3 == 0:
                        self.rows(db, "ROLLBACK")
                        rolled.append(1)
                        continue
                    self.rows(db, "COMMIT")
                    with guard:
                        for key in pair:
                            sums[key] += 1
                except xatest.pymysql.err.MySQLError as error:
                    if error.args[0] not in (1205, 1213):
                        trouble.append(error)
                        return
                    self.rows(db, "ROLLBACK")
        threads = [threading.Thread(target=work, args=(i * 7,), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        moves = 0
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for key in keys:
                self.move(self.cluster.slot(key))
                moves += 1
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join(20)
        self.assertEqual(trouble, [])
        self.world.settle(10)
        self.assertEqual({key: int(self.direct.get(key) or 0) for key in keys}, sums)
        print(f"# {sum(sums.values())} increments committed, {len(rolled)} transactions rolled back, {moves} slots moved")
        self.assertGreater(sum(sums.values()), 20)

    # --- deaths ---

    def test_reply_that_comes_too_late(self):
        """Its connection is killed on the node where it was lost, then it is sent again: done once."""
        key = self.keys_of_all_nodes()[-1]
        node = self.cluster.owner(self.cluster.slot(key))
        self.run_sql(self.db, "BEGIN")
        self.call("INCR", key)
        node.say("CLIENT", "PAUSE", 4500, "WRITE")  # longer than the time for one reply, shorter than for two
        self.call("INCR", key)
        self.rows(self.db, "COMMIT")
        self.assertEqual(self.direct.get(key), b"2")
        self.assertIn("call=1", self.world.proxy.log_of_this_life())

    def test_node_dies_with_a_transaction_and_comes_back(self):
        keys = self.keys_of_all_nodes()[:6]
        victim = self.cluster.owner(self.cluster.slot(keys[0]))
        self.run_sql(self.db, "BEGIN")
        for key in keys:
            self.call("SET", key, "v")
        victim.crash()
        with self.assertRaises(xatest.pymysql.err.MySQLError):
            self.rows(self.db, "COMMIT")
        victim.start()
        xatest.until(self.cluster.whole, 30, "the cluster does not come together")
        self.world.settle(20)
        self.assertEqual([self.direct.exists(key) for key in keys], [0] * len(keys))
        xatest.until(lambda: self.verdict()[2] == "yes", 20, lambda: self.verdict())

    def test_slots_of_others_go_on_while_a_master_is_dead(self):
        """What it holds of an open transaction is taken back when it is there again; also by a proxy that began meanwhile."""
        self.full_coverage("no")
        self.addCleanup(self.full_coverage, "yes")
        keys = self.keys_of_all_nodes()
        victim = self.cluster.owner(self.cluster.slot(keys[0]))
        dead = [key for key in keys if self.cluster.owner(self.cluster.slot(key)) is victim]
        living = [key for key in keys if key not in dead]
        self.run_sql(self.db, "BEGIN", *(f"CALL shards.SET('{key}', 'lost')" for key in keys))
        victim.crash()
        self.run_sql(self.db, "ROLLBACK")
        self.goes_on(living, "first")
        self.assertIn("unreachable", self.refused(1105, self.db, f"CALL shards.SET('{dead[0]}', 'x')"))
        self.world.restart_proxy()
        self.db = self.connect()
        self.goes_on(living, "second")
        self.assertIn(f"{victim.port} is not reached", self.verdict()[5])
        victim.start()
        xatest.until(self.cluster.whole, 30, "the cluster does not come together")
        self.world.settle(20)
        self.assertEqual([self.direct.exists(key) for key in dead], [0] * len(dead))
        xatest.until(lambda: "is not reached" not in self.verdict()[5], 20, lambda: self.verdict())
        self.goes_on(keys, "all")

    def test_what_a_dead_master_holds_stays_listed_while_others_go_on(self):
        """Records of another proxy, which this one shows and never touches: one in each slot that it looks into."""
        self.full_coverage("no")
        self.addCleanup(self.full_coverage, "yes")
        self.run_sql(self.db, "BEGIN", *(f"CALL shards.SET('{key}', 'v')" for key in self.keys_of_all_nodes(3)))
        planted = {node: list(node.client().scan_iter("xa:*:c")) for node in self.cluster.nodes}
        self.assertTrue(all(planted.values()))
        for node, names in planted.items():
            for name in names:
                node.client().hset(name, STRANGE, "")
        self.run_sql(self.db, "COMMIT")
        xatest.until(lambda: len(self.strange()) == sum(map(len, planted.values())), 5, self.strange)
        victim = self.cluster.nodes[2]
        victim.crash()
        self.pull_out({node: names for node, names in planted.items() if node is not victim})
        xatest.until(lambda: len(self.strange()) == len(planted[victim]), 5, self.strange)
        xatest.until(lambda: all(str(victim.port) in str(row) for row in self.strange()), 5, self.strange)
        victim.start()
        xatest.until(self.cluster.whole, 30, "the cluster does not come together")
        self.pull_out({victim: planted[victim]})
        xatest.until(lambda: not self.strange(), 5, self.strange)

    @staticmethod
    def pull_out(planted):
        for node, names in planted.items():
            for name in names:
                node.client().hdel(name, STRANGE)

    def strange(self):
        with contextlib.closing(self.world.admin()) as db:
            return [row for row in self.rows(db, "SHOW IN DOUBT") if "strange" in str(row)]

    def full_coverage(self, word):
        for node in self.cluster.nodes:
            node.say("CONFIG", "SET", "cluster-require-full-coverage", word)

    def goes_on(self, keys, value):
        xatest.until(lambda: self.verdict()[2] == "yes", 20, lambda: self.verdict())
        self.run_sql(self.db, "BEGIN", *(f"CALL shards.SET('{key}', '{value}')" for key in keys), "COMMIT")
        self.assertEqual({self.direct.get(key) for key in keys}, {value.encode()})

    def test_proxy_dies_and_every_slot_is_settled(self):
        keys = self.keys_of_all_nodes()
        self.run_sql(self.db, "BEGIN")
        for key in keys:
            self.call("SET", key, "v")
        self.world.restart_proxy()
        self.world.settle(10)
        self.assertEqual([self.direct.exists(key) for key in keys], [0] * len(keys))

    def test_the_log_is_lost(self):
        """What it left in slots that the new log never heard of is found, and taken back at a person's word."""
        keys = self.keys_of_all_nodes()
        self.run_sql(self.db, "BEGIN")
        for key in keys:
            self.call("SET", key, "v")
        self.world.proxy.crash()
        shutil.rmtree(os.path.join(self.world.directory, "proxy", "data"))
        self.world.start_proxy()
        self.assertEqual({self.direct.get(key) for key in keys}, {b"v"})
        [left] = {field.split(b":")[2].decode() for field in self.cluster.open_fields() if field.startswith(b"U")}
        db = self.world.admin()
        self.rows(db, f"ADOPT LOG '{left}'")
        self.close(db)
        self.world.settle(10)
        self.assertEqual([self.direct.exists(key) for key in keys], [0] * len(keys))

    def test_the_log_is_lost_while_a_master_is_dead(self):
        """The others are searched without it, and it is when it is there again."""
        self.full_coverage("no")
        self.addCleanup(self.full_coverage, "yes")
        keys, victim = self.keys_of_all_nodes(6), self.cluster.nodes[2]
        dead = [key for key in keys if self.cluster.owner(self.cluster.slot(key)) is victim]
        living = [key for key in keys if key not in dead]
        self.run_sql(self.db, "BEGIN", *(f"CALL shards.SET('{key}', 'v')" for key in keys))
        self.world.proxy.crash()
        [left] = {field.split(b":")[2].decode() for field in self.cluster.open_fields() if field.startswith(b"U")}
        victim.crash()
        shutil.rmtree(os.path.join(self.world.directory, "proxy", "data"))
        self.world.start_proxy()
        db = self.world.admin()
        self.rows(db, f"ADOPT LOG '{left}'")
        self.close(db)
        xatest.until(lambda: not any(self.direct.exists(key) for key in living), 20, self.world.proxy.log_tail)
        victim.start()
        xatest.until(self.cluster.whole, 30, "the cluster does not come together")
        self.world.settle(20)
        self.assertEqual([self.direct.exists(key) for key in dead], [0] * len(dead))

    def test_decided_and_the_proxy_dies(self):
        keys = self.keys_of_all_nodes()
        self.world.restart_proxy("decided:1:crash")
        db = self.connect()
        self.rows(db, "BEGIN")
        for key in keys:
            self.call("SET", key, "v", db=db)
        with self.assertRaises(Exception):
            self.rows(db, "COMMIT")
        self.world.restart_proxy()
        self.world.settle(10)
        self.assertEqual({self.direct.get(key) for key in keys}, {b"v"})


class ReplicaWorld(World):
    """The first master has a replica."""

    def start(self, failpoint=None):
        self.cluster.start()
        self.master = self.cluster.nodes[0]
        self.replica = servers.RedisNode(os.path.join(self.directory, "cluster", "replica"), self.certs).start()
        self.cluster.nodes.append(self.replica)
        self.replica.say("CLUSTER", "MEET", "127.0.0.1", self.master.port, self.master.port + 1)
        xatest.until(self.cluster.whole, 20, "the replica is alone")
        self.replica.say("CLUSTER", "REPLICATE", self.master.name)
        xatest.until(lambda: self.replica.say("ROLE")[3] == b"connected", 20, "the replica does not follow")
        xatest.until(self.known_as_replica, 20, "the replica is not known as one")
        return super().start(failpoint)

    def known_as_replica(self):
        return all(self.replica.name.encode() + b" " in nodes and b"slave" in nodes
                   for nodes in (node.say("CLUSTER", "NODES") for node in self.cluster.nodes))


@xatest.only("mariadb")
class Replica(xatest.Case):
    world_class = ReplicaWorld

    def test_replica_takes_over_under_an_open_transaction(self):
        cluster, old, new = self.world.cluster, self.world.master, self.world.replica
        keys = [next(f"{i}k" for i in range(1000) if cluster.owner(cluster.slot(f"{i}k"), cluster.nodes[1]) is node)
                for node in cluster.nodes[:3]]
        db = self.connect()
        self.run_sql(db, "BEGIN", *(f"CALL shards.SET('{key}', 'v')" for key in keys),
                     "INSERT INTO orders.orders VALUES (1, 'u', 's', 1)")
        old.say("WAIT", 1, 3000)
        old.crash()
        xatest.until(lambda: new.say("ROLE")[0] == b"master", 30, "nobody takes over")
        xatest.until(lambda: b"cluster_state:ok" in new.say("CLUSTER", "INFO"), 30, "the cluster is not whole")

        def followed():
            admin = self.world.admin()
            try:
                row = next(row for row in self.rows(admin, "SHOW REDIS") if row[0] == "shards")
            finally:
                self.close(admin)
            return row[2] == "yes" and f":{new.port}" in row[1]
        xatest.until(followed, 30, self.world.proxy.log_tail)
        self.run_sql(db, f"CALL shards.APPEND('{keys[0]}', '!')", "COMMIT")
        self.assertEqual(new.say("GET", keys[0]), b"v!")
        self.assertEqual([cluster.nodes[i].say("GET", keys[i]) for i in (1, 2)], [b"v", b"v"])
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders"), ((1,),))
        xatest.until(lambda: not cluster.open_fields(), 10, cluster.open_fields)
