"""`raab init`: finds the application and the lock, writes what is missing, changes nothing that is there."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from raab import exitcodes, servicename
from raab.errors import RaabError, of_machine
from raab.init import candidates, probe, texts
from raab.init.candidates import Candidate
from raab.project import description, hiding, lock, tools, wanted
from raab.project.choice import APART, LOCK, below
from raab.project.pyproject import is_package, read_toml

VERBS = "raab.deploy.verbs"
# What of a project that travels as its wheel lies beside the packages, and belongs to its releases.
BESIDE = ("migrations", "alembic", "alembic.ini", "manage.py")


class Look(Struct, frozen=True):
    """What the application said when it was loaded; `problem` why it was not."""

    kind: str = "wsgi"
    writable: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    build: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    migrate: str = ""
    own_database: bool = False
    settings: str = ""
    problem: str = ""


def parser() -> argparse.ArgumentParser:
    line = argparse.ArgumentParser("raab init", description="Have a project deployed by raab: writes fabfile.py and deploy/.")
    line.add_argument("--app", default="", help="its application, such as shop.wsgi:application or shop:create_app()")
    line.add_argument("--name", default="", help="what the service is called on hosts (default: as the project)")
    line.add_argument("--python", default="", help="the Python that has what the project needs (default: of its virtual environment)")
    line.add_argument("folder", nargs="?", default=".", help="the project's root (default: here)")
    return line


def main(words: Sequence[str]) -> int:
    given = parser().parse_args(words)
    try:
        for line in init(Path(given.folder).resolve(), given.app, given.name, given.python):
            print(line)
    except RaabError as error:
        print(f"raab init: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"raab init: {of_machine(error).message}", file=sys.stderr)
        return exitcodes.ERROR
    return exitcodes.DONE


def init(root: Path, app: str, name: str, python: str) -> list[str]:
    """Write what is missing; returns what there is to say. Raises RaabError where nothing can be written."""
    refuse_others(root)
    told: list[str] = []
    files = {"fabfile.py": "", description.FILE: "", "deploy/lab.yaml": texts.LAB, "deploy/production.yaml": texts.PRODUCTION}
    found = Look()
    if not (root / description.FILE).is_file():
        name = name or called(root)
        if why := servicename.wrong(name):
            raise RaabError(f"--name: {why}, got {name!r}", "name it with --name", exitcodes.BAD_INPUT)
        chosen = choose(root, app)
        there = modules(root, chosen.place)
        hiding.refuse(there, (".",), "application")
        interpreter = python or tools.python(root)
        found = loaded(root, chosen, interpreter)
        config = described(root, name, chosen, found)
        files[description.FILE] = config.text
        told.append(f"application  {config.app}  ({found.kind}, {'loads here' if not found.problem else 'does not load here'})")
        hidden = ", ".join(hiding.hidden(there, (".",)))
        told += [f"problem      {hidden}: called like a module of Python's own, which may be loaded before it on a host"] if hidden else []
        told.append(f"code         {'as its wheel' if is_package(root) else 'as its files'}")
        told += [f"writable     {', '.join(config.writable)}  (in /var/lib/{name} on a host)"] if config.writable else []
        told += [f"problem      {found.problem}", f"             loaded by {interpreter}; --python names another"] if found.problem else []
        if found.migrate:
            when = "on each host, for its SQLite file" if found.own_database else "once for all hosts, in the database server"
            told.append(f"migrations   {found.migrate}  ({when})")
        for environment, text in (("deploy/lab.yaml", texts.LAB), ("deploy/production.yaml", texts.PRODUCTION)):
            files[environment] = texts.environment(text, found.migrate if found.own_database else "")
    files["fabfile.py"] = texts.FABFILE.format(name=name or description.read(root).name)
    written = [file for file, text in files.items() if write(root / file, text)] + ignore(root)
    told += locked(root, written)
    told += [f"written      {', '.join(written)}"] if written else ["nothing to write: all of it is there"]
    told += [f"consider     {line}" for line in found.lacks]
    told += [f"             on a host it has its variables by /etc/{name}/environment, NAME=value a line"] if found.lacks else []
    return told + what_next()


def refuse_others(root: Path) -> None:
    """Raises RaabError for what somebody else has in the place of raab's files."""
    fabfile = root / "fabfile.py"
    if fabfile.is_file() and VERBS not in fabfile.read_text(encoding="utf-8", errors="replace"):
        hint = f"add to it: `from {VERBS} import verbs`, and `namespace = verbs(__file__)` or namespace.add_collection"
        raise RaabError(f"fabfile.py: there is one that has none of raab's verbs, got {fabfile}", hint, exitcodes.BAD_INPUT)
    folder = root / description.FOLDER
    if folder.exists() and not (root / description.FILE).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        hint = f"move it, or write {description.FILE} with the lines `name: ...` and `app: module:name` in it, then try again"
        raise RaabError(f"deploy/: there is one that is not raab's, got {folder}", hint, exitcodes.BAD_INPUT)


def modules(root: Path, place: str) -> set[str]:
    """The files that modules are found by where the application is, and beside it where its code travels as files."""
    homes = {root / place} if is_package(root) else {root / place, root}
    found = {path.relative_to(home).as_posix() for home in homes for path in (*home.glob("*.py"), *home.glob("*/__init__.py"))}
    return {name for name in found if not below(name, APART)}


def called(root: Path) -> str:
    """As the project calls itself, else as its folder, in a service's letters."""
    about = read_toml(root / "pyproject.toml")
    own = about.get("project", {}).get("name") or about.get("tool", {}).get("poetry", {}).get("name") or root.name
    return re.sub(r"[^a-z0-9]+", "-", str(own).lower()).strip("-")[: servicename.LONGEST].strip("-")


def choose(root: Path, app: str) -> Candidate:
    if app:
        return Candidate((), app, next((place for place in ("src", ".") if lies(root / place, app.partition(":")[0])), "."))
    found = candidates.find(root)
    if not found:
        hint = "name it: raab init --app module:name, such as shop.wsgi:application or shop:create_app()"
        raise RaabError(f"application: none was found in {root}", hint, exitcodes.BAD_INPUT)
    best = [one for one in found if one.rank == found[0].rank]
    if len(best) == 1:
        return best[0]
    if not sys.stdin.isatty():
        names = ", ".join(one.target for one in best)
        raise RaabError(f"application: there are several, got {names}", f"name one: raab init --app {best[0].target}", exitcodes.BAD_INPUT)
    for number, one in enumerate(best, 1):
        print(f"{number}  {one.target}")
    said = input(f"which application is to be served? [1-{len(best)}] ").strip() or "1"
    if not said.isdecimal() or not 1 <= int(said) <= len(best):
        raise RaabError(f"application: none of these, got {said!r}", "a number, or --app module:name", exitcodes.BAD_INPUT)
    return best[int(said) - 1]


def lies(home: Path, module: str) -> bool:
    path = home / module.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def loaded(root: Path, chosen: Candidate, python: str) -> Look:
    """Loads the application in a process apart. Raises RaabError for one that raab does not serve."""
    try:
        command = (shutil.which(python) or python, probe.__file__, chosen.target, chosen.place)
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return Look(problem="it did not load within 120 s")
    except (OSError, ValueError, IndexError) as error:
        return Look(problem=f"it ended without a word: {error}")
    if told.get("kind") == "asgi":
        hint = "raab serves WSGI; name the project's WSGI application with --app, if it has one"
        raise RaabError(f"application: an ASGI application, got {chosen.target}", hint, exitcodes.BAD_INPUT)
    lists = {key: tuple(value) for key, value in told.items() if isinstance(value, list)}
    return Look(**{**told, **lists})


def described(root: Path, name: str, chosen: Candidate, found: Look) -> texts.Config:
    migrate = "" if found.own_database else found.migrate
    if not is_package(root):
        path = () if chosen.place == "." else (chosen.place, ".")
        return texts.Config(name, chosen.target, path, found.include, found.writable, found.build, migrate)
    # Of a wheel the folder `src` is no part.
    writable = tuple(one.removeprefix(f"{chosen.place}/") for one in found.writable)
    beside = tuple(one for one in BESIDE if (root / one).exists() and chosen.target.partition(":")[0] != one)
    return texts.Config(name, chosen.target, (), (*beside, *found.include), writable, found.build, migrate)


def write(path: Path, text: str) -> bool:
    """Whether it was missing."""
    if path.exists():
        return False
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def ignore(root: Path) -> list[str]:
    """Have git not see what raab builds."""
    file, words = root / ".gitignore", ("git", "check-ignore", "--quiet", "build/raab/x")
    try:
        known = subprocess.run(words, cwd=root, capture_output=True, check=False).returncode
    except OSError:
        return []
    if known != 1:
        return []
    before = file.read_text(encoding="utf-8") if file.is_file() else ""
    file.write_text(before + ("\n" if before and not before.endswith("\n") else "") + texts.IGNORED, encoding="utf-8")
    return [".gitignore"]


def locked(root: Path, written: list[str]) -> list[str]:
    """The lock, made where there is none; why there is none where it cannot be."""
    named = description.read(root).lock
    if named or (root / LOCK).is_file():
        return []
    try:
        lock.make(root)
    except RaabError as error:
        return [f"lock         none yet: {error.message}", f"             {error.hint}; then `fab lock`"]
    written.append(LOCK)
    return [f"lock         of {wanted.find(root).file} and of what raab needs on a host"]


def what_next() -> list[str]:
    from raab.lab import needs

    reason = needs.missing(sys.platform, os.geteuid(), shutil.which)
    if reason is None:
        return ["next         fab deploy"]
    return [
        f"next         no lab on this machine: {reason.message}",
        "             name your servers in deploy/production.yaml, then fab deploy --env production",
    ]
