"""A hundred hosts on this machine: sshd processes with their own roots, keys and releases, on loopback ports of their own.

What they run is the real session program, on the lab's base image; only systemd is missing, so that an activation is faked: it
switches the link and gives its verdict at once. What is measured is the deployer's side, and the hosts' share up to the activation.

Run as a program, in a mount namespace of its own: writes the measured values to stdout as JSON. The files of the hosts are in memory,
for real hosts do not wait for one another's disk; they are gone with the namespace.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from usage import processor_seconds, used

from raab.deploy import environments
from raab.deploy.plan.environment import Host
from raab.drill.stage.project import Project, copy
from raab.errors import RaabError
from raab.lab.process import until
from raab.lab.state import write_whole

ROOT = Path(__file__).resolve().parents[1]
COUNT = 100

FIRST_PORT = 22000
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
--version) echo "systemd 252 (bench)" ;;
show*raab.service*)
    printf '%s\\n' ActiveState=active SubState=running MainPID=1 NeedDaemonReload=no UnitFileState=enabled '' ActiveState=inactive ;;
show*) echo ActiveState=inactive ;;
esac
"""
# Its last word is the release.
SYSTEMD_RUN = """\
#!/bin/sh
for release; do :; done
ln -sfn releases/$release /opt/raab/.switch && mv -T /opt/raab/.switch /opt/raab/current
echo '{"time": 0, "release": "'$release'", "verdict": "serving"}' >>/opt/raab/journal.jsonl
echo '{"event": "verdict", "ok": true, "release": "'$release'", "reason": "", "seconds": 0.0}' >/run/raab-deploy/events.jsonl
"""
# The mounts and the processes of all hosts end with the first process of the namespaces, and that one with whoever started it.
CONTAIN = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child")
SERVE = """
home=$1 base=$2; shift 2
for port; do
    host=$home/$port
    mount -t overlay -o "lowerdir=$home/common:$base,upperdir=$host/upper,workdir=$host/work" overlay "$host/root"
    mount -t proc proc "$host/root/proc"
    chroot "$host/root" /usr/sbin/sshd -D -o ListenAddress=127.0.0.1 -p "$port" &
done
wait
"""


def prepare(home: Path, count: int) -> tuple[Host, ...]:
    """Files of that many hosts below the empty folder `home`: what they share, and a root and a host key for each."""
    key, known_hosts = home / "key", home / "known_hosts"
    keygen(key)
    common = home / "common"
    for name, content in (("systemctl", SYSTEMCTL), ("systemd-run", SYSTEMD_RUN)):
        write_whole(common / "usr/bin" / name, content)
        (common / "usr/bin" / name).chmod(0o755)
    write_whole(common / "root/.ssh/authorized_keys", key.with_suffix(".pub").read_text())
    for folder in ("root/.ssh", "root"):
        (common / folder).chmod(0o700)
    (common / "run/sshd").mkdir(parents=True)
    lines, hosts = [], []
    for port in range(FIRST_PORT, FIRST_PORT + count):
        for folder in ("upper/etc/ssh", "work", "root"):
            (home / str(port) / folder).mkdir(parents=True)
        public = keygen(home / str(port) / "upper/etc/ssh/ssh_host_ed25519_key")
        lines.append(f"[127.0.0.1]:{port} {public}\n")
        hosts.append(Host(f"crowd-{port}", "127.0.0.1", port, "root", str(key), str(known_hosts), ("app",)))
    known_hosts.write_text("".join(lines))
    return tuple(hosts)


def keygen(file: Path) -> str:
    """Makes a key; returns its public half without the comment."""
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)), check=True)
    return " ".join(file.with_suffix(".pub").read_text().split()[:2])


@contextmanager
def serving(home: Path, base: Path, hosts: tuple[Host, ...]) -> Iterator[int]:
    """The pid of the process whose children are their sshd; all processes and mounts are gone afterwards."""
    words = (*CONTAIN, "sh", "-euc", SERVE, "raab-bench-crowd", str(home), str(base), *(str(host.port) for host in hosts))
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            for host in hosts:
                wait_for(host, process)
            (first,) = children(process.pid)
            yield first
        finally:
            process.kill()


def children(pid: int) -> tuple[int, ...]:
    return tuple(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def wait_for(host: Host, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection((host.address, host.port), timeout=1) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.02)
        if time.monotonic() > end or process.poll() is not None:
            process.kill()
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace").strip()
            raise RaabError(f"bench: {host.name} does not answer on port {host.port}, got: {said[-500:] or 'nothing'}")


def settle(home: Path, base: Path, hosts: tuple[Host, ...], project: Project) -> None:
    """Every host on the project's release: it is deployed to the first, and linked into the roots of the others."""
    with serving(home, base, hosts[:1]):
        project.write_environment("crowd", hosts[:1])
        project.fab("deploy", env="crowd")
    seed = home / str(hosts[0].port) / "upper/opt"

    def link(host: Host) -> None:
        subprocess.run(("cp", "-al", str(seed), str(home / str(host.port) / "upper/opt")), check=True)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(link, hosts[1:]))


def measure(base: Path, rounds: int) -> dict[str, list[tuple[float, float, float]]]:
    """Deploys of changed code, of the same, and back: seconds, the deployer's CPU seconds and those of all hosts, for each round."""
    found: dict[str, list[tuple[float, float, float]]] = {"code-only": [], "unchanged": [], "rollback": []}
    with tempfile.TemporaryDirectory(prefix="raab-bench-") as folder:
        source = Path(folder) / "project"
        source.mkdir()
        project = copy(ROOT, source, environments.load(ROOT, "lab"), import_seconds=0)
        with in_memory(Path(folder) / "hosts") as home:
            hosts = prepare(home, COUNT)
            settle(home, base, hosts, project)
            with serving(home, base, hosts) as parent:
                project.write_environment("crowd", hosts, (1, "25%", "100%"))
                for number in range(rounds):
                    project.change(f"crowd {number}")
                    project.fab("build", env="")
                    for name, verb in (("code-only", "deploy"), ("unchanged", "deploy"), ("rollback", "rollback")):
                        before = ended(parent)
                        use = used(project, verb, "crowd")
                        found[name].append((use.seconds, use.processor, ended(parent) - before))
    return found


@contextmanager
def in_memory(home: Path) -> Iterator[Path]:
    """A new folder whose files are in memory, and gone all at once."""
    home.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", "mode=755,size=80%", "raab-bench", str(home)), check=True)
    try:
        yield home
    finally:
        # The namespaces of what served there may take a moment to end; their mounts do not hold this one.
        subprocess.run(("umount", "--lazy", str(home)), check=True)


def ended(parent: int) -> float:
    """The CPU seconds of all sshd and of what they ran, once nothing more runs under them.

    A session outlives its connection by a moment, and is then the child of the namespace's first process: `parent`.
    """
    if not until(10, lambda: len(children(parent)) == COUNT and not any(map(children, children(parent)))):
        raise RaabError("bench: sessions of the crowd do not end")
    return processor_seconds(parent) + sum(map(processor_seconds, children(parent)))


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]))))
