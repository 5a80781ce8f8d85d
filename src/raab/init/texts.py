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
# By whether each host has a database of its own.
HOOKS = {
    True: """\
hooks:
  # Its database is an SQLite file, of which each host has its own. A database server's is migrated once for all: `once` instead.
  before_activate: {{command: {command}, timeout: 300}}
""",
    False: """\
hooks:
  # For a database server, once for all hosts. An SQLite file is one of each host: `before_activate` instead.
  once: {{command: {command}, timeout: 300}}
""",
}
IGNORED = "/build/raab/\n"


class Config(Struct, frozen=True):
    """What a project says of itself."""

    name: str
    app: str
    python_path: Sequence[str] = ()
    include: Sequence[str] = ()
    writable: Sequence[str] = ()
    build: Sequence[str] = ()

    @property
    def text(self) -> str:
        lists = {key: getattr(self, key) for key in ("python_path", "include", "writable", "build")}
        lines = [f"{key}: [{', '.join(values)}]" for key, values in lists.items() if values]
        return "\n".join([f"name: {self.name}", f"app: {self.app}", *lines, ""])


def environment(text: str, migrate: str, python_path: Sequence[str], own_database: bool) -> str:
    """`migrate` is a command in the project's root, with the tools of its environment on the path; empty for none.
    `own_database`: each host has one, in a file."""
    if not migrate:
        return text
    path = f"PYTHONPATH={':'.join(python_path)} " if python_path else ""
    command = f'"cd $RAAB_RELEASE_DIR/app && PATH=$RAAB_RELEASE_DIR/venv/bin:$PATH {path}{migrate}"'
    return text + HOOKS[own_database].format(command=command)
