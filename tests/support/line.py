"""Lines between xaproxy and servers that can be cut or fall silent; bytes pass as they are.

When and for how long is for their users to say; who counts flights takes relay.py.
"""
import asyncio
import socket
import threading

LATE_S = 0.3  # how much later than the cut a server gets what was under way


class Line:
    """Stands before one port of loopback; `port` is its own."""

    def __init__(self, loop, target):
        self.loop, self.target = loop, target
        self.open = asyncio.Event()  # of the connections there are; see hold()
        self.open.set()
        self.word, self.eaten, self.strikes = b"", "", 0  # see lose()
        self.ends_pass = asyncio.Event()  # see keep_ends()
        self.ends_pass.set()
        self.ends = set()  # of the connections there are: (towards the proxy, towards the server)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.call(self.listen(listener))

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    async def listen(self, listener):
        self.server = await asyncio.start_server(self.serve, sock=listener)

    async def serve(self, reader, writer):
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        for one in (writer, server_writer):
            one.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ends = (writer, server_writer)
        self.ends.add(ends)
        fate = set()  # what of it is lost from now on
        tasks = [asyncio.create_task(self.pump(reader, server_writer, self.open, fate, "requests")),
                 asyncio.create_task(self.pump(server_reader, writer, self.open, fate, "replies"))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if writer.transport.is_closing():  # cut: what is on its way to the server still arrives
            await asyncio.wait(tasks[:1], timeout=2 * LATE_S)
        for task in tasks:
            task.cancel()
        self.ends.discard(ends)
        writer.close()
        await self.ends_pass.wait()
        server_writer.close()

    async def pump(self, reader, writer, gate, fate, what):
        try:
            while data := await reader.read(1 << 16):
                await gate.wait()
                if self.strikes and what == "requests" and self.word in data:
                    self.strikes -= 1
                    fate.add(self.eaten)
                if what in fate:
                    continue
                writer.write(data)
                await writer.drain()
        except OSError:
            pass

    def silence(self):
        """Nothing passes, nothing is closed; new connections are taken and wait."""
        self.loop.call_soon_threadsafe(self.open.clear)

    def keep_ends(self):
        """Its server does not hear that a connection has ended."""
        self.loop.call_soon_threadsafe(self.ends_pass.clear)

    def restore(self):
        self.loop.call_soon_threadsafe(self.open.set)
        self.loop.call_soon_threadsafe(self.ends_pass.set)

    def lose(self, what, word, strikes=1):
        """The next connection (or so many) on which a request with this word comes loses its requests or its replies, from that
        one on; `strikes` tells how many are to come yet."""
        self.word, self.eaten, self.strikes = word, what, strikes

    def hold(self):
        """Nothing passes on the connections there are, new ones work; what is returned lets the old ones go on."""
        return self.call(self.hold_all())

    async def hold_all(self):
        old, self.open = self.open, asyncio.Event()
        old.clear()
        self.open.set()
        return lambda: self.loop.call_soon_threadsafe(old.set)

    def cut(self):
        """Every connection is reset towards the proxy; a server may get the last requests only after that."""
        self.call(self.cut_all())

    async def cut_all(self):
        self.open.clear()
        await asyncio.sleep(0.02)  # requests gather
        for near, _ in list(self.ends):
            near.transport.abort()
        await asyncio.sleep(LATE_S)
        self.open.set()


class Lines:
    """All of them on one thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def add(self, target):
        """A line to this port of loopback."""
        return Line(self.loop, target)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
