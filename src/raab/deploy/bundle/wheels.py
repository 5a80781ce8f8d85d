"""The wheels that a host's Python and libc need, fetched or built once on this machine and checked against the lock's hashes."""

from __future__ import annotations

import hashlib
import platform as host
import shutil
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from raab import exitcodes
from raab.deploy.bundle import lockfile, pip
from raab.deploy.bundle.files import part as part_of
from raab.deploy.bundle.files import whole
from raab.deploy.bundle.lockfile import Lock, Locked
from raab.deploy.bundle.parts import Part
from raab.deploy.bundle.pip import Trouble
from raab.deploy.bundle.platforms import Platform
from raab.errors import RaabError

# The tools that build a dependency from its source, pinned and hashed; a project whose dependencies all have wheels needs none.
TOOLS_LOCK = "requirements-build.lock"
# Of how wheels are kept here: those of another number are fetched anew.
FORMAT = 2


class Built(Struct, frozen=True):
    """A dependency that had no wheel: which one, by which tools it was built, and which of these no lock pinned."""

    wheel: str
    tools: tuple[str, ...] = ()
    unlocked: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        name, version = self.wheel.split("-")[:2]
        tools = f", by {', '.join(self.tools)}" if self.tools else ""
        unlocked = f"; {TOOLS_LOCK} does not pin {', '.join(self.unlocked)}" if self.unlocked else ""
        return f"built here from its source: {name} {version}{tools}{unlocked}"


class Fetched(Struct, frozen=True):
    """The wheels of a lock for one platform, `parts`, and those among them that were built here."""

    parts: tuple[Part, ...]
    built: tuple[Built, ...] = ()


class Index(Struct, frozen=True):
    """What a folder of wheels says of itself: name, SHA-256 and size of each."""

    wheels: tuple[tuple[str, str, int], ...]
    built: tuple[Built, ...] = ()


def fetch(root: Path, lock: Path, platform: Platform, only: str = "") -> Fetched:
    """The wheels of a lock file for one platform, fetched or built where they are not here yet; `only` takes one project of the lock.

    Raises RaabError naming the project that cannot be had.
    """
    tools = root / TOOLS_LOCK
    pinned = tools.read_bytes().hex() if tools.is_file() else ""
    texts = (str(FORMAT), lock.read_bytes().hex(), only, pinned, *asdict(platform).values())
    home = root / "build" / "raab" / "wheels" / hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    allowed = lock.read_text(encoding="utf-8", errors="replace")
    index = read_index(home, allowed)
    if index is None:
        make(root, lockfile.read(lock), platform, only, home)
        index = read_index(home, allowed)
    assert index is not None
    return Fetched(tuple(Part(name, sha256, size, home / name) for name, sha256, size in index.wheels), index.built)


def read_index(home: Path, allowed: str | None = None) -> Index | None:
    """What was fetched before; None where that is nothing, or has been damaged since, or is not of the hashes that a lock allows."""
    try:
        index = msgspec.json.decode((home / "index.json").read_bytes(), type=Index)
        parts = [Part(name, sha256, size, home / name) for name, sha256, size in index.wheels]
        # What was built here, out of a locked source, has hashes of its own.
        strange = sum(part.sha256 not in allowed for part in parts) if allowed is not None else 0
        return index if strange <= len(index.built) and all(whole(part) for part in parts) else None
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def choose(lock: Lock, platform: Platform, only: str = "") -> tuple[Locked, ...]:
    """What of a lock applies on a platform. Raises RaabError where `only` is not in it."""
    found = tuple(one for one in lock.locked if (not only or one.name == only) and one.applies(platform.markers))
    if only and not found:
        raise RaabError(f"{lock.file}: {only} is not in it", "make the lock anew", exitcodes.BAD_INPUT)
    return found


def make(root: Path, lock: Lock, platform: Platform, only: str, home: Path) -> None:
    home.parent.mkdir(parents=True, exist_ok=True)
    wanted = choose(lock, platform, only)
    # What an address leads to says itself whether it is a wheel; pip would run the source of one that is none.
    sources = [one for one in wanted if one.url and not one.url.endswith(".whl")]
    wheels = [one for one in wanted if one not in sources]
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="making-") as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        while wheels and (trouble := pip.download(tuple(wheels), lock.options, platform.target, made)):
            lacking = next((one for one in wheels if one.name == trouble.name), None)
            if trouble.kind != "source" or lacking is None or lock.wheels_only & {":all:", lacking.name}:
                raise explained(trouble, wanted, platform)
            sources.append(lacking)
            wheels.remove(lacking)
        built = tuple(from_source(root, lock, one, platform, made) for one in sources)
        found = [part_of(path) for path in sorted(made.glob("*.whl"))]
        index = Index(tuple((part.name, part.sha256, part.size) for part in found), built)
        (made / "index.json").write_bytes(msgspec.json.encode(index))
        shutil.rmtree(home, ignore_errors=True)
        made.rename(home)


def from_source(root: Path, lock: Lock, wanted: Locked, platform: Platform, target: Path) -> Built:
    """Put a dependency's wheel into `target`, built from its source, once for this machine's Python.

    Raises RaabError where it does not build, or does not fit the platform.
    """
    tools = root / TOOLS_LOCK if (root / TOOLS_LOCK).is_file() else None
    texts = (wanted.line, tools.read_text() if tools else "", *asdict(here()).values())
    home = root / "build" / "raab" / "wheels" / f"built-{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:16]}"
    index = read_index(home)
    if index is None:
        with tempfile.TemporaryDirectory(dir=home.parent, prefix="making-") as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            used, trouble = pip.build(wanted, lock.options, tools, made)
            if trouble:
                raise explained(trouble, (wanted,), platform)
            part = part_of(next(made.glob("*.whl")))
            pins = {(one.name, one.version) for one in lockfile.read(tools).locked} if tools else set()
            named = [tool.rpartition("-")[::2] for tool in used]
            free = tuple(f"{name} {version}" for name, version in named if (lockfile.canonical(name), version) not in pins)
            built = Built(part.name, tuple(f"{name} {version}" for name, version in named), free)
            (made / "index.json").write_bytes(msgspec.json.encode(Index(((part.name, part.sha256, part.size),), (built,))))
            shutil.rmtree(home, ignore_errors=True)
            made.rename(home)
        index = read_index(home)
    assert index is not None
    (built,) = index.built
    if not platform.runs(built.wheel, here()):
        problem = f"wheels: no wheel of {wanted.name} {wanted.version} fits {platform.text}, and what was built here is {built.wheel}"
        raise RaabError(problem, "deploy from a machine of the hosts' kind, or lock a version that has a wheel", exitcodes.REFUSED)
    shutil.copyfile(home / built.wheel, target / built.wheel)
    return built


def here() -> Platform:
    """This machine's own."""
    libc = " ".join(host.libc_ver()).strip()
    return Platform(host.python_version(), host.python_implementation(), libc, host.machine())


def explained(trouble: Trouble, wanted: tuple[Locked, ...], platform: Platform) -> RaabError:
    """One sentence for each way in which a dependency cannot be had."""
    version = next((one.version for one in wanted if one.name == trouble.name), "")
    what = f"{trouble.name} {version}".strip()
    if trouble.kind == "index":
        hint = "try again when it answers; nothing was changed"
        return RaabError(f"wheels: the index is not reachable, asked for {what}, got {trouble.detail}", hint, exitcodes.REFUSED)
    if trouble.kind == "version":
        hint = "make the lock anew, or name the index that has it with --index-url at its top"
        return RaabError(f"wheels: the index has no such version, got {what}", hint, exitcodes.REFUSED)
    if trouble.kind in ("fit", "source"):
        why = ", and its source is not to be used by the lock's --only-binary" if trouble.kind == "source" else ", and it has no source"
        hint = f"make the lock anew with a version that has one: --only-binary {trouble.name} finds it"
        return RaabError(f"wheels: no wheel of {what} fits {platform.text}{why}", hint, exitcodes.REFUSED)
    return RaabError(
        f"wheels: they could not be had for {platform.text}, got:\n{trouble.detail}", "pip's own words are above", exitcodes.REFUSED
    )
