"""An application cannot tell the proxy from a server: the same sessions on both get the same answers and leave the same
behind."""
import os
import struct

import differential
import speaker
import stream
import xatest


# With 100,000 for each of the two runs in `make check-full`; a seed tells the same again.
STATEMENTS = int(os.environ.get("DIFFERENTIAL_STATEMENTS", "1500"))
SEED = os.environ.get("DIFFERENTIAL_SEED", "2")
# An error does not tell whether a routine has read tables before it, which begins the transaction where autocommit is off.
# What only one connection knows: LASTVAL() of a sequence. What MySQL does differently from connection to connection: which id a
# statement takes that a foreign key refuses, or that comes behind an INSERT IGNORE which named one and was refused for another
# key, and whether REPLACE replaces a row that others refer to; OUT parameters of a prepared CALL that has failed once; whether an
# EXECUTE warns of a LIMIT that is no number; how it takes long data, as one EXECUTE took some before; whether LOCK TABLES locks
# the tables with foreign keys of one, too (not on a connection that was once reset); by how much an id that was named moves the
# next one, once auto_increment_increment has been another; how often an EXECUTE warns of a list of parameters, and what it takes
# for a date, as it has run there before.
WITHOUT = ("sequence", "failing calls without autocommit")
# A server's information_schema has its own tables only.
# A function that no server has (MySQL 9.6 took MD5 away) is looked for in the default schema, which is another server's.
WITHOUT_ACROSS = ("information schema", "missing function")
WITHOUT_ON_MYSQL = ("foreign keys", "ignored ids", "out parameters", "limit as a parameter", "long data", "implied locks",
                    "increments", "list of parameters", "dates as numbers", "failing calls without autocommit")


class Case(xatest.Case):
    world_class = differential.World


class Sessions(Case):
    def tell(self, **more):
        without = (WITHOUT_ON_MYSQL if xatest.FAMILY == "mysql" else WITHOUT) + WITHOUT_ACROSS * more.get("across", False)
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

    def test_the_collation_that_a_schema_gave_goes_along(self):
        texts = ["SET CHARACTER SET utf8mb4", "USE information_schema",
                 *["SELECT SLEEP(0.01)", "SELECT @@character_set_connection, @@collation_connection"] * 5]
        run = differential.Run(self.world, "collation", 1, range(20))
        for session in run.sessions:
            session.stream.first = lambda s=session: stream.Episode(
                s.stream.grammar_of("schema") + [stream.query(text) for text in texts])
        run.execute()

    def test_warnings_go_along(self):
        texts = ["INSERT IGNORE INTO t (id) VALUES (1), (2), (90)", "SHOW WARNINGS LIMIT 1, 5",
                 "GET DIAGNOSTICS CONDITION 2 @u1 = MESSAGE_TEXT, @u2 = MYSQL_ERRNO", "SELECT ROW_COUNT(), @@warning_count",
                 "SELECT @u1, @u2",
                 "SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT 1", "SHOW WARNINGS", "SELECT FOUND_ROWS()",
                 "DELETE FROM t WHERE id = 90"] * 4
        run = differential.Run(self.world, "warnings", 1, range(20))
        for session in run.sessions:
            session.stream.first = lambda s=session: stream.Episode(
                s.stream.grammar_of("schema") + [stream.query(text) for text in texts])
        run.execute()

    def test_a_count_of_warnings_is_a_result(self):
        """Behind which ROW_COUNT() is -1, though the proxy has answered it and the server another statement before."""
        texts = ["SELECT CAST('9x' AS SIGNED) FROM t LIMIT 1", "SELECT SLEEP(0.01)", "DO 1", "SHOW COUNT(*) WARNINGS",
                 "SELECT ROW_COUNT()"] * 5
        run = differential.Run(self.world, "counts", 1, range(20))
        for session in run.sessions:
            session.stream.first = lambda s=session: stream.Episode(
                s.stream.grammar_of("schema") + [stream.query(text) for text in texts])
        run.execute()


class Stories(Case):
    """What once differed, each as short as it can be told."""

    number = 0

    def same(self, *statements, caps=speaker.CAPS, across=False):
        run = differential.Run(self.world, "story", 1, [Stories.number], across)
        Stories.number = (Stories.number + 1) % differential.SESSIONS
        session = run.sessions[0]
        own, other = session.stream.schema, session.stream.other
        said = [tuple(part.replace("{other}", other).replace("{own}", own) if isinstance(part, str) else part for part in command)
                for command in (one if isinstance(one, tuple) else stream.query(one) for one in statements)]
        begin = session.stream.first()
        session.stream.first = lambda: stream.Episode(begin + said)
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

    def test_a_comment_as_a_prepared_statement(self):
        texts = ["-- c", "/* c */", " /* c */ ; ", "# c", "/*!99999 x */", "", " ", ";", " ; ", "; SELECT 1", "-- c\n; SELECT 1"]
        execute = ("execute", 0, [], True, 0)
        self.same(*[part for slot, text in enumerate(texts) for part in (
            ("prepare", slot, text), ("execute", slot, [], True, 0), f'PREPARE s FROM "{text}"', "EXECUTE s")],
                  "SET autocommit = 0", execute, ("ping",), "SET TRANSACTION READ ONLY", execute, "COMMIT", "BEGIN", execute, "COMMIT")

    def test_without_autocommit_the_first_table_begins_the_transaction(self):
        self.same("SET autocommit = 0", "SELECT 1", "DO 1", "SHOW TABLES", "SELECT 1 FROM t", "COMMIT", "SHOW CREATE TABLE t",
                  "SET @x = 1",
                  "SAVEPOINT x", "RELEASE SAVEPOINT x", "DELETE FROM t WHERE id < 0", "SAVEPOINT x", "ROLLBACK")

    def test_without_autocommit_what_touches_no_table_begins_nothing(self):
        begins_nothing = ["SELECT 1", "SELECT LAST_INSERT_ID()", "SET @u = LAST_INSERT_ID()", "DO 1", "SHOW WARNINGS",
                          "SELECT 1 INTO @u", "SELECT twice(2)", "SET @u = twice(2)", "SHOW VARIABLES LIKE 'tx%no'"]
        if xatest.FAMILY == "mariadb":
            begins_nothing += ["SELECT NEXT VALUE FOR seq", "SELECT NEXTVAL(seq)"]
        self.same("SET autocommit = 0",
                  *[text for one in begins_nothing
                    for text in (one, "SET TRANSACTION READ ONLY", one, "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")],
                  "UPDATE t SET n = 4", "ROLLBACK", "UPDATE t SET n = 4", "COMMIT")

    def test_a_set_that_reads_a_table_is_part_of_the_transaction(self):
        self.same("BEGIN", "SET @u = (SELECT n FROM t WHERE id = 1 FOR UPDATE)", "UPDATE t SET n = @u + 1 WHERE id = 1",
                  "SET @u = (SELECT n FROM t WHERE id = 1)", "SELECT @u", "ROLLBACK", "SET @u = (SELECT n FROM t WHERE id = 1)",
                  "SELECT @u",
                  "SET autocommit = 0", "SET @u = (SELECT MAX(id) FROM t)", "SET TRANSACTION READ ONLY", "ROLLBACK",
                  "SET TRANSACTION READ ONLY", "SET @u = (SELECT MAX(id) FROM t)", "UPDATE t SET n = 4", "ROLLBACK",
                  "SET @u = (SELECT nothing FROM t)", "SET @u = (SELECT id FROM t)", "SET TRANSACTION READ ONLY")

    def test_the_type_of_a_variable(self):
        """It is seen in what is computed of it: of NULL that of the value before, of a parameter its own, wherever the session is."""
        there = ["SELECT CONCAT('x', @u1), @u1 + 1, COALESCE(@u1, 2) FROM {other}.t LIMIT 1",
                 "SELECT CONCAT('x', @u1), @u1 + 1, COALESCE(@u1, 2) FROM t LIMIT 1"]
        values = ["'abc'", "5", "1.5", "1e3", "x'00'", "_latin1'x'", "CAST(5 AS UNSIGNED)"]
        pack = struct.pack
        parameters = [(8, pack("<q", 5)), (32776, pack("<Q", 5)), (5, pack("<d", -5.625)), (4, pack("<f", 0.1)), (254, b"\x017"),
                      # MariaDB's NULL of a parameter is of another character set
                      *[(6, None), (10, b"\x04\xe8\x07\x02\x01"), (11, b"\0")] * (xatest.FAMILY == "mysql")]
        ask = ("execute", 99, [], True, 0)
        self.same(*there, "GET DIAGNOSTICS CONDITION 9 @u1 = MESSAGE_TEXT", *there, "SET @u1 = NULL", *there,
                  *[text for value in values for text in (f"SET @u1 = {value}", *there, "SET @u1 = NULL", *there,
                                                          f"SELECT @u1 := {value}", "SELECT @u1 := NULL", *there)],
                  ("prepare", 99, "SELECT CONCAT('x', @u1), @u1 + 1 FROM {other}.t LIMIT 1"),
                  *[text for slot, one in enumerate(parameters)
                    for text in (("prepare", slot, "SET @u1 = ?"), ("execute", slot, [one], True, 0), ask, *there)], across=True)

    def test_warnings_that_ok_packets_repeat(self):
        warns = "SELECT CAST('9x' AS SIGNED)"
        self.same(warns, ("ping",), ("init_db", "{own}"), ("ping",), "SHOW WARNINGS", ("ping",), warns, "DO 1", ("ping",),
                  "SELEC", ("ping",), "SELECT @@warning_count", ("ping",), ("prepare", 1, warns), ("ping",),
                  ("execute", 1, [], True, 0), ("ping",), ("reset", 1), ("ping",), "GET DIAGNOSTICS CONDITION 7 @u1 = MESSAGE_TEXT",
                  ("ping",), "BEGIN", warns, ("ping",), "COMMIT", ("ping",), warns,
                  stream.RESET, ("ping",))

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

    def test_warnings_stay_where_a_server_keeps_them(self):
        get = ["GET DIAGNOSTICS CONDITION 1 @u1 = MESSAGE_TEXT, @u2 = MYSQL_ERRNO, @u3 = RETURNED_SQLSTATE", "SELECT @u1, @u2, @u3"]
        self.same("SELECT CAST('9x' AS SIGNED)", "SELECT 1", "SET @x = 1", "BEGIN", "COMMIT", "SHOW WARNINGS",
                  "ROLLBACK TO nowhere", *get, "ROLLBACK TO nowhere", "SELECT 1", "SHOW ERRORS", "SET @x = (SELECT MAX(id) FROM t)",
                  "SHOW ERRORS", "ROLLBACK TO nowhere", ("prepare", 1, "COMMIT"), "SHOW ERRORS",
                  "ROLLBACK TO nowhere", "GET DIAGNOSTICS @u1 = NUMBER, @u2 = ROW_COUNT", "SELECT @u1, @u2",
                  "SELECT CAST('9x' AS SIGNED)", "GET DIAGNOSTICS CONDITION 7 @u1 = MESSAGE_TEXT", "SHOW COUNT(*) WARNINGS",
                  "SET NAMES latin1", "ROLLBACK TO nowhere", "SHOW WARNINGS")

    def test_get_diagnostics_of_what_the_proxy_has_answered_itself(self):
        get = ["GET DIAGNOSTICS CONDITION 1 @u1 = MESSAGE_TEXT", "SHOW WARNINGS"]
        self.same("START TRANSACTION READ ONLY", "DELETE FROM t", "SELECT @@autocommit", *get, "COMMIT",
                  "SELECT JSON_EXTRACT('{', '$')", ("ping",), "GET DIAGNOSTICS @u1 = ROW_COUNT", "SHOW COUNT(*) WARNINGS",
                  "SELECT @u1",
                  "SELECT CAST('9x' AS SIGNED)", ("ping",), "GET DIAGNOSTICS @u1 = ROW_COUNT, @u2 = NUMBER", "SHOW WARNINGS",
                  "SELECT @u1, @u2")

    def test_warnings_behind_a_use(self):
        warns = "SELECT CAST('9x' AS SIGNED) FROM {other}.t LIMIT 1"
        self.same(warns, "USE {other}", "SHOW WARNINGS", warns, "USE {other}", "SELECT @@warning_count",
                  "DELETE FROM {other}.t WHERE nothing", "USE nosuchschema", "SHOW COUNT(*) WARNINGS", "SELECT ROW_COUNT()",
                  warns, stream.query("USE `information_schema`"), "SELECT @@error_count, DATABASE()", across=True)

    def test_counts_while_the_next_transaction_has_characteristics(self):
        """Which go to the server before the question."""
        warns = "SET NAMES utf8mb3"
        self.same("SET TRANSACTION ISOLATION LEVEL READ COMMITTED", warns, "SELECT @@warning_count",
                  "SET TRANSACTION READ ONLY", warns, "SELECT ROW_COUNT(), @@warning_count, @@error_count",
                  "SET TRANSACTION READ ONLY", "DELETE FROM t WHERE id = 1", "SET TRANSACTION READ WRITE",
                  "DELETE FROM t WHERE id = 1", "SET TRANSACTION READ ONLY", "SELECT ROW_COUNT()",
                  "SET TRANSACTION READ ONLY", warns, "SHOW COUNT(*) WARNINGS", "SHOW WARNINGS", "SELEC", "SHOW COUNT(*) ERRORS",
                  "SHOW ERRORS", warns, "GET DIAGNOSTICS @u1 = NUMBER", "SELECT @u1", "DELETE FROM t WHERE id = 2")

    def test_last_insert_id_of_two_servers(self):
        ask = ["SELECT LAST_INSERT_ID()", "SELECT @@last_insert_id, @@identity"]
        self.same("INSERT INTO t (n) VALUES (1)", "INSERT INTO {other}.t (id, n) VALUES (77, 1)", *ask,
                  "INSERT INTO {other}.t (n) VALUES (1)", "INSERT INTO t (id, n) VALUES (99, 1)", *ask,
                  "INSERT INTO {other}.t (id, n) VALUES (81, 1)", "INSERT INTO t (n) VALUES (1)",
                  "INSERT INTO {other}.t (id, n) VALUES (85, 1)", "UPDATE {other}.t SET n = LAST_INSERT_ID()", ("ping",), *ask,
                  ("prepare", 1, "SELECT LAST_INSERT_ID()"), ("execute", 1, [], True, 0),
                  "INSERT INTO {other}.t (n) VALUES (1)", ("execute", 1, [], True, 0), "SELECT LAST_INSERT_ID() FROM t LIMIT 1",
                  "SET last_insert_id = 5", *ask, stream.RESET, *ask, across=True)

    def test_last_insert_id_of_an_insert_that_failed_midway(self):
        """An ERR packet does not tell of rows before the one that failed, whose ids count, whichever server had them."""
        ask = ["SELECT LAST_INSERT_ID()", "INSERT INTO log (what) VALUES (LAST_INSERT_ID())"]
        late, early = "INSERT INTO {}t (n) VALUES (1), (2147483648)", "INSERT INTO {}t (n) VALUES (2147483648), (1)"
        here, there = "", "{other}."
        named = "CREATE TABLE named (id INT PRIMARY KEY AUTO_INCREMENT, value TINYINT)"
        failing = "INSERT INTO named (value) VALUES (1), (1000)"
        self.same("INSERT INTO t (n) VALUES (1)", "INSERT INTO {other}.t (n) VALUES (1)", late.format(here), *ask,
                  early.format(there), *ask, late.format(there), *ask, early.format(here), *ask,
                  "INSERT INTO t (id, n) VALUES (90, 1)", "INSERT INTO {other}.t (id, n) VALUES (91, 1)",
                  early.format(here), *ask, late.format(here), early.format(there),
                  "INSERT INTO {other}.t (id, n) SELECT id, n FROM {other}.t", *ask,
                  "INSERT INTO {other}.t (n) VALUES (1)", "UPDATE t SET n = LAST_INSERT_ID(2147483648) WHERE id = 1", *ask,
                  ("prepare", 1, "INSERT INTO t (n) VALUES (1), (?)"), "INSERT INTO {other}.t (n) VALUES (1)",
                  ("execute", 1, [(8, struct.pack("<q", 1 << 40))], True, 0), *ask,
                  "INSERT INTO {other}.t (n) VALUES (1)", "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1", late.format(here),
                  "SELECT FOUND_ROWS()", *ask,
                  named, "INSERT INTO {other}.t (n) VALUES (1)", failing, *ask, ("ping",),
                  "INSERT INTO {other}.t (n) VALUES (1)", ("prepare", 2, failing), ("reset", 7), *ask,
                  ("execute", 2, [], True, 0), ("reset", 7), *ask,
                  stream.RESET, late.format(here), "SELECT LAST_INSERT_ID() FROM {other}.t LIMIT 1",
                  stream.RESET, early.format(here), "SELECT LAST_INSERT_ID() FROM {other}.t LIMIT 1", across=True)

    def test_an_insert_that_names_what_its_server_gave_last(self):
        """While another gave an id since: a value of the statement's own does not count."""
        ask, there = "SELECT LAST_INSERT_ID()", "INSERT INTO {other}.t (n) VALUES (5)"
        self.same("INSERT INTO t (n) VALUES (1)", there, "INSERT INTO log (id, what) VALUES (5, 'x')", ask,
                  "INSERT INTO {other}.t (id, n) VALUES (4, 5) ON DUPLICATE KEY UPDATE n = 6", ask,
                  "INSERT INTO log (what) VALUES ('x')", "INSERT INTO {other}.t (id) VALUES (40)",
                  "INSERT INTO log (what) VALUES ('x')", "INSERT INTO {other}.t (id) VALUES (41)", ask,
                  "SET sql_select_limit = 0", there, "INSERT INTO log (id, what) VALUES (99, 'x')",
                  "REPLACE INTO {other}.t (id, n) VALUES (41, 5)", "SET sql_select_limit = DEFAULT", ask, ("ping",),
                  "UPDATE {other}.t SET n = LAST_INSERT_ID(0)", ask, "UPDATE t SET n = LAST_INSERT_ID(8)",
                  "UPDATE {other}.t SET n = LAST_INSERT_ID(9) WHERE id < 0", ask, stream.RESET, ask, there, stream.RESET,
                  "INSERT INTO log (what) VALUES ('x')", "SELECT LAST_INSERT_ID() FROM {other}.t LIMIT 1", across=True)

    @xatest.only("mariadb")
    def test_last_insert_id_of_rows_that_are_returned(self):
        """With rows no server tells an id, which counts only where the server made it."""
        ask, other = "SELECT LAST_INSERT_ID()", "INSERT INTO {other}.t (n) VALUES (1)"
        self.same("SELECT LAST_INSERT_ID(77) FROM {other}.t", "REPLACE INTO t (id, n) VALUES (60, 1) RETURNING id", ask,
                  "INSERT INTO log (what) VALUES (LAST_INSERT_ID())", other, "INSERT INTO t (n) VALUES (2) RETURNING id, n", ask,
                  other, "INSERT INTO t (id, n) VALUES (63, 1), (64, 1) RETURNING id", ask,
                  other, ("prepare", 1, "INSERT INTO t (n) VALUES (?) RETURNING id"),
                  ("execute", 1, [(8, struct.pack("<q", 5))], True, 0), ask,
                  other, "INSERT INTO log (what) VALUES ('x') RETURNING id", ask,
                  "INSERT INTO log (what) VALUES ('y')", "SELECT LAST_INSERT_ID() FROM {other}.t LIMIT 1",
                  "INSERT INTO t (n) VALUES (9) RETURNING id", "SELECT LAST_INSERT_ID() FROM {other}.t LIMIT 1",
                  "CREATE TABLE first (id INT PRIMARY KEY AUTO_INCREMENT)", "CREATE TABLE second LIKE first",
                  "INSERT INTO first () VALUES ()", other, "INSERT INTO second () VALUES () RETURNING id", ask,
                  "DROP TABLE first, second", across=True)

    def test_what_an_error_counts_on_the_other_server(self):
        """More than the one that its packet tells."""
        unknown = "SELECT NEXT VALUE FOR {other}.nowhere" if xatest.FAMILY == "mariadb" else "SELECT twice(2147483647)"
        self.same(unknown, "USE {own}", ("prepare", 1, "SELECT 1"), ("reset", 1), "SELECT @@warning_count, @@error_count",
                  "BEGIN", unknown, "USE {own}", "SELECT @@warning_count, @@error_count", "SHOW WARNINGS", "COMMIT",
                  unknown, "USE {own}", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "COMMIT AND CHAIN",
                  "SELECT @@warning_count", "SELECT @@warning_count, 1", "COMMIT", across=True)

    def test_warnings_within_a_snapshot_on_the_other_server(self):
        self.same("SELECT ST_X(1)", "DELETE FROM {other}.t WHERE id = 99", "USE {own}",
                  "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", "SHOW WARNINGS", "SELECT @@warning_count", "COMMIT",
                  across=True)

    def test_locks_of_users_are_on_one_server(self):
        self.same("USE {other}", "SELECT * FROM t", "SELECT GET_LOCK('mine', 0)", "SELECT COUNT(*) FROM {own}.t",
                  "SELECT IS_USED_LOCK('mine') = CONNECTION_ID(), IS_FREE_LOCK('mine')", "SELECT COUNT(*) FROM t",
                  "SELECT RELEASE_LOCK('mine'), IS_FREE_LOCK('mine')",
                  "BEGIN", "UPDATE t SET n = 7 WHERE id = 1", "SET @u1 = GET_LOCK('mine', 0)", "SELECT @u1", "COMMIT",
                  ("prepare", 1, "SELECT RELEASE_ALL_LOCKS()"), "USE {own}", "SELECT COUNT(*) FROM t", ("execute", 1, [], True, 0),
                  "SELECT IS_FREE_LOCK('mine') FROM {own}.t LIMIT 1", across=True)

    def test_warnings_of_an_error_in_a_function(self):
        """More than the error: the server counts them, also where the next statement needs another before it."""
        self.same("BEGIN", "INSERT INTO log (what) VALUES ('x')", "SELECT twice(2147483647)", "COMMIT",
                  "SELECT @@warning_count, @@error_count", "SHOW WARNINGS")

    def test_errors_of_long_before_a_routine(self):
        """MariaDB keeps them where the session was in the meantime elsewhere, and a routine without tables forgets none."""
        call, there = "CALL outs(1, @u1, @u2)", "SELECT id FROM {other}.t"
        self.same(*[text for ask in ("SHOW ERRORS", "SHOW COUNT(*) WARNINGS", "SELECT @@error_count", "SHOW WARNINGS")
                    for text in ("SELECT * FROM nowhere", there, call, ask)],
                  ("prepare", 1, "CALL several(1)"), "SELECT * FROM nowhere", there, ("execute", 1, [], True, 0), "SHOW ERRORS",
                  "CALL warns()", "SHOW WARNINGS", there, call, "SHOW WARNINGS", "SELECT * FROM nowhere", "BEGIN", there, call,
                  "SHOW ERRORS", "COMMIT", across=True)

    def test_a_fetch_leaves_what_was_told_before(self):
        asks = ["SHOW COUNT(*) ERRORS", "SHOW WARNINGS", "SELECT @@warning_count"]
        run = differential.Run(self.world, "fetch", 1, range(20))
        for session in run.sessions:
            session.stream.first = lambda s=session: stream.Episode(s.stream.grammar_of("schema") + [
                command for ask in asks for command in (
                    ("prepare", 1, "SELECT id FROM t"), ("execute", 1, [], True, 1), stream.query("DESCRIBE nowhere"), ("fetch", 1, 1),
                    ("close", 1), ("ping",), stream.query(ask))])
        run.execute()

    @xatest.only("mariadb")
    def test_a_null_of_a_using_list_leaves_the_type(self):
        ask = ["SELECT @u1 AS a, @u3 AS b, @u2 AS c", "SELECT @u1 AS a, @u3 AS b, @u2 AS c FROM {other}.t LIMIT 1"]
        lists = ["@u2, @u2", "@u2, LAST_INSERT_ID()", "DATABASE(), @u2", "@u2, CONCAT(@u1, 'x')", "7, NULL", "@@autocommit, ROW_COUNT()"]
        self.same("PREPARE u FROM 'SET @u1 = ?, @u3 = ?'",
                  *[text for value in ("NULL", "1.5", "'it''s \\ x'") for one in lists
                    for text in ("SET @u1 = 5, @u3 = 7e3", f"SET @u2 = {value}", f"EXECUTE u USING {one}", *ask)],
                  "EXECUTE u USING @u2", "DROP PREPARE u", across=True)

    def test_a_set_that_is_refused_gives_a_variable_its_character_set(self):
        """Be it one that has never had a value."""
        never = ["SELECT @u2 AS a", "SELECT @u2 AS a FROM {other}.t LIMIT 1"]
        self.same("SET NAMES latin1", *[text for value in ("'set'", "5", "NULL", "7.5") for text in (
                      f"SET @u2 = {value}, time_zone = 'No/Where'", *never)],
                  "SET NAMES utf8mb4", "SET @u2 = _utf8mb4'x' COLLATE utf8mb4_bin, nosuch = 1", *never, across=True)
        ask = ["SELECT @u1 AS a, CONCAT('x', @u1) FROM {other}.t LIMIT 1", "SELECT @u1 AS a, CONCAT('x', @u1) FROM t LIMIT 1"]
        self.same("SET @u1 = x'004127'", "SET NAMES latin1", "SET @u1 = 'set', time_zone = 'No/Where'", *ask,
                  "SET @u1 = 5", "SET @u1 = 'x', nosuch = 1", *ask, "SET NAMES utf8mb4 COLLATE utf8mb4_bin", "SET @u1 = x'00FF27'",
                  "SET @u1 = 'set', nosuch = 1", *ask, "SELECT HEX(@u1), COLLATION(@u1) FROM {other}.t LIMIT 1", across=True)

    def test_the_default_schema_of_a_prepared_question(self):
        """It is that of its PREPARE, wherever the session is."""
        execute = [("execute", 1, [], True, 0), "EXECUTE s"]
        self.same(("prepare", 1, "SELECT DATABASE(), SCHEMA()"), "PREPARE s FROM 'SELECT DATABASE()'", "USE {other}", *execute,
                  "SELECT * FROM t", *execute, "USE {own}", "SELECT * FROM {other}.t", *execute, "BEGIN", "UPDATE {other}.t SET n = 4",
                  *execute, "COMMIT", ("prepare", 2, "SELECT DATABASE() FROM {other}.t LIMIT 1"), ("execute", 2, [], True, 0),
                  "USE {other}", ("execute", 2, [], True, 0), "EXECUTE s", "DROP PREPARE s", across=True)

    def test_what_a_prepared_statement_asks_of_the_session(self):
        """As its own text would, wherever the statement before it was answered, and in the branches of a transaction."""
        texts = ["SELECT ROW_COUNT(), LAST_INSERT_ID()", "SELECT @@session.session_track_schema, @@autocommit",
                 "INSERT INTO log (what) VALUES (ROW_COUNT())", "SELECT ROW_COUNT() FROM {other}.t LIMIT 1"]
        if xatest.FAMILY == "mariadb":
            texts += ["SELECT @@warning_count, @@error_count, @@in_transaction", "SELECT @@warning_count FROM t LIMIT 1"]
        ask = [one for slot, _ in enumerate(texts) for one in (("execute", slot, [], True, 0),)]
        both = [*ask, "EXECUTE x"]
        update, insert = "UPDATE t SET n = n + 1 WHERE id < 3", "INSERT INTO {other}.t (n) VALUES (1), (2)"
        self.same(*[("prepare", slot, text) for slot, text in enumerate(texts)],
                  "PREPARE x FROM 'SELECT ROW_COUNT(), LAST_INSERT_ID(), @@autocommit'",
                  *[part for text in (update, insert, "SELECT nix FROM t", "BEGIN", update, insert, "COMMIT", "SET autocommit = 0",
                                      insert, update, "ROLLBACK", "SET autocommit = 1, session_track_schema = 0",
                                      "SELECT CAST('9x' AS SIGNED), CAST('8x' AS SIGNED) FROM t LIMIT 1")
                    for one in both for part in (text, one)],
                  *[part for one in both for part in (update, "USE {other}", one, "USE {own}", one)],
                  *["EXECUTE IMMEDIATE 'SELECT ROW_COUNT(), LAST_INSERT_ID()'"] * (xatest.FAMILY == "mariadb"),
                  "SELECT id FROM t LIMIT 3", ("prepare", 7, "SELECT FOUND_ROWS()"), "PREPARE x FROM 'SELECT FOUND_ROWS()'",
                  *[part for one in (("execute", 7, [], True, 0), "EXECUTE x")
                    for text in ("SELECT id FROM t LIMIT 3", "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 2", "SELECT id FROM {other}.t",
                                 "SELECT SQL_CALC_FOUND_ROWS id FROM {other}.t LIMIT 2")
                    for part in (text, one, one)], across=True)

    @xatest.only("mysql")
    def test_a_warning_of_prepare_for_a_client_that_wants_eof(self):
        self.same(("prepare", 1, "SELECT FOUND_ROWS(), ?"), ("prepare", 2, "SELECT 1, ?"), caps=speaker.CAPS & ~speaker.DEPRECATE_EOF)

    def test_found_rows_behind_what_is_no_select(self):
        texts = ["SELECT id INTO @u1 FROM t LIMIT 1", "SELECT id FROM t WHERE id < 0 INTO @u1", "UPDATE t SET n = n + 1 WHERE id < 3",
                 "DO 1", "INSERT INTO log (what) SELECT 'x' FROM t LIMIT 2", "SHOW TABLES", "SHOW COLUMNS FROM t", "DESCRIBE t",
                 "SHOW CREATE PROCEDURE warns", "VALUES (1), (2)", "VALUES ROW(1), ROW(2)",
                 "SHOW OPEN TABLES LIKE 'x'"]
        self.same(*[part for text in texts for part in (
            "(SELECT id FROM {other}.t LIMIT 3) LIMIT 2", text, "SELECT FOUND_ROWS()", ("prepare", 1, text), ("ping",),
            "SELECT FOUND_ROWS()", "SELECT id FROM {other}.t", "SELECT FOUND_ROWS() FROM t LIMIT 1")], across=True)

    def test_found_rows_of_what_selects_within(self):
        joined = "UPDATE t a JOIN child b ON a.id = b.parent SET a.n = a.n WHERE a.id < {}"
        texts = ["INSERT INTO log (what) VALUES ((SELECT COUNT(*) FROM t))", "REPLACE INTO log SET id = 90, what = (SELECT s FROM t WHERE id = 99)",
                 joined.format(0), joined.format(2), "UPDATE t, child SET t.n = 6 WHERE t.id = child.id", "UPDATE t SET n = 6",
                 "UPDATE t USE INDEX (PRIMARY, u) SET n = (SELECT COUNT(*) FROM child) WHERE id < 3", "DELETE FROM log WHERE id = 99",
                 "DELETE a FROM child a JOIN t b ON b.id = a.parent WHERE a.id = 99", "DELETE FROM a USING child AS a, t WHERE a.id = 99",
                 "DELETE FROM child WHERE id = (SELECT MAX(id) + 90 FROM t)", "DO (SELECT COUNT(*) FROM t)",
                 "CREATE TABLE made SELECT id FROM t", "CREATE TABLE other (i INT)", "DROP TABLE made, other", "SELECT 1 UNION SELECT 2 LIMIT 1",
                 "SET @u1 = (SELECT s FROM t WHERE id = 99)", "DESCRIBE t n", "EXPLAIN {own}.t 'i%'", "SHOW COUNT(*) ERRORS",
                 "SELECT @@autocommit", "SHOW VARIABLES LIKE 'session_track_schema'"]
        texts += {"mysql": ["INSERT INTO log TABLE log", "EXPLAIN SELECT id FROM t UNION SELECT id FROM child"],
                  "mariadb": ["SET STATEMENT lock_wait_timeout = 9 FOR SELECT id FROM t", "ANALYZE SELECT id FROM t", "ANALYZE TABLE log",
                              "INSERT INTO log (what) SELECT s FROM t RETURNING id", "INSERT INTO log (what) VALUES ('x') RETURNING id",
                              "EXPLAIN SELECT 1 UNION SELECT 2", "EXPLAIN SELECT id FROM t"]}[xatest.FAMILY]
        first = "(SELECT id FROM {other}.t LIMIT 3) LIMIT 2"
        self.same(*[part for text in texts for part in (first, text, "SELECT FOUND_ROWS()", first, ("prepare", 1, text),
                                                        ("execute", 1, [], True, 0), "SELECT FOUND_ROWS() FROM t LIMIT 1")], across=True)

    def test_found_rows_outlive_what_the_proxy_asks(self):
        calc, elsewhere = "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1", "SELECT FOUND_ROWS() FROM {other}.t LIMIT 1"
        self.same(*[part for between in (["SET @u1 = @u2 + 1"], ["SET @u1 = FOUND_ROWS()", "SELECT @u1"], ["SET sql_mode = CONCAT('', '')"],
                                         ["SELECT SQL_CALC_FOUND_ROWS id INTO @u1 FROM t LIMIT 1"], [])
                    for part in (calc, *between, "SELECT FOUND_ROWS()", calc, *between, elsewhere, "SELECT FOUND_ROWS()")],
                  ("prepare", 1, elsewhere), calc, ("execute", 1, [], True, 0), calc, ("execute", 1, [], True, 0),
                  calc, "INSERT INTO {other}.t (n) VALUES (FOUND_ROWS())", "SELECT n FROM {other}.t ORDER BY id DESC LIMIT 1", across=True)

    def test_rows_that_a_routine_changed(self):
        self.same("CALL several(2)", "SELECT ROW_COUNT()", "CALL outs(1, @u1, @u2)", "SELECT ROW_COUNT() FROM {other}.t LIMIT 1",
                  "SELEC 1", "CALL several(3)", "SELECT ROW_COUNT()", ("prepare", 1, "CALL several(2)"), ("execute", 1, [], True, 0),
                  "SELECT ROW_COUNT()", "SELEC 1", ("execute", 1, [], True, 0), "SELECT ROW_COUNT()", "SHOW WARNINGS",
                  "SELECT nix FROM t", "SHOW CREATE PROCEDURE warns", "SELECT ROW_COUNT() FROM {other}.t LIMIT 1", "SHOW WARNINGS",
                  across=True)

    def test_a_last_insert_id_of_zero(self):
        ask, there, give = "SELECT LAST_INSERT_ID()", "INSERT INTO {other}.t (n) VALUES (1)", "UPDATE t SET n = LAST_INSERT_ID({})"
        self.same(there, give.format(0), ask, there, give.format(0) + " WHERE id < 0", ask, give.format(7), there, give.format(0),
                  "INSERT INTO log (what) VALUES (LAST_INSERT_ID())", ask, there, "UPDATE t SET n = LAST_INSERT_ID(2147483648)", ask,
                  there, *[give.format(0) + " WHERE id < 0"] * 9, ask, across=True)

    def test_last_insert_id_of_an_execute_that_failed_midway(self):
        ask, there = "SELECT LAST_INSERT_ID()", "INSERT INTO {other}.t (n) VALUES (1)"
        self.same("SET @u1 = 2147483648", "PREPARE w FROM 'INSERT INTO t (n) VALUES (1), (?)'", there, "EXECUTE w USING @u1", ask,
                  there, "SET @u1 = 5", "EXECUTE w USING @u1", ask, there, ask, "SET @u1 = 2147483648", "EXECUTE w USING @u1",
                  "INSERT INTO log (what) VALUES (LAST_INSERT_ID())", ask,
                  "PREPARE o FROM 'INSERT INTO {other}.t (n) SELECT @u1 := @u1 + 1 FROM {other}.t'", "EXECUTE o", ask,
                  "DEALLOCATE PREPARE w", "DEALLOCATE PREPARE o", across=True)

    def test_a_set_that_warns_behind_commands_that_leave_the_counts(self):
        warns = ["SET group_concat_max_len = 0 + 1", "SELECT ROW_COUNT() FROM {other}.t LIMIT 1"]
        self.same("UPDATE t SET n = 5", ("prepare", 1, "SELECT 1"), *warns, "UPDATE t SET n = 6", ("field_list", "t"), *warns,
                  across=True)

    def test_what_mysql_does_not_prepare(self):
        texts = ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "USE information_schema", "LOCK TABLES t READ", "UNLOCK TABLES",
                 "FLUSH TABLES", "SET @u1 = ?, @u2 = ?", "SET NAMES latin1", "XA END 'x'"]
        self.same(*[("prepare", slot, text) for slot, text in enumerate(texts)], *[f'PREPARE s FROM "{text}"' for text in texts])

    def test_lock_tables_without_autocommit_begins_a_transaction(self):
        ping, read = ("ping",), "LOCK TABLES t READ"
        self.same("SET autocommit = 0", "LOCK TABLES t WRITE", ping, "SELECT 1", "SET TRANSACTION READ ONLY", "COMMIT", ping,
                  "SET TRANSACTION READ ONLY", "SELECT COUNT(*) FROM t", "ROLLBACK", "UPDATE t SET n = 3", "ROLLBACK",
                  "UNLOCK TABLES", ping, read, "SAVEPOINT a", "SELECT 1", "ROLLBACK TO a", "LOCK TABLES nowhere READ", ping,
                  read, "LOCK TABLES child WRITE", "SET autocommit = 1", ping, "UNLOCK TABLES", "SET autocommit = 0", read,
                  "BEGIN", ping, "COMMIT", read, "CREATE TABLE xx (i INT)", ping, "UNLOCK TABLES", ping, read, stream.RESET, ping,
                  "SET autocommit = 0", "LOCK TABLES {other}.t WRITE", ping, "UPDATE {other}.t SET n = 3", "UNLOCK TABLES",
                  "SELECT id FROM t", "LOCK TABLES t WRITE", "ROLLBACK AND CHAIN", ping, "COMMIT", "LOCK TABLES t WRITE",
                  "INSERT INTO t (n) VALUES (3)", "UNLOCK TABLES", "ROLLBACK", "SELECT COUNT(*) FROM t", "UNLOCK TABLES", ping,
                  "COMMIT", "SAVEPOINT b", read, "ROLLBACK TO b", "SET autocommit = 1", "UNLOCK TABLES", read,
                  "SET autocommit = 0", ping, "SELECT id FROM t", "SET autocommit = 1", "UNLOCK TABLES", across=True)

    def test_a_variable_as_the_parameter_of_a_set(self):
        """To MySQL a text, and what is NULL, is one in the character set of that moment."""
        values = ["_latin1 x'E4'", "_utf8mb4'x' COLLATE utf8mb4_bin", "_binary'x'", "5", "1.5", "1e3", "18446744073709551615",
                  "CAST('2024-01-01' AS DATE)", "'x', @u2 = NULL", "5, @u2 = NULL"]
        asked = "SELECT @u1, COLLATION(@u1), COERCIBILITY(@u1), HEX(@u1){}"
        self.same(*[text for names in ("utf8mb4", "latin1", "utf8mb4 COLLATE utf8mb4_bin") for value in values for text in (
            "SET NAMES utf8mb4", f"SET @u2 = {value}", f"SET NAMES {names}", "SET @u1 = 7", "PREPARE u FROM 'SET @u1 = ?, @u3 = 1'",
            "EXECUTE u USING @u2", "SHOW WARNINGS", asked.format(""), asked.format(" FROM {other}.t LIMIT 1"),
            "EXECUTE u USING @u2", asked.format(""))],
            "PREPARE u FROM 'SET @u1 = ?, @u2 = 1 / 0'", "EXECUTE u USING @u3", "SHOW WARNINGS", "SELECT @u1, @u2",
            "SET @u3 = 'NONSENSE'", "PREPARE u FROM 'SET @u1 = ?, sql_mode = @u3'", "EXECUTE u USING @u2", "SHOW WARNINGS",
            "SELECT @u1", "DEALLOCATE PREPARE u", across=True)

    def test_types_of_parameters_that_no_driver_sends(self):
        ask, types = "SELECT CONCAT('x', @u1) FROM {other}.t LIMIT 1", [13, 16, 17, 243, 245, 247, 248, 255]
        self.same(*[one for slot, kind in enumerate(types) for one in (
            ("prepare", slot, "SET @u1 = ?"), ("execute", slot, [(kind, b"\x01a" if kind != 13 else b"\xe8\7")], True, 0), ask,
            ("execute", slot, [(kind, None)], True, 0), ask)], across=True)

    def test_an_execute_of_nothing_but_null_needs_no_types(self):
        null, seven = (6, None), (8, struct.pack("<q", 7))
        self.same(("prepare", 1, "SELECT ?, ?"), ("execute", 1, [null, null], False, 0), ("execute", 1, [null, seven], False, 0),
                  ("execute", 1, [null, seven], True, 0), ("execute", 1, [null, null], False, 0),
                  ("execute", 1, [null, seven], False, 0), ("prepare", 2, "INSERT INTO t (n) VALUES (?)"),
                  ("execute", 2, [null], False, 0), ("prepare", 3, "SET @u1 = ?"), ("execute", 3, [null], False, 0),
                  ("execute", 3, [seven], False, 0), ("execute", 3, [seven], True, 0), "SELECT @u1, n FROM t ORDER BY id DESC LIMIT 1")

    def test_values_that_session_tracking_does_not_take(self):
        names = [f"session_track_{name}" for name in ("system_variables", "schema", "state_change", "transaction_info")]
        self.same(*[f"SET {name} = {value}" for name in names[1:] for value in ("NULL", "'nix'", "7")], f"SET {names[0]} = 5",
                  f"SET {names[0]} = NULL", f"SELECT @@{names[0]}",
                  f"SET {names[0]} = DEFAULT", *[f"SELECT @@{name}, CONCAT(@@session.{name}, 'x')" for name in names],
                  f"SET {names[3]} = 'STATE', {names[0]} = 'autocommit'", *[f"SELECT @@{name}" for name in names],
                  f"SHOW VARIABLES LIKE '{names[0]}'")

    def test_begin_within_a_transaction(self):
        self.same("SET TRANSACTION READ ONLY", "BEGIN", "BEGIN", "COMMIT", "BEGIN", "UPDATE t SET n = 1", "COMMIT",
                  "SET SESSION TRANSACTION READ ONLY", "START TRANSACTION READ WRITE", "BEGIN", "COMMIT",
                  "BEGIN", "SET SESSION TRANSACTION READ WRITE", "UPDATE t SET n = 2", "COMMIT",
                  "BEGIN", "SET SESSION TRANSACTION READ ONLY", "UPDATE t SET n = 3", "COMMIT", "UPDATE t SET n = 4")

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

    def test_what_the_next_transaction_is_to_be_outlives_what_could_not_begin(self):
        """And is for no later one, where COMMIT or ROLLBACK has forgotten it."""
        read_only, write, last = "SET TRANSACTION READ ONLY", "INSERT INTO log (what) VALUES ('x')", "INSERT INTO log (what) VALUES ('y')"
        for wrong in ("SELEC 1", "SELECT * FROM nowhere", "SELECT nix FROM t", "SELECT nowhere(1)", "INSERT INTO t (id) VALUES (1)",
                      "CREATE TABLE broken (", "DROP TABLE nowhere", "SELECT (SELECT id FROM t)"):
            self.same(read_only, wrong, "SHOW WARNINGS", "SELECT ROW_COUNT()", "BEGIN", write, "ROLLBACK",
                      "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", wrong, write, read_only, wrong, write, write,
                      *[part for end in ("COMMIT", "ROLLBACK") for part in (read_only, wrong, end, last, "BEGIN", last, "COMMIT")])

    def test_a_snapshot_is_not_of_what_was_said_before_an_error_and_a_commit(self):
        self.same(*[part for wrong in ("SELECT * FROM nowhere", "CALL several()") for end in ([], ["COMMIT"], ["ROLLBACK"]) for part in (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", wrong, *end, "START TRANSACTION WITH CONSISTENT SNAPSHOT", "COMMIT")])

    def test_what_the_next_transaction_is_to_be_outlives_a_call_of_nothing(self):
        for call in ("CALL nothing()", "CALL several()", "CALL {own}.several(1, 2)"):
            self.same("SET TRANSACTION READ ONLY", call, "BEGIN", "INSERT INTO log (what) VALUES ('x')", "ROLLBACK",
                      "SET TRANSACTION READ ONLY", ("prepare", 1, call), ("execute", 1, [], True, 0), "SHOW WARNINGS",
                      "INSERT INTO log (what) VALUES ('x')", "INSERT INTO log (what) VALUES ('x')")

    def test_preparing_what_the_proxy_runs_itself_leaves_warnings_on_mariadb(self):
        texts = ["SET @u1 = ?", "COMMIT", "SET @u1 = (SELECT MAX(id) FROM t)", "SET @u1 = 5, sql_mode = ''"]
        self.same(*[part for text in texts for part in ("SET @u2 = 1, sql_mode = 'NONSENSE'", f'PREPARE u FROM "{text}"', "SHOW WARNINGS",
                                                        ("prepare", 1, text), "SHOW WARNINGS", "DEALLOCATE PREPARE u", "SHOW WARNINGS")])

    def test_what_the_next_transaction_is_to_be_outlives_what_touches_no_table(self):
        says = ("SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        for asked in ("SELECT 1", "DO 1", "SELECT @@nosuch", "SELECT ROW_COUNT()", "SHOW VARIABLES LIKE 'sql_mode'", "SHOW WARNINGS"):
            self.same(*says, asked, "START TRANSACTION", "UPDATE t SET n = 1", "COMMIT")
        self.same(*says, "SELECT n FROM t WHERE id = 1", "START TRANSACTION", "ROLLBACK")

    def test_savepoints_before_the_first_table_outlive_what_is_said_of_the_transaction(self):
        says = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
        for asked in ([], ["SHOW CREATE VIEW v"]):
            self.same("SET autocommit = 0", "SAVEPOINT a", *asked, says, "SAVEPOINT b", *asked,
                      says.replace("TRANSACTION", "SESSION TRANSACTION"), "SET @u1 = 1", "UPDATE t SET n = 5 WHERE id = 1", "ROLLBACK TO b", "RELEASE SAVEPOINT a", "ROLLBACK TO b",
                      "SELECT n FROM t WHERE id = 1", "COMMIT", "ROLLBACK TO a",
                      "SAVEPOINT a", "SET SESSION TRANSACTION READ ONLY", *asked, "UPDATE t SET n = 6", "COMMIT", "ROLLBACK TO a",
                      *[text for end in ("COMMIT", "BEGIN", "SET autocommit = 1", "TRUNCATE TABLE log", stream.RESET)
                        for text in ("SET autocommit = 0", "SAVEPOINT a", *asked, says, end, "ROLLBACK TO a", "ROLLBACK")])

    def test_a_commit_of_nothing_forgets_what_was_said_of_the_next_transaction(self):
        for end in ("COMMIT", "ROLLBACK", "CREATE TABLE IF NOT EXISTS log (i INT)", "SET autocommit = 1"):
            self.same("SET TRANSACTION READ ONLY", end, "BEGIN", "INSERT INTO log (what) VALUES ('x')", "ROLLBACK",
                      "SET TRANSACTION ISOLATION LEVEL READ COMMITTED", end, "START TRANSACTION WITH CONSISTENT SNAPSHOT", "COMMIT")

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
                  "SET autocommit = NULL", "SET autocommit = 1",
                  "SELECT 1; SELECT @@autocommit ;\n SELECT /* own */ @@SESSION.autocommit", "SELECT  @@Autocommit;")

    def test_without_autocommit_what_reads_no_table_of_the_engine_begins_nothing(self):
        self.same("SET autocommit = 0", "SELECT 1 FROM t WHERE", "SHOW STATUS LIKE 'nothing'", "ROLLBACK TO a",
                  "SHOW STATUS LIKE 'nothing'",
                  *["CALL fails(3)", "VALUES ROW(1, 2)", "CALL fails(1)", "VALUES ROW(1, 2)"] * (xatest.FAMILY == "mysql"), "ROLLBACK",
                  stream.RESET)

    @xatest.only("mysql")
    def test_without_autocommit_an_error_of_resolving_begins_nothing(self):
        errors = ["DELETE FROM t WHERE id = (SELECT id FROM t)", "SELECT id FROM t UNION SELECT 1, 2", "SELECT (id, n) = 1 FROM t",
                  "SELECT id FROM t WHERE s COLLATE utf8mb4_bin = 'x' COLLATE utf8mb4_general_ci", "UPDATE t SET n = SUM(n)"]
        self.same("SET autocommit = 0", *[text for error in errors for text in (error, "SELECT @@autocommit")],
                  "SELECT (SELECT id FROM t)", "SELECT @@autocommit", "ROLLBACK", stream.RESET)

    def test_a_table_that_is_not_there_to_be_described(self):
        """On MariaDB it leaves what ROW_COUNT() says, be that the answer to a ping."""
        for text in ("DESCRIBE nowhere", "SHOW FULL COLUMNS FROM nowhere", "SHOW INDEX FROM nowhere", "EXPLAIN nowhere", "DESC t",
                     "SHOW CREATE TABLE nowhere", "EXPLAIN SELECT * FROM nowhere", "DESC information_schema.nowhere"):
            self.same("INSERT INTO log (what) VALUES ('x')", text, "SELECT ROW_COUNT()", ("ping",), text, "SELECT ROW_COUNT()")

    def test_the_default_schema_on_another_server(self):
        asked = "SELECT DATABASE(), CONCAT(SCHEMA(), 'x'), COERCIBILITY(DATABASE()) FROM {other}.t LIMIT 1"
        names = ["utf8mb4", "latin1", "binary", "utf8mb4 COLLATE utf8mb4_bin"] if xatest.FAMILY == "mariadb" else ["utf8mb4"]
        self.same(*[text for name in names for text in (f"SET NAMES {name}", asked)], across=True)

    def test_autocommit_shown(self):
        shows = ["SHOW VARIABLES LIKE 'autocommit'", "SELECT FOUND_ROWS()", "SHOW SESSION VARIABLES LIKE 'autocommit'",
                 "SHOW LOCAL VARIABLES WHERE variable_name = 'autocommit'"]
        self.same(*shows, "SET autocommit = 0", *shows, "SELECT COUNT(*) FROM t", *shows, "COMMIT", "SET autocommit = 1", "BEGIN", *shows,
                  "SELECT COUNT(*) FROM t", *shows, ("prepare", 1, shows[0]), ("execute", 1, [], True, 0), "COMMIT", *shows)

    def test_autocommit_within_expressions(self):
        asked = "SELECT @@autocommit + 1, CONCAT(@@session.autocommit), -@@autocommit FROM t LIMIT 1"
        self.same(asked, "SET autocommit = 0", asked, "COMMIT", "SET @u1 = @@autocommit", "SELECT @u1", "SET autocommit = 1")

    @xatest.only("mariadb")
    def test_dates_as_parameters_of_variables(self):
        days = [(10, b"\x04" + struct.pack("<HBB", 2024, 2, 15)), (12, b"\x07" + struct.pack("<HBB", 2024, 2, 15) + b"\1\2\3"),
                (11, b"\x08" + struct.pack("<BIBBB", 1, 1, 2, 3, 4)), (10, b"\x00")]
        self.same(("prepare", 1, "SET @u1 = ?"), *[text for day in days for text in (
            ("execute", 1, [day], True, 0), "SELECT @u1", "SELECT CONCAT('x', @u1) FROM {other}.t LIMIT 1")], across=True)

    def test_savepoints_before_any_table_begin_nothing(self):
        self.same("SET autocommit = 0", "ROLLBACK TO b", "SAVEPOINT d", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
                  "SET TRANSACTION READ ONLY", "DELETE FROM log", "ROLLBACK TO d", "COMMIT", "SAVEPOINT d",
                  "SET @@tx_isolation = 'SERIALIZABLE'" if xatest.FAMILY == "mariadb" else "SET TRANSACTION READ WRITE",
                  "DELETE FROM log", "ROLLBACK TO d", "SET TRANSACTION READ ONLY", "COMMIT")

    def test_what_an_error_has_touched(self):
        self.same("SET autocommit = 0", "INSERT INTO child (parent) VALUES (99)", "ROLLBACK", "SELECT * FROM nowhere",
                  "SELECT 18446744073709551615 + 1",
                  "COMMIT", "SET SESSION TRANSACTION READ ONLY", "DELETE FROM t", "ROLLBACK")
