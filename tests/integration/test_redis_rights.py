"""[grant USER@REDIS]: a user has the commands and keys of a Redis that it was given, by CALL, held, as an action and through the Redis
port alike, and no others; users without a section have all."""
import subprocess

import redisport
import xatest


class Rights(redisport.Case):
    world_options = {"more": "[grant native@cache]\ncommands = @read @hash @scripting -eval set -hdel xgroup|create xadd\nkeys = app: cart:\n",
                     "redis_options": "scripts = declared"}

    def setUp(self):
        super().setUp()
        self.db = self.connect("native")

    def test_what_was_given(self):
        self.rows(self.db, "CALL cache.SET('app:1', 'a')")
        self.rows(self.db, "CALL cache.HSET('cart:1', 'f', 'v')")
        self.rows(self.db, "CALL cache.XGROUP('CREATE', 'app:s', 'g', '$', 'MKSTREAM')")
        self.assertEqual(self.rows(self.db, "CALL cache.GET('app:1')"), (("a",),))
        [(digest,)] = self.rows(self.db, "CALL cache.SCRIPT('LOAD', 'return redis.call(\"GET\", KEYS[1])')")
        self.assertEqual(self.rows(self.db, "CALL cache.EVALSHA(%s, 1, 'app:1')", digest), (("a",),))

    def test_commands_that_were_not(self):
        for call in ("DEL('app:1')", "HDEL('cart:1', 'f')", "XGROUP('DESTROY', 'app:s', 'g')", "PUBLISH('app:x', 'm')", "INFO()",
                     "EVAL('return 1', 1, 'app:1')", "CMD('INCR', 'app:n')"):
            text = self.refused(1370, self.db, f"CALL cache.{call}")
        self.assertEqual(text, "execute command denied to user 'native'@'127.0.0.1' for routine 'cache.INCR'")

    def test_keys_that_are_not_ones_own(self):
        for call in ("GET('other')", "MGET('app:1', 'other')", "HSET('app', 'f', 'v')", "RANDOMKEY()", "KEYS('*')", "KEYS('ap?:*')",
                     "SCAN(0)", "SCAN(0, 'MATCH', '*')", "SCAN(0, 'MATCH', 'app:*', 'MATCH', '?????')", "SORT_RO('app:l', 'BY', 'other:*')",
                     "EVAL_RO('return 1', 1, 'other')"):
            self.refused(1142, self.db, f"CALL cache.{call}")
        self.r.set("app:1", "a")
        self.assertEqual(self.rows(self.db, "CALL cache.KEYS('app:*')"), ((0, "app:1"),))
        self.assertEqual(self.rows(self.db, "CALL cache.SCAN(0, 'MATCH', 'app:*')"), (("0", "app:1"),))

    def test_a_script_that_only_reads_keeps_to_the_keys_that_it_declares(self):
        """It could name others in its text, where nobody looks."""
        text, code = "return redis.call('GET', 'other')", "return redis.call('GET', KEYS[1])"
        library = "#!lua name=reads\nredis.register_function{function_name='reads', flags={'no-writes'}, callback=function() " + text + " end}"
        self.r.function_load(library)
        self.addCleanup(self.r.function_delete, "reads")
        self.r.mset({"other": "theirs", "app:1": "mine"})
        [(digest,)] = self.rows(self.db, "CALL cache.SCRIPT('LOAD', %s)", text)
        self.r.script_load(text)
        port = self.port("native")
        for begin in ("COMMIT", "BEGIN", "SET xa_redis_isolation = 'read_committed'"):
            for command, script in (("EVAL_RO", text), ("EVALSHA_RO", digest), ("FCALL_RO", "reads")):
                for keys in ((0,), (1, "app:1")):
                    with self.subTest(command, begin=begin, keys=keys):
                        self.run_sql(self.db, begin)
                        words = ", ".join(["%s"] * (1 + len(keys)))
                        self.assertIn("did not declare", self.refused(1235, self.db, f"CALL cache.{command}({words})", script, *keys))
                        self.run_sql(self.db, "COMMIT")
                        self.assertIn("did not declare", self.error("", port, command, script, *keys))
            self.assertEqual(self.rows(self.db, "CALL cache.EVAL_RO(%s, 1, 'app:1')", code), (("mine",),))
            self.assertEqual(self.rows(self.db, "CALL cache.EVAL_RO('return 1', 0)"), ((1,),))

    def test_a_refusal_leaves_the_transaction_open(self):
        self.run_sql(self.db, "BEGIN", "CALL cache.SET('app:1', 'a')")
        self.refused(1370, self.db, "CALL cache.DEL('app:1')")
        self.run_sql(self.db, "COMMIT")
        self.assertEqual(self.r.get("app:1"), b"a")

    def test_what_waits_for_the_outcome(self):
        self.run_sql(self.db, "BEGIN")
        self.refused(1370, self.db, "CALL cache.HELD('DEL', 'app:1')")
        self.refused(1370, self.db, "CALL xa.on_commit('cache', 'DEL', 'app:1')")
        self.refused(1142, self.db, "CALL xa.on_commit('cache', 'HSET', 'other', 'f', 'v')")
        self.run_sql(self.db, "CALL xa.on_commit('cache', 'HSET', 'app:h', 'f', 'v')", "COMMIT")
        xatest.until(lambda: self.r.hget("app:h", "f") == b"v", 5, "the action")

    def test_at_the_redis_port(self):
        client = self.port("native")
        client.set("app:1", "a")
        self.error("execute command denied", client, "DEL", "app:1")
        self.error("GET command denied", client, "GET", "other")
        self.error("WATCH command denied", client, "WATCH", "other")
        client.execute_command("MULTI")
        self.error("execute command denied", client, "INCR", "app:n")
        self.error("Transaction discarded", client, "EXEC")

    def test_sent_ahead_at_the_redis_port(self):
        with self.port("native").pipeline(transaction=False) as pipe:
            for words in (("SET", "app:1", 1), ("GET", "app:1"), ("SET", "other", 1), ("GET", "other"), ("INCR", "app:1"), ("GET", "app:1")):
                pipe.execute_command(*words)
            got = pipe.execute(raise_on_error=False)
        self.assertEqual(got[:2] + got[5:], [True, b"1", b"1"])
        self.assertTrue(all("denied" in str(one) for one in got[2:5]), got)
        self.assertIsNone(self.r.get("other"))

    def test_in_a_transaction_that_was_joined(self):
        client = self.port("native")
        self.run_sql(self.db, "BEGIN", "CALL cache.SET('app:1', 'a')")
        [(token,)] = self.rows(self.db, "SELECT xa.token()")
        self.error("execute command denied", client, "XA.DO", token, "DEL", "app:1")
        self.assertEqual(client.execute_command("XA.DO", token, "GET", "app:1"), b"a")
        self.run_sql(self.db, "ROLLBACK")

    def test_a_user_without_a_section_has_all(self):
        db = self.connect()
        self.rows(db, "CALL cache.SET('other', 'x')")
        self.assertEqual(self.rows(db, "CALL cache.DEL('other')"), ((1,),))

    def test_words_that_mean_nothing(self):
        with open(self.world.config, encoding="utf-8") as f:
            good = f.read()
        for wrong, told in (("@reed", '"@reed" in commands is no category'), ("@all -hdell", '"-hdell" in commands'),
                            ("-@write", "put @all before")):
            path = self.world.config + ".wrong"
            with open(path, "w", encoding="utf-8") as f:
                f.write(good.replace("@read @hash @scripting -eval set", wrong, 1))
            done = subprocess.run([f"{xatest.BUILD}/xaproxy", "--check", path], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(told, done.stderr)
