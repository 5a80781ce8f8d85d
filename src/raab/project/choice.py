"""Which files of a project make a release. Decides by names alone."""

from __future__ import annotations

from msgspec import Struct

from raab.project.description import FOLDER, SETTINGS
from raab.settings.served import Project

# The lock that hosts get, unless the project has one that is enough.
LOCK = f"{FOLDER}/requirements.lock"
# raab's, and the developer's own: none of them is the application's. A gunicorn.py is a configuration, and would hide the package.
APART = (FOLDER, "fabfile.py", "gunicorn.py", "build", ".gitignore", ".gitattributes", ".gitmodules", ".github")


class Choice(Struct, frozen=True):
    """`code` are names that the code consists of, files and folders, empty for all that there is; `include` lie beside it whether git knows
    them or not; `others` are what raab itself takes, each by the name that a release has it by; `units` the folder with the project's own.
    """

    code: tuple[str, ...]
    include: tuple[str, ...]
    writable: tuple[str, ...]
    others: dict[str, str]
    units: tuple[str, ...]
    apart: tuple[str, ...]

    def is_code(self, name: str) -> bool:
        """Whether a file of the checkout is the application's."""
        return below(name, self.code) if self.code else not below(name, self.apart)

    def is_beside(self, name: str) -> bool:
        return below(name, self.include)


def choose(project: Project, lock: str) -> Choice:
    """`lock` is the name of the lock that hosts get."""
    others = {lock: "requirements.lock", **{name: name for name in SETTINGS}}
    units = (project.units,) if project.units else ()
    others |= {project.gunicorn: "gunicorn.py"} if project.gunicorn else {}
    others |= {project.wsgi: "app/wsgi.py"} if project.wsgi else {}
    writable = tuple(name.rstrip("/") for name in project.writable)
    return Choice(project.sources, project.include, writable, others, units, (*APART, *others, *units))


def below(name: str, names: tuple[str, ...]) -> bool:
    """Whether a file is one of these, or lies in one."""
    return any(name == one or one == "." or name.startswith(f"{one}/") for one in names)
