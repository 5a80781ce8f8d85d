"""A value that must never be seen: its text is a mask."""

from __future__ import annotations

MASK = "********"


class Secret:
    """A secret setting. Its text, however it is formatted, logged or serialised, is a mask; `reveal()` gives the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str = "") -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself. Each call of this is a place to look at in a review."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        # The mask also stands for an empty secret: whether one is set is nobody's business in a log.
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not to be pickled or copied")
