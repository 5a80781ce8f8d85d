"""Where everything of a service stands on a host, and what it is called there: the one module that knows.

Standard library only: it also travels to hosts that have no raab yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

RELEASE_ID = re.compile(r"\A[0-9]{8}T[0-9]{6}Z-[0-9a-f]{7}(-dirty)?\Z")
# What of a project's files the service takes over, once, into its own directory.
SEED = "seed"
# The service that raab's own project is; and what the host's one `raab` is called, whatever services there are.
RAAB = "raab"
# What takes requests for all services of a host: its unit, user, group and folders.
EDGE = f"{RAAB}-edge"
# The unit of a service in each of its releases, whatever the service is called.
UNIT_FILE = f"{RAAB}.service"


class Paths(NamedTuple):
    """All that one service is on one host follows from its name. The other fields are the roots; tests point them into a directory of
    their own."""

    name: str
    opt: Path = Path("/opt")
    etc: Path = Path("/etc")
    run: Path = Path("/run")
    bin: Path = Path("/usr/local/bin")
    var: Path = Path("/var/lib")

    @property
    def unit(self) -> str:
        return f"{self.name}.service"

    @property
    def user(self) -> str:
        """Its group is called the same."""
        return self.name

    @property
    def typed(self) -> str:
        """What an operator types before a verb that is meant for it, whatever else the host has."""
        return RAAB if self.name == RAAB else f"{RAAB} -s {self.name}"

    @property
    def activation_unit(self) -> str:
        return f"{self.name}-activate.service"

    @property
    def root(self) -> Path:
        return self.opt / self.name

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def current(self) -> Path:
        return self.root / "current"

    @property
    def cache(self) -> Path:
        """Parts that were sent, each in a directory named by its SHA-256."""
        return self.root / "cache" / "parts"

    @property
    def templates(self) -> Path:
        """Virtual environments with the same dependencies, which releases are hard-linked from."""
        return self.root / "cache" / "venvs"

    @property
    def tools(self) -> Path:
        return self.root / "cache" / "tools"

    @property
    def statics(self) -> Path:
        """Files that the host's edge serves, of all releases that are kept (raab.host.edge.assets)."""
        return self.root / "static"

    @property
    def brought(self) -> Path:
        """On an edge for other hosts: the files of each release, by the SHA-256 of what brought them."""
        return self.statics / "brought"

    @property
    def journal(self) -> Path:
        """One JSON line for each activation. Not in the service's own directory: root must not write where the service may."""
        return self.root / "journal.jsonl"

    @property
    def counts(self) -> Path:
        """How many of its processes somebody has asked for."""
        return self.root / "processes.json"

    @property
    def chosen(self) -> Path:
        """Whether timers that run on one host of the environment alone run on this one."""
        return self.root / "chosen"

    @property
    def roots_own(self) -> Path:
        """Root's program, one for all services of the host, as a deploy or rollback has sent it: by no path through a release."""
        return self.bin.with_name("lib") / RAAB

    @property
    def command(self) -> Path:
        """What an operator types, for all services of the host."""
        return self.bin / RAAB

    @property
    def units(self) -> Path:
        """The host's own unit files."""
        return self.etc / "systemd/system"

    @property
    def state(self) -> Path:
        """The service's own, which it writes and no release has a part in."""
        return self.var / self.name

    @property
    def part(self) -> Path:
        """Where the service's own unit asks for root's part of its start and reload."""
        return self.run / f"{RAAB}-root" / self.name

    @property
    def configuration(self) -> Path:
        return self.etc / self.name

    @property
    def secrets(self) -> Path:
        """In plain, a file each; root's."""
        return self.configuration / "credentials"

    @property
    def sealed(self) -> Path:
        """Encrypted (systemd-creds(1))."""
        return self.configuration / "credentials.encrypted"

    @property
    def mark(self) -> Path:
        """By which a host knows that the name is raab's (raab.host.units.claim)."""
        return self.configuration / ".raab"

    @property
    def runtime(self) -> Path:
        """Of the unit (systemd.exec(5), RuntimeDirectory=); the service may write there."""
        return self.run / self.name

    @property
    def drained(self) -> Path:
        """The mark by which /readyz says 503."""
        return self.runtime / "drain"

    @property
    def control(self) -> Path:
        """The master's socket."""
        return self.runtime / "control"

    @property
    def admin(self) -> Path:
        """The socket at which operators ask the application's server."""
        return self.runtime / "admin"

    @property
    def credentials(self) -> Path:
        """What systemd has given the running unit (systemd.exec(5), LoadCredential=)."""
        return self.run / "credentials" / self.unit

    @property
    def started(self) -> Path:
        """The unit's directives as they were at the last start. Root's own, and gone with the next boot."""
        return self.run / f"{self.name}-started.json"

    @property
    def deploying(self) -> Path:
        """What a deploy and an activation leave for each other."""
        return self.run / f"{self.name}-deploy"

    @property
    def lock(self) -> Path:
        return self.deploying / "lock"

    @property
    def request(self) -> Path:
        """What the activation now running was asked to do."""
        return self.deploying / "request.json"

    @property
    def events(self) -> Path:
        """What that activation has to tell, one JSON line each; the last one is its verdict."""
        return self.deploying / "events.jsonl"

    @property
    def token(self) -> Path:
        """By which the service knows the requests of the activation now running. Beside its own runtime directory, not in it."""
        return self.run / f"{self.name}-proof"

    @property
    def asked(self) -> Path:
        """The socket at which the edge asks the service, in a folder of which nobody but these two may do anything."""
        return self.run / f"{RAAB}-asked" / self.name / "http"

    @property
    def fronts(self) -> Path:
        """What the edge was told of releases that other hosts serve, a file each."""
        return self.edge.configuration / "fronts" / self.name

    @property
    def edge(self) -> EdgePaths:
        return EdgePaths(self.etc, self.run, self.bin, self.var)

    def beside(self, name: str) -> str:
        """The unit of a process's instance, or of what a timer starts."""
        return f"{self.name}@{name}.service"

    def logged(self, name: str) -> tuple[str, ...]:
        """The units of the service's log, or of a process or timer of that name, as journalctl matches them."""
        return (self.beside(name), self.beside(f"{name}-[0-9]*")) if name else (self.unit,)

    def timer(self, name: str) -> str:
        """The unit of a timer."""
        return f"{self.name}@{name}.timer"

    def release(self, release_id: str) -> Path:
        """The directory of a release. Raises ValueError for a name that is not a release id, so that none can lead elsewhere."""
        if not RELEASE_ID.match(release_id):
            raise ValueError(f"not a release id: {release_id!r}")
        return self.releases / release_id

    def manifest(self, release_id: str) -> Path:
        """Written last: a release directory without it is an interrupted one."""
        return self.release(release_id) / "manifest.json"


class EdgePaths(NamedTuple):
    """The edge's, one for all services of a host. The fields are the roots."""

    etc: Path = Path("/etc")
    run: Path = Path("/run")
    bin: Path = Path("/usr/local/bin")
    var: Path = Path("/var/lib")

    @property
    def unit(self) -> str:
        return f"{EDGE}.service"

    @property
    def sockets(self) -> str:
        """The unit that has the ports."""
        return f"{EDGE}.socket"

    @property
    def configuration(self) -> Path:
        return self.etc / EDGE

    @property
    def sites(self) -> Path:
        """What each service has it do, a file each."""
        return self.configuration / "sites"

    @property
    def pages(self) -> Path:
        """What everybody gets of a service that is being worked on, a file each."""
        return self.configuration / "maintenance"

    @property
    def composed(self) -> Path:
        """What Caddy is given of all of them."""
        return self.configuration / "caddy.json"

    @property
    def programs(self) -> Path:
        return self.bin.with_name("lib") / EDGE

    @property
    def roots_own(self) -> Path:
        """Root's program, by which systemd has it lead connections to Caddy."""
        return self.bin.with_name("lib") / RAAB

    @property
    def caddy(self) -> Path:
        """Leads to the version that is in use."""
        return self.programs / "caddy"

    @property
    def admin(self) -> Path:
        """Caddy's own socket."""
        return self.run / EDGE / "admin"

    @property
    def says(self) -> Path:
        """Where Caddy says which edition of its configuration is at work."""
        return self.run / EDGE / "edition"

    @property
    def steered(self) -> Path:
        """To which edition new connections go."""
        return self.run / f"{EDGE}.steered"

    @property
    def state(self) -> Path:
        """Certificates and their keys."""
        return self.var / EDGE

    @property
    def root(self) -> Path:
        """The certificate of its own authority, once there is one."""
        return self.state / "pki/authorities/local/root.crt"

    @property
    def sysusers(self) -> Path:
        return self.etc / "sysusers.d" / f"{EDGE}.conf"

    def file(self, unit: str) -> Path:
        return self.etc / "systemd/system" / unit


def here(environ: Mapping[str, str]) -> Paths:
    """Of the service that a process with these variables belongs to: systemd tells it its runtime directory. raab's own elsewhere."""
    folder = Path(environ.get("RUNTIME_DIRECTORY") or f"/run/{RAAB}")
    return Paths(folder.name, run=folder.parent)


def template_name(wheels: Iterable[str], python: str, machine: str) -> str:
    """The name of the template of these wheels, by their SHA-256, and one interpreter: `<SHA-256 of theirs>-cp311-x86_64`. A lock leaves
    open what is built of a source that it names."""
    # Here and not above: it loads OpenSSL, and every command on a host comes through this file.
    import hashlib

    major, minor = python.split(".")[:2]
    return f"{hashlib.sha256(' '.join(sorted(wheels)).encode()).hexdigest()}-cp{major}{minor}-{machine}"
