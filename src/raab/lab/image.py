"""The base image that a lab's hosts share: Debian 12, or another one that is asked for, built once by debootstrap, kept under its
recipe's hash, never changed."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from raab.errors import RaabError
from raab.lab.process import only_one, run
from raab.lab.state import SUITE, Ground, Lab, read_ground, write_whole

# What raab is shown on, each with another Python: 3.11, 3.13, 3.14.
SUITES = (SUITE, "trixie", "testing")
# The hosts share this machine's clock: libfaketime lets a test set it for one service.
PACKAGES = ("systemd", "systemd-sysv", "dbus", "openssh-server", "python3", "iproute2", "ca-certificates", "sudo", "procps", "libfaketime")
# Without firstboot and the timers a host is quiet, and "running" instead of "degraded", as soon as it has booted.
MASKED = ("systemd-firstboot.service", "systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer",
          "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer", "console-getty.service")  # fmt: skip
FILES = {
    # Names of clients are not looked up: there is no name server, and a lookup would make every login wait.
    "etc/ssh/sshd_config.d/lab.conf": "HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\nPermitRootLogin prohibit-password\n"
    "PasswordAuthentication no\nMaxStartups 200\nMaxSessions 100\n",
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=32M\nSystemMaxFileSize=8M\n",
    "etc/resolv.conf": "",
    "etc/machine-id": "",
    "etc/hostname": "lab\n",
    # Each login would leave a warning in the journal without it.
    "etc/default/locale": "LANG=C.UTF-8\n",
}
DROPPED = ("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale",
           "var/cache/apt", "var/lib/apt/lists", "var/log/bootstrap.log")  # fmt: skip
MIRROR = "http://deb.debian.org/debian"


def name(suite: str = SUITE) -> str:
    """The image's name: another recipe makes another image."""
    recipe = repr((suite, PACKAGES, MASKED, sorted(FILES.items()), DROPPED))
    return f"base-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def mirror(sources: Iterable[str]) -> str:
    """The first Debian mirror that apt's source lists (their texts, either format) name, else Debian's own.

    A mirror of the security updates carries no base system, so only addresses that end in `/debian` count.
    """
    for text in sources:
        for line in text.splitlines():
            found = re.match(r"\s*(?:URIs:|deb\s)(?:.*?\s)?(https?://\S+/debian)/?(?:\s|$)", line)
            if found:
                return found[1]
    return MIRROR


def find_mirror() -> str:
    """`mirror` for this machine's apt."""
    etc = Path("/etc/apt")
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.sources")), *sorted((etc / "sources.list.d").glob("*.list"))]
    return mirror(file.read_text() for file in files if file.is_file())


def ensure(store: Path, say: Callable[[str], None], suite: str = SUITE) -> Path:
    """The folder of a Debian's image; builds it first if it is not there, which takes a minute and tells its progress through `say`.

    It is built beside its final name and renamed, under a lock: a killed build leaves nothing that anyone takes for an image.
    Raises RaabError if the packages cannot be had.
    """
    image = store / name(suite)
    if image.is_dir():
        return image
    with only_one(store / "locks" / "image"):
        if image.is_dir():
            return image
        part = store / f"{image.name}.part"
        _empty(store)
        started = time.monotonic()
        source = find_mirror()
        say(f"building the base image of Debian {suite} from {source}: once, about a minute")
        run("lab image", "wget", "--quiet", "--spider", "--timeout=15", "--tries=2", f"{source}/dists/{suite}/InRelease",
            hint="the base image needs a Debian mirror: check the network and apt's sources")  # fmt: skip
        _bootstrap(part, source, suite, say)
        _customise(part)
        part.rename(image)
        say(f"base image built in {time.monotonic() - started:.0f} s")
    return image


def _empty(store: Path) -> None:
    """Removes what killed builds left, and images of older recipes that no lab stands on."""
    grounds = (read_ground(Lab(home.name, store)) for home in store.glob("labs/*"))
    kept = {*map(name, SUITES), *(ground.base for ground in grounds if isinstance(ground, Ground))}
    for old in store.glob("base-*"):
        if old.name not in kept:
            shutil.rmtree(old)


def _bootstrap(part: Path, source: str, suite: str, say: Callable[[str], None]) -> None:
    """Runs debootstrap, which takes its processes and mounts with it when it or this process is killed."""
    argv = (
        "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child",
        "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(part), source,
    )  # fmt: skip
    started = told = time.monotonic()
    line = ""
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, close_fds=False
    ) as child:  # fmt: skip
        assert child.stdout is not None
        for line in child.stdout:
            if time.monotonic() > told + 3:
                told = time.monotonic()
                say(f"  {told - started:3.0f} s: {line.removeprefix('I: ').strip()}")
    if child.returncode:
        raise RaabError(f"lab image: debootstrap failed, got {line.strip()!r}", f"its log is {part}/debootstrap/debootstrap.log")


def _customise(part: Path) -> None:
    for dropped in (*DROPPED, *(str(key.relative_to(part)) for key in part.glob("etc/ssh/ssh_host_*"))):
        path = part / dropped
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    # apt refuses to work without these two folders; a user of a lab host may want it.
    for folder in ("var/cache/apt/archives/partial", "var/lib/apt/lists/partial"):
        (part / folder).mkdir(parents=True)
    for file, content in FILES.items():
        write_whole(part / file, content)
    for unit in MASKED:
        (part / "etc/systemd/system" / unit).unlink(missing_ok=True)
        (part / "etc/systemd/system" / unit).symlink_to("/dev/null")
    run("lab image", "systemctl", f"--root={part}", "--quiet", "enable", "systemd-networkd.service", "ssh.service")
