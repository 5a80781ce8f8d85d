"""One line asks for one operation, and lines answer it, each of a type in the table by which both sides read. Standard library only: it
travels to hosts that have no raab yet."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from raab import exitcodes
from raab.errors import RaabError
from raab.protocol.answers import Begun, Lacking, Line, Refused, Said, Step
from raab.protocol.reading import plainly, read, shown
from raab.protocol.table import EVENTS, OPERATIONS
from raab.protocol.values import ServiceName

# Of what is said between a deployer and a host, and of what a session leaves for the activation that it starts. Who says no version speaks
# the first. A host's half of a connection comes from its deployer; root's program on the host may be a newer raab's.
VERSION = 1
# Both sides send an empty line every so many seconds, whatever they are busy with, and take the other one for gone after its silence.
# A host lets go first, even of one whose last line came late: who is told that the connection was lost and deploys again finds no lock
# of his own there.
PULSE_SECONDS = 10
HOSTS_PATIENCE_SECONDS = 30
DEPLOYERS_PATIENCE_SECONDS = 45


class Asked(NamedTuple):
    """An operation's name, the service that it is about, and its request."""

    operation: str
    service: ServiceName
    request: Any


def decode(line: bytes) -> Asked:
    """What a line asks for. Raises RaabError, exit code 2, for what is none."""
    try:
        told = json.loads(line)
        if type(told) is not dict:
            raise ValueError(f"not a request: {shown(told)}")
        understood(told.pop("speaks", 1), "the host's half of this connection", "its deployer")
        operation = told.pop("op", None)
        if type(operation) is not str or operation not in OPERATIONS:
            raise ValueError(f"no such operation: {shown(operation)}")
        service = read(ServiceName, told.pop("service", None), "service")
        return Asked(operation, service, read(OPERATIONS[operation].request, told, operation))
    except (ValueError, RecursionError) as error:
        raise RaabError(f"request: {error}", "deploy with the raab that this project is made with", exitcodes.BAD_INPUT) from None


def understood(version: Any, listener: str, speaker: str) -> None:
    """Raises RaabError where it is a version that nobody here knows."""
    if type(version) is not int or not 1 <= version <= VERSION:
        problem = f"protocol: {listener} speaks version {VERSION}, got version {shown(version)} from {speaker}"
        raise RaabError(problem, "deploy with the newer of the two raabs: it brings what hosts need to know", exitcodes.REFUSED)


def encode(operation: str, service: str, values: dict[str, Any]) -> bytes:
    """A request about a service, as a line. Raises RaabError, exit code 2, for values that no host would take."""
    try:
        read(ServiceName, service, "service")
        read(OPERATIONS[operation].request, json.loads(json.dumps(values)), operation)
    except ValueError as error:
        raise RaabError(f"request: {error}", "a host would refuse it, too", exitcodes.BAD_INPUT) from None
    return json.dumps({"op": operation, "service": service, "speaks": VERSION, **values}).encode() + b"\n"


class Done(NamedTuple):
    """The end of an operation that went well, with its answer."""

    answer: Any


# All that a line of a host's may be.
Event = Done | Refused | Step | Line | Begun | Said | Lacking


def tell(operation: str, event: Event) -> bytes:
    """What a host says, as a line. Raises ValueError for what no deployer would take."""
    name = "done" if isinstance(event, Done) else next(name for name, kind in EVENTS.items() if type(event) is kind)
    told = {"event": name, "speaks": VERSION, **plainly(event.answer if isinstance(event, Done) else event)}
    line = json.dumps(told, allow_nan=False)
    heard(operation, json.loads(line), "this host")
    return line.encode() + b"\n"


def heard(operation: str, told: Any, speaker: str) -> Event:
    """What a host's line says, decoded from JSON. Raises ValueError for what is nothing that it may say, RaabError for a version that
    nobody here knows."""
    if type(told) is not dict:
        raise ValueError(f"not an event: {shown(told)}")
    fields = {**told}
    understood(fields.pop("speaks", 1), "this deployer", speaker)
    name = fields.pop("event", None)
    table = OPERATIONS[operation]
    if name == "done":
        return Done(read(table.answer, fields, operation))
    kind = EVENTS.get(name) if type(name) is str else None
    if kind is None or kind not in (Refused, Lacking, *table.tells):
        raise ValueError(f"no such event: {shown(name)}")
    found: Event = read(kind, fields, str(name))
    return found
