"""Modules: what is in the folder is served, or the start fails and says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from raab.errors import RaabError
from raab.settings.node import ConfigError

MakeApp = Callable[..., Flask]
OWN = "[raab.modules, shop]"
VIEW = """
from flask import Blueprint
blueprint = Blueprint({name!r}, __name__)
@blueprint.route({rule!r}, methods=[{method!r}])
def view(**_): return {name!r}
"""


def view(name: str, rule: str, method: str = "GET") -> str:
    return VIEW.format(name=name, rule=rule, method=method)


def refused(make_app: MakeApp, files: dict[str, str]) -> str:
    with pytest.raises(RaabError) as caught:
        make_app(files={"shop/__init__.py": "", **files}, RAAB_PROJECT__MODULES=OWN)
    return str(caught.value)


def test_a_module_is_found_by_itself(make_app: MakeApp) -> None:
    """A folder with a blueprint is enough; by package as listed, then by name."""
    files = {"shop/__init__.py": "", "shop/b/__init__.py": view("b", "/b"), "shop/a.py": view("a", "/a")}
    app = make_app(files=files, RAAB_PROJECT__MODULES=OWN)
    assert app.test_client().get("/b").text == "b"
    assert [module.name for module in app.extensions["raab"].modules] == ["greeting", "home", "a", "b"]


def test_a_view_in_a_file_of_its_own_is_served(make_app: MakeApp) -> None:
    """Nobody has to import it: a route that silently does not exist is impossible."""
    files = {
        "shop/__init__.py": "",
        "shop/cart/__init__.py": "from flask import Blueprint\nblueprint = Blueprint('cart', __name__)\n",
        "shop/cart/deep/__init__.py": "",
        "shop/cart/deep/views.py": "from shop.cart import blueprint\n@blueprint.get('/cart')\ndef cart(): return 'cart'\n",
    }
    assert make_app(files=files, RAAB_PROJECT__MODULES=OWN).test_client().get("/cart").text == "cart"


@pytest.mark.parametrize(
    ("code", "said", "line"),
    [
        ("import nonsuch", "ModuleNotFoundError: No module named 'nonsuch'", 1),
        ("\nx = 1 +\n", "SyntaxError: invalid syntax", 2),
        ("def f():\n    raise ValueError('broken')\nf()\n", "ValueError: broken", 2),
        ("import sys\nsys.exit(0)", "SystemExit: 0", 2),
        ("assert False", "AssertionError", 1),
        ("import json\n\njson.loads('{')", "JSONDecodeError: Expecting property name", 3),
    ],
)
@pytest.mark.parametrize("file", ["shop/cart/__init__.py", "shop/cart/views.py"])
def test_what_cannot_be_imported_stops_the_start(make_app: MakeApp, tmp_path: Path, file: str, code: str, said: str, line: int) -> None:
    """With the module's name, the file and line, and the error."""
    text = refused(make_app, {"shop/cart/__init__.py": view("cart", "/cart"), file: code})
    name = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    assert text.startswith(f"modules: {name} cannot be imported, got {said}")
    assert text.endswith(f"hint: see {tmp_path}/path/{file}:{line}")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"shop/cart/__init__.py": ""}, "shop.cart: has no blueprint\nhint: add `blueprint = Blueprint('cart', __name__)` to "),
        ({"shop/cart/__init__.py": "blueprint = 3"}, "shop.cart.blueprint: must be a flask.Blueprint, got 3"),
        ({"shop/cart/__init__.py": view("c", "/c") + "ready = True"}, "shop.cart.ready: must be a function, got True"),
        ({"shop/cart/__init__.py": view("c", "/c") + "settings = {}"}, "shop.cart.settings: must be a msgspec.Struct type, got {}"),
        ({"shop/cart/__init__.py": view("home", "/c")}, "shop.cart: its blueprint cannot be registered, got The name 'home'"),
        ({"shop/home/__init__.py": view("h", "/h")}, "raab.modules.home and shop.home: two modules have one name"),
        ({"shop/cart/views.py": ""}, "shop/cart: has Python files but no __init__.py, so nothing of it would be served"),
    ],
)
def test_a_module_that_would_not_be_served_stops_the_start(make_app: MakeApp, files: dict[str, str], said: str) -> None:
    """Each with its name and what to do."""
    assert said in refused(make_app, files)


def test_a_package_that_does_not_exist_is_named(make_app: MakeApp) -> None:
    """As is one that is no package."""
    with pytest.raises(RaabError, match=r"config\.yaml: modules: nonsuch cannot be imported"):
        make_app(RAAB_PROJECT__MODULES="[nonsuch]")
    with pytest.raises(RaabError, match=r"config\.yaml: modules: must name packages, got 'raab\.errors'"):
        make_app(RAAB_PROJECT__MODULES="[raab.errors]")


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (("/x", "GET"), ("/x", "GET"), "shop.a (a.view) and shop.b (b.view): both serve one route, got GET /x"),
        (("/x/<int:n>", "PUT"), ("/x/<int:m>", "PUT"), "shop.a (a.view) and shop.b (b.view): both serve one route, got PUT /x/<int:m>"),
        (("/y", "GET"), ("/livez", "GET"), "raab itself and shop.b (b.view): both serve one route, got GET /livez"),
    ],
)
def test_two_modules_with_one_route_are_an_error(make_app: MakeApp, one: tuple[str, str], other: tuple[str, str], said: str) -> None:
    """Naming both: Werkzeug would serve the first and never the second."""
    assert said in refused(make_app, {"shop/a.py": view("a", *one), "shop/b.py": view("b", *other)})


@pytest.mark.parametrize(("one", "other"), [(("/x", "GET"), ("/x", "POST")), (("/x/<int:n>", "GET"), ("/x/<n>", "GET"))])
def test_routes_that_differ_are_none(make_app: MakeApp, one: tuple[str, str], other: tuple[str, str]) -> None:
    """By method, or by the type of a parameter."""
    files = {"shop/__init__.py": "", "shop/a.py": view("a", *one), "shop/b.py": view("b", *other)}
    assert make_app(files=files, RAAB_PROJECT__MODULES=OWN)


def test_init_app_is_called_in_order(make_app: MakeApp) -> None:
    """When every blueprint is registered, with the application."""
    hook = "\ndef init_app(app): app.config.setdefault('ORDER', []).append((__name__, len(app.blueprints)))"
    files = {"shop/__init__.py": "", "shop/b.py": view("b", "/b") + hook, "shop/a.py": view("a", "/a") + hook}
    assert make_app(files=files, RAAB_PROJECT__MODULES=OWN).config["ORDER"] == [("shop.a", 4), ("shop.b", 4)]


SECTION = """
import msgspec
from raab.modules import section
from raab.settings.secret import Secret
class Cart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int
    key: Secret = Secret()
settings = Cart
@blueprint.get('/size')
def size(): return f'{section(Cart).size} {section(Cart).key.reveal()}'
"""


def test_a_module_has_a_section_of_its_own(make_app: MakeApp, tmp_path: Path) -> None:
    """Typed like raab's own settings, secrets included."""
    (tmp_path / "key").write_text("hush\n")
    environ = {"RAAB_MODULES__CART__SIZE": "3", "RAAB_MODULES__CART__KEY_FILE": str(tmp_path / "key"), "RAAB_PROJECT__MODULES": OWN}
    app = make_app(files={"shop/__init__.py": "", "shop/cart.py": view("cart", "/c") + SECTION}, **environ)
    assert app.test_client().get("/size").text == "3 hush"


def test_wrong_sections_are_reported_at_once(make_app: MakeApp) -> None:
    """Unknown modules, unknown keys, missing keys, wrong types."""
    environ = {"RAAB_MODULES__CRAT__SIZE": "3", "RAAB_MODULES__CART__SIZE": "x", "RAAB_MODULES__GREETING__WROD": "x"}
    with pytest.raises(ConfigError) as caught:
        make_app(files={"shop/__init__.py": "", "shop/cart.py": view("cart", "/c") + SECTION}, **environ, RAAB_PROJECT__MODULES=OWN)
    assert str(caught.value).split("\n") == [
        "RAAB_MODULES__CRAT__SIZE: modules.crat: no module of that name has settings",
        "hint: did you mean 'cart'?",
        "RAAB_MODULES__GREETING__WROD: modules.greeting.wrod: unknown key, got 'x'",
        "hint: did you mean 'word'?",
        "RAAB_MODULES__CART__SIZE: modules.cart.size: expected int, got 'x'",
    ]
