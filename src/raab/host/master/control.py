"""Asking the running master by its control socket (handover/outside/control.py)."""

from __future__ import annotations

import time
from typing import Any

from raab import exitcodes
from raab.errors import RaabError
from raab.host.master import conversation
from raab.host.master.conversation import NAMING_SECONDS, Conversation, Unanswered, Unvouched
from raab.host.paths import Paths

# Seconds in which a master that is to come, or to follow another, may be waited for: `raab status` has no more either.
_COMING = 10.0
_STEP = 0.05


def ask(paths: Paths, seconds: float, *, patient: bool = False, vouched: bool = True, **request: Any) -> dict[str, Any]:
    """Send one request to the running master and return its answer; `seconds` bounds the wait.

    `patient`: while the master restarts or is replaced, ask again, unless the request may have been carried out and must not be twice.
    `vouched`: only the master of systemd's is believed. Raises RaabError: exit code 3 when no master listens, 2 when it refuses the
    request, 1 when it does not answer in time or is not the master.
    """
    end = time.monotonic() + seconds
    coming = time.monotonic() + min(seconds, _COMING)
    named = time.monotonic() + min(seconds, NAMING_SECONDS)
    # What may be asked twice: a question, and a wish for a state.
    twice = request["verb"] == "status" or "to" in request
    while True:
        try:
            answer = converse(paths, max(end - time.monotonic(), _STEP), vouched, request)
        except Unvouched:
            if time.monotonic() > named:
                raise
        except Unanswered as error:
            if not patient or (error.taken and not twice) or time.monotonic() > coming or not expected(paths):
                raise
            named = time.monotonic() + NAMING_SECONDS
        else:
            named = time.monotonic() + NAMING_SECONDS
            if "error" in answer:
                raise RaabError(answer["error"], exit_code=exitcodes.BAD_INPUT)
            if answer != {"ask": "again"}:
                return answer
            # A new master took over meanwhile, and listens at the same path.
            if time.monotonic() > end:
                raise RaabError(f"{paths.control}: no answer within {seconds:.0f} s", f"journalctl -u {paths.name} -n 50")
        time.sleep(_STEP)


def converse(paths: Paths, seconds: float, vouched: bool, request: dict[str, Any]) -> dict[str, Any]:
    talk = Conversation(paths, seconds, vouched)
    try:
        # First of all, so that nothing is asked twice of a master that systemd hears of a moment later.
        talk.vouch()
        talk.say(**request)
        return talk.hear()
    finally:
        talk.close()


def expected(paths: Paths) -> bool:
    """Whether a master is on its way, or there and only to be asked again."""
    if not conversation.of_systemd(paths):
        return False
    from raab.host import systemd

    return systemd.show(paths.unit, "ActiveState").get("ActiveState", "") in ("active", "reloading", "activating", "deactivating")
