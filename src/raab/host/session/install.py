"""Make a release directory out of cached parts; nothing else on the host is touched. Standard library only."""

from __future__ import annotations

import compileall
import ctypes
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raab import exitcodes
from raab.errors import RaabError
from raab.host import seal
from raab.host.durable import sync_directory, write_durably
from raab.host.paths import Paths, template_name
from raab.host.session import unpack
from raab.host.session.receive import cached, room
from raab.host.verify import RAABS_OWN, told
from raab.protocol.manifest import ARCHIVES, Manifest, parse

Step = Callable[[str], Any]


def install(paths: Paths, manifest_text: str, uv_wheel: str, step: Step) -> None:
    """Build /opt/<name>/releases/<id>, or leave it alone when it is complete and as it was installed.

    `manifest_text` becomes the manifest byte by byte, so that a signature over it stays valid; it names the dependencies'
    wheels by their SHA-256. `uv_wheel` is that of the one that carries uv. `step` names a step to the person who waits.
    Raises RaabError where another release has that id.
    """
    manifest = parse(manifest_text)
    if manifest.service != paths.name:
        problem = f"stage: a release of another service, got {manifest.service} for {paths.name}"
        raise RaabError(problem, "build the bundle again: remove build/raab and deploy", exitcodes.BAD_INPUT)
    release = paths.release(manifest.id)
    paths.releases.mkdir(parents=True, exist_ok=True)
    for leftover in paths.releases.glob("*.part"):
        step("removing what an interrupted deploy left")
        shutil.rmtree(leftover)
    there = paths.manifest(manifest.id)
    if there.exists():
        if content_of(there) != manifest.content:
            raise RaabError(f"stage: another release has this id, got {manifest.id}", "commit once more, then deploy", exitcodes.REFUSED)
        if not (damaged := seal.damage(release, RAABS_OWN)):
            return
        step(f"mending it: {told(damaged)}")
    part = release.with_name(f"{release.name}.part")
    build(paths, manifest, uv_wheel, part, step)
    # The manifest makes the release complete, so everything else must be on disk before it is.
    sync(part)
    write_durably(part / "manifest.json", manifest_text.encode())
    if release.exists():
        exchange(part, release)
        shutil.rmtree(part)
    else:
        part.rename(release)
    sync_directory(paths.releases)


def content_of(manifest: Path) -> str:
    try:
        return str(json.loads(manifest.read_bytes())["content"])
    except (ValueError, KeyError, TypeError):
        return ""


def build(paths: Paths, manifest: Manifest, uv_wheel: str, part: Path, step: Step) -> None:
    """All of the release but its manifest."""
    parts = {one.name: require(paths, one.sha256, one.name) for one in manifest.parts}
    uv = unpack_uv(paths, uv_wheel)
    template = ensure_template(paths, tuple(one.sha256 for one in manifest.wheels), uv, step)
    step("unpacking the release")
    part.mkdir()
    venv = part / "venv"
    link_tree(template, venv)
    (venv / seal.SEAL).unlink()
    for name, path in parts.items():
        if not name.endswith(ARCHIVES):
            target = part / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with lowered_errors(name):
                shutil.copyfile(path, target)
    with lowered_errors("the app"):
        current = paths.current.resolve()
        last = current if (current / "venv").exists() and same_python(current / "venv", venv) else None
        site = str(unpack.site_packages(venv).relative_to(part))
        for name, path in parts.items():
            if name.endswith(ARCHIVES):
                # raab's own wheel is the one that lies in no folder (parse).
                place = unpack.Target(part, name.rpartition("/")[0] or site, manifest.writable if "/" in name else ())
                for file in unpack.unpack(path, place, last):
                    if file.suffix == ".py":
                        compileall.compile_file(str(file), quiet=2)
        lead_out(paths, part, manifest.writable)
    dependencies = {f"venv/{name}": noted for name, noted in seal.read(template).items()}
    before = seal.read(paths.current)
    seal.write(part, seal.make(part, {**before, **dependencies}, RAABS_OWN))


def lead_out(paths: Paths, release: Path, writable: tuple[str, ...]) -> None:
    """Have what the service writes appear in the release: links to what is the same for all releases."""
    for name in writable:
        link = release / "app" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(paths.state / name)


def exchange(one: Path, other: Path) -> None:
    """Of two folders by one rename, so that each name leads to a whole one at any moment (renameat2(2), RENAME_EXCHANGE)."""
    here, names = -100, (os.fsencode(one), os.fsencode(other))
    if ctypes.CDLL(None, use_errno=True).renameat2(here, names[0], here, names[1], 2):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one))


def require(paths: Paths, sha256: str, name: str) -> Path:
    """The cached file, whose content is what it was when it came. Raises RaabError where there is none; what is damaged goes, to be sent
    again."""
    path = cached(paths, sha256)
    if path is not None and hash_of(path) != sha256:
        shutil.rmtree(path.parent)
        path = None
    if path is None:
        raise RaabError(f"stage: {name} is not in the host's cache, got {sha256} missing", "deploy again: it will be sent")
    return path


def hash_of(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def unpack_uv(paths: Paths, sha256: str) -> Path:
    """The tool that makes environments, out of its wheel; it is none of the release's."""
    tool = paths.tools / f"uv-{sha256}"
    if not tool.exists():
        paths.tools.mkdir(parents=True, exist_ok=True)
        with unpack.opened(require(paths, sha256, "uv")) as wheel:
            found = [info for info in wheel.infolist() if re.fullmatch(r"uv-[0-9a-z.]+\.data/scripts/uv", info.filename)]
            if len(found) != 1:
                raise RaabError("stage: the wheel that was sent for uv is none of uv's", "remove build/raab and deploy", exitcodes.REFUSED)
            room(paths.tools, found[0].file_size, "uv")
            part = tool.with_name(f"{tool.name}.part")
            part.unlink(missing_ok=True)
            with wheel.open(found[0]) as source, part.open("xb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        part.chmod(0o755)
        part.rename(tool)
    return tool


def ensure_template(paths: Paths, wheels: tuple[str, ...], uv: Path, step: Step) -> Path:
    """The virtual environment with these dependencies; releases with the same ones are hard links of it. One that is not as it was
    installed is made anew, out of the cache."""
    template = paths.templates / template_name(wheels, platform.python_version(), platform.machine())
    if template.exists():
        if not (damaged := seal.damage(template)):
            return template
        step(f"mending the dependencies: {told(damaged)}")
        shutil.rmtree(template)
    step("installing the dependencies")
    part = template.with_name(f"{template.name}.part")
    links = paths.templates / "wheels.part"
    for leftover in (part, links):
        shutil.rmtree(leftover, ignore_errors=True)
    links.mkdir(parents=True)
    # By their hashes, and not by the lock's: one that the deployer built from a locked source has one of its own.
    requirements = links / "requirements.txt"
    with requirements.open("w", encoding="utf-8") as lines:
        for sha256 in wheels:
            path = require(paths, sha256, "a wheel")
            room(paths.templates, unpacked_size(path), path.name)
            os.link(path, links / path.name)
            lines.write(f"{path.name.split('-')[0]} @ {(links / path.name).as_uri()} --hash=sha256:{sha256}\n")
    with lowered_errors("the dependencies"):
        # Relocatable: its scripts find their interpreter beside themselves, in whichever release they are linked into.
        run_uv(uv, "venv", "--relocatable", "--no-project", f"--python={os.path.realpath(sys.executable)}", str(part))
        # uv asks the environment's interpreter, which executes .pth files: as long as the environment is empty, none of a dependency's.
        run_uv(uv, "pip", "install", "--no-index", "--no-deps", "--require-hashes",
               f"--python={part}/bin/python", f"--requirement={requirements}")  # fmt: skip
        # An interpreter's lock that anybody may write to is nobody's.
        for lockfile in part.glob(".lock"):
            lockfile.chmod(0o644)
    shutil.rmtree(links)
    compile_bytecode(part)
    seal.write(part, seal.make(part, {}))
    sync(part)
    part.rename(template)
    return template


def unpacked_size(wheel: Path) -> int:
    """Bytes. Raises RaabError for a wheel that unpacks to more than any has."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = sum(info.file_size for info in archive.infolist())
    except zipfile.BadZipFile as error:
        raise RaabError(f"stage: {wheel.name} is no wheel, got: {error}", "remove build/raab and deploy", exitcodes.REFUSED) from error
    if size > unpack.LARGEST:
        raise RaabError(
            f"stage: {wheel.name} is larger than {unpack.LARGEST} bytes unpacked, got {size}", "deploy without it", exitcodes.REFUSED
        )
    return size


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
