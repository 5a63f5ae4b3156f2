#!/usr/bin/python3
"""The same sessions directly and through the proxy, answer by answer: where do they differ?

As a program: differential.py SEED [--session N] [--statements N] [--across] [--moving] [--without EPISODE,...] tells it again, alone or
in company. What the sessions say is in stream.py, how it is judged in test_differential.py.
"""
import argparse
import collections
import contextlib
import itertools
import os
import re
import struct
import sys
import threading

import pymysql
import speaker
import stream
import xatest

SESSIONS = 50
SECRET = "one-secret"
# Connections of a worker to a server: far fewer than sessions. What keeps one to itself is allowed to as many as leave one free.
CONNECTIONS = 5
NEVER_PREPARED = 0xFFFFFFF0


class World(xatest.World):
    """Beside the servers of the proxy one that has all their schemas: what it says is right."""

    schemas = {"s1": [f"d{i:02}" for i in range(SESSIONS)], "s2": [f"e{i:02}" for i in range(SESSIONS)]}
    tables = {}

    def __init__(self, **more):
        more.setdefault("backend_options", f"max_connections = {CONNECTIONS}\nqueue_timeout = 60s\n{xatest.PATIENT}")
        super().__init__(**more)
        self.reference = xatest.servers.KINDS[self.family](os.path.join(self.directory, "reference"), self.certs)

    def start(self, failpoint=None):
        self.reference.start(wait=False)
        for one in self.server.values():
            one.start(wait=False)
        self.reference.wait_ready()
        for name in self.server:
            self.server[name].wait_ready()
            for one in (self.reference, self.server[name]):
                one.script(self.server_settings())
                one.script(self.server_script(name))
        return super().start(failpoint)

    def server_settings(self):
        """The proxy has its own opinion on how long a row lock is waited for; a test with servers' defaults sees that."""
        yield "SET GLOBAL innodb_lock_wait_timeout = 5"
        yield f"SET GLOBAL max_allowed_packet = {64 << 20}"
        if self.family == "mysql":
            yield "SET GLOBAL log_bin_trust_function_creators = 1"

    @staticmethod
    def account(user, backend):
        """The same on every server, so that it sees the same of itself."""
        return f"{user}_there", SECRET

    def parts(self):
        return [*super().parts(), self.reference]


class Side:
    """One of the two connections of a session, and what it calls things."""

    def __init__(self, world, port, user, password):
        self.world, self.port, self.user, self.password = world, port, user, password
        self.connection, self.statements = None, {}
        self.blocker = None

    def connect(self, database, caps):
        self.close()
        self.connection = speaker.Speaker(self.port, self.world.certs, self.user, self.password, database, caps)
        self.statements = {}

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def begin(self, command):
        """Sends a command. Gone is an answer too, which finish() gives."""
        kind, *rest = command
        try:
            getattr(self, "say_" + kind)(*rest)
        except (speaker.Gone, TimeoutError):
            pass

    def finish(self, command):
        """Its answer."""
        kind = command[0]
        try:
            if kind == "prepare":
                answer, self.statements[command[1]] = self.connection.prepared()
                return answer
            if kind in ("long", "close", "quit"):
                return [("no answer",)]
            if kind == "fetch":
                return [self.connection.rows()]
            if kind == "field_list":
                return [self.connection.rows()]
            if kind == "change_user":
                self.statements = {}
                return [speaker.ok_packet(self.connection.log_in())]
            if kind == "reset_connection":
                self.statements = {}
            return self.connection.answer()
        except speaker.Gone:
            return [("gone",)]
        except TimeoutError:
            return [("silent",)]

    def id_of(self, slot):
        return self.statements.get(slot, NEVER_PREPARED)

    def say_query(self, text):
        self.connection.say_command(3, text.encode())

    def say_init_db(self, schema):
        self.connection.say_command(2, schema.encode())

    def say_ping(self):
        self.connection.say_command(14)

    def say_quit(self):
        self.connection.say_command(1)

    def say_reset_connection(self):
        self.connection.say_command(31)

    def say_field_list(self, table):
        self.connection.say_command(4, table.encode() + b"\0")

    def say_change_user(self, schema):
        connection = self.connection
        connection.say_command(17, self.user.encode() + b"\0" + b"\x20" + b"x" * 32 + schema.encode() + b"\0"
                               + struct.pack("<H", connection.charset) + b"caching_sha2_password\0")

    def say_prepare(self, _, text):
        self.connection.say_command(22, text.encode())

    def say_execute(self, slot, params, types_too, cursor):
        self.connection.say_execute(self.id_of(slot), params, types_too, cursor)

    def say_long(self, slot, parameter, data):
        self.connection.say_command(24, struct.pack("<IH", self.id_of(slot), parameter) + data)

    def say_fetch(self, slot, rows):
        self.connection.say_command(28, struct.pack("<II", self.id_of(slot), rows))

    def say_reset(self, slot):
        self.connection.say_command(26, struct.pack("<I", self.id_of(slot)))

    def say_close(self, slot):
        self.connection.say_command(25, struct.pack("<I", self.id_of(slot)))


# Which index is used follows from statistics, which each server takes when it likes: NO_GOOD_INDEX, NO_INDEX. Whether a
# statement was slow follows from what else the machine does: WAS_SLOW.
PLAN = 0x30 | 0x800


LEVEL = b"\x03def\0\0\0\x05Level"  # the first column of SHOW WARNINGS
USER_VARIABLE = re.compile(rb"(\x03def\0\0\0[^\0]*@u\d[^\0]*\0).*", re.DOTALL)


def nameless_type(definition):
    """A column of a user variable, without its type."""
    return USER_VARIABLE.sub(rb"\1", definition)


def untyped_nulls(result):
    """What has never been set has a type as soon as a server has read its name anywhere, be it in an EXECUTE that failed."""
    kind, columns, rows, *_ = result
    if kind == "rows" and columns and (not rows or any(row.count(b"\xfb") or row[:1] == b"\0" for row in rows)):
        columns = [nameless_type(column) for column in columns]
    return kind, columns, rows


KEYS = 0x2 | 0x4 | 0x8 | 0x200 | 0x4000  # flags of a column that is in one


def keyless(definition):
    """A join that is sorted through a temporary table tells its columns without their keys: statistics decide on the plan."""
    flags = struct.unpack_from("<H", definition, len(definition) - 5)[0] & ~KEYS
    return definition[:-5] + struct.pack("<H", flags) + definition[-3:]


def without_text(row):
    """Of an error in SHOW WARNINGS or a variable, whose text is not the same in errors either, see there."""
    row = re.sub(rb"(\xfc..|.)You have an error in your SQL syntax.*", b"1064", row, flags=re.DOTALL)
    row = re.sub(rb".The statement \(\d+\) has no.*|.Unknown prepared statement handler.*", b"its number", row, flags=re.DOTALL)
    row = re.sub(rb".Access denied for user .* to database 'nosuch.*|.Unknown database 'nosuch.*", b"no such", row, flags=re.DOTALL)
    row = re.sub(rb"(\x0410(44|49)|[\x14\x19]\x04\0\0)no such", b"no such", row)
    row = re.sub(rb"(['`][abck]['`]) at row \d+", rb"\1", row)
    return re.sub(rb"(\x04(1064|1243|1421)).*", rb"\1", row, flags=re.DOTALL)


def same_by_nature(result, command, side):
    """A result without what cannot be the same, for the reasons given here."""
    told = result[0] == "rows" and result[1] and result[1][0].startswith(LEVEL)
    if told or (result[0] == "rows" and result[1] and "@u3" in str(command[-1])):
        result = *result[:2], [without_text(row) for row in result[2]], *result[3:]
    if result[0] == "rows" and " JOIN child " in str(command[-1]):
        result = result[0], [keyless(column) for column in result[1]], *result[2:]
    if result[0] in ("ok", "rows"):
        return result[0], *untyped_nulls(result)[1:3], result[3] & ~PLAN, *result[4:]
    if result[0] == "prepared":
        return *result[:-1], [[nameless_type(one) for one in part] if isinstance(part, list) else part for part in result[-1]]
    if result[0] != "error":
        return result
    _, code, state, text, *more = result
    if more and more[0]:
        more[0] = [nameless_type(column) for column in more[0]]
    # MySQL shows a parameter as one type or another, and in one character set or another, as the statement has run before or not
    if command[0] == "execute":
        text = re.sub(r"Incorrect \w+ value: '.*' for column", "Incorrect value for column", text)
        text = re.sub(r"Truncated incorrect \w+ value: .*", "Truncated incorrect value", text)
    text = text.removesuffix(".")  # behind "has no open cursor" servers differ from version to version
    text = re.sub(r"given to mysqld?_stmt_\w+", "given", text)  # which function looked for it differs from version to version
    # A server counts its statements by itself; what the proxy says is its own count.
    ids = {str(number): f"slot {slot}" for slot, number in side.statements.items()}
    if code in (1243, 1421):
        text = re.sub(r"\((\d+)\)", lambda m: f"({ids.get(m[1], 'id')})", text)
    # A server shows what is left of the text; of several statements it is sent one at a time.
    if code == 1064 and ";" in command[-1]:
        text = text.partition(";")[0]
    # The row of a parameter is a counter that the connection has from its last statement.
    text = re.sub(r"(['`][abck]['`]) at row \d+", r"\1", text)
    # Which schemas there are is a matter of the configuration; whether the account might see others is not known to it.
    if "nosuchschema" in text:
        code, state, text = 1049, "42000", "no such schema"
    return ("error", code, state, text, *more)


def names_two_servers(direct, proxied):
    """A table that is not in the default schema, joined with one of another server's: which of the two is told first? A function
    that the default schema does not have: another server looks for it in a schema of its own, which it may not."""
    table = direct[:2] == ("error", 1146) and proxied[:2] == ("error", 1235) and "one statement runs on one server" in proxied[3]
    function = direct[:2] == ("error", 1305) and proxied[:2] == ("error", 1044) and "'information_schema'" in proxied[3]
    return table or (function and direct[3].startswith("FUNCTION"))


class Difference(Exception):
    """The two answered differently; the text tells all that is needed to see it again, `kind` is the same for those that
    look alike."""

    def __init__(self, text, kind):
        super().__init__(text)
        self.kind = kind


def kind_of(command, direct, proxied):
    """A command and what about its answers differs, without numbers."""
    pairs = list(itertools.zip_longest(direct, proxied))
    first = next((pair for pair in pairs if pair[0] != pair[1]), (direct, proxied))
    if all(isinstance(one, tuple) and one[0] == first[0][0] for one in first):
        first = [[short(a, 150) if a != b else "=" for a, b in itertools.zip_longest(*both)] for both in (first, first[::-1])]
    return f"{short(command, 120)}\n    direct  {short(first[0], 400)}\n    proxied {short(first[1], 400)}"


class Session(threading.Thread):
    """One stream on both sides."""

    def __init__(self, run, number):
        super().__init__(daemon=True)
        self.run_, self.number = run, number
        world = run.world
        self.stream = stream.Stream(run.seed, number, world.family, run.across, run.without)
        self.direct = Side(world, world.reference.port, *world.account("app", ""))
        self.proxied = Side(world, world.proxy.port, "app", xatest.PASSWORDS["app"])
        self.sides = (self.direct, self.proxied)
        self.last = collections.deque(maxlen=20)
        self.counts = collections.Counter()
        self.blockers = []
        self.caps = self.stream.caps()
        self.failure = None
        self.done = 0
        self.erred = False

    def run(self):
        try:
            self.make_schemas()
            self.connect()
            self.episode(self.stream.first())
            while self.done < self.run_.each and not self.run_.failed.is_set():
                self.episode(self.stream.episode())
            if not self.run_.failed.is_set():
                try:
                    self.final_state()
                except Difference as difference:
                    self.run_.differs(difference)
        except Exception as why:  # pylint: disable=broad-except
            self.failure = why
            self.run_.failed.set()
        finally:
            for side in self.sides:
                side.close()
            self.unblock()

    def connect(self):
        for side in self.sides:
            side.connect(self.stream.schema, self.caps)

    def episode(self, commands):
        with self.run_.may_hold if commands.holds else contextlib.nullcontext():
            try:
                for command in commands:
                    self.command(command)
            except Difference as difference:
                self.run_.differs(difference)
                self.begin_again()

    def begin_again(self):
        """As if nothing had been said yet, so that one difference does not hide others."""
        self.unblock()
        for side in self.sides:
            side.close()
        self.make_schemas()
        self.connect()
        self.episode(self.stream.first())

    def make_schemas(self):
        for schema, server in ((self.stream.schema, "s1"), (self.stream.other, "s2")):
            for one in (self.run_.world.reference, self.run_.world.server[server]):
                one.script([f"DROP DATABASE IF EXISTS {schema}", f"CREATE DATABASE {schema}"])

    def command(self, command):
        kind = command[0]
        if kind == "connect":
            self.connect()
        elif kind == "block":
            self.block(command[1])
        elif kind == "unblock":
            self.unblock()
        else:
            self.compare(command)
        if kind == "quit":
            for side in self.sides:
                side.close()

    def compare(self, command):
        for side in self.sides:
            side.begin(command)
        direct, proxied = ([same_by_nature(result, command, side) for result in side.finish(command)] for side in self.sides)
        self.done += 1
        self.counts[command[0]] += 1
        self.counts["errors"] += direct[-1][0] == "error"
        if self.erred and command[0] in ("ping", "init_db"):  # an error does not tell how many warnings came with it
            direct, proxied = ([(*result[:4], 0, *result[5:]) if result[0] == "ok" else result for result in side]
                               for side in (direct, proxied))
        elif command[0] not in ("close", "long"):  # which no server answers
            self.erred = direct[-1][0] == "error"
        self.last.append((command, direct))
        if names_two_servers(direct[-1], proxied[-1]):
            self.compare(("query", f"SELECT id FROM {self.stream.schema}.t LIMIT 0"))  # nobody is to be told of it again
            return
        if direct != proxied or direct == [("silent",)]:
            raise Difference(self.tell(command, direct, proxied), kind_of(command, direct, proxied))
        for mover in self.run_.movers:
            mover.move()
        small = command[0] != "query" and direct[-1][0] == "error"
        if self.run_.world.family == "mysql" and (small or command[0] == "field_list"):
            # An error of a small command, the warning of COM_FIELD_LIST: MySQL adds them to what the statement before has left.
            self.compare(("query", "DO 0"))
        elif small and direct[-1][1] in (1243, 1421):  # with a number of the server's own, which is not to be stored
            self.compare(("query", f"SELECT id FROM {self.stream.schema}.t LIMIT 0"))

    def block(self, text):
        """On each side another connection of the same schema takes something and keeps it."""
        for one in (self.run_.world.reference, self.run_.world.server["s1"]):
            db = one.root(self.stream.schema)
            self.blockers.append(db)
            with db.cursor() as cursor:
                cursor.execute("BEGIN")
                with contextlib.suppress(pymysql.err.MySQLError):
                    cursor.execute(text)

    def unblock(self):
        while self.blockers:
            with contextlib.closing(self.blockers.pop()) as db, contextlib.suppress(pymysql.err.MySQLError):
                db.rollback()  # which is over with its answer

    # --- at the end ---

    def final_state(self):
        """The variables of the session, and its tables as the servers themselves have them."""
        variables = []
        for side in self.sides:
            side.begin(("query", "SHOW SESSION VARIABLES"))
            kind, _, rows, *_ = answer = side.finish(("query", ""))[0]
            if kind != "rows":
                raise Difference(self.tell("SHOW SESSION VARIABLES at the end", "rows", answer), "no variables")
            variables.append({name: value for name, value in map(two_texts, rows) if name not in OF_THE_SERVER | OF_THE_PROXY})
        names = {name for name in variables[0].keys() | variables[1].keys() if variables[0].get(name) != variables[1].get(name)}
        if names:
            direct, proxied = ({name: side.get(name) for name in names} for side in variables)
            raise Difference(self.tell("SHOW SESSION VARIABLES at the end", direct, proxied), f"variables {direct} {proxied}")
        self.done += 1
        for schema, server in ((self.stream.schema, "s1"), (self.stream.other, "s2")):
            servers = (self.run_.world.reference, self.run_.world.server[server])
            direct, proxied = (tables(one, schema) for one in servers)
            if direct != proxied:
                names = {name if isinstance(name, str) else name[0] for name, _ in direct.items() ^ proxied.items()}
                direct, proxied = ({name: contents(one, schema, name) for name in names} for one in servers)
                raise Difference(self.tell(f"tables of {schema} at the end", direct, proxied), "tables")

    def tell(self, command, direct, proxied):
        lines = [f"seed {self.run_.seed} session {self.number} statement {self.done}: "
                 f"differential.py {self.run_.seed} --session {self.number}"
                 + " --across" * self.run_.across + " --moving" * bool(self.run_.movers), "the last statements of this session and the direct answers:"]
        lines += [f"    {short(said)} -> {short(answer)}" for said, answer in self.last]
        lines += [f"statement: {short(command, 2000)}", f"direct:  {short(direct, 3000)}", f"proxied: {short(proxied, 3000)}"]
        if "CHECKSUM" in str(command):
            lines += [f"table t: {contents(one, self.stream.schema, 't')}"
                      for one in (self.run_.world.reference, self.run_.world.server["s1"])]
        return "\n".join(lines)


class Mover:
    """Another session, which takes a server's only connection behind each statement, unless something keeps it: so every
    session gets another one for each statement, where in company chance decides."""

    options = {"backend_options": f"max_connections = 1\nqueue_timeout = 600s\n{xatest.PATIENT}", "workers": 1}
    patience_s = 0.3  # in which it has the connection if nothing keeps it

    def __init__(self, world, schema):
        self.connection = speaker.Speaker(world.proxy.port, world.certs, "app", xatest.PASSWORDS["app"], schema)
        self.waits = False

    def move(self):
        if not self.waits:
            self.connection.say_command(3, b"DO 0")
        self.connection.s.settimeout(0.001 if self.waits else self.patience_s)
        try:
            self.connection.answer()
            self.waits = False
        except TimeoutError:
            self.waits = True


# What SHOW SESSION VARIABLES tells of the server or the connection, not of the session.
OF_THE_SERVER = set("""
    aria_log_dir_path datadir general_log_file gtid_binlog_pos gtid_binlog_state gtid_current_pos gtid_executed gtid_purged
    last_gtid log_bin_basename log_bin_index log_error pid_file port pseudo_thread_id report_port server_id server_uid
    server_uuid slave_load_tmpdir relay_log_basename relay_log_index replica_load_tmpdir slow_query_log_file socket statement_id
    timestamp tmpdir rand_seed1 rand_seed2 wsrep_data_home_dir
""".split())
# What the proxy has in force on its connections by its own options: session tracking, how long a row lock is waited for.
# What LAST_INSERT_ID() says is the session's; the variable of that name is the connection's.
OF_THE_PROXY = {"identity", "last_insert_id", "innodb_lock_wait_timeout", "session_track_system_variables", "session_track_gtids"}


def two_texts(row):
    name, at = speaker_text(row, 0)
    return name, speaker_text(row, at)[0]


def speaker_text(row, at):
    if row[at] == 0xFB:
        return None, at + 1
    n, at = speaker.lenenc(row, at)
    return row[at:at + n].decode("utf-8", "replace"), at + n


def contents(server, schema, table):
    """What a table has, to be looked at."""
    with contextlib.closing(server.root(schema)) as db, db.cursor() as cursor:
        try:
            cursor.execute(f"SELECT * FROM `{table}` ORDER BY 1")
        except pymysql.err.MySQLError as error:
            return str(error)
        return [column[0] for column in cursor.description], [short(row) for row in cursor.fetchall()]


def tables(server, schema):
    """A checksum of every table, and how it is made."""
    found = {}
    with contextlib.closing(server.root(schema)) as db, db.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
                       schema)
        for (name,) in cursor.fetchall():
            cursor.execute(f"CHECKSUM TABLE `{name}`")
            found[name] = cursor.fetchone()[1]
            cursor.execute(f"SHOW CREATE TABLE `{name}`")
            found[name, "made by"] = re.sub(r" AUTO_INCREMENT=\d+", "",
                                            cursor.fetchone()[1])  # MySQL tells an old one for a while
    return found


def short(what, most=300):
    text = repr(what)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)} characters)"


class Run:
    """All sessions of one seed at once."""

    def __init__(self, world, seed, statements, sessions=range(SESSIONS), across=False, without=(), moving=False):
        """Moving: the sessions come one after the other, and the last number's schemas are the movers'."""
        self.world, self.seed, self.across, self.without = world, seed, across, set(without)
        self.movers = self.make_movers() if moving else []
        self.each = max(1, statements // len(sessions))
        self.failed, self.lock = threading.Event(), threading.Lock()
        self.tolerate = None
        self.may_hold = threading.BoundedSemaphore(CONNECTIONS - 1)
        self.sessions = [Session(self, number) for number in sessions]

    def make_movers(self):
        schemas = {"s1": f"d{SESSIONS - 1}", "s2": f"e{SESSIONS - 1}"}
        for name, schema in schemas.items():
            self.world.server[name].script([f"CREATE DATABASE IF NOT EXISTS {schema}"])
        return [Mover(self.world, schema) for schema in schemas.values()]

    def differs(self, difference):
        """Ends the run, or notes it and goes on."""
        if self.tolerate is None or not self.world.proxy.alive():
            raise difference
        with self.lock:
            self.tolerate.setdefault(re.sub(r'[0-9]+', '#', difference.kind), []).append(difference)

    def execute(self):
        """Runs to the end or the first difference, which it raises. The counts."""
        for session in self.sessions:
            session.start()
            if self.movers:
                session.join()
        for session in self.sessions:
            session.join()
        if not self.world.proxy.alive():
            raise AssertionError(f"seed {self.seed}: the proxy ended:\n{self.world.proxy.log_tail(200)}")
        failures = [session.failure for session in self.sessions if session.failure]
        for failure in sorted(failures, key=lambda f: not isinstance(f, Difference)):
            raise failure
        return sum((session.counts for session in self.sessions), collections.Counter())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed")
    parser.add_argument("--session", type=int, help="only this one, alone")
    parser.add_argument("--statements", type=int, default=5000)
    parser.add_argument("--across", action="store_true", help="the session's schemas are on two servers")
    parser.add_argument("--moving", action="store_true", help="one at a time, on another connection with each statement")
    parser.add_argument("--without", default="", help="episodes to leave out")
    parser.add_argument("--all", action="store_true", help="go on after a difference, and tell one of each kind at the end")
    parser.add_argument("--verbose", action="store_true", help="with the statements before each")
    parser.add_argument("--seconds", type=float, default=1e6, help="stop after so long")
    options = parser.parse_args()
    world = World(**Mover.options if options.moving else {}).start()
    sessions = range(SESSIONS - options.moving) if options.session is None else [options.session]
    statements = options.statements // (1 if options.session is None else SESSIONS)
    try:
        run = Run(world, options.seed, statements, sessions, options.across, options.without.split(","), options.moving)
        run.tolerate = {} if options.all else None
        stop = threading.Timer(options.seconds, run.failed.set)
        stop.daemon = True
        stop.start()
        print(dict(run.execute()))
        for differences in sorted((run.tolerate or {}).values(), key=len):
            print(f"{len(differences)} times: {differences[0] if options.verbose else differences[0].kind}")
    except (Difference, AssertionError) as difference:
        sys.exit(str(difference))
    except OSError as trouble:
        sys.exit(f"{trouble}\n{world.proxy.log_tail(40)}")
    finally:
        world.wipe()


if __name__ == "__main__":
    main()
