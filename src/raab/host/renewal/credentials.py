"""The credentials of the running unit: systemd's own folder, which it fills at a start and which is written here when they have changed.

It is memory of systemd's, read-only for everybody and unreadable but for the service's user; and it stays where applications look for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from raab.errors import RaabError
from raab.host import systemd


def contents(folder: Path) -> dict[str, bytes] | None:
    """What lies there; None for a service that was started without."""
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except FileNotFoundError:
        # Or ends just now, and the folder with it.
        return None


def changed(held: Mapping[str, bytes] | None, wanted: Mapping[str, bytes]) -> list[str]:
    """The names of those that are not as a start would give them."""
    held = held or {}
    return sorted(name for name in held.keys() | wanted.keys() if held.get(name) != wanted.get(name))


def write(folder: Path, wanted: Mapping[str, bytes]) -> None:
    """Have the folder hold these, each file renewed in one step, with the owner and the rights that systemd gives.

    Raises RaabError when it cannot be written, as when the service ends meanwhile.
    """
    try:
        owner = folder.stat()
        with writable(folder):
            for name in changed(contents(folder), wanted):
                if name in wanted:
                    renew(folder / name, wanted[name], owner)
                else:
                    (folder / name).unlink()
    except OSError as error:
        raise RaabError(f"{folder}: cannot be written, got {error.strerror}", f"systemctl status {folder.name}") from error


def renew(file: Path, content: bytes, owner: os.stat_result) -> None:
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400), "wb") as stream:  # noqa: PTH123
        os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
        stream.write(content)
    part.replace(file)


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """For a moment, and for root alone: in the service's own file system it is mounted read-only as well."""
    mounted = os.path.ismount(folder)
    if mounted:
        systemd.must("mount", "-o", "remount,rw", str(folder))
    try:
        yield
    finally:
        if mounted:
            systemd.must("mount", "-o", "remount,ro", str(folder))


@contextmanager
def given(folder: Path, wanted: Mapping[str, bytes]) -> Iterator[list[str]]:
    """Have the running service find these, and those of before again if what goes on within comes to nothing. The names of those that
    change; none where there is no folder, which only a start can make."""
    before = contents(folder)
    names = changed(before, wanted) if before is not None else []
    try:
        if names:
            write(folder, wanted)
        yield names
    except BaseException:
        if names and before is not None:
            # Where that fails the service has ended, and its folder with it.
            with suppress(RaabError):
                write(folder, before)
        raise
