"""An application cannot tell the proxy from a server: the same sessions on both get the same answers and leave the same
behind."""
import os

import differential
import speaker
import stream
import xatest


# With 100,000 for each of the two runs in `make check-full`; a seed tells the same again.
STATEMENTS = int(os.environ.get("DIFFERENTIAL_STATEMENTS", "1500"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "2")
# What differs and is known to: the warnings of an earlier statement, which MariaDB keeps over statements without tables
# (diagnostics), ROW_COUNT() after a FETCH; the types of parameters of a SET (prepared set); what only one connection knows
# of a sequence.
WITHOUT = ("diagnostics", "row count", "prepared set", "sequence")
# Of two servers both count: which insert id was an explicit value and does not count is not told.
WITHOUT_ACROSS = ("information",)
# A prepared statement has there the types of the values that it last ran with, on its connection; the status does not always
# say of a transaction that it is read-only by a setting.
WITHOUT_ON_MYSQL = ("prepared_statement", "several_prepared", "cursor", "read only")


class Case(xatest.Case):
    world_class = differential.World


class Sessions(Case):
    def tell(self, **more):
        without = WITHOUT + WITHOUT_ACROSS * more.get("across", False) + WITHOUT_ON_MYSQL * (xatest.FAMILY == "mysql")
        counts = differential.Run(self.world, SEED, STATEMENTS, without=without, **more).execute()
        print(f"# seed {SEED}: {dict(counts)}")
        self.assertGreaterEqual(sum(counts.values()) - counts["errors"], STATEMENTS)

    def test_fifty_sessions_on_few_connections(self):
        self.tell()

    def test_fifty_sessions_over_two_servers(self):
        self.tell(across=True)


class Sharing(Case):
    """What differed only in company, when connections change hands."""

    def test_variables_that_are_null_or_unsigned_go_along(self):
        texts = ["SET @u2 = LAST_INSERT_ID()", "SELECT @u3 := NULL", "SELECT 1 INTO @u1, @u2",
                 *["SELECT SLEEP(0.01)", "SELECT @u1, @u2, @u3"] * 5]
        run = differential.Run(self.world, "null", 1, range(20))
        for session in run.sessions:
            session.stream.first = lambda s=session: stream.Episode(
                s.stream.grammar_of("schema") + [stream.query(text) for text in texts])
        run.execute()


class Stories(Case):
    """What once differed, each as short as it can be told."""

    number = 0

    def same(self, *statements, caps=speaker.CAPS):
        run = differential.Run(self.world, "story", 1, [Stories.number])
        Stories.number += 1
        session = run.sessions[0]
        said = [text if text is stream.RESET else stream.query(text) for text in statements]
        session.stream.first = lambda: stream.Episode(session.stream.grammar_of("schema") + said)
        session.caps = caps
        run.execute()

    def test_an_error_after_the_columns_for_a_client_that_wants_eof(self):
        self.same("SELECT (SELECT id FROM t)", "SELECT 1", caps=speaker.CAPS & ~speaker.DEPRECATE_EOF)

    def test_a_reset(self):
        self.same("SET NAMES latin1", "INSERT INTO log (what) VALUES ('x')", stream.RESET, "SELECT LAST_INSERT_ID()",
                  "SELECT @@character_set_client, @@character_set_results, @@collation_connection",
                  "SELECT CHARSET('x'), COLLATION('x')")

    def test_texts_with_only_comments(self):
        self.same("", " ", ";", " ; ", "-- c", "/* c */", "/* c */;", "SELECT 1; -- c", "SELECT 1;;", "SELECT 1; ; SELECT 2",
                  "-- c\n; SELECT 2",
                  "/*!99999 x */", "SELECT 1; /* c */;")

    def test_without_autocommit_the_first_table_begins_the_transaction(self):
        self.same("SET autocommit = 0", "SELECT 1", "DO 1", "SHOW TABLES", "SELECT 1 FROM t", "COMMIT", "SHOW CREATE TABLE t",
                  "SET @x = 1",
                  "SAVEPOINT x", "RELEASE SAVEPOINT x", "DELETE FROM t WHERE id < 0", "SAVEPOINT x", "ROLLBACK")

    def test_sql_mode_shows_in_the_status(self):
        self.same("SET sql_mode = 'ANSI'", "SELECT 1", "BEGIN", "COMMIT", "SET sql_mode = 'NO_BACKSLASH_ESCAPES'", "SELECT 1",
                  "SET sql_mode = ''")

    def test_commit_and_chain_without_a_transaction(self):
        self.same("COMMIT AND CHAIN", "SELECT 1", "ROLLBACK", "SET autocommit = 0", "ROLLBACK AND CHAIN",
                  "DELETE FROM t WHERE id = 7", "COMMIT")

    def test_nothing_is_chained_over_an_implicit_commit(self):
        self.same("START TRANSACTION READ ONLY", "CREATE TABLE x (i INT)", "ROLLBACK AND CHAIN", "COMMIT")

    def test_warning_of_a_snapshot_that_is_none(self):
        self.same("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", "START TRANSACTION WITH CONSISTENT SNAPSHOT",
                  "SHOW WARNINGS", "COMMIT")

    def test_questions_about_the_last_statement(self):
        self.same("INSERT INTO t (n) VALUES (1), (2)", "SELECT ROW_COUNT()", "SELECT ROW_COUNT()", "COMMIT",
                  "SELECT ROW_COUNT(), LAST_INSERT_ID()",
                  "SELECT 1 / 0", "SHOW WARNINGS", "SHOW COUNT(*) WARNINGS", "BEGIN", "SHOW WARNINGS", "SHOW COUNT(*) ERRORS",
                  "UPDATE t SET n = 5", "SELECT ROW_COUNT()", "SELEKT", "SHOW ERRORS", "SHOW WARNINGS LIMIT 1",
                  "SELECT @@error_count, @@warning_count",
                  "COMMIT", "SELECT @@error_count", "SELECT ROW_COUNT()", "SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1",
                  "SELECT FOUND_ROWS()",
                  "SET @x = 1 + 1", "SELECT ROW_COUNT()", "SELECT DATABASE(), SCHEMA()")

    def test_a_transaction_is_read_only_by_whatever_said_so(self):
        self.same("SET TRANSACTION READ ONLY", "BEGIN", "INSERT INTO log (what) VALUES ('x')", "COMMIT AND CHAIN", "COMMIT",
                  "BEGIN", "COMMIT",
                  "SET SESSION TRANSACTION READ ONLY", "BEGIN", "SET SESSION TRANSACTION READ WRITE", "COMMIT AND CHAIN",
                  "INSERT INTO log (what) VALUES ('x')", "ROLLBACK", "START TRANSACTION READ WRITE", "COMMIT",
                  "SET SESSION TRANSACTION READ ONLY, ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION READ WRITE", "COMMIT",
                  "SET autocommit = 0",
                  "SELECT 1 FROM t", "COMMIT", "SET autocommit = 1", "SET SESSION TRANSACTION READ WRITE", "BEGIN", "ROLLBACK")

    def test_set_transaction_adds_to_the_one_before(self):
        self.same("SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "BEGIN", "UPDATE t SET n = 1",
                  "COMMIT",
                  "SET TRANSACTION READ ONLY", "COMMIT AND CHAIN", "UPDATE t SET n = 1", "COMMIT")

    def test_set_transaction_with_nonsense(self):
        self.same("SET TRANSACTION NONSENSE", "SET TRANSACTION READ", "SET TRANSACTION READ ONLY, READ ONLY", "BEGIN",
                  "SET TRANSACTION READ ONLY", "COMMIT")

    def test_ddl_that_nobody_can_read_ends_no_transaction(self):
        self.same("BEGIN", "INSERT INTO log (what) VALUES ('x')", "CREATE TABLE broken (", "LOCK TABLES", "ALTER NONSENSE",
                  "ROLLBACK",
                  "SELECT COUNT(*) FROM log", "BEGIN", "INSERT INTO log (what) VALUES ('x')", "CREATE TABLE t (i INT)",
                  "ROLLBACK", "SELECT COUNT(*) FROM log")

    def test_autocommit(self):
        self.same("SELECT @@autocommit", "BEGIN", "SELECT @@autocommit", "COMMIT", "SET autocommit = 0", "SELECT @@autocommit",
                  "SET autocommit = 2",
                  "SET autocommit = NULL", "SET autocommit = 1")

    def test_what_an_error_has_touched(self):
        self.same("SET autocommit = 0", "INSERT INTO child (parent) VALUES (99)", "ROLLBACK", "SELECT * FROM nowhere",
                  "SELECT 18446744073709551615 + 1",
                  "COMMIT", "SET SESSION TRANSACTION READ ONLY", "DELETE FROM t", "ROLLBACK")
