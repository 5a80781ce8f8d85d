"""What a project says of itself in pyproject.toml (packaging.python.org, pyproject.toml specification)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from raab import exitcodes
from raab.errors import RaabError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "pyproject.toml"


def read_toml(path: Path) -> dict[str, Any]:
    """Empty where there is no such file. Raises RaabError for one that is no TOML."""
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return found
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RaabError(f"{path.name}: cannot be read, got: {error}", "mend it", exitcodes.BAD_INPUT) from error


def equipped(tree: Path) -> bool:
    """Whether this environment has what the project in a folder is built with: what it says (PEP 518), or setuptools."""
    from build import check_dependency

    wanted = read_toml(tree / FILE).get("build-system", {}).get("requires", ["setuptools"])
    return not any(missing for line in wanted for missing in check_dependency(line))


def is_package(root: Path) -> bool:
    """Whether a wheel can be built of it: where it says by what (PEP 518), or has the setuptools of before that."""
    return (root / "setup.py").is_file() or "build-system" in read_toml(root / FILE)
