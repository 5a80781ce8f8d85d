"""Business modules, one package each, found and registered by themselves.

A package offers `blueprint` and, where it wants, `init_app(app)`, `ready() -> None | str` (a reason why /readyz should say no) and
`settings`, a msgspec.Struct type for its section in setting.yaml.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from flask import current_app

_T = TypeVar("_T", bound=msgspec.Struct)


def section(wanted: type[_T]) -> _T:
    """The running application's settings of the module that declared `wanted` as its `settings`."""
    found = current_app.extensions["raab"].sections[wanted]
    assert isinstance(found, wanted)
    return found
