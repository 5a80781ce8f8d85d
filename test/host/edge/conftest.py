from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def caddy() -> str:
    """The real one."""
    found = os.environ.get("RAAB_CADDY") or shutil.which("caddy")
    if not found:
        pytest.skip("no caddy: set RAAB_CADDY to the path of one")
    return found
