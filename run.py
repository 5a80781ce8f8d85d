"""The development server: `python run.py`. It reloads itself when a file changes, and shows errors in the browser."""

from __future__ import annotations

import sys

from werkzeug.serving import run_simple

from raab import create_app
from raab.errors import RaabError
from raab.factory.configFactory import load_settings


def main() -> int:
    try:
        bind = load_settings().server.bind
        app = create_app()
    except RaabError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    host, _, port = bind.rpartition(":")
    app.debug = True
    run_simple(host.strip("[]"), int(port), app, use_reloader=True, use_debugger=True, threaded=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
