"""What `raab config` says of variables and secrets: as a process of the service has them, whoever has set them last."""

from __future__ import annotations

from pathlib import Path

from raab.asked.given import with_given
from raab.settings.secret import MASK

ROWS = [("server.workers", "2", "a"), ("project.env.LEVEL", "info", "b"), ("project.env.RATE", "1", "b"), ("project.env.GONE", "null", "c")]
HOST = "the host: systemctl cat shop"


def test_each_says_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "sealed_KEY").write_text("hush")
    environ = {
        "RUNTIME_DIRECTORY": "/run/shop", "CREDENTIALS_DIRECTORY": str(tmp_path), "PATH": "/bin", "INVOCATION_ID": "1",
        "RAAB_ENVIRONMENT": "x", "LEVEL": "debug", "RATE": "1", "PROXY": "http://p", "DB": "pg://me:hush@db", "DB_PASSWORD": "hush",
        "OWN": "hush",
    }  # fmt: skip
    rows = list(with_given(ROWS, ("KEY", "OWN", "MISSING"), environ))
    assert rows == [
        ("server.workers", "2", "a"),
        ("project.env.LEVEL", "debug", HOST),
        ("project.env.RATE", "1", "b"),
        ("project.env.GONE", "null", "c"),
        ("environment.DB", MASK, HOST),
        ("environment.DB_PASSWORD", MASK, HOST),
        ("environment.PROXY", "http://p", HOST),
        ("secret.KEY", MASK, "credential sealed_KEY"),
        ("secret.OWN", MASK, HOST),
        ("secret.MISSING", "", "missing: fab secrets set"),
    ]
    assert "hush" not in str(rows)


def test_a_shells_own_variables_are_nobodys_affair() -> None:
    assert list(with_given(ROWS, ("KEY",), {"LEVEL": "debug", "X": "y"})) == ROWS
