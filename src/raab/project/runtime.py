"""raab's own code for hosts, packed from the installed raab: the same bytes for the same version, from a wheel, a checkout or anywhere."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import raab
from raab.deploy.bundle.lockfile import canonical
from raab.project import archive

SOURCE = Path(raab.__file__).parent.parent
PACKAGES = ("handover", "http1", "raab")
# What runs on the deployer's machine (setup.py leaves the same out), and what a release has in another place.
DEPLOYERS = ("raab/deploy", "raab/lab", "raab/drill", "raab/project", "raab/init", "raab/served/systemd")
# What a release is served by unless the project names its own.
GUNICORN = SOURCE / "raab/served/gunicorn.py"
UNITS = SOURCE / "raab/served/systemd"


def version() -> str:
    return metadata.version("raab")


def needs() -> tuple[str, ...]:
    """What it requires on a host, as its metadata says (PEP 508)."""
    return tuple(sorted(line for line in metadata.requires("raab") or () if "extra ==" not in line))


@cache
def modules() -> frozenset[str]:
    """The names that it and what it needs are imported by on a host."""
    from packaging.requirements import Requirement

    wanted, found = list(needs()), set[str]()
    while wanted:
        one = Requirement(wanted.pop())
        name = canonical(one.name)
        if name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found.add(name)
            wanted += metadata.requires(name) or ()
    brought = (module for module, names in metadata.packages_distributions().items() if found.intersection(map(canonical, names)))
    return frozenset((*PACKAGES, *brought))


def file_name() -> str:
    return f"raab-{version()}-py3-none-any.whl"


@cache
def digest() -> str:
    """SHA-256 of all of it, by names and contents."""
    found = hashlib.sha256()
    for name, (content, _) in sorted(files().items()):
        found.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return found.hexdigest()


@cache
def whole_digest() -> str:
    """With what a release gets of it beside that."""
    found = hashlib.sha256(digest().encode())
    for name, path in (("gunicorn.py", GUNICORN), *sorted(units().items())):
        found.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


@cache
def files() -> dict[str, tuple[bytes, bool]]:
    """What a host gets, by the names that a wheel has them by."""
    found: dict[str, tuple[bytes, bool]] = {}
    for package in PACKAGES:
        for path in sorted((SOURCE / package).rglob("*")):
            name = path.relative_to(SOURCE).as_posix()
            if path.is_file() and "__pycache__" not in path.parts and not name.startswith(tuple(f"{one}/" for one in DEPLOYERS)):
                found[name] = (path.read_bytes(), False)
    about = f"raab-{version()}.dist-info"
    requires = "".join(f"Requires-Dist: {line}\n" for line in needs())
    texts = {
        "METADATA": f"Metadata-Version: 2.1\nName: raab\nVersion: {version()}\nRequires-Python: >=3.10\n{requires}",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: raab\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "[console_scripts]\nraab = raab.asked.command:main\n",
    }
    return {**found, **{f"{about}/{name}": (text.encode(), False) for name, text in texts.items()}}


def pack(folder: Path) -> Path:
    """Write the wheel into a folder."""
    target = folder / file_name()
    archive.write(target, files(), f"raab-{version()}.dist-info/RECORD")
    return target


def units() -> dict[str, Path]:
    """The unit files, by the names that a release has them by."""
    found = (path for path in sorted(UNITS.rglob("*")) if path.is_file())
    return {f"systemd/{path.relative_to(UNITS).as_posix()}": path for path in found}
