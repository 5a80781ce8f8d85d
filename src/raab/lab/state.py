"""What is where: the folders of a lab, its addresses, and its hosts. Changes nothing but the lab's own state file."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from raab.errors import RaabError

STORE = "/var/lib/raab-lab"
# The Debian of hosts of which nothing else is said.
SUITE = "bookworm"
NAME = re.compile(r"[a-z][a-z0-9]{0,15}")


@dataclass(frozen=True)
class LabHost:
    """One host. `number` counts from 1 inside its lab; `machine` is the name under which this machine's tools show it."""

    name: str
    number: int
    address: str
    home: Path
    machine: str
    bridge: str
    key: Path
    known_hosts: Path

    @property
    def root(self) -> Path:
        """Where the host's file system is mounted, visible only to the host's own processes."""
        return self.home / "root"

    @property
    def log(self) -> Path:
        return self.home / "console.log"

    @property
    def link(self) -> str:
        """The machine's end of the host's network cable, as systemd-nspawn names it."""
        return f"vb-{self.machine}"

    @property
    def ssh_argv(self) -> tuple[str, ...]:
        """The words that open a root shell; the host key is checked, and neither the user's own settings nor an agent take part."""
        options = (
            "BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={self.known_hosts}",
            "GlobalKnownHostsFile=/dev/null", "ConnectTimeout=5", "LogLevel=ERROR",
        )  # fmt: skip
        return ("ssh", "-F", "none", "-i", str(self.key), *(word for option in options for word in ("-o", option)), f"root@{self.address}")


@dataclass(frozen=True)
class Lab:
    """A named set of hosts. `store` is the folder that all labs of this machine share."""

    name: str
    store: Path

    @property
    def home(self) -> Path:
        return self.store / "labs" / self.name

    @property
    def key(self) -> Path:
        return self.home / "key"

    @property
    def known_hosts(self) -> Path:
        return self.home / "known_hosts"

    @property
    def lock(self) -> Path:
        return self.store / "locks" / self.name


@dataclass(frozen=True)
class Ground:
    """What a lab stands on: its number on this machine, from which subnet and interface names follow, and its base image, which is
    of the Debian `suite`. `owner` is the checkout that has made it, empty for one that is anybody's."""

    number: int
    base: str
    owner: str = ""
    suite: str = SUITE

    @property
    def subnet(self) -> ipaddress.IPv4Network:
        return subnet(self.number)

    @property
    def bridge(self) -> str:
        return f"rl{self.number}"

    @property
    def machine_prefix(self) -> str:
        return f"rl{self.number}-"

    @property
    def gateway(self) -> str:
        """The machine's own address on the bridge."""
        return f"{self.subnet[1]}/{self.subnet.prefixlen}"


def subnet(number: int) -> ipaddress.IPv4Network:
    """The subnet of the lab with this number, 1 to 254."""
    return ipaddress.IPv4Network(f"10.91.{number}.0/24")


def named(name: str = "", environ: Mapping[str, str] = os.environ) -> Lab:
    """The lab of that name, else the one that RAAB_LAB names, else `demo`; RAAB_LAB_DIR says where labs live.

    Raises RaabError if the name has other than small letters and digits, or the folder is not absolute.
    """
    name = name or environ.get("RAAB_LAB", "") or "demo"
    if not NAME.fullmatch(name):
        raise RaabError(f"RAAB_LAB: not a name for a lab, got {name!r}", "use small letters and digits, at most 16, a letter first")
    store = Path(environ.get("RAAB_LAB_DIR", "") or STORE)
    if not store.is_absolute():
        raise RaabError(f"RAAB_LAB_DIR: not an absolute path, got {str(store)!r}", f"unset it to use {STORE}")
    return Lab(name, store)


def read_ground(lab: Lab) -> Ground | None:
    """What the lab stands on, None if there is no such lab."""
    file = lab.home / "lab.json"
    try:
        content = json.loads(file.read_text())
        words = (str(content.get(key, default)) for key, default in (("owner", ""), ("suite", SUITE)))
        return Ground(int(content["number"]), str(content["base"]), *words)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise RaabError(f"{file}: not a lab's state, got {error!r}", f"remove {lab.home} when no host of it runs") from error


def write_ground(lab: Lab, ground: Ground) -> None:
    write_whole(lab.home / "lab.json", json.dumps(asdict(ground)) + "\n")


def write_whole(file: Path, text: str) -> None:
    """Puts the text there at once or not at all, so that a killed command leaves no half file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(text)
    part.replace(file)


def host(lab: Lab, ground: Ground, number: int) -> LabHost:
    """The lab's host of that number, whether it exists or not. The address is the subnet's 10 + number."""
    name = f"{lab.name}-{number}"
    return LabHost(
        name, number, str(ground.subnet[10 + number]), lab.home / "hosts" / name, f"{ground.machine_prefix}{number}", ground.bridge,
        lab.key, lab.known_hosts,
    )  # fmt: skip


def hosts(lab: Lab | str = "") -> tuple[LabHost, ...]:
    """The lab's hosts, running or not, in the order of their numbers; none if the lab is not there."""
    lab = named(lab) if isinstance(lab, str) else lab
    ground = read_ground(lab)
    if ground is None or not (lab.home / "hosts").is_dir():
        return ()
    pattern = re.compile(rf"{lab.name}-(\d+)")
    found = (pattern.fullmatch(entry.name) for entry in (lab.home / "hosts").iterdir())
    return tuple(host(lab, ground, number) for number in sorted(int(match[1]) for match in found if match))


def find(lab: Lab, name: str) -> LabHost:
    """The lab's host of that name. Raises RaabError if there is none."""
    existing = hosts(lab)
    for candidate in existing:
        if candidate.name == name:
            return candidate
    known = ", ".join(candidate.name for candidate in existing) or "none"
    raise RaabError(f"lab {lab.name}: no such host, got {name!r}", f"its hosts are: {known}")
