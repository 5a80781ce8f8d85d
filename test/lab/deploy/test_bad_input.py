"""What is wrong is told in one message, without a traceback, and nothing is changed on the host."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from raab.lab.state import LabHost


def environment(host: LabHost, **others: str) -> str:
    """The text of an environment file for one lab host; keyword arguments replace or add lines."""
    lines = {"hosts": f"{{h1: {{address: {host.address}}}}}", "identity": str(host.key), "known_hosts": str(host.known_hosts), **others}
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


@pytest.fixture(scope="module")
def project(make_project: Callable[[], Any]) -> Any:
    """One for all: nothing that these tests do with it comes to the host."""
    return make_project()


@pytest.fixture(scope="module")
def served(project: Any, lab: Any) -> LabHost:
    """A host that serves a release. Tests that want a host without a past come last here."""
    host: LabHost
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    # The last activation prunes after its verdict; what it removes is no change of ours.
    lab.shell(host).run("while systemctl -q is-active raab-activate; do sleep 0.05; done")
    project.mark("never deployed")
    return host


@pytest.fixture
def deployed(served: LabHost, lab: Any, look: Any) -> Iterator[LabHost]:
    """That host, and a check that nothing on it has changed since."""
    before = look(lab.shell(served))
    yield served
    assert look(lab.shell(served)) == before


def test_an_environment_that_does_not_exist(project: Any, deployed: LabHost) -> None:
    """The message lists those that do, or names the one that was meant."""
    assert project.fab("deploy", "--env", "labb", expect=2).err.strip() == "--env: no such environment, got labb\nhint: did you mean 'lab'?"
    assert "there are: lab" in project.fab("status", "--env", "staging", expect=2).err


def test_yaml_that_is_broken_and_keys_that_are_unknown(project: Any, deployed: LabHost) -> None:
    """File and line are named, and the key that was meant."""
    project.environment("broken", "hosts: {h1: [\n")
    assert "deploy/broken.yaml:" in project.fab("deploy", "--env", "broken", expect=2).err
    project.environment("typo", environment(deployed, wave="[1, 100%]"))
    said = project.fab("deploy", "--env", "typo", expect=2).err
    assert "typo.yaml:4: wave: unknown key" in said
    assert "hint: did you mean 'waves'?" in said


def test_a_host_that_is_not_in_the_environment(project: Any, deployed: LabHost) -> None:
    assert f"its hosts are: {deployed.name}" in project.fab("deploy", "--hosts", "nobody", expect=2).err


def test_a_key_that_the_host_does_not_know(project: Any, deployed: LabHost, tmp_path: Path) -> None:
    """A wrong key, and one that is not there."""
    key = tmp_path / "other"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)), check=True)
    project.environment("wrong", environment(deployed, identity=str(key)))
    assert f"the login as root with the key {key} was refused" in project.fab("deploy", "--env", "wrong", expect=3).out
    project.environment("gone", environment(deployed, identity=str(key) + ".gone"))
    assert "the key cannot be read" in project.fab("deploy", "--env", "gone", expect=2).out


def test_a_host_key_that_is_unknown_or_another(project: Any, deployed: LabHost, tmp_path: Path) -> None:
    """Neither is trusted; the hint says how to add it after a look."""
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    project.environment("unknown", environment(deployed, known_hosts=str(empty)))
    said = project.fab("deploy", "--env", "unknown", expect=3).out
    assert "its host key is unknown" in said
    assert "ssh-keyscan" in said
    other = tmp_path / "hostkey"
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)), check=True)
    empty.write_text(f"{deployed.address} {' '.join(other.with_suffix('.pub').read_text().split()[:2])}\n")
    assert "its host key has changed" in project.fab("deploy", "--env", "unknown", expect=3).out


def test_a_release_that_is_unknown(project: Any, deployed: LabHost) -> None:
    said = project.fab("rollback", "--hosts", deployed.name, "--to", "20200101T000000Z-0000000", expect=2).out
    assert "no such release that once served, got 20200101T000000Z-0000000" in said


def test_a_host_without_python(project: Any, lab: Any, deployed: LabHost) -> None:
    shell = lab.shell(deployed)
    shell.run("mv /usr/bin/python3 /usr/bin/python3.hidden")
    try:
        assert "there is no python3" in project.fab("deploy", "--hosts", deployed.name, expect=5).out
    finally:
        shell.run("mv /usr/bin/python3.hidden /usr/bin/python3")


def test_a_host_whose_python_is_too_old(project: Any, lab: Any, deployed: LabHost) -> None:
    """Seen before any of raab's program runs there."""
    shell = lab.shell(deployed)
    pretend = "import sys; sys.version_info=(3,9); sys.version='3.9.2 x'"
    shell.put("/usr/local/bin/python3", f'#!/bin/sh\nshift 2\nexec /usr/bin/python3 -c "{pretend}\n$1"\n', "755")
    try:
        assert "its python3 is too old, got 3.9.2" in project.fab("deploy", "--hosts", deployed.name, expect=5).out
    finally:
        shell.run("rm /usr/local/bin/python3")


def test_a_user_without_sudo(project: Any, lab: Any, deployed: LabHost) -> None:
    """Who is not root needs sudo without a password; with it, all works."""
    shell = lab.shell(deployed)
    shell.run(
        "useradd --create-home --shell /bin/sh deployer && install -d -o deployer -m 700 /home/deployer/.ssh"
        " && install -o deployer -m 600 /root/.ssh/authorized_keys /home/deployer/.ssh/"
    )
    try:
        project.environment("user", environment(deployed, user="deployer"))
        assert "sudo refused deployer" in project.fab("plan", "--env", "user", expect=5).out
        shell.run("echo 'deployer ALL=(root) NOPASSWD: /usr/bin/python3' >/etc/sudoers.d/deployer")
        assert "release" in project.fab("plan", "--env", "user").out
    finally:
        shell.run("rm -f /etc/sudoers.d/deployer; userdel --force --remove deployer 2>/dev/null", check=False)


@pytest.mark.parametrize("text", ["echo Welcome; echo to this host >&2", "printf Welcome", "printf '{'", "(sleep 1; echo late) &"])
def test_a_login_file_that_prints_something_disturbs_nothing(project: Any, lab: Any, deployed: LabHost, text: str) -> None:
    """bash reads .bashrc for commands that come by SSH, too."""
    shell = lab.shell(deployed)
    shell.run("cp -p /root/.bashrc /root/.bashrc.kept 2>/dev/null; cat >/root/.bashrc", stdin=text.encode())
    try:
        assert "release" in project.fab("plan", "--hosts", deployed.name).out
    finally:
        shell.run("rm /root/.bashrc; mv /root/.bashrc.kept /root/.bashrc 2>/dev/null; true")


def test_a_user_who_is_let_in_and_gets_no_session(project: Any, lab: Any, deployed: LabHost) -> None:
    """By real accounts: one without a login shell, one whose password has expired, one that has expired itself."""
    shell = lab.shell(deployed)
    folder = "/home/deployer/.ssh"
    made = f"install -d -o deployer -m 700 {folder} && install -o deployer -m 600 /root/.ssh/authorized_keys {folder}/"
    project.environment("user", environment(deployed, user="deployer"))
    try:
        shell.run(f"useradd --create-home --shell /usr/sbin/nologin deployer && {made}")
        said = project.fab("plan", "--env", "user", expect=5).out
        assert "no session began (exit status 1), got: This account is currently not available." in said
        shell.run("usermod --shell /bin/sh deployer && chage -d 0 deployer")
        said = project.fab("plan", "--env", "user", expect=5).out
        assert "the password of deployer has expired" in said
        assert "chage -M -1 deployer" in said
        shell.run("chage -d 2026-01-01 -M -1 -E 1 deployer")
        said = project.fab("plan", "--env", "user", expect=3).out
        assert "it took the key, and then closed the connection" in said
        assert "it does not let deployer in: an account that has expired" in said
    finally:
        shell.run("userdel --force --remove deployer 2>/dev/null", check=False)


def test_a_host_with_too_little_disk(project: Any, lab: Any) -> None:
    """The plan sees it; nothing is sent."""
    host = lab.fresh()
    shell = lab.shell(host)
    shell.run("mkdir -p /opt && mount -t tmpfs -o size=50m tmpfs /opt")
    try:
        said = project.fab("deploy", "--hosts", host.name, expect=5).out
        assert "disk: needs" in said
        assert shell.run("ls -A /opt").out == ""
    finally:
        shell.run("umount /opt")


@pytest.mark.parametrize(
    ("disk", "reason"),
    [("size=60m", "bytes free for"), ("size=900m,nr_inodes=150", "No space left on device")],
    ids=["bytes", "inodes"],
)
def test_a_disk_that_fills_up_while_staging(make_project: Callable[[], Any], lab: Any, disk: str, reason: str) -> None:
    """What the plan could not see ends in a message too, and the next deploy converges. The host looks at bytes before it takes them;
    of inodes nobody knows exactly how many there have to be."""
    host = lab.fresh()
    shell = lab.shell(host)
    shell.run(f"mkdir -p /opt && mount -t tmpfs -o {disk} tmpfs /opt")
    project = make_project()
    plan = project.root / "src/raab/deploy/plan/deploy.py"
    plan.write_text(plan.read_text().replace("MARGIN = 64 * MIB", "MARGIN = -10_000 * MIB").replace("INODES = 1_000", "INODES = 0"))
    try:
        said = project.fab("deploy", "--hosts", host.name, expect=5).out
        assert reason in said
        assert shell.run("test -e /opt/raab/current", check=False).status == 1
    finally:
        shell.run("umount /opt")
    project.fab("deploy", "--hosts", host.name)
