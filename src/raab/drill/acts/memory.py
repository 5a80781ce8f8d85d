"""A worker that asks for more memory than its host has: the kernel's own kill, and not only a signal that is the same."""

from __future__ import annotations

import socket
from contextlib import suppress

from raab.drill.acts.faults import CUT
from raab.drill.scene import Scene, name
from raab.drill.stage.service import Service

MEBIBYTE = 1 << 20
# What the workers may take beyond what they have, and what one of them then asks for.
ROOM, WANTED = 64, 512
# Where the kernel's first kind of control groups keeps memory, systemd does not limit it inside a lab host: the workers are put
# into a group that does. With the second kind it is the unit's own limit.
LIMIT = """\
set -e
memory=/sys/fs/cgroup/memory group=/sys/fs/cgroup/memory/raab-drill-$(hostname)
if [ -e $memory/memory.limit_in_bytes ]; then
    mount -o remount,bind,rw $memory
    # All hosts of a lab see the same groups; one that a killed drill left is made anew.
    rmdir $group 2>/dev/null || true
    mkdir $group
    echo {room} >$group/memory.limit_in_bytes
    for worker in {workers}; do echo $worker >$group/cgroup.procs; done
else
    used=$(systemctl show --property=MemoryCurrent --value raab)
    systemctl set-property --runtime raab MemoryMax=$((used + {room}))
fi"""
KILLS = """\
for file in /sys/fs/cgroup/memory/raab-drill-$(hostname)/memory.oom_control /sys/fs/cgroup/system.slice/raab.service/memory.events; do
    [ ! -e $file ] || sed -n 's/^oom_kill //p' $file
done"""
UNLIMIT = """\
memory=/sys/fs/cgroup/memory group=/sys/fs/cgroup/memory/raab-drill-$(hostname)
if [ -d $group ]; then
    for worker in $(cat $group/cgroup.procs); do echo $worker >$memory/cgroup.procs; done
    rmdir $group
fi
if [ -e $memory/memory.limit_in_bytes ]; then
    mount -o remount,bind,ro $memory
else
    rm -rf /run/systemd/system.control/raab.service.d
    systemctl daemon-reload
fi"""


def worker_out_of_memory(scene: Scene) -> None:
    """One worker takes memory until the kernel kills it; the others and the master stay."""

    def once(service: Service) -> None:
        before = service.status()
        try:
            service.run(LIMIT.format(room=ROOM * MEBIBYTE, workers=" ".join(map(str, before.serving))))
            with scene.phase(f"out of memory {name(service)}"):
                with scene.excused(service, kinds=CUT):
                    hog(service)
                after = service.wait("two workers again", lambda now: now.settled and now.serving != before.serving, 15)
            kills = service.run(KILLS).out.split()
        finally:
            service.run(UNLIMIT, check=False)
        scene.fact(f"{name(service)}: processes that the kernel killed for their memory", ["1"], kills)
        scene.fact(f"{name(service)}: workers that stay", 1, len({*before.serving} & {*after.serving}))
        scene.fact(f"{name(service)}: the same master", before.pid, after.pid)
        scene.fact(f"{name(service)}: the same release", scene.release, after.release)

    for _ in scene.rounds(3):
        scene.each(once)


def hog(service: Service) -> None:
    """Has a worker take the memory, and returns when the connection to it has ended."""
    with suppress(ConnectionResetError), socket.create_connection(service.address, timeout=20) as connection:
        connection.sendall(f"GET /hog?mebibytes={WANTED} HTTP/1.1\r\nHost: drill\r\nConnection: close\r\n\r\n".encode())
        while connection.recv(65536):
            pass
