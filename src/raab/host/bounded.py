"""Reading what a process says, whatever it says: no more than was asked for is kept, and nobody waits for ever."""

from __future__ import annotations

import selectors
import subprocess
import time
from typing import IO, NamedTuple

_BLOCK = 1 << 16


class Said(NamedTuple):
    """What came on both streams, and whether the process ended in time."""

    out: str
    err: str
    ended: bool


def read(process: subprocess.Popen[bytes], seconds: float, most: int) -> Said:
    """Read both of its pipes to their end and wait for its own, for so many seconds. Of each stream `most` bytes are kept."""
    assert process.stdout and process.stderr
    end = time.monotonic() + seconds
    kept: dict[IO[bytes], bytearray] = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for stream in kept:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                block = key.fileobj.read1(_BLOCK)  # type: ignore[union-attr]
                content = kept[key.fileobj]  # type: ignore[index]
                content += block[: most - len(content)]
                if not block:
                    selector.unregister(key.fileobj)
    try:
        process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        ended = False
    else:
        ended = True
        for stream in kept:
            stream.close()
    out, err = (bytes(content).decode(errors="replace") for content in kept.values())
    return Said(out, err, ended)
