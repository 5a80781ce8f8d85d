"""The lab on real hosts: what it promises to those who test on it."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import paramiko
import pytest

from raab.lab import lab as lifecycle
from raab.lab import presence
from raab.lab.network import LINKS
from raab.lab.process import processes, until
from raab.lab.shell import Shell
from raab.lab.state import Lab, LabHost, hosts, named, read_ground

if TYPE_CHECKING:
    from .conftest import LabForTests

VERBS = "from invoke import Program; from raab.lab.tasks import namespace; Program(namespace=namespace).run()"


def verb(*words: str, lab: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A `fab lab.` verb in a process of its own."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", VERBS, *words], env={**os.environ, "RAAB_LAB": lab, "HOME": "/"}, cwd="/",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def leftovers(lab: Lab, number: int) -> list[str]:
    """Everything of a lab that this machine still shows: processes, mounts, interfaces, control groups, files."""
    machine = f"rl{number}-"
    if any(ground and ground.number == number for ground in map(read_ground, others(lab))):
        # Somebody else's lab has got the number meanwhile: names with it are theirs.
        machine, number = "none", 0
    ours = (p for p in processes() if any(str(lab.home) in word for word in p.argv) or any(f"/{machine}" in group for group in p.groups))
    found = [f"process {process.pid} {process.argv}" for process in ours]
    found += [f"mount {line}" for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(lab.home) in line]
    found += [f"link {link.name}" for link in LINKS.iterdir() if link.name == f"rl{number}" or link.name.startswith(f"vb-{machine}")]
    found += [f"group {group}" for top in presence.groups("") for group in Path(top).glob(f"{machine}*")]
    return found + ([f"folder {lab.home}"] if lab.home.exists() else [])


@pytest.fixture
def crash(lab: LabForTests) -> Iterator[Lab]:
    """Another lab, for what goes wrong; it is down with the test, whatever became of that."""
    ours = named(f"{lab.lab.name[:11]}crash")
    try:
        yield ours
    finally:
        lifecycle.down(ours)


def others(lab: Lab) -> list[Lab]:
    return [Lab(home.name, lab.store) for home in lab.store.glob("labs/*") if home.name != lab.name]


@pytest.mark.parametrize("limit", [30, pytest.param(5, marks=pytest.mark.prove)])
def test_two_hosts_answer_soon(lab: LabForTests, limit: float) -> None:
    """From the cached image, two hosts are up in so many seconds, 5 where nothing else runs, each with a systemd that is content and its
    own address."""
    lab.hosts(1)
    lifecycle.down(lab.lab)
    started = time.monotonic()
    two = lab.hosts(2)
    seconds = time.monotonic() - started
    assert seconds < limit
    for host in two:
        assert until(10, lambda host=host: lab.shell(host).run("systemctl is-system-running", check=False).out == "running\n", 0.1)  # type: ignore[misc]
        assert lab.shell(host).run("hostname").out == f"{host.name}\n"
        assert host.address in lab.shell(host).run("ip -4 -br address show host0").out
    print(f"two hosts up in {seconds:.2f} s")


def test_ssh_words_open_a_root_shell_that_checks_the_host(lab: LabForTests) -> None:
    """The listed words log in as root without a question; with another host's key in known_hosts they refuse."""
    one, two = lab.hosts(2)
    done = subprocess.run([*one.ssh_argv, "id", "-u"], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    swapped = [word.replace(one.address, two.address) for word in one.ssh_argv]
    known = one.known_hosts.read_text()
    keys = [line.split(maxsplit=1)[1] for line in known.splitlines()]
    assert len(set(keys)) == len(keys), "every host has its own key"
    wrong = lab.lab.home / "wrong_known_hosts"
    wrong.write_text(f"{two.address} {keys[0]}\n")
    refused = subprocess.run(
        [word.replace(str(one.known_hosts), str(wrong)) for word in swapped] + ["true"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 255
    assert "verification failed" in refused.stderr


def test_list_prints_one_document(lab: LabForTests) -> None:
    """`list --json` prints one JSON document: name, address, and the words of a root shell, which work as they stand."""
    two = lab.hosts(2)
    out, _ = verb("list", "--json", lab=lab.lab.name).communicate(timeout=30)
    document = json.loads(out)
    assert [host["name"] for host in document["hosts"]][:2] == [host.name for host in two]
    assert set(document["hosts"][0]) == {"name", "address", "ssh"}
    done = subprocess.run([*document["hosts"][1]["ssh"], "hostname"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{two[1].name}\n"


def test_reboot_keeps_the_state(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """A rebooted host has what it had, and has really booted anew."""
    before = shell.run("cat /proc/sys/kernel/random/uuid >/root/was; stat -c %Y /proc/1; cat /root/was").out.split()
    time.sleep(1)
    lifecycle.reboot(lab.lab, host.name)
    after = shell.run("stat -c %Y /proc/1; cat /root/was").out.split()
    assert after[1] == before[1]
    assert after[0] != before[0]


def test_reboot_from_inside_comes_back(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """`systemctl reboot` on the host does what it does on a real one."""
    before = presence.leader(host)
    shell.run("systemctl reboot", check=False)
    assert until(30, lambda: presence.leader(host) not in (before, None))
    lifecycle.start(lab.lab, host.name)
    assert shell.run("hostname").out == f"{host.name}\n"


def test_power_loss_keeps_what_was_synced(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """A killed host is off at once, whoever asks; started again it has its disk."""
    shell.run("echo kept >/root/kept; sync /root/kept")
    lifecycle.kill(lab.lab, host.name)
    assert presence.of(host) == []
    with pytest.raises((OSError, paramiko.SSHException)):
        Shell(host).run("true", timeout=3)
    lifecycle.start(lab.lab, host.name)
    assert shell.run("cat /root/kept").out == "kept\n"


def test_a_host_that_shut_itself_down_is_started_by_up(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """`poweroff` inside ends the host; `up` boots it, with its state, and leaves the others alone."""
    other = lab.hosts(2)[1]
    leader = presence.leader(other)
    shell.run("echo kept >/root/off; systemctl poweroff", check=False)
    assert until(30, lambda: presence.leader(host) is None)
    lab.hosts(2)
    assert shell.run("cat /root/off").out == "kept\n"
    assert presence.leader(other) == leader


def test_cut_host_is_silent_until_healed(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """A cut host does not answer and does not refuse; a connection that was open survives a short cut, as in a real network."""
    shell.run("true")
    lifecycle.cut(lab.lab, host.name)
    with pytest.raises((OSError, paramiko.SSHException)):
        Shell(host).run("true", timeout=3)
    lifecycle.heal(lab.lab, host.name)
    assert shell.run("hostname").out == f"{host.name}\n"
    with Shell(host) as another:
        assert another.run("hostname").out == f"{host.name}\n"


def test_a_cut_host_stays_cut(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """Also when it has forgotten who its neighbours are and asks again: nobody answers, and nothing that it sends arrives."""
    shell.run("true")
    lifecycle.cut(lab.lab, host.name)
    try:
        inside = ("nsenter", f"--target={presence.leader(host)}", "--net")
        gateway = str(ipaddress.ip_network(f"{host.address}/24", strict=False)[1])
        subprocess.run((*inside, "ip", "neigh", "flush", "all"), check=True)
        # A datagram makes the host ask for the gateway's hardware address, three times within three seconds.
        subprocess.run((*inside, sys.executable, "-c", f"import socket; socket.socket(2, 2).sendto(b'x', ('{gateway}', 9))"), check=True)
        time.sleep(4)
        known = subprocess.run((*inside, "ip", "neigh", "show", gateway), capture_output=True, text=True, check=True)
        assert "lladdr" not in known.stdout
        with pytest.raises((OSError, paramiko.SSHException)):
            Shell(host).run("true", timeout=3)
    finally:
        lifecycle.heal(lab.lab, host.name)
    with Shell(host) as another:
        assert another.run("hostname").out == f"{host.name}\n"


def test_a_lab_that_is_made_anew_has_its_old_addresses(lab: LabForTests, crash: Lab) -> None:
    """Also when another one was made meanwhile."""
    other = named(f"{crash.name[:11]}other")
    (before,) = lifecycle.up(crash, 1)
    lifecycle.down(crash)
    try:
        (between,) = lifecycle.up(other, 1)
        (after,) = lifecycle.up(crash, 1)
        assert after.address == before.address != between.address
    finally:
        lifecycle.down(other)


def test_a_fresh_host_has_no_past_but_its_key(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """`fresh` takes a host's files away; address, host key and known_hosts stay true."""
    known = host.known_hosts.read_text()
    shell.run("echo past >/root/past; mkdir -p /opt/raab")
    same = lab.fresh()
    assert same == host
    assert shell.run("ls /root/past /opt/raab", check=False).status != 0
    assert host.known_hosts.read_text() == known


def test_hosts_do_not_disturb_each_other(lab: LabForTests) -> None:
    """Stopping a service on one host does not stop the other's: they share no control group."""
    one, two = lab.hosts(2)
    for host in (one, two):
        lab.shell(host).run("systemd-run --unit=same sleep 300")
    lab.shell(one).run("systemctl stop same")
    assert lab.shell(two).run("systemctl is-active same").out == "active\n"
    lab.shell(two).run("systemctl stop same")


def test_hosts_reach_nothing_beyond_the_lab(lab: LabForTests, host: LabHost, shell: Shell) -> None:
    """A host has no route out: whatever needs the internet fails at once."""
    assert shell.run("ip route").out.split()[0].startswith("10.91.")
    assert "unreachable" in shell.run("python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 3)'", check=False).err


@pytest.mark.parametrize(
    "moment", [0.3, 0.5, 1.0, *(pytest.param(more, marks=pytest.mark.prove) for more in (0.15, 0.25, 0.35, 0.4, 0.7, 1.4))]
)
def test_down_cleans_up_after_up_was_killed(lab: LabForTests, crash: Lab, moment: float) -> None:
    """`up` killed at any moment leaves something that `down` removes wholly; what is left is discovered, not remembered."""
    up = verb("up", "--hosts", "2", lab=crash.name)
    time.sleep(moment)
    up.send_signal(signal.SIGKILL)
    up.communicate()
    ground = read_ground(crash)
    lifecycle.down(crash)
    assert ground is None or leftovers(crash, ground.number) == []


@pytest.mark.parametrize("moment", [0.2, 0.35, *(pytest.param(more, marks=pytest.mark.prove) for more in (0.15, 0.25, 0.3, 0.4))])
def test_down_completes_a_down_that_was_killed(lab: LabForTests, crash: Lab, moment: float) -> None:
    """`down` killed at any moment is completed by the next one; so is an `up` in between."""
    lifecycle.up(crash, 2)
    ground = read_ground(crash)
    assert ground
    down = verb("down", lab=crash.name)
    time.sleep(moment)
    down.send_signal(signal.SIGKILL)
    down.communicate()
    if moment > 0.3:
        assert len(lifecycle.up(crash, 2)) == 2
    lifecycle.down(crash)
    assert leftovers(crash, ground.number) == []


def test_supervisor_or_nspawn_killed_leaves_nothing_for_long(lab: LabForTests, crash: Lab) -> None:
    """Whichever of a host's processes somebody kills by hand, `down` finds the rest."""
    for victim in ("raab-lab-host", "systemd-nspawn"):
        (host,) = lifecycle.up(crash, 1)
        lifecycle.reboot(crash, host.name)
        ground = read_ground(crash)
        assert ground
        for process in presence.of(host):
            if victim in process.argv:
                os.kill(process.pid, signal.SIGKILL)
        lifecycle.down(crash)
        assert leftovers(crash, ground.number) == []


def test_down_finds_hosts_whose_files_are_gone(lab: LabForTests, crash: Lab) -> None:
    """Hosts of a lab whose folder somebody removed are found by their processes."""
    lifecycle.up(crash, 2)
    ground = read_ground(crash)
    assert ground
    shutil.rmtree(crash.home)
    assert lifecycle.down(crash) == 2
    assert leftovers(crash, ground.number) == []


def test_ten_hosts_are_small(lab: LabForTests, crash: Lab) -> None:
    """Ten hosts take no more than 1 GB of disk over the image; more hosts of the same kind go on answering at the same addresses."""
    two = lifecycle.up(crash, 2)
    ten = lifecycle.up(crash, 10)
    assert ten[:2] == two
    kilobytes = int(subprocess.run(["du", "-sk", crash.home], capture_output=True, text=True, check=True).stdout.split()[0])
    assert kilobytes < 1_000_000
    print(f"ten hosts: {kilobytes / 1000:.0f} MB")


def test_two_labs_live_side_by_side(lab: LabForTests, crash: Lab) -> None:
    """Another lab has another subnet, and taking it down leaves this one's hosts running."""
    (ours,) = lab.hosts(1)
    (theirs,) = lifecycle.up(crash, 1)
    assert ours.address.split(".")[2] != theirs.address.split(".")[2]
    leader = presence.leader(ours)
    lifecycle.down(crash)
    assert presence.leader(ours) == leader
    assert hosts(crash.name) == ()


def test_two_ups_at_once_make_one_lab(lab: LabForTests, crash: Lab) -> None:
    """Two `up` of one lab at the same time do not collide: the second finds what the first made."""
    both = [verb("up", "--hosts", "2", lab=crash.name) for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    containers = [process for process in processes() if process.argv[:1] == ("systemd-nspawn",)]
    assert len([one for one in containers if any(word.startswith(f"--directory={crash.home}/") for word in one.argv)]) == 2


def test_a_killed_build_leaves_no_process_and_no_image(lab: LabForTests, tmp_path: Path) -> None:
    """An image build that is killed takes debootstrap and its mounts with it, and nobody takes its half for an image."""
    store = tmp_path / "store"
    code = f"from pathlib import Path; from raab.lab import image; image.ensure(Path({str(store)!r}), print)"
    build = subprocess.Popen([sys.executable, "-c", code], cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert until(60, lambda: any(store.glob("*.part/var/cache/apt/archives/*.deb")) or build.poll() is not None)
    assert build.poll() is None, build.communicate()[0]
    build.kill()
    build.communicate()
    assert until(5, lambda: not [p for p in processes() if any(str(store) in word for word in p.argv)])
    assert str(store) not in Path("/proc/self/mountinfo").read_text()
    assert [path.name for path in store.glob("base-*") if not path.name.endswith(".part")] == []


def test_without_root_one_sentence_and_the_way_out(lab: LabForTests, crash: Lab) -> None:
    """A user who may not start hosts is told so, in two lines and without a traceback."""
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    process = verb("up", lab=crash.name, prefix=nobody)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    problem, hint = err.splitlines()
    assert (out, problem) == ("", "lab: only root can start hosts, got user id 65534")
    assert hint.startswith("hint: run the same command as root, or --env")
