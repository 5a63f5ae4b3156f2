"""Transactions of every kind from many connections over both servers and Redis, while proxy, servers, Redis and the lines between
them break at random.

Afterwards every acknowledged transaction is there, no refused one is, none is half done, sagas neither, each action, held write and
message came once, counters kept their bounds, who wrote past the proxy was told of and not overwritten, Redis equals the tables, no
lock is left, and whatever was in doubt was not for long. STORM_SECONDS (default 60) and STORM_CONNECTIONS (default 16) set its size,
STORM_SEED repeats its choices.
"""
import storm_case


class Storm(storm_case.Case):
    in_doubt_max_s = 10  # 5 s are wanted; here other tests may run beside this one

    def test_storm(self):
        self.storm()
