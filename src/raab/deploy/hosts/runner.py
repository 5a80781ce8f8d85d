"""Carrying a plan out. The only module that acts on hosts; it decides nothing that the plan could have decided."""

from __future__ import annotations

import getpass
import platform
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.bundle.parts import Part
from raab.deploy.hosts import wire
from raab.deploy.hosts.connection import OnText, Remote, silent
from raab.deploy.hosts.descriptors import make_room
from raab.deploy.hosts.fleet import Outcome, everywhere
from raab.deploy.hosts.refusals import ConnectionLost
from raab.deploy.plan import facts as planned
from raab.deploy.plan.environment import Environment
from raab.deploy.plan.facts import HostFacts, one_machine
from raab.deploy.plan.values import HostPlan, Plan, Staging
from raab.deploy.report.results import HostReport, Result
from raab.deploy.report.standing import Standing
from raab.errors import RaabError
from raab.host.running.here import Here
from raab.protocol import conversation
from raab.protocol.answers import Acted, Activated, Facts, Nothing, Outlook, Ran, Staged, Texts, Timed, Unlocked, Verdict
from raab.protocol.fields import NONE
from raab.protocol.reading import plainly

# (host's name, text): how a runner tells people where it is.
Progress = Callable[[str, str], None]
Answer = TypeVar("Answer")
RECONNECT_SECONDS = 30.0
# Servers of metal look themselves over for minutes.
BOOT_SECONDS = 600.0


class Runner:
    """The connections to an environment's hosts, and what is done over them."""

    def __init__(self, environment: Environment, progress: Progress) -> None:
        self.environment = environment
        self.progress = progress
        self.parallel = environment.settings.parallel
        # Which is to be their edge, where that is none that deploys bring.
        self.program = environment.settings.caddy
        self.hosts = {host.name: host for host in environment.hosts}
        self.edges = {host.name: host for host in environment.edges}
        self.remotes: dict[str, Remote] = {}
        self.ending = threading.Event()
        # What is known of each host at this moment, for whoever interrupts.
        self.standings = dict.fromkeys((*self.hosts, *self.edges), Standing())

    def __enter__(self) -> Runner:
        """Raises RaabError where this machine does not let so many connections be held."""
        make_room(len(self.hosts) + len(self.edges))
        threading.Thread(target=self.keep_alive, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        # All are told before one is waited for: ending takes each a moment.
        for remote in self.remotes.values():
            remote.abandon()
        for remote in self.remotes.values():
            remote.close()

    def abandon(self) -> None:
        """Leave all hosts now, without waiting for anything. Who listens to one finds its end, and nobody connects again."""
        self.ending.set()
        for remote in tuple(self.remotes.values()):
            remote.abandon()

    def stands(self, name: str, **changes: Any) -> None:
        self.standings[name] = replace(self.standings[name], **changes)

    def keep_alive(self) -> None:
        """Hosts that wait for their wave must not take this side for dead."""
        while not self.ending.wait(conversation.PULSE_SECONDS):
            for remote in tuple(self.remotes.values()):
                remote.ping()

    def connect(self, name: str) -> Remote:
        if self.ending.is_set():
            raise ConnectionLost(f"host {name}: no connection, for this is the end", exit_code=exitcodes.UNREACHABLE)
        remote = Remote(self.hosts.get(name) or self.edges[name], self.environment.service, self.environment.settings.connect_timeout)
        remote.open()
        if name in self.remotes:
            self.remotes[name].close()
        self.remotes[name] = remote
        return remote

    def ask(self, name: str, operation: str, kind: type[Answer], on_text: OnText = silent, lasts: bool = False, **values: Any) -> Answer:
        """Ask one thing of one host, which is connected to by its first question. The arguments are those of `Remote.request`."""
        remote = self.remotes.get(name) or self.connect(name)
        return remote.request(operation, kind, on_text, lasts=lasts, **values)

    def run(self, name: str, here: Here, words: Sequence[str], timer: str, term: str, detach: bool) -> Ran:
        """Have a host run a command in its current release, the framework's shell for no words, or that of a timer, with who is here."""
        size = here.size and here.size._asdict()
        values: dict[str, Any] = {"words": list(words), "timer": timer, "size": size, "term": term, "detach": detach}
        return self.connect(name).request("run", Ran, lasts=True, here=here, **values)

    def each(self, operation: str, kind: type[Answer], lasts: bool = False, **values: Any) -> Outcome[Answer]:
        """Ask one thing of every host."""
        return everywhere(self.hosts, lambda name: self.ask(name, operation, kind, lasts=lasts, **values), self.parallel)

    def facts(self, edges: bool = False) -> Outcome[HostFacts]:
        """Of all hosts, and of the `edges` where these are wanted."""
        names = (*self.hosts, *self.edges) if edges else tuple(self.hosts)
        outcome = everywhere(names, lambda name: self.told(name, self.ask(name, "facts", Facts, program=self.program)), self.parallel)
        for name, known in one_machine(outcome.done).items():
            del outcome.done[name]
            outcome.failed[name] = RaabError(
                f"host {name}: it is the machine that is {known} already, got two names for one",
                "name it once in the environment's file",
                exitcodes.BAD_INPUT,
            )
        return outcome

    def told(self, name: str, answer: Facts) -> HostFacts:
        facts = planned.of(answer.facts)
        serves = facts.current if facts.service.get("ActiveState") in ("active", "reloading") else None
        self.stands(name, asked=True, serves=serves)
        return facts

    def closely(self, wanted: Mapping[str, str]) -> dict[str, HostFacts]:
        """The same of hosts that are connected, with who listens there, and with the packaged settings of a release each."""

        def work(name: str) -> HostFacts:
            return planned.of(self.ask(name, "facts", Facts, closely=True, release=wanted[name], program=self.program).facts)

        return everywhere(wanted, work, self.parallel).done

    def ahead(self, facts: Mapping[str, HostFacts]) -> dict[str, HostFacts]:
        """The same facts with what the next start of what each host runs would come to. It takes a host about a second."""
        running = tuple(name for name, host in facts.items() if host.current)
        told = everywhere(running, lambda name: self.ask(name, "ahead", Outlook).ahead, self.parallel).done
        known = {name: found for name, found in told.items() if found}
        return {
            **facts,
            **{
                name: facts[name]._replace(ahead=found, variables=found.variables or facts[name].variables) for name, found in known.items()
            },
        }

    def texts(self, name: str) -> Mapping[str, str]:
        """Lock and packaged settings of the release that a host runs."""
        return self.ask(name, "texts", Texts).texts

    def lock(self, names: tuple[str, ...], what: str, wait: float, wanted: Mapping[str, str] = NONE) -> dict[str, HostFacts]:
        """Take every host's lock or none; try again for `wait` seconds. Raises RaabError that names the holder.

        The facts come anew with the lock: those from before it may be another deploy's past. Hosts that are `wanted` tell them as they do
        in `closely`.
        """

        def work(name: str) -> Facts:
            more: dict[str, Any] = {"closely": name in wanted, "release": wanted.get(name, ""), "program": self.program}
            return self.ask(name, "lock", Facts, what=what, **more, **myself())

        end = time.monotonic() + wait
        while True:
            outcome = everywhere(names, work, self.parallel)
            if not outcome.failed:
                return {name: self.told(name, answer) for name, answer in outcome.done.items()}
            error = next(iter(outcome.failed.values()))
            if error.exit_code != exitcodes.LOCKED or time.monotonic() > end:
                raise error
            # Let go of all, so that two deployers who each hold a part do not wait for each other for ever.
            everywhere(outcome.done, lambda name: self.ask(name, "let_go", Nothing), self.parallel)
            self.progress("", error.message)
            time.sleep(0.5 + secrets.randbelow(500) / 1000)

    def label(self, plan: Plan) -> None:
        """Note on hosts which commit a release's content has become."""
        labels = {host.host.name: host for host in plan.labelled}

        def work(name: str) -> Nothing:
            return self.ask(name, "label", Nothing, release=labels[name].release, commit=labels[name].label, **myself())

        outcome = everywhere(labels, work, self.parallel)
        for error in outcome.failed.values():
            raise error

    def stage(self, plan: Plan) -> Outcome[Staged]:
        staged = {host.host.name: host.staging for host in plan.active if host.staging}

        def work(name: str) -> Staged:
            staging: Staging = staged[name]
            self.progress(name, f"sending {len(staging.send)} files, {staging.size / 1000:.0f} kB")
            return self.remotes[name].request(
                "stage",
                Staged,
                lambda text: self.progress(name, text),
                staging.send,
                lasts=True,
                manifest=staging.manifest,
                send=described(staging.send),
                uv=staging.uv,
            )

        def front(name: str) -> Staged:
            began, fronting = time.monotonic(), fronts[name]
            assert fronting.told is not None
            values = {"told": plainly(fronting.told), "upstreams": list(fronting.upstreams), "send": described(fronting.send)}
            values["version"] = wire.version()
            tell = self.teller(name)
            self.remotes[name].request("stage_front", Nothing, tell, fronting.send, lasts=True, **values)
            return Staged(sum(part.size for part in fronting.send), 0.0, time.monotonic() - began)

        fronts = {edge.host.name: edge.front for edge in plan.fronting if edge.front and edge.front.told}
        return everywhere((*staged, *fronts), lambda name: work(name) if name in staged else front(name), self.parallel)

    def teller(self, name: str) -> OnText:
        return lambda text: self.progress(name, text)

    def front(self, plan: HostPlan) -> HostReport:
        """Have an edge take requests for a release of the hosts."""
        name, front = plan.host.name, plan.front
        assert front is not None
        values = {"release": plan.release, "upstreams": list(front.upstreams), "told": front.told and plainly(front.told)}
        values["weights"] = list(front.weights)
        self.stands(name, doing="the change of what it takes requests for")
        timed = self.ask(name, "front", Timed, self.teller(name), lasts=True, **values)
        self.stands(name, doing="")
        return replace(self.base(plan), result="deployed", release=plan.release or None, seconds=timed.seconds)

    def activate(self, plan: HostPlan, action: str, condemn: str = "") -> HostReport:
        """Activate one release on one host and wait for its verdict, over a new connection if this one is lost."""
        name = plan.host.name
        token = secrets.token_hex(16)
        settings = self.environment.settings
        hooks = (
            {key: hook for key in ("before_activate", "after_activate") if (hook := getattr(settings.hooks, key))}
            if action == "deploy"
            else {}
        )
        values: dict[str, Any] = {
            "release": plan.release,
            "token": token,
            "action": action,
            "keep": settings.keep,
            "condemn": condemn,
            "restart": plan.restart,
            "take_over": plan.take_over,
            "chosen": name == self.environment.first,
            "drill": settings.drills == "made",
            "hooks": {key: hook.told for key, hook in hooks.items()},
            "version": wire.version(),
            **myself(),
        }
        self.stands(name, doing=f"the activation of {plan.release}", becoming=plan.release, report=None)
        try:
            verdict = (
                self.remotes[name].request("activate", Activated, lambda text: self.progress(name, text), lasts=True, **values).verdict
            )
        except ConnectionLost as error:
            self.progress(name, f"{error.message}; connecting again to read the verdict")
            verdict = self.follow(name, token, error)
        report = self.outcome(plan, verdict, "rolled back" if action == "rollback" else "deployed")
        self.stands(name, serves=report.release, doing="", becoming="", report=report)
        return report

    def service(self, action: str, amount: str, wait: float, process: str = "") -> Outcome[Acted]:
        """Have each host's service, or a process of it, reload, restart or scale. Raises RaabError that names who deploys there, after so
        many seconds."""
        known = self.facts()
        self.lock(tuple(known.done), f"{action} {amount or process}".rstrip(), wait)

        def work(name: str) -> Acted:
            self.stands(name, doing=f"its {action}")
            acted = self.remotes[name].request("service", Acted, lasts=True, action=action, amount=amount, process=process)
            self.stands(name, doing="")
            return acted

        outcome = everywhere(known.done, work, self.parallel)
        outcome.failed.update(known.failed)
        return outcome

    def reboot(self, name: str) -> None:
        """Have a host boot anew, and take its lock again, which ended with it. Raises RaabError where it is not back in BOOT_SECONDS, or
        somebody else was faster."""
        before = self.ask(name, "facts", Facts).facts.itself
        with suppress(ConnectionLost):
            self.ask(name, "reboot", Nothing)
        end = time.monotonic() + BOOT_SECONDS
        while self.itself(name) in ("", before):
            if self.ending.is_set() or time.monotonic() > end:
                problem = f"host {name}: it was told to reboot, and has not come back after {BOOT_SECONDS:.0f} s"
                raise RaabError(problem, "look at its console", exitcodes.UNREACHABLE)
            time.sleep(1)
        self.lock((name,), "what comes after a reboot", 0.0)

    def itself(self, name: str) -> str:
        """Which machine a host is, and which boot of it (HostFacts.itself), by a new connection; empty where nobody answers."""
        with suppress(RaabError):
            self.connect(name)
            return self.ask(name, "facts", Facts).facts.itself
        return ""

    def unlock(self, force: bool) -> Outcome[Unlocked]:
        """Free each host from who holds its lock, and with `force` from its activation."""

        def work(name: str) -> Unlocked:
            self.stands(name, doing="its unlocking")
            return self.connect(name).request(
                "unlock", Unlocked, lambda text: self.progress(name, text), lasts=True, force=force, **myself()
            )

        return everywhere(self.hosts, work, self.parallel)

    def follow(self, name: str, token: str, error: RaabError) -> Verdict:
        """The verdict of an activation whose connection was lost."""
        end = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                remote = self.connect(name)
                verdict = remote.request("follow", Activated, lambda text: self.progress(name, text), lasts=True, token=token).verdict
                # The lock went with the first connection. Whoever has it by now will be in the way of a way back, which then says so.
                with suppress(RaabError):
                    remote.request("lock", Facts, what="what comes after an activation", **myself())
                return verdict
            except RaabError:
                if time.monotonic() > end:
                    raise error from None
                time.sleep(1)

    def outcome(self, plan: HostPlan, verdict: Verdict, good: Result) -> HostReport:
        base = replace(self.base(plan), strays=verdict.strays)
        if verdict.ok:
            return replace(base, result=good, release=plan.release, probe=verdict.probe, seconds=verdict.seconds)
        if not verdict.started:
            hint = "deploy again"
            return replace(base, result="unreachable", reason="the connection was lost before the activation began", hint=hint)
        return replace(
            base,
            # Stranded is what was switched and could not be brought back.
            result="failed" if verdict.reverted or not verdict.switched else "stranded",
            release=served(verdict, plan),
            reason=verdict.reason,
            hint=verdict.hint,
            probe=verdict.probe,
            seconds=verdict.seconds,
        )

    def base(self, plan: HostPlan) -> HostReport:
        remote = self.remotes[plan.host.name]
        return HostReport(
            plan.host.name, plan.host.address, "untouched", plan.previous, plan.previous, sent=remote.sent, channels=remote.channels
        )


def described(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """As the request names what follows it."""
    return [{"name": part.path.name, "sha256": part.sha256, "size": part.size} for part in parts]


def served(verdict: Verdict, plan: HostPlan) -> str | None:
    """What a host serves after an activation that failed: by its own word, if it has one."""
    if verdict.asked:
        return verdict.serves
    return verdict.before if verdict.reverted else None if verdict.switched else plan.previous


def myself() -> dict[str, Any]:
    """Who is deploying, for the lock and the hosts' journals."""
    try:
        who = getpass.getuser()
    except (OSError, KeyError):
        who = "unknown"
    return {"who": who, "machine": platform.node()}
