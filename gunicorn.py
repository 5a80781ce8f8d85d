"""gunicorn's settings. A configuration file that gunicorn executes at every start and reload, never a module.

raab's own project names this file in deploy/config.yaml; others get it from the installed raab, as raab/served/gunicorn.py.
"""

if __name__ != "__config__":
    raise ImportError(
        "gunicorn.py in raab's root holds gunicorn's settings and hides the package of that name\n"
        "hint: start gunicorn by its script (venv/bin/gunicorn -c gunicorn.py), and keep this directory off sys.path"
    )

# What the settings and Flask take of what gevent does not patch, here for the master to load it once instead of each worker.
import decimal, difflib, hashlib, hmac, mimetypes, numbers, secrets, uuid  # noqa: E401, F401, I001
import json
import os
import sys
from pathlib import Path

import handover
import msgspec
import yaml  # noqa: F401

_root = os.path.dirname(os.path.abspath(__file__))
# Of the release that this file belongs to: the master's own paths lead to what is current.
_packages = f"{_root}/venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


def _settings() -> str:
    sys.path.insert(0, _packages)
    from raab.factory.configFactory import read_once

    settings, kept = read_once()
    project = {"name": settings.project.name, "wsgi": settings.project.wsgi, "python_path": settings.project.python_path}
    binds = settings.server.addresses
    return msgspec.json.encode(
        {"server": settings.server, "binds": binds, "limits": settings.limits, "project": project, "kept": kept}
    ).decode()


# Nothing of raab may be imported here: workers are forked from this process, and what it holds stays old in them after a reload.
# So a process of its own reads the YAML files and checks them.
_read = json.loads(handover.apart(_settings, 30))
_server, _limits = _read["server"], _read["limits"]
_run, _state = os.environ.get("RUNTIME_DIRECTORY"), os.environ.get("STATE_DIRECTORY")


def _prepare() -> None:
    """In a process that loads the application: by the settings of its generation, however late that is. A function and not a value,
    because gunicorn prints values, and there are secrets among these."""
    from raab.factory.configFactory import keep_to
    from raab.launch import take
    from raab.served.place import enter

    keep_to(_read["kept"])
    take()
    enter(_read["project"]["python_path"])


# A project's own `wsgi`, where it has named one; raab's is called otherwise, for many a project has a module of that name.
wsgi_app = "wsgi:application" if _read["project"]["wsgi"] else "raab.served.application:application"
# What operators ask is answered at listeners of their own (raab.admin). Which these are the workers learn from the master that has opened
# them: the settings may have been changed since.
_admin = [f"unix:{_run}/admin"] if _run else []
if _run and _server["admin_port"]:
    _admin.append(f"127.0.0.1:{_server['admin_port']}")
bind = [*_read["binds"], *_admin]
raw_env = [f"ADMIN_LISTENERS={' '.join(_admin)}"]
workers = _server["workers"]
worker_class = handover.HandoverWorker
logger_class = handover.JournalLogger
worker_connections = _server["worker_connections"]
backlog = _server["backlog"]
timeout = _server["timeout"]
graceful_timeout = _server["graceful_timeout"]
keepalive = _server["keepalive"]
limit_request_line = _limits["request_line"]
limit_request_fields = _limits["headers"]
limit_request_field_size = _limits["header_size"]
# On a tmpfs, so that no slow disk delays a heartbeat.
worker_tmp_dir = _run or "/dev/shm"
proc_name = os.path.basename(_run) if _run else _read["project"]["name"]
# The hand-over has a control socket of its own; gunicorn's is a thread in a process that forks.
control_socket_disable = True

pre_fork, post_fork = handover.pre_fork, handover.post_fork
on_starting = handover.Options(
    workers_min=_server["workers_min"],
    workers_max=_server["workers_max"],
    load_timeout=_server["load_timeout"],
    linger=_server["linger"],
    one_by_one=_server["handover"] == "one-by-one",
    shared=_server["load"] == "shared",
    prepare=_prepare,
    check="/readyz",
    root=_root if Path(_root).is_symlink() else None,
    target_file=f"{_state}/workers.json" if _state else None,
    control=f"{_run}/control" if _run else None,
)
