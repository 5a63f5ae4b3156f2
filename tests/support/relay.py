"""A relay in clear text between xaproxy and a server, which writes down every flight: what was asked before an answer came.

Each flight is a round trip. What may stand in one, and how many there may be, is for its users to say.
"""
import asyncio
import dataclasses
import socket
import threading
import time

# The first byte of a command of MySQL's protocol; those whose text tells more say so.
COMMANDS = {1: "QUIT", 2: "USE {}", 3: "{}", 14: "PING", 22: "PREPARE {}", 23: "EXECUTE", 24: "LONG DATA", 25: "CLOSE",
            26: "RESET",
            31: "RESET CONNECTION"}


@dataclasses.dataclass
class Flight:
    """Commands that went out on one connection before the answer to the first of them was handed back."""

    to: str
    connection: int
    dialect: object  # that of its connection; knows the user
    commands: list
    sent: float
    answered: float = None  # when the first byte of the answer was handed on; None: not yet, or none is due
    asked_bytes: int = 0
    answer_bytes: int = 0


class MySql:
    """Cuts a client's bytes into packets and tells commands; the log-in is told as one."""

    def __init__(self):
        self.bytes, self.user = b"", None

    def feed(self, data):
        self.bytes += data
        while len(self.bytes) >= 4 and len(self.bytes) >= (end := 4 + int.from_bytes(self.bytes[:3], "little")):
            seq, payload, self.bytes = self.bytes[3], self.bytes[4:end], self.bytes[end:]
            if seq:
                if self.user is None:
                    self.user = payload[32:].split(b"\0")[0].decode()
                yield "LOG IN"
            else:
                yield COMMANDS.get(payload[0], f"command {payload[0]}").format(payload[1:].decode(errors="replace"))


class Redis:
    """Cuts a client's bytes into commands: lists of words. Who asks for INFO looks after the server, and is no session."""

    LOOKS_AFTER = "looks after it"

    def __init__(self):
        self.bytes, self.user = b"", ""

    def word(self, at, mark):
        """The number behind `mark` at this place, and where its line ends; None while the line is incomplete."""
        end = self.bytes.find(b"\r\n", at)
        if end < 0:
            return None
        assert self.bytes[at:at + 1] == mark, self.bytes[at:end]
        return int(self.bytes[at + 1:end]), end + 2

    def whole(self):
        if not (head := self.word(0, b"*")):
            return None
        n, at = head
        words = []
        for _ in range(n):
            if not (head := self.word(at, b"$")) or len(self.bytes) < head[1] + head[0] + 2:
                return None
            size, at = head
            words.append(self.bytes[at:at + size].decode(errors="replace"))
            at += size + 2
        return words, at

    def feed(self, data):
        self.bytes += data
        while found := self.whole():
            words, end = found
            self.bytes = self.bytes[end:]
            self.user = self.LOOKS_AFTER if words[0] == "INFO" else self.user
            yield " ".join(words[:2] if words[0] == "FCALL" else words[:1])


class Relays:
    """All relays of a world, on one thread, so that flights to different servers have one order."""

    def __init__(self, delay_s=0.0):
        self.delay_s = delay_s  # how long each answer is held back: what is not sent at once shows in the order
        self.flights, self.lock, self.connections = [], threading.Lock(), 0
        self.withheld = None  # the beginning of a command: while this stands, flights that bring such a one get no answer
        self.altered = None  # bytes of the servers' answers, and what stands in their place: as many
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def add(self, name, port, dialect):
        """A relay to this port of loopback; the port to connect to instead. dialect: MySql or Redis."""
        listener = socket.create_server(("127.0.0.1", 0))

        async def serve():
            await asyncio.start_server(lambda r, w: self.serve(name, port, dialect(), r, w), sock=listener)
        asyncio.run_coroutine_threadsafe(serve(), self.loop).result(60)
        return listener.getsockname()[1]

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    def take(self):
        """The flights since this was asked last, in the order in which they left."""
        with self.lock:
            taken, self.flights = self.flights, []
        return taken

    async def serve(self, name, port, dialect, reader, writer):
        # An answer in two parts must not wait for an acknowledgement; asyncio leaves accepted sockets as they are.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections += 1
        connection = self.connections
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        flight = [None]  # the open one
        answers = asyncio.Queue()
        tasks = [asyncio.create_task(t) for t in (self.ask(name, connection, dialect, flight, reader, server_writer),
                                                  self.answer(flight, answers, writer), self.listen(server_reader, answers))]
        await asyncio.wait(tasks[:2], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in (writer, server_writer):
            one.close()

    async def ask(self, name, connection, dialect, flight, reader, server):
        while data := await reader.read(1 << 16):
            if flight[0] is None or flight[0].answered is not None:
                flight[0] = Flight(name, connection, dialect, [], time.monotonic())
                with self.lock:
                    self.flights.append(flight[0])
            flight[0].commands.extend(dialect.feed(data))
            flight[0].asked_bytes += len(data)
            server.write(data)
            await server.drain()

    async def listen(self, server, answers):
        while data := await server.read(1 << 16):
            answers.put_nowait((time.monotonic() + self.delay_s, data))
        answers.put_nowait((time.monotonic() + self.delay_s, b""))

    async def answer(self, flight, answers, writer):
        while True:
            due, data = await answers.get()
            await asyncio.sleep(due - time.monotonic())
            while flight[0] and self.withheld and any(command.startswith(self.withheld) for command in flight[0].commands):
                await asyncio.sleep(0.01)
            if not data:
                return
            if flight[0]:
                flight[0].answered = flight[0].answered or time.monotonic()
                flight[0].answer_bytes += len(data)
            writer.write(data.replace(*self.altered) if self.altered else data)
            await writer.drain()
