"""Many hosts beside one: how much longer a deploy takes, and what each further host costs the machine that deploys."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from crowd import COUNT
from figures import Series, Table
from usage import used

from raab.deploy.plan.environment import Host
from raab.drill.stage.project import Project

DEFAULT = (1, "25%", "100%")
ONE, TEN, TEN_WAVES = "1 lab host", "10 lab hosts in one wave", "10 lab hosts in waves of 1, 25%, 100%"
STEPS = ("code-only", "unchanged", "rollback")


def measure(project: Project, hosts: tuple[Host, ...], base: Path, rounds: int, say: Callable[[str], None]) -> dict[str, Series]:
    """Changed code to the first of the lab hosts and to all; then the crowd, whose hosts stand on the image `base`."""
    found: dict[str, list[float]] = {}
    project.write_environment(environment(ONE), hosts[:1])
    for name, waves in ((TEN, ("100%",)), (TEN_WAVES, DEFAULT)):
        project.write_environment(environment(name), hosts, waves)
    project.fab("deploy", env=environment(TEN))
    for number in range(rounds):
        for name in (ONE, TEN, TEN_WAVES):
            project.change(f"fleet {number} {name}")
            project.fab("build", env="")
            use = used(project, "deploy", environment(name))
            note(found, name, use.seconds, use.processor)
            say(f"  {name}: {use.seconds:.2f} s, {use.processor:.2f} s of CPU")
    for step, values in crowd(base, rounds).items():
        for seconds, processor, elsewhere in values:
            note(found, named(step), seconds, processor)
            found.setdefault(f"{named(step)}, hosts' CPU", []).append(elsewhere)
            say(f"  {named(step)}: {seconds:.2f} s, {processor:.2f} s of CPU, {elsewhere:.2f} s of all hosts")
    return {name: Series("s", tuple(values)) for name, values in found.items()}


def environment(name: str) -> str:
    """A name that an environment may have."""
    return "".join(letter if letter.isalnum() else "-" for letter in name)


def named(step: str) -> str:
    return f"{COUNT} hosts without systemd, {step}"


def note(found: dict[str, list[float]], name: str, seconds: float, processor: float) -> None:
    found.setdefault(f"{name}, seconds", []).append(seconds)
    found.setdefault(f"{name}, CPU", []).append(processor)


def crowd(base: Path, rounds: int) -> dict[str, list[tuple[float, float, float]]]:
    """In a mount namespace of its own, with which all that it mounts ends."""
    program = (sys.executable, str(Path(__file__).with_name("crowd.py")), str(base), str(rounds))
    done = subprocess.run(("unshare", "--mount", "--propagation", "private", *program), check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, list[tuple[float, float, float]]] = json.loads(done.stdout)
    return found


def table(measured: dict[str, Series]) -> Table:
    one, one_cpu = measured[f"{ONE}, seconds"], measured[f"{ONE}, CPU"]
    rows = []
    for name, hosts in ((ONE, 1), (TEN, 10), (TEN_WAVES, 10), *((named(step), COUNT) for step in STEPS)):
        seconds, cpu, elsewhere = measured[f"{name}, seconds"], measured[f"{name}, CPU"], measured.get(f"{name}, hosts' CPU")
        further = f"{(cpu.median - one_cpu.median) / (hosts - 1) * 1000:.0f} ms" if hosts > 1 else "-"
        rows.append((
            name, seconds.ratio(one), seconds.text(), f"{cpu.median:.2f} s", further,
            f"{elsewhere.median / hosts * 1000:.0f} ms" if elsewhere else "-",
        ))  # fmt: skip
    title = (
        "Code-only deploys to fleets (medians, min-max). All hosts share this machine's processor with the deployer: the last column says\n"
        "how much of it each takes. Those without systemd are sshd processes with roots of their own and a faked activation"
    )
    return Table(title, ("", "of 1 host's", "seconds", "deployer's CPU", "for a further host", "host's own CPU"), tuple(rows))
