"""The verbs that ask hosts, or have their service do something, without changing a release."""

from __future__ import annotations

import json
import time
from typing import Any

from raab import exitcodes
from raab.deploy.desk import Desk
from raab.deploy.hosts.fleet import Outcome, everywhere
from raab.deploy.hosts.runner import Runner
from raab.deploy.inspection import doctor
from raab.deploy.inspection.finding import Finding
from raab.deploy.plan import facts as planned
from raab.deploy.report import output
from raab.protocol.answers import Facts, History, Nothing, Outlook, Unlocked
from raab.protocol.service import Entry, Examined


class Inspection:
    """The verbs for one project and one choice of hosts."""

    def __init__(self, desk: Desk) -> None:
        self.environment = desk.environment
        self.as_json = desk.as_json
        self.console = desk.console
        self.runner = desk.runner

    def service(self, action: str, count: str = "", wait: float = 0.0, process: str = "") -> int:
        self.environment.claim()
        with self.runner() as runner:
            outcome = runner.service(action, count, wait, process)
        for name, answer in outcome.done.items():
            print(f"{name}  {answer.output or action + 'ed'}  {answer.seconds:.2f} s")
        self.complain(outcome)
        return self.code(outcome)

    def logs(self, lines: int, follow: bool, process: str = "") -> int:
        prefix = len(self.environment.hosts) > 1
        with self.runner() as runner:
            # Who has read enough waits for none of the hosts.
            output.when_gone(runner.abandon)

            def work(name: str) -> Nothing:
                return runner.ask(
                    name,
                    "logs",
                    Nothing,
                    lambda text: print(f"{name}  {text}" if prefix else text, flush=True),
                    lasts=True,
                    lines=lines,
                    follow=follow,
                    process=process,
                )

            outcome = everywhere(runner.hosts, work, max(len(runner.hosts), 1))
        if output.gone():
            return exitcodes.DONE
        self.complain(outcome)
        return self.code(outcome)

    def releases(self) -> int:
        with self.runner() as runner:
            outcome = runner.facts()
        rows = []
        for name, facts in outcome.done.items():
            for release in facts.releases:
                marks = (
                    "current" if release.id == facts.current else "",
                    "drill" if release.id in facts.drilled else "",
                    facts.label(release.id),
                )
                verdict = facts.verdicts.get(release.id, "staged") if release.complete else "incomplete"
                mark = ", ".join(filter(None, marks))
                rows.append((name, release.id, release.version or "-", facts.commit(release)[:7] or "-", verdict, mark))
        if self.as_json:
            keys = ("host", "release", "version", "commit", "verdict", "mark")
            print(json.dumps({"environment": self.environment.name, "releases": [dict(zip(keys, row, strict=True)) for row in rows]}))
        else:
            self.console.table(("host", "release", "version", "commit", "verdict", ""), rows)
            self.complain(outcome)
        return self.code(outcome)

    def history(self) -> int:
        with self.runner() as runner:
            outcome = runner.each("history", History)
        entries = [(name, entry) for name, answer in outcome.done.items() for entry in answer.entries if entry.verdict != "begun"]
        entries.sort(key=lambda pair: pair[1].time)
        if self.as_json:
            told = [{"host": name, "from": entry.before, **entry._asdict()} for name, entry in entries]
            print(json.dumps({"environment": self.environment.name, "entries": told}))
        else:
            self.console.table(
                ("time", "host", "who", "what", "release", "from", "verdict", "seconds"),
                [
                    (time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(entry.time)), name, f"{entry.who}@{entry.machine}",
                     entry.action, entry.release, entry.before or "-", said(entry), f"{entry.seconds:.2f}")
                    for name, entry in entries
                ],
            )  # fmt: skip
            self.complain(outcome)
        return self.code(outcome)

    def doctor(self) -> int:
        """Exit code 0 when every host is well, 1 when one is not, the usual one when one could not be asked."""
        with self.runner() as runner:
            outcome = everywhere((*runner.hosts, *runner.edges), lambda name: examine(runner, name), self.environment.settings.parallel)
        if self.as_json:
            hosts = [
                {
                    "name": name,
                    "findings": [{"check": one.check, "well": one.well, "text": one.text, "cure": one.helps} for one in findings],
                }
                for name, findings in outcome.done.items()
            ]
            print(json.dumps({"environment": self.environment.name, "hosts": hosts}))
        else:
            rows = [
                (name, one.check, "well" if one.well else "BAD", one.text, one.helps)
                for name, findings in outcome.done.items()
                for one in findings
            ]
            self.console.table(("host", "check", "", "what was found", "what helps"), rows)
            self.complain(outcome)
        ill = any(not one.well for findings in outcome.done.values() for one in findings)
        return self.code(outcome) or (exitcodes.ERROR if ill else exitcodes.DONE)

    def unlock(self, force: bool = False) -> int:
        """Exit code 6 where an activation goes on, which only `force` ends; 7 where its host could not be put right."""
        self.environment.claim()
        with self.runner() as runner:
            outcome = runner.unlock(force)
        codes = [self.code(outcome)]
        for name, answer in outcome.done.items():
            text, code = freed(answer)
            print(f"{name}  {text}")
            codes.append(code)
        self.complain(outcome)
        return max(codes)

    def complain(self, outcome: Outcome[Any]) -> None:
        for error in outcome.failed.values():
            print(f"\n{error}")

    def code(self, outcome: Outcome[Any]) -> int:
        return max((error.exit_code for error in outcome.failed.values()), default=exitcodes.DONE)


def examine(runner: Runner, name: str) -> tuple[Finding, ...]:
    # First, so that the time of logging in is not taken for the clocks' difference.
    examined = runner.ask(name, "examine", Examined)
    asked = time.time()
    facts = planned.of(runner.ask(name, "facts", Facts).facts)
    # The host read its clock somewhere between question and answer.
    lag = facts.time - (asked + time.time()) / 2
    ahead = runner.ask(name, "ahead", Outlook).ahead if facts.current else None
    return doctor.findings(facts, lag, examined, ahead, runner.environment.service)


def freed(answer: Unlocked) -> tuple[str, int]:
    """What became of a host that was to be free, in words, and the exit code for it."""
    holder, verdict = answer.holder, answer.verdict
    text = f"freed from {holder.who} at {holder.machine} ({holder.what})" if holder else "was not locked"
    if not answer.activation:
        return text, exitcodes.DONE
    if not verdict:
        goes_on = f"an activation of {answer.activation} goes on by itself\nhint: `fab unlock --force` ends one that hangs"
        return f"{text}; {goes_on}", exitcodes.LOCKED
    serves = (verdict.serves or "nothing") if verdict.asked else verdict.before
    text = f"{text}; the activation of {answer.activation} was ended: it serves {serves}"
    well = verdict.ok or verdict.reverted
    return (text, exitcodes.DONE) if well else (f"{text}: {verdict.reason}", exitcodes.STRANDED)


def said(entry: Entry) -> str:
    """What a line of a host's journal comes to, for people."""
    if entry.action == "label":
        return f"same content, now commit {entry.commit[:7]}"
    if entry.action == "migrate":
        return "migrated"
    return f"{entry.verdict}, by a drill" if entry.drill else entry.verdict
