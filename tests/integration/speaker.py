"""A MySQL client that tells everything a server answers: each answer as plain values that can be compared, nothing
judged or converted.

Rows and column definitions stay bytes. Bytes of the connection and log-in are rawclient's.
"""
import hashlib
import struct

import rawclient
from rawclient import DEPRECATE_EOF, Gone

PS_MULTI_RESULTS, FOUND_ROWS, WITH_DB = 1 << 18, rawclient.FOUND_ROWS, rawclient.WITH_DB
CAPS = rawclient.USUAL | PS_MULTI_RESULTS
MORE_RESULTS, CURSOR_EXISTS = 8, 64
NULL_PARAM, UNSIGNED = 6, 0x8000


def lenenc(payload, at):
    """An integer of variable length and where it ends."""
    first = payload[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}[first]
    return int.from_bytes(payload[at + 1:at + 1 + size], "little"), at + 1 + size


def lenenc_bytes(data):
    n = len(data)
    head = bytes([n]) if n < 251 else b"\xfc" + struct.pack("<H", n) if n < 1 << 16 else b"\xfd" + struct.pack("<I", n)[:3] \
        if n < 1 << 24 else b"\xfe" + struct.pack("<Q", n)
    return head + data


def native_proof(password, scramble):
    """mysql_native_password: SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password)))."""
    first = hashlib.sha1(password).digest()
    second = hashlib.sha1(scramble + hashlib.sha1(first).digest()).digest()
    return bytes(a ^ b for a, b in zip(first, second))


def ok_packet(payload):
    affected, at = lenenc(payload, 1)
    insert_id, at = lenenc(payload, at)
    status, warnings = struct.unpack_from("<HH", payload, at)
    return "ok", affected, insert_id, status, warnings, payload[at + 4:]


def error_packet(payload):
    return "error", rawclient.error_code(payload), payload[4:9].decode(), payload[9:].decode("utf-8", "replace")


class Speaker(rawclient.Raw):
    """One logged-in connection. Each command has say_X, which sends it, and its answer is read by `answer`, so that two
    servers can work on the same command at the same time."""

    def __init__(self, port, certs, user, password, database, caps=CAPS, charset=rawclient.UTF8MB4, limit_s=90):
        super().__init__(port, certs, limit_s)
        self.buffer = b""
        self.caps, self.charset, self.password = caps | rawclient.SSL | WITH_DB, charset, password.encode()
        greeting = self.greeting = self.packet()
        self.thread_id = struct.unpack_from("<I", greeting, greeting.index(b"\0", 1) + 1)[0]
        self.secure()
        self.say(rawclient.login_packet(user.encode(), b"x" * 32, self.caps, charset,
                                        plugin=database.encode() + b"\0caching_sha2_password"))
        self.log_in()

    def secure(self):
        self.say(rawclient.login_head(self.caps, self.charset))
        self.seq = 2
        context = rawclient.ssl.create_default_context(cafile=f"{self.certs}/ca.crt")
        self.s = context.wrap_socket(self.s, server_hostname="127.0.0.1")

    def log_in(self):
        """Whatever plugin the server asks for, up to its OK. What it says instead is raised."""
        while True:
            answer = self.packet()
            if answer[:1] == b"\x00":
                return answer
            if answer[:2] == b"\x01\x04":
                self.say(self.password + b"\0")
            elif answer[:1] == b"\xfe":
                plugin, scramble = answer[1:].split(b"\0", 1)
                self.say(native_proof(self.password, scramble[:20]) if plugin == b"mysql_native_password" else b"x" * 32)
            elif answer[:2] != b"\x01\x03":
                raise Gone(f"log-in refused: {error_packet(answer)}")

    # --- bytes ---

    def recv(self, n):
        while len(self.buffer) < n:
            try:
                part = self.s.recv(max(n - len(self.buffer), 1 << 16))
            except (ConnectionResetError, BrokenPipeError, rawclient.ssl.SSLError) as why:
                raise Gone(str(why)) from why
            if not part:
                raise Gone("end of stream")
            self.buffer += part
        got, self.buffer = self.buffer[:n], self.buffer[n:]
        return got

    def packet(self):
        whole = part = super().packet()
        while len(part) == rawclient.FRAME_MAX:
            part = super().packet()
            whole += part
        return whole

    # --- commands ---

    def say_command(self, code, payload=b""):
        self.command(bytes([code]) + payload)

    def say_execute(self, statement, params, types_too=True, cursor=0):
        """params: (type, encoded value or None), or None for a parameter that came by say_long_data."""
        payload = struct.pack("<IBI", statement, cursor, 1)
        if params:
            nulls = bytearray((len(params) + 7) // 8)
            for i, param in enumerate(params):
                if param is not None and param[1] is None:
                    nulls[i // 8] |= 1 << i % 8
            payload += bytes(nulls) + bytes([types_too])
            if types_too:
                payload += b"".join(struct.pack("<H", 252 if param is None else param[0]) for param in params)
            payload += b"".join(param[1] for param in params if param is not None and param[1] is not None)
        self.say_command(0x17, payload)

    # --- answers ---

    def answer(self):
        """Everything up to the end of the last result: a list of ok, error and rows."""
        results = []
        while True:
            results.append(self.result())
            if results[-1][0] == "error" or not results[-1][3] & MORE_RESULTS:
                return results

    def result(self):
        first = self.packet()
        if first[:1] == b"\x00":
            return ok_packet(first)
        if first[:1] == b"\xff":
            return error_packet(first)
        columns = [self.packet() for _ in range(lenenc(first, 0)[0])]
        if not self.caps & DEPRECATE_EOF:
            status = struct.unpack_from("<H", self.packet(), 3)[0]
            if status & CURSOR_EXISTS:
                return "rows", columns, [], status, 0
        return self.rows(columns)

    def rows(self, columns=None):
        """Rows up to their end: of a result, or of a FETCH, which has no columns."""
        rows = []
        while True:
            row = self.packet()
            if row[:1] == b"\xff":
                return *error_packet(row), columns, rows
            if row[:1] == b"\xfe" and len(row) < rawclient.FRAME_MAX:
                if self.caps & DEPRECATE_EOF:
                    return "rows", columns, rows, *ok_packet(row)[3:5]
                warnings, status = struct.unpack_from("<HH", row, 1)
                return "rows", columns, rows, status, warnings
            rows.append(row)

    def prepared(self):
        """The answer to a PREPARE, and the id that it gives."""
        first = self.packet()
        if first[:1] == b"\xff":
            return [error_packet(first)], 0xFFFFFFF0
        statement, n_columns, n_params, warnings = struct.unpack_from("<IHHxH", first, 1)
        definitions = []
        for n in (n_params, n_columns):
            definitions.append([self.packet() for _ in range(n)])
            if n and not self.caps & DEPRECATE_EOF:
                definitions.append(self.packet())
        return [("prepared", n_params, n_columns, warnings, definitions)], statement
