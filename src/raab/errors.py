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


def of_machine(error: OSError) -> RaabError:
    """What the machine refused, such as to write to a disk that is full or read-only: in its own words."""
    where = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    return RaabError(f"{where or 'this machine'}: {error.strerror or error}", "--debug shows where it was met")
