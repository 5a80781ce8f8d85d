"""Bringing secrets to hosts, taking them away, and telling which are there."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from raab import exitcodes, variable
from raab.deploy.desk import Desk
from raab.deploy.hosts.fleet import Outcome, everywhere
from raab.deploy.hosts.runner import Runner
from raab.deploy.secrets import dotenv, sources
from raab.errors import RaabError
from raab.project import description
from raab.protocol.answers import Removed, Secrets, SecretSet
from raab.protocol.service import Stored


class Keeper:
    """The secrets of one project on a choice of hosts."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.environment = desk.environment
        project = description.read(desk.root)
        self.declared = desk.environment.settings.given.over(project.given).secrets
        self.processes, self.timers = tuple(project.processes), tuple(project.timers)

    def set(self, name: str, command: str, wait: float) -> int:
        """Ask for a value, and bring it to each host. Raises RaabError for a name that nothing wants."""
        self.known(name)
        self.environment.claim()
        return self.bring({name: sources.read(name, command)}, wait)

    def take_in(self, file: Path, wait: float) -> int:
        """Of a .env file those that are declared; the others are named, and left."""
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise RaabError(f"{file}: cannot be read, got: {reason}", "name a file of NAME=value lines", exitcodes.BAD_INPUT) from None
        found = dotenv.parse(text, str(file))
        chosen = {name: sources.checked(name, found[name].encode()) for name in found if name in self.declared}
        if left := sorted(found.keys() - chosen.keys()):
            print(f"left, since `secrets:` does not name them: {', '.join(left)}", file=sys.stderr)
        if not chosen:
            hint = f"`secrets:` names: {', '.join(self.declared) or 'none'}"
            raise RaabError(f"{file}: none of the project's secrets is in it", hint, exitcodes.BAD_INPUT)
        self.environment.claim()
        return self.bring(chosen, wait)

    def bring(self, values: Mapping[str, str], wait: float) -> int:
        """Each host's answer in a line. What is set stays set, whatever becomes of other hosts."""
        with self.desk.runner() as runner:
            self.lock(runner, "secrets", wait)

            def work(host: str) -> dict[str, SecretSet]:
                return {name: runner.ask(host, "set_secret", SecretSet, secret=name, value=value) for name, value in values.items()}

            outcome = everywhere(runner.hosts, work, runner.parallel)
        for host, answers in outcome.done.items():
            for name, answer in answers.items():
                print(f"{host}  {name} is set" + (", encrypted" if answer.encrypted else ""))
        if outcome.done:
            print("\n".join(taken_up(f"fab reload --env {self.environment.name}", self.processes, self.timers)))
        return told(outcome)

    def remove(self, name: str, wait: float) -> int:
        if why := variable.wrong_stored(name):
            raise RaabError(f"secrets: {why}, got {name}", "`fab secrets list` names them", exitcodes.BAD_INPUT)
        self.environment.claim()
        with self.desk.runner() as runner:
            self.lock(runner, "secrets", wait)
            outcome = everywhere(runner.hosts, lambda host: runner.ask(host, "remove_secret", Removed, secret=name), runner.parallel)
        for host, answer in outcome.done.items():
            print(f"{host}  {name} {'is removed' if answer.removed else 'was not there'}")
        return told(outcome)

    def list(self) -> int:
        """What is there by host, what is missing, and what nothing wants; never a value."""
        with self.desk.runner() as runner:
            outcome = runner.each("secrets", Secrets)
        there = {host: {one.name: one for one in answer.secrets} for host, answer in outcome.done.items()}
        names = sorted({*self.declared, *(name for found in there.values() for name in found)})
        if self.desk.as_json:
            print(json.dumps({"environment": self.environment.name, "secrets": [self.row(name, there) for name in names]}))
        else:
            hosts = list(there)
            rows = [(name, *(cell(there[host].get(name)) for host in hosts), self.note(name)) for name in names]
            self.desk.console.table(("secret", *hosts, ""), rows)
        return told(outcome)

    def row(self, name: str, there: Mapping[str, Mapping[str, Stored]]) -> dict[str, object]:
        found = {host: by_name.get(name) for host, by_name in there.items()}
        hosts = {host: one and {"encrypted": one.encrypted, "changed": one.changed} for host, one in found.items()}
        return {"name": name, "declared": name in self.declared, "hosts": hosts}

    def note(self, name: str) -> str:
        return "" if name in self.declared or "." in name else "not named by `secrets:`"

    def known(self, name: str) -> None:
        """Settings that are secrets are raab's, and named with a dot: security.secret_key."""
        if name in self.declared or ("." in name and not variable.wrong_stored(name)):
            return
        why = variable.wrong_stored(name) or "`secrets:` does not name it"
        hint = f"name it in deploy/config.yaml, or in deploy/{self.environment.name}.yaml: secrets: [{name}]"
        raise RaabError(f"secrets: {why}, got {name}", hint, exitcodes.BAD_INPUT)

    def lock(self, runner: Runner, what: str, wait: float) -> None:
        """Of every host, or of none. Raises RaabError for one that cannot be asked, before anything is set."""
        asked = runner.facts()
        for error in asked.failed.values():
            raise error
        runner.lock(tuple(asked.done), what, wait)


def taken_up(reload: str, processes: Sequence[str], timers: Sequence[str]) -> Iterator[str]:
    """Who has a new value from when on, in lines; `reload` is how it is typed."""
    yield f"the web has it from the next reload on: {reload}, or a deploy that changes something"
    if processes:
        yield f"these are started anew by either, each when it has done what it does: {', '.join(processes)}"
    if timers:
        yield f"these have it from their next run on: {', '.join(timers)}"


def cell(one: Stored | None) -> str:
    if one is None:
        return "missing"
    return f"{time.strftime('%Y-%m-%d %H:%M:%SZ', time.gmtime(one.changed))}{', encrypted' if one.encrypted else ''}"


def told(outcome: Outcome[Any]) -> int:
    for error in outcome.failed.values():
        print(error, file=sys.stderr)
    return max((error.exit_code for error in outcome.failed.values()), default=exitcodes.DONE)
