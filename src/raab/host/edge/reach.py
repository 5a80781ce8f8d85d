"""Having the edge do for a service what a release says."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from raab.errors import RaabError
from raab.host import systemd
from raab.host.address.listening import taken
from raab.host.address.taken import Address, meet
from raab.host.durable import alone, write_durably
from raab.host.edge import assets, caddy, edition, sites, unit
from raab.host.edge.problems import problems
from raab.host.edge.site import Site, Upstream
from raab.host.paths import EDGE, EdgePaths, Paths
from raab.protocol.edge import Edge

Say = Callable[[str], None]
_STARTING = 60.0
_ENDING = 120.0
# Who has a user id that nobody has is nobody's: each address is somebody else's then.
_NOBODY = -1


class _Before(NamedTuple):
    """What is gone back to where something fails."""

    site: bytes | None
    root: bytes | None
    composed: bytes | None
    program: str

    @classmethod
    def of(cls, paths: Paths) -> _Before:
        site, root, composed = map(_content, (sites.file(paths), sites.roots(paths), paths.edge.composed))
        return cls(site, root, composed, _program(paths.edge))

    def restore(self, paths: Paths) -> None:
        files = (sites.file(paths), sites.roots(paths), paths.edge.composed)
        for file, content in zip(files, (self.site, self.root, self.composed), strict=True):
            if content is None:
                file.unlink(missing_ok=True)
            elif _content(file) != content:
                write_durably(file, content)
        if self.program and self.program != _program(paths.edge):
            caddy.use(paths.edge, paths.edge.programs / self.program)


def check(paths: Paths, release: Path, say: Say) -> None:
    """What the edge of a release needs is there, and it would take the release's domains up. Raises RaabError; all that is served is served
    as before."""
    if told := sites.wanted(release):
        judge(paths, told, (), say)


def judge(paths: Paths, told: Edge, elsewhere: tuple[Upstream, ...], say: Say) -> None:
    """The same of what it is told of a service, on this host or `elsewhere`."""
    place = paths.edge
    with alone(place.configuration):
        _free(place)
        program = _prepare(paths, told, say)
        before = _Before.of(paths)
        try:
            sites.put(paths, told, elsewhere)
            _sound(sites.of(paths, told, elsewhere))
            text = sites.composed(place, sites.there(place), edition.of(before.composed or b""))
            if text != before.composed or _content(sites.roots(paths)) != before.root:
                say("asking the edge about its domains")
                caddy.validate(place, program, text)
        finally:
            before.restore(paths)


def become(paths: Paths, release: Path | None, say: Say) -> Edge | None:
    """The edge does what a release says of it, and tells what that is; for no release, and one that says nothing, nothing for this service.

    Raises RaabError where it cannot, and does then what it did before.
    """
    told = sites.wanted(release) if release else None
    if release:
        assets.arrange(paths, release.name)
    follow(paths, told, (), say)
    return told


def follow(paths: Paths, told: Edge | None, elsewhere: tuple[Upstream, ...], say: Say) -> None:
    """The same of what it is told of a service, on this host or `elsewhere`."""
    place = paths.edge
    if told is None and not sites.file(paths).exists():
        return
    with alone(place.configuration):
        before = _Before.of(paths)
        try:
            sites.put(paths, told, elsewhere)
            texts = sites.there(place)
            if texts:
                text = sites.composed(place, texts, edition.of(before.composed or b""))
                if text != before.composed or _content(sites.roots(paths)) != before.root:
                    text = edition.following(text, place.says)
                _take_up(paths, told, text, text != before.composed, say)
            else:
                _end(place, say)
        except (RaabError, OSError) as error:
            before.restore(paths)
            if before.composed is None:
                _end(place, say)
            elif _outdated(place) or isinstance(error, caddy.Unclear):
                systemd.order("systemctl", "restart", place.unit, timeout=_ENDING)
            raise


def _sound(site: Site) -> None:
    """Raises RaabError with whatever Caddy would refuse of it, in words of raab's."""
    if found := problems(site):
        raise RaabError("\n".join(problem.message for problem in found), found[0].hint)


def _take_up(paths: Paths, told: Edge | None, text: bytes, changed: bool, say: Say) -> None:
    """`changed` is also what the text names and does not have, such as a certificate."""
    place = paths.edge
    if told:
        program = _provided(paths, told)
        if caddy.target(place, program) != _program(place):
            caddy.use(place, program)
    if changed:
        write_durably(place.composed, text)
    _install_units(place)
    if systemd.is_active(place.unit) and not _outdated(place):
        if changed:
            say("the edge takes its domains up")
            caddy.load(place, text)
        return
    say(f"starting {place.unit}")
    systemd.order("systemctl", "reset-failed", place.sockets, place.unit)
    systemd.must("systemctl", "--quiet", "enable", place.sockets, place.unit)
    orders = [("start", place.sockets), ("restart", place.unit)]
    if _older(place, place.sockets):
        orders = [("stop", place.unit), ("restart", place.sockets), ("start", place.unit)]
    for verb, one in orders:
        done = systemd.order("systemctl", verb, one, timeout=_STARTING + _ENDING)
        if done.returncode:
            said = systemd.readable(done.stderr.strip())
            raise RaabError(f"edge: systemctl {verb} {one}: exit code {done.returncode}, got: {said}", f"journalctl -u {one} says why")


def _prepare(paths: Paths, told: Edge, say: Say) -> Path:
    """Its user, units and program, which is not used yet."""
    place = paths.edge
    program = _provided(paths, told)
    if _content(place.sysusers) != unit.SYSUSERS.encode():
        say("preparing the host's edge")
        place.sysusers.parent.mkdir(parents=True, exist_ok=True)
        write_durably(place.sysusers, unit.SYSUSERS.encode())
        systemd.must("systemd-sysusers", str(place.sysusers))
    # The unit's StateDirectory, before the first start makes it: who judges a configuration makes the authority's key there.
    if not place.state.exists():
        place.state.mkdir(mode=0o700)
        shutil.chown(place.state, EDGE, EDGE)
    _install_units(place)
    return program


def _install_units(place: EdgePaths) -> None:
    differ = {place.file(name): text.encode() for name, text in unit.texts(place).items()}
    differ = {file: text for file, text in differ.items() if _content(file) != text}
    for file, text in differ.items():
        write_durably(file, text)
    if differ:
        systemd.must("systemctl", "daemon-reload")


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def _provided(paths: Paths, told: Edge) -> Path:
    if told.program:
        return caddy.own(told.program)
    if told.caddy is None:
        raise RaabError("edge: the release names domains and brings no Caddy", "build the bundle again: remove build/raab and deploy")
    return caddy.provide(paths, told.caddy)


def _program(place: EdgePaths) -> str:
    """What leads to the one that is in use (caddy.target); empty for none."""
    with suppress(OSError):
        return str(place.caddy.readlink())
    return ""


def _outdated(place: EdgePaths) -> bool:
    """Whether what runs was started by another unit, or is another program, than a start would have by now."""
    pid = int(systemd.show(place.unit, "MainPID").get("MainPID") or 0)
    other = os.path.realpath(f"/proc/{pid}/exe") != os.path.realpath(place.caddy)
    return bool(pid) and (other or _older(place, place.unit) or _older(place, place.sockets))


def _older(place: EdgePaths, name: str) -> bool:
    """Whether a unit has been active since before its file was written."""
    began = int(systemd.show(name, "ActiveEnterTimestampMonotonic").get("ActiveEnterTimestampMonotonic") or 0) / 1e6
    return bool(began) and place.file(name).stat().st_mtime > time.time() - time.monotonic() + began


def _free(place: EdgePaths) -> None:
    """Raises RaabError with who has a port of the edge's that is not it."""
    if systemd.is_active(place.sockets):
        return
    others = taken(place.sockets, _NOBODY)
    found = [
        f"port {port} is held by {holder}"
        for port in unit.PORTS
        if (
            holder := next(
                (one.holder for one in others if any(meet(Address(*any_, port), one) for any_ in ((4, "0.0.0.0"), (6, "::")))), ""
            )
        )
    ]
    if found:
        raise RaabError(f"edge: {'; '.join(found)}", "end what holds it: the edge takes requests for all services of the host")


def _end(place: EdgePaths, say: Say) -> None:
    """No service wants it any more. Certificates and the user stay."""
    if not place.file(place.unit).exists():
        return
    say("ending the host's edge: no service wants it any more")
    systemd.order("systemctl", "--quiet", "disable", place.sockets, place.unit)
    systemd.order("systemctl", "stop", place.sockets, place.unit, timeout=_ENDING)
    systemd.order("systemctl", "reset-failed", place.sockets, place.unit)
    for file in (place.file(place.sockets), place.file(place.unit), place.composed):
        file.unlink(missing_ok=True)
    systemd.must("systemctl", "daemon-reload")
