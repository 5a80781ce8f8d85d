"""How the system's own `ssh` is asked for a connection: its words and its configuration. Pure: from a host to text.

OpenSSH and no library: what `ssh_config(5)` and `sshd(8)` say of Include, Match, ProxyJump, certificates and revoked keys then holds.
"""

from __future__ import annotations

from pathlib import Path

from raab import exitcodes
from raab.deploy.plan.environment import Host
from raab.errors import RaabError

# Seconds between two signs of life, and how many may be missing: for an `ssh` whose deployer has gone (channel.py watches ours).
ALIVE, MISSING = 15, 3
# For the host and for each hop before it. The first value that ssh finds holds (ssh_config(5)), so nobody's own configuration weakens
# these: one connection of raab's own, on which nobody is asked anything; keys are checked and never learned.
EVERY_HOP = f"""\
Host *
    IgnoreUnknown ForkAfterAuthentication,StdinNull,SessionType,UpdateHostKeys
    BatchMode yes
    StrictHostKeyChecking yes
    UpdateHostKeys no
    ControlMaster no
    ControlPath none
    ClearAllForwardings yes
    ForwardAgent no
    ForwardX11 no
    PermitLocalCommand no
    RemoteCommand none
    RequestTTY no
    SessionType default
    StdinNull no
    ForkAfterAuthentication no
    Tunnel no
    VisualHostKey no
    LogLevel INFO
    ConnectionAttempts 1
    ServerAliveInterval {ALIVE}
    ServerAliveCountMax {MISSING}
"""
# `Include` as ssh itself reads them (ssh(1), FILES).
USERS_OWN = ("~/.ssh/config", "/etc/ssh/ssh_config")


def configuration(host: Host, timeout: float) -> str:
    """The file that ssh is started with, which it hands on to each ProxyJump. `timeout` is in seconds, for each hop.

    Raises RaabError when a path cannot be written in such a file.
    """
    lines = [EVERY_HOP, f"    ConnectTimeout {max(1, round(timeout))}\n"]
    if host.known_hosts:
        lines += [f"    UserKnownHostsFile {quoted(host, host.known_hosts)}\n", "    GlobalKnownHostsFile /dev/null\n"]
    if host.ssh_config != "none":
        lines += [f"Include {quoted(host, file)}\n" for file in ((host.ssh_config,) if host.ssh_config else USERS_OWN)]
    # The last word, for who is told nowhere else; a hop before the host keeps what ssh itself would use.
    return "".join((*lines, f"Match originalhost {host.address}\n    User root\n"))


def words(host: Host, folder: Path, command: str) -> tuple[str, ...]:
    """The command line. What the environment's file says stands there, above every configuration; `folder` has `config` and gets `log`."""
    return (
        "ssh", "-F", str(folder / "config"), "-E", str(folder / "log"), "-o", "LogLevel=DEBUG1", "-T",
        *(("-p", str(host.port)) if host.port else ()),
        *(("-l", host.user) if host.user else ()),
        *(("-o", "IdentitiesOnly=yes", "-i", host.identity) if host.identity else ()),
        "--", host.address, command,
    )  # fmt: skip


def quoted(host: Host, path: str) -> str:
    """A path as a word of ssh_config(5), in which % begins a token."""
    if '"' in path or not path.isprintable():
        raise RaabError(f"host {host.name}: ssh cannot be told this path, got {path!r}", "give the file another name", exitcodes.BAD_INPUT)
    return f'"{path}"'.replace("%", "%%")
