"""docs/configuration.md says of each key what the commented files and the types say today."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "configuration.md"


def test_the_page_is_what_files_and_types_make_of_it() -> None:
    made = subprocess.run([sys.executable, ROOT / "docs" / "making"], capture_output=True, text=True, check=True).stdout
    assert PAGE.read_text(encoding="utf-8") == made, "docs/configuration.md is older than what it is made of; `make pages` writes it anew"
