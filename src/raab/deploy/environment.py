"""An environment: a named set of hosts with its settings, read from deploy/<name>.yaml into frozen values."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from raab.deploy import exitcodes
from raab.deploy.schema import File
from raab.errors import RaabError
from raab.settings.node import Node
from raab.settings.validation import convert
from raab.settings.yamlfile import read_yaml


class Host(Struct, frozen=True):
    """A server as SSH reaches it. `identity` and `known_hosts` are files; empty for what SSH itself would use."""

    name: str
    address: str
    port: int
    user: str
    identity: str
    known_hosts: str
    roles: tuple[str, ...]


class Environment(Struct, frozen=True):
    """One environment, ready to use. Times are seconds; `roles` decide later what a host gets."""

    name: str
    hosts: tuple[Host, ...]
    is_lab: bool
    settings: File

    def url(self, host: Host) -> str:
        return f"http://{host.address}:{self.settings.service_port}/"

    def only(self, names: str) -> Environment:
        """The same with the hosts of a comma-separated list alone; all for an empty one. Raises RaabError for any other name."""
        if not names:
            return self
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        known = {host.name: host for host in self.hosts}
        for name in wanted:
            if name not in known:
                raise RaabError(
                    f"--hosts: no such host in {self.name}, got {name}", f"its hosts are: {', '.join(known)}", exitcodes.BAD_INPUT
                )
        return replace(self, hosts=tuple(host for host in self.hosts if host.name in wanted))


def load(root: Path, name: str) -> Environment:
    """Read deploy/<name>.yaml under `root`. Raises RaabError (ConfigError with every problem at once) when it is not as it should be."""
    path = root / "deploy" / f"{name}.yaml"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not path.is_file():
        known = sorted(file.stem for file in (root / "deploy").glob("*.yaml") if not file.stem.endswith(".example"))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}; each is a file deploy/<name>.yaml"
        raise RaabError(f"--env: no such environment, got {name}", hint, exitcodes.BAD_INPUT)
    node = read_yaml(path)
    settings = convert(Node(node.value, str(path.relative_to(root)), ""), File) if node.value == {} else convert(node, File)
    hosts = lab_hosts(name) if settings.hosts.lab else own_hosts(settings)
    return Environment(name, hosts, settings.hosts.lab, settings)


def own_hosts(settings: File) -> tuple[Host, ...]:
    identity, known_hosts = (str(Path(text).expanduser()) if text else "" for text in (settings.identity, settings.known_hosts))
    return tuple(
        Host(name, entry.address or name, entry.port or settings.port, entry.user or settings.user, identity, known_hosts, entry.roles)
        for name, entry in settings.hosts.entries.items()
    )


def lab_hosts(name: str) -> tuple[Host, ...]:
    from raab.lab import state

    hosts = tuple(Host(host.name, host.address, 22, "root", str(host.key), str(host.known_hosts), ("app",)) for host in state.hosts())
    if not hosts:
        raise RaabError(f"environment {name}: the lab has no hosts, got none", "boot some with `fab lab.up`", exitcodes.BAD_INPUT)
    return hosts
