"""The programs in examples/, as they stand: an order that goes well, one whose account step fails, one in whose middle xaproxy is killed,
in each of the four schemes; and the consumer of the messages.
"""
import os
import re
import subprocess
import sys

import xatest

FOLDER = os.path.join(xatest.SOURCE, "examples")


def tables(number):
    """Those of the story, without the schemas, which the world makes."""
    with open(os.path.join(FOLDER, "xa", f"schema-server{number}.sql"), encoding="utf-8") as f:
        text = re.sub(r"^--.*$", "", f.read(), flags=re.M)
    return [s.strip() for s in text.split(";") if s.strip() and not s.strip().startswith("CREATE DATABASE")]


class World(xatest.World):
    schemas = {"s1": ["orders"], "s2": ["stock", "account"]}
    tables = {"s1": tables(1), "s2": tables(2)}


class Story(xatest.Case):
    world_class = World
    BEFORE = ("0", "0", "100", "100", "50", "50")
    AFTER = ("1", "1", "98", "98", "30", "30")

    def setUp(self):
        self.redis().flushall()
        for key, field, n in (("stock:sku42", "pieces", 100), ("balance:alice", "balance", 50), ("orders:alice", "count", 0)):
            self.redis().hset(key, field, n)
        for backend, sql in (("s1", "DELETE FROM orders.orders"), ("s2", "UPDATE stock.stock SET pieces = 100"),
                             ("s2", "UPDATE account.account SET balance = 50")):
            self.world.direct(backend, sql)
        self.world.restart_proxy()  # its library went with the keys
        self.addCleanup(self.world.start_all)

    def order(self, scheme, *args):
        env = {**os.environ, "XAPROXY_PORT": str(self.world.proxy.port), "XAPROXY_PASSWORD": xatest.PASSWORDS["app"],
               "XAPROXY_CA": os.path.join(self.world.certs, "ca.crt")}
        done = subprocess.run([sys.executable, os.path.join(FOLDER, scheme, "order.py"), *map(str, args)], env=env, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        self.assertNotIn("Traceback", done.stdout)
        return done.stdout

    def held(self, scheme):
        lines = dict(line.split("\t") for line in self.order(scheme, "show", "alice", "sku42").splitlines())
        self.more = list(lines.values())[6:]
        return tuple(lines.values())[:6]

    def tell(self, scheme):
        self.assertEqual(self.held(scheme), self.BEFORE)
        self.assertIn("not confirmed", self.order(scheme, "place", "alice", "sku42", 7, 10))
        self.assertEqual(self.held(scheme), self.BEFORE, "something of the failed order stayed")
        self.assertEqual(self.order(scheme, "place", "alice", "sku42", 2, 10), "confirmed\n")
        self.assertEqual(self.held(scheme), self.AFTER)

    def killed(self, scheme, point):
        """What is held when it is over."""
        self.world.restart_proxy(f"{point}:crash")
        self.assertIn("not confirmed", self.order(scheme, "place", "alice", "sku42", 2, 10))
        self.world.start_all()
        self.world.settle()
        self.order(scheme, "settle")
        return self.held(scheme)

    def test_xa(self):
        self.tell("xa")
        self.assertEqual(self.killed("xa", "all_votes:1"), self.AFTER, "it was not decided")
        self.assertEqual(self.killed("xa", "decided:1"), ("2", "2", "96", "96", "10", "10"))

    def test_saga(self):
        self.tell("saga")
        for step in (1, 2):
            self.assertEqual(self.killed("saga", f"saga_step_done:{step}"), self.AFTER, f"killed behind step {step}")

    def test_tcc(self):
        self.tell("tcc")
        self.assertEqual(self.more, ["0", "0"])
        for step in (2, 3):
            self.assertEqual(self.killed("tcc", f"saga_step_done:{step}"), self.AFTER, f"killed behind step {step}")
            self.assertEqual(self.more, ["0", "0"], "something is still reserved")

    def test_messages(self):
        self.tell("messages")
        self.assertEqual(self.more, ["1"])
        self.assertEqual(self.killed("messages", "decided:1"), ("2", "2", "96", "96", "10", "10"))
        self.assertEqual(self.more, ["2"])
        client = self.redis()
        entries = client.xrange("orders")
        self.assertEqual(len({message["xa-id"] for _, message in entries}), 2)
        client.xadd("orders", entries[0][1])  # as if it had been sent again
        client.xadd("orders", {"xa-id": "other:1", "order": "9"})  # of which nothing can be made
        said = [self.consume() for _ in range(4)]
        self.assertEqual(sum(text.count("ship 2 for alice") for text in said), 2)
        self.assertEqual([message["order"] for _, message in client.xrange("orders:dead")], ["9"])
        self.assertEqual(client.xpending("orders", "shipping")["pending"], 0)

    def consume(self):
        return subprocess.run([sys.executable, os.path.join(FOLDER, "messages", "consumer.py"), "127.0.0.1", str(self.world.cache.port)],
                              text=True, stdout=subprocess.PIPE, check=True, timeout=60).stdout


if __name__ == "__main__":
    xatest.unittest.main()
