"""A bad network in user space: one TCP listener before one target, whose faults change while it runs.

    with Proxy(port, target_port) as p:
        p.up.delay_s = 0.05      # towards the target; p.down is the way back
        p.up.blocked = True      # a black hole: what is sent waits, also what comes on new connections
        p.up.flip_ratio = 1e-5   # of all bytes, those that get one bit flipped
        p.up.rate = 100_000      # bytes a second
        p.cut()                  # RST to both ends of every connection
        p.refuse = True          # and none is made anew
        p.half_close()           # FIN towards the target alone

The loop has a thread of its own; plain fields are read at each chunk, so setting them is all it takes."""

import asyncio
import random
import socket
import struct
import threading
import time

CHUNK = 65536
QUEUE = 64  # chunks under way in one direction: what delay may hold back


class Way:
    """One direction, of all connections."""

    def __init__(self, seed):
        self.delay_s = 0.0
        self.blocked = False
        self.flip_ratio = 0.0
        self.rate = 0
        self.flipped = self.bytes = 0
        self.random = random.Random(seed)

    def clear(self):
        self.delay_s, self.blocked, self.flip_ratio, self.rate = 0.0, False, 0.0, 0

    def spoil(self, data):
        self.bytes += len(data)
        if not self.flip_ratio:
            return data
        n = int(self.flip_ratio * len(data) + self.random.random())
        if not n:
            return data
        bad = bytearray(data)
        for _ in range(n):
            bad[self.random.randrange(len(bad))] ^= 1 << self.random.randrange(8)
        self.flipped += n
        return bytes(bad)


class Proxy:
    def __init__(self, port, target, host="127.0.0.1", seed=1):
        self.port, self.target, self.host = port, target, host
        self.up, self.down = Way(seed), Way(seed + 1)
        self.refuse = False
        self.accepted = self.cuts = 0
        self._pairs = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, self.host, self.port, limit=CHUNK))
        return self

    def __exit__(self, *_):
        self.heal()
        self._server.close()
        self.cut()

        async def end():
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._do(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _do(self, coroutine, limit=10):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(limit)

    # --- faults --------------------------------------------------------------------------------
    def heal(self):
        self.up.clear()
        self.down.clear()
        self.refuse = False

    def partition(self, up=True, down=True):
        self.up.blocked, self.down.blocked = up, down

    def cut(self):
        """Every connection that stands, by reset. How many there were."""

        async def run():
            pairs, self._pairs = self._pairs, set()
            for pair in pairs:
                for writer in pair:
                    reset(writer)
            return len(pairs)

        n = self._do(run())
        self.cuts += n
        return n

    def half_close(self):
        async def run():
            for _, towards in self._pairs:
                if towards.can_write_eof():
                    towards.write_eof()

        self._do(run())

    # --- moving --------------------------------------------------------------------------------
    async def _accept(self, reader, writer):
        self.accepted += 1
        if self.refuse:
            reset(writer)
            return
        try:
            there, towards = await asyncio.open_connection(self.host, self.target, limit=CHUNK)
        except OSError:
            reset(writer)
            return
        pair = (writer, towards)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._pump(reader, towards, self.up), self._pump(there, writer, self.down))
        except OSError:  # what broke at one end breaks at the other
            for end in pair:
                reset(end)
        finally:
            self._pairs.discard(pair)
            for end in pair:
                end.close()

    async def _pump(self, reader, writer, way):
        """Until the end of what comes. OSError where either end breaks."""
        queue = asyncio.Queue(QUEUE)

        async def take():
            while True:
                data = await reader.read(min(CHUNK, max(way.rate // 20, 256)) if way.rate else CHUNK)
                await queue.put((time.monotonic() + way.delay_s, data))
                if not data:
                    return

        async def deliver():
            while True:
                due, data = await queue.get()
                while way.blocked or time.monotonic() < due:
                    await asyncio.sleep(0.005 if way.blocked else max(due - time.monotonic(), 0))
                if not data:
                    if writer.can_write_eof() and not writer.transport.is_closing():
                        writer.write_eof()
                    return
                if way.rate:
                    await asyncio.sleep(len(data) / way.rate)
                writer.write(way.spoil(data))
                await writer.drain()

        both = [asyncio.ensure_future(take()), asyncio.ensure_future(deliver())]
        try:
            await asyncio.gather(*both)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)


def reset(writer):
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
