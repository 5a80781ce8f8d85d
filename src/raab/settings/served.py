"""config.yaml, typed: what is served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from raab import servicename
from raab.settings import beside
from raab.settings.commands import Migrate
from raab.settings.given import Env, Given, SecretName
from raab.settings.node import Node, Problem, plain
from raab.settings.validation import Check, build, matches

_NAME = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
Package = Annotated[str, matches(_NAME, "a package like raab.modules")]
# Its service is called the same where no environment says otherwise.
Name = Annotated[
    str, Check(lambda text: not servicename.wrong(text), f"{servicename.WORDS}; and none that hosts, or raab, have for something else")
]
Prefix = Annotated[str, matches(r"/|(/[A-Za-z0-9._~-]+)+", "a URL prefix like /legacy, or / for all")]
Application = Annotated[str, matches(_NAME + r":[A-Za-z_]\w*(\(\))?", "a WSGI application like legacy.wsgi:application")]
App = Annotated[
    str, matches(rf"({_NAME}:{_NAME}(\(\))?)?", "a WSGI application or what makes one, like shop.wsgi:application or shop:create_app()")
]
Ready = Annotated[str, matches(rf"({_NAME}:{_NAME})?", "a function like shop.health:check")]
# Within the project: neither from the root nor upwards, and of letters that any file system and any release can have.
_INSIDE = r"(?!\.\.?(/|$))[\w.@+ -]+(/(?!\.\.?(/|$))[\w.@+ -]+)*"
Inside = Annotated[str, matches(rf"\.|{_INSIDE}", "a path within the project like instance")]
Writable = Annotated[str, matches(rf"{_INSIDE}/?", "a path within the project like media, with a slash at its end for a folder")]
Own = Annotated[str, matches(r"((?!\.\.?(/|$))[\w.@+-]+(/(?!\.\.?(/|$))[\w.@+-]+)*)?", "a path within the project like gunicorn.py")]
Shell = Annotated[str, matches(r".*\S.*", "a command for /bin/sh")]
Wrapper = Annotated[str, matches(_NAME + r":[A-Za-z_]\w*", "a WSGI middleware like shop.middleware:Tenant")]
Upstream = Annotated[
    str, matches(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?", "a URL like http://10.0.0.5:9000")
]


class Mount(NamedTuple):
    """What answers below a prefix: an application in the process, as "module:name" or "module:name()"; or elsewhere, by `urls`."""

    application: str = ""
    urls: tuple[str, ...] = ()

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Mount | None:
        """A URL may stand by itself."""
        before = len(problems)
        if isinstance(node.value, str) and "://" not in node.value:
            mount = cls(application=build(node, Application, problems))
        else:
            nodes = node.value if isinstance(node.value, tuple) else (node,)
            mount = cls(urls=tuple(build(child, Upstream, problems) for child in nodes))
            if not nodes:
                problems.append(Problem(node.where, f"{node.path}: names no URL to forward to"))
        return mount if len(problems) == before else None


class Middleware(NamedTuple):
    """A WSGI middleware, as "module:name", and the settings that it is called with beside the application."""

    target: str
    options: Mapping[str, Any]

    @classmethod
    def from_node(cls, node: Node, problems: list[Problem]) -> Middleware | None:
        """Its name alone, or the name with the settings below it."""
        before = len(problems)
        options: Any = {}
        if isinstance(node.value, Mapping):
            if len(node.value) != 1:
                problems.append(Problem(node.where, f"{node.path}: is one middleware with its settings below it", str(list(node.value))))
                return None
            ((name, below),) = node.value.items()
            options = plain(below) or {}
            if not isinstance(options, dict):
                problems.append(Problem(below.where, f"{below.path}: needs `name: value` lines, the settings of {name}"))
            node = Node(name, below.where, node.path)
        target = build(node, Wrapper, problems)
        return cls(target, options) if len(problems) == before else None


class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it. What `app` and below it say is decided where a release is made, and stands in it."""

    name: Name
    modules: tuple[Package, ...]
    mounts: dict[Prefix, Mount]
    middleware: tuple[Middleware, ...]
    app: App
    ready: Ready
    python_path: tuple[Inside, ...]
    code: Literal["", "wheel", "files"]
    sources: tuple[Inside, ...]
    include: tuple[Inside, ...]
    writable: tuple[Writable, ...]
    build: tuple[Shell, ...]
    processes: dict[beside.Name, beside.Process]
    timers: dict[beside.Name, beside.Timer]
    migrate: Migrate | None
    lock: Own
    gunicorn: Own
    wsgi: Own
    units: Own
    env: Env
    secrets: tuple[SecretName, ...]

    @property
    def given(self) -> Given:
        return Given(self.env.values, self.secrets)

    def problems(self) -> Iterator[tuple[str, str]]:
        yield from self.given.problems()
        if both := sorted(self.processes.keys() & self.timers.keys()):
            yield "timers", f"{both[0]} is the name of a process, too"
