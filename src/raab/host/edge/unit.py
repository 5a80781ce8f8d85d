"""The units of the edge, one for all services of a host: what has its ports, and Caddy. Pure."""

from __future__ import annotations

from raab.host.paths import EDGE, EdgePaths

# Each twice and in this order, which is that of the descriptors that Caddy gets (sd_listen_fds(3), raab.host.edge.edition). It knows them
# by number from 2.9 on.
PORTS = (80, 443)
SOCKETS = f"""# Written by raab: connections wait here while the edge is replaced. New ones go to those of its newest edition.
[Unit]
Description=the ports of the edge

[Socket]
{"".join(f"ListenStream={port}{chr(10)}" for port in PORTS + PORTS)}ReusePort=yes
BindIPv6Only=both
Backlog=4096
ExecStartPost={{root}} edge wait

[Install]
WantedBy=sockets.target
"""
SERVICE = """# Written by raab: what the world reaches this host's services by. What it is to do is composed of sites/ (docs/edge.md).
[Unit]
Description=the edge of this host's services
Requires={sockets}
After=network.target {sockets}
StartLimitIntervalSec=600
StartLimitBurst=20

[Service]
# By notify it would be reloading for as long as an edition leaves, and ended without ExecStop= then.
Type=exec
User={name}
Group={name}
WorkingDirectory=/
Environment=HOME={state} XDG_DATA_HOME={state} XDG_CONFIG_HOME={state}
# What leads connections to it is root's to do (raab.host.edge.command).
ExecStartPre=+{root} edge wait
ExecStart={caddy} run --config {composed}
ExecStartPost=+{root} edge begin
ExecReload=+{root} edge reload
ExecStop=+{root} edge leave
Restart=always
RestartSec=100ms
TimeoutStartSec=30
# Requests under way end; new ones wait at the sockets meanwhile, and so not for the longest stream.
TimeoutStopSec=30
RuntimeDirectory={name}
RuntimeDirectoryMode=0700
StateDirectory={name}
StateDirectoryMode=0700
LimitNOFILE=1048576
SyslogIdentifier={name}

# It opens no port itself, and so needs no capability.
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
PrivateDevices=yes
PrivateTmp=yes
PrivateIPC=yes
PrivateUsers=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
NoExecPaths=/tmp /var/tmp /dev/shm /dev/mqueue {state} /run
InaccessiblePaths=-/run/lock -/run/dbus -/run/systemd/private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @aio process_vm_readv process_vm_writev pidfd_getfd
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
SYSUSERS = f"""# The edge's user (sysusers.d(5)): no password, no shell, no home.
u {EDGE} - "the edge of this host's services" -
"""


def texts(place: EdgePaths) -> dict[str, str]:
    """By the units' names."""
    root = f"/usr/bin/python3 -IS {place.roots_own}"
    words = {"name": EDGE, "sockets": place.sockets, "state": place.state, "caddy": place.caddy, "composed": place.composed}
    return {place.sockets: SOCKETS.format(root=root), place.unit: SERVICE.format(**words, root=root)}
