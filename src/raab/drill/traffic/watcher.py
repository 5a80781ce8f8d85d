"""A process full of watching clients: what `watchers.py` starts.

Reads one JSON line (`streams`, `sockets`, `targets`), and then answers each further line with a JSON report; it ends with its input.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import resource
import sys
import time
from typing import Any

from raab.drill.traffic.watchers import Ending

# Connections that are begun in one second, lest they be one burst.
PACE = 500
ANSWER_SECONDS = 30.0
RESTART = 1012


class _Clients:
    """All of them, in one process."""

    def __init__(self) -> None:
        self.served: dict[str, int] = {}
        self.endings: list[Ending] = []

    async def live(self) -> None:
        """Begins them one after the other and serves reports until the input ends."""
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        begun = asyncio.create_task(self._begin(json.loads(await lines.readline())))
        while await lines.readline():
            print(json.dumps({"served": self.served, "endings": self.endings}), flush=True)
        begun.cancel()

    async def _begin(self, order: dict[str, Any]) -> None:
        targets = itertools.cycle(order["targets"])
        watches = [_events] * order["streams"] + [_socket] * order["sockets"]
        tasks = []
        for watch in watches:
            tasks.append(asyncio.create_task(self._again(watch, *next(targets))))
            await asyncio.sleep(1 / PACE)
        await asyncio.gather(*tasks)

    async def _again(self, watch: Any, host: str, port: int) -> None:
        """One client, again and again. A browser waits for seconds before it comes back; this one does not."""
        while True:
            release, writer = "", None
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(host, port), ANSWER_SECONDS)
                release, ended = await asyncio.wait_for(watch(reader, writer, f"{host}:{port}"), ANSWER_SECONDS)
                self.served[release] = self.served.get(release, 0) + 1
                try:
                    how = await ended
                finally:
                    self.served[release] -= 1
                self.endings.append(Ending(time.monotonic(), True, how))
            except (OSError, EOFError, ValueError, asyncio.TimeoutError) as error:
                self.endings.append(Ending(time.monotonic(), False, f"{type(error).__name__}: {error}"))
                await asyncio.sleep(0.5)
            finally:
                if writer is not None:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()


async def _events(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> tuple[str, Any]:
    """The release out of the first event, and the wait for the end of the last chunk (RFC 9112 section 7.1)."""
    writer.write(f"GET /events HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode())
    status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
    if status != b"200":
        raise ValueError(f"status {status!r}")
    chunk = await _chunk(reader)

    async def ended() -> str:
        while await _chunk(reader):
            pass
        return "event stream, its last chunk"

    return chunk.decode().removeprefix("data: ").strip(), ended()


async def _chunk(reader: asyncio.StreamReader) -> bytes:
    size = int(await reader.readuntil(b"\r\n"), 16)
    return (await reader.readexactly(size + 2))[:-2]


async def _socket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> tuple[str, Any]:
    """The release out of the first frame, and the wait for a close frame, which is answered (RFC 6455 section 5.5.1)."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ("GET /socket HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}")
    writer.write("\r\n".join([*lines, "Sec-WebSocket-Version: 13", "", ""]).encode())
    status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
    if status != b"101":
        raise ValueError(f"status {status!r}")
    _, word = await _frame(reader)

    async def ended() -> str:
        opcode, payload = await _frame(reader)
        code = int.from_bytes(payload[:2], "big")
        if opcode != 8 or code != RESTART:
            raise ValueError(f"a frame with opcode {opcode} and {payload!r}")
        # A client masks what it sends; with zeros that changes nothing.
        writer.write(b"\x88\x82\0\0\0\0" + payload[:2])
        if rest := await reader.read():
            raise ValueError(f"after the close frame {rest[:20]!r}")
        return "WebSocket, 1012"

    return word.decode(), ended()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, size = await reader.readexactly(2)
    if size > 125:
        raise ValueError(f"a frame of length {size}")
    return first & 0x0F, await reader.readexactly(size)


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, hard) if hard != resource.RLIM_INFINITY else 65536, hard))
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(_Clients().live())


if __name__ == "__main__":
    main()
