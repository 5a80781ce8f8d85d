"""What a host may be like."""

from __future__ import annotations

from .case import Stage, as_it_is, case

FAMILY = "states of a host"
# It fails in a worker of the service alone, and only after the switch: another gunicorn.py has the trial made by a process of its own.
LATE = (
    "import sys\nfrom flask import Blueprint\nblueprint = Blueprint('home', __name__)\n"
    "if sys.argv[0].endswith('gunicorn') and 'gunicorn.arbiter' in sys.modules: raise RuntimeError('only in a worker')"
)


def fails_late(stage: Stage) -> None:
    stage.project.break_app(LATE)
    with (stage.root / "gunicorn.py").open("a") as settings:
        settings.write("\n# another one\n")


case(FAMILY, "all is well", 0, "requests across the switch failed", serves="new")(as_it_is)
case(FAMILY, "a release that fails after the switch", 4, "only in a worker")(fails_late)


@case(FAMILY, "the same release serves already", 0, "nothing changes", serves="before")
def _(stage: Stage) -> None:
    stage.project.fab("deploy", "--hosts", stage.host.name)


@case(
    FAMILY,
    "the same release serves already, and no process of before shall be left",
    0,
    "1 deployed",
    "fab deploy --restart --hosts {host}",
)
def _(stage: Stage) -> None:
    stage.project.fab("deploy", "--hosts", stage.host.name)


@case(FAMILY, "a file of the release that serves was changed", 0, "mend", "fab plan --hosts {host}")
def _(stage: Stage) -> None:
    stage.project.fab("deploy", "--hosts", stage.host.name)
    stage.shell.run("echo >>/opt/raab/current/gunicorn.py")


@case(FAMILY, "there is no python3", 5, "there is no python3")
def _(stage: Stage) -> None:
    stage.there("mv /usr/bin/python3 /usr/bin/python3.hidden", "mv /usr/bin/python3.hidden /usr/bin/python3")


@case(FAMILY, "its python3 is too old", 5, "its python3 is too old, got 3.9.2")
def _(stage: Stage) -> None:
    pretend = "import sys; sys.version_info=(3,9); sys.version='3.9.2 x'"
    stage.there("true", "rm -f /usr/local/bin/python3")
    stage.shell.put("/usr/local/bin/python3", f'#!/bin/sh\nshift 2\nexec /usr/bin/python3 -c "{pretend}\n$1"\n', "755")


@case(FAMILY, "its disk cannot be written", 5, "Read-only file system")
def _(stage: Stage) -> None:
    stage.there("mount --bind /opt /opt && mount -o remount,bind,ro /opt", "umount /opt")


@case(FAMILY, "its login file prints something", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    stage.there("cp -p /root/.bashrc /root/.bashrc.kept", "mv /root/.bashrc.kept /root/.bashrc")
    stage.shell.run("echo 'echo Welcome; echo to this host >&2' >/root/.bashrc")


@case(FAMILY, "another deployer has its lock", 6, "lock: held for a deploy, got somebody from somewhere")
def _(stage: Stage) -> None:
    lock = "/run/raab-deploy/lock"
    stage.there(f"mkdir -p /run/raab-deploy && systemd-run --quiet --unit=holder flock {lock} sleep 600", "systemctl stop holder")
    stage.shell.run(f"while flock --nonblock {lock} true; do sleep 0.05; done")


@case(FAMILY, "its link `current` is gone, and the release fails", 4, "only in a worker")
def _(stage: Stage) -> None:
    fails_late(stage)
    stage.shell.run("rm /opt/raab/current")


@case(FAMILY, "its link `current` is an operator's own, and the release fails", 4, "only in a worker")
def _(stage: Stage) -> None:
    fails_late(stage)
    stage.shell.run("ln -sfn /srv/elsewhere /opt/raab/current")


@case(FAMILY, "it is drained", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    stage.there("/opt/raab/current/venv/bin/raab drain || raab drain", "rm -f /run/raab/drain")


@case(FAMILY, "a unit was changed by hand", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    stage.shell.run("echo '# by hand' >>/etc/systemd/system/raab.service && systemctl daemon-reload")


@case(FAMILY, "somebody else has an address that the release wants", 5, "is held by")
def _(stage: Stage) -> None:
    stage.there(
        "systemd-run --quiet --unit=somebody python3 -m http.server 8123", "systemctl stop somebody; systemctl reset-failed somebody; true"
    )
    stage.shell.run("until ss -ltn | grep -q :8123; do sleep 0.05; done")
    stage.change("src/raab/config/setting.yaml", "bind: ", "bind: 0.0.0.0:8123  # ")


@case(FAMILY, "its journal has a broken line", 0, "1 deployed", serves="new")
def _(stage: Stage) -> None:
    stage.shell.run("echo '{broken' >>/opt/raab/journal.jsonl")


@case(FAMILY, "there is no room for its lock", 5, "lock: the host refused, got /run/raab-deploy/lock: No space left on device")
def _(stage: Stage) -> None:
    folder = "/run/raab-deploy"
    stage.there(f"mkdir -p {folder} && mount -t tmpfs -o nr_inodes=1 tmpfs {folder}", f"umount {folder}")


@case(FAMILY, "its journal cannot be written", 4, "activation: the host refused, got /opt/raab/journal.jsonl: Read-only file system")
def _(stage: Stage) -> None:
    file = "/opt/raab/journal.jsonl"
    stage.there(f"mount --bind {file} {file} && mount -o remount,bind,ro {file}", f"umount {file}")
