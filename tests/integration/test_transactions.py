"""A transaction over two servers begins, ends and breaks as one on a single server does."""
import threading
import time

import pymysql
import xatest


class Transactions(xatest.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, table in (("s1", "t1.a"), ("s2", "t2.b")):
            cls.world.server[name].script([f"CREATE TABLE {table} (i INT PRIMARY KEY, v INT NOT NULL DEFAULT 0) ENGINE=InnoDB"])

    def setUp(self):
        self.world.settle()
        self.world.direct("s1", "DELETE FROM t1.a")
        self.world.direct("s2", "DELETE FROM t2.b")
        self.db = self.connect()

    def tearDown(self):
        self.close(self.db)
        self.world.settle()

    def both(self):
        """The keys that each server holds, asked past the proxy."""
        return tuple([row[0] for row in self.world.direct(name, f"SELECT i FROM {table} ORDER BY i")]
                     for name, table in (("s1", "t1.a"), ("s2", "t2.b")))

    def in_transaction(self):
        self.db.ping(reconnect=False)
        return bool(self.db.server_status & 1)

    def statement_counts(self, name):
        return {row[0]: int(row[1]) for row in self.world.direct(name, "SHOW GLOBAL STATUS LIKE 'Com_xa%%'")}

    def test_commit_over_two_servers(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        self.assertEqual(self.both(), ([], []))
        self.sql("COMMIT")
        self.assertEqual(self.both(), ([1], [1]))
        self.assertEqual(self.world.in_doubt(), [])

    def test_rollback_over_two_servers(self):
        self.sql("START TRANSACTION", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)", "ROLLBACK")
        self.assertEqual(self.both(), ([], []))

    def test_transaction_sees_itself_and_others_do_not(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        self.assertEqual(self.rows(self.db, "SELECT i FROM t2.b"), ((1,),))
        other = self.connect()
        self.assertEqual(self.rows(other, "SELECT i FROM t1.a"), ())
        self.assertEqual(self.rows(other, "SELECT i FROM t2.b"), ())
        self.sql("ROLLBACK")

    def test_status_flags_are_the_proxys_truth(self):
        self.assertFalse(self.in_transaction())
        self.sql("BEGIN")
        self.assertTrue(self.in_transaction())
        self.sql("INSERT INTO t1.a (i) VALUES (1)")
        self.assertTrue(self.db.server_status & 1)
        self.assertTrue(self.db.server_status & 2, "autocommit is on, whatever the branch has")
        self.assertEqual(self.rows(self.db, "SELECT @@autocommit"), ((1,),))
        self.sql("COMMIT")
        self.assertFalse(self.in_transaction())

    def test_read_only_branch_needs_no_prepare(self):
        self.sql("BEGIN", "SELECT COUNT(*) FROM t1.a", "INSERT INTO t2.b (i) VALUES (1)")
        before = [self.statement_counts(name) for name in ("s1", "s2")]
        self.sql("COMMIT")
        time.sleep(0.2)
        after = [self.statement_counts(name) for name in ("s1", "s2")]
        self.assertEqual([a["Com_xa_prepare"] - b["Com_xa_prepare"] for a, b in zip(after, before)], [0, 0],
                         "one writer: its own one-phase commit decides")
        self.assertEqual(after[1]["Com_xa_commit"] - before[1]["Com_xa_commit"], 1)
        self.assertEqual(self.both(), ([], [1]))

    def test_start_transaction_read_only(self):
        self.sql("START TRANSACTION READ ONLY")
        self.rows(self.db, "SELECT * FROM t1.a")
        self.refused(1792, self.db, "INSERT INTO t1.a (i) VALUES (1)")
        self.sql("ROLLBACK")
        self.sql("INSERT INTO t1.a (i) VALUES (2)")
        self.assertEqual(self.both(), ([2], []))

    def test_isolation_level_reaches_the_branch(self):
        self.sql("INSERT INTO t1.a (i) VALUES (1)", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", "BEGIN")
        self.assertEqual(self.rows(self.db, "SELECT COUNT(*) FROM t1.a"), ((1,),))
        self.world.direct("s1", "INSERT INTO t1.a (i) VALUES (2)")
        self.assertEqual(self.rows(self.db, "SELECT COUNT(*) FROM t1.a"), ((2,),))
        self.sql("COMMIT", "BEGIN")
        self.assertEqual(self.rows(self.db, "SELECT COUNT(*) FROM t1.a"), ((2,),))
        self.world.direct("s1", "INSERT INTO t1.a (i) VALUES (3)")
        self.assertEqual(self.rows(self.db, "SELECT COUNT(*) FROM t1.a"), ((2,),), "it held for one transaction only")
        self.sql("COMMIT")

    def test_autocommit_off(self):
        self.sql("SET autocommit = 0", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        self.assertFalse(self.db.server_status & 2)
        self.assertEqual(self.both(), ([], []))
        self.sql("COMMIT")
        self.assertEqual(self.both(), ([1], [1]))
        self.sql("INSERT INTO t1.a (i) VALUES (2)", "ROLLBACK")
        self.assertEqual(self.both(), ([1], [1]))
        self.sql("INSERT INTO t1.a (i) VALUES (3)", "SET autocommit = 1")
        self.assertEqual(self.both(), ([1, 3], [1]))

    def test_autocommit_on_commits_each_statement(self):
        self.sql("INSERT INTO t1.a (i) VALUES (1)")
        self.assertEqual(self.both(), ([1], []))

    def test_commit_and_chain(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "COMMIT AND CHAIN")
        self.assertTrue(self.in_transaction())
        self.sql("INSERT INTO t2.b (i) VALUES (1)", "ROLLBACK AND CHAIN")
        self.assertTrue(self.in_transaction())
        self.sql("INSERT INTO t2.b (i) VALUES (2)", "COMMIT")
        self.assertEqual(self.both(), ([1], [2]))

    def test_commit_release(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)", "COMMIT RELEASE")
        with self.assertRaises((pymysql.err.MySQLError, OSError)):
            self.sql("SELECT 1")
        self.assertEqual(self.both(), ([1], [1]))

    def test_begin_within_a_transaction_commits_it(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)", "BEGIN")
        self.assertEqual(self.both(), ([1], [1]))
        self.sql("INSERT INTO t1.a (i) VALUES (2)", "ROLLBACK")
        self.assertEqual(self.both(), ([1], [1]))

    def test_implicit_commit_by_ddl(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)",
                 "CREATE TABLE IF NOT EXISTS t1.ddl (i INT)")
        self.assertFalse(self.in_transaction())
        self.assertEqual(self.both(), ([1], [1]))

    def test_savepoints_over_both_servers(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "SAVEPOINT one", "INSERT INTO t1.a (i) VALUES (2)",
                 "INSERT INTO t2.b (i) VALUES (2)", "SAVEPOINT two", "INSERT INTO t2.b (i) VALUES (3)", "ROLLBACK TO two",
                 "INSERT INTO t2.b (i) VALUES (4)", "ROLLBACK TO SAVEPOINT one", "INSERT INTO t2.b (i) VALUES (5)", "COMMIT")
        self.assertEqual(self.both(), ([1], [5]))

    def test_savepoint_older_than_the_branch(self):
        self.sql("BEGIN", "SAVEPOINT early", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)",
                 "ROLLBACK TO early", "INSERT INTO t2.b (i) VALUES (2)", "COMMIT")
        self.assertEqual(self.both(), ([], [2]))

    def test_released_savepoint_is_gone(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "SAVEPOINT s", "RELEASE SAVEPOINT s")
        self.refused(1305, self.db, "ROLLBACK TO s")
        self.sql("COMMIT")
        self.assertEqual(self.both(), ([1], []))

    def test_statement_error_keeps_the_transaction(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)")
        self.refused(1062, self.db, "INSERT INTO t1.a (i) VALUES (1)")
        self.assertTrue(self.in_transaction())
        self.sql("INSERT INTO t2.b (i) VALUES (1)", "COMMIT")
        self.assertEqual(self.both(), ([1], [1]))

    def test_lock_wait_timeout_keeps_the_transaction(self):
        self.sql("INSERT INTO t1.a (i) VALUES (1)")
        holder = self.connect()
        self.run_sql(holder, "BEGIN", "UPDATE t1.a SET v = 1 WHERE i = 1")
        self.sql("SET SESSION innodb_lock_wait_timeout = 1", "BEGIN", "INSERT INTO t2.b (i) VALUES (1)")
        begun = time.monotonic()
        self.refused(1205, self.db, "UPDATE t1.a SET v = 2 WHERE i = 1")
        self.assertLess(time.monotonic() - begun, 40)  # its own, not the server's
        self.assertTrue(self.in_transaction())
        self.run_sql(holder, "ROLLBACK")
        self.sql("UPDATE t1.a SET v = 3 WHERE i = 1", "COMMIT")
        self.assertEqual(self.world.direct("s1", "SELECT v FROM t1.a")[0][0], 3)
        self.assertEqual(self.both(), ([1], [1]))

    def test_deadlock_ends_the_transaction_everywhere(self):
        self.sql("INSERT INTO t1.a (i) VALUES (1), (2)")
        other = self.connect()
        # The heavier one survives: the other has changed fewer rows.
        self.run_sql(other, "BEGIN", "UPDATE t1.a SET v = 1 WHERE i = 2",
                     "INSERT INTO t1.a (i) VALUES (11),(12),(13),(14),(15),(16)")
        self.sql("BEGIN", "INSERT INTO t2.b (i) VALUES (7)", "UPDATE t1.a SET v = 2 WHERE i = 1")
        failed = []

        def wait_for_the_lock():
            try:
                self.run_sql(other, "UPDATE t1.a SET v = 1 WHERE i = 1")
            except pymysql.err.MySQLError as error:
                failed.append(error.args[0])
        thread = threading.Thread(target=wait_for_the_lock)
        thread.start()
        time.sleep(0.3)
        try:
            self.sql("UPDATE t1.a SET v = 2 WHERE i = 2")
        except pymysql.err.MySQLError as error:
            self.assertEqual(error.args[0], 1213)
            self.assertFalse(self.in_transaction())
            self.world.settle()
            self.assertEqual(self.both()[1], [], "the other server's branch went with it")
        thread.join(60)
        self.assertLessEqual(set(failed), {1213})
        self.run_sql(other, "ROLLBACK")
        self.sql("ROLLBACK")

    def test_client_vanishes_in_the_middle(self):
        for how in ("between statements", "after a statement was sent", "after COMMIT was sent"):
            with self.subTest(how=how):
                self.world.direct("s1", "DELETE FROM t1.a")
                self.world.direct("s2", "DELETE FROM t2.b")
                db = self.world.connect()
                self.run_sql(db, "BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
                if how == "after a statement was sent":
                    db._execute_command(3, "INSERT INTO t2.b (i) SELECT 2 FROM (SELECT SLEEP(0.3)) x")
                elif how == "after COMMIT was sent":
                    db._execute_command(3, "COMMIT")
                db._force_close()
                self.world.settle()
                xatest.until(self.nobody_holds_locks, 5, "a branch of a vanished client holds its locks")
                left, right = self.both()
                self.assertEqual(left, right)
                if how != "after COMMIT was sent":
                    self.assertEqual(left, [])

    def nobody_holds_locks(self):
        return not any(one.open_transactions() for one in self.world.server.values())

    def test_quit_rolls_back(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        self.db.close()
        xatest.until(self.nobody_holds_locks, 5, "QUIT left a branch open")
        self.assertEqual(self.both(), ([], []))

    def test_killed_branch_connection_makes_it_failed(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        [trx] = self.world.server["s2"].open_transactions()
        self.world.direct("s2", f"KILL {trx}")
        with self.assertRaises(pymysql.err.MySQLError) as caught:
            self.sql("INSERT INTO t2.b (i) VALUES (2)")
        self.assertTrue(self.in_transaction(), f"still the client's to end, after {caught.exception}")
        self.refused(1402, self.db, "INSERT INTO t1.a (i) VALUES (3)")
        with self.assertRaises(pymysql.err.MySQLError):
            self.sql("COMMIT")
        self.assertFalse(self.in_transaction())
        self.world.settle()
        self.assertEqual(self.both(), ([], []))
        self.sql("INSERT INTO t1.a (i) VALUES (9)")
        self.assertEqual(self.both(), ([9], []))

    def test_lost_branch_then_rollback(self):
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)")
        [trx] = self.world.server["s1"].open_transactions()
        self.world.direct("s1", f"KILL {trx}")
        self.sql("ROLLBACK", "BEGIN", "INSERT INTO t2.b (i) VALUES (5)", "COMMIT")
        self.assertEqual(self.both(), ([], [5]))

    def test_consistent_snapshot_is_one_server_only(self):
        self.sql("INSERT INTO t1.a (i) VALUES (1)", "START TRANSACTION WITH CONSISTENT SNAPSHOT")
        self.world.direct("s1", "INSERT INTO t1.a (i) VALUES (2)")
        self.assertEqual(self.rows(self.db, "SELECT COUNT(*) FROM t1.a"), ((1,),))
        self.refused(1235, self.db, "SELECT * FROM t2.b")
        self.sql("COMMIT")

    def test_a_savepoint_before_any_table_outlives_a_set(self):
        self.sql("SET autocommit = 0", "SAVEPOINT early", "SET NAMES utf8mb4", "SET @x = 1", "INSERT INTO t1.a (i) VALUES (1)",
                 "INSERT INTO t2.b (i) VALUES (1)", "ROLLBACK TO early", "INSERT INTO t2.b (i) VALUES (2)", "SET autocommit = 1")
        self.assertEqual(self.both(), ([], [2]))

    def test_what_names_no_table_follows_a_snapshot(self):
        self.sql("SET @mine = 5")
        self.rows(self.db, "SELECT * FROM t2.b")
        self.sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        self.assertEqual(self.rows(self.db, "SELECT @mine, 1 + 1"), ((5, 2),))
        self.assertEqual(self.rows(self.db, "SHOW WARNINGS"), ())
        self.sql("COMMIT")

    def test_prepare_refused_undoes_all(self):
        # A trigger-free way to make a vote fail on demand: the branch's connection is killed just before COMMIT.
        self.sql("BEGIN", "INSERT INTO t1.a (i) VALUES (1)", "INSERT INTO t2.b (i) VALUES (1)",
                 "CALL cache.HINCRBY('vote', 'n', 1)")
        [trx] = self.world.server["s2"].open_transactions()
        self.world.direct("s2", f"KILL {trx}")
        with self.assertRaises(pymysql.err.MySQLError):
            self.sql("COMMIT")
        self.world.settle()
        self.assertEqual(self.both(), ([], []))
        self.assertIsNone(self.redis().hget("vote", "n"))

    def test_many_transactions_leave_nothing(self):
        for i in range(100):
            self.sql("BEGIN", f"INSERT INTO t1.a (i) VALUES ({i})", f"INSERT INTO t2.b (i) VALUES ({i})", "COMMIT")
        left, right = self.both()
        self.assertEqual((left, right), (list(range(100)), list(range(100))))
        self.assertEqual(self.world.leftovers(), [])
