"""Acts that the service must not be able to do, tried from inside: this file is put beside wsgi.py and runs in a worker.

Each probe returns when the act was possible and raises OSError when it was denied. Standard library only.
"""

from __future__ import annotations

import _socket
import contextlib
import ctypes
import errno
import mmap
import os
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)
# Numbers of system calls on x86_64 that the C library does not wrap (man 2 syscalls).
_IO_SETUP, _IO_URING_SETUP, _PIDFD_GETFD = 206, 425, 438
_INIT_MODULE, _PERF_EVENT_OPEN, _KEYCTL, _BPF, _USERFAULTFD = 175, 298, 250, 321, 323


def call(name: str, *arguments: object) -> None:
    """A function of the C library; raises OSError when it returns -1."""
    if getattr(_libc, name)(*arguments) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def write(path: str) -> None:
    with open(path, "a") as file:
        file.write("x")


def read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def see_other_processes() -> None:
    """Processes of root's are invisible: PID 1 has no directory."""
    if not os.path.isdir("/proc/1"):
        raise PermissionError(errno.EACCES, "hidden")


def gain_suid() -> None:
    path = os.path.join(os.environ["STATE_DIRECTORY"], "suid")
    with open(path, "w"):
        pass
    try:
        os.chmod(path, 0o4755)
    finally:
        os.unlink(path)


def executable_memory() -> None:
    """Memory that can be written and executed: what an exploit wants."""
    _libc.mmap.restype = ctypes.c_void_p
    result = _libc.mmap(None, 4096, 7, 0x22, -1, 0)
    if result == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def connect(host: str, port: int) -> None:
    """An outbound connection, with the system's own sockets: allowed as shipped, denied when sealed."""
    with socket.create_connection((host, port), timeout=3):
        pass


def turn(host: str, port: int) -> None:
    """A connection that somebody has made to this process into one from it to elsewhere (connect(2), AF_UNSPEC)."""
    nowhere, there = struct.pack("=H14x", socket.AF_UNSPEC), struct.pack("=H", socket.AF_INET) + struct.pack("!H", port)
    why = OSError(errno.ENOTCONN, "no connection")
    for one in streams():
        try:
            call("connect", one.fileno(), nowhere, 16)
            with contextlib.suppress(BlockingIOError):
                call("connect", one.fileno(), there + socket.inet_aton(host) + bytes(8), 16)
            for _ in range(30):
                time.sleep(0.05)
                with contextlib.suppress(OSError):
                    one.getpeername()
                    return
        except OSError as error:
            why = error
    raise why


def streams() -> list[_socket.socket]:
    """All connections that this process has."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            one = _socket.socket(fileno=os.dup(int(name)))
            if one.type == socket.SOCK_STREAM and one.getpeername() is not None:
                found.append(one)
    return found


def io_uring() -> None:
    """Its setup, with parameters that the kernel takes (man 2 io_uring_setup)."""
    call("syscall", _IO_URING_SETUP, 1, ctypes.create_string_buffer(120))


def aio() -> None:
    call("syscall", _IO_SETUP, 1, ctypes.byref(ctypes.c_ulong(0)))


def read_memory() -> None:
    """Of this process itself, so that nothing but the system call can be what is denied."""

    class Vector(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))

    source, target = ctypes.create_string_buffer(b"secret"), ctypes.create_string_buffer(6)
    local, remote = Vector(ctypes.addressof(target), 6), Vector(ctypes.addressof(source), 6)
    call("process_vm_readv", os.getpid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)


def take_a_descriptor() -> None:
    call("syscall", _PIDFD_GETFD, os.pidfd_open(os.getpid()), 2, 0)


def execute(folder: str) -> None:
    """A program that was written there."""
    path = os.path.join(folder, "probe-program")
    with open(path, "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod(path, 0o700)
    try:
        subprocess.run((path,), check=True)
    finally:
        os.unlink(path)


def load_a_library(folder: str) -> None:
    """What dlopen(3) does to a file that was written there."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(4096)
        mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC).close()


def knock(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(path)


PROBES: dict[str, Callable[[], object]] = {
    "write /etc": lambda: write("/etc/probe"),
    "write the release": lambda: write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "wsgi.py")),
    "write beside the releases": lambda: write("/opt/raab/probe"),
    "write /usr": lambda: write("/usr/probe"),
    "write /var/log": lambda: write("/var/log/probe"),
    "read the shadow file": lambda: read("/etc/shadow"),
    "read root's home": lambda: os.listdir("/root"),
    "read the credentials": lambda: os.listdir("/etc/raab/credentials"),
    "see other users' processes": see_other_processes,
    "read the kernel's log": lambda: read("/dev/kmsg"),
    "read the disk": lambda: read("/dev/vda"),
    "change a kernel setting": lambda: write("/proc/sys/kernel/domainname"),
    "write the control groups": lambda: os.mkdir("/sys/fs/cgroup/probe"),
    "make a device": lambda: os.mknod("/tmp/probe-device", 0o20600, os.makedev(1, 3)),
    "become root": lambda: os.setuid(0),
    "change root directory": lambda: os.chroot("/tmp"),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "unmount": lambda: call("umount", b"/tmp"),
    "trace a process": lambda: call("ptrace", 16, os.getppid(), None, None),
    "make a user namespace": lambda: call("unshare", 0x10000000),
    "load a kernel module": lambda: call("syscall", _INIT_MODULE, None, 0, b""),
    "set the clock": lambda: __import__("time").clock_settime(0, 0.0),
    "name the host": lambda: socket.sethostname("probe"),
    "reboot": lambda: call("reboot", 0),
    "swap": lambda: call("swapon", b"/tmp/probe", 0),
    "real-time priority": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "raise priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
    "signal PID 1": lambda: os.kill(1, 0),
    "netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close(),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close(),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close(),
    "bind a low port": lambda: socket.socket().bind(("0.0.0.0", 81)),
    "set-user-id bit": gain_suid,
    "executable memory": executable_memory,
    "other personality": lambda: call("personality", 0x0008),
    "kernel keyring": lambda: call("syscall", _KEYCTL, 0, -3, 1),
    "bpf": lambda: call("syscall", _BPF, 0, None, 0),
    "performance counters": lambda: call("syscall", _PERF_EVENT_OPEN, None, 0, -1, -1, 0),
    "io_uring": io_uring,
    "asynchronous I/O": aio,
    "read a process's memory": read_memory,
    "take a process's descriptor": take_a_descriptor,
    "execute from /tmp": lambda: execute("/tmp"),
    "execute from /var/tmp": lambda: execute("/var/tmp"),
    "execute from /dev/shm": lambda: execute("/dev/shm"),
    "execute from the state directory": lambda: execute(os.environ["STATE_DIRECTORY"]),
    "execute from the runtime directory": lambda: execute(os.environ["RUNTIME_DIRECTORY"]),
    "load a library from /tmp": lambda: load_a_library("/tmp"),
    "look into /run/lock": lambda: os.listdir("/run/lock"),
    "knock at the system bus": lambda: knock("/run/dbus/system_bus_socket"),
    "knock at systemd": lambda: knock("/run/systemd/private"),
    "read the machine's memory figures": lambda: read("/proc/meminfo"),
    "user-space page faults": lambda: call("syscall", _USERFAULTFD, 0),
}


def outcome(probe: Callable[[], object]) -> str:
    """`allowed`, or the name of the error that denied it. In a thread of its own: some acts would change the worker for good."""
    found: list[str] = []

    def attempt() -> None:
        try:
            probe()
            found.append("allowed")
        except OSError as error:
            found.append(errno.errorcode.get(error.errno or 0, str(error)))
        except Exception as error:
            found.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return found[0]


def keep(name: str, text: str) -> None:
    with open(os.path.join(os.environ["STATE_DIRECTORY"], name), "w") as file:
        file.write(text)


def outcomes() -> dict[str, str]:
    """What became of every probe."""
    return {name: outcome(probe) for name, probe in PROBES.items()}
