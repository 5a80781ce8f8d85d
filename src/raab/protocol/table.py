"""All that a deployer may ask of a host, in one table, by which both sides read. Standard library only, and pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from raab.protocol import answers, requests
from raab.protocol.answers import Begun, Line, Said, Step
from raab.protocol.service import Examined, Traffic


class Operation(NamedTuple):
    """The types of a request, of its answer, and of what may be told before that."""

    request: type[Any]
    answer: type[Any]
    tells: tuple[type[Any], ...] = ()


OPERATIONS: dict[str, Operation] = {
    "facts": Operation(requests.Facts, answers.Facts),
    "texts": Operation(requests.Texts, answers.Texts),
    "lock": Operation(requests.Lock, answers.Facts),
    "let_go": Operation(requests.LetGo, answers.Nothing),
    "stage": Operation(requests.Stage, answers.Staged, (Step,)),
    "activate": Operation(requests.Activate, answers.Activated, (Step, Line)),
    "follow": Operation(requests.Follow, answers.Activated, (Step, Line)),
    "status": Operation(requests.Status, answers.Status),
    "service": Operation(requests.Service, answers.Acted),
    "traffic": Operation(requests.Traffic, Traffic),
    "drain": Operation(requests.Drain, answers.Timed),
    "undrain": Operation(requests.Undrain, answers.Timed),
    "reboot": Operation(requests.Reboot, answers.Nothing),
    "logs": Operation(requests.Logs, answers.Nothing, (Line,)),
    "history": Operation(requests.History, answers.History),
    "examine": Operation(requests.Examine, Examined),
    "ahead": Operation(requests.Ahead, answers.Outlook),
    "workers": Operation(requests.Workers, answers.Workers),
    "load": Operation(requests.Load, answers.Nothing, (Line,)),
    "migrate": Operation(requests.Migrate, answers.Timed, (Line,)),
    "run": Operation(requests.Run, answers.Ran, (Begun, Said)),
    "unlock": Operation(requests.Unlock, answers.Unlocked, (Step, Line)),
    "label": Operation(requests.Label, answers.Nothing),
    "stage_front": Operation(requests.StageFront, answers.Nothing, (Step,)),
    "front": Operation(requests.Front, answers.Timed, (Step,)),
    "maintenance": Operation(requests.Maintenance, answers.Nothing, (Step,)),
    "remove": Operation(requests.Remove, answers.Removed, (Step,)),
    "secrets": Operation(requests.Secrets, answers.Secrets),
    "set_secret": Operation(requests.SetSecret, answers.SecretSet),
    "remove_secret": Operation(requests.RemoveSecret, answers.Removed),
}
# What each is called in a line. The answer, whose type is the operation's, is `done`.
EVENTS: dict[str, type[Any]] = {
    "step": Step, "line": Line, "begun": Begun, "said": Said, "error": answers.Refused, "lacking": answers.Lacking,
}  # fmt: skip
