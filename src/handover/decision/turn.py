"""One event taken up: the state as it becomes, and what is to be done, in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handover.decision.actions import Action
from handover.decision.reloads import Now, Reload, State
from handover.decision.states import Fleet


class Turn:
    """What the parts of the life of a service write to while an event is taken up; they are the other modules of this room.

    `refusal` says why the reload under way is refused, None while it is not. It is told when the workers have their orders.
    """

    def __init__(self, state: State, now: Now) -> None:
        self._became, self.now = state, now
        self.actions: list[Action] = []
        self.refusal: str | None = None

    @property
    def state(self) -> State:
        """The state as it becomes."""
        return self._became

    @property
    def fleet(self) -> Fleet:
        """The processes, as they become."""
        return self.state.fleet

    @property
    def reload(self) -> Reload | None:
        """The reload under way, as it becomes."""
        return self.state.reload

    def become(self, **changes: Any) -> None:
        """Change parts of the state."""
        self._became = replace(self._became, **changes)

    def do(self, *actions: Action) -> None:
        """Have this done."""
        self.actions += actions
