"""`make bench`: what raab claims to be better at, beside what people would use instead, measured in one run on this machine.

Prints tables, ratios first; writes bench/results/<time>.json with every value and the machine. With a number as argument that many
rounds (default 5). Boots a lab of its own, named `bench`, and takes it down again.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import deploys
import fleets
import imports
import reloads
import throughput
from figures import Series, Table, document

from raab.deploy import environment as environments
from raab.drill.project import copy
from raab.drill.results import machine
from raab.drill.service import Service
from raab.errors import RaabError
from raab.lab import image
from raab.lab import lab as lifecycle
from raab.lab.shell import Shell
from raab.lab.state import Lab, named

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
IMPORT = 2.0
FLEET = 10


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    began = time.time()
    say("requests per second")
    fast = throughput.measure(rounds)
    print(throughput.table(fast).text(), flush=True)
    say("starts")
    started = imports.measure(rounds)
    print(imports.table(started).text(), flush=True)
    os.environ["RAAB_LAB"] = "bench"
    lab = named()
    try:
        deployed, reloaded, fleet = on_hosts(lab, rounds)
    finally:
        lifecycle.down(lab)
    tables = [throughput.table(fast), imports.table(started), deploys.table(deployed), reloads.table(reloaded), fleets.table(fleet)]
    print("\n".join(table.text() for table in tables[2:]))
    values = {"throughput": fast, "imports": started, "deploys": deployed, "reloads": reloaded, "fleets": fleet}
    save(began, rounds, tables, {name: document(series) for name, series in values.items()})
    return 0


def on_hosts(lab: Lab, rounds: int) -> tuple[dict[str, Series], dict[str, Series], dict[str, Series]]:
    """What needs hosts: deploys first, for a first one needs a bare host; the one that needs ten last."""
    (host,) = lifecycle.up(lab, 1, say)
    environment = environments.load(ROOT, "lab")
    with tempfile.TemporaryDirectory(prefix="raab-bench-") as folder:
        (Path(folder) / "plain").mkdir()
        say("deploys")
        project = copy(ROOT, Path(folder) / "plain", environment, import_seconds=0)
        deployed = deploys.measure(project, host, lambda: fresh(lab, host.name), rounds, say)
        say("reloads")
        reloaded = reloads_on(Path(folder) / "slow", environment, Shell(host), rounds)
        say("fleets")
        lifecycle.up(lab, FLEET, say)
        ten = environments.load(ROOT, "lab").hosts
        return deployed, reloaded, fleets.measure(project, ten, image.ensure(lab.store, say), rounds, say)


def fresh(lab: Lab, name: str) -> None:
    lifecycle.fresh(lab, name)


def reloads_on(folder: Path, environment: environments.Environment, shell: Shell, rounds: int) -> dict[str, Series]:
    """The same host, with an application whose import takes its time."""
    folder.mkdir()
    copy(ROOT, folder, environment, IMPORT).fab("deploy")
    with shell:
        return reloads.measure(Service(shell, shell.run("basename $(readlink /opt/raab/current)").out.strip()), rounds, say)


def save(began: float, rounds: int, tables: list[Table], values: Mapping[str, object]) -> None:
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(began))
    told = {
        "began": began,
        "rounds": rounds,
        "machine": dataclasses.asdict(machine()),
        "tables": [table.text() for table in tables],
        **values,
    }
    (RESULTS / f"{stamp}.json").write_text(json.dumps(told, indent=1) + "\n")
    say(f"written: bench/results/{stamp}.json")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RaabError as error:
        sys.exit(str(error))
