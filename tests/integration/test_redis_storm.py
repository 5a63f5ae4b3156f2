"""Storms over Redis that is more than one server: a cluster whose masters die, hand over and whose slots move, and a master that
Sentinels replace, while proxy and servers die too.

Every decision waits for a replica (durability = wait), so nothing that was acknowledged may be lost by any of it; what comes of
single calls is not promised and not judged. STORM_SECONDS, STORM_CONNECTIONS and STORM_SEED as in test_storm.py.
"""
import logging
import os
import sys

import storm
import storm_actions
import storm_case
import storm_kinds
import xatest

sys.path.insert(0, os.path.join(xatest.SOURCE, "tests", "support"))
import redis_groups  # noqa: E402

logging.disable(logging.CRITICAL)  # redis-py tells of each slot that has moved


class Dirty(storm_kinds.Dirty):
    """Where the text was lost by a failover before the counter was written, the counter is taken back alone."""

    ROLLED_BACK = {"cache": {**storm_kinds.Dirty.ROLLED_BACK["cache"], (None, "100"): ""}}


KINDS = [kind for kind in storm_kinds.PLAIN + storm_actions.ACTIONS if kind not in (storm_kinds.Call, storm_kinds.Dirty)]
KINDS.append(Dirty(("cache",)))
DURABLE = ("durability = wait", "durability_replicas = 1", "durability_timeout = 1s", "timeout = 2s")


class World(storm.World):
    """What is called cache is the group."""

    resources = ("cache",)

    def cache_lines(self):
        yield from ("[redis cache]", *self.card(), *DURABLE)

    def config_lines(self):
        lines = list(xatest.World.config_lines(self))
        at = lines.index("[redis cache]")
        return lines[:at] + list(self.cache_lines()) + lines[at + 4:]

    def past(self, policy):
        return self.cache.client(decode_responses=True)

    def databases(self):
        return [node.client(decode_responses=True) for node in self.cache.masters()]

    def open_fields(self):
        return self.cache.open_fields()

    def parts(self):
        return [self.proxy, *self.server.values(), *self.cache.everybody()]


class Weather(storm.Weather):
    """Strikes the group, or who works with it; the group is whole again before the next blow."""

    def __init__(self, world, gauge, seed):
        super().__init__(world, gauge, seed)
        self.cache = world.cache
        self.due = [self.fail_over, self.lose]  # before any other
        self.parts = {"proxy": world.proxy, **world.server, **world.cache.part_names()}

    def blows(self):
        return {self.kill: 4, self.sever: 1, self.restart: 2, self.lose: 3, self.fail_over: 3}

    def kill(self):
        self.crash(self.random.choice(["proxy", "proxy", "s1", "s2"]))

    def struck(self, blow, *args):
        """The proxy may die in the middle of it."""
        self.gauge.is_down("cache")
        blow(*args)
        if self.random.random() < 0.3:
            self.crash("proxy")
        self.cache.start()
        self.cache.until(self.cache.at_rest, "the group is not whole again")
        self.gauge.is_up("cache")

    def master(self):
        return self.random.choice(self.cache.masters())

    def restart(self):
        """Of a master, before anybody notices."""
        self.struck(lambda master: (master.crash(), master.start()), self.master())

    def lose(self):
        self.struck(self.cache.lose, self.master())

    def fail_over(self):
        self.struck(self.cache.fail_over, self.master())


class ClusterWorld(World):
    def __init__(self, **more):
        super().__init__(**more)
        self.cache = redis_groups.ReplicatedCluster(os.path.join(self.directory, "cluster"), self.certs)

    def card(self):
        nodes = " ".join(f"127.0.0.1:{node.port}" for node in self.cache.first[:2])
        return ("mode = cluster", f"nodes = {nodes}", "tls = on", f"tls_ca = {self.certs}/ca.crt",
                f"tls_cert = {self.certs}/client.crt", f"tls_key = {self.certs}/client.key")


class ClusterWeather(Weather):
    def __init__(self, *args):
        super().__init__(*args)
        self.due.append(self.move)

    def blows(self):
        return {**super().blows(), self.move: 4}

    def move(self):
        """Slots of keys that are much used."""
        for key in self.random.sample([f"{name}:{i}" for name in ("left", "right", "counter", "locked") for i in range(4)], 4):
            self.cache.move(self.cache.slot(key), lambda: self.crash("proxy") if self.random.random() < 0.1 else None)


class SentinelWorld(World):
    def __init__(self, **more):
        super().__init__(**more)
        self.cache = redis_groups.SentinelPair(os.path.join(self.directory, "pair"))

    def card(self):
        nodes = " ".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.cache.sentinels)
        return ("mode = sentinel", f"nodes = {nodes}", "master_name = shop",
                f"sentinel_password = {xatest.servers.Sentinel.PASSWORD}")


class Case(storm_case.Case):
    kinds = KINDS
    seconds = storm_case.SECONDS or 5
    acked_per_s = 1
    # The replicas that take over lag behind by as long as a slow machine needs for everything before.
    world_options = {**storm_case.Case.world_options, "proxy_options": "wal_segment_size = 8M\nsaga_wait = 1s\nforget_after = 5m"}

    def all_work_again(self, clients):
        self.world.cache.calm()
        self.world.cache.until(self.world.cache.at_rest, "not whole at the end")
        super().all_work_again(clients)


@xatest.only("mariadb")
class Cluster(Case):
    world_class, weather_class = ClusterWorld, ClusterWeather

    def test_storm_over_a_cluster(self):
        self.storm()


@xatest.only("mariadb")
class Sentinel(Case):
    world_class, weather_class = SentinelWorld, Weather

    def test_storm_over_failovers(self):
        self.storm()
