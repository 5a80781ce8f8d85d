"""`fab drill`: which drills, where, and how its outcome is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from raab import exitcodes
from raab.deploy import environments
from raab.drill import report
from raab.drill.catalogue import DRILLS, choose
from raab.drill.progress import Progress
from raab.drill.runner import FULL, QUICK, Pace, Runner
from raab.errors import RaabError


def drill(root: Path, env: str, hosts: str | None, only: str, quick: bool, rate: float, file: str, as_json: bool) -> int:
    """Carries out the chosen drills; `rate` 0 is the usual one, `file` is for the report and may be empty. Returns 1 if one failed."""
    environment = environments.load(root, env).only(hosts)
    # Not `rate < 0 or rate > 5000`, which NaN passes.
    if not 0 <= rate <= 5000:
        hint = "leave it out for the usual rate"
        raise RaabError(f"--rate: needs requests per second up to 5000, got {rate:g}", hint, exitcodes.BAD_INPUT)
    if file:
        require_writable(Path(file))
    usual = QUICK if quick else FULL
    # Progress is not what was asked for when that is one document.
    out = sys.stderr if as_json else sys.stdout
    runner = Runner(root, environment, Pace(rate or usual.rate, usual.times), Progress(out))
    run = runner.run(choose(only, quick, environment.is_lab))
    if file:
        Path(file).write_text(report.page(run))
    print(run.line(), file=out)
    if as_json:
        print(json.dumps(run.document()))
    return exitcodes.DONE if run.good else exitcodes.ERROR


def require_writable(file: Path) -> None:
    """Raises RaabError if the report could not be written there: said before the drills, and not after them."""
    try:
        with file.open("a"):
            pass
    except OSError as error:
        hint = "name a file in a folder that is there and that you may write to"
        raise RaabError(f"--report: cannot be written, got {file}: {error.strerror}", hint, exitcodes.BAD_INPUT) from error


def table(as_json: bool) -> int:
    """The catalogue."""
    if as_json:
        rows = [{"name": one.name, "promise": one.promise, "quick": one.quick, "lab": one.in_lab} for one in DRILLS]
        print(json.dumps({"drills": rows}))
    else:
        print("\n".join(f"{one.name:<18} {'quick' if one.quick else '':<6} {one.promise}" for one in DRILLS))
    return exitcodes.DONE
