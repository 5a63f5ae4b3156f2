"""The kinds of transactions in a storm whose effects come after the decision: outbox, sagas, TCC, held writes."""
import collections

from storm_kinds import BUCKETS, Kind


class Outbox(Kind):
    """One server, and actions for either outcome: rows, Redis, messages. Nothing in their tables keeps a double out."""

    weight = 6
    tables = {"t1.outbox": "", "t2.delivered": None}

    def statements(self, number, chance):
        bucket = chance.randrange(BUCKETS)
        yield "SET xa_mode = 'xa'"
        yield "BEGIN"
        yield f"CALL xa.on_rollback('cache', 'HINCRBY', 'withdrawn:{bucket}', '{number}', 1)"
        yield f"INSERT INTO t1.outbox VALUES ({number})"
        yield f"CALL xa.on_commit('t2', 'INSERT INTO delivered VALUES (?)', {number})"
        yield f"CALL xa.on_commit('cache', 'HINCRBY', 'delivered:{bucket}', '{number}', 1)"
        yield f"CALL xa.on_commit('cache', 'XADD', 'messages', '*', 'number', {number})"
        yield "COMMIT"

    def judge(self, after):
        sent = after.ids("t1.outbox")
        after.told(self, sent)
        after.equal(after.ids("t2.delivered"), sent, "not delivered once each")
        after.once("delivered", sent)
        messages = [fields for _, fields in after.redis.xrange("messages")]
        after.equal(sorted(int(fields["number"]) for fields in messages), sent, "not one message each")
        after.equal(len({fields["xa-id"] for fields in messages}), len(sent), "two messages share an id")
        print(f"# outbox: {len(sent)} delivered to both and told, {after.never_or_once('withdrawn', sent)} withdrawn")


class Saga(Kind):
    """Two steps on two servers, the first on Redis too, and an empty third: whatever happens between them, all or nothing."""

    weight = 6
    tables = {"t1.saga": "", "t2.saga": ""}

    def statements(self, number, chance):
        bucket = chance.randrange(BUCKETS)
        yield "SET xa_mode = 'saga'"
        yield "BEGIN"
        yield "CALL xa.step('first')"
        yield f"INSERT INTO t1.saga VALUES ({number})"
        yield f"CALL xa.on_rollback('t1', 'DELETE FROM saga WHERE id = ?', {number})"
        yield f"CALL cache.HSET('saga:{bucket}', '{number}', '1')"
        yield f"CALL xa.on_rollback('cache', 'HDEL', 'saga:{bucket}', '{number}')"
        yield "CALL xa.step('second')"
        yield f"INSERT INTO t2.saga VALUES ({number})"
        yield f"CALL xa.on_rollback('t2', 'DELETE FROM saga WHERE id = ?', {number})"
        yield f"CALL xa.on_rollback('cache', 'HINCRBY', 'taken back:{bucket}', '{number}', 1)"
        yield "CALL xa.step('third')"
        yield "COMMIT"

    def judge(self, after):
        sagas = after.ids("t1.saga")
        after.told(self, sagas)
        after.equal(after.ids("t2.saga"), sagas, "sagas half done")
        after.once("saga", sagas)
        print(f"# saga: {len(sagas)} whole, {after.never_or_once('taken back', sagas)} taken back behind their second step")


class Tcc(Kind):
    """A try that reserves and commits; then it is confirmed or cancelled, on a server and in Redis, one of both and once."""

    tables = {"t1.tcc": "ended VARCHAR(30) NOT NULL"}

    def statements(self, number, chance):
        held = f"reserved:{chance.randrange(BUCKETS)}"
        yield "SET xa_mode = 'saga'"
        yield "BEGIN"
        yield "CALL xa.step('try')"
        yield f"CALL xa.on_rollback('t1', 'UPDATE tcc SET ended = CONCAT(ended, ?) WHERE id = ?', 'cancelled', {number})"
        yield f"CALL xa.on_rollback('cache', 'HINCRBY', '{held}', '{number}', -1)"
        yield f"INSERT INTO t1.tcc VALUES ({number}, '')"
        yield f"CALL cache.HINCRBY('{held}', '{number}', 1)"
        yield f"CALL xa.on_commit('t1', 'UPDATE tcc SET ended = CONCAT(ended, ?) WHERE id = ?', 'confirmed', {number})"
        yield f"CALL xa.on_commit('cache', 'HINCRBY', '{held}', '{number}', -1)"
        yield "CALL xa.step('tried')"
        yield "COMMIT"

    def judge(self, after):
        ended = dict(after.rows("t1.tcc", "id, ended"))
        after.equal(set(ended.values()) - {"confirmed", "cancelled"}, set(), "ended otherwise than once")
        after.told(self, [number for number, how in ended.items() if how == "confirmed"])
        after.equal(after.fields("reserved"), dict.fromkeys(ended, 0), "a reservation was not given back once")
        print(f"# tcc: {dict(collections.Counter(ended.values()))}")


class Held(Kind):
    """Writes that wait for the decision, by the session's word and by the call's."""

    weight = 6
    tables = {"t1.held": ""}

    def statements(self, number, chance):
        bucket = chance.randrange(BUCKETS)
        yield "SET xa_redis_writes = held"
        yield "BEGIN"
        yield f"INSERT INTO t1.held VALUES ({number})"
        yield f"CALL cache.HINCRBY('by session:{bucket}', '{number}', 1)"
        yield "SAVEPOINT more"
        yield f"CALL cache.HELD('HINCRBY', 'never:{bucket}', '{number}', 1)"
        yield "ROLLBACK TO SAVEPOINT more"
        yield f"CALL cache.HELD('HINCRBY', 'by call:{bucket}', '{number}', 1)"
        yield "SET xa_redis_writes = DEFAULT"
        yield "COMMIT"

    def judge(self, after):
        sent = after.ids("t1.held")
        after.told(self, sent)
        for key, expected in (("by session", sent), ("by call", sent), ("never", [])):
            after.once(key, expected)
        print(f"# held: {len(sent)} done once each, two writes at a time")


ACTIONS = (Outbox, Saga, Tcc, Held)
