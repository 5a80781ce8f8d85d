"""What each verb of `fab` is made with: its options in words, the project, and what is needed to talk to hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke.context import Context
from invoke.tasks import task

from raab.deploy.guard import guarded

if TYPE_CHECKING:
    from raab.deploy.desk import Desk

COMMON = {
    "env": "the environment: a file deploy/<env>.yaml (default lab)",
    "hosts": "only these of its hosts, separated by commas",
    "json": "one JSON document on stdout",
    "debug": "show the traceback of an error",
}
WAIT = "seconds to wait for a deploy to end"


def verb(bounded: bool = True, room: str = "", **help_texts: str) -> Callable[[Callable[..., int]], Any]:
    """Make a function a task of fab whose return value is the exit code; see `guarded`."""

    def decorate(function: Callable[..., int]) -> Any:
        known = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        texts = {name: text for name, text in {**COMMON, **help_texts}.items() if name in known}
        # A verb may be called what a function of Python's, or a word of its grammar, is called.
        name = function.__name__.rstrip("_")
        return task(name=name, help=texts, auto_shortflags=False)(guarded(bounded, room)(function))

    return decorate


def project(context: Context) -> Path:
    """The root of the project whose fabfile has these verbs."""
    return Path(context.config.raab.root)


def desk(context: Context, env: str, hosts: str | None, json: bool = False) -> Desk:
    """What is needed for a verb is imported by it, so that `fab --list` and the lab's verbs do not wait for it."""
    from raab.deploy.desk import Desk

    return Desk(project(context), env, hosts, json)
