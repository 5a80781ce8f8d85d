"""What a deployer has a host run, as config.yaml and an environment's file say it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from raab.protocol import values
from raab.settings.node import Node, Problem
from raab.settings.validation import Check, section


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """A command for /bin/sh, as the service runs: its user, sandbox, environment and credentials.

    `timeout` is in seconds. `network` and `write` are what it needs beyond the sandbox.
    """

    command: Annotated[str, Check(values.command, "a command")]
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 60.0
    network: bool = False
    write: tuple[Annotated[str, Check(values.absolute, "an absolute path of plain names")], ...] = ()

    @property
    def told(self) -> dict[str, Any]:
        """As a host is asked for it (raab.protocol.requests.Command)."""
        return msgspec.to_builtins(self)  # type: ignore[no-any-return]


class Migrate(Hook, frozen=True, kw_only=True):
    """A command that brings a database to where the release wants it; it may stand there by itself."""

    timeout: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 600.0

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Migrate | None:
        whole = Node({"command": node}, node.where, node.path) if isinstance(node.value, str) else node
        made: Migrate | None = section(whole, cls, problems)
        return made
