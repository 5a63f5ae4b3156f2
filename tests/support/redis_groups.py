"""Redis as more than one server: a cluster whose masters have replicas and whose slots move, and a pair that Sentinels watch.

To the fixture each looks like one Redis: it starts, lives, has clients, and tells what is open in it.
"""
import os
import time

import redis
import servers


class Group:
    """What both have in common; `nodes` are the servers with data."""

    kind = "redis group"

    def part_names(self):
        return {f"redis{i}": node for i, node in enumerate(self.nodes)}

    def alive(self):
        return all(node.alive() for node in self.everybody())

    def crash(self):
        for node in self.everybody():
            node.crash()

    def log_tail(self, lines=25):
        return "".join(f"{node.directory}:\n{node.log_tail(lines)}" for node in self.nodes)

    def open_fields(self):
        return [field for node in self.masters() for field in node.open_fields()]

    def until(self, condition, what, limit_s=120):
        deadline = time.monotonic() + limit_s
        while not self.quietly(condition):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {limit_s} s: {what}\n{self.log_tail()}")
            time.sleep(0.05)

    @staticmethod
    def quietly(condition):
        try:
            return condition()
        except (redis.exceptions.RedisError, redis.exceptions.RedisClusterException, OSError):
            return False


class ReplicatedCluster(Group, servers.RedisCluster):
    """Three masters, a replica each."""

    def __init__(self, directory, certs):
        servers.RedisCluster.__init__(self, directory, certs)
        self.first = list(self.nodes)
        self.replicas = [servers.RedisNode(os.path.join(directory, f"replica{i}"), certs) for i in range(len(self.nodes))]
        self.made = False
        self.decoding = None

    def everybody(self):
        return self.nodes

    def start(self):
        if self.made:
            for node in self.nodes:
                node.start()
            return self
        servers.RedisCluster.start(self)
        self.nodes = self.first + self.replicas
        for replica in self.replicas:
            replica.start()
        self.come_together(self.replicas)
        for master, replica in zip(self.first, self.replicas):
            self.until(lambda m=master, r=replica: r.say("CLUSTER", "REPLICATE", m.name), "a replica does not know its master")
        self.made = True
        self.until(self.at_rest, "replicas do not follow")
        return self

    def calm(self):
        """Who is slow from now on is not taken for dead."""
        for node in self.nodes:
            node.say("CONFIG", "SET", "cluster-node-timeout", 15000)

    def masters(self):
        """As most nodes say."""
        rows = self.living().say("CLUSTER", "SLOTS")
        ports = {row[2][1] for row in rows}
        return [node for node in self.nodes if node.port in ports]

    def living(self):
        return next(node for node in self.nodes if node.alive())

    def at_rest(self):
        """All slots have a master that a replica follows, and all say the same."""
        roles = [node.say("ROLE") for node in self.nodes]
        followed = [role for role in roles if role[0] == b"master" and len(role[2]) == 1]
        following = [role for role in roles if role[0] == b"slave" and role[3] == b"connected"]
        return len(followed) == len(following) == 3 and self.whole() and len({str(self.map(node)) for node in self.nodes}) == 1

    @staticmethod
    def map(node):
        return sorted((row[0], row[1], row[2][1]) for row in node.say("CLUSTER", "SLOTS"))

    def client(self, **_more):
        """One for all: it follows by itself."""
        if not self.decoding:
            self.decoding = redis.RedisCluster(host="127.0.0.1", port=self.nodes[0].port, decode_responses=True, socket_timeout=5,
                                               **self.nodes[0].card())
        return self.decoding

    def replica_of(self, master):
        return next(node for node in self.nodes if node.say("ROLE")[0] == b"slave" and node.say("ROLE")[2] == master.port)

    def fail_over(self, master):
        """On request: nothing is lost."""
        self.replica_of(master).say("CLUSTER", "FAILOVER")
        self.until(self.at_rest, "no failover")

    def lose(self, master):
        """Killed, and its replica takes over."""
        replica = self.replica_of(master)
        master.crash()
        self.until(lambda: replica.say("ROLE")[0] == b"master", "nobody takes over")

    def owner_of(self, slot):
        return next(node for node in self.masters() if any(first <= slot <= last and port == node.port
                                                           for first, last, port in self.map(node)))

    def move(self, slot, meanwhile):
        """To another master; meanwhile() is called when it is half done. A node that heard of nobody for a moment, on a busy
        machine, says CLUSTERDOWN: asked again."""
        source = self.owner_of(slot)
        target = next(node for node in self.masters() if node is not source)
        target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", source.name)
        source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", target.name)
        self.until(lambda: self.migrate(slot, source, target, 1) >= 0, "the first key of a slot stays where it is")
        meanwhile()
        self.until(lambda: not self.migrate(slot, source, target, 100), "keys of a slot stay where they are")
        for node in (target, source, *self.masters()):
            node.say("CLUSTER", "SETSLOT", slot, "NODE", target.name)

    @staticmethod
    def migrate(slot, source, target, limit):
        keys = source.say("CLUSTER", "GETKEYSINSLOT", slot, limit)
        if keys:
            source.say("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "REPLACE", "KEYS", *keys)  # it may have come late
        return len(keys)


class SentinelPair(Group):
    """A master, a replica, and two Sentinels who name the one and promote the other."""

    def __init__(self, directory):
        self.nodes = [servers.Redis(os.path.join(directory, name), ["--repl-timeout", "3"]) for name in ("one", "two")]
        self.nodes[1].options += ["--replicaof", "127.0.0.1", str(self.nodes[0].port)]
        self.sentinels = [servers.Sentinel(os.path.join(directory, f"sentinel{i}"), self.nodes[0].port) for i in range(2)]
        self.two_since = None  # masters

    def everybody(self):
        return [*self.nodes, *self.sentinels]

    def start(self):
        for one in self.everybody():
            one.start()
        self.until(self.at_rest, "master, replica and Sentinels do not come together")
        self.nodes[1].options = self.nodes[0].options  # at its next start it may be the master
        return self

    def calm(self):
        """Who is slow from now on is not taken for dead."""
        for sentinel in self.sentinels:
            sentinel.client().execute_command("SENTINEL", "SET", "shop", "down-after-milliseconds", 15000)

    def master(self):
        """As the Sentinels say, unless they do not agree yet."""
        ports = {sentinel.master_port() for sentinel in self.sentinels}
        return next((one for one in self.nodes if ports == {one.port}), None)

    def masters(self):
        master = self.master()
        if not master:
            raise redis.exceptions.ConnectionError("the Sentinels do not agree")
        return [master]

    def client(self, **more):
        return self.masters()[0].client(**more)

    def other(self, node):
        return next(one for one in self.nodes if one is not node)

    def at_rest(self):
        """One master, one replica that follows it, Sentinels that know both."""
        master = self.master()
        if not master or not self.other(master).alive():
            return False
        self.demote(self.other(master), master)
        role, follower = master.client().execute_command("ROLE"), self.other(master).client().execute_command("ROLE")
        known = all(any(r["flags"] == "slave" for r in sentinel.replicas()) for sentinel in self.sentinels)
        return role[0] == b"master" and len(role[2]) == 1 and follower[0] == b"slave" and follower[2] == master.port \
            and follower[3] == b"connected" and known

    def demote(self, other, master):
        """Sentinels take 8 s and more to make an old master a replica: that is done for them, unless they are to name it."""
        if other.client().execute_command("ROLE")[0] != b"master":
            self.two_since = None
            return
        self.two_since = self.two_since or time.monotonic()
        if time.monotonic() - self.two_since > 3:
            other.client().replicaof("127.0.0.1", master.port)

    def fail_over(self, master):
        """On request, which is refused or forgotten while another is under way or no replica is known to be good: asked again."""
        def done():
            if self.sentinels[0].master_port() == master.port:
                self.sentinels[0].client().execute_command("SENTINEL", "FAILOVER", "shop")
            time.sleep(0.5)
            return self.master() not in (None, master)
        self.until(done, "no failover")

    def lose(self, master):
        master.crash()
        self.until(lambda: self.master() not in (None, master), "nobody takes over")
