"""The wheels that a host's Python and libc need, fetched once to this machine and checked against the lock's hashes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from raab.deploy import exitcodes
from raab.deploy.bundle import Part
from raab.errors import RaabError

# pip takes each platform tag literally, so a newer libc has to name every older one that it can run (FACTS 37).
OLDEST_GLIBC = 5
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class Platform(Struct, frozen=True):
    """What decides which wheel fits: the host's Python, e.g. 3.11.2, its libc, e.g. `glibc 2.36`, its machine, e.g. x86_64."""

    python: str
    implementation: str
    libc: str
    machine: str

    @property
    def tags(self) -> tuple[str, ...]:
        """All platform tags of wheels that run there, newest first."""
        match = re.fullmatch(r"glibc 2\.([0-9]+)", self.libc)
        if not match:
            raise RaabError(
                f"wheels: no wheels are known for this libc, got {self.libc or 'none'}", "raab runs on glibc", exitcodes.REFUSED
            )
        tags = []
        for minor in range(int(match[1]), OLDEST_GLIBC - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in LEGACY:
                tags.append(f"{LEGACY[minor]}_{self.machine}")
        return (*tags, f"linux_{self.machine}")

    @property
    def markers(self) -> dict[str, str]:
        """The variables of PEP 508 as they are on that host."""
        return {
            "implementation_name": self.implementation.lower(),
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": self.implementation,
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": ".".join(self.python.split(".")[:2]),
            "sys_platform": "linux",
            "extra": "",
        }


def fetch(root: Path, lock: Path, platform: Platform, only: str = "") -> tuple[Part, ...]:
    """The wheels of a lock file for one platform, downloaded where they are not here yet; `only` takes one project of the lock.

    Raises RaabError naming the project that has no wheel for it.
    """
    key = hashlib.sha256("\0".join([lock.read_text(), only, *asdict(platform).values()]).encode()).hexdigest()[:16]
    home = root / "build" / "raab" / "wheels" / key
    if not (home / "index.json").exists():
        download(requirements(lock, platform, only), platform, home)
    index = json.loads((home / "index.json").read_bytes())
    return tuple(Part(part["name"], part["sha256"], part["size"], home / part["name"]) for part in index)


def requirements(lock: Path, platform: Platform, only: str = "") -> tuple[str, ...]:
    """The lock's requirements that apply there, without their markers: pip would evaluate those for the machine it runs on."""
    # Imported here, for most deploys find everything fetched already.
    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    text = "\n".join(line.split(" #")[0] for line in lock.read_text().splitlines() if not line.lstrip().startswith("#"))
    for line in text.replace("\\\n", " ").splitlines():
        words, *hashes = line.split("--hash=")
        if not words.strip() or words.strip().startswith("-"):
            continue
        try:
            requirement = Requirement(words.strip())
        except InvalidRequirement as error:
            raise RaabError(
                f"{lock.name}: not a requirement, got {words.strip()[:80]}", "make the lock anew", exitcodes.BAD_INPUT
            ) from error
        if only and requirement.name != only:
            continue
        if requirement.marker is None or requirement.marker.evaluate(platform.markers):
            options = " ".join(f"--hash={value.strip()}" for value in hashes)
            found.append(f"{requirement.name}{requirement.specifier} {options}")
    if only and not found:
        raise RaabError(f"{lock.name}: {only} is not in it", "make the lock anew", exitcodes.BAD_INPUT)
    return tuple(found)


def download(wanted: tuple[str, ...], platform: Platform, home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="making-") as temporary:
        listing = Path(temporary) / "requirements.txt"
        listing.write_text("\n".join(wanted) + "\n")
        made = Path(temporary) / "made"
        options = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes", "--only-binary=:all:")
        version = ".".join(platform.python.split(".")[:2])
        target = ("--implementation=cp", f"--python-version={version}", *(f"--platform={tag}" for tag in platform.tags))
        command = (sys.executable, "-m", "pip", "download", *options, *target, f"--requirement={listing}", f"--dest={made}")
        # Not in the project's root, whose gunicorn.py and wsgi.py would be importable there.
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=temporary)
        if done.returncode:
            raise missing(done.stderr, platform)
        parts = [Part.of(path) for path in sorted(made.glob("*.whl"))]
        index = [{"name": part.name, "sha256": part.sha256, "size": part.size} for part in parts]
        (made / "index.json").write_text(json.dumps(index))
        shutil.rmtree(home, ignore_errors=True)
        made.rename(home)


def missing(stderr: str, platform: Platform) -> RaabError:
    where = f"Python {platform.python} on {platform.machine} with {platform.libc}"
    match = re.search(r"No matching distribution found for (\S+)|satisfies the requirement (\S+)", stderr)
    if match:
        name = match[1] or match[2]
        only = f"--only-binary {name.partition('==')[0]}"
        hint = f"make requirements.lock anew with a version that has one: {only} in setup.py's command finds it"
        return RaabError(f"wheels: no wheel of {name} fits {where}", hint, exitcodes.REFUSED)
    last = "\n".join(stderr.strip().splitlines()[-6:])
    return RaabError(f"wheels: they could not be fetched for {where}, got:\n{last}", "see to the package index", exitcodes.REFUSED)
