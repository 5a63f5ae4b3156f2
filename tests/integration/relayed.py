"""The world of the tests with a relay before each server and Redis: what went over the wire, flight by flight.

Towards servers there is no TLS here, so that the relays can read.
"""
import os
import sys

import xatest

sys.path.insert(0, os.path.join(xatest.SOURCE, "tests", "support"))
import relay  # noqa: E402

QUIET = "sweep_interval = 60s"  # the resolver's own looks would be counted


def label(command):
    """A command without what differs from run to run: XA and FCALL by their words, settings whole, others by their first word."""
    words = command.split()
    if words[0] == "XA":
        return " ".join(words[:2] + words[3:]).upper()
    return command if words[0] in ("SET", "FCALL", "USE", "LOG", "SAVEPOINT", "RELEASE") or "ROLLBACK TO" in command else words[0]


class RelayedWorld(xatest.World):
    def __init__(self, delay_s=0.0, **more):
        more.setdefault("proxy_options", QUIET)
        more.setdefault("backend_options", "tls = off\nping_interval = 0\npool_idle_timeout = 1h")
        super().__init__(**more)
        self.relays = relay.Relays(delay_s)
        self.relayed = {}
        self.looks = set()  # their connections

    def port_of(self, name):
        if name not in self.relayed:
            self.relayed[name] = self.relays.add(name, super().port_of(name), relay.Redis if name == "cache" else relay.MySql)
        return self.relayed[name]

    def wait_judged(self):
        """Also until it has looked, in the name of each account, whether that may use the barrier."""
        super().wait_judged()
        alive = [name for name, server in self.server.items() if server.alive()]

        def looked():
            log = self.proxy.log_of_this_life()
            return self.proxy.paused() or not self.proxy.alive() or all(f"barrier_judged backend={name}\n" in log for name in alive)
        xatest.until(looked, 10, "no look at the barrier")

    def wipe(self):
        super().wipe()
        self.relays.close()

    def flights(self):
        """What sessions (not the resolver, which looks in the name of each account whether it may use the barrier) sent since this was
        asked last."""
        taken = self.relays.take()
        self.looks |= {one.connection for one in taken if any(command.startswith("EXPLAIN") for command in one.commands)}
        return [one for one in taken if one.connection not in self.looks
                and one.dialect.user not in (xatest.servers.RESOLVER[0], relay.Redis.LOOKS_AFTER)]

    def trips(self):
        """The same by server: a text a flight, commands of one write joined by +."""
        found = {name: [] for name in self.relayed}
        for one in self.flights():
            found[one.to].append(" + ".join(map(label, one.commands)))
        return {name: texts for name, texts in found.items() if texts}
