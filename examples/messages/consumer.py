#!/usr/bin/python3
"""Reads the stream `orders` in a group, does its work once for each message, and puts what cannot be done into `orders:dead`.

    consumer.py HOST PORT          of Redis itself; prints a line for each message, ends when there is none

A message may be handed out again: to this consumer after a crash, to another by XAUTOCLAIM. Its `xa-id` tells: the first who writes
it down does the work.
"""
import sys

import redis

STREAM, GROUP, DEAD, TRIES, REMEMBER_S = "orders", "shipping", "orders:dead", 3, 172800


def work(message):
    print(f"ship {message['pieces']} for {message['user']}, order {message['order']}", flush=True)


def handle(client, entry, message, times):
    """Once by effect: who comes second finds the mark. A real shop writes the mark in the transaction of its work."""
    if not client.set(f"shipped:{message['xa-id']}", entry, nx=True, ex=REMEMBER_S):
        return
    try:
        work(message)
    except KeyError as missing:
        client.delete(f"shipped:{message['xa-id']}")
        if times < TRIES:
            raise
        client.xadd(DEAD, {**message, "why": f"no {missing}", "entry": entry})


def main(host, port):
    client = redis.Redis(host=host, port=int(port), decode_responses=True)
    try:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    pending = "0"  # first what an earlier life left unfinished, then what is new
    while True:
        entries = [entry for _, part in client.xreadgroup(GROUP, "one", {STREAM: pending}, count=16) for entry in part]
        if not entries and pending == ">":
            return 0
        for entry, message in entries:
            times = sum(one["times_delivered"] for one in client.xpending_range(STREAM, GROUP, entry, entry, 1))
            try:
                handle(client, entry, message, times)
                client.xack(STREAM, GROUP, entry)
            except KeyError as missing:
                print(f"not yet: {entry} has no {missing}", flush=True)
        pending = ">"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
