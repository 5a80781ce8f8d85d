"""gunicorn's settings. A configuration file that gunicorn executes at every start and reload, never a module."""

if __name__ != "__config__":
    raise ImportError(
        "gunicorn.py in raab's root holds gunicorn's settings and hides the package of that name\n"
        "hint: start gunicorn by its script (venv/bin/gunicorn -c gunicorn.py), and keep this directory off sys.path"
    )

import json
import os
import subprocess
import sys
from pathlib import Path

import handover

# Nothing of raab may be imported here: workers are forked from this process, and what it holds stays old in them after a
# reload. So a process of its own reads the YAML files, checks them and prints the server's section; but for the trial: it forks
# no worker, and has the reader itself.
_root = os.path.dirname(os.path.abspath(__file__))
# The interpreter of the release that this file belongs to. The master's own path leads through the link to what is current.
_python = f"{_root}/venv/bin/python" if os.path.exists(f"{_root}/venv/bin/python") else sys.executable
_reader = sys.modules.get("raab.host.server_settings")
if _reader:
    _text = _reader.as_json()
else:
    _read = subprocess.run([_python, "-I", "-m", "raab.host", "server-settings"], capture_output=True, text=True, timeout=30)
    if _read.returncode:
        raise RuntimeError(_read.stderr.strip() or f"server-settings ended with status {_read.returncode}")
    _text = _read.stdout
_server = json.loads(_text)
_run, _state = os.environ.get("RUNTIME_DIRECTORY"), os.environ.get("STATE_DIRECTORY")

wsgi_app = "wsgi:application"
# As a path through the link `current`, so that each generation finds its own release there.
pythonpath = _root
# What operators ask is answered at listeners of their own (raab.admin). Which these are the workers learn from the master that has opened
# them: the settings may have been changed since.
_admin = [f"unix:{_run}/admin"] if _run else []
if _run and _server["admin_port"]:
    _admin.append(f"127.0.0.1:{_server['admin_port']}")
bind = [_server["bind"], *_admin]
raw_env = [f"ADMIN_LISTENERS={' '.join(_admin)}"]
workers = _server["workers"]
worker_class = handover.HandoverWorker
logger_class = handover.JournalLogger
worker_connections = _server["worker_connections"]
backlog = _server["backlog"]
timeout = _server["timeout"]
graceful_timeout = _server["graceful_timeout"]
keepalive = _server["keepalive"]
forwarded_allow_ips = ",".join(_server["forwarded_allow_ips"])
# On a tmpfs, so that no slow disk delays a heartbeat.
worker_tmp_dir = _run or "/dev/shm"
proc_name = "raab"
# The hand-over has a control socket of its own; gunicorn's is a thread in a process that forks.
control_socket_disable = True

pre_fork, post_fork = handover.pre_fork, handover.post_fork
on_starting = handover.Options(
    workers_min=_server["workers_min"],
    workers_max=_server["workers_max"],
    load_timeout=_server["load_timeout"],
    linger=_server["linger"],
    one_by_one=_server["handover"] == "one-by-one",
    check="/readyz",
    trial=(sys.executable, "-I", "-m", "raab.host", "trial"),
    root=_root if Path(_root).is_symlink() else None,
    target_file=f"{_state}/workers.json" if _state else None,
    control=f"{_run}/control" if _run else None,
)
