"""What a framework's commands find a project by, read from its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab.project.variables import variables

WSGI = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.production')\n"
MANAGE = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n'
CASES = {
    "Flask": ("shop:create_app()", {"shop/__init__.py": ""}, "FLASK_APP=shop:create_app()"),
    "Django's wsgi.py before manage.py": (
        "shop.wsgi:application",
        {"manage.py": MANAGE, "src/shop/wsgi.py": WSGI},
        "DJANGO_SETTINGS_MODULE=shop.production",
    ),
    "manage.py alone": ("site:app", {"manage.py": MANAGE, "site.py": ""}, "DJANGO_SETTINGS_MODULE=shop.settings"),
    "set without asking": (
        "shop.wsgi:application",
        {"shop/wsgi.py": "os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.s'\n"},
        "DJANGO_SETTINGS_MODULE=shop.s",
    ),
    "another's manage.py further down": (
        "shop:app",
        {"manage.py": MANAGE, "vendor/a/manage.py": MANAGE.replace("shop", "other"), "shop.py": ""},
        "DJANGO_SETTINGS_MODULE=shop.settings",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_commands_find_it_by(case: str, tmp_path: Path) -> None:
    app, files, wanted = CASES[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert variables(app, [(name, tmp_path / name) for name in files]) == (wanted,)


def test_a_project_of_raabs_modules_has_none() -> None:
    assert variables("", []) == ()
