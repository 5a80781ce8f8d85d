"""How every verb ends: with an exit code, an expected error as its two lines, an interruption as what was said of it."""

from __future__ import annotations

import functools
import gc
import sys
import traceback
from collections.abc import Callable
from typing import Any

from raab import exitcodes
from raab.deploy.report import output
from raab.deploy.report.interruption import PROCESS
from raab.errors import RaabError, of_machine


def guarded(bounded: bool, room: str = "") -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """For a function of a verb of fab: what it returns is the exit code, None for 0. One that is not `bounded` clears away after an
    interruption for as long as that takes. `room`: what stands before the verb's name."""

    def decorate(function: Callable[..., int | None]) -> Callable[..., None]:
        @functools.wraps(function)
        def whole(*args: Any, **kwargs: Any) -> None:
            # What has been imported stays to the end: no collection, those of the interpreter's end among them, need look at it.
            gc.freeze()
            PROCESS.begin(room + function.__name__.rstrip("_"), bounded)
            try:
                code = function(*args, **kwargs) or exitcodes.DONE
            except (RaabError, OSError) as error:
                if kwargs.get("debug"):
                    traceback.print_exc()
                told = of_machine(error) if isinstance(error, OSError) else error
                print(told, file=sys.stderr)
                code = told.exit_code
            except KeyboardInterrupt:
                output.settle(exitcodes.INTERRUPTED)
                PROCESS.leave()
            if code := output.settle(code):
                sys.exit(code)

        return whole

    return decorate
