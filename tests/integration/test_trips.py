"""No trip to a server more than a transaction needs: flights are read off the wire by relays.

A session's connections are set up by a first transaction; what is counted is the next one. Answers are held back for a while,
so that requests which could have left together and did not show in the order of flights. A machine that stands still for longer
shows others in that order: a test that fails is tried again with longer whiles, which a trip too many outlasts.
"""
import functools
import os
import struct
import subprocess
import time

import relayed
import xatest

HOLDS_S = (0.06, 0.6, 2.0)
START, PREPARE, ONE_PHASE = "XA START + UPDATE", "XA END + XA PREPARE", "XA END + XA COMMIT ONE PHASE"
U1, U2 = "UPDATE t1.a SET v = v + 1 WHERE i = 1", "UPDATE t2.b SET v = v + 1 WHERE i = 1"
R1, R2 = "SELECT v FROM t1.a WHERE i = 1", "SELECT v FROM t2.b WHERE i = 1"
REDIS = "CALL cache.HINCRBY('trips', 'n', 1)"


def patiently(test):
    @functools.wraps(test)
    def tried(self):
        for hold_s, longer_s in zip(HOLDS_S, HOLDS_S[1:]):
            try:
                return test(self)
            except Exception as why:  # pylint: disable=broad-except
                print(f"# answers held for {hold_s} s: {str(why)[:300]!r}")
                self.close(self.db)
                self.world.relays.delay_s = longer_s
                self.setUp()
        return test(self)
    return tried


class Trips(xatest.Case):
    world_class = relayed.RelayedWorld
    world_options = {"delay_s": HOLDS_S[0]}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name, table in (("s1", "t1.a"), ("s2", "t2.b")):
            cls.world.server[name].script([f"CREATE TABLE {table} (i INT PRIMARY KEY, v INT NOT NULL DEFAULT 0) ENGINE=InnoDB",
                                           f"INSERT INTO {table} (i) VALUES (1)"])

    def setUp(self):
        self.addCleanup(setattr, self.world.relays, "delay_s", HOLDS_S[0])
        self.db = self.connect()
        self.sql("BEGIN", U1, U2, REDIS, "COMMIT")
        self.quiet()
        self.world.flights()

    def quiet(self):
        """What nobody waits for has arrived, its answer too."""
        time.sleep(2 * self.world.relays.delay_s)

    def trips(self, *statements):
        self.sql(*statements)
        self.quiet()
        return self.world.trips()

    def waited_for(self, statement):
        """How many answers came in turn before the client had its own: the longest row of flights that do not overlap."""
        seen = self.world.relays.flights  # they stay there for trips()
        before = len(seen)
        self.sql(statement)
        answered = time.monotonic()
        row, free_from = 0, 0.0
        for one in sorted((f for f in seen[before:] if f.answered and f.answered <= answered), key=lambda f: f.answered):
            if one.sent >= free_from:
                row, free_from = row + 1, one.answered
        return row

    # --- transactions ---

    def test_two_writers(self):
        self.assertEqual(self.trips("BEGIN", U1, U2, "COMMIT"), {"s1": [START, PREPARE, "XA COMMIT"],
                                                                 "s2": [START, PREPARE, "XA COMMIT"]})

    def test_further_statements_are_one_trip_each(self):
        self.assertEqual(self.trips("BEGIN", U1, U1, R1, U2, "COMMIT"),
                         {"s1": [START, "UPDATE", "SELECT", PREPARE, "XA COMMIT"], "s2": [START, PREPARE, "XA COMMIT"]})

    def test_both_servers_are_asked_at_once(self):
        self.sql("BEGIN", U1, U2, "COMMIT")
        self.quiet()
        flights = {}
        for one in self.world.flights():
            flights.setdefault(" + ".join(map(relayed.label, one.commands)), []).append(one)
        for phase in (PREPARE, "XA COMMIT"):
            first, second = flights[phase]
            self.assertNotEqual(first.to, second.to)
            self.assertLess(second.sent, first.answered, f"{phase} went to {second.to} after {first.to} had answered")
        self.assertLess(max(one.answered for one in flights[PREPARE]), min(one.sent for one in flights["XA COMMIT"]))

    def test_commit_waits_for_two_answers_in_turn(self):
        self.sql("BEGIN", U1, U2)
        self.assertEqual(self.waited_for("COMMIT"), 2)

    def test_one_writer_commits_in_one_trip(self):
        self.assertEqual(self.trips("BEGIN", U1, "COMMIT"), {"s1": [START, ONE_PHASE]})

    def test_reader_beside_a_writer(self):
        self.assertEqual(self.trips("BEGIN", R1, U2, "COMMIT"), {"s1": ["XA START + SELECT", ONE_PHASE],
                                                                 "s2": [START, ONE_PHASE]})

    def test_reader_beside_a_writer_keeps_nobody_waiting(self):
        self.sql("BEGIN", R1, U2)
        self.assertEqual(self.waited_for("COMMIT"), 1)

    def test_readers_only(self):
        self.sql("BEGIN", R1, R2)
        self.assertEqual(self.waited_for("COMMIT"), 0)
        self.quiet()
        self.assertEqual(self.world.trips(), {"s1": ["XA START + SELECT", ONE_PHASE], "s2": ["XA START + SELECT", ONE_PHASE]})

    def test_empty_transaction(self):
        self.assertEqual(self.trips("BEGIN", "COMMIT", "BEGIN", "SAVEPOINT a", "ROLLBACK"), {})

    def test_rollback(self):
        self.sql("BEGIN", U1, U2)
        self.assertEqual(self.waited_for("ROLLBACK"), 1)
        self.assertEqual(self.world.trips(), {"s1": [START, "XA END + XA ROLLBACK"], "s2": [START, "XA END + XA ROLLBACK"]})

    def test_chain(self):
        self.assertEqual(self.trips("BEGIN", U1, "COMMIT AND CHAIN", U1, "COMMIT"), {"s1": 2 * [START, ONE_PHASE]})

    def test_characteristics_travel_along(self):
        self.assertEqual(self.trips("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION READ ONLY", R1, "COMMIT"),
                         {"s1": ["SET TRANSACTION ISOLATION LEVEL SERIALIZABLE + SET TRANSACTION READ ONLY + XA START + SELECT",
                                 ONE_PHASE]})

    # --- savepoints ---

    def test_savepoint_before_a_server_is_touched(self):
        self.assertEqual(self.trips("BEGIN", "SAVEPOINT a", U1, "COMMIT"),
                         {"s1": ["XA START + SAVEPOINT `a` + UPDATE", ONE_PHASE]})

    def test_savepoints_on_both_servers(self):
        self.sql("BEGIN", U1, U2)
        self.world.flights()
        for statement, text in (("SAVEPOINT a", "SAVEPOINT `a`"), ("ROLLBACK TO a", "ROLLBACK TO SAVEPOINT `a`"),
                                ("RELEASE SAVEPOINT a", "RELEASE SAVEPOINT `a`")):
            self.assertEqual(self.waited_for(statement), 1, statement)
            self.assertEqual(self.world.trips(), {"s1": [text], "s2": [text]})
        self.sql("ROLLBACK")

    # --- outside transactions ---

    def test_autocommit(self):
        # What the last branch left behind is set back in the same write, once.
        self.assertEqual(self.trips(U1, U1, R1), {"s1": ["SET autocommit=1 + UPDATE", "UPDATE", "SELECT"]})

    def test_back_to_a_transaction(self):
        self.sql(U1)
        self.world.flights()
        self.assertEqual(self.trips("BEGIN", U1, "COMMIT"), {"s1": ["SET autocommit=0 + XA START + UPDATE", ONE_PHASE]})

    def test_a_variable_travels_once(self):
        self.sql(U1)
        self.world.flights()
        self.assertEqual(self.trips("SET @x = 1", "SELECT @x FROM t1.a", "SELECT @x FROM t1.a"),
                         {"s1": ["SET @`x`=1", "SELECT", "SELECT"]})

    def test_a_default_schema_travels_once(self):
        use = "USE t1" if xatest.FAMILY == "mariadb" else "USE `t1`"
        self.sql(U1)
        self.world.flights()
        self.assertEqual(self.trips("USE t1", "SELECT v FROM a", "SELECT v FROM a"), {"s1": [use, "SELECT", "SELECT"]})

    # --- prepared statements, by packets, since the driver prepares nothing on the server ---

    def prepare(self, sql):
        self.db._execute_command(0x16, sql)
        return self.db._read_packet().get_all_data()[1:5]

    def execute(self, statement):
        self.db._execute_command(0x17, statement + struct.pack("<BI", 0, 1))
        return self.db._read_packet()

    def test_prepared_statement(self):
        statement = self.prepare(U1)
        self.execute(statement)
        self.execute(statement)
        self.assertEqual(self.world.trips(), {"s1": ["SET autocommit=1 + PREPARE", "EXECUTE", "EXECUTE"]})

    def test_prepared_statement_in_a_transaction(self):
        statement = self.prepare(U1)
        self.sql("BEGIN")
        self.execute(statement)
        self.assertEqual(self.trips("COMMIT"), {"s1": ["SET autocommit=1 + PREPARE", "SET autocommit=0 + XA START + EXECUTE",
                                                       ONE_PHASE]})

    # --- Redis ---

    def test_redis_outside(self):
        self.assertEqual(self.trips(REDIS, REDIS), {"cache": 2 * ["FCALL xa1_run"]})

    def test_redis_read(self):
        self.assertEqual(len(self.trips("CALL cache.HGET('trips', 'n')")["cache"]), 1)

    def test_redis_only(self):
        self.sql("BEGIN", REDIS, REDIS)
        self.assertEqual(self.waited_for("COMMIT"), 2)
        self.quiet()
        self.assertEqual(self.world.trips(), {"cache": 2 * ["FCALL xa1_do"] + ["FCALL xa1_vote", "FCALL xa1_end"]})

    def test_redis_beside_a_server(self):
        # A Redis write needs a decision, so a single server votes too; Redis is asked together with it.
        self.sql("BEGIN", U1, REDIS)
        self.assertEqual(self.waited_for("COMMIT"), 2)
        self.quiet()
        self.assertEqual(self.world.trips(), {"s1": [START, PREPARE, "XA COMMIT"],
                                              "cache": ["FCALL xa1_do", "FCALL xa1_vote", "FCALL xa1_end"]})

    def test_redis_beside_two_servers(self):
        self.sql("BEGIN", U1, U2, REDIS)
        self.assertEqual(self.waited_for("COMMIT"), 2)
        self.quiet()
        self.assertEqual(self.world.trips(), {"s1": [START, PREPARE, "XA COMMIT"], "s2": [START, PREPARE, "XA COMMIT"],
                                              "cache": ["FCALL xa1_do", "FCALL xa1_vote", "FCALL xa1_end"]})

    def test_redis_rolled_back(self):
        self.sql("BEGIN", U1, REDIS, REDIS)
        self.assertEqual(self.waited_for("ROLLBACK"), 1)
        self.quiet()
        self.assertEqual(self.world.trips(), {"s1": [START, "XA END + XA ROLLBACK"],
                                              "cache": 2 * ["FCALL xa1_do"] + ["FCALL xa1_end"]})

    def test_redis_rolled_back_to_a_savepoint(self):
        self.assertEqual(self.trips("BEGIN", REDIS, "SAVEPOINT a", REDIS, "ROLLBACK TO a", "ROLLBACK TO a", "ROLLBACK"),
                         {"cache": ["FCALL xa1_do", "FCALL xa1_do", "FCALL xa1_end", "FCALL xa1_end"]})

    # --- the log ---

    def records(self):
        """How often each type of record stands in the log, but for copies and what opening connections leaves."""
        waldump = os.path.join(xatest.BUILD, "waldump")
        text = subprocess.run([waldump, self.world.proxy.path("data", "log")], capture_output=True, text=True, check=True).stdout
        types = [line.split()[3] for line in text.splitlines() if line.startswith("position=") and " copy " not in line]
        return {one: types.count(one) for one in set(types)}

    def new_records(self, *statements):
        rest_s = 5 * self.world.relays.delay_s
        time.sleep(rest_s)  # records that nobody waits for are written by then
        before = self.records()
        self.sql(*statements)
        time.sleep(rest_s)
        return {one: n - before.get(one, 0) for one, n in self.records().items() if n != before.get(one, 0)}

    def test_one_decision_is_logged(self):
        self.assertEqual(self.new_records("BEGIN", U1, U2, REDIS, "COMMIT"), {"DECIDE": 1, "DONE": 1})

    def test_nothing_is_logged_without_a_decision(self):
        for statements in (("BEGIN", U1, "COMMIT"), ("BEGIN", R1, R2, "COMMIT"), ("BEGIN", U1, U2, "ROLLBACK"),
                           ("BEGIN", U1, REDIS, "ROLLBACK"), (U1, U2, REDIS)):
            self.assertEqual(self.new_records(*statements), {}, statements)


for name in [name for name in vars(Trips) if name.startswith("test_")]:
    setattr(Trips, name, patiently(getattr(Trips, name)))
