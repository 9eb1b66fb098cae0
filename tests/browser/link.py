"""The link of a class to a remote hub, on loopback: a TCP proxy that delays and throttles."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque

from tests.browser.lab import free_port

_CHUNK = 16_384


class Link:
    """A proxy to a local port; use it as a context.

    Args:
        target: The port that it leads to.
        delay_ms: How much later every byte arrives, each way.
        mbit: Mbit/s that each connection carries each way; 0 for any number.

    Attributes:
        port: The port to connect to.
    """

    def __init__(self, target: int, delay_ms: float = 0, mbit: float = 0) -> None:
        self.port = free_port()
        self._target, self._delay = target, delay_ms / 1000
        self._seconds_per_byte = 8e-6 / mbit if mbit else 0.0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Link:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._connect, "127.0.0.1", self.port)

    async def _hang_up(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
            finally:
                far_writer.close()
                writer.close()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass on each chunk when the line has carried it and the delay is over."""
        clock = self._loop.time
        under_way: deque[tuple[float, bytes]] = deque()
        more = asyncio.Event()

        async def arrive() -> None:
            while True:
                while not under_way:
                    more.clear()
                    await more.wait()
                due, chunk = under_way.popleft()
                if due > clock():
                    await asyncio.sleep(due - clock())
                if not chunk:
                    sink.write_eof()
                    return
                sink.write(chunk)
                await sink.drain()

        async def leave() -> None:
            line_free, chunk = clock(), b"more"
            while chunk:
                chunk = await source.read(_CHUNK)
                line_free = max(line_free, clock()) + len(chunk) * self._seconds_per_byte
                under_way.append((line_free + self._delay, chunk))
                more.set()

        await asyncio.gather(leave(), arrive())
