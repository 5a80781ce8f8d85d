"""An application with packaged settings, apart from the machine's /etc/raab and environment."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import settings

from raab import create_app
from raab.factory.configFactory import load_settings

# A time limit per example would measure what else the machine is doing.
settings.register_profile("raab", deadline=None)
settings.load_profile("raab")

MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeApp]:
    """`make_app(RAAB_...="...", files={"shop/cart/__init__.py": "..."})`: files are importable while the test runs."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def make(files: dict[str, str] | None = None, **environ: str) -> Flask:
        for name, text in (files or {}).items():
            path = tmp_path / "path" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return create_app(load_settings(environ, tmp_path / "no-etc"))

    yield make
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What an activation's requests are known by, where root leaves it: beside the runtime directory."""
    folder = tmp_path / "run" / "raab"
    folder.mkdir(parents=True)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(folder))
    text = "0123456789abcdef" * 4
    Path(f"{folder}-proof").write_text(text)
    return text
