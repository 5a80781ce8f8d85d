"""The deployer dies, the network is cut, the power fails: each host ends on one complete release, and the next deploy converges.

Where the host lives on, traffic from outside flows all the while, and none of it may be lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from raab.drill.stage.service import PATHS
from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab import lab as lifecycle
from raab.lab import presence
from raab.lab.state import LabHost

SETTLED = "while systemctl -q is-active raab-activate; do sleep 0.02; done; readlink /opt/raab/current"
COMPLETE = "test -e /opt/raab/current/manifest.json && /opt/raab/current/venv/bin/raab status --json"


def wait_until_it_answers(ask: Any, host: LabHost) -> dict[str, Any]:
    end = time.monotonic() + 30
    while True:
        try:
            told: dict[str, Any] = ask(host)
            return told
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


@contextmanager
def no_request_lost(host: LabHost) -> Iterator[None]:
    with Load([(host.address, 8000)], Mix(fresh=25, reused=25)) as load:
        yield
    print(load.account.line())
    assert load.account.failures == ()
    assert load.account.total > 0


def steps_of(project: Any, host: LabHost) -> list[str]:
    """The steps that a code-only deploy names, without what differs from one to the next."""
    project.mark("steps")
    lines = project.fab("deploy", "--hosts", host.name).err.splitlines()
    return [re.sub(r"[0-9].*", "", line[22:]).strip() for line in lines]


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.prove)])
def test_the_deployer_is_killed_at_its_steps(project: Any, lab: Any, ask: Any, every: int) -> None:
    """Whatever the plan's step at which it dies, the host serves one complete release, and the same deploy, typed again, ends well."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    shell = lab.shell(host)
    steps = steps_of(project, host)
    assert len(steps) >= 6
    with no_request_lost(host):
        for number, step in enumerate(steps[::every]):
            before = ask(host)["release"]
            project.mark(f"killed {number}")
            wanted = project.release()
            with subprocess.Popen(
                project.command("deploy", "--hosts", host.name), cwd=project.root, env=project.environ, stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL, text=True,
            ) as process:  # fmt: skip
                assert process.stderr is not None
                assert any(step in line for line in process.stderr), step
                process.kill()
            current = shell.run(SETTLED).out.strip().removeprefix("releases/")
            assert current in (before, wanted), step
            assert ask(host)["release"] == current, step
            assert shell.run(COMPLETE).status == 0
            project.fab("deploy", "--hosts", host.name)
            assert ask(host)["release"] == wanted, step


class Proxy:
    """Passes on connections to a host, the first one only until `cut` bytes have gone there; those after it whole."""

    def __init__(self, host: LabHost, cut: int) -> None:
        self.host, self.cut, self.sent = host, cut, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        # How often the host has spoken after the deployer: each time, that one may have waited for it. Nobody waits after a goodbye.
        self.turns, self.last = 0, ""
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        first = True
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection((self.host.address, 22))
            self.open += [near, far]
            threading.Thread(target=self.pump, args=(near, far, first, "deployer"), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, False, "host"), daemon=True).start()
            first = False

    def pump(self, source: socket.socket, target: socket.socket, limited: bool, speaker: str) -> None:
        try:
            while block := source.recv(4096):
                self.turns += (self.last, speaker) == ("deployer", "host")
                self.last = speaker
                if limited:
                    block = block[: self.cut - self.sent]
                    self.sent += len(block)
                target.sendall(block)
                if limited and self.sent >= self.cut:
                    break
        except OSError:
            pass
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def sever(self) -> None:
        """Cut what is open now."""
        for end in self.open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()


def through(project: Any, host: LabHost, proxy: Proxy) -> None:
    """An environment `cut` that reaches the host by the proxy, with the host's key known for it."""
    known = project.root / "known_hosts"
    keys = [line.split(maxsplit=1)[1] for line in host.known_hosts.read_text().splitlines() if host.address in line.split()[0].split(",")]
    known.write_text("".join(f"[127.0.0.1]:{proxy.port} {key}\n" for key in keys))
    project.environment("cut", f"hosts: {{h1: {{address: 127.0.0.1, port: {proxy.port}}}}}\nidentity: {host.key}\nknown_hosts: {known}\n")


@pytest.mark.parametrize("share", [0.02, 0.6, 0.98, *(pytest.param(more, marks=pytest.mark.prove) for more in (0.08, 0.3, 0.9))])
def test_ssh_is_cut_in_the_middle(project: Any, lab: Any, ask: Any, share: float) -> None:
    """After any share of the bytes that a deploy sends. A cut during the activation is survived by connecting again."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    before = ask(host)["release"]
    project.mark(f"cut {share}")
    wanted = project.release()
    wheel = max((project.root / "build/raab/bundles").glob("*/parts/*.whl"), key=lambda path: path.stat().st_mtime)
    # The handshake, the program and the conversation are about 20 kB more.
    lacking = wheel.stat().st_size + 20_000
    proxy = Proxy(host, int(share * lacking))
    through(project, host, proxy)
    with no_request_lost(host):
        done = project.fab("deploy", "--env", "cut", expect=None)
        print(f"cut after {proxy.sent} of {proxy.cut} bytes: exit code {done.code}")
        assert proxy.sent >= min(proxy.cut, lacking), done.out + done.err
        assert done.code in (0, 3), done.out + done.err
        current = lab.shell(host).run(SETTLED).out.strip().removeprefix("releases/")
        assert current == (wanted if done.code == 0 else before)
        assert ask(host)["release"] == current
        project.fab("deploy", "--hosts", host.name)
    assert ask(host)["release"] == wanted
    proxy.close()


def test_a_deploy_takes_few_round_trips(project: Any, lab: Any) -> None:
    """A distant host costs its distance at most 14 times, a rollback and a deploy of what runs already fewer."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)

    def turns(verb: str) -> int:
        proxy = Proxy(host, 1 << 40)
        through(project, host, proxy)
        project.fab(verb, "--env", "cut")
        proxy.close()
        return proxy.turns

    # Of a deploy of what runs all but one are SSH's own. What both say at the same time counts, too, and costs nothing, as a sign of life
    # does; so the least is what it takes.
    for kind, verb, most in (("code-only deploy", "deploy", 14), ("deploy of the same again", "deploy", 10), ("rollback", "rollback", 12)):
        counted: list[int] = []
        while len(counted) < 3 and min(counted, default=most + 1) > most:
            if kind == "code-only deploy":
                project.mark(f"far away {len(counted)}")
            counted.append(turns(verb))
        print(f"round trips of a {kind}: {counted}")
        assert min(counted) <= most, (kind, counted)


def test_ssh_is_cut_during_the_activation(project: Any, lab: Any, ask: Any) -> None:
    """The activation goes on without its deployer, who connects again and reads the verdict: the deploy succeeds."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    for step in ("verifying", "switching", "proving"):
        project.mark(f"severed while {step}")
        wanted = project.release()
        proxy = Proxy(host, 1 << 40)
        through(project, host, proxy)
        with no_request_lost(host):
            process = subprocess.Popen(
                project.command("deploy", "--env", "cut"), cwd=project.root, env=project.environ, stderr=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stderr is not None
            assert any(step in line for line in process.stderr)
            proxy.sever()
            out, err = process.communicate(timeout=90)
        assert process.returncode == 0, out + err
        assert "connecting again to read the verdict" in err
        assert ask(host)["release"] == wanted
        proxy.close()


def impatient(project: Any) -> None:
    """Have its deployers and their sessions take each other for gone ten times as fast."""
    replace_once(project.root / "src/raab/deploy/hosts/runner.py", "RECONNECT_SECONDS = 30.0", "RECONNECT_SECONDS = 3.0")
    for name, seconds, fewer in (("PULSE", 10, 1), ("HOSTS_PATIENCE", 30, 3), ("DEPLOYERS_PATIENCE", 45, 5)):
        replace_once(project.root / "src/raab/protocol/conversation.py", f"\n{name}_SECONDS = {seconds}\n", f"\n{name}_SECONDS = {fewer}\n")


def replace_once(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def locked(host: LabHost) -> bool:
    """Whether somebody holds the host's lock, looked at from this machine: no network is needed for that."""
    descriptor = os.open(f"/proc/{presence.leader(host)}/root{PATHS.lock}", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


def test_the_network_dies_silently_during_the_activation(project: Any, lab: Any, ask: Any) -> None:
    """No end of the connection comes. It is noticed, and nobody says of the host what it served before: it is unknown.

    The host goes on by itself and lets go of its deployer before he gives up, so the next deploy converges at once. The seconds of both are
    a tenth here; how they go together is a test of its own (test/deploy/hosts/test_ssh.py).
    """
    (host,) = lab.hosts(1)
    impatient(project)
    project.fab("deploy", "--hosts", host.name)
    project.mark("silent")
    wanted = project.release()
    with subprocess.Popen(
        project.command("deploy", "--hosts", host.name, "--json"), cwd=project.root, env=project.environ, stderr=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        lab.shell(host).run("until systemctl -q is-active raab-activate; do :; done")
        lifecycle.cut(lab.lab, host.name)
        began = time.monotonic()
        try:
            out, _ = process.communicate(timeout=120)
            assert not locked(host)
        finally:
            lifecycle.heal(lab.lab, host.name)
    # The silence, and then as long as a new connection is tried for: 10 s at each try.
    assert time.monotonic() - began < 40
    (row,) = json.loads(out)["hosts"]
    assert (process.returncode, row["result"], row["release"]) == (3, "unknown", "unknown")
    assert "it has said nothing for 5 s" in row["reason"]
    lab.shell(host).close()
    project.mark("after the silence")
    project.fab("deploy", "--hosts", host.name)
    assert ask(host)["release"] == project.release() != wanted


# What an activation says as it goes on, in this order. Whoever has read the last of them finds it switched.
STEPS = ("verifying", "loading", "switching", "proving")
MOMENTS = [pytest.param([(step, 0.0) for step in STEPS], id="one a step")]
MORE = pytest.param([(step, after) for step in STEPS for after in (0.03, 0.06, 0.12)], id="more", marks=pytest.mark.prove)


@pytest.mark.parametrize("moments", [*MOMENTS, MORE])
def test_the_activation_is_killed(project: Any, lab: Any, ask: Any, moments: list[tuple[str, float]]) -> None:
    """So many seconds after its word on each step: the service serves what `current` names, old or new, without a lost request; the next
    deploy converges.

    It may have been killed between its switch and its word of it: the master looks where the link leads.
    """
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    shell = lab.shell(host)
    served = []
    for step, after in moments:
        before = ask(host)["release"]
        project.mark(f"killed {after} s after {step}")
        wanted = project.release()
        with no_request_lost(host):
            process = subprocess.Popen(
                project.command("deploy", "--hosts", host.name), cwd=project.root, env=project.environ, stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            # A deploy takes the events of before away, then leaves its request.
            said = f'grep -qs {wanted} {PATHS.request} && grep -qs \'"text": "{step}\' {PATHS.events}'
            shell.run(f"until {said}; do :; done; sleep {after}; systemctl kill -s KILL raab-activate", check=False)
            process.wait(60)
            time.sleep(0.5)
            now = ask(host)["release"]
        assert now in (before, wanted)
        assert shell.run(SETTLED).out.strip() == f"releases/{now}"
        served.append(now == wanted)
        project.fab("deploy", "--hosts", host.name)
        assert ask(host)["release"] == wanted
    assert served[-1] and not served[0]


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.prove)])
def test_power_fails_during_the_activation(project: Any, lab: Any, ask: Any, times: int) -> None:
    """At random moments: after the boot the host serves one complete release, old or new, and the next deploy converges."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    moments = random.Random(7)
    for number in range(times):
        before = ask(host)["release"]
        project.mark(f"power {number}")
        wanted = project.release()
        with subprocess.Popen(
            project.command("deploy", "--hosts", host.name), cwd=project.root, env=project.environ, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True,
        ) as process:  # fmt: skip
            assert process.stderr is not None
            assert any("verifying" in line for line in process.stderr)
            # An activation takes 0.2 s from there.
            time.sleep(moments.uniform(0, 0.3))
            lifecycle.kill(lab.lab, host.name)
            process.kill()
        lifecycle.start(lab.lab, host.name)
        served = wait_until_it_answers(ask, host)["release"]
        assert served in (before, wanted)
        assert lab.shell(host).run(SETTLED).out.strip() == f"releases/{served}"
        project.fab("deploy", "--hosts", host.name)
        assert ask(host)["release"] == wanted


def test_two_deploys_at_once(project: Any, lab: Any, ask: Any) -> None:
    """One goes ahead, the other says who is at work and since when; with --wait it follows."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    project.mark("at once")
    project.release()
    shell = lab.shell(hosts[0])
    # A session that has the lock and is held up: its deployer is stopped while it sends.
    with subprocess.Popen(project.command("deploy"), cwd=project.root, env=project.environ, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        assert any("sending" in line for line in first.stderr)
        first.send_signal(19)
        refused = project.fab("deploy", expect=6)
        assert re.search(
            r"lock: held for deploy of \S+, got \S+ from \S+ since \d\d:\d\d:\d\dZ\nhint: wait for it with --wait", refused.err
        )
        assert "locked: by" in project.fab("plan").out
        waiting = subprocess.Popen(
            project.command("deploy", "--wait", "60"), cwd=project.root, env=project.environ, stderr=subprocess.DEVNULL
        )
        first.send_signal(18)
        first.stderr.read()
        assert first.wait() == 0
        assert waiting.wait() == 0
    assert shell.run("ls /opt/raab/releases").status == 0


def test_a_stuck_deployer_is_unlocked(project: Any, lab: Any) -> None:
    """`fab unlock` ends its session; the deploy that it was in the middle of ends with a message and the next one works."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    project.mark("stuck")
    project.release()
    command = project.command("deploy", "--hosts", host.name)
    with subprocess.Popen(
        command, cwd=project.root, env=project.environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as stuck:
        assert stuck.stderr is not None
        assert any("sending" in line for line in stuck.stderr)
        stuck.send_signal(19)
        assert "freed from" in project.fab("unlock", "--hosts", host.name).out
        project.fab("deploy", "--hosts", host.name)
        stuck.send_signal(18)
        out, err = stuck.communicate(timeout=60)
        assert "Traceback" not in out + err
        assert stuck.returncode in (0, 3), out + err


def test_a_bundle_with_one_byte_changed(project: Any, lab: Any, ask: Any) -> None:
    """Changed after it was built: found out before it is sent, and built again. (A part that changes on its way a host refuses by its
    SHA-256: test_receive.)"""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    project.mark("byte")
    damaged = project.release()
    wheel = max((project.root / "build/raab/bundles").glob("*/parts/*.whl"), key=lambda path: path.stat().st_mtime)
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    wheel.write_bytes(content)
    project.fab("deploy", "--hosts", host.name)
    # It was built at another moment, and has another name.
    assert ask(host)["release"] == project.release() != damaged
