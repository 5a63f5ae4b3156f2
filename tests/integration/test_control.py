"""Sessions that are looked at and ended: KILL with the proxy's own ids, SHOW PROCESSLIST, limits and deadlines."""
import contextlib
import signal
import threading
import time

import preparing
import pymysql
import relayed
import xatest
from rawclient import Gone, Raw
from running import Running

KILLED = (1317, 1927, 2013, 0)  # 0: the driver knows already that its line is cut
COM_RESET_CONNECTION = 0x1F


class Users(xatest.World):
    """With a user in a hurry and one who may look after all; one connection to a server for each of them and each worker."""

    def config_lines(self):
        yield from super().config_lines()
        sha2, _ = xatest.verifiers("secret")
        for user, option in (("hasty", "statement_timeout = 2s"), ("nurse", "all_sessions = on"), ("narrow", "")):
            yield from (f"[user {user}]", f"password_verifier = {sha2}", option)
            for name in self.server:
                account, password = self.account("app", name)
                yield from (f"[account {user}@{name}]", f"user = {account}", f"password = {password}")


class Control(xatest.Case):
    world_class = Users

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.world.direct("s1", "CREATE TABLE IF NOT EXISTS t1.k (id INT PRIMARY KEY, n INT) ENGINE=InnoDB")
        cls.world.direct("s2", "CREATE TABLE IF NOT EXISTS t2.k (id INT PRIMARY KEY, n INT) ENGINE=InnoDB")

    def setUp(self):
        super().setUp()
        for name, table in (("s1", "t1.k"), ("s2", "t2.k")):
            self.world.direct(name, f"REPLACE INTO {table} VALUES (1, 0), (2, 0)")

    def sleep(self, db, backend="s1", seconds=20):
        """Runs on that server when this returns; as a condition it is an error where SLEEP alone is a value on MySQL."""
        table = {"s1": "t1.k", "s2": "t2.k"}[backend]
        running = Running(db, f"SELECT COUNT(*) FROM {table} WHERE SLEEP({seconds}) = 9")
        xatest.until(lambda: self.state_of(db) == f"running on {backend}", 10, lambda: self.state_of(db))
        return running

    def processlist(self, db=None, full=False):
        with (db or self.world.admin()) as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(f"SHOW {'FULL ' if full else ''}PROCESSLIST")
            return {row["Id"]: row for row in cursor.fetchall()}

    def state_of(self, db):
        return self.processlist().get(db.thread_id(), {}).get("State")

    def counter(self, name):
        with self.world.admin() as db, db.cursor() as cursor:
            cursor.execute("SHOW STATUS")
            return int(dict(cursor.fetchall())[name])

    def kill(self, what, *who):
        with self.connect(*who) as db:
            self.run_sql(db, f"KILL {what}")


class Kill(Control):
    def test_query_ends_and_the_session_lives(self):
        for backend in ("s1", "s2"):
            db = self.connect(database="t1")
            running = self.sleep(db, backend)
            self.kill(f"QUERY {db.thread_id()}")
            self.assertEqual(running.end(), 1317)
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
            xatest.until(lambda: self.world.direct(backend, "SELECT COUNT(*) FROM information_schema.processlist"  # behind its answer
                                                   " WHERE info LIKE '%SLEEP(20)%' AND info NOT LIKE '%processlist%'") == ((0,),),
                         1, "it still runs there")

    def test_the_killed_statement_is_all_that_is_undone(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", "UPDATE t1.k SET n = 7 WHERE id = 1", "UPDATE t2.k SET n = 7 WHERE id = 1")
        running = self.sleep(db, "s2")
        self.kill(f"QUERY {db.thread_id()}")
        self.assertEqual(running.end(), 1317)
        self.run_sql(db, "COMMIT")
        self.assertEqual(self.world.direct("s1", "SELECT n FROM t1.k WHERE id = 1"), ((7,),))
        self.assertEqual(self.world.direct("s2", "SELECT n FROM t2.k WHERE id = 1"), ((7,),))

    def test_connection_ends_and_its_transaction_with_it(self):
        db = self.connect()
        self.run_sql(db, "BEGIN", "UPDATE t1.k SET n = 8 WHERE id = 1", "UPDATE t2.k SET n = 8 WHERE id = 1",
                     "CALL cache.SET('kc', '8')")
        self.kill(str(db.thread_id()))
        self.refused_any(db, "SELECT 1")
        self.world.settle()
        self.assertEqual(self.world.direct("s1", "SELECT n FROM t1.k WHERE id = 1"), ((0,),))
        self.assertEqual(self.world.direct("s2", "SELECT n FROM t2.k WHERE id = 1"), ((0,),))
        self.assertIsNone(self.world.cache.client().get("kc"))

    def refused_any(self, db, sql):
        with self.assertRaises((pymysql.err.MySQLError, OSError)) as caught:
            self.rows(db, sql)
        self.assertIn(caught.exception.args[0], KILLED)

    def test_connection_with_a_statement_under_way(self):
        for form in ["{}", "CONNECTION {}"] + ["HARD CONNECTION {}", "SOFT {}"] * (xatest.FAMILY == "mariadb"):
            db = self.connect(database="t1")
            running = self.sleep(db)
            self.kill(form.format(db.thread_id()))
            self.assertIn(running.end(), KILLED)
            self.refused_any(db, "SELECT 1")

    def test_whose_and_which(self):
        app, native, other = self.connect(), self.connect("native"), self.connect()
        self.refused(1095, app, f"KILL {native.thread_id()}")
        self.refused(1095, app, f"KILL QUERY {native.thread_id()}")
        self.refused(1095 if xatest.FAMILY == "mariadb" else 1064, app, "KILL USER native")
        for sql in ("KILL 4000000000", "KILL QUERY 0", "KILL 99999999999999999999999"):
            self.refused(1094, app, sql)
        for sql in ["KILL QUERY ID 5"] * (xatest.FAMILY == "mariadb") + ["KILL GET_LOCK('id', 0)"]:
            self.refused(1235, app, sql)
        for sql in ("KILL NULL", "KILL 'no number'", "KILL 5000000000 - 1000000000", "KILL @a"):
            self.refused(1094, app, sql)
        for sql in ("KILL no_column", "KILL QUERY 1 +", "KILL 1; 2"):
            self.refused(1054 if "column" in sql else 1064, app, sql)
        self.run_sql(app, f"KILL QUERY {other.thread_id()}")
        self.assertEqual(self.rows(other, "SELECT 1"), ((1,),))  # an idle session has nothing to end
        self.assertEqual(self.rows(native, "SELECT 1"), ((1,),))
        with self.world.admin() as dba:
            self.run_sql(dba, f"KILL {native.thread_id()}")
        self.refused_any(native, "SELECT 1")

    @xatest.only("mysql")
    def test_words_of_mariadb_are_errors_as_on_a_server(self):
        db, other = self.connect(), self.connect()
        for sql in (f"KILL HARD {other.thread_id()}", f"KILL SOFT QUERY {other.thread_id()}", "KILL USER app", "KILL QUERY USER 'app'@'%'",
                    "KILL QUERY ID 5", "KILL", "KILL QUERY"):
            self.refused(1064, db, sql)
        for sql in ("KILL HARD", "KILL USER"):
            self.refused(1054, db, sql)
        self.rows(other, "SELECT 1")

    @xatest.only("mariadb")
    def test_nobody_is_an_error_as_on_a_server(self):
        db = self.connect()
        for sql in ("KILL", "KILL QUERY", "KILL HARD", "KILL SOFT CONNECTION;"):
            self.refused(1064, db, sql)
        self.refused(1054, db, "KILL USER")

    @xatest.only("mariadb")
    def test_user(self):
        mine, asker = [self.connect("native") for _ in range(3)], self.connect("native")
        running = self.sleep(mine[0])
        xatest.until(lambda: sum(row["User"] == "native" for row in self.processlist().values()) == 4, 5, "some of before")
        with asker.cursor() as cursor:
            self.assertEqual(cursor.execute("KILL QUERY USER 'native'@'%'"), 3)
        self.assertEqual(running.end(), 1317)
        with self.assertRaises(pymysql.err.MySQLError):
            self.rows(asker, "KILL USER CURRENT_USER")
        for db in mine:
            self.refused_any(db, "SELECT 1")

    def test_oneself(self):
        db = self.connect()
        self.refused(1317, db, f"KILL QUERY {db.thread_id()}")
        self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))
        self.refused(1927 if xatest.FAMILY == "mariadb" else 1317, db, f"KILL {db.thread_id()}")
        self.refused_any(db, "SELECT 1")

    def test_by_an_expression(self):
        db, other = self.connect(database="t1"), self.connect(database="t1")
        self.refused(1317, db, "KILL QUERY CONNECTION_ID()")
        self.run_sql(db, f"SET @id = {other.thread_id() + 1}", "KILL @id - 1")
        self.refused_any(other, "SELECT 1")
        self.refused(1927 if xatest.FAMILY == "mariadb" else 1317, db, "KILL CONNECTION_ID()")
        self.refused_any(db, "SELECT 1")

    def test_the_line_of_who_is_killed_is_cut(self):
        """As by servers: pools take an error for the answer to what they ask next."""
        idle, busy = (preparing.Client(self.world, "t1") for _ in range(2))
        ids = []
        for c in (idle, busy):
            self.addCleanup(c.close)
            [[number]] = c.execute(c.prepare("SELECT CONNECTION_ID()")[0]).values()
            ids.append(number)
        busy.query("SELECT COUNT(*) FROM t1.k WHERE SLEEP(20) = 9")
        xatest.until(lambda: self.processlist().get(ids[1], {}).get("State") == "running on s1", 10,
                     lambda: self.processlist())
        for c, number in zip((idle, busy), ids):
            self.kill(str(number))
            self.assertRaises(Gone, c.packet)

    def test_of_others_by_who_may(self):
        db = self.connect("native", database="t1")
        running = self.sleep(db)
        nurse = self.connect("nurse", "secret")
        self.assertIn(db.thread_id(), self.processlist(self.connect("nurse", "secret")))
        self.run_sql(nurse, f"KILL QUERY {db.thread_id()}")
        self.assertEqual(running.end(), 1317)
        self.run_sql(nurse, f"KILL {db.thread_id()}")
        self.refused_any(db, "SELECT 1")

    def test_commit_comes_to_its_end(self):
        """FLUSH TABLES WITH READ LOCK holds a PREPARE up: KILL QUERY does nothing to it, and KILL leaves nothing half done."""
        for kill in ("QUERY", "CONNECTION"):
            db = self.connect()
            self.run_sql(db, "BEGIN", "UPDATE t1.k SET n = 5 WHERE id = 2", "UPDATE t2.k SET n = 5 WHERE id = 2")
            with self.world.server["s2"].root() as lock:
                self.run_sql(lock, "FLUSH TABLES WITH READ LOCK")
                running = Running(db, "COMMIT")
                xatest.until(lambda: self.processlist().get(db.thread_id(), {}).get("Info") == "COMMIT", 10, "no COMMIT")
                self.kill(f"{kill} {db.thread_id()}")
                self.run_sql(lock, "UNLOCK TABLES")
            error = running.end()
            self.world.settle()
            values = {self.world.direct(name, f"SELECT n FROM {table} WHERE id = 2")[0][0]
                      for name, table in (("s1", "t1.k"), ("s2", "t2.k"))}
            self.assertEqual(len(values), 1)
            if kill == "QUERY":
                self.assertEqual((error, values), (0, {5}))
            else:
                self.assertIn(error, KILLED)
            self.setUp()

    def test_a_server_that_does_not_end_it(self):
        """It hangs: the client is free again all the same, its transaction is not."""
        db = self.connect()
        self.run_sql(db, "BEGIN", "UPDATE t1.k SET n = 6 WHERE id = 1", "UPDATE t2.k SET n = 6 WHERE id = 1")
        running = self.sleep(db, "s2")
        self.world.server["s2"].signal(signal.SIGSTOP)
        try:
            self.kill(f"QUERY {db.thread_id()}")
            self.assertEqual(running.end(), 1317)
            self.refused(1402, db, "SELECT 1")
        finally:
            self.world.server["s2"].signal(signal.SIGCONT)
        self.run_sql(db, "ROLLBACK")
        self.world.settle()
        self.assertEqual(self.world.direct("s1", "SELECT n FROM t1.k WHERE id = 1"), ((0,),))
        self.assertEqual(self.world.direct("s2", "SELECT n FROM t2.k WHERE id = 1"), ((0,),))
        xatest.until(self.world.works, 5, lambda: f"not of use again: {self.world.why_not}")

    def test_process_kill(self):
        db = self.connect()
        with self.connect() as killer:
            killer.kill(db.thread_id())
        self.refused_any(db, "SELECT 1")

    def test_what_waits_for_a_lock_of_redis(self):
        holder, db = self.connect(), self.connect()
        self.run_sql(holder, "BEGIN", "CALL cache.SET('held', '1')")
        for begin in ("ROLLBACK", "BEGIN"):
            self.run_sql(db, begin)
            running = Running(db, "CALL cache.SET('held', '2')")
            xatest.until(lambda: self.state_of(db) == "waiting for a Redis lock in cache", 10, lambda: self.state_of(db))
            self.kill(f"QUERY {db.thread_id()}")
            self.assertEqual(running.end(), 1317)
        self.run_sql(db, "ROLLBACK")
        self.run_sql(holder, "ROLLBACK")
        self.run_sql(db, "CALL cache.SET('held', '3')")

    def test_the_rest_of_a_multi_statement_is_not_run(self):
        db = self.connect(client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS)
        running = Running(db, "SELECT COUNT(*) FROM t1.k WHERE SLEEP(20) = 9; UPDATE t1.k SET n = 9")
        xatest.until(lambda: self.state_of(db) == "running on s1", 10, "not running")
        self.kill(f"QUERY {db.thread_id()}")
        self.assertEqual(running.end(), 1317)
        self.assertEqual(self.world.direct("s1", "SELECT SUM(n) FROM t1.k"), ((0,),))

    def test_nobody_else_is_hit(self):
        """Statements that end while they are killed: what comes next on the same connections never is."""
        db, killer = self.connect(database="t1"), self.connect()
        stop = threading.Event()
        errors = []

        def kill_again_and_again():
            while not stop.is_set():
                self.run_sql(killer, f"KILL QUERY {db.thread_id()}")

        thread = threading.Thread(target=kill_again_and_again)
        thread.start()
        try:
            turn = 0
            while turn < 300 or not errors and turn < 30000:
                turn += 1
                with db.cursor() as cursor:
                    try:
                        cursor.execute("SELECT COUNT(*) FROM k WHERE SLEEP(0.001) = 9")
                    except pymysql.err.OperationalError as error:
                        errors.append(error.args[0])
        finally:
            stop.set()
            thread.join()
        self.assertEqual(set(errors), {1317})
        for _ in range(100):
            self.assertEqual(self.rows(db, "SELECT 1"), ((1,),))


class Probed(Control):
    def test_a_statement_that_is_killed_before_its_implicit_commit(self):
        """A server is asked to read it first: that waits for a table that another one is about to change,
        and nothing is committed."""
        holder, db = self.connect(), self.connect(database="t1")
        self.run_sql(db, "BEGIN", "UPDATE t2.k SET n = 4 WHERE id = 1")
        self.run_sql(holder, "BEGIN", "SELECT * FROM t1.k")
        altering = threading.Thread(target=self.world.direct, args=("s1", "ALTER TABLE t1.k ADD COLUMN more INT"))
        altering.start()
        self.wait_for_locks(1)
        running = Running(db, "CREATE TABLE t1.copied ENGINE=InnoDB AS SELECT id, n FROM t1.k")
        self.wait_for_locks(2)
        self.kill(f"QUERY {db.thread_id()}")
        self.assertEqual(running.end(), 1317)
        self.run_sql(db, "ROLLBACK")
        self.run_sql(holder, "ROLLBACK")
        altering.join()
        self.world.direct("s1", "ALTER TABLE t1.k DROP COLUMN more")
        self.assertEqual(self.world.direct("s2", "SELECT n FROM t2.k WHERE id = 1"), ((0,),))

    def wait_for_locks(self, n):
        asked = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata lock'"
        xatest.until(lambda: self.world.direct("s1", asked)[0][0] == n, 10, "no lock is waited for")


class Withheld(Control):
    """Answers of a server come when the test lets them: what is under way besides the statement itself."""

    world_class = relayed.RelayedWorld
    world_options = {"workers": 1, "backend_options": "tls = off\nping_interval = 0\nmax_connections = 1"}

    @contextlib.contextmanager
    def withheld(self, begin):
        self.world.relays.take()
        self.world.relays.withheld = begin
        try:
            yield
        finally:
            self.world.relays.withheld = None

    def asked(self, begin):
        with self.world.relays.lock:
            return any(command.startswith(begin) for flight in self.world.relays.flights for command in flight.commands)

    def test_a_statement_that_was_prepared_for(self):
        """The server hears of the session's settings first: killed meanwhile, the statement itself is not sent."""
        db = self.connect(database="t1")
        self.run_sql(db, "SET SESSION sort_buffer_size = 300000")
        with self.withheld("SET SESSION sort_buffer_size"):
            running = Running(db, "UPDATE t2.k SET n = 8 WHERE id = 1")
            xatest.until(lambda: self.asked("SET SESSION sort_buffer_size"), 10, "it is not set up")
            self.kill(f"QUERY {db.thread_id()}")
        self.assertEqual(running.end(), 1317)
        self.assertEqual(self.world.direct("s2", "SELECT n FROM t2.k WHERE id = 1"), ((0,),))
        self.assertEqual(self.rows(db, "SELECT n FROM t2.k WHERE id = 1"), ((0,),))

    def test_a_statement_that_is_prepared_again(self):
        """Another client took the connection that knew it."""
        text = "UPDATE t1.k SET n = 8 WHERE id = 1"
        other = self.connect()
        with contextlib.closing(preparing.Client(self.world, "t1")) as db:
            db.query("SELECT CONNECTION_ID()")
            number = int(db.read_answer().rows[0][1:])
            db.text(f"PREPARE p FROM '{text}'")
            statement, _, _ = db.prepare(text)
            for execute in (lambda: db.query("EXECUTE p"), lambda: db.send_execute(statement)):
                self.rows(other, "SELECT COUNT(*) FROM t1.k")
                with self.withheld("PREPARE"):
                    execute()
                    xatest.until(lambda: self.asked("PREPARE"), 10, "it is not prepared again")
                    self.kill(f"QUERY {number}")
                with self.assertRaises(preparing.Error) as caught:
                    db.read_answer()
                self.assertEqual(caught.exception.code, 1317)
        self.assertEqual(self.world.direct("s1", "SELECT n FROM t1.k WHERE id = 1"), ((0,),))

    def test_behind_an_answer_nothing_is_killed(self):
        """What a server computed for a SET is read back behind the answer: who kills that hits nothing, and gets no second answer."""
        db = self.connect(database="t1")
        with self.withheld("SELECT @`late`"):
            self.run_sql(db, "SET @late = (SELECT MAX(id) FROM t1.k)")
            self.kill(f"QUERY {db.thread_id()}")
            db._execute_command(3, "SELECT @late")
            xatest.until(lambda: self.state_of(db) == "", 15, lambda: self.state_of(db))
            with self.assertRaises(pymysql.err.OperationalError) as caught:  # it was not read, and that is told once
                db._read_query_result()
        self.assertEqual(caught.exception.args[0], 2013)
        self.assertEqual(self.rows(db, "SELECT 5"), ((5,),))


    def test_what_one_server_says_is_no_text_for_another(self):
        """A collation's name goes into the SET for the next server: one that is none keeps the value where it is."""
        db = self.connect(database="t1")
        relays = self.world.relays
        relays.altered = b"utf8mb4_swedish_ci", b"utf8mb4_bin,@x=0x7"
        try:
            self.run_sql(db, "SET @v = CONCAT('a', _utf8mb4'b' COLLATE utf8mb4_swedish_ci)")
            self.assertEqual(self.rows(db, "SELECT @x, MAX(id) IS NULL FROM t2.k"), ((None, 0),))
        finally:
            relays.altered = None
        self.assertEqual(self.rows(db, "SELECT HEX(@v), MAX(id) IS NULL FROM t1.k"), (("6162", 0),))


class Deadline(Control):
    world_options = {"backend_options": "commit_timeout = 60s"}  # which one holds up for longer than a statement may take

    def test_behind_an_implicit_commit(self):
        """Which took longer than a statement may; the statement has its own time behind it."""
        db = self.connect("hasty", "secret", database="t1")
        self.run_sql(db, "BEGIN", "UPDATE k SET n = 3 WHERE id = 1")
        with contextlib.closing(self.world.server["s1"].root()) as root, root.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")
            running = Running(db, "CREATE TABLE t1.slow ENGINE=InnoDB AS SELECT id FROM t1.k WHERE SLEEP(20) = 9")
            xatest.until(lambda: "commit" in (self.state_of(db) or ""), 10, lambda: self.state_of(db))
            time.sleep(2.5)  # more than its statement_timeout
            cursor.execute("UNLOCK TABLES")
        self.assertIn(running.end(), (1969, 3024))
        self.assertEqual(self.world.direct("s1", "SELECT n FROM t1.k WHERE id = 1"), ((3,),))

    def test_statement_timeout(self):
        db = self.connect("hasty", "secret", database="t1")
        before = self.counter("statements_timed_out")
        code = 1969 if self.world.family == "mariadb" else 3024
        for backend in ("t1", "t2"):
            self.refused(code, db, f"SELECT COUNT(*) FROM {backend}.k WHERE SLEEP(20) = 9")
        self.run_sql(db, "BEGIN", "UPDATE t1.k SET n = 3 WHERE id = 1")
        self.refused(code, db, "UPDATE t2.k SET n = 3 WHERE id = 1 AND SLEEP(20) = 0")
        self.run_sql(db, "COMMIT")
        self.assertEqual(self.world.direct("s1", "SELECT n FROM t1.k WHERE id = 1"), ((3,),))
        self.assertEqual(self.counter("statements_timed_out") - before, 3)

    def test_waiting_counts(self):
        holder, db = self.connect(), self.connect("hasty", "secret")
        self.run_sql(holder, "BEGIN", "CALL cache.SET('late', '1')")
        self.refused(1969 if self.world.family == "mariadb" else 3024, db, "CALL cache.SET('late', '2')")
        self.run_sql(holder, "ROLLBACK")


class OfOne(Users):
    """One connection an account and a worker."""

    def __init__(self, **options):
        super().__init__(backend_options="max_connections = 1\nconnect_timeout = 10s", **options)


class Full(Control):
    world_class = OfOne

    def test_what_waits_for_a_connection(self):
        one, two, three = [self.connect("narrow", "secret") for _ in range(3)]
        self.run_sql(one, "BEGIN", "UPDATE t1.k SET n = 1 WHERE id = 1")
        self.run_sql(two, "BEGIN", "UPDATE t1.k SET n = 1 WHERE id = 2")
        for kill in ("QUERY", "CONNECTION"):
            running = Running(three, "SELECT COUNT(*) FROM t1.k")
            xatest.until(lambda: self.state_of(three) == "waiting for a connection to s1", 10, lambda: self.state_of(three))
            self.kill(f"{kill} {three.thread_id()}", "nurse", "secret")
            self.assertIn(running.end(), (1317,) if kill == "QUERY" else KILLED)
        self.run_sql(one, "ROLLBACK")
        self.run_sql(two, "ROLLBACK")


class Alone(Control):
    """All clients on one worker, with one connection an account."""
    world_class = OfOne
    world_options = {"workers": 1}

    def narrow(self, n):
        return [self.connect("narrow", "secret") for _ in range(n)]

    def waits_for(self, db, what):
        xatest.until(lambda: self.state_of(db) == what, 10, lambda: self.state_of(db))

    @contextlib.contextmanager
    def hung(self, name):
        self.world.server[name].signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.world.server[name].signal(signal.SIGCONT)

    def test_what_waits_for_the_memory_of_a_taken_connection(self):
        """Its server hangs before it has said what it remembers."""
        one, two, three = self.narrow(3)
        self.run_sql(three, "BEGIN", "UPDATE t2.k SET n = 1 WHERE id = 1")
        self.rows(one, "SELECT n FROM t1.k")
        running = Running(one, "SELECT n FROM t2.k")
        self.waits_for(one, "waiting for a connection to s2")
        with self.hung("s1"):
            taker = Running(two, "SELECT n FROM t1.k")
            self.waits_for(two, "waiting for a connection to s1")
            self.run_sql(three, "ROLLBACK")
            self.waits_for(one, "running")
            begun = time.monotonic()
            self.kill(f"QUERY {one.thread_id()}", "nurse", "secret")
            self.assertEqual(running.end(), 1317)
            self.assertLess(time.monotonic() - begun, 5, "it waited for the server")
        self.assertEqual(taker.end(), 0)
        self.assertEqual(self.rows(one, "SELECT COUNT(*) FROM t1.k"), ((2,),))

    def test_a_reset_does_not_wait_for_values_of_a_taken_connection(self):
        """A variable that the server has computed would be read back, and nobody asks for it any more."""
        one, two = self.narrow(2)
        self.run_sql(one, "BEGIN", "UPDATE t2.k SET n = 1 WHERE id = 1",
                     "SET @v = (SELECT n FROM t1.k WHERE id = 1) + CAST('7x' AS SIGNED)")
        with self.hung("s1"):
            with self.hung("s2"):
                one._execute_command(COM_RESET_CONNECTION, b"")
                xatest.until(lambda: (self.state_of(one) or "").startswith("rolling"), 10, lambda: self.state_of(one))
                taker = Running(two, "SELECT n FROM t1.k")
                self.waits_for(two, "waiting for a connection to s1")
            one._read_ok_packet()
        self.assertEqual(taker.end(), 0)
        self.assertEqual(self.rows(one, "SELECT @v, n FROM t1.k WHERE id = 1"), ((None, 0),))


class Look(Control):
    def test_columns_and_rows(self):
        db, other = self.connect(database="t1"), self.connect("native")
        self.run_sql(db, "BEGIN", "UPDATE k SET n = 1 WHERE id = 1")
        running = self.sleep(db)
        mine = self.processlist(self.connect())
        self.assertEqual(list(mine[db.thread_id()]), ["Id", "User", "Host", "db", "Command", "Time", "State", "Info", "Server",
                                                      "Transaction"])
        row = mine[db.thread_id()]
        self.assertEqual([row[name] for name in ("User", "Host", "db", "Command", "State", "Server")],
                         ["app", "127.0.0.1", "t1", "Query", "running on s1", "s1"])
        self.assertTrue(row["Info"].startswith("SELECT COUNT(*)"))
        self.assertTrue(row["Transaction"].startswith("xap1:test:"))
        self.assertNotIn(other.thread_id(), mine)
        everybody = self.processlist()
        self.assertEqual(everybody[other.thread_id()]["Command"], "Sleep")
        self.assertIsNone(everybody[other.thread_id()]["Info"])
        self.kill(f"QUERY {db.thread_id()}")
        running.end()
        self.run_sql(db, "ROLLBACK")

    def test_info_is_cut_without_full_and_always_text(self):
        db = self.connect(database="t1", charset="latin1")
        running = Running(db, "SELECT '" + "Ä" * 200 + "' FROM k WHERE SLEEP(20) = 9")
        xatest.until(lambda: self.state_of(db) == "running on s1", 10, "not running")
        self.assertEqual(len(self.processlist()[db.thread_id()]["Info"]), 100)
        self.assertEqual(self.processlist(full=True)[db.thread_id()]["Info"].count("?"), 200)
        self.kill(f"QUERY {db.thread_id()}")
        running.end()

    def test_what_a_session_waits_for(self):
        holder, db = self.connect(), self.connect()
        self.run_sql(holder, "BEGIN", "CALL cache.SET('seen', '1')")
        running = Running(db, "CALL cache.SET('seen', '2')")
        xatest.until(lambda: "lock in cache" in (self.state_of(db) or ""), 10, "not waiting")
        self.run_sql(holder, "COMMIT")
        self.assertEqual(running.end(), 0)

    def test_process_info_and_statistics(self):
        client = Raw(self.world.proxy.port, self.world.certs)
        client.login()
        client.command(b"\x0a")
        self.assertEqual(client.packet(), b"\x0a")
        client.close()
        with self.connect() as db:
            self.rows(db, "SELECT 1")
            db._execute_command(9, b"")
            words = db._read_packet().get_all_data().decode().split("  ")
            self.assertEqual([word.split(":")[0] for word in words], ["Uptime", "Threads", "Questions", "Slow queries", "Opens",
                                                                      "Open tables", "Queries per second avg"])
            self.assertGreater(int(words[2].split(": ")[1]), 0)
            db.ping(reconnect=False)


