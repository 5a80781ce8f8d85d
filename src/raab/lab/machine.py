"""One host as a machine: its file system made ready, started, found, rebooted, killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import uuid
from pathlib import Path

from raab.errors import RaabError
from raab.lab.presence import groups, leader, of, remove_groups
from raab.lab.process import run, until
from raab.lab.state import SUITE, Lab, LabHost, write_whole

# The file system is mounted in a mount namespace of the host's own, so that it ends with the host's last process, however that ends.
# nspawn ends with 133 when the host reboots, and leaves the restart to whoever started it.
SUPERVISE = """
home=$1 base=$2; shift 2
mkdir -p /run/systemd/nspawn "$home/root"
mount -t tmpfs tmpfs /run/systemd/nspawn
mount -t overlay -o "lowerdir=$base,upperdir=$home/upper,workdir=$home/work" overlay "$home/root"
while :; do
    status=0
    "$@" || status=$?
    [ "$status" = 133 ] || exit "$status"
done
"""
# Hosts that shared a control group would stop one another's services.
ENTER = 'for group in $1; do mkdir -p "$group"; echo $$ >"$group/cgroup.procs"; done; shift; exec "$@"'


def seed(lab: Lab, host: LabHost) -> None:
    """Gives the host a file system without a past. Its host key stays what it was, so that known_hosts stays true."""
    key = lab.home / "hostkeys" / host.name
    make_key(key, host.name)
    part = host.home.with_name(f"{host.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    for folder in ("work", "root", "upper/root/.ssh"):
        (part / folder).mkdir(parents=True)
    upper = part / "upper"
    (upper / "root").chmod(0o700)
    (upper / "root/.ssh").chmod(0o700)
    files = {
        "etc/hostname": f"{host.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{host.address} {host.name}\n",
        "etc/machine-id": f"{uuid.uuid4().hex}\n",
        "etc/systemd/network/10-host0.network": f"[Match]\nName=host0\n[Network]\nAddress={host.address}/24\nLinkLocalAddressing=no\n",
        "etc/ssh/ssh_host_ed25519_key.pub": key.with_suffix(".pub").read_text(),
        "root/.ssh/authorized_keys": lab.key.with_suffix(".pub").read_text(),
    }
    for file, content in files.items():
        write_whole(upper / file, content)
    shutil.copy(key, upper / "etc/ssh/ssh_host_ed25519_key")
    shutil.rmtree(host.home, ignore_errors=True)
    part.rename(host.home)


def make_key(file: Path, comment: str) -> None:
    """Generates an ed25519 key pair unless it is there."""
    public = file.with_suffix(".pub")
    if not public.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        run("lab key", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file))


def start(host: LabHost, base: Path, suite: str) -> None:
    """Boots the host, of a Debian of that name, detached from this process; it outlives the command that started it."""
    # Since version 258 systemd knows no other hierarchy of control groups (its NEWS), whatever this machine has.
    unified = () if suite == SUITE else ("env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1")
    nspawn = (
        *unified, "systemd-nspawn", "--quiet", "--settings=no", f"--directory={host.root}", f"--machine={host.machine}",
        f"--hostname={host.name}",
        "--boot", f"--network-bridge={host.bridge}", "--register=no", "--keep-unit", "--private-users=no", "--console=pipe",
        "--resolv-conf=off", "--timezone=off", "--link-journal=no",
    )  # fmt: skip
    argv = ("setsid", "--fork", "unshare", "--mount", "--propagation", "private", "sh", "-euc", SUPERVISE, "raab-lab-host",
            str(host.home), str(base), *enter(host), *nspawn)  # fmt: skip
    with host.log.open("ab") as log:
        subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)


def enter(host: LabHost) -> tuple[str, ...]:
    """The words that put a command into a control group of the host's own: through systemd where it is this machine's first process.

    By its name, and not by its folder (sd_booted(3)) alone, which others may have left on a machine that has no systemd.
    """
    if Path("/run/systemd/system").is_dir() and Path("/proc/1/comm").read_text() == "systemd\n":
        return ("systemd-run", "--scope", "--quiet", "--collect", f"--unit=raab-lab-{host.machine}", "--property=Delegate=yes")
    return ("sh", "-euc", ENTER, "enter", " ".join(str(group) for group in groups(host.machine)))


def kill(host: LabHost) -> None:
    """Power loss: every process of the host ends at once. Returns when all are gone; harmless on a host that does not run.

    What the host had written but not yet synced stays, because this machine's kernel lives on: a real power loss may lose more.
    """

    calm = 0

    def gone() -> bool:
        nonlocal calm
        found = of(host)
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        # A process that forked and ended between the list of pids and the look at it hides its child from one look, not from two.
        calm = 0 if found else calm + 1
        return calm == 2

    if not until(20, gone):
        pids = ", ".join(str(process.pid) for process in of(host))
        raise RaabError(f"lab host {host.name}: processes did not end, got {pids}", "see what they wait for: `cat /proc/PID/stack`")
    if not until(5, lambda: remove_groups(host)):
        raise RaabError(f"lab host {host.name}: control groups did not go away, got {groups(host.machine)[0]}", "try again")


def reboot(host: LabHost) -> None:
    """Asks the host's systemd for a clean reboot and returns when the old one has gone; the host is not yet up again then."""
    before = leader(host)
    if before is None:
        raise RaabError(f"lab host {host.name}: cannot reboot, got a host that does not run", f"`fab lab.start {host.name}` boots it")
    os.kill(before, signal.SIGRTMIN + 5)
    if not until(120, lambda: not Path(f"/proc/{before}").exists()):
        raise RaabError(f"lab host {host.name}: did not go down within 120 s", f"`fab lab.kill {host.name}` cuts its power")


def wait_for_ssh(host: LabHost, seconds: float) -> None:
    """Returns when the host's sshd answers. Raises RaabError, with the console's last line, if it has not after that many seconds."""
    if not until(seconds, lambda: _ssh_answers(host.address)):
        console = host.log.read_text(errors="replace").strip().splitlines()
        last = console[-1] if console else "nothing"
        raise RaabError(
            f"lab host {host.name}: no answer on {host.address}:22 within {seconds:.0f} s, got on its console: {last}",
            f"read {host.log}; `fab lab.down` and `fab lab.up` start afresh",
        )


def _ssh_answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=0.3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
