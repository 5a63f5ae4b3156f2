"""A socket whose bytes go in MySQL's compressed packets, zlib or zstd: for clients in bytes. Every packet's number is checked."""
import ctypes
import ctypes.util
import struct
import zlib

ZLIB, ZSTD = "zlib", "zstd"


class Zstd:
    """Of the library, since Python has none."""

    def __init__(self):
        self.lib = ctypes.CDLL(ctypes.util.find_library("zstd"))
        for name in ("compress", "decompress", "compressBound"):
            getattr(self.lib, f"ZSTD_{name}").restype = ctypes.c_size_t

    def compress(self, data, level=3):
        room = ctypes.create_string_buffer(self.lib.ZSTD_compressBound(ctypes.c_size_t(len(data))))
        made = self.lib.ZSTD_compress(room, ctypes.c_size_t(len(room)), data, ctypes.c_size_t(len(data)), level)
        return room.raw[:made]

    def decompress(self, data, size):
        room = ctypes.create_string_buffer(size)
        made = self.lib.ZSTD_decompress(room, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
        return room.raw[:made] if made <= size else b""


def packet(number, body, plain):
    """One compressed packet; its numbers can be lies."""
    return struct.pack("<I", len(body))[:3] + bytes([number & 255]) + struct.pack("<I", plain)[:3] + body


class Socket:
    """Wraps a connected socket; `received` counts bytes before they are unpacked, `packed` the packets that were compressed."""

    def __init__(self, sock, method=ZLIB):
        self.sock, self.method = sock, method
        self.number = 0
        self.plain = b""
        self.received = self.packed = 0
        self.zstd = Zstd() if method == ZSTD else None

    def compress(self, data):
        return self.zstd.compress(data) if self.zstd else zlib.compress(data)

    def decompress(self, data, size):
        return self.zstd.decompress(data, size) if self.zstd else zlib.decompress(data)

    def new_command(self):
        self.number = 0

    def sendall(self, data):
        while data:
            part, data = data[:0xFFFFFF], data[0xFFFFFF:]
            small = len(part) < 50
            self.sock.sendall(packet(self.number, part if small else self.compress(part), 0 if small else len(part)))
            self.number += 1

    def exactly(self, n):
        got = b""
        while len(got) < n:
            part = self.sock.recv(n - len(got))
            if not part:
                return b""
            got += part
        self.received += n
        return got

    def recv(self, n):
        while not self.plain:
            head = self.exactly(7)
            if not head:
                return b""
            length, plain = int.from_bytes(head[:3], "little"), int.from_bytes(head[4:], "little")
            assert head[3] == self.number & 255, f"compressed packet {head[3]} instead of {self.number & 255}"
            self.number += 1
            body = self.exactly(length)
            self.packed += bool(plain)
            self.plain = self.decompress(body, plain) if plain else body
            assert not plain or len(self.plain) == plain, "it is not as long as its header says"
        part, self.plain = self.plain[:n], self.plain[n:]
        return part

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()
