"""Make a release directory out of cached parts; nothing else on the host is touched. Standard library only."""

from __future__ import annotations

import compileall
import json
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raab.errors import RaabError
from raab.host.durable import write_durably
from raab.host.paths import Paths, template_name
from raab.host.session import unpack
from raab.host.session.receive import cached

Step = Callable[[str], Any]


def install(paths: Paths, manifest_text: str, uv_wheel: str, step: Step) -> None:
    """Build /opt/raab/releases/<id>, or leave it alone when it is complete.

    `manifest_text` becomes the manifest byte by byte, so that a signature over it stays valid; it names the dependencies'
    wheels by their SHA-256. `uv_wheel` is that of the one that carries uv. `step` names a step to the person who waits.
    """
    manifest = json.loads(manifest_text)
    release = paths.release(manifest["id"])
    if paths.manifest(manifest["id"]).exists():
        return
    if release.exists():
        step("removing what an interrupted deploy left")
        shutil.rmtree(release)
    parts = {part["name"]: require(paths, part["sha256"], part["name"]) for part in manifest["parts"]}
    uv = unpack_uv(paths, uv_wheel)
    wheels = tuple(part["sha256"] for part in manifest["wheels"])
    template = ensure_template(paths, manifest["lock"], wheels, uv, step)
    step("unpacking the release")
    release.mkdir(parents=True)
    link_tree(template, release / "venv")
    for name, path in parts.items():
        if not name.endswith(".whl"):
            target = release / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    with lowered_errors("the app"):
        install_app(paths, uv, release / "venv", next(path for name, path in parts.items() if name.endswith(".whl")))
    # The manifest makes the release complete, so everything else must be on disk before it is.
    sync(release)
    write_durably(paths.manifest(manifest["id"]), manifest_text.encode())


def require(paths: Paths, sha256: str, name: str) -> Path:
    path = cached(paths, sha256)
    if path is None:
        raise RaabError(f"stage: {name} is not in the host's cache, got {sha256[:12]} missing", "deploy again: it will be sent")
    return path


def unpack_uv(paths: Paths, sha256: str) -> Path:
    tool = paths.tools / f"uv-{sha256[:12]}"
    if not tool.exists():
        paths.tools.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(require(paths, sha256, "uv")) as wheel:
            member = next(name for name in wheel.namelist() if name.endswith(".data/scripts/uv"))
            part = tool.with_suffix(".part")
            with wheel.open(member) as source, part.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        part.chmod(0o755)
        part.rename(tool)
    return tool


def ensure_template(paths: Paths, lock: str, wheels: tuple[str, ...], uv: Path, step: Step) -> Path:
    """The virtual environment with the lock's dependencies; releases with the same lock are hard links of it."""
    template = paths.templates / template_name(lock, platform.python_version(), platform.machine())
    if template.exists():
        return template
    step("installing the dependencies")
    part = template.with_suffix(".part")
    links = paths.templates / "wheels.part"
    for leftover in (part, links):
        shutil.rmtree(leftover, ignore_errors=True)
    links.mkdir(parents=True)
    # By their hashes, and not by the lock's: one that the deployer built from a locked source has one of its own.
    requirements = links / "requirements.txt"
    with requirements.open("w", encoding="utf-8") as lines:
        for sha256 in wheels:
            path = require(paths, sha256, "a wheel")
            os.link(path, links / path.name)
            lines.write(f"{path.name.split('-')[0]} @ {(links / path.name).as_uri()} --hash=sha256:{sha256}\n")
    with lowered_errors("the dependencies"):
        # Relocatable: its scripts find their interpreter beside themselves, in whichever release they are linked into.
        run_uv(uv, "venv", "--relocatable", "--no-project", f"--python={os.path.realpath(sys.executable)}", str(part))
        run_uv(uv, "pip", "install", "--no-index", "--no-deps", "--require-hashes",
               f"--python={part}/bin/python", f"--requirement={requirements}")  # fmt: skip
    shutil.rmtree(links)
    compile_bytecode(part)
    sync(part)
    part.rename(template)
    return template


def install_app(paths: Paths, uv: Path, venv: Path, wheel: Path) -> None:
    if unpack.is_plain(wheel):
        current = paths.current / "venv"
        fresh = unpack.unpack(wheel, venv, current if current.exists() and same_python(current, venv) else None)
        for path in fresh:
            if path.suffix == ".py":
                compileall.compile_file(str(path), quiet=2)
        return
    run_uv(uv, "pip", "install", "--no-index", "--no-deps", f"--python={venv}/bin/python", str(wheel))
    compile_bytecode(venv)


def same_python(one: Path, other: Path) -> bool:
    """Bytecode is of use to the version that made it."""
    return unpack.site_packages(one).parent.name == unpack.site_packages(other).parent.name


def run_uv(uv: Path, *arguments: str) -> None:
    """Run uv without network, cache and configuration of its own: all it may use was sent along."""
    environment = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "UV_LINK_MODE": "copy",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_CONFIG": "1",
    }
    command = (str(uv), "--quiet", "--offline", "--no-cache", *arguments)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, cwd="/", timeout=300)
    if done.returncode:
        raise RaabError(f"stage: uv {arguments[0]} failed, got: {done.stderr.strip()[-1500:]}", "read uv's reason above")


@contextmanager
def lowered_errors(what: str) -> Iterator[None]:
    """Turn what a full disk or a hanging tool raises into a message for people."""
    try:
        yield
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RaabError(f"stage: {what} could not be installed, got: {error}", "see to the host's disk, then deploy again") from error


def compile_bytecode(tree: Path) -> None:
    """Compile what a host runs. The service cannot write into its release, so each worker would do it again."""
    compileall.compile_dir(str(tree), quiet=2, workers=1)


def link_tree(source: str | Path, target: str | Path) -> None:
    """Make a tree of hard links to another's files; in half of the time that shutil.copytree takes, which looks at each file thrice."""
    os.mkdir(target)  # noqa: PTH102  Path's own calls would take longer than the links.
    with os.scandir(source) as entries:
        for entry in entries:
            place = f"{target}/{entry.name}"
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), place)  # noqa: PTH115, PTH211
            elif entry.is_dir():
                link_tree(entry.path, place)
            else:
                os.link(entry.path, place)


def sync(path: Path) -> None:
    subprocess.run(("sync", "--file-system", str(path)), check=True, timeout=120)
