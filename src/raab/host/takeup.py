"""Have the service take up a release: loaded by new workers before `current` names it, where that can be, or when it does."""

from __future__ import annotations

import time
from typing import Any

from raab.errors import RaabError
from raab.host import systemd
from raab.host.control import Conversation, ask
from raab.host.paths import UNIT
from raab.host.task import Teller

# How long a master may take for any release: it keeps the limits (load_timeout) itself and always answers; this bounds the rest.
PATIENCE = 3600.0


class Held:
    """A release that new workers of the running master have loaded. They serve nobody until `current` names it.

    `bind` is where it will serve, `waits` how many seconds a generation of it may take to load, `master` the master's process id, `old`
    those of the workers before. When the conversation ends, with this process at the latest, the master looks where `current` leads,
    and lets them serve or sends them away.
    """

    def __init__(self, conversation: Conversation, word: dict[str, Any], old: frozenset[int]) -> None:
        self.conversation, self.master, self.old = conversation, conversation.peer, old
        self.bind, self.waits = str(word["bind"]), float(word["load_timeout"])

    def take_over(self) -> None:
        """Now that `current` names it. Raises RaabError when they do not serve; the old workers serve on then."""
        judge(self.conversation.ask(verb="switched"), time.time())
        self.conversation.close()


def serving_at() -> str:
    """Where the running service listens; empty when none runs, or one that does not tell."""
    try:
        return str(ask(5, verb="status").get("bind", ""))
    except RaabError:
        return ""


def hold(release: str) -> Held | None:
    """Have the running master load a release; None when none runs, or when it takes more than new workers (see Reloads.hold).

    Raises RaabError with the reason when the release does not load.
    """
    began = time.time()
    try:
        conversation = Conversation(PATIENCE)
    except RaabError:
        return None
    old = systemd.workers(conversation.peer)
    word = conversation.ask(verb="hold", release=release)
    if word.get("held"):
        return Held(conversation, word, old)
    conversation.close()
    if "good" in word:
        judge(word, began)
    # Not held; an older master does not know the question and calls it an error.
    return None


def take_up(restart: bool, waits: float, teller: Teller) -> None:
    """Have the service take up the release that `current` names: by new workers, or by a start where it does not run or `restart` says
    that only a new process will do.

    `waits` is how many seconds a generation may take to load. Raises RaabError when it does not serve; after a hand-over the old
    workers serve on.
    """
    active = systemd.is_active()
    if active and not restart:
        teller.step("handing over to new workers")
        began = time.time()
        judge(ask(5 * waits + 10, verb="reload", trial=False), began)
        return
    verb = "restart" if active else "start"
    reason = " (the unit changed in what only a new process takes up)" if active else ""
    teller.step(f"systemctl {verb} raab{reason}")
    systemd.order("systemctl", "reset-failed", UNIT)
    began = time.time()
    done = systemd.order("systemctl", verb, UNIT, timeout=waits + 90)
    if done.returncode:
        raise RaabError(f"systemctl {verb} raab: exit code {done.returncode}, got: {systemd.last_words(began) or done.stderr.strip()}")


def judge(verdict: dict[str, Any], began: float) -> None:
    """Raises RaabError with the master's reason, and what the service has said since `began`, unless new workers serve."""
    if not verdict["good"]:
        reason, _, hint = str(verdict["reason"]).partition("\nhint: ")
        raise RaabError(f"reload: the new workers do not serve, got {reason}\n{systemd.last_words(began)}".rstrip(), hint)
