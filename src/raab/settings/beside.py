"""What deploy/config.yaml says of processes and timers, typed and checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from raab.protocol import processes
from raab.settings.validation import Check, matches

Name = Annotated[str, Check(processes.named, f"{processes.NAME_WORDS}; {processes.WEB} is there by itself")]
Program = Annotated[str, Check(processes.one_program, "one program with its words; what takes a shell is sh -c '...'")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Allowed = Literal["aio", "exec", "jit", "netlink", "proc"]


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """How a process is told to end, and how many seconds it has for what it does then."""

    signal: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"] = "TERM"
    seconds: Seconds = 30.0


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """One of `processes:`; raab.protocol.processes.Process says what each key means."""

    command: Program
    count: Annotated[int, msgspec.Meta(ge=0, le=processes.MOST)] = 1
    stop: Stop = Stop()
    settle: Annotated[float, msgspec.Meta(ge=0, le=600)] = 5.0
    ready: Annotated[str, Check(processes.line, "a text of at most 200 printable letters")] = ""
    overlap: bool = False
    allow: tuple[Allowed, ...] = ()

    def told(self, name: str) -> dict[str, Any]:
        """As a release's manifest has it."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return {"name": name, "instances": found.pop("count"), **found.pop("stop"), **found}


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """One of `timers:`; raab.protocol.processes.Timer says what each key means."""

    command: Program
    schedule: Annotated[str, matches(processes.SCHEDULE, "a calendar event like '*-*-* 03:00' (man systemd.time)")]
    on: Literal["one", "all"] = "one"
    persistent: bool = False
    seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    allow: tuple[Allowed, ...] = ()

    def told(self, name: str) -> dict[str, Any]:
        """As a release's manifest has it."""
        return {"name": name, **msgspec.to_builtins(self)}
