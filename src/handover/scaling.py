"""How many workers are wanted: by whom it may be changed, how far, and who waits for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from handover import target
from handover.control import Client, Request
from handover.states import Phase

if TYPE_CHECKING:
    from handover.arbiter import HandoverArbiter


class Scaling:
    """The target's keeper. The number itself is the fleet's."""

    def __init__(self, master: HandoverArbiter) -> None:
        self._master = master
        self._waiting: list[tuple[Client, int]] = []

    def restored(self) -> int:
        """The target that the settings in force and the saved one amount to."""
        options = self._master.options
        saved = target.load(options.target_file, self._master.log.error)
        return target.restore(saved, self._master.cfg.workers, options.workers_min, options.workers_max)

    def save(self) -> None:
        """Keep the target over everything that ends this process. A disk that refuses is no reason to stop serving."""
        try:
            target.save(self._master.options.target_file, self._master.cfg.workers, self._master.fleet.target)
        except OSError as error:
            self._master.log.error("scale: the target cannot be kept, got %s", error)

    def to(self, wanted: int) -> str:
        """Change the target. Returns why not, when `wanted` is beyond the bounds."""
        master = self._master
        low, high = master.options.workers_min, master.options.workers_max
        if not low <= wanted <= high:
            refusal = f"scale: the bounds are {low} to {high} workers (workers_min, workers_max), got {wanted}"
            master.log.warning(refusal)
            return refusal
        master.fleet = replace(master.fleet, target=wanted)
        self.save()
        master.log.info("scale: %s workers wanted", wanted)
        master.announce_status()
        return ""

    def request(self, request: Request, client: Client) -> None:
        """Somebody scales by the control socket, and is answered when it is done."""
        before = self._master.fleet.target
        refusal = self.to(request.to if request.to is not None else before + (request.by or 0))
        if refusal:
            client.answer({"error": refusal})
        else:
            self._waiting.append((client, before))

    def answer(self) -> None:
        """Answer those who wait when as many workers serve as are wanted, and no more."""
        fleet = self._master.fleet
        here = fleet.of(Phase.BOOTING, Phase.SERVING)
        if len(here) == len(fleet.of(Phase.SERVING)) == fleet.target:
            self.answer_now()

    def answer_now(self) -> None:
        """Answer those who wait: the target is safe, with a successor if not with this master."""
        for client, before in self._waiting:
            client.answer({"before": before, "after": self._master.fleet.target})
        self._waiting = []
