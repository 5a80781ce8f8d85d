"""A release that the running master loads before `current` names it: see handover/decision/reloads.py, Held, the master's side."""

from __future__ import annotations

import time
from typing import Any

from raab.errors import RaabError
from raab.host.master.conversation import PATIENCE, Conversation
from raab.host.paths import Paths
from raab.host.processes import children


class Asked:
    """The wish that the running master load a release. When the conversation ends, with this process at the latest, the master looks
    where `current` leads, and has new workers serve it or drops it."""

    def __init__(self, paths: Paths, release: str) -> None:
        """Raises RaabError when no master runs."""
        self.began = time.time()
        self.unit = paths.unit
        self.conversation = Conversation(paths, PATIENCE)
        self.old = children(self.conversation.peer)
        self.conversation.say(verb="hold", release=release)

    def held(self) -> Held | None:
        """Wait until it is loaded. None when it takes more than new workers (handover/decision/lifecycle.py).

        Raises RaabError with the reason when the release does not load.
        """
        word = self.conversation.hear()
        if word.get("held"):
            return Held(self, word)
        self.conversation.close()
        if "good" in word:
            judge(self.unit, word, self.began, "trial: the new workers do not load it")
        # Not held; an older master does not know the question and calls it an error.
        return None


class Held:
    """A release that is loaded. `bind` is where it will serve by the word of the master that was asked, `old` are the process ids of its
    children before."""

    def __init__(self, asked: Asked, word: dict[str, Any]) -> None:
        self.unit, self.conversation, self.old = asked.unit, asked.conversation, asked.old
        self.bind: list[str] = word["bind"]

    def take_over(self) -> None:
        """Now that `current` names it. Raises RaabError when the new workers do not serve; the old ones serve on then."""
        began = time.time()
        self.conversation.say(verb="switched")
        judge(self.unit, self.conversation.hear(), began, "reload: the new workers do not serve")
        self.conversation.close()


def judge(unit: str, verdict: dict[str, Any], began: float, otherwise: str) -> None:
    """Raises RaabError that says `otherwise`, the master's reason, and what the service of that unit has said since `began`, unless all
    is well."""
    if not verdict["good"]:
        # Here and not above: whoever asks for a release does that before all else.
        from raab.host.systemd import last_words

        reason, _, hint = str(verdict["reason"]).partition("\nhint: ")
        raise RaabError(f"{otherwise}, got {reason}\n{last_words(unit, began)}".rstrip(), hint)
