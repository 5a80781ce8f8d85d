"""`make bench`: what raab claims to be better at, beside what people would use instead, measured in one run on this machine.

Prints tables, ratios first; writes bench/results/<time>.json with every value and the machine. With a number as argument that many
rounds (default 5), with --only NAME that part alone. Boots a lab of its own, named `bench`, and takes it down again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import deploys
import fleets
import imports
import loads
import reloads
import scaling
import throughput
from figures import Series, document

from raab.deploy import environments
from raab.deploy.plan.environment import Environment
from raab.drill.results import machine
from raab.drill.stage.project import copy
from raab.drill.stage.service import Service
from raab.errors import RaabError
from raab.lab import image
from raab.lab import lab as lifecycle
from raab.lab.shell import Shell
from raab.lab.state import Lab, named

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
IMPORT = 2.0
FLEET = 10
LOCAL = {"throughput": throughput, "loads": loads, "imports": imports, "scaling": scaling}
# Deploys first, for a first one needs a bare host; the one that needs ten last.
ON_HOSTS = {"deploys": deploys, "reloads": reloads, "fleets": fleets}
PARTS = {**LOCAL, **ON_HOSTS}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Measures raab beside what else there is.")
    parser.add_argument("rounds", nargs="?", type=int, default=5, help="how often each thing is measured (default 5)")
    parser.add_argument("--only", choices=PARTS, metavar="NAME", help=f"one part alone: {', '.join(PARTS)}")
    args = parser.parse_args()
    wanted = (args.only,) if args.only else tuple(PARTS)
    began = time.time()
    found = {}
    for name, series in measured(wanted, args.rounds):
        found[name] = series
        print(PARTS[name].table(series).text(), flush=True)
    save(began, args.rounds, found)
    return 0


def measured(wanted: tuple[str, ...], rounds: int) -> Iterator[tuple[str, dict[str, Series]]]:
    """The parts that are wanted, in the order of PARTS; with a lab where one needs it."""
    for name, part in LOCAL.items():
        if name in wanted:
            say(name)
            yield name, part.measure(rounds)
    if any(name in wanted for name in ON_HOSTS):
        os.environ["RAAB_LAB"] = "bench"
        lab = named()
        try:
            yield from on_hosts(lab, wanted, rounds)
        finally:
            lifecycle.down(lab)


def on_hosts(lab: Lab, wanted: tuple[str, ...], rounds: int) -> Iterator[tuple[str, dict[str, Series]]]:
    (host,) = lifecycle.up(lab, 1, say)
    environment = environments.load(ROOT, "lab")
    with tempfile.TemporaryDirectory(prefix="raab-bench-") as folder:
        (Path(folder) / "plain").mkdir()
        project = copy(ROOT, Path(folder) / "plain", environment, import_seconds=0)
        if "deploys" in wanted:
            say("deploys")
            yield "deploys", deploys.measure(project, host, lambda: fresh(lab, host.name), rounds, say)
        if "reloads" in wanted:
            say("reloads")
            yield "reloads", reloads_on(Path(folder) / "slow", environment, Shell(host), rounds)
        if "fleets" in wanted:
            say("fleets")
            lifecycle.up(lab, FLEET, say)
            ten = environments.load(ROOT, "lab").hosts
            yield "fleets", fleets.measure(project, ten, image.ensure(lab.store, say), rounds, say)


def fresh(lab: Lab, name: str) -> None:
    lifecycle.fresh(lab, name)


def reloads_on(folder: Path, environment: Environment, shell: Shell, rounds: int) -> dict[str, Series]:
    """The same host, with an application whose import takes its time."""
    folder.mkdir()
    copy(ROOT, folder, environment, IMPORT).fab("deploy")
    with shell:
        return reloads.measure(Service(shell, shell.run("basename $(readlink /opt/raab/current)").out.strip()), rounds, say)


def save(began: float, rounds: int, found: dict[str, dict[str, Series]]) -> None:
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(began))
    told = {
        "began": began,
        "rounds": rounds,
        "machine": dataclasses.asdict(machine()),
        "tables": [PARTS[name].table(series).text() for name, series in found.items()],
        **{name: document(series) for name, series in found.items()},
    }
    (RESULTS / f"{stamp}.json").write_text(json.dumps(told, indent=1) + "\n")
    say(f"written: bench/results/{stamp}.json")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RaabError as error:
        sys.exit(str(error))
