"""The one shape of an expected error. Standard library only: everything else in raab may import it."""

from __future__ import annotations


class RaabError(Exception):
    """Something that went wrong in an expected way, told to a person without a traceback.

    `message` reads `<where>: <what is wrong>, got <value>`; `hint` says what to do next; `exit_code` is what a command ends with.
    """

    def __init__(self, message: str, hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message
