"""A root shell on a lab host that stays connected, for tests and drills: a command costs milliseconds instead of a login."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from types import TracebackType

import paramiko

from raab.errors import RaabError
from raab.lab.state import LabHost


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    status: int
    out: str
    err: str


class Shell:
    """Runs commands on one host as root. Connects when first used, and again when the connection was lost meanwhile."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self._client: paramiko.SSHClient | None = None
        self._lock = threading.Lock()

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60, check: bool = True) -> Done:
        """Runs a shell command and waits for its end, `timeout` seconds at most.

        Raises RaabError if `check` is set and the command fails; paramiko.SSHException or OSError if the host does not answer or
        the time is over.
        """
        channel = self._connected().open_session(timeout=timeout)
        channel.settimeout(timeout)
        channel.exec_command(command)
        errors: list[bytes] = []
        reader = threading.Thread(target=lambda: errors.append(channel.makefile_stderr("rb").read()), daemon=True)
        reader.start()
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()
        out = channel.makefile("rb").read()
        reader.join(timeout)
        done = Done(channel.recv_exit_status(), out.decode(errors="replace"), b"".join(errors).decode(errors="replace"))
        channel.close()
        if check and done.status:
            raise RaabError(f"lab host {self.host.name}: `{command}` failed, got status {done.status}: {(done.err or done.out).strip()}")
        return done

    def put(self, path: str, content: str, mode: str = "644") -> None:
        """Writes a file, and the folders above it."""
        self.run(f'mkdir -p "$(dirname {path})" && cat >{path} && chmod {mode} {path}', stdin=content.encode())

    def close(self) -> None:
        with self._lock:
            if self._client:
                self._client.close()
            self._client = None

    def _connected(self) -> paramiko.Transport:
        with self._lock:
            transport = self._client.get_transport() if self._client else None
            if transport is None or not transport.is_active():
                client = paramiko.SSHClient()
                client.load_host_keys(str(self.host.known_hosts))
                client.connect(
                    self.host.address, username="root", key_filename=str(self.host.key), timeout=5, banner_timeout=5, auth_timeout=5,
                    allow_agent=False, look_for_keys=False,
                )  # fmt: skip
                self._client, transport = client, client.get_transport()
            assert transport is not None, "a client that has connected has a transport"
            return transport

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
