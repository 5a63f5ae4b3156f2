"""A MySQL client in bytes: says what it is told, right or wrong, and reads whatever comes. Judges nothing."""
import contextlib
import socket
import ssl
import struct

import squeezed
import xatest

LONG_PASSWORD, FOUND_ROWS, LONG_FLAG, WITH_DB, COMPRESS, LOCAL_FILES = 1, 2, 4, 8, 0x20, 0x80
PROTOCOL_41, SSL, TRANSACTIONS, SECURE = 0x200, 0x800, 0x2000, 0x8000
SESSION_TRACK, ZSTD = 1 << 23, 1 << 26
MULTI_STATEMENTS, MULTI_RESULTS, PLUGIN_AUTH, ATTRIBUTES, LENENC, DEPRECATE_EOF = \
    1 << 16, 1 << 17, 1 << 19, 1 << 20, 1 << 21, 1 << 24
USUAL = (LONG_PASSWORD | LONG_FLAG | PROTOCOL_41 | TRANSACTIONS | SECURE | MULTI_STATEMENTS | MULTI_RESULTS | PLUGIN_AUTH
         | DEPRECATE_EOF)
UTF8MB4 = 45
# MariaDB's extended ones, where LONG_PASSWORD is clear
PROGRESS, BULK, EXTENDED_METADATA, CACHE_METADATA = 1 << 32, 1 << 34, 1 << 35, 1 << 36
EXTENDED = PROGRESS | BULK | EXTENDED_METADATA | CACHE_METADATA


class Gone(Exception):
    """The proxy closed the connection."""


FRAME_MAX = 0xFFFFFF


def frame(seq, payload, length=None):
    """One frame; its length can be a lie."""
    return struct.pack("<I", len(payload) if length is None else length)[:3] + bytes([seq & 255]) + payload


def frames(seq, payload):
    """A packet of any length."""
    whole = b""
    while True:
        part, payload = payload[:FRAME_MAX], payload[FRAME_MAX:]
        whole += frame(seq, part)
        seq += 1
        if len(part) < FRAME_MAX:
            return whole


def login_head(caps=USUAL, charset=UTF8MB4):
    return struct.pack("<IIB19xI", caps & 0xFFFFFFFF, 1 << 24, charset, caps >> 32)


def login_packet(user, proof=b"", caps=USUAL, charset=UTF8MB4, plugin=b"caching_sha2_password", more=b""):
    return (login_head(caps, charset) + user + b"\0" + bytes([len(proof)]) + proof
            + (plugin + b"\0" if caps & PLUGIN_AUTH else b"") + more)


def error_code(payload):
    return struct.unpack_from("<H", payload, 1)[0] if payload[:1] == b"\xff" and len(payload) > 2 else 0


class Raw:
    """One connection. Every read has a limit, so that a hang is a failure."""

    def __init__(self, port, certs, limit_s=30, receive_buffer=0, source=""):
        self.certs = certs
        self.s = socket.socket()
        self.s.bind((source, 0))
        if receive_buffer:
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.s.settimeout(limit_s)
        self.s.connect(("127.0.0.1", port))
        self.seq = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.s.close()

    def send(self, data):
        try:
            self.s.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as why:
            raise Gone(str(why)) from why

    def recv(self, n):
        got = b""
        while len(got) < n:
            try:
                part = self.s.recv(n - len(got))
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError) as why:
                raise Gone(str(why)) from why
            if not part:
                raise Gone("end of stream")
            got += part
        return got

    def packet(self):
        head = self.recv(4)
        self.seq = (head[3] + 1) & 255
        return self.recv(head[0] | head[1] << 8 | head[2] << 16)

    def say(self, payload):
        """The next packet of this exchange."""
        self.send(frames(self.seq, payload))
        self.seq += 1

    def command(self, payload):
        self.seq = 0
        if isinstance(self.s, squeezed.Socket):
            self.s.new_command()
        self.say(payload)

    def query(self, text):
        self.command(b"\x03" + (text.encode() if isinstance(text, str) else text))

    # --- log-in ---

    def tls(self, context=None):
        self.packet()
        self.say(login_head(USUAL | SSL))
        self.seq = 2
        if context is None:
            context = ssl.create_default_context(cafile=f"{self.certs}/ca.crt")
        try:
            self.s = context.wrap_socket(self.s, server_hostname="127.0.0.1")
        except (ConnectionResetError, ssl.SSLError) as why:
            raise Gone(str(why)) from why
        return self

    def login(self, user="app", password=None, **more):
        """Through TLS, by the full exchange; what the proxy says at the end."""
        self.tls()
        more.setdefault("caps", USUAL | SSL)
        self.say(login_packet(user.encode(), b"x" * 32, **more))
        answer = self.packet()
        if answer[:2] == b"\x01\x04":
            self.say((xatest.PASSWORDS.get(user, "") if password is None else password).encode() + b"\0")
            answer = self.packet()
        return answer

    def squeezed_login(self, method=squeezed.ZLIB, level=3, caps=USUAL | SSL, **more):
        """The same, and from then on in compressed packets."""
        asked = caps | (COMPRESS if method == squeezed.ZLIB else ZSTD)
        answer = self.login(caps=asked, more=bytes([level]) if method == squeezed.ZSTD else b"", **more)
        self.s = squeezed.Socket(self.s, method)
        return answer

    # --- answers ---

    def until(self, mark, most=1 << 26):
        """Reads on until a packet holds the mark; how many bytes it took."""
        read = 0
        while True:
            payload = self.packet()
            read += len(payload)
            if mark in payload:
                return read
            if read > most:
                raise AssertionError(f"{read} bytes and no {mark!r}")

    def in_step(self, mark=b"in-step"):
        """Whatever was answered before: is this question answered now? False when the connection was closed."""
        try:
            self.query(b"SELECT '" + mark + b"' AS x")
            self.until(mark)
            while self.packet()[:1] != b"\xfe":
                pass
            return True
        except Gone:
            return False
