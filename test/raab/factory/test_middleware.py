"""docs/middleware.md, followed to the letter; and what a middleware may be, and may not."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from raab.errors import RaabError
from raab.settings.node import ConfigError
from raab.web.edge.access import AccessLog, Line
from raab.web.edge.edge import Edge

MakeApp = Callable[..., Flask]
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/middleware.md").read_text()
# The page's own files, by the name in their first line.
FILES = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
SECTIONS = re.findall(r"^```yaml\n(\w+):\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SHOP = {"shop/__init__.py": "", **FILES}
ECHO = """
import json
def application(environ, start_response):
    told = {key: environ.get(key, "") for key in ("SCRIPT_NAME", "PATH_INFO", "shop.tenant")}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
"""
# In a class of its own each, which says that it was passed; one gives what is no application, one cannot be made.
ORDER = """
class Outer:
    word = "outer"
    def __init__(self, app, word=None): self.app, self.word = app, word or self.word
    def __call__(self, environ, start_response):
        environ["order"] = environ.get("order", "") + f" {self.word}"
        return self.app(environ, start_response)
class Inner(Outer):
    word = "inner"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["order"].encode()]
def nothing(app): return None
def broken(app): raise ValueError("no licence")
number = 3
"""
XML = """
GOODS = [b"<goods><good>apples</good>", b"<good>pears</good></goods>"]
def application(environ, start_response):
    if environ["PATH_INFO"] == "/missing":
        start_response("404 Not Found", [("Content-Type", "text/xml")])
        return [b"<missing/>"]
    if environ["PATH_INFO"] == "/plain":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (part for part in (b"one ", b"two"))
    start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(sum(map(len, GOODS))))])
    return GOODS
"""
XSL = """<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
<xsl:output method="html"/>
<xsl:template match="/goods"><ul><xsl:for-each select="good"><li><xsl:value-of select="."/></li></xsl:for-each></ul></xsl:template>
</xsl:stylesheet>"""


def section(key: str, number: int) -> str:
    """The page's YAML under that key, as a variable takes it."""
    found: str = [text for name, text in SECTIONS if name == key][number]
    return found


def test_a_middleware_rewrites_the_environment_and_routes_by_host(make_app: MakeApp) -> None:
    """The page's two, around modules and mounts."""
    files = {**SHOP, "legacy.py": ECHO}
    environ = {"RAAB_PROJECT__MOUNTS": "{/echo: 'legacy:application'}"}
    app = make_app(files=files, RAAB_PROJECT__MIDDLEWARE=section("middleware", 0), **environ)
    client = app.test_client()
    assert client.get("/at/acme/greeting/Ada").status_code == 200
    assert client.get("/at/acme/echo/x/y").get_json() == {"SCRIPT_NAME": "/at/acme/echo", "PATH_INFO": "/x/y", "shop.tenant": "acme"}
    assert client.get("/echo/x").get_json() == {"SCRIPT_NAME": "/echo", "PATH_INFO": "/x", "shop.tenant": ""}
    assert client.get("/nowhere", headers={"Host": "old.example:80"}).get_json()["PATH_INFO"] == "/nowhere"
    assert client.get("/nowhere").status_code == 404
    # The target of OPTIONS may be no path at all.
    assert client.options("/", environ_overrides={"PATH_INFO": "*"}).status_code == 404
    # What is asked before a generation serves passes them, too.
    assert client.get("/readyz", environ_base={"handover.check": True}).text == "ok\n"


def test_a_stylesheet_makes_pages_of_xml(make_app: MakeApp, tmp_path: Path) -> None:
    """The page's one: of XML alone; what is no XML passes as it is."""
    sheet = tmp_path / "page.xsl"
    sheet.write_text(XSL)
    middleware = section("middleware", 1).replace("/etc/raab/page.xsl", str(sheet))
    files = {**SHOP, "goods.py": XML}
    app = make_app(files=files, RAAB_PROJECT__MIDDLEWARE=middleware, RAAB_PROJECT__MOUNTS="{/goods: 'goods:application'}")
    client = app.test_client()
    made = client.get("/goods")
    assert (made.mimetype, "".join(made.text.split())) == ("text/html", "<ul><li>apples</li><li>pears</li></ul>")
    assert made.content_length == len(made.data)
    assert client.get("/goods/plain").text == "one two"
    assert client.get("/goods/missing").text == "<missing/>"
    assert client.get("/livez").text == "ok\n"


def test_lines_and_counters_tell_what_was_asked_and_where_it_was_answered(make_app: MakeApp, tmp_path: Path) -> None:
    """The path as it came, whatever a middleware makes of it; the route as it was declared, without anything of the path, also through a
    middleware that hands on a copy of the environment."""
    (tmp_path / "page.xsl").write_text(XSL)
    middleware = f"[shop.middleware:Tenant, {{shop.stylesheet:Stylesheet: {{file: {tmp_path}/page.xsl}}}}, order:Rewritten]"
    rewritten = """
from flask import Flask
class Rewritten:
    def __init__(self, app): self.app = app
    def __call__(self, environ, start_response):
        return self.app({**environ, "PATH_INFO": environ["PATH_INFO"].replace("/old", "/greeting")}, start_response)
flask = Flask("f")
flask.get("/<word>")(lambda word: word)
"""
    files = {**SHOP, "order.py": rewritten, "legacy.py": ECHO}
    mounts = "{/echo: 'legacy:application', /flask: 'order:flask'}"
    app = make_app(files=files, RAAB_PROJECT__MIDDLEWARE=middleware, RAAB_PROJECT__MOUNTS=mounts)
    lines: list[Line] = []
    assert isinstance(app.wsgi_app, Edge)
    written = AccessLog(io.StringIO(), lambda line: lines.append(line) or "", batch=False)
    app.wsgi_app.rules = replace(app.wsgi_app.rules, access=written)
    for path in ("/at/acme/old/Ada", "/at/acme/echo/x", "/at/acme/flask/x"):
        assert app.test_client().get(path, buffered=True).status_code == 200
    assert [(line.path, line.route) for line in lines] == [
        ("/at/acme/old/Ada", "/greeting/<name>"), ("/at/acme/echo/x", "/echo/*"), ("/at/acme/flask/x", "/flask/<word>"),
    ]  # fmt: skip


def test_several_applications_share_a_process(make_app: MakeApp) -> None:
    """The page's mounts: a plain WSGI one and a Flask one from a factory, beside raab's modules."""
    flask = "from flask import Flask\ndef create_app():\n    app = Flask('shop')\n    app.get('/')(lambda: 'the shop')\n    return app\n"
    files = {"shop/__init__.py": "", "shop/wsgi.py": flask, "legacy.py": ECHO}
    client = make_app(files=files, RAAB_PROJECT__MOUNTS="\n" + section("mounts", 0)).test_client()
    assert client.get("/shop/").text == "the shop"
    assert client.get("/legacy/x").get_json()["SCRIPT_NAME"] == "/legacy"
    assert client.get("/greeting/Ada").status_code == 200


def test_the_first_is_the_outermost_and_settings_are_keywords(make_app: MakeApp) -> None:
    """As in the list."""
    middleware = "[order:Outer, {order:Inner: {word: innermost}}, {order:Inner: }]"
    app = make_app(files={"order.py": ORDER}, RAAB_PROJECT__MIDDLEWARE=middleware, RAAB_PROJECT__MOUNTS="{/o: 'order:application'}")
    assert app.test_client().get("/o").text == " outer innermost inner"


@pytest.mark.parametrize(
    ("middleware", "said"),
    [
        ("[order:missing]", "config.yaml: middleware: order:missing: cannot be called with an application, got None"),
        ("[order:number]", "config.yaml: middleware: order:number: cannot be called with an application, got 3"),
        ("[order:nothing]", "config.yaml: middleware: order:nothing: gives no WSGI application, got None"),
        ("[order:broken]", "config.yaml: middleware: order:broken: raised ValueError, got no licence"),
        ("[{order:Outer: {wrod: x}}]", "config.yaml: middleware: order:Outer: raised TypeError"),
        ("[nonsuch:x]", "config.yaml: middleware: nonsuch:x: nonsuch cannot be imported"),
    ],
)
def test_a_middleware_that_cannot_be_used_stops_the_start(make_app: MakeApp, middleware: str, said: str) -> None:
    """With its name and the reason."""
    with pytest.raises(RaabError) as caught:
        make_app(files={"order.py": ORDER}, RAAB_PROJECT__MIDDLEWARE=middleware)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MIDDLEWARE", "[order]", "expected a WSGI middleware like shop.middleware:Tenant, got 'order'"),
        ("MIDDLEWARE", "[{a:b: {}, c:d: {}}]", "is one middleware with its settings below it, got ['a:b', 'c:d']"),
        ("MIDDLEWARE", "[{a:b: 3}]", "needs `name: value` lines, the settings of a:b"),
        ("MIDDLEWARE", "a:b", "expected array"),
        ("MOUNTS", "{/a: []}", "names no URL to forward to"),
        ("MOUNTS", "{/a: [gopher://x]}", "expected a URL like http://10.0.0.5:9000, got 'gopher://x'"),
        ("MOUNTS", "{/a: 'http://x/?q'}", "expected a URL like http://10.0.0.5:9000, got 'http://x/?q'"),
        ("MOUNTS", "{/a: ['http://user:word@x']}", "expected a URL like http://10.0.0.5:9000"),
        ("MOUNTS", "{/a: 3}", "expected"),
    ],
)
def test_settings_that_name_nothing_are_refused(make_app: MakeApp, name: str, value: str, said: str) -> None:
    """With what is wrong."""
    with pytest.raises(ConfigError) as caught:
        make_app(**{f"RAAB_PROJECT__{name}": value})
    assert said in str(caught.value)
