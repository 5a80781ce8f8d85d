"""Who may import whom (docs/architecture.md), read from the source, and what an import may cost."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from raab.host.session import program

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src"


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it, by its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ""
            if node.level:
                parts = path.relative_to(SRC).parts[:-1]
                base = ".".join(parts[: len(parts) - node.level + 1]) + "."
            yield base + (node.module or "")
            yield from (f"{base}{node.module or ''}.{alias.name}".strip(".") for alias in node.names)


def offenders(folder: str, forbidden: tuple[str, ...]) -> list[str]:
    files = sorted((SRC / folder).rglob("*.py")) if (SRC / folder).is_dir() else [SRC / folder]
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        if any(name == root or name.startswith(f"{root}.") for root in forbidden)
    ]


def test_handover_knows_nothing_of_raab() -> None:
    """gunicorn's master imports it: the standard library, gunicorn, gevent and what speaks HTTP are all it may hold."""
    assert not strangers("handover", {"gunicorn", "gevent", "greenlet", "handover", "http1"})


def test_http_knows_neither_raab_nor_the_handover() -> None:
    """Nor gunicorn: it is given a socket and an application."""
    assert not strangers("http1", {"gevent", "httptools", "http1"})


def test_a_head_is_parsed_and_made_without_a_socket() -> None:
    """Bytes in, values out; words in, text out."""
    for name in ("request/head.py", "answerhead.py", "limits.py", "errors.py"):
        assert not offenders(f"http1/{name}", ("gevent", "socket", "http1.request.reader", "http1.connection"))


def strangers(folder: str, allowed: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((SRC / folder).rglob("*.py"))
        for name in imports(path)
        if name.split(".")[0] not in {*sys.stdlib_module_names, *allowed}
    ]


def test_nobody_waits_by_the_clock_of_the_day() -> None:
    """It can be set by a year while a request is served. It is for what is told to people and clients: since when, and at what time."""
    files = [path for folder in ("handover", "http1") for path in sorted((SRC / folder).rglob("*.py"))]
    told = {
        "handover/master.py": 2,  # since when the master runs, and when something was decided
        "handover/outside/control.py": 1,  # the name of what is moved out of the way
        "http1/answerhead.py": 1,  # the header Date
    }
    found = {str(path.relative_to(SRC)): path.read_text().count("time.time()") for path in files}
    assert {name: count for name, count in found.items() if count} == told


def test_the_drills_traffic_is_light_and_knows_no_stage() -> None:
    """The tests and the bench send by it, from processes of their own; and what is played does not know who directs it."""
    allowed = {*sys.stdlib_module_names, "raab.errors", "raab.drill.traffic"}
    strangers = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((SRC / "raab/drill/traffic").rglob("*.py"))
        for name in imports(path)
        if not any(name == root or name.startswith(f"{root}.") for root in allowed)
    ]
    assert not strangers
    assert not offenders("raab/drill/stage", ("raab.drill.acts", "raab.drill.scene", "raab.drill.runner", "raab.drill.catalogue"))
    assert not offenders("raab/drill/acts", ("raab.drill.runner", "raab.drill.catalogue", "raab.drill.command"))


def test_only_the_master_changes_what_it_decides_on() -> None:
    """Nobody but the package itself imports master.py, and nobody but its `handle` assigns the state (and `_begin`, which makes it)."""
    files = sorted((SRC / "handover").rglob("*.py"))
    assert [path.name for path in files if "handover.master" in imports(path)] == ["__init__.py"]
    assert [path.name for path in files if "handover.deeds" in imports(path)] == ["master.py"]
    values = {"state", "fleet", "reload", "wish", "outcome", "release", "held"}
    writers = [
        (path.name, function.name)
        for path in files
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in values
    ]
    assert writers == [("master.py", "_begin"), ("master.py", "handle")]


@pytest.mark.parametrize(("folder", "count"), [("handover", 25), ("http1", 8), ("raab/deploy", 35)])
def test_no_module_needs_one_that_needs_it(folder: str, count: int) -> None:
    """Each can be read with what it imports, and nothing above; type hints count."""
    files = {".".join(path.relative_to(SRC).with_suffix("").parts): path for path in (SRC / folder).rglob("*.py")}
    left = {module: set(imports(path)) for module, path in files.items()}
    assert len(left) > count
    # A package's own file, which is what its name stands for in an import, imports for whoever stands outside.
    while done := {module for module, needed in left.items() if not needed & left.keys()}:
        left = {module: needed for module, needed in left.items() if module not in done}
    assert not left, f"a circle: {left}"


APP = ("raab/__init__.py", "raab/errors.py", "raab/release.py", "raab/settings", "raab/factory", "raab/modules", "raab/web", "raab/metrics")


def test_no_room_of_the_application_needs_one_that_needs_it() -> None:
    """Neither a folder nor a file; type hints count."""
    rooms = ("settings", "factory", "web", "metrics", "admin", "modules")
    files = {
        ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): path
        for room in rooms
        for path in (SRC / "raab" / room).rglob("*.py")
    }
    by_file = {module: set(imports(path)) & files.keys() - {module} for module, path in files.items()}
    by_room: dict[str, set[str]] = {}
    for module, needed in by_file.items():
        room = module.split(".")[1]
        by_room.setdefault(room, set()).update({other.split(".")[1] for other in needed} - {room})
    assert len(by_file) > 30 and len(by_room) == len(rooms)
    for left in (by_file, by_room):
        while done := {name for name, needed in left.items() if not needed & left.keys()}:
            left = {name: needed for name, needed in left.items() if name not in done}
        assert not left, f"a circle: {left}"


@pytest.mark.parametrize("room", APP)
def test_the_app_knows_neither_its_deploy_nor_its_server(room: str) -> None:
    """It runs under any WSGI server, and from anywhere."""
    assert not offenders(room, ("raab.deploy", "raab.lab", "raab.host", "gunicorn", "handover", "fabric", "paramiko"))


def test_what_runs_on_a_host_needs_no_deployer_tools() -> None:
    """A release holds the service's dependencies only."""
    assert not offenders("raab/host", ("raab.deploy", "raab.lab", "fabric", "paramiko", "invoke", "rich", "build", "uv"))


GROUND = ("master", "units", "address")
ROOMS = ("command", "session", "activation", "renewal", "beside", "running", "edge")


@pytest.mark.parametrize(
    ("room", "below"),
    [
        ("", ()),
        *((room, ()) for room in GROUND),
        ("renewal", GROUND),
        ("beside", GROUND),
        ("running", GROUND),
        ("edge", GROUND),
        ("session", (*GROUND, "beside", "running", "edge")),
        ("activation", (*GROUND, "renewal", "beside", "edge")),
    ],
)
def test_the_rooms_of_a_host_stand_on_the_ground(room: str, below: tuple[str, ...]) -> None:
    """What root runs is read room by room: none needs another one, but for those named, and all stand on the same ground. What an operator
    types may use all of them."""
    folder = SRC / "raab/host" / room
    others = tuple(f"raab.host.{name}" for name in (*GROUND, *ROOMS) if name not in (room, *below))
    strangers = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (folder.rglob("*.py") if room else (path for path in folder.glob("*.py") if path.name != "__main__.py"))
        for name in imports(path)
        if name.startswith(others)
    ]
    assert not strangers


def test_what_runs_within_a_worker_needs_none_of_an_operators_commands() -> None:
    assert not offenders("raab/admin", tuple(f"raab.host.{room}" for room in ROOMS))


# What reads the counters and tells of them.
METRICS = ("exposition", "layout", "reading")


def test_what_root_runs_is_the_standard_library_only() -> None:
    """The whole of it is what a deployer sends: it needs no release's packages, and executes nothing of a release. `__main__.py` is the
    release's own way in, by which it is asked."""
    beside = ("errors", "exitcodes", "plain", "protocol", "servicename", "untrusted", "variable", *(f"metrics.{name}" for name in METRICS))
    known = ("raab.host", *(f"raab.{name}" for name in beside))
    files = [path for path in sorted((SRC / "raab/host").rglob("*.py")) if path.name != "__main__.py"]
    beside_them = (SRC / name.replace(".", "/") for name in known[1:])
    files += [path for place in beside_them for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")])]
    strangers = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(known) and name not in ("raab", "raab.metrics")
    ]
    assert not strangers


def test_errors_need_the_standard_library_only() -> None:
    """Everything else may import them."""
    assert not [name for name in imports(SRC / "raab/errors.py") if name.split(".")[0] not in sys.stdlib_module_names]


def closure(folder: str) -> dict[str, set[str]]:
    """Every module of raab that those of a folder reach by imports, in functions and for type hints as well, with what it imports."""
    found: dict[str, set[str]] = {}
    waiting = [".".join(path.relative_to(SRC).with_suffix("").parts) for path in (SRC / folder).glob("[!_]*.py")]
    while waiting:
        module = waiting.pop()
        path = SRC / Path(*module.split(".")).with_suffix(".py")
        if module in found or not path.is_file():
            continue
        found[module] = set(imports(path))
        waiting += [name for name in found[module] if name.startswith("raab.")]
    return found


# What a person or another process could tell that it was called.
ACTING = {
    "subprocess",
    "socket",
    "shutil",
    "tempfile",
    "threading",
    "time",
    "random",
    "secrets",
    "platform",
    "fabric",
    "paramiko",
    "invoke",
}
TOUCHING = {
    "exists",
    "glob",
    "is_dir",
    "is_file",
    "iterdir",
    "mkdir",
    "open",
    "print",
    "read_bytes",
    "read_text",
    "resolve",
    "stat",
    "write_text",
}


def test_a_plan_touches_nothing() -> None:
    """It decides, and nothing that it imports acts. What settings are is the application's own knowledge, some of whose modules read files;
    a plan calls none of these."""
    found = closure("raab/deploy/plan")
    assert "raab.deploy.plan.deploy" in found and "raab.settings.validation" in found and len(found) > 20
    assert not {(module, name) for module, names in found.items() for name in names if name in ACTING or name == "os"}
    own = {module for module in found if module.startswith("raab.deploy.")}
    assert own - {f"raab.deploy.plan.{path.stem}" for path in (SRC / "raab/deploy/plan").glob("*.py")} == {
        "raab.deploy.bundle.parts",
        "raab.deploy.bundle.platforms",
    }
    called = {
        (module, name)
        for module in own
        for node in ast.walk(ast.parse((SRC / Path(*module.split(".")).with_suffix(".py")).read_text()))
        if isinstance(node, ast.Call) and (name := getattr(node.func, "attr", getattr(node.func, "id", ""))) in {*TOUCHING, "read_yaml"}
    }
    assert not called


def test_what_makes_a_bundle_knows_no_host() -> None:
    """Nor do the rooms of a deploy need one that needs them."""
    assert not offenders("raab/deploy/bundle", ("raab.deploy.hosts", "raab.deploy.inspection", "raab.deploy.report"))
    assert not offenders("raab/deploy/hosts", ("raab.deploy.inspection", "raab.deploy.bundle.build", "raab.deploy.bundle.wheels"))
    doors = tuple(f"raab.deploy.{path.stem}" for path in (SRC / "raab/deploy").glob("[!_]*.py") if path.stem != "environments")
    assert not [problem for room in ("plan", "bundle", "hosts", "report") for problem in offenders(f"raab/deploy/{room}", doors)]


def test_nobody_imports_the_settings_file_of_gunicorn() -> None:
    """The root's gunicorn.py shadows the package for whatever runs with the root on its path."""
    for name in ("run.py", "wsgi.py", "fabfile.py", "setup.py"):
        if (ROOT / name).exists():
            assert not [module for module in imports_of_root(ROOT / name) if module.split(".")[0] == "gunicorn"], name


def imports_of_root(path: Path) -> list[str]:
    return [name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom) for name in names(node)]


def names(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]


@pytest.mark.parametrize("module", ["raab", "raab.errors", "raab.release", "raab.factory.configFactory"])
def test_a_light_import_stays_light(module: str) -> None:
    """The `raab` command and the trial load import these; Flask would cost them 300 ms."""
    code = f"import {module}, sys; print([name for name in ('flask', 'werkzeug', 'gunicorn', 'gevent') if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/").stdout
    assert said == "[]\n"


def test_what_is_typed_on_a_host_starts_light() -> None:
    """`raab status` is asked again and again, by people and programs. Each of these would cost it a tenth more, or a fifth."""
    heavy = ("dataclasses", "inspect", "traceback", "hashlib", "raab.protocol.answers")
    loaded = "import raab.host.command.root, raab.host.command.cli, raab.host.command.status, sys"
    code = f"sys.path.insert(0, {str(SRC)!r}); {loaded}; print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-IS", "-c", f"import sys; {code}"], capture_output=True, text=True, check=True, cwd="/").stdout
    assert said == "[]\n"


def test_one_place_speaks_to_hosts() -> None:
    """ssh is started in one module, that one is used by one, and no library speaks SSH beside it."""
    files = sorted((SRC / "raab/deploy").rglob("*.py"))
    users = {
        name: [path.name for path in files if f"raab.deploy.hosts.{name}" in imports(path)] for name in ("connection", "channel", "ssh")
    }
    assert users == {"connection": ["runner.py"], "channel": ["connection.py"], "ssh": ["connection.py"]}
    assert not offenders("raab/deploy", ("paramiko", "fabric.connection", "fabric.Connection"))
    # A connection is opened and asked there alone; everybody else has `Runner.ask`.
    speaking = {"request", "remotes", "connect"}
    speakers = {
        path.name
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in speaking
    }
    assert speakers == {"runner.py"}


def test_a_fabfile_is_two_lines() -> None:
    """The verbs are raab's, for every project."""
    docstring, *rest = ast.parse((ROOT / "fabfile.py").read_text()).body
    assert isinstance(docstring, ast.Expr) and len(rest) == 2


def test_what_people_are_told_to_type_is_about_their_service() -> None:
    """`raab check` of a host means raab's own or its only service: a text says it by `Paths.typed`; and a unit by the service's name."""
    telling = re.compile(
        r"\braab (check|config|settings|status|metrics|drain|undrain|scale|trial|activate|reload)\b|(systemctl [a-z-]+|-u) raab(?!-root)\b"
    )
    rooms = ("host", "asked", "admin", "web", "served", "settings", "factory", "metrics", "deploy", "protocol")
    said = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for room in rooms
        for path in sorted((SRC / "raab" / room).rglob("*.py"))
        for line, text in texts(ast.parse(path.read_text()))
        if telling.search(text)
    ]
    # Its own command line tells of itself, and the operator's page of all services, too.
    assert [line for line in said if not re.search("command/(cli|operating).py", line)] == []


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """All but docstrings, each with its line."""
    expressions = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in expressions:
            yield node.lineno, node.value


def test_a_deploy_can_be_read_in_nine_files() -> None:
    """docs/architecture.md names them in order; each is imported by one before it, or is what another process is told to begin with."""
    page = (ROOT / "docs/architecture.md").read_text().partition("## A deploy, in one reading")[2].partition("\n## ")[0]
    fabfile, *files = re.findall(r"^[0-9]+\. `([\w/]+\.py)`", page, re.MULTILINE)
    assert fabfile == "fabfile.py" and len(files) == 8
    # What a connection brings first begins the session, and what systemd is told to start is root's program.
    told = (*imports(SRC / "raab/host/session/first.py"), *re.findall(r"^import (raab\S+)", program.START, re.MULTILINE))
    reached = {*imports_of_root(ROOT / fabfile), *told}
    for name in files:
        path = ROOT / name
        assert ".".join(path.relative_to(SRC).with_suffix("").parts) in reached, name
        reached |= {*imports(path)}
    assert '"systemctl", "start"' in path.read_text()
