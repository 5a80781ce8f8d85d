"""Releases that differ from a given one in what a drill wants to see: made on the host, in a tenth of a second."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from raab.drill.traffic import routes

# Where the packages of a release stand in it: a pattern, because the folder bears the name of the host's own Python.
PACKAGES = "venv/lib/python3*/site-packages"
WSGI = """\
{before}
from drillroutes import with_drill_routes
from raab.served.application import application

application = with_drill_routes(application, release="{release}")
{after}
"""
# Beside it, since no release has anything of raab.drill.
ROUTES = {"app/drillroutes.py": Path(routes.__file__).read_text()}
# A release is made of hard links; so files are replaced by new ones, and never written to.
MAKE = """
import glob, json, os, shutil, subprocess, sys
order = json.load(sys.stdin)
os.chdir(order["releases"])
subprocess.run(["cp", "-al", order["base"], order["id"]], check=True)
os.chdir(order["id"])
def place(name):
    pattern = order["packages"]
    return name.replace(pattern, glob.glob(pattern)[0]) if name.startswith(pattern) else name
def put(name, text):
    with open(name + ".new", "w") as file:
        file.write(text)
    os.replace(name + ".new", name)
for name in map(place, order["without"]):
    shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
for name, text in order["files"].items():
    put(place(name), text)
for name, text in order["appended"].items():
    name = place(name)
    put(name, open(name).read() + text)
put("manifest.json", json.dumps({**json.load(open("manifest.json")), "id": order["id"], "content": order["id"]}))
"""


@dataclass(frozen=True)
class Content:
    """What makes a variant differ. Each of `files` and `appended` is a path inside the release with its text, `without` are paths it lacks;
    those that begin with PACKAGES are found wherever the release's Python has them.

    `before` and `after` are lines of its wsgi.py; without them it serves as its base does, with the routes of
    `raab.drill.traffic.routes` and its id in each of their answers. `drilled` says whether wsgi.py is replaced at all: a release with its
    own one passes for one of a deploy.
    """

    before: str = ""
    after: str = ""
    files: tuple[tuple[str, str], ...] = ()
    appended: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    drilled: bool = True

    def order(self, releases: str, base: str, release: str) -> str:
        """What MAKE reads."""
        wsgi = {"app/wsgi.py": WSGI.format(before=self.before, after=self.after, release=release), **ROUTES} if self.drilled else {}
        return json.dumps({
            "releases": releases, "base": base, "id": release, "packages": PACKAGES, "files": {**wsgi, **dict(self.files)},
            "appended": dict(self.appended), "without": self.without,
        })  # fmt: skip


STEADY = Content()
