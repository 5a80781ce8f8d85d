"""What tests of pages share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def _package() -> None:
    """Makes this folder a package of the name `pages`: with importlib mode pytest puts no folder on sys.path."""
    here = Path(__file__).parent
    spec = importlib.util.spec_from_file_location("pages", here / "__init__.py", submodule_search_locations=[str(here)])
    assert spec and spec.loader
    sys.modules["pages"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pages"])


_package()
