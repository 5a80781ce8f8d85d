"""What systemd is told: sd_notify(3), with file descriptors where it is to keep them."""

import os
import socket
import time
from collections.abc import Iterable

# Listeners stored under names with this prefix are ours; those of a socket unit carry the unit's name.
STORED = "handover"


class Notifier:
    """Sends messages to the service manager; does nothing outside a service or after `silence`.

    The address is taken out of the environment, because gunicorn would say READY=1 before any worker exists
    (gunicorn/arbiter.py, start), and because what the application starts shall not speak for the service.
    """

    def __init__(self) -> None:
        self.address = os.environ.pop("NOTIFY_SOCKET", "")
        os.environ.pop("WATCHDOG_PID", None)
        self.watchdog = int(os.environ.pop("WATCHDOG_USEC", "0")) / 1e6

    def silence(self) -> None:
        """Another process speaks for the service from now on."""
        self.address = ""

    def environment(self) -> dict[str, str]:
        """The variables that a successor needs to speak in turn."""
        variables = {"NOTIFY_SOCKET": self.address} if self.address else {}
        return variables | ({"WATCHDOG_USEC": str(int(self.watchdog * 1e6))} if self.watchdog else {})

    def send(self, *lines: str, fds: Iterable[int] = ()) -> None:
        """Send assignments such as `READY=1`. A manager that does not listen must not stop a server: errors are dropped."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.connect(address)
                socket.send_fds(channel, ["\n".join(lines).encode()], list(fds))
        except OSError:
            return

    def reloading(self) -> None:
        """A reload begins; systemd >= 253 ignores RELOADING=1 without the time (sd_notify(3))."""
        self.send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def extend(self, seconds: float) -> None:
        """What goes on now may take that long, whatever the unit's Timeout...Sec= says; a little more, for our own part in it."""
        self.send(f"EXTEND_TIMEOUT_USEC={int((seconds + 10) * 1e6)}")

    def store(self, name: str, fd: int) -> None:
        """Have systemd keep a listening socket over restarts (FileDescriptorStoreMax= in systemd.service(5))."""
        self.send("FDSTORE=1", f"FDNAME={name}", fds=[fd])

    def forget(self, name: str) -> None:
        """Have systemd close a stored socket."""
        self.send("FDSTOREREMOVE=1", f"FDNAME={name}")
