"""What a session of the differential test says: commands made from a seed by the grammar in stream.txt, so that a seed and a
number tell the same again.

Nothing here depends on what is answered: errors are as welcome as results. A stream comes in episodes; one that keeps a
connection to itself on the way (a transaction, locks, a cursor) says so, since only so many may do that at once.
"""
import os
import random
import re
import struct

import speaker

BLOB_SIZES = [0, 1, 250, 251, 252, 65535, 65536, 300_000, 1 << 20, 3 << 20]
LONG_DATA = [b"", b"part", "Ä".encode(), b"x" * 1000, b"\0\xff", b"9" * 70_000]


def read_grammar(family):
    grammar, ways = {}, []
    with open(os.path.join(os.path.dirname(__file__), "stream.txt"), encoding="utf-8") as f:
        for line in f.read().splitlines():
            if line.startswith("["):
                name = line[1:-1]
                base, _, only = name.rpartition(" ")
                if only in ("mariadb", "mysql"):
                    ways = grammar.setdefault(base, []) if only == family else []
                else:
                    ways = grammar.setdefault(name, [])
            elif line and not line.startswith("# "):
                ways.append("" if line == "<empty>" else line)
    return grammar


# Ways to say something that a run can do without, beside whole episodes and "information".
SWITCHES = {"information schema": r"information_schema.tables", "sequence": r"LASTVAL",
            "foreign keys": r"^REPLACE INTO t |^INSERT INTO child .*({id}|99999)", "ignored ids": r"^INSERT IGNORE INTO t \(id",
            "out parameters": r"^CALL outs\(\?", "limit as a parameter": r"LIMIT \?", "missing function": r"^MD5\(",
            "implied locks": r"^LOCK TABLES t WRITE", "increments": r"^SET auto_increment_increment = 3",
            "list of parameters": r" IN \(\?", "dates as numbers": r"^INSERT INTO kinds .*, dt, .*\?"}
PARAMETER_KINDS = 15 # of parameter(), without those that are NULL
RESET = ("reset_connection",)


class Episode(list):
    """Commands in a row; `holds` is whether a connection is kept on the way."""

    def __init__(self, commands, holds=False):
        super().__init__(commands)
        self.holds = holds


def query(text):
    return "query", text


class Stream:
    """The episodes of one session."""

    def __init__(self, seed, session, family, across=False, without=()):
        self.random = random.Random(f"{seed}/{session}")
        self.grammar = read_grammar(family)
        for switch in SWITCHES.keys() & set(without):
            for name, ways in self.grammar.items():
                self.grammar[name] = [way for way in ways if not re.search(SWITCHES[switch], way)]
        self.across = across
        self.schema, self.other = f"d{session:02}", f"e{session:02}"
        self.made = {"schema": lambda: self.schema, "other": lambda: self.other, "id": lambda: str(self.random.randint(1, 12)),
                     "count": lambda: str(self.random.randint(0, 2)), "key": lambda: self.pick("ABCD"),
                     "lock": lambda: f"'lock {self.schema} {self.random.randint(0, 2)}'"}
        self.slots = 0
        # MySQL gives a parameter the type of its first value, as long as the statement stays on its connection.
        self.keeps_types, self.kinds, self.takes_null = family == "mysql", [], True
        self.without = set(without)
        names = [name for name in EPISODES if name not in without and (across or name != "other_server")]
        self.names, self.weights = names, [EPISODES[name] for name in names]

    def caps(self):
        caps = speaker.CAPS & ~(speaker.DEPRECATE_EOF if self.often(0.3) else 0)
        return caps | (speaker.FOUND_ROWS if self.often(0.3) else 0)

    def first(self):
        there = [query(f"USE {self.other}"), *self.grammar_of("schema elsewhere"),
                 query(f"USE {self.schema}")] if self.across else []
        return Episode(self.grammar_of("schema") + there)

    def grammar_of(self, name):
        return [query(text) for text in self.grammar[name]]

    def episode(self):
        name = self.random.choices(self.names, self.weights)[0]
        episode = getattr(self, name)()
        # A routine that failed or changed the session on its way leaves what cannot be told: the connection is kept
        # until a reset.
        if any(isinstance(part, str) and re.search("CALL|twice", part) for command in episode for part in command):
            return Episode([*episode, RESET], holds=True)
        return episode

    # --- the grammar ---

    def pick(self, what):
        return self.random.choice(what)

    def often(self, chance):
        return self.random.random() < chance

    def say(self, name):
        """One of the ways to say this."""
        return re.sub(r"\{(\{|\w[\w ]*\})", lambda m: "{" if m[1] == "{" else self.blank(m[1][:-1]),
                      self.pick(self.grammar[name]))

    def blank(self, name):
        return self.made[name]() if name in self.made else self.say(name)

    def queries(self, name, most=1):
        if name in self.without:
            return []
        return [query(self.say(name)) for _ in range(self.random.randint(1, most))]

    def weighted(self, **weights):
        return self.random.choices(list(weights), list(weights.values()))[0]

    def statement(self):
        return self.say(self.weighted(select=8, write=8, error=2, information=0 if "information" in self.without else 6, probe=2))

    def command(self):
        kind = self.weighted(query=40, ping=1, init_db=1, field_list=1)
        return {"query": query(self.statement()), "ping": ("ping",), "init_db": ("init_db", self.schema),
                "field_list": ("field_list", "t")}[kind]

    def commands(self, least, most):
        return [self.command() for _ in range(self.random.randint(least, most))]

    def mixed(self, least, most, name, chance):
        """Commands of any kind, by chance one of these."""
        return [query(self.say(name)) if self.often(chance) else self.command() for _ in range(self.random.randint(least, most))]

    # --- episodes ---

    def statements(self):
        return Episode(self.commands(1, 12))

    def set_variables(self):
        return Episode(self.queries("setting", 3) + self.queries("probe", 3))

    def pinned(self):
        return Episode([*self.queries("pinning"), *self.commands(1, 3), *self.queries("information"), RESET], holds=True)

    def multi(self):
        texts = [self.statement() for _ in range(self.random.randint(2, 5))]
        return Episode([query(self.pick(["; ", ";", " ;\n"]).join(texts) + self.pick(["", ";", "; "])),
                        *self.queries("information", 2)])

    def compound(self):
        return Episode([*self.queries("compound"), *self.queries("information"), RESET], holds=True)

    def transaction(self):
        before = self.queries("one shot") if self.often(0.3) else []
        body = self.mixed(0, 10, "within", 0.3)
        return Episode([*before, *self.queries("begin"), *body, *self.queries("end"), query("COMMIT"),
                        *self.queries("information")], holds=True)

    def without_autocommit(self):
        """No questions about the session: for them the proxy begins the transaction, as for a table."""
        usual, self.without = self.without, self.without | {"information"}
        body = self.mixed(1, 10, "within", 0.3)
        self.without = usual
        if "failing calls without autocommit" in usual:
            body = [command for command in body if "CALL fails" not in str(command)]
        return Episode([*self.queries("autocommit off"), *body, *self.queries("autocommit on"),
                        query("SELECT @@autocommit"), query("COMMIT")], holds=True)

    def found_rows(self):
        select = self.pick(["SELECT SQL_CALC_FOUND_ROWS id FROM t ORDER BY id LIMIT {count}", "SELECT id FROM t WHERE {where} ORDER BY id",
                            "(SELECT 1)"])
        self.grammar["found"] = [select]
        slot, _, prepare = self.prepare("found prepared")
        ask = [query("SELECT FOUND_ROWS()"), ("execute", slot, [], True, 0)]
        return Episode([prepare, *self.queries("found"), *[("ping",)] * self.often(0.5), self.pick(ask), ("close", slot)])

    def asked(self):
        """A question about the session that is prepared once, behind whatever comes."""
        slot, _, prepare = self.prepare("asked prepared")
        body = [part for _ in range(self.random.randint(2, 5)) for part in (self.command(), ("execute", slot, [], True, 0))]
        if self.often(0.3):
            return Episode([prepare, query("BEGIN"), *body, query("COMMIT"), ("execute", slot, [], True, 0), ("close", slot)],
                           holds=True)
        return Episode([prepare, *body, ("close", slot)])

    def ddl(self):
        return Episode(self.queries("ddl", 3) + self.queries("probe"))

    def procedures(self):
        return Episode(self.queries("call", 3) + self.queries("information"))

    def temporary_table(self):
        return Episode([query("CREATE TEMPORARY TABLE tmp (id INT PRIMARY KEY AUTO_INCREMENT, n INT)"),
                        *self.queries("temporary", 6),
                        query("DROP TEMPORARY TABLE tmp")], holds=True)

    def user_locks(self):
        return Episode([*self.queries("user lock", 5), query("SELECT RELEASE_ALL_LOCKS()")], holds=True)

    def locked_tables(self):
        return Episode([*self.queries("lock tables"), *self.commands(1, 3), query(self.pick(["BEGIN", "COMMIT", "SELECT 1"])),
                        query("UNLOCK TABLES"), query("UNLOCK TABLES"), query("COMMIT"), query("SELECT COUNT(*) FROM t")],
                       holds=True)

    def handler(self):
        return Episode([query("HANDLER t OPEN"), *self.queries("handler", 4), query("HANDLER t CLOSE"), query("HANDLER t CLOSE")],
                       holds=True)

    def big(self):
        size = self.pick(BLOB_SIZES)
        return Episode([query(f"INSERT INTO kinds (bl) VALUES (REPEAT('z', {size}))"),
                        query("SELECT bl, LENGTH(bl) FROM kinds ORDER BY id DESC LIMIT 1"),
                        query(f"INSERT INTO kinds (tx) VALUES ('{'y' * size}')"),
                        query("DELETE FROM kinds ORDER BY id DESC LIMIT 2"),
                        query("SELECT MD5(tx), LENGTH(bl) FROM kinds ORDER BY id LIMIT 5")])

    def lock_wait(self):
        """Somebody else has the row: the statement waits for a second and fails."""
        begin = [query("BEGIN")] if self.often(0.5) else []
        return Episode([query("SET innodb_lock_wait_timeout = 1, lock_wait_timeout = 1"),
                        ("block", "SELECT * FROM t WHERE id = 1 FOR UPDATE"),
                        *begin, query("UPDATE t SET n = 9 WHERE id = 1"), query("SHOW WARNINGS"), *self.queries("select"),
                        ("unblock",),
                        query("UPDATE t SET n = 10 WHERE id = 1"), query("COMMIT")], holds=True)

    def text_prepare(self):
        texts = self.grammar["text prepared"]
        begin = self.random.randrange(len(texts) - 4)
        said = [*texts[begin:begin + self.random.randint(3, 8)], *[text for _, text in self.queries("text prepared", 3)]]
        return Episode([*[command for text in said for command in (query(text), *self.forgotten(text.strip("'")))],
                        query("COMMIT"),
                        *[query(f"DEALLOCATE PREPARE {name}") for name in "swbqcu"]], holds=True)

    def default_schema(self):
        there = self.pick(["information_schema", "nosuchschema", self.schema])
        back = self.pick([("init_db", self.schema), query(f"USE {self.schema}")])
        return Episode([self.pick([("init_db", there), query(f"USE {there}"), query(f"USE `{there}`")]),
                        query("SELECT DATABASE()"),
                        query("SELECT COUNT(*) FROM t"), query(f"SELECT id FROM {self.schema}.t ORDER BY id"), back,
                        query("SELECT DATABASE()")])

    def other_server(self):
        body = self.mixed(2, 8, "other server", 0.7) + self.queries("information") + self.queries("probe")
        self.random.shuffle(body)
        back = query(f"USE {self.schema}")
        if self.often(0.5):
            return Episode([query("BEGIN"), *body, query(self.pick(["COMMIT", "ROLLBACK"])), back], holds=True)
        return Episode([*body, back])

    # --- prepared statements ---

    def prepare(self, name):
        """A new statement: its slot, how many parameters it has, and the command."""
        self.slots += 1
        text = self.say(name)
        self.kinds = [self.random.randrange(PARAMETER_KINDS) for _ in range(text.count("?") * self.keeps_types)]
        self.takes_null = not text.startswith("SET sql_mode")  # MariaDB takes that for 0 or not, as an EXECUTE before was
        return self.slots, text.count("?"), ("prepare", self.slots, text)

    def parameter(self, kind=None):
        """Of that type; None: of any."""
        pack = struct.pack
        number = self.random.randint(-300, 300)
        data = self.pick(["", "abc", "Äsa", "7", "2024-01-02", "x" * 300]).encode()
        day = pack("<HBB", 2024, self.random.randint(1, 12), self.random.randint(1, 28))
        text = speaker.lenenc_bytes(data)
        ways = [
            (1, pack("<b", number % 128)), (2, pack("<h", number)), (3, pack("<i", number)), (8, pack("<q", number)),
            (8 | speaker.UNSIGNED, pack("<Q", abs(number))), (4, pack("<f", number / 8)), (5, pack("<d", number / 8)),
            (10, b"\x04" + day), (12, b"\x07" + day + bytes([1, 2, 3])),
            (12, b"\x0b" + day + bytes([1, 2, 3]) + pack("<I", 456789)),
            (11, b"\x08" + pack("<BIBBB", number < 0, 1, 2, 3, 4)), (246, speaker.lenenc_bytes(b"%d.25" % number)),
            (253, text), (254, text), (252, speaker.lenenc_bytes(data + b"\0\xff")), (6, None), (3, None), (253, None)]
        if kind is None:
            return self.pick(ways)
        return ways[kind]

    def parameters(self, n):
        kinds = self.kinds or [None] * n
        return [self.parameter(kind if kind is not None or self.takes_null else self.random.randrange(PARAMETER_KINDS))
                for kind in kinds]

    def prepared_statement(self):
        slot, n, prepare = self.prepare("prepared")
        # Long data comes first if at all: MariaDB reads what is left of an earlier date or time into it. With OUT parameters,
        # and after an error of a SET, servers do not forget that it was there.
        takes_long = not re.match("CALL|SET", prepare[2]) and "long data" not in self.without
        # Where MariaDB's connection does not know the routine, preparing a CALL of it forgets warnings: let there be none.
        before = [query("SELECT id FROM t LIMIT 0")] if re.match("CALL", prepare[2]) and not self.keeps_types else []
        commands, bound = [*before, prepare, *self.forgotten(prepare[2]), *(self.long_data(slot, n) if n and takes_long and self.often(0.2) else [])], None
        for _ in range(self.random.randint(0, 5)):
            kind = self.weighted(execute=5, again=2, reset=1, between=2)
            if kind == "again" and bound:
                commands.append(("execute", slot, bound, False, 0))
            elif kind == "reset":
                commands.append(("reset", slot))
            elif kind == "between":
                commands.append(self.command())
            else:
                bound = self.parameters(n)
                commands.append(("execute", slot, bound, True, 0))
        commands += [("close", slot), ("init_db", self.schema)]
        if self.often(0.2):
            commands.append(("execute", slot, [], True, 0))
        return Episode(commands)

    def forgotten(self, text):
        """What was in a variable when the assignment of a parameter to it is prepared: MariaDB makes it binary at that moment."""
        return [query("SET @u1 = 5")] if text.endswith("SET @u1 = ?") and not self.keeps_types else []

    def long_data(self, slot, n):
        where = self.random.randrange(n)
        params = self.parameters(n)
        params[where] = None
        if self.kinds:
            self.kinds[where] = PARAMETER_KINDS - 1  # bytes
        pieces = [("long", slot, where, self.pick(LONG_DATA)) for _ in range(self.random.randint(1, 3))]
        return [*pieces, ("execute", slot, params, True, 0)]

    def several_prepared(self):
        """Statements that live for a while, others of this session in between."""
        statements = [(*self.prepare("kept prepared"), self.kinds) for _ in range(4)]
        body = []
        for _ in range(self.random.randint(3, 10)):
            slot, n, _, kinds = self.pick(statements)
            self.kinds = kinds
            body += [("execute", slot, self.parameters(n), True, 0), *[self.command()] * self.often(0.4)]
        return Episode([*(prepare for _, _, prepare, _ in statements), *body,
                        *(("close", slot) for slot, *_ in statements)])

    def cursor(self):
        slot, _, prepare = self.prepare("cursor")
        body = []
        for _ in range(self.random.randint(1, 6)):
            kind = self.weighted(fetch=8, command=2, execute=1, reset=1)
            body.append({"fetch": ("fetch", slot, self.pick([1, 2, 5, 100])), "command": self.command(),
                         "execute": ("execute", slot, [], True, 1), "reset": ("reset", slot)}[kind])
        return Episode([prepare, ("execute", slot, [], True, 1), *body, ("close", slot)], holds=True)

    # --- the session as a whole ---

    def reset_connection(self):
        return Episode([query("SET @u1 = 'gone after reset', sql_mode = 'ANSI'"), RESET,
                        query("SELECT @u1, @@sql_mode, DATABASE(), LAST_INSERT_ID()"), *self.queries("probe", 2)])

    def change_user(self):
        return Episode([query("SET @u1 = 'gone after change', sql_mode = 'ANSI'"), ("change_user", self.schema),
                        query("SELECT @u1, @@sql_mode, DATABASE()"), *self.queries("probe", 2)])

    def reconnect(self):
        end = self.pick([("quit",), query("COMMIT RELEASE"), query("ROLLBACK RELEASE")])
        return Episode([query("BEGIN"), query("INSERT INTO log (what) VALUES ('left open')"), end, ("connect",),
                        query("SELECT COUNT(*) FROM log"), *self.queries("probe", 2)], holds=True)


# How often each kind of episode comes.
EPISODES = {"statements": 30, "set_variables": 20, "pinned": 1, "multi": 6, "compound": 1, "transaction": 20,
            "without_autocommit": 5, "ddl": 3, "found_rows": 2, "asked": 4,
            "procedures": 5, "temporary_table": 3, "user_locks": 2, "locked_tables": 2, "handler": 1, "big": 1, "lock_wait": 0.2,
            "text_prepare": 5, "default_schema": 4, "prepared_statement": 25, "cursor": 3, "several_prepared": 5,
            "reset_connection": 2, "change_user": 1, "reconnect": 1, "other_server": 25}
