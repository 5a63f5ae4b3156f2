"""Redis resources over TLS, as ACL users, with settings that make them unfit: who takes part, who is refused, in which words."""
import os

import xatest
from xatest import servers

SECRET = "redis-secret"
# What docs/redis.md recommends for a user who may use hashes under app: only.
USER = f"shop on >{SECRET} resetkeys ~app:* ~xa:* -@all +@hash +@keyspace -@dangerous +fcall +function|load +time +info " \
       "+role +config|get +client|list +client|kill +client|setname +client|id +select +acl|dryrun +restore " \
       "+zadd +zrem +zscore +zmscore +zcard +zremrangebyscore"


class World(xatest.World):
    def __init__(self, **more):
        super().__init__(**more)
        self.secure = servers.TlsRedis(os.path.join(self.directory, "secure"), self.certs, ["--user", *USER.split()])
        users = {"pure": "~app:* +@all", "mute": "~* +@all -client|list -hkeys", "lists": "~* +@all -lrem",
                 "healed": "~* +@all -lrem"}
        self.open = servers.Redis(os.path.join(self.directory, "open"),
                                  [word for user, rights in users.items()
                                   for word in ("--user", user, "on", f">{SECRET}", *rights.split())])
        self.evicting = servers.Redis(os.path.join(self.directory, "evicting"),
                                      ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
        self.replica = servers.Redis(os.path.join(self.directory, "replica"),
                                     ["--replicaof", "127.0.0.1", str(self.open.port)])

    def others(self):
        return [self.secure, self.open, self.evicting, self.replica]

    def start(self, failpoint=None):
        for one in self.others():
            one.start(wait=False)
        for one in self.others():
            one.wait_ready()
        return super().start(failpoint)

    def parts(self):
        return super().parts() + self.others()

    def config_lines(self):
        yield from super().config_lines()
        card = [f"tls_cert = {self.certs}/client.crt", f"tls_key = {self.certs}/client.key"]
        trust = f"tls_ca = {self.certs}/ca.crt"
        user = ["user = shop", f"password = {SECRET}"]
        for name, at, lines in (
                ("secure", self.secure, ["tls = on", trust, *card, *user]),
                ("cardless", self.secure, ["tls = on", "db = 1", trust, *user]),
                ("misnamed", self.secure, ["tls = on", "db = 2", "tls_name = elsewhere.invalid", trust, *card, *user]),
                ("unknown_ca", self.secure, ["tls = on", "db = 3", f"tls_ca = {self.certs}/other-ca.crt", *card, *user]),
                ("unverified", self.secure, ["tls = on", "db = 4", "tls_verify = off", *card, *user]),
                ("plain", self.secure, ["db = 5", *user]),
                ("pure", self.open, ["user = pure", f"password = {SECRET}"]),
                ("mute", self.open, ["db = 1", "user = mute", f"password = {SECRET}"]),
                ("lists", self.open, ["db = 2", "user = lists", f"password = {SECRET}"]),
                ("healed", self.open, ["db = 5", "user = healed", f"password = {SECRET}"]),
                ("wrong", self.open, ["db = 3", "user = lists", "password = wrong"]),
                ("good", self.open, ["db = 4"]),
                ("evicting", self.evicting, []),
                ("daring", self.evicting, ["db = 1", "allow_unsafe = on"]),
                ("replica", self.replica, [])):
            yield from (f"[redis {name}]", "address = 127.0.0.1", f"port = {at.port}", *lines)


@xatest.only("mariadb")
class Resources(xatest.Case):
    world_class = World

    def verdict(self, resource):
        """As SHOW REDIS says it, once it is there."""
        found = {}

        def judged():
            db = self.world.admin()
            found.update({row[0]: row for row in self.rows(db, "SHOW REDIS")})
            self.close(db)
            return found[resource][5]
        xatest.until(judged, 10, f"no verdict on {resource}")
        return found[resource]

    def until_said(self, resource, words):
        """Its verdict, with all of these; before, it may have found the Redis still loading or not reached."""
        xatest.until(lambda: all(word in self.verdict(resource)[5] for word in words), 5, lambda: self.verdict(resource))
        return self.verdict(resource)

    def assert_refused(self, resource, *words):
        _, _, usable, _, _, verdict = self.until_said(resource, words)
        self.assertNotEqual(usable, "yes", verdict)
        db = self.connect()
        self.rows(db, "BEGIN")
        with self.assertRaises(xatest.pymysql.err.MySQLError) as caught:
            self.rows(db, f"CALL {resource}.HSET('app:k', 'f', 'v')")
        self.assertIn(resource, caught.exception.args[1])

    def assert_good(self, resource, *words):
        xatest.until(lambda: self.verdict(resource)[2:4] == ("yes", "yes"), 5, lambda: self.verdict(resource))
        self.assertNotIn("not checked", self.until_said(resource, words)[5])

    # --- TLS ---

    def test_over_tls_with_a_certificate_and_as_an_acl_user(self):
        self.assert_good("secure")
        direct = self.world.secure.client()
        direct.hset("app:k", "f", "before")
        db = self.connect()
        self.run_sql(db, "BEGIN", "CALL secure.HSET('app:k', 'f', 'after')", "CALL secure.DEL('app:k')", "ROLLBACK")
        self.assertEqual(direct.hgetall("app:k"), {b"f": b"before"})
        self.run_sql(db, "BEGIN", "CALL secure.HSET('app:k', 'f', 'after')", "COMMIT")
        self.assertEqual(direct.hgetall("app:k"), {b"f": b"after"})
        self.assertEqual(self.world.secure.open_fields(), [])

    def test_what_is_encrypted_is_shown(self):
        self.assert_good("secure")
        db = self.world.admin()
        shown = {row[0]: row for row in self.rows(db, "SHOW TLS")}
        self.close(db)
        self.assertIn("xaproxy-client", shown["redis secure"][1])
        self.assertNotIn("redis cache", shown)

    def test_keys_of_others_are_out_of_bounds(self):
        db = self.connect()
        self.rows(db, "BEGIN")
        with self.assertRaises(xatest.pymysql.err.MySQLError) as caught:
            self.rows(db, "CALL secure.HSET('other', 'f', 'v')")
        self.assertIn("NOPERM", caught.exception.args[1])
        self.run_sql(db, "CALL secure.HSET('app:n', 'f', 'v')", "COMMIT")
        self.assertTrue(self.world.secure.client().exists("app:n"))
        self.assertFalse(self.world.secure.client().exists("other"))

    def test_without_a_certificate_of_ours(self):
        self.assert_refused("cardless", "not reached")  # the alert may come too late to be read

    def test_certificate_for_another_name(self):
        self.assert_refused("misnamed", "not reached", "hostname mismatch")

    def test_certificate_of_an_unknown_ca(self):
        self.assert_refused("unknown_ca", "not reached", "certificate of 127.0.0.1 refused")

    def test_unverified_because_it_was_said(self):
        self.assert_good("unverified")

    def test_plain_bytes_to_a_tls_port(self):
        self.assert_refused("plain", "not reached")

    # --- rights ---

    def test_user_without_our_keys(self):
        self.assert_refused("pure", "ACL SETUSER pure ~xa:*")

    def test_user_without_our_commands(self):
        self.assert_refused("mute", "+hkeys", "+client|list")

    def test_user_who_could_not_take_back(self):
        self.assert_refused("lists", "ACL SETUSER lists +lrem")

    def test_remedy_of_a_refusal_helps(self):
        self.assert_refused("healed", "ACL SETUSER healed +lrem")
        self.world.open.client().execute_command("ACL", "SETUSER", "healed", "+lrem")
        xatest.until(lambda: self.verdict("healed")[2] == "yes", 10, "not looked at again")

    def test_wrong_password(self):
        self.assert_refused("wrong", "WRONGPASS")

    # --- settings ---

    def test_what_a_good_one_is_like(self):
        self.assert_good("good", "master", "maxmemory-policy noeviction", "appendonly on with appendfsync always",
                         "min-replicas-to-write 0")
        self.assertRegex(self.verdict("good")[4], r"^(Valkey )?\d+\.\d+\.\d+$")

    def test_eviction_of_any_key(self):
        self.assert_refused("evicting", "allkeys", "allow_unsafe")
        self.assert_good("daring", "maxmemory-policy allkeys-lru")

    def test_replica(self):
        self.assert_refused("replica", "replica: name the master")

    # --- the end of its file is lost ---

    def lose_the_end(self):
        """What was written behind this point is not in the file when it is started again."""
        folder = self.world.open.path("appendonlydir")
        [name] = [name for name in os.listdir(folder) if name.endswith(".incr.aof")]
        path, size = os.path.join(folder, name), os.path.getsize(os.path.join(folder, name))

        def lose():
            self.world.open.crash()
            os.truncate(path, size + 20)  # in the midst of a command
            self.world.open.start()
            xatest.until(lambda: self.verdict("good")[2] == "yes", 10, lambda: self.verdict("good"))
        return lose

    def test_before_the_decision(self):
        """The vote misses what is gone; what survived is taken back."""
        db, direct = self.connect(), self.world.open.client(db=4)
        direct.set("tail", "before")
        self.run_sql(db, "BEGIN", "INSERT INTO orders.orders VALUES (1, 'u', 's', 1)", "CALL good.SET('tail', 'after')",
                     "CALL good.SET('survivor', 'after')")
        lose = self.lose_the_end()
        self.rows(db, "CALL good.APPEND('tail', '!')")
        lose()
        self.refused(1402, db, "COMMIT")
        xatest.until(lambda: not self.world.open.open_fields(), 10, "not settled")
        self.assertEqual(direct.mget("tail", "survivor"), [b"before", None])
        self.assertEqual(self.world.direct("s1", "SELECT COUNT(*) FROM orders.orders WHERE id = 1"), ((0,),))

    def test_after_the_decision(self):
        """The loss that docs/redis.md names: the end is lost, the effect was kept, and the decision ends it once more."""
        db, direct = self.connect(), self.world.open.client(db=4)
        self.run_sql(db, "BEGIN", "CALL good.SET('late', 'after')")
        lose = self.lose_the_end()
        self.rows(db, "COMMIT")
        lose()
        xatest.until(lambda: not self.world.open.open_fields(), 10, "not settled")
        self.assertEqual(direct.get("late"), b"after")

    # --- several at once ---

    def test_one_transaction_over_three_resources(self):
        db = self.connect()
        calls = ["CALL secure.HSET('app:all', 'f', 'v')", "CALL good.SET('all', 'v')", "CALL cache.SET('all', 'v')"]
        here = [lambda: self.world.secure.client().exists("app:all"), lambda: self.world.open.client(db=4).exists("all"),
                lambda: self.redis().exists("all")]
        self.run_sql(db, "BEGIN", *calls, "ROLLBACK")
        self.assertEqual([there() for there in here], [0, 0, 0])
        self.run_sql(db, "BEGIN", *calls, "INSERT INTO orders.orders VALUES (4711, 'u', 's', 1)", "COMMIT")
        self.assertEqual([there() for there in here], [1, 1, 1])
        self.world.settle()
        self.assertEqual(self.world.secure.open_fields(), [])

    def test_one_that_dies_takes_its_transactions_along_and_no_others(self):
        db, other = self.connect(), self.connect()
        self.run_sql(db, "BEGIN", "CALL secure.HSET('app:dying', 'f', 'v')", "CALL good.SET('dying', 'v')")
        self.world.secure.crash()
        self.run_sql(other, "BEGIN", "CALL good.SET('living', 'v')", "COMMIT")
        with self.assertRaises(xatest.pymysql.err.MySQLError):
            self.rows(db, "COMMIT")
        self.world.secure.start()
        xatest.until(lambda: self.verdict("secure")[2] == "yes", 10, "not looked at again")
        xatest.until(lambda: not self.world.secure.open_fields(), 10, "not settled")
        self.assertFalse(self.world.secure.client().exists("app:dying"))
        self.assertFalse(self.world.open.client(db=4).exists("dying"))
        self.assertEqual(self.world.open.client(db=4).get("living"), b"v")
