"""Which of a project's files are migrations."""

from __future__ import annotations

from raab.project.migrations import names


def test_alembics_and_djangos_are_found_wherever_they_lie() -> None:
    files = (
        "migrations/env.py", "migrations/versions/ae10_users.py", "migrations/versions/__init__.py", "src/shop/migrations/0001_initial.py",
        "src/shop/migrations/__init__.py", "src/shop/migrations/0002_more.py", "alembic/versions/b2_.py", "versions/readme.md",
        "shop/migrations/helpers.py", "x/versions/\u00fc.py", "0001_no.py",
    )  # fmt: skip
    assert names(files) == ("ae10_users", "b2_", "shop.0001_initial", "shop.0002_more")
