"""Random Redis writes of every form, and what a Redis holds: for tests that a rollback puts everything back.

The forms are those of tests/support/redis-forms.txt; a state is read by the server itself, past the proxy.
"""
import os
import random

import xatest

FORMS = os.path.join(xatest.SOURCE, "tests", "support", "redis-forms.txt")
KEYS = {"s": "s0 s1 s2 s3 s4 s5", "h": "h0 h1 h2", "e": "e0 e1 e2 e3", "z": "z0 z1 z2 z3", "l": "l0 l1 l2 l3", "x": "x0 x0 x1 x2",
        "g": "g0 g1", "p": "p0 p1 p2", "k": "s0 s1 s2 h0 h1 e0 e2 z0 z1 l0 l1 x0 g0 p0 d0 v0 none"}
WORDS = {**{kind: names.split() for kind, names in KEYS.items()},
         "v": ["1", "-9", "0", "abc", "", "a", "b", "9007199254740993", "a-value-that-is-longer-than-forty-bytes-in-all",
               "ä\0\\'\"\n", "x" * 20000],
         "f": ["f0", "f1", "f2", "f3", "m0", "m1", "m2", "m4", "a"], "i": ["0", "1", "2", "-1", "-2", "5", "-7", "100"],
         "n": ["0", "1", "2", "3", "7"], "c": ["1", "-2.5", "0.1", "3e10", "0"], "t": ["6000", "10000", "7200", "500000"],
         "T": ["33000000000500", "34000000000000"], "w": ["LEFT", "RIGHT"]}
SEED = """
MSET s0 5 s1 hello s2 -17 s3 1.5 s4 abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz
PEXPIREAT s2 33000000000000
PEXPIREAT s4 33000000000001
HSET h0 f0 1 f1 x f2 -3 f3 2.5
HSET h1 f0 7
PEXPIREAT h1 33000000000002
SADD e0 m0 m1 m2 m3
SADD e1 m1 m4
SADD e2 m5
PEXPIREAT e2 33000000000003
ZADD z0 1 m0 2 m1 2.5 m2 -1 m3
ZADD z1 10 m1
PEXPIREAT z1 33000000000004
ZADD z2 0 m0 0 m1 0 m2
RPUSH l0 a b c a b
RPUSH l1 v1
PEXPIREAT l1 33000000000005
RPUSH l2 x y z
PFADD p0 a b c
PFADD p1 c d
GEOADD g0 13.36 38.11 m0 15.08 37.5 m1
XADD x0 1-1 f v
XADD x0 2-1 f w
XADD x0 3-1 f u
XGROUP CREATE x0 gr 0
XREADGROUP GROUP gr c0 COUNT 1 STREAMS x0 >
XGROUP CREATE x0 gx 1-1 ENTRIESREAD 1
XREADGROUP GROUP gx c1 STREAMS x0 >
XCLAIM x0 gx c2 0 3-1 TIME 1700000000000 RETRYCOUNT 7
XADD x1 5-1 a b
PEXPIREAT x1 33000000000007
SET d0 x
HPEXPIREAT h0 33000000000006 FIELDS 1 f3
VADD v0 VALUES 2 0.25 0.5 m0
"""
# What DEBUG DIGEST-VALUE does not tell: times to live, groups and what is pending in them; last the times of delivery.
LOOK = """
local function named(t) local o = {} for i = 1, #t, 2 do o[t[i]] = t[i + 1] end return o end
local function list(...) return cjson.encode({...}) end
local function stream(k)
    local s, o, times = named(redis.call('XINFO', 'STREAM', k, 'FULL', 'COUNT', 0)), {}, {}
    for _, g in ipairs(s.groups) do
        g = named(g)
        o[#o + 1] = list(g.name, g['last-delivered-id'], g['entries-read'] or false)
        for _, p in ipairs(g.pending) do o[#o + 1] = list(p[1], p[2], p[4]) times[#times + 1] = string.format('%.0f', p[3]) end
        for _, c in ipairs(g.consumers) do c = named(c) o[#o + 1] = list(c.name, c['pel-count']) end
    end
    return table.concat(o, ' '), table.concat(times, ' ')
end
local function hash(k)
    local names, o = redis.call('HKEYS', k), {}
    table.sort(names)
    local at = redis.pcall('HPEXPIRETIME', k, 'FIELDS', #names, unpack(names))
    for i, name in ipairs(names) do if not at.err and at[i] > 0 then o[#o + 1] = list(name, string.format('%.0f', at[i])) end end
    return table.concat(o, ' '), ''
end
local function vectors(k)
    local names, o = redis.call('VRANDMEMBER', k, 1000), {}
    table.sort(names)
    for i, name in ipairs(names) do
        o[i] = cjson.encode({name, redis.call('VEMB', k, name), redis.call('VGETATTR', k, name)})
    end
    return table.concat(o, ' ')
end
local keys, out = redis.call('KEYS', '*'), {}
table.sort(keys)
local function lies_idle(k) -- a control hash in which the proxy has put the number of its start only
    if not k:find('^xa:{.*}:c$') then return false end
    for _, field in ipairs(redis.call('HKEYS', k)) do if field:sub(1, 1) ~= 'E' then return false end end
    return true
end
for _, k in ipairs(keys) do if not lies_idle(k) then
    local kind, more, times = redis.call('TYPE', k).ok, '', ''
    if kind == 'stream' then more, times = stream(k) elseif kind == 'hash' then more, times = hash(k)
    elseif kind == 'vectorset' then more = vectors(k) end
    out[#out + 1] = {k, kind, string.format('%.0f', redis.call('PEXPIRETIME', k)), more, times}
end end
return out
"""
DELIVERED_MS = 3000  # Redis 7.0 has a clock that moves on while a script runs: XACK is taken back that exactly


class State:
    """Everything that a client can see of a Redis, but for ids that streams have used up."""

    def __init__(self, r):
        rows = r.eval(LOOK, 0)
        digests = r.execute_command("DEBUG", "DIGEST-VALUE", *(row[0] for row in rows)) if rows else []
        # the bytes of a vector set's graph are not its content: LOOK has that
        self.keys = {row[0]: (*row[1:4], digest if row[1] != "vectorset" else "") for row, digest in zip(rows, digests)}
        self.times = {row[0]: [int(at) for at in row[4].split()] for row in rows}

    def differences(self, other):
        found = [f"{key}: {self.keys.get(key)} became {other.keys.get(key)}" for key in sorted({*self.keys, *other.keys})
                 if self.keys.get(key) != other.keys.get(key)]
        return found + [f"{key}: delivered {times}, became {other.times[key]}" for key, times in self.times.items()
                        if key in other.times and any(abs(a - b) > DELIVERED_MS for a, b in zip(times, other.times[key]))]


class Writes:
    """Random writes; a seed makes the same ones again."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        with open(FORMS, encoding="ascii") as f:
            self.forms = [line.rstrip("\n") for line in f if not line.startswith("#")]
        self.used = set()

    def word(self, text):
        """With its placeholder, if it has one, filled in."""
        at = text.find("$")
        if text == '""':
            return ""
        if at < 0 or text[at + 1:at + 2] not in WORDS:
            return text
        return text[:at] + self.random.choice(WORDS[text[at + 1]]) + text[at + 2:]

    def one(self):
        form = self.random.choice(self.forms)
        self.used.add(form)
        return [self.word(text) for text in form.split(" ")]

    def some(self, most):
        return [self.one() for _ in range(self.random.randint(1, most))]


def seed(r):
    """Known data of every type; what only some servers know fails on the others."""
    pipe = r.pipeline(transaction=False)
    pipe.flushall()
    for line in SEED.strip().splitlines():
        pipe.execute_command(*line.split(" "))
    pipe.execute(raise_on_error=False)


def call_of(command):
    """As SQL, with its arguments beside it."""
    return f"CALL cache.`{command[0]}`({', '.join(['%s'] * (len(command) - 1))})", command[1:]
