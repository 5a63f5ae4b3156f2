"""The kinds of transactions that a storm is made of: what each says, and what must be true of all of its kind afterwards.

What comes of actions is in storm_actions.py; who says them, and what breaks meanwhile, in storm.py. A statement may be a function
of the rows before it and the world: it answers the statement to say, or None where it has done something itself.
"""
import collections
import contextlib

import redis
import xatest

ACCOUNTS, START, BUCKETS = 40, 1000, 20
REDIS_TROUBLE = (redis.exceptions.RedisError, redis.exceptions.RedisClusterException, OSError)


class Kind:
    weight = 4
    rolled_back = 0.12  # how many of them
    tables = {}         # columns behind the id, by name

    def seed(self, after):
        """What must be there before the storm."""

    def watch(self, client):
        """Called now and then by the gauge."""

    def judge(self, after):
        """Afterwards: what the clients were told is true, each effect is there once."""

    @property
    def name(self):
        return type(self).__name__.lower()


class Aftermath:
    """What the servers and Redis hold, and what the clients were told."""

    def __init__(self, case, ledger):
        self.case, self.world, self.ledger = case, case.world, ledger
        self.redis = case.redis()
        self.equal = case.assertEqual

    def rows(self, table, columns="id"):
        return self.world.direct({"t1": "s1", "t2": "s2"}[table.split(".")[0]], f"SELECT {columns} FROM {table}")

    def ids(self, table):
        return sorted(row[0] for row in self.rows(table))

    def fields(self, key):
        """Of the hashes key:0, key:1, ...: transactions' numbers, and how often each came."""
        return {int(n): int(times) for i in range(BUCKETS) for n, times in self.redis.hgetall(f"{key}:{i}").items()}

    def told(self, kind, there):
        """What is there was not refused, and what was acknowledged is there."""
        acked, unknown = self.ledger.of(kind.name, "acked"), self.ledger.of(kind.name, "unknown")
        self.equal(acked - set(there), set(), f"{kind.name}: acknowledged and lost")
        self.equal(set(there) - acked - unknown, set(), f"{kind.name}: refused and there")

    def once(self, key, numbers):
        self.equal(self.fields(key), dict.fromkeys(numbers, 1), f"{key}: not once each")

    def never_or_once(self, key, without):
        """None of these, and whatever else at most once; how many."""
        found = self.fields(key)
        self.equal((set(found) & set(without), set(found.values()) - {1}), (set(), set()), f"{key}: or twice")
        return len(found)


class Transfer(Kind):
    """Over both servers and Redis; the servers in either order, so that some wait for each other in a circle."""

    weight = 50
    tables = {f"{schema}.{name}": columns for schema in ("t1", "t2") for name, columns in
              (("account", "balance BIGINT NOT NULL, last BIGINT NOT NULL"), ("journal", "l INT, r INT, amount INT"))}

    def seed(self, after):
        accounts = ",".join(f"({i},{START},0)" for i in range(ACCOUNTS))
        for name, schema in (("s1", "t1"), ("s2", "t2")):
            after.world.server[name].script([f"INSERT INTO {schema}.account VALUES " + accounts])
        for i in range(ACCOUNTS):
            after.redis.set(f"last:{i}", 0)
            for side in ("left", "right"):
                after.redis.hset(f"{side}:{i}", "balance", START)

    def statements(self, number, chance):
        amount, left, right = chance.randint(1, 9), chance.randrange(ACCOUNTS), chance.randrange(ACCOUNTS)
        sides = [[f"UPDATE t1.account SET balance = balance - {amount}, last = {number} WHERE id = {left}",
                  f"INSERT INTO t1.journal VALUES ({number}, {left}, {right}, {amount})",
                  f"CALL cache.HINCRBY('left:{left}', 'balance', {-amount})",
                  f"CALL cache.SET('last:{left}', '{number}')"],
                 [f"UPDATE t2.account SET balance = balance + {amount} WHERE id = {right}",
                  f"INSERT INTO t2.journal VALUES ({number}, {left}, {right}, {amount})",
                  f"CALL cache.HINCRBY('right:{right}', 'balance', {amount})",
                  f"CALL cache.RPUSH('list:{right}', '{number}')"]]
        if chance.random() < 0.05:
            sides.reverse()
        yield "BEGIN"
        yield from sides[0]
        if chance.random() < 0.25:
            yield from self.detour(left, right, chance)
        yield from sides[1]
        yield "COMMIT"

    @staticmethod
    def detour(left, right, chance):
        yield "SAVEPOINT detour"
        yield f"UPDATE t1.account SET balance = balance + 1000000 WHERE id = {left}"
        yield f"CALL cache.HINCRBY('left:{left}', 'balance', 1000000)"
        yield f"CALL cache.DEL('last:{left}')"
        if chance.random() < 0.5:
            yield "SAVEPOINT deeper"
            yield f"UPDATE t2.account SET balance = 0 WHERE id = {right}"
            yield f"CALL cache.DEL('right:{right}')"
            yield f"CALL cache.DEL('list:{right}')"
            yield "ROLLBACK TO SAVEPOINT deeper"
        yield "ROLLBACK TO SAVEPOINT detour"
        if chance.random() < 0.5:
            yield "RELEASE SAVEPOINT detour"

    def judge(self, after):
        left, right = ({row[0]: row[1:] for row in after.rows(f"{schema}.journal", "*")} for schema in ("t1", "t2"))
        after.equal(left, right, "half done")
        after.told(self, left)
        expected = {(side, i): START for side in ("left", "right") for i in range(ACCOUNTS)}
        lists = collections.defaultdict(list)
        for number, (l, r, amount) in sorted(left.items()):
            expected["left", l] -= amount
            expected["right", r] += amount
            lists[r].append(number)
        tables = {(side, i): balance for side, schema in (("left", "t1"), ("right", "t2"))
                  for i, balance in after.rows(f"{schema}.account", "id, balance")}
        after.equal(tables, expected, "the tables do not add up to the transfers")
        mirrors = {at: int(after.redis.hget("%s:%s" % at, "balance")) for at in tables}
        after.equal(mirrors, tables, "Redis differs from the tables")
        after.equal({i: int(after.redis.get(f"last:{i}")) for i in range(ACCOUNTS)},
                    dict(after.rows("t1.account", "id, last")), "Redis' last writers differ from the table's")
        after.equal({i: sorted(map(int, after.redis.lrange(f"list:{i}", 0, -1))) for i in range(ACCOUNTS)},
                    {i: lists[i] for i in range(ACCOUNTS)}, "Redis' lists differ from the journal")


class Solo(Kind):
    """Decided by one server alone."""

    tables = {"t1.solo": "", "t2.solo": ""}

    def statements(self, number, chance):
        yield "BEGIN"
        yield f"INSERT INTO t{chance.randint(1, 2)}.solo VALUES ({number})"
        yield "COMMIT"

    def judge(self, after):
        after.told(self, after.ids("t1.solo") + after.ids("t2.solo"))


class Mirror(Kind):
    """Redis alone, as a transaction."""

    weight = 5

    def statements(self, number, chance):
        yield "BEGIN"
        yield f"CALL cache.HSET('mirror:{chance.randrange(BUCKETS)}', '{number}', '1')"
        yield f"CALL cache.SADD('mirrors', '{number}')"
        yield "COMMIT"

    def judge(self, after):
        there = set(after.fields("mirror"))
        after.told(self, there)
        after.equal({int(one) for one in after.redis.smembers("mirrors")}, there, "half done in Redis")


class Auto(Kind):
    """A statement by itself."""

    weight = 3
    tables = {"t2.auto": ""}

    def statements(self, number, _chance):
        yield f"INSERT INTO t2.auto VALUES ({number})"

    def judge(self, after):
        after.told(self, after.ids("t2.auto"))


class Call(Kind):
    """A CALL by itself."""

    weight = 3

    def statements(self, number, chance):
        yield f"CALL cache.HSET('call:{chance.randrange(BUCKETS)}', '{number}', '1')"

    def judge(self, after):
        after.told(self, after.fields("call"))


class Count(Kind):
    """Counters with bounds that many change at once, and nobody waits."""

    weight = 6
    tables = {"t1.counted": "counter INT, amount INT"}
    COUNTERS, LEAST, MOST, FIRST = 4, 0, 100, 50

    def __init__(self):
        self.seen = collections.Counter()

    def seed(self, after):
        for i in range(self.COUNTERS):
            after.redis.hset(f"counter:{i}", "n", self.FIRST)

    def statements(self, number, chance):
        counter, amount = chance.randrange(self.COUNTERS), chance.randint(-30, 30)
        yield "BEGIN"
        yield f"CALL cache.XAINCR('counter:{counter}', 'n', {amount}, {self.LEAST}, {self.MOST})"
        if chance.random() < 0.3:
            yield "SAVEPOINT more"
            yield f"CALL cache.XAINCR('counter:{chance.randrange(self.COUNTERS)}', 'n', 1, NULL, {self.MOST})"
            yield "ROLLBACK TO SAVEPOINT more"
        yield f"INSERT INTO t1.counted VALUES ({number}, {counter}, {amount})"
        yield "COMMIT"

    def watch(self, client):
        for i in range(self.COUNTERS):
            value = int(client.hget(f"counter:{i}", "n"))
            self.seen["within" if self.LEAST <= value <= self.MOST else f"broken: {value}"] += 1

    def judge(self, after):
        rows = after.rows("t1.counted", "*")
        after.told(self, [row[0] for row in rows])
        sums = [self.FIRST + sum(amount for _, counter, amount in rows if counter == i) for i in range(self.COUNTERS)]
        after.equal([int(after.redis.hget(f"counter:{i}", "n")) for i in range(self.COUNTERS)], sums, "not what was committed")
        after.equal(set(self.seen) - {"within"}, set(), "a bound was broken")
        refused = sum(times for text, times in after.ledger.errors.items() if text.startswith("1690"))
        print(f"# count: {len(rows)} committed, {refused} refused by a bound, looked at {self.seen['within']} times")


class Locked(Kind):
    """Lock, read, compute, write: no change is lost."""

    tables = {"t1.locked": "counter INT, amount INT"}
    COUNTERS = 6

    def statements(self, number, chance):
        counter, amount = chance.randrange(self.COUNTERS), chance.randint(1, 9)
        yield "BEGIN"
        yield f"CALL cache.XALOCK('locked:{counter}')"
        yield f"CALL cache.GET('locked:{counter}')"
        yield lambda rows, _world: f"CALL cache.SET('locked:{counter}', {int(rows[0][0] or 0) + amount})"
        yield f"INSERT INTO t1.locked VALUES ({number}, {counter}, {amount})"
        yield "COMMIT"

    def judge(self, after):
        rows = after.rows("t1.locked", "*")
        after.told(self, [row[0] for row in rows])
        sums = [sum(amount for _, counter, amount in rows if counter == i) for i in range(self.COUNTERS)]
        after.equal([int(after.redis.get(f"locked:{i}") or 0) for i in range(self.COUNTERS)], sums, "a change was lost")
        print(f"# locked: {len(rows)} computed from what was read")


class Dirty(Kind):
    """Somebody writes past the proxy what a transaction has just written: never overwritten unasked, told, counters add up.

    The other one looks and writes in one step, so that afterwards Redis says whether it came before the undo."""

    weight = 5
    rolled_back = 0.5
    tables = {"t1.dirty": ""}
    PAST = """if redis.call('GET', KEYS[1]) == 'mine' then redis.call('SET', KEYS[1], 'theirs') end
              if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('INCRBY', KEYS[2], 100) end"""
    # By policy: what may be there of (text, counter) after a rollback, and which of them is a conflict.
    ROLLED_BACK = {"cache": {(None, None): "", ("theirs", "100"): "t"}, "skip": {(None, None): "", ("theirs", "105"): "tn"},
                   "force": {(None, None): "", (None, "100"): ""}}

    def __init__(self, policies=("cache", "skip", "force")):
        self.policies = policies

    def policy(self, number):
        return self.policies[number % len(self.policies)]

    def statements(self, number, _chance):
        at = self.policy(number)
        yield "SET xa_mode = 'xa'"
        yield "BEGIN"
        yield f"INSERT INTO t1.dirty VALUES ({number})"
        yield f"CALL {at}.SET('{{dirty:{number}}}t', 'mine')"
        yield f"CALL {at}.INCRBY('{{dirty:{number}}}n', 5)"
        yield lambda _rows, world: self.past(world, number)
        yield "COMMIT"

    def past(self, world, number):
        with contextlib.suppress(*REDIS_TROUBLE):
            world.past(self.policy(number)).eval(self.PAST, 2, f"{{dirty:{number}}}t", f"{{dirty:{number}}}n")

    def judge(self, after):
        committed, flagged = set(after.ids("t1.dirty")), collections.Counter(self.conflicts(after))
        after.told(self, committed)
        after.equal(set(flagged.values()) - {1}, set(), "told twice")
        expected, met = set(), 0
        for number in [number for number, kind in after.ledger.kind.items() if kind == self.name]:
            there = tuple(after.world.past(self.policy(number)).mget(f"{{dirty:{number}}}t", f"{{dirty:{number}}}n"))
            met += there[0] == "theirs"
            allowed = {("mine", "5"): "", ("theirs", "105"): ""} if number in committed else self.ROLLED_BACK[self.policy(number)]
            after.case.assertIn(there, allowed, f"{number} at {self.policy(number)}, committed: {number in committed}")
            expected |= {f"{{dirty:{number}}}{key}" for key in allowed[there]}
        after.equal(set(flagged), expected, "conflicts, and what was changed past the proxy")
        print(f"# dirty: {len(committed)} committed, {met} times somebody else's change stands, {len(flagged)} conflicts told")

    def conflicts(self, after):
        """Their keys; each is shown, dismissed and gone."""
        shown = {}
        with contextlib.closing(after.world.admin()) as db, db.cursor() as cursor:
            def none_left():
                cursor.execute("SHOW CONFLICTS")
                rows = [dict(zip([column[0] for column in cursor.description], row)) for row in cursor.fetchall()]
                for row in rows:
                    if row["id"] not in shown:
                        cursor.execute(f"DISMISS CONFLICT '{row['id']}'")
                    shown[row["id"]] = row["key"]
                return not rows
            xatest.until(lambda: none_left() and not after.world.own_keys("*:k"), 60, "conflicts are not dismissed")
        return shown.values()


PLAIN = (Transfer, Solo, Mirror, Auto, Call, Count, Locked, Dirty)
