"""What a process is told before it is forked, and how it reports to the master."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import traceback
from typing import NamedTuple

from handover.settings.options import Options
from handover.workers.board import Board

# Bytes that are written to a pipe at once (limits.h, PIPE_BUF).
_AT_ONCE = 4096


class Errand(NamedTuple):
    """The slot of the board that is the process's own, the release that it loads, where it reports, whether its application has to answer
    first; and for a template the socket by which it is asked for workers, whose other end is the master's."""

    options: Options
    board: Board
    slot: int
    root: str
    release: str
    reports: int
    must_answer: bool
    orders: socket.socket | None
    asking: socket.socket | None

    @property
    def dismissed(self) -> bool:
        """Whether the master wants this process to leave."""
        return self.board.dismissed(self.slot)

    def beat(self) -> None:
        """gunicorn's own heartbeat is a file, which the master makes before each fork (gunicorn/workers/workertmp.py)."""
        self.board.beat(self.slot)

    def report(self, word: str, more: object = "", *, pid: int = 0) -> None:
        """Tell the master a word about this process, or about `pid`, and what there is to say of it: a text, or an error with its place.

        One line, short enough to be written whole (pipe(7)).
        """
        text = _told(more) if isinstance(more, BaseException) else str(more)
        while len(line := json.dumps([pid or os.getpid(), word, text]).encode() + b"\n") > _AT_ONCE:
            text = text[: len(text) * 3 // 4]
        with contextlib.suppress(OSError):
            os.write(self.reports, line)


def _told(error: BaseException) -> str:
    """An error in words, with its place unless it says itself what to do."""
    told = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    if "\nhint: " in told or not frames:
        return told
    place = frames[-1].filename, frames[-1].lineno
    if isinstance(error, SyntaxError) and error.filename:
        place = error.filename, error.lineno
    return f"{told} ({place[0]}:{place[1]})"
