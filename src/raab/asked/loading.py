"""How workers will get the application, found out by loading it here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from raab.host.master.loading import told

if TYPE_CHECKING:
    from raab.settings.schema import Server

_T = TypeVar("_T")


def load_and_tell(server: Server, load: Callable[[], _T]) -> tuple[_T, str]:
    """What `load` returns, and one line for people. Under gevent's patches, as in a template: they decide what a thread is."""
    if server.load == "each":
        return load(), told("each", "server.load says so")
    # Here and not above: it takes gunicorn and gevent, which have to come after what the caller sets up.
    from handover.workers import sharing

    seen = sharing.look()
    loaded = load()
    why = sharing.unsafe(seen)
    return loaded, told("each" if why else "shared", why)
