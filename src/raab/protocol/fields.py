"""What a field of an answer has to be. A deployer reads it as a stranger's word: names become arguments of commands there, numbers are
printed and reckoned with. Standard library only, and pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from raab.protocol.values import between, matching

Name = Annotated[str, matching("a name", "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")]
Commit = Annotated[str, matching("a commit, or none", "[0-9a-f]{0,64}")]
Words = Annotated[str, matching("plain words, or none", "([A-Za-z0-9][A-Za-z0-9.+~_ -]{0,63})?")]
Count = Annotated[int, between(0, 1 << 60)]
# As far as calendars go, be it a span or a time since the epoch.
Seconds = Annotated[float, between(0, 253_402_300_800)]
NONE: Mapping[str, Any] = MappingProxyType({})
