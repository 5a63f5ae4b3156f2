"""A client of prepared statements in bytes, which no driver would be so exact about: packets as they come, values as text."""
import struct

import pymysql
import rawclient
import xatest

LONGLONG, VAR_STRING, LONG_BLOB = 8, 253, 251
CURSOR_READ_ONLY = 1
STATUS_IN_TRANS, STATUS_AUTOCOMMIT, STATUS_MORE, STATUS_CURSOR, STATUS_LAST_ROW = 1, 2, 8, 0x40, 0x80


class Error(Exception):
    """What an ERR packet says."""

    def __init__(self, payload):
        self.code, self.state = rawclient.error_code(payload), payload[4:9].decode()
        super().__init__(f"{self.code} {self.state} {payload[9:].decode(errors='replace')}")


def lenenc(data, at):
    """A length-encoded integer and where it ends."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1:at + 1 + size], "little"), at + 1 + size


def lenenc_bytes(data):
    if len(data) < 0xFB:
        return bytes([len(data)]) + data
    return b"\xfd" + struct.pack("<I", len(data))[:3] + data


class Answer:
    """One result: OK, or columns and rows as packets; the status at its end."""

    def __init__(self):
        self.columns, self.rows, self.status, self.affected, self.metadata_eofs = [], [], 0, 0, 0
        self.follows = True  # the definitions came

    def values(self):
        """Rows of BIGINT and string columns decoded."""
        return [self.decode(row) for row in self.rows]

    def decode(self, row):
        nulls, at, out = row[1:], 1 + (len(self.columns) + 9) // 8, []
        for i, column in enumerate(self.columns):
            if nulls[(i + 2) // 8] >> ((i + 2) % 8) & 1:
                out.append(None)
            elif column in (8, 3):
                size = 8 if column == 8 else 4
                out.append(int.from_bytes(row[at:at + size], "little", signed=True))
                at += size
            else:
                n, at = lenenc(row, at)
                out.append(row[at:at + n].decode("latin-1"))
                at += n
        return tuple(out)


class Client(rawclient.Raw):
    """Logged in through TLS; deprecate_eof tells which of the two ways of ending rows it speaks."""

    def __init__(self, world, schema="", deprecate_eof=True, user="app", extended=0):
        super().__init__(world.proxy.port, world.certs)
        self.caps = rawclient.USUAL | rawclient.SSL
        if not deprecate_eof:
            self.caps &= ~rawclient.DEPRECATE_EOF
        if extended:
            self.caps = self.caps & ~rawclient.LONG_PASSWORD | extended
        self.known = []  # columns of the result that was defined last
        answer = self.login(user, caps=self.caps)
        if answer[:1] != b"\x00":
            raise Error(answer)
        if schema:
            self.command(b"\x02" + schema.encode())
            self.ok()

    def checked(self):
        payload = self.packet()
        if payload[:1] == b"\xff":
            raise Error(payload)
        return payload

    def ok(self):
        """Reads one OK or EOF; its status."""
        payload = self.checked()
        if payload[0] == 0xFE and len(payload) < 9:
            return struct.unpack_from("<H", payload, 3)[0]
        _, at = lenenc(payload, 1)
        _, at = lenenc(payload, at)
        return struct.unpack_from("<H", payload, at)[0]

    def ends(self, payload):
        return payload[0] == 0xFE and len(payload) < (0xFFFFFF if self.caps & rawclient.DEPRECATE_EOF else 9)

    def status_of_end(self, payload):
        return struct.unpack_from("<H", payload, 3)[0]

    def definition(self):
        """A column definition; its type."""
        payload, at = self.checked(), 0
        for _ in range(7 if self.caps & rawclient.EXTENDED_METADATA else 6):
            n, at = lenenc(payload, at)
            self.last_text = payload[at:at + n]
            at += n
        assert payload[at] == 0x0C, payload
        return payload[at + 1 + 2 + 4]

    # --- statements ---

    def prepare(self, text):
        """id, number of parameters, types of columns."""
        self.command(b"\x16" + (text.encode() if isinstance(text, str) else text))
        ok = self.checked()
        statement, n_columns, n_params = struct.unpack_from("<IHH", ok, 1)
        eof = not self.caps & rawclient.DEPRECATE_EOF
        for _ in range(n_params):
            self.definition()
        if n_params and eof:
            self.checked()
        columns = self.known = [self.definition() for _ in range(n_columns)]
        if n_columns and eof:
            self.checked()
        return statement, n_params, columns

    def send_execute(self, statement, *values, types=True, cursor=0, type_of=None, skip=()):
        """Integers as BIGINT, the rest as strings; `skip`: parameters that came as long data."""
        nulls = bytearray((len(values) + 7) // 8)
        kinds, data = b"", b""
        for i, value in enumerate(values):
            kind = (type_of or {}).get(i, LONGLONG if isinstance(value, int) else VAR_STRING)
            kinds += bytes([kind, 0])
            if value is None:
                nulls[i // 8] |= 1 << i % 8
            elif i in skip:
                continue
            elif isinstance(value, int):
                data += struct.pack("<q", value)
            else:
                data += lenenc_bytes(value if isinstance(value, bytes) else value.encode())
        body = b"\x17" + struct.pack("<IBI", statement, cursor, 1)
        if values:
            body += bytes(nulls) + (b"\x01" + kinds if types else b"\x00") + data
        self.command(body)

    def bulk(self, statement, rows, types=(), flags=None):
        """BULK_EXECUTE of rows whose values are integers (BIGINT), bytes, None, or Ellipsis for DEFAULT."""
        body = b"\xfa" + struct.pack("<IH", statement, (128 if types else 0) if flags is None else flags)
        body += b"".join(bytes([kind, 0]) for kind in types)
        for value in (value for row in rows for value in row):
            if value is None or value is ...:
                body += b"\x01" if value is None else b"\x02"
            elif isinstance(value, int):
                body += b"\x00" + struct.pack("<q", value)
            else:
                body += b"\x00" + lenenc_bytes(value)
        self.command(body)
        return self.read_answer()

    def read_answer(self, cursor=0):
        first, answer = self.checked(), Answer()
        if first[0] == 0:
            answer.affected, at = lenenc(first, 1)
            _, at = lenenc(first, at)
            answer.status = struct.unpack_from("<H", first, at)[0]
            return answer
        n, at = lenenc(first, 0)
        answer.follows = first[at:] != b"\x00"
        assert len(first) - at == bool(self.caps & rawclient.CACHE_METADATA), first
        answer.columns = self.known = [self.definition() for _ in range(n)] if answer.follows else self.known
        if not self.caps & rawclient.DEPRECATE_EOF:
            answer.status = self.status_of_end(self.checked())
            answer.metadata_eofs += 1
            if cursor and answer.status & STATUS_CURSOR:
                return answer
        self.read_rows(answer)
        return answer

    def read_rows(self, answer):
        while True:
            payload = self.checked()
            if self.ends(payload):
                answer.status = self.status_of_end(payload)
                return answer
            answer.rows.append(payload)

    def execute(self, statement, *values, **more):
        self.send_execute(statement, *values, **more)
        return self.read_answer(more.get("cursor", 0))

    def run(self, sql):
        """Prepared; as text where MySQL prepares none of its kind, on a server as well."""
        try:
            return self.execute(self.prepare(sql)[0])
        except Error as error:
            if error.code != 1295 or xatest.FAMILY != "mysql":
                raise
        self.query(sql)
        return self.read_answer()

    def fetch(self, statement, n, columns):
        self.command(b"\x1c" + struct.pack("<II", statement, n))
        answer = Answer()
        answer.columns = columns
        return self.read_rows(answer)

    def long_data(self, statement, parameter, data):
        self.command(b"\x18" + struct.pack("<IH", statement, parameter) + data)

    def reset(self, statement):
        self.command(b"\x1a" + struct.pack("<I", statement))
        return self.ok()

    def close_statement(self, statement):
        self.command(b"\x19" + struct.pack("<I", statement))

    def text(self, sql):
        """A text statement's status; rows are read over."""
        self.query(sql)
        return self.read_answer().status


class Case(xatest.Case):
    """Tests with such clients."""

    def fails(self, code, call, *args, **more):
        with self.assertRaises(Error) as caught:
            call(*args, **more)
        self.assertEqual(caught.exception.code, code, str(caught.exception))
        return str(caught.exception)

    def kill_connections(self, server="s1"):
        """All of the proxy's at a server, which is waited for: the session is somewhere else afterwards."""
        account = self.world.account("app", server)[0]
        find = f"SELECT ID FROM information_schema.PROCESSLIST WHERE USER = '{account}'"
        killed = []
        for (number,) in self.world.direct(server, find):
            try:
                self.world.direct(server, f"KILL {number}")
                killed.append(f"backend_lost backend={server} id={number} ")
            except pymysql.err.MySQLError as error:
                self.assertEqual(error.args[0], 1094)
        xatest.until(lambda: not self.world.direct(server, find), 5, "killed connections are still there")
        # A thread is gone before its socket: what is sent on that is lost. The proxy may have closed one of them by itself.
        xatest.happens(lambda: all(line in self.world.proxy.log_of_this_life() for line in killed), 10)
