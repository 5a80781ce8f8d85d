"""Asking a release something that only its code can answer: as the service's user, in its sandbox, with the host's own configuration and
credentials. What it answers is believed as little as any word of the service's."""

from __future__ import annotations

from pathlib import Path

from raab.errors import RaabError
from raab.host.master import answers
from raab.host.master.answers import Settings
from raab.host.paths import Paths
from raab.host.renewal.ahead import shown
from raab.host.units import sandbox
from raab.host.units.inquiry import Inquiry


class Question:
    """`raab VERB` of a release, under way from here on until `answer`.

    A unit with the lines of the release's own, and not a child of ours: only systemd hands credentials over and builds the sandbox.
    """

    def __init__(self, paths: Paths, release: Path, verb: str) -> None:
        self.paths = paths
        self.verb = verb
        self.inquiry = Inquiry(sandbox.of_release(paths, release), f"{release}/venv/bin/python -I -m raab.host {verb}")

    def answer(self, limit: float) -> str:
        """What it printed. Waits for its end, at most `limit` seconds. Raises RaabError with its reason when it does not go well."""
        try:
            said, why = self.inquiry.finish(limit)
        except TimeoutError:
            text = f"{self.verb}: the release did not load within {limit:.0f} s"
            raise RaabError(text, "find what it waits for, or raise load_timeout") from None
        if why:
            reason, _, hint = shown(why).rpartition("\nhint: ")
            raise RaabError((reason or hint)[-2000:], hint if reason else "")
        return said.decode(errors="replace")

    def end(self) -> None:
        """Nothing of it is left afterwards."""
        self.inquiry.end()


def settings(question: Question, limit: float) -> Settings:
    """The answer to `settings`. Raises RaabError with the release's reason, or for what is no answer."""
    said = question.answer(limit)
    try:
        return answers.settings(said)
    except ValueError as error:
        raise RaabError(f"settings: the release does not say what they are, got {error}", f"{question.paths.typed} config") from error
