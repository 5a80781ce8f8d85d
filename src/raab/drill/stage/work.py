"""What the drills' application does beside its web: jobs that wait as files, and a database that is a file. A copy of this file is what a
release has of it.

python -m drillroutes.work          a worker, until it is told to end
python -m drillroutes.work migrate  notes its release, and which one served; where there is a file `fail`, it does and says so
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

# In the service's own directory. A job is a file in `todo`, then in `doing`; its effect is a line in `done`.
FOLDER = "drill-work"
SECONDS = 0.05


def work(folder: Path, release: str) -> None:
    """One job after the other. Who tells it to end waits for the one that it does."""
    ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: ending.append(number))
    print("waiting for jobs", flush=True)
    while not ending:
        if not any(done(folder, name, release) for name in sorted(os.listdir(folder / "todo"))[:20] if not ending):  # noqa: PTH208
            time.sleep(0.02)


def done(folder: Path, name: str, release: str) -> bool:
    """Whether this worker has got the job, and done it."""
    doing = folder / "doing" / name
    try:
        (folder / "todo" / name).rename(doing)
    except FileNotFoundError:
        return False
    time.sleep(SECONDS)
    note(folder / "done", f"{name} {release}")
    doing.unlink()
    return True


def migrate(folder: Path, release: str) -> int:
    """Takes its time, so that requests come meanwhile."""
    time.sleep(1)
    note(folder / "migrated", f"{release} {Path('/opt/raab/current').resolve().name}")
    failing = (folder / "fail").exists()
    if failing:
        print("the column is there already")
    return int(failing)


def note(file: Path, line: str) -> None:
    """By one write, beside which another process's comes before or after."""
    with file.open("ab", buffering=0) as opened:
        opened.write(f"{line}\n".encode())


def main(words: list[str]) -> int:
    folder, release = Path(os.environ["STATE_DIRECTORY"]) / FOLDER, Path(os.environ["RAAB_RELEASE_DIR"]).name
    for name in ("todo", "doing"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if words == ["migrate"]:
        return migrate(folder, release)
    work(folder, release)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
