"""Loads an application and tells what it is, in a process of its own, by the project's own Python, which may have nothing of raab's.

Standard library only. Started as `python probe.py TARGET PLACE` in the project's root; what it finds is JSON on its last line.
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import os
import sys
import traceback
from typing import Any


def main() -> None:
    target, place = sys.argv[1:3]
    root = os.getcwd()
    sys.path[:0] = [os.path.abspath(place), root]
    try:
        told = look(load(target), root, place)
    except BaseException as error:  # an application may call sys.exit when it is imported
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root)]
        where = f" ({os.path.relpath(frames[-1].filename, root)}:{frames[-1].lineno})" if frames else ""
        told = {"problem": f"{type(error).__name__}: {error}{where}"}
    print("\n" + json.dumps(told), flush=True)
    # Threads that it has started are nobody's affair.
    os._exit(0)


def load(target: str) -> Any:
    module, _, name = target.removesuffix("()").partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    made = target.endswith("()") or (inspect.isfunction(found) and not required(found))
    return found() if made else found


def required(function: Any) -> bool:
    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    return False


def look(app: Any, root: str, place: str) -> dict[str, Any]:
    call = app if inspect.isfunction(app) else type(app).__call__
    told: dict[str, Any] = {"kind": "wsgi", "writable": [], "lacks": [], "build": [], "include": []}
    if inspect.iscoroutinefunction(call):
        return {**told, "kind": "asgi"}
    if "django" in sys.modules and type(app).__module__.startswith("django."):
        of_django(told, root, os.path.normpath(os.path.join(place, "manage.py")))
    elif "flask" in sys.modules and hasattr(app, "instance_path"):
        of_flask(app, told, root)
    for logger in (logging.getLogger(), *logging.root.manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            add(told["writable"], os.path.dirname(getattr(handler, "baseFilename", "")), root, folder=True)
    told["writable"] = sorted(dict.fromkeys(told["writable"]))
    return told


def of_flask(app: Any, told: dict[str, Any], root: str) -> None:
    told["kind"] = "flask"
    if os.path.isdir(app.instance_path):
        add(told["writable"], app.instance_path, root, folder=True)
    if not app.config.get("SECRET_KEY"):
        told["lacks"].append("SECRET_KEY is not set: without it there are no sessions")
    elif len(str(app.config["SECRET_KEY"])) < 16:
        told["lacks"].append("SECRET_KEY is one that can be guessed")
    url = str(app.config.get("SQLALCHEMY_DATABASE_URI") or "")
    if url.startswith("sqlite:///"):
        database(os.path.join(app.instance_path, url[len("sqlite:///") :].partition("?")[0]), told, root)
    for key in ("UPLOAD_FOLDER", "UPLOADS_DEFAULT_DEST"):
        add(told["writable"], str(app.config.get(key) or ""), root, folder=True)
    if "migrate" in app.extensions and os.path.isdir("migrations"):
        told["migrate"] = "flask db upgrade"
        told["own_database"] = url.startswith("sqlite:")


def database(file: str, told: dict[str, Any], root: str) -> None:
    add(told["writable"], file, root)
    place = "" if inside(file, root) else f", outside of the project, got {file}: on a host only the service's folder below /var/lib lasts"
    told["lacks"].append(f"its database is an SQLite file, of which each host has its own{place}")


def of_django(told: dict[str, Any], root: str, manage: str) -> None:
    from django.conf import settings  # type: ignore[import-not-found,import-untyped,unused-ignore]

    told["kind"], told["settings"] = "django", settings.SETTINGS_MODULE
    if settings.DEBUG:
        told["lacks"].append("DEBUG is on: errors show source code to everybody")
    if str(settings.SECRET_KEY).startswith("django-insecure"):
        told["lacks"].append("SECRET_KEY is the one that was made for development, and stands in the sources")
    if not settings.ALLOWED_HOSTS:
        told["lacks"].append("ALLOWED_HOSTS is empty: with DEBUG off no host is served")
    for one in settings.DATABASES.values():
        if one["ENGINE"].endswith("sqlite3"):
            database(str(one["NAME"]), told, root)
    add(told["writable"], str(settings.MEDIA_ROOT), root, folder=True)
    if settings.STATIC_ROOT and inside(str(settings.STATIC_ROOT), root):
        add(told["include"], str(settings.STATIC_ROOT), root)
        told["build"].append(f"python {manage} collectstatic --noinput")
    elif "django.contrib.staticfiles" in settings.INSTALLED_APPS:
        where = f"lies outside of the project, got {settings.STATIC_ROOT}" if settings.STATIC_ROOT else "is not set"
        told["lacks"].append(f"STATIC_ROOT {where}: what is collected there comes to no host")
    if os.path.isfile(manage):
        told["migrate"] = f"python {manage} migrate --noinput"
        told["own_database"] = any(one["ENGINE"].endswith("sqlite3") for one in settings.DATABASES.values())


def add(paths: list[str], path: str, root: str, folder: bool = False) -> None:
    """By its name within the project; what lies elsewhere, or is the project itself, is no part of it. A folder that is called like a file
    gets a slash."""
    if path and (name := inside(path, root)):
        paths.append(f"{name}/" if folder and os.path.splitext(name)[1] else name)


def inside(path: str, root: str) -> str:
    """Its name within the project; empty for what lies elsewhere, and for the project itself."""
    name = os.path.relpath(os.path.join(root, path), root)
    return "" if name == "." or name.startswith("..") else name


if __name__ == "__main__":
    main()
