"""Sagas: steps commit one after another, and what they did is taken back in reverse when the saga does not come to its end.

The order story in three steps over two servers and Redis; a step that fails, a client that leaves, a deadlock, a timeout; TCC by the
same means; and kill -9 of the proxy at every moment between the first statement and the last compensation.
"""
import contextlib
import itertools
import threading

import preparing
import pymysql
import xatest


class Story:
    """An order in three steps, each with what takes it back. Compensations add, so that one run twice would show."""

    def __init__(self, number):
        self.number, self.user, self.sku = number, f"user{number}", f"sku{number}"

    def steps(self):
        price = xatest.Order.PRICE
        yield "order", [
            f"INSERT INTO orders.orders VALUES ({self.number}, '{self.user}', '{self.sku}', 1)",
            f"CALL cache.HINCRBY('orders:{self.user}', 'count', 1)",
            f"CALL xa.on_rollback('orders', 'DELETE FROM orders WHERE id = ?', {self.number})",
            f"CALL xa.on_rollback('cache', 'HINCRBY', 'orders:{self.user}', 'count', -1)"]
        yield "stock", [
            f"CALL xa.on_rollback('stock', 'UPDATE stock SET pieces = pieces + 1 WHERE sku = ?', '{self.sku}')",
            f"CALL xa.on_rollback('cache', 'HINCRBY', 'stock:{self.sku}', 'pieces', 1)",
            f"UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = '{self.sku}'",
            f"CALL cache.HINCRBY('stock:{self.sku}', 'pieces', -1)"]
        yield "account", [
            f"UPDATE account.account SET balance = balance - {price} WHERE user = '{self.user}'",
            f"CALL cache.HINCRBY('balance:{self.user}', 'balance', {-price})",
            f"CALL xa.on_rollback('account', 'UPDATE account SET balance = balance + ? WHERE user = ?', {price}, '{self.user}')",
            f"CALL xa.on_rollback('cache', 'HINCRBY', 'balance:{self.user}', 'balance', {price})",
            f"CALL xa.on_commit('cache', 'RPUSH', 'shipped:{self.user}', '{self.number}')"]

    def statements(self):
        yield "BEGIN"
        for name, statements in self.steps():
            yield f"CALL xa.step('{name}')"
            yield from statements


class AsideStory(Story):
    """The same where the second server takes part in no XA: what is in Redis needs a step of its own."""

    def steps(self):
        parts = dict(super().steps())
        stock, account = parts["stock"], parts["account"]
        yield "order", parts["order"]
        yield "stock", [stock[0], stock[2]]
        yield "mirror", [stock[1], stock[3], account[1], account[3]]
        yield "account", [account[0], account[2], account[4]]


class Case(xatest.Case):
    numbers = itertools.count(1)
    story_kind = Story
    stocked = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        Case.stocked = 0

    def setUp(self):
        self.addCleanup(self.world.start_all)

    # InnoDB ends the transaction that has changed the least.
    MUCH = "INSERT INTO stock.stock VALUES " + ", ".join(f"('much{n}', 1)" for n in range(200))

    def wait_for_a_lock_wait(self):
        """Of pieces + 0 on s2. InnoDB renews that table when nobody has read it for 0.1 s."""
        waiting = ("SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT' AND"
                   " trx_query LIKE 'UPDATE stock.stock SET pieces = pieces + 0%'")
        xatest.until(lambda: self.world.direct("s2", "DO SLEEP(0.15)") or self.world.direct("s2", waiting)[0][0], 10, "nobody waits")

    def story(self):
        story = self.story_kind(next(self.numbers))
        if story.number > Case.stocked:
            xatest.Order.stock_up(self.world, range(story.number, story.number + 300))
            Case.stocked = story.number + 299
        self.order = xatest.Order(self.world, story.number)
        return story

    def saga(self, **more):
        db = self.connect(**more)
        self.run_sql(db, "SET xa_mode = 'saga'")
        return db

    def shipped(self, story):
        return self.redis().lrange(f"shipped:{story.user}", 0, -1)

    def is_done(self, story):
        """All of it or nothing of it, part by part; nothing is done twice."""
        state = set(self.order.state().values())
        return state.pop() if len(state) == 1 else None

    def until(self, story, done):
        xatest.until(lambda: self.is_done(story) is done, 10, lambda: f"{self.order.state()}\n{self.world.proxy.log_tail(20)}")
        self.settled()
        self.assertIs(self.is_done(story), done)
        self.assertEqual(self.shipped(story), [str(story.number)] if done else [])

    def settled(self):
        with contextlib.closing(self.world.connect()) as db:
            xatest.until(lambda: not self.rows(db, "SELECT * FROM xa.actions"), 10,
                         lambda: self.rows(db, "SELECT * FROM xa.actions"))


class Ends(Case):
    def test_commit_keeps_every_step_and_drops_what_takes_them_back(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, *story.statements(), "COMMIT")
        self.assertEqual(self.is_done(story), True)
        self.until(story, True)

    def test_rollback_is_answered_when_all_is_taken_back(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, *story.statements(), "ROLLBACK")
        self.assertEqual(self.is_done(story), False)
        self.until(story, False)

    def test_steps_are_seen_by_others_when_they_have_committed(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, "BEGIN", "CALL xa.step('order')", *dict(story.steps())["order"])
        self.assertEqual(self.order.state()["order"], False)
        self.run_sql(db, "CALL xa.step('stock')")
        self.assertEqual((self.order.state()["order"], self.order.state()["stock"]), (True, False))
        self.assertTrue(db.server_status & 1, "the saga is open")
        self.run_sql(db, "ROLLBACK")
        self.assertFalse(db.server_status & 1)
        self.until(story, False)

    def test_compensations_run_in_reverse(self):
        db = self.saga()
        self.run_sql(db, "BEGIN")
        for n in range(5):
            self.run_sql(db, f"CALL xa.step('s{n}')", f"CALL xa.on_rollback('cache', 'RPUSH', 'order', '{n}a')",
                         f"CALL xa.on_rollback('cache', 'RPUSH', 'order', '{n}b')")
        self.run_sql(db, "CALL xa.step('last')", "ROLLBACK")
        self.assertEqual(self.redis().lrange("order", 0, -1), [f"{n}{x}" for n in reversed(range(5)) for x in "ba"])

    def test_the_step_under_way_is_rolled_back_and_not_compensated(self):
        db = self.saga()
        self.run_sql(db, "BEGIN", "CALL xa.step('a')", "CALL xa.on_rollback('cache', 'RPUSH', 'way', 'a')", "CALL xa.step('b')",
                     "CALL xa.on_rollback('cache', 'RPUSH', 'way', 'b')", "INSERT INTO orders.orders VALUES (-5, 'x', 'x', 1)", "ROLLBACK")
        self.assertEqual(self.redis().lrange("way", 0, -1), ["a"])
        self.assertEqual(self.world.direct("s1", "SELECT * FROM orders.orders WHERE id = -5"), ())

    def test_a_client_that_leaves_rolls_back(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, *story.statements())
        db._force_close()
        self.until(story, False)

    def test_a_saga_that_registered_nothing_is_what_it_did(self):
        db = self.saga()
        self.run_sql(db, "BEGIN", "CALL xa.step('a')", "INSERT INTO orders.orders VALUES (-6, 'x', 'x', 1)", "CALL xa.step('b')",
                     "INSERT INTO orders.orders VALUES (-7, 'x', 'x', 1)", "ROLLBACK", "BEGIN", "COMMIT", "BEGIN", "ROLLBACK")
        self.assertEqual(self.world.direct("s1", "SELECT id FROM orders.orders WHERE id < -5"), ((-6,),))

    def test_autocommit_off_and_chains(self):
        story, db = self.story(), self.saga(autocommit=False)
        self.run_sql(db, *list(story.statements())[1:], "COMMIT AND CHAIN")
        self.assertTrue(db.server_status & 1)
        self.run_sql(db, "CALL xa.step('x')", "ROLLBACK")
        self.until(story, True)


class Trouble(Case):
    world_options = {"backend_options": "lock_wait = 20s"}

    def test_a_step_that_fails_can_be_said_again(self):
        """A duplicate key dooms nothing; ROLLBACK TO takes back what the step did and registered so far."""
        story, db = self.story(), self.saga()
        self.run_sql(db, *list(story.statements()), "SAVEPOINT here", "CALL xa.on_rollback('cache', 'RPUSH', 'never', '1')",
                     "CALL xa.on_commit('cache', 'RPUSH', 'never', '2')")
        self.refused(1062, db, f"INSERT INTO orders.orders VALUES ({story.number}, 'x', 'x', 1)")
        self.run_sql(db, "ROLLBACK TO here", "COMMIT")
        self.until(story, True)
        self.assertFalse(self.redis().exists("never"))

    def test_a_vote_that_is_lost_rolls_back_the_step_and_leaves_the_saga_open(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, *story.statements())
        self.world.server["s2"].crash()
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(db, "CALL xa.step('more')")
        self.assertTrue(db.server_status & 1)
        self.world.start_all()
        self.run_sql(db, "ROLLBACK")
        self.until(story, False)

    def test_a_commit_that_fails_takes_everything_back(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, *story.statements())
        self.world.server["s2"].crash()
        starter = threading.Timer(0.3, self.world.server["s2"].start)
        starter.start()
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(db, "COMMIT")
        starter.join()
        self.world.start_all()
        self.until(story, False)

    def test_a_deadlock_costs_a_step(self):
        story, db, other = self.story(), self.saga(), self.connect()
        second = self.story()
        self.order = xatest.Order(self.world, story.number)
        self.run_sql(db, "BEGIN", "CALL xa.step('order')", *dict(story.steps())["order"], "CALL xa.step('stock')")
        self.run_sql(other, "BEGIN", self.MUCH, f"UPDATE account.account SET balance = balance + 1 WHERE user = '{second.user}'")
        self.run_sql(db, f"UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = '{story.sku}'")
        blocked = threading.Thread(target=self.run_sql, daemon=True, args=(
            other, f"UPDATE stock.stock SET pieces = pieces + 0 WHERE sku = '{story.sku}'"))
        blocked.start()
        self.wait_for_a_lock_wait()
        self.refused(1213, db, f"UPDATE account.account SET balance = balance - 1 WHERE user = '{second.user}'")
        blocked.join(60)
        self.run_sql(other, "ROLLBACK")
        self.run_sql(db, *dict(story.steps())["stock"], "CALL xa.step('account')", *dict(story.steps())["account"], "COMMIT")
        self.until(story, True)

    def test_a_compensation_that_cannot_run_yet_is_told_and_done_later(self):
        world = self.world
        story, db = self.story(), self.saga()
        self.run_sql(db, *story.statements(), "CALL xa.step('end')")
        world.server["s2"].crash()
        killer = self.connect()
        with db.cursor() as cursor:
            thread = threading.Timer(0.5, self.run_sql, args=(killer, f"KILL QUERY {db.thread_id()}"))
            thread.start()
            with contextlib.suppress(pymysql.err.MySQLError):
                cursor.execute("ROLLBACK")
                cursor.execute("SHOW WARNINGS")
                self.assertIn("still under way", cursor.fetchall()[0][2])
            thread.join()
        world.start_all()
        self.until(story, False)

    def test_xa_timeout_ends_it(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, "SET xa_timeout = 3", *story.statements())
        self.until(story, False)
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(db, "SELECT 1")

    def test_a_reset_of_the_connection_rolls_back(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, *story.statements())
        db._execute_command(0x1f, b"")
        db._read_ok_packet()
        self.assertEqual(self.rows(db, "SELECT @@xa_mode"), (("xa",),))
        self.until(story, False)


class Refusals(Case):
    def test_what_does_not_belong_to_it(self):
        db = self.connect()
        self.refused(1235, db, "CALL xa.step('a')")
        self.run_sql(db, "SET xa_mode = 'saga'")
        self.refused(1235, db, "CALL xa.step('a')")
        self.refused(1235, db, "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        self.run_sql(db, "BEGIN")
        self.refused(1568, db, "SET xa_mode = 'xa'")
        for code, call in ((1210, "NULL"), (1210, "''"), (1210, "'a', '{\"color\":1}'"), (1318, ""), (1318, "1, 2, 3")):
            self.refused(code, db, f"CALL xa.step({call})")
        self.run_sql(db, "ROLLBACK")

    def test_variables(self):
        db = self.connect()
        self.assertEqual(self.rows(db, "SELECT @@xa_mode m, @@session.xa_timeout"), (("xa", 0),))
        self.run_sql(db, "SET xa_mode = saga, xa_timeout = 5")
        self.assertEqual(self.rows(db, "SELECT @@xa_mode, @@xa_timeout + 1 AS t"), (("saga", 6),))
        self.assertEqual(self.rows(db, "SHOW VARIABLES LIKE 'xa_timeout'"), (("xa_timeout", "5"),))
        told = self.refused(1231, db, "SET xa_mode = 'tcc'")
        self.assertEqual(told, "Variable 'xa_mode' can't be set to the value of 'tcc': it takes 'xa', 'saga'")
        told = self.refused(1231, db, "SET xa_timeout = 'long'")
        self.assertIn("'long': it takes a number of seconds", told)
        self.refused(1228, db, "SET GLOBAL xa_mode = 'saga'")
        self.run_sql(db, "SET xa_mode = DEFAULT, xa_timeout = DEFAULT")
        self.assertEqual(self.rows(db, "SELECT @@xa_mode, @@xa_timeout"), (("xa", 0),))


class Tables(Case):
    def test_what_a_user_sees_of_its_own(self):
        db = self.saga()
        self.run_sql(db, "BEGIN", "CALL xa.step('first')", "CALL xa.on_rollback('cache', 'SET', 'seen', 'x')")
        with db.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute("SELECT * FROM xa.actions")
            action, = cursor.fetchall()
            cursor.execute("SELECT * FROM `xa`.transactions")
            transaction, = cursor.fetchall()
        self.assertEqual((action["step"], action["on"], action["resource"], action["body"], action["state"]),
                         ("first", "rollback", "cache", "SET", "ARMED"))
        self.assertEqual((transaction["saga"], transaction["session"]), (action["transaction"], db.thread_id()))
        self.assertEqual(self.rows(self.connect("native"), "SELECT * FROM xa.actions"), ())
        self.assertEqual(self.rows(db, "SELECT * FROM xa.conflicts"), ())
        self.run_sql(db, "ROLLBACK")

    def test_they_are_asked_as_tables_are(self):
        """By a person, by a tool with an alias and a limit, and prepared, as text and in the binary protocol."""
        db = self.saga()
        self.run_sql(db, "BEGIN", "CALL xa.step('first')", "CALL xa.on_rollback('cache', 'DEL', 'a')",
                     "CALL xa.on_rollback('t1', 'DELETE FROM steps WHERE id = ?', 5)", "CALL xa.on_commit('cache', 'DEL', 'b')")
        for sql, rows in (("SELECT seq, resource FROM xa.actions WHERE `on` = 'rollback' ORDER BY seq DESC", ((2, "s1"), (1, "cache"))),
                          ("SELECT t.* FROM xa.actions t WHERE 1=0 LIMIT 0, 501", ()),
                          ("SELECT resource r, COUNT(*) n FROM xa.actions GROUP BY r ORDER BY n DESC, r", (("cache", 2), ("s1", 1))),
                          ("SELECT COUNT(*) FROM xa.transactions WHERE saga IS NOT NULL AND state LIKE '_ctive'", ((1,),)),
                          ("SELECT COUNT(*) FROM xa.conflicts WHERE resource = 'cache'", ((0,),)),
                          ("SHOW TABLES FROM xa", (("actions",), ("transactions",), ("conflicts",)))):
            with self.subTest(sql):
                self.assertEqual(self.rows(db, sql), rows)
        self.assertIn(("seq", "bigint unsigned", "YES", "", None, ""), self.rows(db, "DESCRIBE xa.actions"))
        self.assertEqual(self.rows(db, "SHOW COLUMNS FROM xa.actions"), self.rows(db, "DESC `xa`.`actions`"))
        for code, sql in ((1054, "SELECT nosuch FROM xa.actions"), (1146, "SELECT * FROM xa.nosuch"),
                          (1235, "SELECT * FROM xa.actions JOIN t1.steps"), (1235, "DELETE FROM xa.actions"),
                          (1235, "SHOW INDEX FROM xa.actions"), (1235, "INSERT INTO t1.steps SELECT id FROM xa.actions")):
            with self.subTest(sql):
                self.refused(code, db, sql)
        client = preparing.Client(self.world)
        self.addCleanup(client.close)
        statement, n_params, _ = client.prepare("SELECT seq, resource FROM xa.actions WHERE resource = ? AND seq > ?")
        self.assertEqual(n_params, 2)
        self.assertEqual(client.execute(statement, "cache", 1).values(), [(3, "cache")])
        self.run_sql(db, "PREPARE p FROM 'SELECT seq FROM xa.actions WHERE resource = \\'cache\\' ORDER BY 1'")
        self.assertEqual(self.rows(db, "EXECUTE p"), ((1,), (3,)))
        self.run_sql(db, "ROLLBACK")
        self.assertEqual(self.rows(db, "SELECT COUNT(*) FROM xa.actions"), ((0,),))


class Tcc(Case):
    """Try reserves and commits at once; confirm and cancel are actions for either end."""

    TRY = ["UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = '{sku}' AND pieces > 0",
           "CALL cache.HINCRBY('stock:{sku}', 'reserved', 1)",
           "CALL xa.on_rollback('stock', 'UPDATE stock SET pieces = pieces + 1 WHERE sku = ?', '{sku}')",
           "CALL xa.on_rollback('cache', 'HINCRBY', 'stock:{sku}', 'reserved', -1)",
           "CALL xa.on_commit('cache', 'HINCRBY', 'stock:{sku}', 'reserved', -1)",
           "CALL xa.on_commit('cache', 'HINCRBY', 'stock:{sku}', 'pieces', -1)"]

    def run_try(self, end):
        story, db = self.story(), self.saga()
        self.run_sql(db, "BEGIN", "CALL xa.step('try')", *(s.format(sku=story.sku) for s in self.TRY), "CALL xa.step('tried')")
        self.assertEqual(self.held(story), (99, 1, 100))
        self.run_sql(db, end)
        self.settled()
        return story

    def held(self, story):
        mirror = self.redis().hgetall(f"stock:{story.sku}")
        pieces = self.world.direct("s2", "SELECT pieces FROM stock.stock WHERE sku = %s", story.sku)[0][0]
        return pieces, int(mirror.get("reserved", 0)), int(mirror["pieces"])

    def test_confirm(self):
        self.assertEqual(self.held(self.run_try("COMMIT")), (99, 0, 99))

    def test_cancel(self):
        self.assertEqual(self.held(self.run_try("ROLLBACK")), (100, 0, 100))


class Killed(Case):
    """kill -9 at every passage of these points: afterwards all steps stand or none, and every compensation ran once."""

    POINTS = ("all_votes", "log_appended", "log_synced", "decided", "commit_sent", "before_ack", "journal_closed", "saga_step_done",
              "action_armed")
    TAKING_BACK = ("saga_rolled_back", "action_due", "action_taken", "action_uncommitted", "action_executed", "action_recorded")

    def tearDown(self):
        self.world.proxy.crash()  # its point may still be armed

    def tell(self, story, end):
        with contextlib.suppress(pymysql.err.MySQLError, OSError), contextlib.closing(self.world.connect()) as db:
            self.run_sql(db, "SET xa_mode = 'saga'", *story.statements(), end)
            return True
        return False

    def judge(self, story, told, end):
        self.world.settle()
        self.settled()
        done = self.is_done(story)
        self.assertIn(done, (True, False), f"half done: {self.order.state()}")
        self.assertEqual(self.shipped(story), [str(story.number)] if done else [])
        if told:
            self.assertEqual(done, end == "COMMIT")
        if end == "ROLLBACK":
            self.assertFalse(done)

    def passages(self, point, end):
        for nth in xatest.passages():
            story = self.story()
            try:
                self.world.restart_proxy(f"{point}:{nth}:crash")
                told = self.tell(story, end)
            except xatest.ProxyDied:  # of a compensation before it, whose end was not on the disk yet
                told = False
            if not xatest.happens(lambda: not self.world.proxy.alive(), 60 if nth == 1 else 0.4):  # the first must come
                return nth > 1
            with self.subTest(point=point, nth=nth, end=end):
                self.world.start_proxy()
                self.judge(story, told, end)
        return True

    def test_on_the_way_to_commit(self):
        for point in self.POINTS:
            self.assertTrue(self.passages(point, "COMMIT"), f"{point} was never passed")

    def test_while_it_is_taken_back(self):
        for point in self.TAKING_BACK:
            self.assertTrue(self.passages(point, "ROLLBACK"), f"{point} was never passed")

    def test_a_server_or_redis_dies_in_the_middle(self):
        for victim in (*self.world.server.values(), self.world.cache):
            for end in ("COMMIT", "ROLLBACK"):
                with self.subTest(victim=victim.kind, end=end):
                    story = self.story()
                    killer = threading.Timer(0.01, victim.crash)
                    killer.start()
                    told = self.tell(story, end)
                    killer.join()
                    self.world.start_all()
                    self.judge(story, told, end)


class Aside:
    """A server of which nobody would know what it had prepared: its settings allow no XA there."""

    story_kind = AsideStory

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.direct("s2", "SET GLOBAL innodb_flush_log_at_trx_commit=2")
        cls.world.restart_proxy()
        xatest.until(lambda: "barrier_judged backend=s2" in cls.world.proxy.log_of_this_life(), 5, "there is no barrier table")

    @classmethod
    def tearDownClass(cls):
        cls.world.direct("s2", "SET GLOBAL innodb_flush_log_at_trx_commit=1")
        cls.world.restart_proxy()
        super().tearDownClass()

    def setUp(self):
        self.addCleanup(self.world.start_proxy)

    def marks(self):
        return self.world.direct("s2", "SELECT COUNT(*) FROM xaproxy.barrier WHERE op = 'act'")[0][0]


class WithoutXa(Aside, Case):
    world_options = {"backend_options": "lock_wait = 20s"}

    def test_commit_and_rollback(self):
        for end in ("COMMIT", "ROLLBACK"):
            with self.subTest(end):
                story, db, before = self.story(), self.saga(), self.marks()
                self.run_sql(db, *story.statements(), end)
                self.until(story, end == "COMMIT")
                self.assertEqual(self.marks() - before, 2 if end == "COMMIT" else 1)

    def test_a_connection_that_is_lost_dooms_the_saga(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, "BEGIN", *dict(story.steps())["order"], "CALL xa.step('stock')", *dict(story.steps())["stock"])
        ids = "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_rows_modified > 0"
        for thread, in self.world.direct("s2", "DO SLEEP(0.15)") or self.world.direct("s2", ids):
            self.world.direct("s2", f"KILL {thread}")
        self.refused(1402, db, "CALL xa.step('more')")
        self.run_sql(db, "ROLLBACK")
        self.until(story, False)

    def test_a_deadlock_costs_a_step(self):
        """Of that server's own; the one beside it stands."""
        story, db, other = self.story(), self.saga(), self.connect()
        one, two = self.story(), self.story()
        self.order = xatest.Order(self.world, story.number)
        self.run_sql(db, "BEGIN", *dict(story.steps())["order"], "CALL xa.step('stock')", *dict(story.steps())["stock"])
        touch = "UPDATE stock.stock SET pieces = pieces + 0 WHERE sku = '{}'"
        self.run_sql(db, touch.format(one.sku))
        self.run_sql(other, "BEGIN", self.MUCH, touch.format(two.sku))
        blocked = threading.Thread(target=self.run_sql, daemon=True, args=(other, touch.format(one.sku)))
        blocked.start()
        self.wait_for_a_lock_wait()
        self.refused(1213, db, touch.format(two.sku))
        blocked.join(60)
        self.run_sql(other, "ROLLBACK")
        for name in ("stock", "mirror", "account"):
            self.run_sql(db, *dict(story.steps())[name], f"CALL xa.step('behind {name}')")
        self.run_sql(db, "COMMIT")
        self.until(story, True)

    def test_a_whole_saga_there(self):
        db = self.saga()
        self.run_sql(db, "BEGIN")
        for sku in ("whole1", "whole2"):
            self.run_sql(db, f"INSERT INTO stock.stock VALUES ('{sku}', 5)",
                         f"CALL xa.on_rollback('stock', 'DELETE FROM stock WHERE sku = ?', '{sku}')", f"CALL xa.step('{sku}')")
        self.run_sql(db, "SELECT * FROM stock.stock WHERE sku = 'whole1'", "COMMIT")
        self.settled()
        self.assertEqual(len(self.world.direct("s2", "SELECT 1 FROM stock.stock WHERE sku LIKE 'whole%%'")), 2)

    def test_what_a_step_there_cannot_do(self):
        """Its own transaction is not the saga's: what could not be taken back, or not in order, is refused, and it goes on."""
        story, db = self.story(), self.saga()
        self.run_sql(db, "BEGIN", *dict(story.steps())["order"], "CALL xa.step('stock')")
        self.run_sql(db, f"UPDATE stock.stock SET pieces = pieces - 1 WHERE sku = '{story.sku}'")
        self.refused(1235, db, f"CALL cache.HINCRBY('stock:{story.sku}', 'pieces', -1)")
        self.refused(1235, db, "SELECT * FROM orders.orders")
        self.run_sql(db, "CALL xa.options('{\"order\":\"parallel\"}')")
        self.refused(1235, db, "CALL xa.on_rollback('cache', 'DEL', 'x')")
        self.refused(1235, db, "COMMIT")
        self.run_sql(db, "SAVEPOINT a", f"CALL xa.on_rollback('cache', 'DEL', 'x{story.sku}')", "ROLLBACK TO a")
        self.refused(1235, db, "COMMIT")
        self.run_sql(db, "CALL xa.on_rollback('stock', 'UPDATE stock SET pieces = pieces + 1 WHERE sku = ?', "
                     f"'{story.sku}')", "CALL xa.step('more')", "ROLLBACK")
        self.until(story, False)

    def test_a_row_that_cannot_be_written_fails_the_step_only(self):
        story, db = self.story(), self.saga()
        self.run_sql(db, "BEGIN", *dict(story.steps())["order"], "CALL xa.step('stock')", *dict(story.steps())["stock"])
        self.world.direct("s2", "RENAME TABLE xaproxy.barrier TO xaproxy.away")
        self.refused(1146, db, "CALL xa.step('more')")
        self.world.direct("s2", "RENAME TABLE xaproxy.away TO xaproxy.barrier")
        self.run_sql(db, *dict(story.steps())["stock"])
        for name in ("mirror", "account"):
            self.run_sql(db, f"CALL xa.step('{name}')", *dict(story.steps())[name])
        self.run_sql(db, "COMMIT")
        self.until(story, True)


class KilledWithoutXa(Aside, Killed):
    """The same; moreover nothing of a step that its server did not commit is ever taken back."""

    POINTS = ("saga_step_marked", "saga_step_decided", "saga_step_sent", "saga_step_committed")
    TAKING_BACK = ("action_executed",)
    REFUTED = ("saga_step_refuted",)
    test_a_server_or_redis_dies_in_the_middle = None

    def test_while_it_is_found_not_to_have_happened(self):
        story = self.story()
        self.world.restart_proxy("saga_step_decided:1:crash")
        self.tell(story, "COMMIT")
        self.world.proxy.wait_gone()
        for _ in range(3):  # each finds what the one before has found
            self.world.proxy.start(f"{self.REFUTED[0]}:1:crash", wait=False)  # it may not live to be ready
            self.world.proxy.wait_gone()
        self.world.start_proxy()
        self.judge(story, False, "ROLLBACK")


if __name__ == "__main__":
    xatest.unittest.main()
