"""What `raab init` writes. Every key that it leaves out is explained in docs/projects.md."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

FABFILE = '''\
"""Deploying {name}: `fab --list` shows what there is, `fab --help VERB` what each takes."""

from raab.deploy.verbs import verbs

namespace = verbs(__file__)
'''
LAB = """\
# Throwaway hosts on this machine: `fab deploy` boots them.
hosts: lab
waves: [1, 100%]
drills: allowed
"""
PRODUCTION = """\
# Your servers, each under the name that reports will give it: `fab deploy --env production`.
hosts:
  web1: {address: 203.0.113.10}
"""
# Where each host has a database of its own.
HOOKS = """\
hooks:
  # Its database is an SQLite file, of which each host has its own. A database server's is migrated once for all: by a line
  # `migrate: {migrate}` in deploy/config.yaml instead.
  before_activate: {{command: "cd app && {migrate}", timeout: 300}}
"""
IGNORED = "/build/raab/\n"


class Config(Struct, frozen=True):
    """What a project says of itself."""

    name: str
    app: str
    python_path: Sequence[str] = ()
    include: Sequence[str] = ()
    writable: Sequence[str] = ()
    build: Sequence[str] = ()
    migrate: str = ""

    @property
    def text(self) -> str:
        lists = {key: getattr(self, key) for key in ("python_path", "include", "writable", "build")}
        lines = [f"{key}: [{', '.join(values)}]" for key, values in lists.items() if values]
        lines += [f"migrate: {self.migrate}"] if self.migrate else []
        return "\n".join([f"name: {self.name}", f"app: {self.app}", *lines, ""])


def environment(text: str, migrate: str) -> str:
    """`migrate` is what brings the database of each host to where a release wants it; empty for none."""
    return text + HOOKS.format(migrate=migrate) if migrate else text
