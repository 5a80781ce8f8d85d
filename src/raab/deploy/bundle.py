"""The one file that a deploy sends: made from the working tree, named by its content, built once."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from datetime import datetime, timezone
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from raab.deploy.tree import Origin, ask_git, content_hash, inputs
from raab.errors import RaabError

CARRIED = ("requirements.lock", "wsgi.py", "gunicorn.py")


class Part(Struct, frozen=True):
    """One file to send: the name it gets on the host, its SHA-256 in hex, its size in bytes, and where it lies here."""

    name: str
    sha256: str
    size: int
    path: Path

    @classmethod
    def of(cls, path: Path, name: str = "") -> Part:
        content = path.read_bytes()
        return cls(name or path.name, hashlib.sha256(content).hexdigest(), len(content), path)


class Bundle(Struct, frozen=True):
    """A release before it is on any host. `manifest` is the text that becomes the release's manifest.json, byte by byte; `settings` its
    packaged setting.yaml."""

    id: str
    version: str
    commit: str
    content: str
    lock: str
    parts: tuple[Part, ...]
    manifest: str
    file: Path
    settings: str = ""

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def texts(self) -> dict[str, str]:
        """Its lock and its packaged settings, by the names of their files: what raab.host.session.facts tells of a running release."""
        paths = {part.name: part.path for part in self.parts}
        wheel = next(path for name, path in paths.items() if name.endswith(".whl"))
        with zipfile.ZipFile(wheel) as archive:
            inside = [name for name in archive.namelist() if re.fullmatch(r"raab/config/\w+\.yaml", name)]
            settings = {name.rpartition("/")[2]: archive.read(name).decode() for name in inside}
        return {"requirements.lock": paths["requirements.lock"].read_text(), **settings}


def build(root: Path) -> Bundle:
    """The bundle of the tree at `root`; the same content, built before, is only read. Raises RaabError when it does not build."""
    files = inputs(root)
    content = content_hash(root, files)
    origin = ask_git(root, files)
    home = root / "build" / "raab" / "bundles" / (content[:16] + ("-dirty" if origin.dirty else ""))
    if not (home / "manifest.json").exists():
        make(root, files, content, origin, home)
    return read(home)


def make(root: Path, files: tuple[Path, ...], content: str, origin: Origin, home: Path) -> None:
    """Build into a directory beside `home` and rename it, so that a half-made bundle is never read."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix="making-") as temporary:
        made = Path(temporary) / "made"
        parts_home = made / "parts"
        parts_home.mkdir(parents=True)
        wheel = build_wheel(root, files, Path(temporary) / "tree", origin.commit_time)
        parts = [Part.of(Path(shutil.copy(wheel, parts_home)))]
        for path in files:
            name = str(path.relative_to(root))
            if name in CARRIED or name.startswith("systemd/"):
                target = parts_home / name
                target.parent.mkdir(parents=True, exist_ok=True)
                parts.append(Part.of(Path(shutil.copyfile(path, target)), name))
        text = manifest_text(content, origin, wheel.name.split("-")[1], parts)
        write_tar(made / f"{json.loads(text)['id']}.tar", text, parts)
        # Last, for a bundle with a manifest is a finished one.
        (made / "manifest.json").write_text(text)
        if home.exists():
            shutil.rmtree(home)
        made.rename(home)


def build_wheel(root: Path, files: tuple[Path, ...], tree: Path, epoch: int) -> Path:
    """Build from a copy of the inputs alone: what else lies in the checkout, such as an old build/lib, must not get in."""
    for path in files:
        target = tree / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tree.parent / "dist"), str(tree))
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "SOURCE_DATE_EPOCH": str(epoch), "HOME": str(tree.parent)}
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=environment, cwd="/")
    if done.returncode:
        raise RaabError(
            f"build: the wheel does not build, got: {(done.stderr or done.stdout).strip()[-2000:]}", "see `python -m build --wheel`"
        )
    return next((tree.parent / "dist").glob("*.whl"))


def manifest_text(content: str, origin: Origin, version: str, parts: list[Part]) -> str:
    time = datetime.fromtimestamp(origin.commit_time, timezone.utc)
    manifest = {
        "id": f"{time:%Y%m%dT%H%M%SZ}-{content[:7]}" + ("-dirty" if origin.dirty else ""),
        "version": version,
        "commit": origin.commit,
        "content": content,
        "lock": next(part.sha256 for part in parts if part.name == "requirements.lock"),
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


def read(home: Path) -> Bundle:
    text = (home / "manifest.json").read_text()
    manifest = json.loads(text)
    parts = tuple(Part(part["name"], part["sha256"], part["size"], home / "parts" / part["name"]) for part in manifest["parts"])
    bundle = Bundle(
        manifest["id"],
        manifest["version"],
        manifest["commit"],
        manifest["content"],
        manifest["lock"],
        parts,
        text,
        home / f"{manifest['id']}.tar",
    )
    return replace(bundle, settings=bundle.texts().get("setting.yaml", ""))
