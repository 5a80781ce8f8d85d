"""The one file that a deploy sends: made from the working tree, named by its content, built once."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import uv
from msgspec import Struct
from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.bundle import lockfile, packing, pieces, requires, static, surroundings
from raab.deploy.bundle.files import part as part_of
from raab.deploy.bundle.files import texts, whole
from raab.deploy.bundle.parts import LOCK, Bundle, Part
from raab.deploy.bundle.requires import About
from raab.deploy.bundle.tree import Input, Tree, content_hash, look, served_by
from raab.deploy.bundle.wheels import TOOLS_LOCK
from raab.errors import RaabError
from raab.host.paths import UNIT_FILE
from raab.host.releases import shipped
from raab.project import choice, description, hiding, lock, migrations, runtime, tools
from raab.project.choice import below
from raab.project.pyproject import equipped
from raab.project.variables import variables
from raab.protocol.edge import Edge
from raab.protocol.reading import plainly
from raab.settings.given import Given

# The project's code lies in a folder of its own, since that comes to be on sys.path: beside gunicorn.py, every `import gunicorn` of the
# application would find the wrong one.
CODE = "app"
# What edges elsewhere are sent of a bundle.
STATIC = "static.zip"
# Of how a bundle is made: one of another number is made anew.
FORMAT = 12
# So many files are named where there may be thousands.
NAMED = 5
# The first moment that a zip file can name (1980-01-01).
EARLIEST = 315532800

# What Python says at the end of a traceback, wherever that is quoted; and of a file that is not there.
RAISED = re.compile(r"^\s*((?:\w+\.)*\w*(?:Error|Exception): .+)$", re.MULTILINE)
MISSED = re.compile(r"^\s*FileNotFoundError: .*: '([^'\n]+)'$", re.MULTILINE)

# What runs on the deployer's machine is left out of the wheel for servers (setup.py).
DEPLOYERS = ("src/raab/deploy", "src/raab/lab", "src/raab/drill", "src/raab/project", "src/raab/init", "src/raab/served/systemd")


NOTHING = Given()


class Own(Struct, frozen=True):
    """What a service has of its own beside the tree: its name, what it is given, and what of that is the environment's, in words; and what
    the edge of its hosts is told, if they have one."""

    service: str
    given: Given
    document: str
    edge: Edge | None = None

    @property
    def added(self) -> str:
        """All that the environment adds to the content."""
        return self.document + (json.dumps(plainly(self.edge)) if self.edge else "")


def build(root: Path, service: str = "", added: Given = NOTHING, environment: str = "", edge: Edge | None = None) -> Bundle:
    """The bundle of the tree at `root` for a service of that name, its own where none is given, with what an environment has added to its
    variables and secrets, and what it tells the edge; the same content of the same commit, built before, is only read.

    Raises RaabError when it does not build, or when there are files that it cannot carry.
    """
    tools.run(root, description.read(root).build)
    tree = look(root)
    service = service or tree.project.name
    edge = static.placed(edge, tree) if edge else None
    own = Own(service, added.over(tree.project.given), surroundings.document(tree.project.given, added, environment), edge)
    content = surroundings.content(tree.content, own.added)
    name = f"{FORMAT}-{content[:16]}-{tree.commit[:16] or 'none'}-{service}" + ("-dirty" if tree.dirty else "")
    home = root / "build" / "raab" / "bundles" / name
    try:
        made = read(home)
        if made is None:
            fresh(root, tree)
            make(tree, own, home)
            made = read(home)
    except OSError as error:
        problem = f"bundle: it cannot be written below {root / 'build'}, got: {error.strerror or error}"
        raise RaabError(problem, "raab needs that folder for itself", exitcodes.BAD_INPUT) from error
    assert made is not None
    return replace(made, ignored=tree.ignored, lock_file=tree.project.lock or choice.LOCK, migrate=tree.project.migrate)


def fresh(root: Path, tree: Tree) -> None:
    """Raises RaabError for a lock that cannot be honoured, from where it lies, or was made before the project, or raab, came to want
    something else."""
    for name in (name for name, place in tree.choice.others.items() if place == LOCK):
        lockfile.read(root / name)
    if not tree.project.lock and (why := lock.stale(root)):
        raise RaabError(f"{choice.LOCK}: not what is wanted by now, got {why}", "`fab lock` makes it anew", exitcodes.BAD_INPUT)


def make(tree: Tree, own: Own, home: Path) -> None:
    """Build into a directory beside `home` and rename it, so that a half-made bundle is never read."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="making-") as temporary:
        made = Path(temporary) / "made"
        parts_home = made / "parts"
        parts_home.mkdir(parents=True)
        copied = replace(tree, files=copies(tree, Path(temporary) / "tree"))
        parts, about = put(copied, own, Path(temporary), parts_home)
        if own.edge:
            static.carried(own.edge, parts)
        if own.edge and own.edge.edges and own.edge.statics:
            static.put(own.edge, copied, made / STATIC)
        text = manifest_text(tree, own, about, parts, part_of(made / STATIC).sha256 if (made / STATIC).exists() else "")
        write_tar(made / f"{json.loads(text)['id']}.tar", text, parts)
        # Last, for a bundle with a manifest is a finished one.
        (made / "manifest.json").write_text(text)
        if home.exists():
            shutil.rmtree(home)
        made.rename(home)


def put(tree: Tree, own: Own, temporary: Path, home: Path) -> tuple[list[Part], About]:
    """All parts of a release, in the folder `home`, and what the project is called. `temporary` has its files in `tree`."""
    about = About(tree.project.name, "0", "", ())
    modules: set[str] = set()
    if tree.kind == "wheel":
        wheel = wheel_of(tree, temporary)
        about = requires.read(wheel)
        with zipfile.ZipFile(wheel) as archive:
            modules.update(archive.namelist())
        if tree.project.app and not tree.brings_raab:
            has_module(wheel, tree.project.app.partition(":")[0])
        data = pieces.apart(wheel)
        put_file(wheel, home, wheel.name if tree.brings_raab else f"{CODE}/{wheel.name}")
        pieces.write(home if tree.brings_raab else home / CODE, "data", data)
    if not tree.brings_raab:
        runtime.pack(home)
    chosen = tree.choice
    files = {one.name: one for one in tree.files if chosen.is_beside(one.name) or (tree.kind == "files" and chosen.is_code(one.name))}
    if not tree.brings_raab:
        hiding.refuse({*modules, *files}, tree.project.python_path, "bundle")
    if files:
        pieces.write(home / CODE, "files", {name: (one.path.read_bytes(), one.executable) for name, one in files.items()})
    for one in tree.files:
        if (name := chosen.others.get(one.name)) == LOCK:
            write_lock(one.path, home / LOCK)
        elif name:
            put_file(one.path, home, name)
        elif below(one.name, chosen.units):
            put_file(one.path, home, f"systemd/{one.name.removeprefix(f'{chosen.units[0]}/')}")
    if not tree.project.gunicorn:
        put_file(runtime.GUNICORN, home, "gunicorn.py")
    if not tree.project.units:
        for name, path in runtime.units().items():
            put_file(path, home, name)
    given(own, home)
    found = sorted(path for path in home.rglob("*") if path.is_file())
    return [part_of(path, path.relative_to(home).as_posix()) for path in found], about


def given(own: Own, home: Path) -> None:
    """The variables, in the unit, and what people are told of the environment's."""
    unit = home / "systemd" / UNIT_FILE
    if lines := surroundings.unit_lines(own.given, own.edge):
        unit.write_text(unit.read_text(encoding="utf-8") + lines, encoding="utf-8")
    if own.document:
        (home / surroundings.FILE).write_text(own.document, encoding="utf-8")


def has_module(wheel: Path, module: str) -> None:
    """Raises RaabError for a wheel without what the project's application is imported from."""
    stem = module.replace(".", "/")
    with zipfile.ZipFile(wheel) as archive:
        if not any(name.startswith((f"{stem}.", f"{stem}/")) for name in archive.namelist()):
            problem = f"bundle: the project's wheel has no module {module}, got {wheel.name}"
            hint = "name its package where the wheel is made, or have the code travel as it is: `code: files` in deploy/config.yaml"
            raise RaabError(problem, hint, exitcodes.BAD_INPUT)


def put_file(path: Path, home: Path, name: str) -> None:
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, home / name)


def wheel_of(tree: Tree, temporary: Path) -> Path:
    """The project's wheel, with all that the checkout has of its packages."""
    manifest_in = temporary / "tree" / "MANIFEST.in"
    if tree.brings_raab:
        leave_out(tree.files, manifest_in)
    wheel = build_wheel(temporary / "tree", tree)
    packing.complete(wheel, tree.files, manifest_in.read_text() if manifest_in.exists() else "")
    return wheel


def leave_out(files: tuple[Input, ...], manifest_in: Path) -> None:
    """No server gets the deployer's own code: setup.py knows its packages, MANIFEST.in what lies in them."""
    excluded = [f"prune {folder}" for folder in DEPLOYERS if any(one.name.startswith(f"{folder}/") for one in files)]
    if excluded:
        text = manifest_in.read_text() if manifest_in.exists() else ""
        manifest_in.write_text("\n".join([text, *excluded, ""]))


def write_lock(lock: Path, target: Path) -> None:
    """The lock as hosts get it."""
    target.write_text(lockfile.for_hosts(lockfile.text_of(lock)), newline="")


def copies(tree: Tree, target: Path) -> tuple[Input, ...]:
    """Copy the inputs alone: what else lies in the checkout, such as an old build/lib, must not get in. Raises RaabError when the tree is
    edited meanwhile."""
    made = []
    for one in tree.files:
        path = target / one.name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(one.path, path)
        path.chmod(0o755 if one.executable else 0o644)
        made.append(Input(one.name, path, one.executable))
    if content_hash(tuple(made), served_by(tree)) != tree.content:
        raise RaabError("bundle: the tree was changed while it was read", "save all files, then deploy again", exitcodes.BAD_INPUT)
    return tuple(made)


def build_wheel(folder: Path, tree: Tree) -> Path:
    """The wheel of a copy of the tree's files, all dated as its commit.

    By the tools that the project pins, on every machine the same; where it pins none by those of this environment, if it has what the
    project is built with. Else uv fetches them. What it fetches comes into an environment of their own.
    """
    target = folder.parent / "dist"
    environment = {"SOURCE_DATE_EPOCH": str(max(tree.time, EARLIEST)), "RAAB_WHEEL": "servers"}
    pinned = (f"--build-constraints={folder / TOOLS_LOCK}", "--require-hashes") if (folder / TOOLS_LOCK).is_file() else ()
    if not pinned and equipped(folder):
        command: tuple[str, ...] = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(folder))
        environment |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder.parent)}
    else:
        command = (uv.find_uv_bin(), "build", "--wheel", "--no-python-downloads", *pinned, "--out-dir", str(target), str(folder))
        environment = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, cwd="/")
    if done.returncode:
        raise unbuilt(done.stderr or done.stdout, folder, tree)
    return next(target.glob("*.whl"))


def unbuilt(said: str, folder: Path, tree: Tree) -> RaabError:
    """Why, by the words of whoever built in that folder; a file that it missed by the project's."""
    if missed := MISSED.search(said):
        path = Path(os.path.relpath(folder / missed[1], folder))
        problem = f"build: the wheel is made of a file that the release does not have, got {path}"
        if ".." in path.parts:
            return RaabError(problem, "bring it into the project: what lies outside is in no commit", exitcodes.BAD_INPUT)
        hint = f"name it in {description.FILE}, `sources`" if tree.choice.code else "it is not there, or git ignores it"
        return RaabError(problem, hint, exitcodes.BAD_INPUT)
    raised = RAISED.findall(said)
    reason = raised[-1] if raised else said.strip()[-2000:]
    return RaabError(f"build: the wheel does not build, got: {reason}", "`python -m build --wheel` shows where")


def manifest_text(tree: Tree, own: Own, about: About, parts: list[Part], files: str = "") -> str:
    """`files` is what edges elsewhere are sent, by its SHA-256."""
    content = surroundings.content(tree.content, own.added)
    time = datetime.fromtimestamp(tree.time, timezone.utc)
    manifest = {
        "id": f"{time:%Y%m%dT%H%M%SZ}-{content[:7]}" + ("-dirty" if tree.dirty else ""),
        "service": own.service,
        "project": about.name,
        "version": about.version,
        "commit": tree.commit,
        "content": content,
        "lock": next(part.sha256 for part in parts if part.name == LOCK),
        "writable": list(tree.choice.writable),
        "folders": list(tree.folders),
        "variables": list(variables(tree.project.app, ((one.name, one.path) for one in tree.files))),
        "processes": [one.told(name) for name, one in tree.project.processes.items()],
        "timers": [one.told(name) for name, one in tree.project.timers.items()],
        "secrets": list(own.given.secrets),
        "python_path": list(tree.project.python_path),
        **({"edge": plainly(own.edge._replace(files=files))} if own.edge else {}),
        "migrations": list(migrations.names(one.name for one in tree.files)) if tree.project.migrate else [],
        "parts": [{"name": part.name, "sha256": part.sha256, "size": part.size} for part in parts],
    }
    return json.dumps(manifest, indent=1) + "\n"


def write_tar(target: Path, manifest: str, parts: list[Part]) -> None:
    """One file with everything, the same bytes for the same content."""
    with tarfile.open(target, "w") as tar:
        for name, content in [("manifest.json", manifest.encode()), *((part.name, part.path.read_bytes()) for part in parts)]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def read(home: Path) -> Bundle | None:
    """A bundle that was made before; None where there is none, or what is there is damaged."""
    try:
        text = (home / "manifest.json").read_text()
        manifest = json.loads(text)
        parts = tuple(Part(part["name"], part["sha256"], part["size"], home / "parts" / part["name"]) for part in manifest["parts"])
        file = home / f"{manifest['id']}.tar"
        sound = file.is_file() and all(whole(part) for part in parts)
        named = (manifest["id"], manifest["version"], manifest["commit"], manifest["content"], manifest["lock"])
        files = (manifest.get("edge") or {}).get("files", "")
        beside = part_of(home / STATIC) if files else None
        sound = sound and (beside is None or beside.sha256 == files)
        bundle = Bundle(
            *named, parts, text, file, project=manifest["project"], service=manifest["service"], secrets=tuple(manifest["secrets"]),
            migrations=tuple(manifest["migrations"]), static=beside,
        )  # fmt: skip
        return replace(bundle, settings=shipped(texts(bundle))) if sound else None
    except (FileNotFoundError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
