"""The development server: `python run.py`. It reloads itself when a file changes, and shows errors in the browser."""

from __future__ import annotations

import os
import sys

from werkzeug.serving import run_simple
from werkzeug.wrappers import Response

from raab import create_app
from raab.errors import RaabError
from raab.factory.configFactory import load_settings
from raab.factory.sources import ETC, PACKAGED
from raab.web.wsgi import WSGIApplication


def main() -> int:
    try:
        host, port = address(load_settings().server.bind[0])
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
    settings_files = [str(path) for folder in (PACKAGED, ETC) for path in folder.glob("*.yaml")]
    run_simple(host.strip("[]"), port, app, use_reloader=True, use_debugger=True, threaded=True, extra_files=settings_files)
    return 0


def address(bind: str) -> tuple[str, int]:
    """Host and port of the first address of `server.bind`. Raises RaabError for a UNIX socket, which no browser opens."""
    host, _, port = bind.rpartition(":")
    if host == "unix":
        raise RaabError(f"server.bind: the development server needs address:port, got {bind}", "RAAB_SERVER__BIND=127.0.0.1:5000", 2)
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
