"""Writes what is made from other files; with --look it tells which of them are older than what they are made of, and ends with 1."""

from __future__ import annotations

import sys
from pathlib import Path

import configuration
import operating

ROOT = Path(__file__).parents[2]


def main(look: bool) -> int:
    made = {
        "docs/configuration.md": configuration.text(),
        "src/raab/host/command/operating.py": operating.module(ROOT / "docs/operating.md"),
    }
    old = [name for name, text in made.items() if not (ROOT / name).is_file() or (ROOT / name).read_text(encoding="utf-8") != text]
    for name in old:
        if look:
            print(f"{name} is older than what it is made of; `make pages` writes it anew")
        else:
            (ROOT / name).write_text(made[name], encoding="utf-8")
    return 1 if look and old else 0


if __name__ == "__main__":
    sys.exit(main("--look" in sys.argv[1:]))
