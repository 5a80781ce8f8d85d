"""Which lab of this machine has which number, wherever it lives: one register for all, so that none takes another's subnet.

A lab that is made anew has the number that it had, for as long as no other needs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from raab.errors import RaabError
from raab.lab import network
from raab.lab.process import only_one
from raab.lab.state import STORE, Lab, read_ground, write_whole

# Not in a lab's own store: labs in different ones share the machine's interfaces.
REGISTER = Path(STORE) / "numbers.json"
MOST = 254


def claim(lab: Lab, register: Path = REGISTER) -> int:
    """The lab's number, written down before anybody else can choose. Raises RaabError when all 254 are in use."""
    with only_one(register.with_suffix(".lock")):
        grounds = {str(home): read_ground(Lab(home.name, lab.store)) for home in lab.store.glob("labs/*")}
        known = read(register) | {home: ground.number for home, ground in grounds.items() if ground}
        number = choose(str(lab.home), known, lambda home: (Path(home) / "lab.json").exists(), network.unused())
        kept = {home: other for home, other in known.items() if other != number}
        write_whole(register, json.dumps({**kept, str(lab.home): number}, indent=1) + "\n")
        return number


def choose(home: str, known: Mapping[str, int], exists: Callable[[str], bool], unused: Callable[[int], bool]) -> int:
    """The number that the lab had, else one that no lab has had, else that of a lab that is there no more; the first that is `unused`.

    `known` are the numbers of labs by their homes. Raises RaabError when none is left.
    """
    others = {number: other for other, number in known.items() if other != home}
    had = [number for number in (known.get(home),) if number and (number not in others or not exists(others[number]))]
    never_had = [number for number in range(1, MOST + 1) if number not in others]
    left = [number for number, other in others.items() if not exists(other)]
    for number in [*had, *never_had, *left]:
        if unused(number):
            return number
    raise RaabError("lab: no subnet is left between 10.91.1.0/24 and 10.91.254.0/24", "`fab lab.down` labs that nobody uses")


def read(register: Path) -> dict[str, int]:
    """What is written there. One that cannot be read is begun anew: interfaces still tell who is up."""
    try:
        told = json.loads(register.read_text())
        return {str(home): number for home, number in told.items() if isinstance(number, int) and 1 <= number <= MOST}
    except (OSError, ValueError, AttributeError):
        return {}
