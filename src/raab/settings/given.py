"""What a service is given beside its settings: variables in plain, and the names of those that are secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from raab import variable
from raab.settings.node import Node, Problem
from raab.settings.validation import Check

SecretName = Annotated[str, Check(lambda name: not variable.wrong(name), "a variable's name that is neither systemd's nor raab's own")]


@dataclass(frozen=True)
class Env:
    """`env:`, by name; None takes the variable of that name away."""

    values: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Env | None:
        if node.value is None:
            return cls()
        if not isinstance(node.value, Mapping):
            problems.append(Problem(node.where, f"{node.path}: needs `NAME: value` lines", hint="env: {LOG_LEVEL: info}"))
            return None
        before = len(problems)
        for name, child in node.value.items():
            if why := variable.wrong(name):
                problems.append(Problem(child.where, f"{child.path}: {why}", repr(name)))
            elif unfit := _unfit(child):
                problems.append(Problem(child.where, f"{child.path}: {unfit[0]}", hint=unfit[1]))
        if len(problems) > before:
            return None
        return cls({name: None if child.value is None else str(child.value) for name, child in node.value.items()})


def _unfit(node: Node) -> tuple[str, str] | None:
    """What is wrong with a value, and what helps. It is not shown: somebody may have put a secret there."""
    if node.value is None:
        return None
    if isinstance(node.value, bool | float):
        return "text or a whole number is wanted, since nobody can know how it is to be written", "put it in quotes, just as it is to be"
    if not isinstance(node.value, str | int):
        return "is one text or whole number", "NAME: value"
    why = variable.wrong_value(str(node.value))
    return (f"holds {why}", "leave it out, or keep it as a secret or a file") if why else None


@dataclass(frozen=True)
class Given:
    """What the project, an environment or both of them say."""

    env: Mapping[str, str | None] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def problems(self) -> Iterator[tuple[str, str]]:
        for name in self.secrets:
            if self.env.get(name) is not None:
                yield "secrets", f"names {name}, which env has in plain"

    def over(self, lower: Given) -> Given:
        """What both come to: the word of this one counts, name by name, as a value or as a secret."""
        named = {*self.env, *self.secrets}
        env = {name: value for name, value in lower.env.items() if name not in named} | dict(self.env)
        secrets = {*self.secrets, *(name for name in lower.secrets if name not in named)}
        return Given({name: value for name, value in sorted(env.items()) if value is not None}, tuple(sorted(secrets)))

    def __bool__(self) -> bool:
        return bool(self.env or self.secrets)
