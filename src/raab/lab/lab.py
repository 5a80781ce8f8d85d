"""What can be done with a lab and its hosts. `up` and `down` may be killed at any point: either completes what the other began."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from raab.errors import RaabError
from raab.lab import image, machine, needs, network, numbers, presence
from raab.lab.process import only_one
from raab.lab.state import SUITE, Ground, Lab, LabHost, find, host, hosts, read_ground, write_ground, write_whole

BOOT = 60.0
MOST = 99


def quiet(_: str) -> None:
    """For callers that want no progress."""


def up(lab: Lab, count: int, say: Callable[[str], None] = quiet, owner: str = "", suite: str = "") -> tuple[LabHost, ...]:
    """Makes sure that the lab has at least `count` hosts (1 to 99), and that all run and answer on port 22; those that run are left alone.

    A lab that is not there yet belongs to the checkout `owner`, or to nobody. `suite` is the Debian of its hosts, where empty the one that
    they have, else Debian 12; those of another one start afresh.

    The first call on a machine that wants a base image builds it. Raises RaabError if this machine cannot carry a lab or a host does not
    come up.
    """
    needs.require()
    if suite and suite not in image.SUITES:
        raise RaabError(f"lab.up --suite: no Debian that a lab is made of, got {suite!r}", f"one of {', '.join(image.SUITES)}")
    if not 1 <= count <= MOST:
        raise RaabError(f"lab.up --hosts: not a number from 1 to {MOST}, got {count}", "two are enough for most purposes")
    with only_one(lab.lock):
        ground = _ground(lab, say, owner, suite)
        base = image.ensure(lab.store, say, ground.suite)
        network.build(ground)
        machine.make_key(lab.key, f"raab lab {lab.name}")
        for number in range(1, count + 1):
            if not host(lab, ground, number).home.exists():
                machine.seed(lab, host(lab, ground, number))
        _know(lab)
        everyone = hosts(lab)
        for stopped in [one for one in everyone if not presence.runs(one)]:
            # A supervisor without a host inside is what a killed command left.
            machine.kill(stopped)
            machine.start(stopped, base, ground.suite)
        with ThreadPoolExecutor(len(everyone)) as pool:
            list(pool.map(lambda one: machine.wait_for_ssh(one, BOOT), everyone))
        return everyone


def _ground(lab: Lab, say: Callable[[str], None], owner: str, suite: str) -> Ground:
    """The lab's ground; chosen and written down before anything stands on it."""
    ground = read_ground(lab)
    suite = suite or (ground.suite if ground else SUITE)
    if ground and ground.base == image.name(suite):
        return ground
    if ground:
        say(f"the base image has changed: the hosts of lab {lab.name} start afresh")
        _remove_hosts(lab)
        ground = Ground(ground.number, image.name(suite), ground.owner, suite)
        write_ground(lab, ground)
        return ground
    ground = Ground(numbers.claim(lab), image.name(suite), owner, suite)
    write_ground(lab, ground)
    return ground


def _know(lab: Lab) -> None:
    """Writes known_hosts from the keys that the hosts were given, so that their first connection is checked, too."""
    lines = []
    for one in hosts(lab):
        kind, key = (lab.home / "hostkeys" / f"{one.name}.pub").read_text().split()[:2]
        lines.append(f"{one.address},{one.name} {kind} {key}\n")
    write_whole(lab.known_hosts, "".join(lines))


def _remove_hosts(lab: Lab) -> None:
    for one in hosts(lab):
        machine.kill(one)
    # Renamed first: a half-removed host must not be taken for a host by whoever comes after a killed `down`.
    doomed = lab.home / "hosts.gone"
    shutil.rmtree(doomed, ignore_errors=True)
    if (lab.home / "hosts").exists():
        (lab.home / "hosts").rename(doomed)
        shutil.rmtree(doomed)


def down(lab: Lab) -> int:
    """Ends the lab: no process, mount, interface or file of a host is left. Returns how many hosts there were."""
    needs.require()
    with only_one(lab.lock):
        count = len(hosts(lab))
        grounds = {ground for ground in [read_ground(lab)] if ground}
        _remove_hosts(lab)
        for ground, stray in presence.strays(lab):
            machine.kill(stray)
            grounds.add(ground)
            count += 1
        for ground in grounds:
            network.remove(ground)
        shutil.rmtree(lab.home, ignore_errors=True)
    return count


def start(lab: Lab, name: str) -> LabHost:
    """Boots a host that was killed or shut down, with all that it had on its disk; returns when its sshd answers."""
    needs.require()
    with only_one(lab.lock):
        return _boot(lab, find(lab, name))


def _boot(lab: Lab, one: LabHost) -> LabHost:
    ground = read_ground(lab)
    assert ground is not None, "a lab with a host has its ground"
    if not presence.runs(one):
        machine.kill(one)
        machine.start(one, lab.store / ground.base, ground.suite)
    machine.wait_for_ssh(one, BOOT)
    return one


def reboot(lab: Lab, name: str) -> LabHost:
    """Reboots a host cleanly; returns when its sshd answers again. A cut network is whole after it."""
    needs.require()
    with only_one(lab.lock):
        one = find(lab, name)
        machine.reboot(one)
        return _boot(lab, one)


def kill(lab: Lab, name: str) -> LabHost:
    """Takes a host's power away; `start` or `up` boots it again."""
    needs.require()
    with only_one(lab.lock):
        one = find(lab, name)
        machine.kill(one)
        return one


def fresh(lab: Lab, name: str) -> LabHost:
    """Gives a host a new file system, as bare as on its first day, and boots it. Address and host key stay."""
    needs.require()
    with only_one(lab.lock):
        one = find(lab, name)
        machine.kill(one)
        machine.seed(lab, one)
        return _boot(lab, one)


def cut(lab: Lab, name: str) -> LabHost:
    """Takes a host off the network: packets to and from it vanish."""
    needs.require()
    one = find(lab, name)
    network.cut(one)
    return one


def heal(lab: Lab, name: str) -> LabHost:
    """Puts a host back on the network."""
    needs.require()
    one = find(lab, name)
    network.heal(one)
    return one
