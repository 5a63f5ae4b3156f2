"""CALL of what is not a plain command: commands that wait, scripts, commands that the table does not know."""
import hashlib
import os
import subprocess
import threading
import time

import pymysql
import xatest
from calling import Calling
from running import Running


class Commands(Calling):
    world_options = {"redis_options": "lock_wait = 700ms\nscripts = declared"}

    def rolled_back(self, *calls):
        """Runs the calls in a transaction that is rolled back; their answers."""
        self.sql("BEGIN")
        answers = [self.call(*one) for one in calls]
        self.sql("ROLLBACK")
        self.world.settle()
        return answers


class Waiting(Commands):
    FORMS = [(("BLPOP", "none", "l", 1), ((0, "l"), (1, "a"))), (("BRPOP", "l", 1), ((0, "l"), (1, "c"))),
             (("BLMOVE", "l", "m", "RIGHT", "LEFT", 1), (("c",),)), (("BRPOPLPUSH", "l", "m", 1), (("c",),)),
             (("BLMPOP", 1, 2, "none", "l", "LEFT", "COUNT", 2), (('["l",["a","b"]]',),)),
             (("BZPOPMIN", "z", 1), ((0, "z"), (1, "x"), (2, "1"))),
             (("BZPOPMAX", "none", "z", 1), ((0, "z"), (1, "y"), (2, "2"))),
             (("BZMPOP", 1, 1, "z", "MAX"), (('["z",[["y","2"]]]',),))]

    def fill(self):
        self.r.flushall()
        self.r.rpush("l", "a", "b", "c")
        self.r.zadd("z", {"x": 1, "y": 2})

    def test_what_is_there_is_taken_at_once_and_comes_back(self):
        for command, answer in self.FORMS:
            with self.subTest(command[0]):
                self.fill()
                self.assertEqual(self.rolled_back(command), [answer])
                self.assertEqual((self.r.lrange("l", 0, -1), self.r.exists("m"), self.r.zrange("z", 0, -1)),
                                 (["a", "b", "c"], 0, ["x", "y"]))

    def test_outside_a_transaction_they_do_the_same(self):
        for command, answer in self.FORMS:
            with self.subTest(command[0]):
                self.fill()
                self.assertEqual(self.call(*command), answer)
                self.assertLess(self.r.llen("l") + self.r.zcard("z"), 5)

    def test_nothing_comes_within_the_timeout(self):
        for begin in ("COMMIT", "BEGIN"):
            self.sql(begin)
            begun = time.monotonic()
            self.assertEqual(self.call("BLPOP", "none", 0.3), ((None,),))
            self.assertGreater(time.monotonic() - begun, 0.25)
            self.assertEqual(self.world.cache.open_fields(), [])  # who finds nothing holds nothing
            self.sql("ROLLBACK")

    def taker(self, *statements):
        """Another session in a thread of its own; its rows are in the list when it is done."""
        db, rows = self.connect(), []

        def run():
            for statement in statements:
                rows.append(self.rows(db, statement))
        thread = threading.Thread(target=run)
        thread.start()
        return thread, rows, db

    def test_what_another_one_commits_arrives(self):
        thread, rows, _ = self.taker("BEGIN", "CALL cache.BLPOP('queue', 50)", "COMMIT")
        self.sql("BEGIN", "CALL cache.RPUSH('queue', 'job')", "COMMIT")
        thread.join(60)
        self.assertEqual(rows[1], ((0, "queue"), (1, "job")))
        self.assertEqual(self.r.exists("queue"), 0)

    def test_who_waits_for_ever_can_be_killed(self):
        for begin in ("ROLLBACK", "BEGIN"):
            with self.subTest(begin), self.connect() as db:
                self.run_sql(db, begin)
                running = Running(db, "CALL cache.BLPOP('none', 0)")
                xatest.until(lambda: self.state_of(db) == "waiting for an element in Redis cache", 10, "it does not wait")
                self.sql(f"KILL QUERY {db.thread_id()}")
                self.assertEqual(running.end(), 1317)
                self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))

    def state_of(self, db):
        with self.world.admin() as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SHOW PROCESSLIST")
            return {row["Id"]: row["State"] for row in cursor.fetchall()}.get(db.thread_id())

    def test_a_timeout_that_is_none(self):
        self.refused(1644, self.db, "CALL cache.BLPOP('l', 'soon')")
        for wrong in ("'soon'", "-1", "''", "99999999999999999999"):
            self.refused(1644, self.db, f"CALL cache.XREAD('BLOCK', {wrong}, 'STREAMS', 's', '$')")

    def test_streams(self):
        """With BLOCK they wait outside of transactions, for what is new."""
        self.r.xadd("s", {"f": "old"}, id="1-1")
        self.r.xgroup_create("s", "g", "$")
        for call in ("XREADGROUP('GROUP', 'g', 'c', 'BLOCK', 0, 'STREAMS', 's', '>')", "XREAD('BLOCK', 0, 'STREAMS', 'none', 's', '$', '$')"):
            with self.subTest(call), self.connect() as db:
                self.run_sql(db, "BEGIN")
                self.refused(1235, db, "CALL cache." + call)
                self.run_sql(db, "ROLLBACK")
                running = Running(db, "CALL cache." + call)
                xatest.until(lambda: self.state_of(db) == "waiting for an element in Redis cache", 10, "it does not wait")
                self.r.xadd("s", {"f": "new"})
                self.assertEqual(running.end(), 0)
        self.assertEqual(self.rows(self.db, "CALL cache.XREAD('BLOCK', 20, 'STREAMS', 's', '$')"), ((None,),))


class Scripts(Commands):
    waiting = 1644, "not allowed"  # what a script that would wait is told

    def eval(self, text, *args):
        return self.call("EVAL", text, *args)

    def test_a_script_is_taken_back(self):
        self.r.rpush("k", "old")
        answers = self.rolled_back(("EVAL", "redis.call('DEL', KEYS[1]) redis.call('SET', KEYS[1], ARGV[1]) "
                                            "return {redis.call('GET', KEYS[1]), redis.call('INCR', KEYS[2]), cjson.encode({1})}",
                                    2, "k", "n", "new"))
        self.assertEqual(answers, [((0, "new"), (1, "1"), (2, "[1]"))])
        self.assertEqual((self.r.lrange("k", 0, -1), self.r.exists("n")), (["old"], 0))

    def test_a_script_is_committed_and_holds_its_keys(self):
        self.sql("BEGIN")
        self.eval("return redis.call('SET', KEYS[1], 'x')", 1, "k")
        self.refused(1205, self.connect(), "CALL cache.SET('k', 'y')")
        self.sql("COMMIT")
        self.world.settle()
        self.assertEqual(self.r.get("k"), "x")

    def test_a_script_that_fails_half_way_has_done_nothing(self):
        self.r.set("k", "old")
        self.sql("BEGIN")
        for text in ("redis.call('SET', KEYS[1], 'half') redis.call('LPUSH', KEYS[1], 1)",
                     "redis.call('DEL', KEYS[1]) return redis.error_reply('MY mistake')",
                     "redis.call('DEL', KEYS[1]) error('mine')", "redis.call('DEL', KEYS[1]) error({err = {}})",
                     "redis.call('DEL', KEYS[1]) error({})", "redis.call('DEL', KEYS[1]) return {err = {}}",
                     "redis.call('DEL', KEYS[1]) error(setmetatable({}, {__index = error, __tostring = error}))",
                     "redis.call('DEL', KEYS[1]) return setmetatable({}, {__index = error, __metatable = false})"):
            with self.subTest(text):
                self.refused(1644, self.db, "CALL cache.EVAL(%s, 1, 'k')", text)
                self.assertEqual(self.r.get("k"), "old")
        self.sql("COMMIT")

    def test_a_script_that_talks_like_the_library_is_taken_for_a_script(self):
        """Whatever its error says: it is no lock, no empty list, no other node, and the transaction goes on."""
        for said in ("XALOCKED", "XALOCKED  ", "XALOCKED xap1:a:b key", "XAEMPTY", "XAEMPTY 1-1", "XAFENCED by me", "XASTALE by me",
                     "XALOST by me", "-XALOCKED a b", "MOVED 1 127.0.0.1:1", "ERR Function not found"):
            for command in ("EVAL", "EVAL_RO"):
                for begin in ("COMMIT", "BEGIN"):
                    with self.subTest(said, command=command, begin=begin):
                        self.sql(begin)
                        with self.assertRaises(pymysql.err.MySQLError) as raised:
                            self.call(command, "return {err = ARGV[1]}", 1, "k", said)
                        self.assertIn(said.strip(), raised.exception.args[1])
                        self.call("SET", "k", said)
                        self.sql("COMMIT")
                        self.world.settle()
                        self.assertEqual(self.r.get("k"), said)

    def test_outside_a_transaction_a_script_that_fails_half_way_keeps_its_half(self):
        """As on Redis itself, and as the manual says."""
        self.refused(1644, self.db, "CALL cache.EVAL(%s, 1, 'k')", "redis.call('SET', KEYS[1], 'half') error('mine')")
        self.assertEqual(self.r.get("k"), "half")

    def test_what_a_script_did_not_declare_it_cannot_touch(self):
        for text in ("return redis.call('SET', 'other', 1)", "return redis.call('FLUSHALL')",
                     "return redis.call('PUBLISH', 'c', 'm')", "return redis.pcall('DEL', 'other')", "return redis.call('RENAME', KEYS[1], 'other')"):
            for begin in ("COMMIT", "BEGIN"):
                with self.subTest(text, begin=begin):
                    self.r.set("other", "theirs")
                    self.r.set("k", "mine")
                    self.sql(begin)
                    self.refused(1235, self.db, "CALL cache.EVAL(%s, 1, 'k')", text)
                    self.sql("ROLLBACK")
                    self.assertEqual((self.r.get("other"), self.r.get("k")), ("theirs", "mine"))

    def test_a_script_finds_no_other_keys_through_those_that_it_declared(self):
        """In another database, where the proxy's own words would go too, by patterns of SORT, and by what shows keys."""
        for text in ("redis.call('SELECT', 1) redis.call('SET', KEYS[1], 'x')", "redis.call('MOVE', KEYS[1], 1)",
                     "redis.call('copy', KEYS[1], KEYS[1], 'db', 1)", "redis.call('SORT', KEYS[1], 'BY', 'nosort', 'get', 'oth*')",
                     "redis.call('SORT_RO', KEYS[1], 'BY', 'oth*')", "redis.call('KEYS', '*')", "redis.call('SCAN', 0)",
                     "redis.call('RANDOMKEY')"):
            for begin in ("COMMIT", "BEGIN"):
                with self.subTest(text, begin=begin):
                    self.r.delete("k")
                    self.r.rpush("k", "er")
                    self.sql(begin)
                    self.assertIn("a script may not run", self.refused(1235, self.db, "CALL cache.EVAL(%s, 1, 'k')", text))
                    self.sql("ROLLBACK")
                    self.assertEqual(self.r.lrange("k", 0, -1), ["er"])
        self.assertEqual(self.call("EVAL", "redis.call('RPUSH', KEYS[1], 'a') return redis.call('SORT', KEYS[1], 'ALPHA', 'GET', '#')", 1, "k"),
                         ((0, "a"), (1, "er")))
        self.assertEqual(self.call("EVAL", "return redis.call('COPY', KEYS[1], KEYS[2], 'REPLACE')", 2, "k", "DB"), ((1,),))

    def test_a_script_that_declares_nothing(self):
        """It may say and compute what it likes, and touches no key."""
        for begin, end in (("COMMIT", "COMMIT"), ("BEGIN", "ROLLBACK"), ("BEGIN", "COMMIT")):
            with self.subTest(begin + end):
                self.r.set("k", "mine")
                self.sql(begin)
                self.assertEqual(self.call("EVAL", "return redis.call('ECHO', ARGV[1])", 0, "said"), (("said",),))
                self.refused(1235, self.db, "CALL cache.EVAL(%s, 0)", "return redis.call('GET', 'k')")
                self.refused(1235, self.db, "CALL cache.EVAL(%s, 0)", "return redis.call('SET', 'k', 1)")
                self.sql("CALL cache.SET('k', 'ours')" if begin == "BEGIN" else "DO 0", end)
                self.assertEqual(self.r.get("k"), "ours" if (begin, end) == ("BEGIN", "COMMIT") else "mine")
                self.world.settle()

    def test_a_script_finds_no_way_round_what_it_sees_as_redis(self):
        """Not to the real redis, not to another text with its own globals, nor into its tools."""
        self.r.set("other", "theirs")
        self.r.set("k", "mine")
        write = "('SET', 'other', 1) return 'done'"
        for text in (f"getmetatable(redis).__index.call{write}", f"loadstring('return redis')().call{write}",
                     f"load(function() return 'return redis' end)().call{write}", f"getfenv(0).redis.call{write}",
                     f"getfenv(1).redis.call{write}", f"_G.redis.call{write}", f"setfenv(1, _G) redis.call{write}",
                     f"rawget(redis, 'call'){write}", f"server.call{write}", "server.pcall('SET', 'other', 1) error('x')",
                     f", _G ARGV.redis.call{write}", f".. '' redis.call{write}", f"rawget(_G, 'redis').call{write}",
                     f"local f = function(...) return ... end f(...) select(3, ...).call{write}",
                     "tostring = function() return 'GET' end return 1", "string.upper = function() return 'GET' end return 1"):
            for begin in ("COMMIT", "BEGIN"):
                with self.subTest(text, begin=begin):
                    self.sql(begin)
                    with self.assertRaises(pymysql.err.MySQLError):
                        self.eval(text, 1, "k")
                    self.assertEqual((self.r.get("other"), self.r.get("k")), ("theirs", "mine"))
                    self.sql("COMMIT")

    def test_a_script_has_the_harmless_part_of_redis(self):
        text = ("redis.log(redis.LOG_DEBUG, 'x') local t = setmetatable({}, {__index = function() return 'y' end}) "
                "return {redis.sha1hex(''), redis.status_reply('fine'), t.anything, select('#', unpack(KEYS))}")
        self.assertEqual(self.eval(text, 1, "k"), ((0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"), (1, "fine"), (2, "y"), (3, "1")))

    def test_a_first_line_says_flags_as_redis_reads_it(self):
        write, read = "redis.call('SET', KEYS[1], 'new') return 'done'", "return redis.call('GET', KEYS[1])"
        for begin in ("COMMIT", "BEGIN"):
            self.r.set("k", "old")
            self.sql(begin)
            for line, why in (("#!python", "Unexpected engine"), ("#!luajit", "Unexpected engine"), ("#!lua badger=data", "Unknown lua shebang"),
                              ("#!lua flags=allow-oom,what?", "Unexpected flag"), ("#!lua flags=no-writes", "read-only scripts")):
                with self.subTest(line, begin=begin):
                    self.assertIn(why, self.refused(1644, self.db, "CALL cache.EVAL(%s, 1, 'k')", f"{line}\n{write}"))
            self.assertIn("Invalid script shebang", self.refused(1644, self.db, "CALL cache.EVAL('#!lua', 1, 'k')"))
            for line in ("#!lua", "#!lua flags=", "#!lua flags=allow-oom,no-writes", "#!lua  flags=allow-stale "):
                with self.subTest(line, begin=begin):
                    self.assertEqual(self.eval(f"{line}\n{read}", 1, "k"), (("old",),))
            self.sql("COMMIT")
            self.world.settle()
            self.assertEqual(self.r.get("k"), "old")

    def test_a_script_that_asks_in_resp3(self):
        """What it is answered is of that protocol, what it undoes is what it was, and the next script begins in RESP2."""
        self.r.hset("h", "f", "1")
        text = ("redis.setresp(3) local r = redis.pcall('HGETALL', KEYS[1]) redis.call('HSET', KEYS[1], 'f', '2') "
                "redis.call('SET', KEYS[2], 'x') return {r.map.f, type(redis.call('GET', 'none'))}")
        asks = "return {type(redis.call('GET', 'none')), redis.call('HGETALL', KEYS[1])[1]}"
        for _ in range(2):
            answers = self.rolled_back(("EVAL", text, 3, "h", "k", "none"), ("EVAL", asks, 2, "h", "none"))
            self.assertEqual(answers, [((0, "1"), (1, "nil")), ((0, "boolean"), (1, "f"))])
            self.assertEqual((self.r.hgetall("h"), self.r.exists("k")), ({"f": "1"}, 0))
        self.assertEqual(self.eval("redis.setresp(3) return redis.call('HGETALL', KEYS[1])", 1, "h"), ((0, "f"), (1, "1")))
        self.assertIn("2 or 3", self.refused(1644, self.db, "CALL cache.EVAL('redis.setresp(4)', 0)"))

    def test_in_resp3_too_a_script_keeps_to_its_keys(self):
        self.r.mset({"k": "mine", "other": "theirs"})
        for what in ("redis.call('SET', 'other', 1)", "redis.pcall('RENAME', KEYS[1], 'other')", "redis.call('PUBLISH', 'c', 'm')"):
            with self.subTest(what):
                self.refused(1235, self.db, "CALL cache.EVAL(%s, 1, 'k')", f"redis.setresp(3) pcall(redis.call, {{}}) return {what}")
        self.assertEqual(self.r.mget("k", "other"), ["mine", "theirs"])

    def test_replies_that_cannot_be_passed_on(self):
        """An error, and the script is taken back; six lists in one another can be, also ahead of others and twice."""
        for begin in ("COMMIT", "BEGIN"):
            with self.subTest(begin):
                self.sql(begin)
                self.call("EVAL", "return {{{{{{1}}}}}}", 0)
                for text in ("return {{{{{{{1}}}}}}}", "local a = {} a[1] = {a} return a",
                             "redis.setresp(3) local a = {} a.map = a return a"):
                    said = self.refused(1644, self.db, "CALL cache.EVAL(%s, 1, 'k')", f"redis.call('SET', KEYS[1], 'x') {text}")
                    self.assertIn("6 lists in one another", said)
                self.sql("COMMIT")
                self.world.settle()
                self.assertEqual(self.r.get("k"), "x" if begin == "COMMIT" else None)
                self.r.delete("k")

    def test_a_reply_is_what_its_table_has_whatever_its_metatable_says(self):
        text = "redis.call('SET', KEYS[1], 'x') return setmetatable({'a'}, {__index = function() error('asked') end})"
        for begin in ("COMMIT", "BEGIN"):
            self.sql(begin)
            self.assertEqual(self.eval(text, 1, "k"), ((0, "a"),))
            self.sql("COMMIT")

    def test_commands_that_scripts_of_redis_may_not_run_or_with_too_few_words(self):
        few = 1644, "number of args"
        for what, (code, why) in (("redis.call('SET', KEYS[1])", few), ("redis.call('INCR')", few), ("redis.call('GET')", few),
                                  ("redis.call('BRPOPLPUSH', KEYS[1], 'other', 0)", self.waiting)):
            with self.subTest(what):
                self.assertIn(why, self.refused(code, self.db, "CALL cache.EVAL(%s, 1, 'k')", what))
        for count, why in (("-1", "negative"), ("2, 'k'", "greater"), ("'k'", "must declare"), ("''", "must declare")):
            self.assertIn(why, self.refused(1235, self.db, f"CALL cache.EVAL('return 1', {count})"))

    def digest(self, text):
        return hashlib.sha1(text.encode()).hexdigest()

    def test_a_script_is_known_by_its_digest_once_it_ran(self):
        """In every session, and undone as any; what nobody sent answers as Redis would, so that clients send the text."""
        text = "redis.call('SET', KEYS[1], ARGV[1]) return ARGV[1]"
        self.assertIn("NOSCRIPT", self.refused(1644, self.db, "CALL cache.EVALSHA(%s, 1, 'k', 'x')", self.digest(text)))
        self.assertIn("NOSCRIPT", self.refused(1644, self.db, "CALL cache.EVALSHA('f', 1, 'k', 'x')"))
        self.eval(text, 1, "k", "old")
        with self.connect() as other:
            self.assertEqual(self.call("EVALSHA", self.digest(text).upper(), 1, "k", "mine", db=other), (("mine",),))
        self.assertEqual(self.rolled_back(("EVALSHA", self.digest(text), 1, "k", "new")), [(("new",),)])
        self.assertEqual(self.r.get("k"), "mine")

    def test_a_script_that_was_loaded(self):
        text = "return redis.call('INCR', KEYS[1])"
        self.assertEqual(self.call("SCRIPT", "LOAD", text), ((self.digest(text),),))
        self.assertEqual(self.call("SCRIPT", "EXISTS", self.digest(text), self.digest("")), ((0, 1), (1, 0)))
        self.assertEqual(self.rolled_back(("EVALSHA", self.digest(text), 1, "n")), [((1,),)])
        self.assertEqual(self.r.exists("n"), 0)
        self.assertIn("compiling", self.refused(1644, self.db, "CALL cache.SCRIPT('LOAD', 'return return')"))
        self.refused(1235, self.db, "CALL cache.SCRIPT('FLUSH')")

    LIBRARY = """#!lua name=mine
        local function put(keys, args) redis.call('SET', keys[1], args[1]) return redis.call('GET', keys[1]) end
        redis.register_function('Put', put)
        redis.register_function{function_name = 'look', flags = {'no-writes'},
                                callback = function(keys) return redis.call('GET', keys[1]) end}
        redis.register_function('stray', function(keys) redis.call('SET', keys[1], 1) return redis.call('SET', 'other', 1) end)"""

    def test_a_function_is_taken_back(self):
        self.r.function_load(self.LIBRARY, replace=True)
        self.r.set("k", "old")
        self.assertEqual(self.rolled_back(("FCALL", "put", 1, "k", "new"), ("FCALL_RO", "look", 1, "k")), [(("new",),)] * 2)
        self.assertEqual(self.r.get("k"), "old")
        self.assertEqual(self.call("FCALL", "Put", 1, "k", "out"), (("out",),))
        self.r.function_load(self.LIBRARY.replace("args[1])", "'mended')"), replace=True)
        self.assertEqual(self.call("FCALL", "put", 1, "k", "x"), (("mended",),))  # always the library that stands there now

    def test_a_function_keeps_to_its_keys(self):
        self.r.function_load(self.LIBRARY, replace=True)
        self.r.mset({"k": "mine", "other": "theirs"})
        self.sql("BEGIN")
        self.refused(1235, self.db, "CALL cache.FCALL('stray', 1, 'k')")
        self.assertIn("Function not found", self.refused(1644, self.db, "CALL cache.FCALL('nosuch', 1, 'k')"))
        self.refused(1235, self.db, "CALL cache.FCALL('put', 0, 'k')")
        self.sql("COMMIT")
        self.assertEqual(self.r.mget("k", "other"), ["mine", "theirs"])

    def test_a_function_that_says_it_does_not_write_does_not(self):
        self.r.function_load("#!lua name=mine\nredis.register_function{function_name = 'look', flags = {'no-writes'}, "
                             "callback = function(keys) return redis.call('SET', keys[1], 'x') end}", replace=True)
        self.assertIn("read-only", self.refused(1644, self.db, "CALL cache.FCALL('look', 1, 'k')"))
        self.assertEqual(self.r.exists("k"), 0)

    def test_functions_are_registered_where_their_library_is_read_only(self):
        self.r.function_load("#!lua name=mine\nlocal version = redis.REDIS_VERSION_NUM redis.register_function('again', function() "
                             "redis.register_function('other', function() end) end) "
                             "redis.register_function('version', function() return version end)", replace=True)
        self.assertIn("register_function", self.refused(1644, self.db, "CALL cache.FCALL('again', 0)"))
        self.assertIn("register_function", self.refused(1644, self.db, "CALL cache.EVAL('redis.register_function(1, 2)', 0)"))
        self.assertGreater(self.call("FCALL", "version", 0)[0][0], 0x70000)

    def test_a_script_that_only_reads(self):
        self.r.set("k", "v")
        self.assertEqual(self.call("EVAL_RO", "return redis.call('GET', KEYS[1])", 1, "k"), (("v",),))
        self.assertEqual(self.call("EVAL_RO", "return 'no key'", 0), (("no key",),))

    def test_a_script_that_only_reads_waits_for_its_keys(self):
        """Named by text, by digest or as a function: within a transaction it sees committed values, and writes nothing."""
        text = "return redis.call('GET', KEYS[1]) or redis.call('SET', KEYS[1], 1)"
        self.r.function_load(self.LIBRARY, replace=True)
        self.r.set("k", "old")
        self.call("SCRIPT", "LOAD", text)
        with self.connect() as other:
            self.run_sql(other, "BEGIN", "CALL cache.SET('k', 'uncommitted')")
            self.sql("BEGIN")
            for command in (("EVAL_RO", text, 1, "k"), ("EVALSHA_RO", self.digest(text), 1, "k"), ("FCALL_RO", "look", 1, "k")):
                with self.subTest(command[0]):
                    with self.assertRaisesRegex(pymysql.err.OperationalError, "1205"):
                        self.call(*command)
            self.run_sql(other, "ROLLBACK")
        self.assertEqual(self.call("EVALSHA_RO", self.digest(text), 1, "k"), (("old",),))
        self.assertIn("read-only", self.refused(1644, self.db, "CALL cache.EVAL_RO(%s, 1, 'none')", text))
        self.assertIn("declare", self.refused(1235, self.db, "CALL cache.EVAL_RO(%s, 1, 'none')", "return redis.call('GET', 'k')"))
        self.sql("COMMIT")


class NewerWorld(xatest.World):
    cache_class = xatest.servers.NewerRedis


class ValkeyWorld(xatest.World):
    cache_class = xatest.servers.Valkey


class ScriptsNewer(Scripts):
    world_class = NewerWorld
    waiting = 1235, "did not declare"  # it may be run, and does not wait


class ScriptsValkey(ScriptsNewer):
    world_class = ValkeyWorld


class ScriptsOff(Commands):
    world_options = {}

    def test_scripts_are_off_unless_said(self):
        for begin in ("COMMIT", "BEGIN"):
            self.sql(begin)
            for command in ("EVAL", "EVALSHA", "FCALL"):
                self.assertIn("scripts = declared", self.refused(1235, self.db, f"CALL cache.{command}('return 1', 1, 'k')"))
            self.sql("ROLLBACK")


class RenamedWorld(xatest.World):
    """Commands under names that the table does not know, as those of a module would be."""
    cache_options = [word for pair in (("ZADD", "M.ADD"), ("ZSCORE", "M.SCORE"), ("ZUNIONSTORE", "M.UNION"), ("FLUSHDB", "M.EMPTY"),
                                       ("BRPOPLPUSH", "M.MOVE"), ("LASTSAVE", "M.SAVED"))
                     for word in ("--rename-command", *pair)]


class Unknown(Commands):
    world_class = RenamedWorld

    def test_writes_are_taken_back_by_whole_keys(self):
        self.r.execute_command("M.ADD", "z", 1, "a")
        answers = self.rolled_back(("`M.ADD`", "z", 2, "b"), ("`m.union`", "d", 2, "z", "none"), ("`M.SCORE`", "z", "b"))
        self.assertEqual(answers, [((1,),), ((2,),), (("2",),)])
        self.assertEqual((self.r.zrange("z", 0, -1), self.r.exists("d")), (["a"], 0))

    def test_their_keys_are_held(self):
        self.sql("BEGIN", "CALL cache.`M.UNION`('d', 1, 'z')")
        other = self.connect()
        self.refused(1205, other, "CALL cache.SET('d', 'x')")
        self.refused(1205, other, "CALL cache.`M.ADD`('d', 1, 'a')")
        self.assertEqual(self.call("SET", "z", "x", db=other), (("OK",),))  # a source is not
        self.sql("COMMIT")

    def test_outside_a_transaction(self):
        self.assertEqual(self.call("`M.ADD`", "z", 1, "a"), ((1,),))
        self.assertEqual(self.call("`M.SCORE`", "z", "a"), (("1",),))

    def test_what_has_no_key_or_cannot_run_in_a_function_is_refused(self):
        for text in ("`M.EMPTY`()", "`M.MOVE`('l', 'm', 1)", "`M.SAVED`()"):
            for begin in ("COMMIT", "BEGIN"):
                with self.subTest(text, begin=begin):
                    self.sql(begin)
                    self.refused(1235, self.db, f"CALL cache.{text}")
                    self.sql("ROLLBACK")

    def test_what_nobody_knows(self):
        self.refused(1305, self.db, "CALL cache.NOSUCH('k')")
        self.assertEqual(self.rows(self.db, "SELECT 1"), ((1,),))

    def test_our_own_keys(self):
        self.refused(1235, self.db, "CALL cache.`M.ADD`('xa:{c}:c', 1, 'a')")

    def test_nobody_to_ask(self):
        self.world.cache.crash()
        self.refused(1105, self.db, "CALL cache.NOSUCH('k')")
        self.world.cache.start()
        self.world.start_all()
        xatest.until(self.is_back, 10, "Redis is not used again")

    def is_back(self):
        try:
            return self.call("GET", "k") == ((None,),)
        except pymysql.err.MySQLError:
            return False


class ModuleWorld(xatest.World):
    """With a module's own type, compiled here."""

    @property
    def cache_options(self):
        module = os.path.join(self.directory, "bloom.so")
        subprocess.run([os.environ.get("CC", "cc").split()[-1], "-shared", "-fPIC", "-o", module,
                        os.path.join(xatest.SOURCE, "tests", "support", "bloom.c")], check=True)
        return ["--loadmodule", module]


class Modules(Commands):
    """Values that only their module understands: rolled back to the byte, times to live too."""

    world_class = ModuleWorld

    def state(self):
        keys = sorted(key for key in self.raw.keys() if not key.startswith(b"xa:"))
        return {key: (self.raw.dump(key), self.raw.pexpiretime(key)) for key in keys}

    def setUp(self):
        super().setUp()
        self.raw = self.world.cache.client()
        self.addCleanup(self.raw.close)
        self.r.execute_command("BF.ADD", "filter", "old")
        self.r.execute_command("BF.ADD", "timed", "old")
        self.r.pexpire("timed", 3600000)

    def has(self, key, item):
        return self.r.execute_command("BF.EXISTS", key, item)

    def test_they_are_taken_back(self):
        """By commands that the table knows, and by those of which the server tells."""
        before = self.state()
        for add in ("`BF.ADD`", "`M.ADD`"):
            for key in ("filter", "timed", "new"):
                with self.subTest(add, key=key):
                    self.assertEqual(self.rolled_back((add, key, "x"), (add, key, "x"), ("`BF.EXISTS`", key, "x")),
                                     [((1,),), ((0,),), ((1,),)])
                    self.assertEqual(self.state(), before)
        self.rolled_back(("DEL", "filter"), ("`BF.ADD`", "filter", "x"), ("RENAME", "timed", "moved"), ("`M.ADD`", "moved", "y"),
                         ("PERSIST", "moved"))
        self.assertEqual(self.state(), before)

    def test_they_are_committed_and_held(self):
        self.sql("BEGIN", "CALL cache.`BF.ADD`('filter', 'kept')", "SAVEPOINT p")
        kept = self.state()
        self.sql("CALL cache.`M.ADD`('filter', 'dropped')", "ROLLBACK TO p")
        self.assertEqual(self.state(), kept)
        self.refused(1205, self.connect(), "CALL cache.`M.ADD`('filter', 'theirs')")
        self.sql("COMMIT")
        self.world.settle()
        self.assertEqual((self.state(), self.world.cache.open_fields()), (kept, []))
        self.assertEqual((self.has("filter", "kept"), self.has("filter", "dropped")), (1, 0))

    def test_the_other_type_is_an_error_that_changes_nothing(self):
        self.r.set("text", "x")
        before = self.state()
        self.sql("BEGIN")
        self.refused(1644, self.db, "CALL cache.`BF.ADD`('text', 'x')")
        self.refused(1644, self.db, "CALL cache.GET('filter')")
        self.sql("ROLLBACK")
        self.assertEqual(self.state(), before)

    def test_they_are_taken_back_when_all_have_died(self):
        before = self.state()
        self.sql("BEGIN", "CALL cache.`BF.ADD`('filter', 'x')", "CALL cache.`M.ADD`('new', 'x')")
        self.world.proxy.crash()
        self.world.cache.crash()
        self.world.start_all()
        self.world.settle()
        self.db = self.connect()
        self.assertEqual(self.state(), before)

    def test_who_removes_one_past_the_proxy_is_noticed(self):
        self.sql("BEGIN", "CALL cache.`BF.ADD`('filter', 'x')")
        self.r.delete("filter")
        self.sql("ROLLBACK")
        with self.world.admin() as admin:
            xatest.until(lambda: "filter" in str(self.rows(admin, "SHOW CONFLICTS")), 10, "no conflict is shown")
        self.assertEqual(self.r.exists("filter"), 0)


class ModulesNewer(Modules):
    class World(ModuleWorld):
        cache_class = xatest.servers.NewerRedis
    world_class = World


class ModulesValkey(Modules):
    class World(ModuleWorld):
        cache_class = xatest.servers.Valkey
    world_class = World
