"""The one program that a deployer's connection runs as root: requests in on stdin, answers out on stdout, a JSON line each.

Its only inputs are these requests, and every value in them is checked here. It ends with its connection, and with it the lock
that it holds. Standard library only: it travels to hosts that have no raab yet.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from raab import exitcodes
from raab.errors import RaabError, of_machine
from raab.host import draining, systemd
from raab.host.paths import RAAB, Paths
from raab.host.session import facts, lock
from raab.host.session.speech import Patient, Speaker
from raab.protocol import conversation, requests
from raab.protocol.answers import Activated, Facts, Nothing, Refused, Staged, Step, Texts, Timed, Unlocked
from raab.protocol.conversation import Done, Event

# What changes a host or has its service do something: for who holds its lock.
CHANGES = frozenset(
    (
        "stage",
        "activate",
        "service",
        "drain",
        "undrain",
        "reboot",
        "load",
        "migrate",
        "label",
        "remove",
        "set_secret",
        "remove_secret",
        "stage_front",
        "front",
        "maintenance",
    )
)


class Session:
    """One connection's conversation: an answer line for each request, and event lines before it."""

    def __init__(self, paths: Paths, program: Mapping[str, bytes], source: BinaryIO, sink: BinaryIO) -> None:
        # What this is a part of: a text for each path.
        self.program = program
        # Of the service that the requests name: one in each session.
        self.paths = paths
        self.named = False
        self.source = Patient(source)
        self.speaker = Speaker(sink)
        # Which one is being answered.
        self.operation = "facts"
        self.held: int | None = None
        # Whether this connection has taken the host out of the pool: it is back when the connection ends, however that ends.
        self.drained = False

    def serve(self) -> int:
        try:
            return self.answer_all()
        finally:
            if self.drained:
                with suppress(RaabError):
                    draining.undrain(self.paths)
            self.let_go()

    def answer_all(self) -> int:
        operations: dict[str, Callable[[Any], Any]] = {
            "facts": lambda request: Facts(facts.gather(self.paths, *request)),
            "texts": lambda request: Texts(facts.texts(self.paths.current)),
            "lock": self.lock,
            "let_go": self.let_go,
            "drain": self.drain,
            "undrain": self.undrain,
            "reboot": self.reboot,
            "stage": self.stage,
            "stage_front": self.stage_front,
            "front": self.front,
            "activate": self.activate,
            "follow": lambda request: self.follow(request.token),
            "unlock": self.unlock,
        }
        for line in iter(self.source.readline, b""):
            if line == b"\n":
                continue
            try:
                operation, service, request = conversation.decode(line)
                self.name(service)
            except RaabError as error:
                # What comes after it may belong to it; nobody can know.
                self.refuse(error)
                return error.exit_code
            self.operation = operation
            try:
                if operation in CHANGES and self.held is None:
                    raise RaabError(f"{operation}: only for who holds the lock, got no lock", "deploy again", exitcodes.LOCKED)
                self.emit(Done(operations[operation](request) if operation in operations else self.service(request)))
            except (RaabError, OSError) as error:
                told = error if isinstance(error, RaabError) else refused(operation, error)
                self.refuse(told)
                # Bytes of a payload may still be coming; they must not be taken for requests.
                if operation in ("stage", "stage_front"):
                    return told.exit_code
            except Exception:
                import traceback

                self.refuse(RaabError(f"{operation}: a defect in raab", traceback.format_exc(), 70))
                return 70
        return 0

    def name(self, service: str) -> None:
        """The service that all requests are about. Raises RaabError for a second one: the lock and what was staged are the first one's."""
        if self.named and service != self.paths.name:
            raise RaabError(f"request: a session is about one service, got {service} after {self.paths.name}", "", exitcodes.BAD_INPUT)
        self.paths, self.named = self.paths._replace(name=service), True

    def refuse(self, error: RaabError) -> None:
        self.emit(Refused(error.message, error.hint, error.exit_code))

    def emit(self, event: Event) -> None:
        self.speaker.say(self.operation, event)

    def lock(self, request: requests.Lock) -> Facts:
        """Take the lock, and answer with what is there now that nobody else can change it."""
        # The descriptor stays open, and so the lock held, until this process ends or lets go.
        if self.held is None:
            self.held = lock.acquire(self.paths.lock, {"who": request.who, "machine": request.machine, "what": request.what})
        if facts.has_verdict(self.paths):
            from raab.host.session import follow

            # What an activation prunes after its verdict would be missing from what the facts say is there.
            follow.wait_for_previous(self.paths)
        found = facts.gather(self.paths, request.closely, request.release, request.program)
        if found.activating:
            self.let_go()
            hint = "wait for it with --wait SECONDS; `fab unlock --force` ends one that hangs, and puts the host right"
            raise RaabError("lock: an activation is at work, got one whose deployer has gone", hint, exitcodes.LOCKED)
        return Facts(found)

    def let_go(self, _: requests.LetGo | None = None) -> Nothing:
        if self.held is not None:
            os.close(self.held)
            self.held = None
        return Nothing()

    def drain(self, request: requests.Drain) -> Timed:
        from raab.host.session import pool

        answer = pool.leave(self.paths, request.quiet)
        self.drained = True
        return answer

    def undrain(self, _: requests.Undrain) -> Timed:
        from raab.host.session import pool

        answer = pool.come_back(self.paths)
        self.drained = False
        return answer

    def reboot(self, request: requests.Reboot) -> Nothing:
        answer: Nothing = self.service(request)
        # The mark goes with the boot: until then sshd may have ended, and this with it, while the service still answers.
        self.drained = False
        return answer

    def stage(self, request: requests.Stage) -> Staged:
        """Take what the host lacks, and make the release of it."""
        from raab.host.session import install, receive
        from raab.host.units import claim

        claim.take(self.paths)
        began = time.monotonic()
        try:
            received = receive.receive(self.paths, self.source, request.send)
            took = time.monotonic() - began
            install.install(self.paths, request.manifest, request.uv, lambda text: self.emit(Step(text)))
        except OSError as error:
            raise RaabError(f"stage: the host could not write, got: {error}", "make room on the host's disk, then deploy again") from error
        return Staged(received, took, time.monotonic() - began)

    def stage_front(self, request: requests.StageFront) -> Nothing:
        """Take the edge's program where the host lacks it, and have it judge what it would be told."""
        from raab.host.edge import fronting
        from raab.host.session import brought, program, receive
        from raab.host.units import claim

        claim.take(self.paths)
        receive.receive(self.paths, self.source, request.send)
        brought.take(self.paths, request.told)
        # The edge's units start it.
        program.install(self.paths, self.program, request.version)
        fronting.judge(self.paths, request.told, request.upstreams, lambda text: self.emit(Step(text)))
        return Nothing()

    def front(self, request: requests.Front) -> Timed:
        from raab.host.edge import fronting

        began = time.monotonic()
        fronting.front(self.paths, request, lambda text: self.emit(Step(text)))
        return Timed(max(0.001, time.monotonic() - began))

    def activate(self, request: requests.Activate) -> Activated:
        from raab.host.session import follow, program, ways

        follow.same_project(self.paths, request)
        # What makes the release current is what was sent, and neither that release's nor the one's before.
        program.install(self.paths, self.program, request.version)
        if not program.newer(self.paths, request.version):
            ways.offer(self.paths)
        return self.carry_out(request)

    def carry_out(self, request: requests.Activate) -> Activated:
        start(self.paths, request)
        return self.follow(request.token)

    def follow(self, token: str) -> Activated:
        from raab.host.session import follow

        return follow.follow(self.paths, self.emit, token)

    def unlock(self, request: requests.Unlock) -> Unlocked:
        from raab.host.session import rescue

        return rescue.unlock(self.paths, request, self.emit, self.carry_out)

    def service(self, request: Any) -> Any:
        """Everything about the running service; imported here, as all that a plain question does not need."""
        from raab.host.session import service

        return service.answer(self.paths, request, self.emit, self.program)


def start(paths: Paths, request: requests.Activate) -> None:
    """Begin the activation of a complete release, as a unit of its own: no lost connection has a part in it. The request is left as its
    task, and goes by its token. Raises RaabError for a release that is not complete, and while another activation is at work."""
    from raab.host.durable import write_durably
    from raab.host.session import follow, program
    from raab.protocol import task

    release = request.release
    if not paths.manifest(release).exists():
        text = f"activate: the release is not complete on this host, got {release}"
        raise RaabError(text, f"`fab releases`, or `ls {paths.releases}`, lists those that are there", exitcodes.BAD_INPUT)
    paths.deploying.mkdir(mode=0o700, parents=True, exist_ok=True)
    follow.wait_for_previous(paths)
    paths.events.unlink(missing_ok=True)
    write_durably(paths.request, task.written(request), 0o600)
    systemd.must(
        "systemd-run", "--quiet", "--collect", "--no-block", f"--unit={paths.activation_unit}", "--property=KillMode=mixed",
        f"--property=TimeoutStopSec={follow.GOING_BACK_SECONDS}",
        sys.executable, "-IS", str(program.use(paths)), "activate", paths.name, release,
    )  # fmt: skip


def refused(operation: str, error: OSError) -> RaabError:
    """What the host's own system did not let happen."""
    text = f"{operation}: the host refused, got {of_machine(error).message}"
    return RaabError(text, "`fab doctor` names what is full or read-only", exitcodes.REFUSED)


def main(program: Mapping[str, bytes]) -> int:
    """The conversation of this connection, by the program of which this is a part (raab.host.session.first)."""
    # Who ends this session ends what it has started, too (raab.host.session.lock). A leader of a session, as sshd makes it, leads already.
    with suppress(OSError):
        os.setpgid(0, 0)
    return Session(Paths(RAAB), program, sys.stdin.buffer, sys.stdout.buffer).serve()
