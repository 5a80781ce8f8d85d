"""Debian's HAProxy and nginx in front of a service, as child processes on UNIX sockets: nothing of them is installed, enabled or stays."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..conftest import Programs

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
# As nginx is where nobody says otherwise: a connection for each request, and HTTP/1.0 on it.
NGINX_OLD = "".join(line for line in NGINX.splitlines(True) if "proxy_http_version" not in line and '"";' not in line)
COMMANDS = {"haproxy": ("haproxy", "-db", "-f", "{folder}/conf"), "nginx": ("nginx", "-c", "{folder}/conf", "-e", "{folder}/log")}
COMMANDS["nginx-1.0"] = COMMANDS["nginx"]
CONFIGURATIONS = {"haproxy": HAPROXY, "nginx": NGINX, "nginx-1.0": NGINX_OLD}


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
                raise AssertionError(f"{name} does not start: {(folder / 'output').read_text()[-500:]}")
            time.sleep(0.02)
        yield str(socket)
    finally:
        process.terminate()
        process.wait(10)
