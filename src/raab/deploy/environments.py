"""An environment: a named set of hosts with its settings, read from deploy/<name>.yaml into frozen values."""

from __future__ import annotations

import re
from pathlib import Path

from raab import exitcodes
from raab.deploy.plan.environment import Environment, Host
from raab.deploy.plan.python import PYTHON
from raab.deploy.plan.schema import File
from raab.errors import RaabError
from raab.project import description
from raab.protocol.edge import Edge, Static
from raab.settings.meant import meant
from raab.settings.node import Node
from raab.settings.validation import convert
from raab.settings.yamlfile import read_yaml

# Letters of a page that is sent in one request.
LONGEST_PAGE = 1 << 20


def load(root: Path, name: str) -> Environment:
    """Read deploy/<name>.yaml under `root`. Raises RaabError (ConfigError with every problem at once) when it is not as it should be."""
    path = root / "deploy" / f"{name}.yaml"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not path.is_file() or f"deploy/{path.name}" in description.SETTINGS:
        files = sorted((root / "deploy").glob("*.yaml"))
        known = [file.stem for file in files if not file.stem.endswith(".example") and f"deploy/{file.name}" not in description.SETTINGS]
        hint = meant(name, known, f"there are: {', '.join(known) or 'none'}; each is a file deploy/<name>.yaml")
        raise RaabError(f"--env: no such environment, got {name}", hint, exitcodes.BAD_INPUT)
    node = read_yaml(path)
    settings = convert(Node(node.value, str(path.relative_to(root)), ""), File) if node.value == {} else convert(node, File)
    if not settings.hosts.lab:
        hosts = own_hosts(root, settings)
        apps = tuple(host for host in hosts if "edge" not in host.roles)
        edges = tuple(host for host in hosts if "edge" in host.roles)
        pool = tuple(f"{f'[{host.near}]' if ':' in host.near else host.near}:{settings.service_port}" for host in apps)
        called = settings.name or description.name(root)
        return Environment(name, apps, False, settings, service=called, first=first(apps), edges=edges, pool=pool if edges else ())
    owner = "" if settings.lab else lab_owner(root)
    hosts = lab_hosts(name, settings.lab, settings.python or PYTHON)
    return Environment(name, hosts, True, settings, owner, settings.name or description.name(root), first(hosts))


def edge(root: Path, settings: File) -> Edge | None:
    """What each edge is told, if there is to be one. Raises RaabError for an authority's root that cannot be read, or is none."""
    if not settings.domains:
        return None
    page(root, settings)
    acme = settings.acme
    try:
        certificate = (root / acme.root).read_text(encoding="ascii") if acme.root else ""
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not PEM"
        raise RaabError(f"acme.root: {acme.root} cannot be read, got {why}", "name a file of the project's", exitcodes.BAD_INPUT) from error
    if acme.root and not re.search(r"^-----BEGIN CERTIFICATE-----$", certificate, re.MULTILINE):
        raise RaabError(f"acme.root: no certificate in PEM, got {acme.root}", "name the authority's root", exitcodes.BAD_INPUT)
    edges = tuple(entry.private or entry.address or name for name, entry in settings.hosts.entries.items() if "edge" in entry.roles)
    statics = tuple(Static(prefix, folder.rstrip("/")) for prefix, folder in sorted(settings.static.items()))
    by = (settings.certificate, acme.directory, acme.email, certificate)
    return Edge(settings.domains, *by, settings.hsts, edges=edges, statics=statics, program=settings.caddy)


def page(root: Path, settings: File) -> str:
    """What everybody gets while the service is being worked on; empty where the project has none of its own. Raises RaabError for a file
    that is none."""
    if not (name := settings.maintenance):
        return ""
    try:
        text = (root / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise RaabError(f"maintenance: {name} cannot be read, got {why}", "name a page of the project's", exitcodes.BAD_INPUT) from error
    if not text.strip() or len(text) > LONGEST_PAGE:
        problem = f"maintenance: {name}: needs 1 to {LONGEST_PAGE} letters, got {len(text.strip())}"
        raise RaabError(problem, "images and styles may stand in it, or elsewhere", exitcodes.BAD_INPUT)
    return text


def first(hosts: tuple[Host, ...]) -> str:
    """Of those that run the service."""
    return next((host.name for host in hosts if "app" in host.roles), "")


def lacks_lab(root: Path, name: str) -> bool:
    """Whether an environment is the lab of this machine, and that has no host."""
    from raab.lab import state

    path = root / "deploy" / f"{name}.yaml"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not path.is_file():
        return False
    settings = convert(read_yaml(path), File)
    return bool(settings.hosts.lab) and not settings.lab and not state.hosts()


def own_hosts(root: Path, settings: File) -> tuple[Host, ...]:
    identity, known_hosts, ssh_config = (
        # Not by where the verb was typed: a relative path is the project's.
        str(root / Path(text).expanduser()) if text and text != "none" else text
        for text in (settings.identity, settings.known_hosts, settings.ssh_config)
    )
    return tuple(
        Host(
            name, entry.address or name, entry.port or settings.port or 0, entry.user or settings.user, identity, known_hosts, entry.roles,
            ssh_config, entry.python or settings.python or PYTHON, entry.private,
        )
        for name, entry in settings.hosts.entries.items()
    )  # fmt: skip


def lab_owner(root: Path) -> str:
    """The checkout that has made the lab, if it is another one that is still there."""
    from raab.lab import state

    ground = state.read_ground(state.named())
    owner = ground.owner if ground else ""
    return owner if owner and Path(owner).is_dir() and Path(owner).resolve() != root.resolve() else ""


def lab_hosts(name: str, lab: str, python: str) -> tuple[Host, ...]:
    from raab.lab import state

    hosts = tuple(
        Host(host.name, host.address, 22, "root", str(host.key), str(host.known_hosts), ("app",), "none", python)
        for host in state.hosts(lab)
    )
    if not hosts:
        raise RaabError(f"environment {name}: the lab has no hosts, got none", "boot some with `fab lab.up`", exitcodes.BAD_INPUT)
    return hosts
