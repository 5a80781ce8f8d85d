"""What a session does with the running service: tell of it, reload, restart, scale it, show its log. Standard library only."""

from __future__ import annotations

import hashlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from raab import exitcodes
from raab.errors import RaabError
from raab.host import journal, releases, restart, seal, systemd, verify
from raab.host.beside import rows
from raab.host.beside.become import become, end
from raab.host.beside.restarting import restart as restart_process
from raab.host.beside.scaling import scale as scale_process
from raab.host.edge import maintenance
from raab.host.edge.look import look
from raab.host.master import overview, scaling
from raab.host.master.counters import traffic
from raab.host.paths import Paths
from raab.host.session import first, migrating, outlook, program, remove
from raab.host.units import secrets, unitfiles
from raab.protocol import answers, requests
from raab.protocol.answers import Acted, Line, Nothing, Ran, Step, Workers
from raab.protocol.conversation import Event
from raab.protocol.facts import Ahead
from raab.protocol.reading import known, read
from raab.protocol.service import Examined, Own, ServiceStatus, Stray

# That of the host, by which root's own program is run (raab.service).
PYTHON = "/usr/bin/python3"


def answer(paths: Paths, request: Any, emit: Callable[[Event], None], sent: Mapping[str, bytes]) -> Any:
    """What a session is asked about the service, or to have it do. The answer is of the type that the table has for it.
    `sent` is the program that this is a part of."""
    operations: dict[type[Any], Callable[[], Any]] = {
        requests.Status: lambda: answers.Status(status(paths)),
        requests.Service: lambda: act(paths, request),
        requests.Traffic: lambda: traffic(paths),
        requests.Reboot: reboot,
        requests.Logs: lambda: logs(paths, request, emit),
        requests.History: lambda: answers.History(tuple(map(journal.told, journal.read(paths.journal)))),
        requests.Examine: lambda: examine(paths, first.digest_of(sent)),
        requests.Ahead: lambda: answers.Outlook(ahead(paths)),
        requests.Workers: lambda: workers(paths),
        requests.Load: lambda: migrating.load(paths, request, emit),
        requests.Migrate: lambda: migrating.migrate(paths, request, emit),
        requests.Run: lambda: run(paths, request, emit),
        requests.Label: lambda: label(paths, request),
        requests.Secrets: lambda: answers.Secrets(secrets.stored(paths)),
        requests.SetSecret: lambda: answers.SecretSet(secrets.put(paths, request.secret, request.value.encode())),
        requests.RemoveSecret: lambda: answers.Removed(secrets.remove(paths, request.secret)),
        requests.Maintenance: lambda: maintain(paths, request, whoever_listens(emit)),
        requests.Remove: lambda: answers.Removed(remove.remove(paths, request.purge, whoever_listens(emit))),
    }
    return operations[type(request)]()


def whoever_listens(emit: Callable[[Event], None]) -> Callable[[str], None]:
    """Tells of steps; a deployer who has gone away is no reason to stop half-way."""

    def step(text: str) -> None:
        with suppress(OSError):
            emit(Step(text))

    return step


def status(paths: Paths) -> ServiceStatus:
    """State, release and version of the service, and what its master says of its workers."""
    shown = systemd.show(paths.unit, "ActiveState", "SubState", "MainPID")
    current = releases.current_release(paths)
    return ServiceStatus(
        state=shown.get("ActiveState", "unknown") if current else "absent",
        release=current,
        version=releases.describe(paths.releases / current).version or None if current else None,
        raab=own(own_status(paths)[0]) if current else Own(),
        drained=paths.drained.is_file(),
        processes=rows.processes(paths),
        timers=rows.timers(paths),
        counts=rows.wanted(paths),
        edge=look(paths),
    )


def own_status(paths: Paths) -> tuple[dict[str, Any], str]:
    """What it says, checked, and what stands against that; one of them is empty."""
    try:
        return overview.whole(paths), ""
    except RaabError as error:
        return {}, str(error)


def own(told: dict[str, Any]) -> Own:
    """What deployers want to know of it."""
    strays = tuple(Stray(one["pid"], one["name"]) for one in told["strays"]) if "strays" in told else None
    return Own(told.get("generation"), told.get("target"), told.get("serving"), strays, tuple(told.get("bind", ())))


def examine(paths: Paths, ours: str) -> Examined:
    """What only a closer look tells: whether installed files have changed since, and what the service says of itself. `ours` is the digest
    of the program that looks."""
    current = releases.current_release(paths)
    release = paths.releases / current if current else None
    files = (unitfiles.of_release(paths, release), *unitfiles.lasting(paths)) if release else ()
    units = {file.name: hashlib.sha256(file.content).hexdigest() for file in files}
    told, trouble = own_status(paths) if current else ({}, "")
    faults = program.faults(paths, ours) if current else []
    drift = seal.damage(release, verify.RAABS_OWN, closely=True) if release else []
    found = Examined(tuple(drift), units, own(told), trouble, tuple(faults))
    found = found._replace(edge=look(paths))
    if current:
        found = found._replace(processes=rows.processes(paths), timers=rows.timers(paths), counts=rows.wanted(paths))
    return outlook.look(paths, release, found)


def ahead(paths: Paths) -> Ahead | None:
    """What the next start of the service would come to, by the word of root's own program there; None where there is none that knows."""
    if not program.installed(paths):
        return None
    done = systemd.order(PYTHON, "-IS", str(paths.roots_own), "ahead", paths.name, timeout=150)
    try:
        # It may be a newer raab's, which knows more.
        found: Ahead = read(Ahead, known(json.loads(done.stdout), Ahead), "ahead")
    except (ValueError, RecursionError):
        return Ahead(problem=f"{paths.roots_own}: exit code {done.returncode}, got {done.stderr.strip()[-500:]}")
    return found


def act(paths: Paths, request: requests.Service) -> Acted:
    """Reload, restart or scale. Raises RaabError with the service's own reason when it did not work."""
    began = time.time()
    action = request.action
    if action == "scale" and "=" in request.amount:
        return Acted(scale_process(paths, request.amount, lambda _: None), max(0.0, time.time() - began))
    if request.process:
        return Acted(restart_process(paths, request.process), max(0.0, time.time() - began))
    if action == "scale":
        try:
            return Acted(scaling.scale(paths, request.amount, 120), max(0.0, time.time() - began))
        except RaabError as error:
            raise RaabError(error.message, error.hint, error.exit_code if error.exit_code == 2 else 5) from error
    if action == "restart":
        end(paths, lambda _: None)
    done = restart.restart(paths, 300) if action == "restart" else systemd.order("systemctl", "reload", paths.unit, timeout=300)
    if current := releases.current_release(paths):
        # What they are given of changed secrets and variables they have from their start on.
        become(paths, paths.release(current), lambda _: None)
    if done.returncode:
        reason = "\n".join(filter(None, (done.stderr.strip(), systemd.last_words(paths.unit, began))))
        raise RaabError(f"{action}: exit code {done.returncode}, got: {reason}", "the lines above say why", exitcodes.REFUSED)
    return Acted(done.stdout.strip(), max(0.0, time.time() - began))


def reboot() -> Nothing:
    """Begin it; the answer may still arrive."""
    systemd.must("systemctl", "--no-block", "reboot")
    return Nothing()


def workers(paths: Paths) -> Workers:
    """How many workers of the generation that serves have died, and what those that live have answered: nothing of another generation,
    whose workers leave as they should and may have failed for reasons of their own.

    Raises RaabError when the service's status or its counters cannot be read: of errors that nobody could count none would be seen.
    """
    status, trouble = own_status(paths)
    if trouble:
        raise RaabError(f"workers: {trouble}")
    ours = [worker for worker in status["workers"] if worker["generation"] == status["generation"]]
    if any(worker.get("failed") is None for worker in ours):
        raise RaabError("workers: what they have counted cannot be read", f"`{paths.typed} metrics` on the host says why")
    return Workers(
        died=status.get("died", 0),
        requests=sum(worker["answered"] for worker in ours),
        errors=sum(worker["failed"] for worker in ours),
    )


def run(paths: Paths, request: requests.Run, emit: Callable[[Event], None]) -> Ran:
    """Here and not above: who asks for anything else needs none of it."""
    from raab.host.session import typed

    return typed.run(paths, request, emit)


def logs(paths: Paths, request: requests.Logs, emit: Callable[[Event], None]) -> Nothing:
    """Send the last lines of the service's log, or of a process's or timer's, and with `follow` all that come until the connection ends."""
    units = [f"--unit={unit}" for unit in paths.logged(request.process)]
    command = ["journalctl", *units, "--no-pager", "--output=short-iso", f"--lines={request.lines}"]
    if request.follow:
        command.append("--follow")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        source, rest = process.stdout.fileno(), b""
        try:
            while True:
                ready, _, _ = select.select([source, sys.stdin], [], [])
                # Signs of life come on stdin while this runs; its end means that the deployer has gone.
                if sys.stdin in ready and not os.read(sys.stdin.fileno(), 4096):
                    break
                if source not in ready:
                    continue
                # Read without a buffer of Python's, in which lines would wait for the next one.
                block = os.read(source, 1 << 16)
                if not block:
                    break
                *whole, rest = (rest + block).split(b"\n")
                for line in whole:
                    emit(Line(line.decode(errors="replace")))
        finally:
            process.kill()
    return Nothing()


def maintain(paths: Paths, request: requests.Maintenance, step: Callable[[str], None]) -> Nothing:
    if request.on:
        maintenance.begin(paths, request.page, step)
    else:
        maintenance.end(paths)
    return Nothing()


def label(paths: Paths, request: requests.Label) -> Nothing:
    """Note that a release's content has become a commit. The release itself stays as it was made."""
    if not paths.manifest(request.release).exists():
        raise RaabError(
            f"label: not a complete release, got {request.release}", "`fab releases` lists the complete ones", exitcodes.BAD_INPUT
        )
    journal.append(paths.journal, journal.label(request.release, request.commit, request.who, request.machine, time.time()))
    return Nothing()
