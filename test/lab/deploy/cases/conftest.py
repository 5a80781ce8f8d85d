"""Makes this folder a package of the name `cases`: with importlib mode pytest puts no folder on sys.path."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_SPEC = importlib.util.spec_from_file_location("cases", _HERE / "__init__.py", submodule_search_locations=[str(_HERE)])
assert _SPEC and _SPEC.loader
sys.modules["cases"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(sys.modules["cases"])
