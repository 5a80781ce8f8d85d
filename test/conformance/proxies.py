"""Debian's HAProxy and nginx in front of a service, as child processes on UNIX sockets: nothing of them is installed, enabled or stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGES = ("haproxy", "nginx")
# Connections to the service are shared by all clients: each is used again, by whoever comes, as soon as it is free.
HAPROXY = """
global
    nbthread 1
    log {folder}/none.socket local0
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    timeout http-request 10s
    http-reuse always
frontend clients
    bind unix@{folder}/socket
    default_backend service
backend service
    server one {address}
"""
NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    upstream service {{ server {address}; keepalive 4; }}
    server {{
        listen unix:{folder}/socket;
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_request_buffering off;
        }}
    }}
}}
"""
COMMANDS = {"haproxy": ("haproxy", "-db", "-f", "{folder}/conf"), "nginx": ("nginx", "-c", "{folder}/conf", "-e", "{folder}/log")}
CONFIGURATIONS = {"haproxy": HAPROXY, "nginx": NGINX}


class Missing(Exception):
    """A proxy cannot be had here, and why."""


class Programs:
    """Where the proxies' programs are: those of this machine, or Debian's packages, unpacked into `folder`. Raises Missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not all(map(self.find, PACKAGES)):
            self._unpack()
        missing = [name for name in PACKAGES if not self.find(name)]
        if missing:
            raise Missing(f"{' and '.join(missing)}: not in what apt-get downloaded")

    def find(self, name: str) -> str | None:
        return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:{self.folder}/usr/sbin")

    @property
    def environ(self) -> dict[str, str]:
        """Lets the programs find the libraries that were unpacked beside them."""
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, sorted(self.folder.glob("usr/lib/*-linux-gnu"))))}

    def _unpack(self) -> None:
        """With the libraries that they need and this machine lacks, which apt-get knows."""
        if not shutil.which("apt-get"):
            raise Missing("haproxy and nginx are not installed, and there is no apt-get to download them with")
        archives = self.folder / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        options = ["-o", f"Dir::Cache::archives={archives}", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User="]
        download = ["apt-get", "-qq", "--yes", "--no-install-recommends", "--download-only", *options, "install", *PACKAGES]
        done = subprocess.run(download, capture_output=True, text=True, check=False)
        if done.returncode and os.geteuid() == 0:
            subprocess.run(["apt-get", "-qq", "update"], capture_output=True, check=False)
            done = subprocess.run(download, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"apt-get cannot download haproxy and nginx: {(done.stderr.strip() or done.stdout.strip())[-300:]}")
        for package in sorted(archives.glob("*.deb")):
            subprocess.run(["dpkg", "--extract", str(package), str(self.folder)], check=True)


@contextmanager
def proxied(programs: Programs, name: str, folder: Path, address: tuple[str, int]) -> Iterator[str]:
    """The path of the socket at which the proxy takes requests for the service at `address`, while it runs."""
    socket = folder / "socket"
    (folder / "conf").write_text(CONFIGURATIONS[name].format(folder=folder, address="{}:{}".format(*address)))
    program, *arguments = (word.format(folder=folder) for word in COMMANDS[name])
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen([str(programs.find(program)), *arguments], env=programs.environ, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 10
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise Missing(f"{name} does not start: {(folder / 'output').read_text()[-500:]}")
            time.sleep(0.02)
        yield str(socket)
    finally:
        process.terminate()
        process.wait(10)
