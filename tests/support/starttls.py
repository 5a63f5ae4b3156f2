"""Begins TLS for programs that cannot be told to: a door in clear text whose other side is encrypted from the log-in on.

It takes TLS out of the server's greeting and puts the request for it before the client's answer, so that until the log-in is done
the numbers of packets differ by one between the two sides. What is said afterwards is passed on as it is.
"""
import asyncio
import socket
import ssl
import threading

CLIENT_SSL = 0x800


class Starter:
    """Listens on `port` of loopback until it is closed, on a thread of its own."""

    def __init__(self, target, ca):
        self.target = target
        self.tls = ssl.create_default_context(cafile=ca)
        self.tls.check_hostname = False
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = listener.getsockname()[1]

        async def serve():
            await asyncio.start_server(self.serve, sock=listener, limit=1 << 20)
        asyncio.run_coroutine_threadsafe(serve(), self.loop).result(60)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)

    async def serve(self, reader, writer):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            await self.log_in(reader, writer, server_reader, server_writer)
            done = [asyncio.create_task(pump(*ends)) for ends in ((reader, server_writer), (server_reader, writer))]
            await asyncio.wait(done, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.cancel()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for one in (writer, server_writer):
                one.close()

    async def log_in(self, reader, writer, server_reader, server_writer):
        _, greeting = await read_packet(server_reader)
        if greeting[0] == 0xff:  # refused before it began
            writer.write(packet(0, greeting))
            return
        writer.write(packet(0, without_tls(greeting)))
        _, answer = await read_packet(reader)
        caps = int.from_bytes(answer[:4], "little") | CLIENT_SSL
        server_writer.write(packet(1, caps.to_bytes(4, "little") + answer[4:32]))
        await server_writer.start_tls(self.tls, server_hostname="127.0.0.1")
        server_writer.write(packet(2, caps.to_bytes(4, "little") + answer[4:]))
        while True:
            seq, told = await read_packet(server_reader)
            writer.write(packet(seq - 1, told))
            if told[0] in (0, 0xff):
                return
            if told[:2] == b"\x01\x03":  # the proof was good: OK follows by itself
                continue
            seq, proof = await read_packet(reader)
            server_writer.write(packet(seq + 1, proof))


async def pump(reader, writer):
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


async def read_packet(reader):
    head = await reader.readexactly(4)
    return head[3], await reader.readexactly(int.from_bytes(head[:3], "little"))


def packet(seq, payload):
    return len(payload).to_bytes(3, "little") + bytes([seq & 255]) + payload


def without_tls(greeting):
    """The lower half of the capabilities stands behind the version, the connection's number, 8 bytes of scramble and a zero."""
    at = greeting.index(b"\0") + 1 + 4 + 8 + 1
    caps = int.from_bytes(greeting[at:at + 2], "little") & ~CLIENT_SSL
    return greeting[:at] + caps.to_bytes(2, "little") + greeting[at + 2:]
