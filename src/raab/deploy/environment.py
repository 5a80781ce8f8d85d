"""An environment: a named set of hosts with its settings, read from deploy/<name>.yaml into frozen values."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.schema import File
from raab.errors import RaabError
from raab.settings.node import Node
from raab.settings.validation import convert
from raab.settings.yamlfile import read_yaml


class Host(Struct, frozen=True):
    """A server as SSH reaches it. What is empty, or 0, is what ssh itself would use; `ssh_config` may also be the word none."""

    name: str
    address: str
    port: int
    user: str
    identity: str
    known_hosts: str
    roles: tuple[str, ...]
    ssh_config: str = ""


class Environment(Struct, frozen=True):
    """One environment, ready to use. Times are seconds; `roles` decide later what a host gets. `owner` is the checkout that has made the
    lab, where that is another one and nobody has said that this one may use it."""

    name: str
    hosts: tuple[Host, ...]
    is_lab: bool
    settings: File
    owner: str = ""

    def claim(self) -> None:
        """Raises RaabError unless the hosts are this checkout's to change."""
        if self.owner:
            problem = f"environment {self.name}: the lab belongs to another checkout, got {self.owner}"
            hint = f"boot one of your own with RAAB_LAB=NAME fab lab.up, or name it (`lab: NAME` in deploy/{self.name}.yaml, or --hosts)"
            raise RaabError(problem, hint, exitcodes.REFUSED)

    def url(self, host: Host) -> str:
        address = f"[{host.address}]" if ":" in host.address else host.address
        return f"http://{address}:{self.settings.service_port}/"

    def only(self, names: str | None) -> Environment:
        """The same with the hosts of a comma-separated list alone; all where there is no list. Raises RaabError for a list that names
        nobody, as one from a variable that is not set, and for any other name."""
        if names is None:
            return self
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        if not wanted:
            hint = f"leave --hosts out for all of {self.name}: {', '.join(host.name for host in self.hosts)}"
            raise RaabError(f"--hosts: names no host, got {names!r}", hint, exitcodes.BAD_INPUT)
        known = {host.name: host for host in self.hosts}
        for name in wanted:
            if name not in known:
                raise RaabError(
                    f"--hosts: no such host in {self.name}, got {name}", f"its hosts are: {', '.join(known)}", exitcodes.BAD_INPUT
                )
        # Whoever names them has them in mind.
        return replace(self, hosts=tuple(host for host in self.hosts if host.name in wanted), owner="")


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
    if not settings.hosts.lab:
        return Environment(name, own_hosts(root, settings), False, settings)
    return Environment(name, lab_hosts(name, settings.lab), True, settings, "" if settings.lab else lab_owner(root))


def own_hosts(root: Path, settings: File) -> tuple[Host, ...]:
    identity, known_hosts, ssh_config = (
        # Not by where the verb was typed: a relative path is the project's.
        str(root / Path(text).expanduser()) if text and text != "none" else text
        for text in (settings.identity, settings.known_hosts, settings.ssh_config)
    )
    return tuple(
        Host(
            name, entry.address or name, entry.port or settings.port or 0, entry.user or settings.user, identity, known_hosts, entry.roles,
            ssh_config,
        )
        for name, entry in settings.hosts.entries.items()
    )  # fmt: skip


def lab_owner(root: Path) -> str:
    """The checkout that has made the lab, if it is another one that is still there."""
    from raab.lab import state

    ground = state.read_ground(state.named())
    owner = ground.owner if ground else ""
    return owner if owner and Path(owner).is_dir() and Path(owner).resolve() != root.resolve() else ""


def lab_hosts(name: str, lab: str) -> tuple[Host, ...]:
    from raab.lab import state

    hosts = tuple(
        Host(host.name, host.address, 22, "root", str(host.key), str(host.known_hosts), ("app",), "none") for host in state.hosts(lab)
    )
    if not hosts:
        raise RaabError(f"environment {name}: the lab has no hosts, got none", "boot some with `fab lab.up`", exitcodes.BAD_INPUT)
    return hosts
