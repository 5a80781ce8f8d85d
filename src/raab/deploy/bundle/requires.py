"""Does the lock have what the wheel asks for? Read from the wheels themselves, since a lock is made once and setup.py changes later."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from raab.deploy.bundle.lockfile import canonical

if TYPE_CHECKING:
    from packaging.requirements import Requirement


class About(Struct, frozen=True):
    """What a wheel says of itself (packaging.python.org, core metadata)."""

    name: str
    version: str
    python: str
    requires: tuple[str, ...]


def metadata(wheel: Path) -> bytes:
    """The file that says it."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(next(name for name in archive.namelist() if name.count("/") == 1 and name.endswith(".dist-info/METADATA")))


def read(wheel: Path) -> About:
    # Here and not above: it takes longer than all that a deploy without new dependencies asks of this module.
    from email.parser import HeaderParser

    told = HeaderParser().parsestr(metadata(wheel).decode(errors="replace"))
    return About(canonical(told["Name"]), told["Version"], told["Requires-Python"] or "", tuple(told.get_all("Requires-Dist") or ()))


def unmet(app: About, wheels: Iterable[About], markers: Mapping[str, str]) -> tuple[str, ...]:
    """What the app, and whatever it needs, lacks on a platform, a line each. `markers` are the platform's variables (PEP 508)."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    there = {one.name: one for one in (*wheels, app)}
    told = []
    if not SpecifierSet(app.python).contains(markers["python_full_version"], prereleases=True):
        told.append(f"{app.name} needs Python {app.python}, and the host has {markers['python_full_version']}")
    todo, seen = [(app, "")], {(app.name, "")}
    while todo:
        one, extra = todo.pop()
        for text in one.requires:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({**markers, "extra": extra}):
                continue
            problem = lacking(requirement, there)
            if problem:
                told.append(f"{one.name} needs {requirement.name}{spelt(requirement)}, and {problem}")
                continue
            found = there[canonical(requirement.name)]
            for each in ("", *sorted(requirement.extras)):
                if (found.name, each) not in seen:
                    seen.add((found.name, each))
                    todo.append((found, each))
    return tuple(dict.fromkeys(told))


def lacking(requirement: Requirement, there: Mapping[str, About]) -> str:
    found = there.get(canonical(requirement.name))
    if found is None:
        return "the lock has none"
    # One at an address is what it is.
    fits = requirement.url or requirement.specifier.contains(found.version, prereleases=True)
    return "" if fits else f"the lock has {found.version}"


def spelt(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{extras}{requirement.specifier}"
