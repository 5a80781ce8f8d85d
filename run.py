"""The development server: `python run.py`. It reloads itself when a file changes, and shows errors in the browser."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import time
from pathlib import Path

from werkzeug.serving import run_simple
from werkzeug.wrappers import Response

from raab import create_app
from raab.errors import RaabError
from raab.factory.configFactory import ETC, load_settings
from raab.settings.sources import PACKAGED
from raab.web.wsgi import WSGIApplication


def main() -> int:
    try:
        settings = load_settings()
        host, port = address(settings.server.bind[0])
    except RaabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    app: WSGIApplication
    try:
        app = flask_app = create_app()
        flask_app.debug = True
    except RaabError as error:
        # Shown instead of ending: the next saved file may repair it, and the reloader is what notices.
        print(error, file=sys.stderr)
        app = Response(f"{error}\n", 500, mimetype="text/plain")
    if "WERKZEUG_RUN_MAIN" not in os.environ:
        print(f"http://{host}:{port}/", file=sys.stderr)
    else:
        threading.Thread(target=restart_for_new_files, args=(settings.project.modules,), daemon=True).start()
    settings_files = [str(path) for folder in (PACKAGED, ETC) for path in folder.glob("*.yaml")]
    run_simple(host.strip("[]"), port, app, use_reloader=True, use_debugger=True, threaded=True, extra_files=settings_files)
    return 0


def restart_for_new_files(packages: tuple[str, ...]) -> None:
    """Ends this process as Werkzeug's reloader does, by the status for which its parent starts the next one, when a Python file has come
    or gone below one of `packages`. The reloader itself looks for changes in files that it has seen before, and a new module is none."""
    before = python_files(packages)
    while python_files(packages) == before:
        time.sleep(1)
    print("a module's file has come or gone, starting anew", file=sys.stderr)
    os._exit(3)


def python_files(packages: tuple[str, ...]) -> set[Path]:
    """Every Python file below the folders of `packages`; nothing for a package that cannot be found."""
    found: set[Path] = set()
    for package in packages:
        try:
            spec = importlib.util.find_spec(package)
        except Exception:
            # Its parent cannot be imported, and the browser shows why.
            continue
        for folder in (spec and spec.submodule_search_locations) or ():
            found.update(Path(folder).rglob("*.py"))
    return found


def address(bind: str) -> tuple[str, int]:
    """Host and port of the first address of `server.bind`. Raises RaabError for a UNIX socket, which no browser opens."""
    host, _, port = bind.rpartition(":")
    if host == "unix":
        raise RaabError(f"server.bind: the development server needs address:port, got {bind}", "RAAB_SERVER__BIND=127.0.0.1:5000", 2)
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
