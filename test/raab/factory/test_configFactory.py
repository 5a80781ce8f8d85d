"""Settings: layers, their order, and everything that can be wrong with them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raab import servicename
from raab.factory import configFactory
from raab.factory.configFactory import explain, load_settings
from raab.release import Release
from raab.settings.node import ConfigError
from raab.settings.schema import Settings
from raab.settings.secret import MASK, Secret
from raab.settings.served import Mount

HUSH = "hush" * 8
NAME = f"{servicename.WORDS}; and none that hosts, or raab, have for something else"


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def refused(etc: Path, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ, etc)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_packaged_files_are_complete(tmp_path: Path) -> None:
    """They are the defaults: every setting but secrets has its value there, in either environment."""
    for environment in ("development", "production"):
        rows = explain({"RAAB_ENVIRONMENT": environment}, tmp_path)
        from_code = [path for path, _, where in rows if where == "default" and not path.startswith("logging.")]
        assert from_code == ["security.secret_key"]


def test_sections_and_layers_are_laid_over_each_other(tmp_path: Path) -> None:
    """base < the environment's section < /etc/raab, its base before its section < RAAB_ variables."""
    etc = write(tmp_path, setting="base: {server: {workers: 3, timeout: 31}}\nproduction: {server: {workers: 4, backlog: 99}}")
    server = load_settings({"RAAB_ENVIRONMENT": "production", "RAAB_SERVER__BACKLOG": "77"}, etc).server
    assert (server.workers, server.timeout, server.backlog, server.bind) == (4, 31, 77, ("0.0.0.0:8000",))
    assert load_settings({}, etc).server.workers == 3


def test_a_list_replaces_and_a_section_is_merged(tmp_path: Path) -> None:
    """A host adds one header to the packaged ones, but says its proxies as a whole."""
    etc = write(tmp_path, setting="base: {security: {headers: {X-A: b}}, server: {forwarded_allow_ips: [10.0.0.0/8]}}")
    settings = load_settings({}, etc)
    assert settings.security.headers["X-A"] == "b"
    assert settings.security.headers["X-Frame-Options"] == "DENY"
    assert settings.server.forwarded_allow_ips == ("10.0.0.0/8",)


def test_an_empty_section_says_nothing(tmp_path: Path) -> None:
    """A file whose keys are all commented out is as good as none."""
    assert load_settings({}, write(tmp_path, setting="base:\n  server:\n    # workers: 3\nproduction:\n", config="", logging="# nothing\n"))


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Each with file, line, path, value and the nearest valid key; the same for each file and for variables."""
    etc = write(
        tmp_path,
        setting="base:\n  server:\n    wokers: 4\n    workers: 0\n    bind: 8000\n  limits: [1]\nproductoin: {}\n",
        config="nmae: x\nname: Not A Name\n",
        logging="base:\n  root: {level: LOUD}\n",
    )
    assert refused(etc, RAAB_SERVER__TIMEOUT="soon", RAAB_SERVRE__TIMEOUT="1").split("\n") == [
        f"{etc}/setting.yaml:7: productoin: unknown section",
        "hint: did you mean 'production'?",
        "RAAB_SERVRE__TIMEOUT: servre: unknown key, got a section",
        "hint: did you mean 'server'?",
        f"{etc}/config.yaml:1: nmae: unknown key, got 'x'",
        "hint: did you mean 'name'?",
        f"{etc}/config.yaml:2: name: expected {NAME}, got 'Not A Name'",
        f"{etc}/setting.yaml:3: base.server.wokers: unknown key, got 4",
        "hint: did you mean 'workers'?",
        f"{etc}/setting.yaml:5: base.server.bind: expected str, got 8000",
        f"{etc}/setting.yaml:4: base.server.workers: expected int >= 1, got 0",
        "RAAB_SERVER__TIMEOUT: server.timeout: expected int, got 'soon'",
        f"{etc}/setting.yaml:6: base.limits: is a section and needs `key: value` lines, got [1]",
        f"{etc}/logging.yaml:2: base.root.level: expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL, got 'LOUD'",
    ]


def test_a_section_of_the_other_environment_is_looked_at_too(tmp_path: Path) -> None:
    """A typo in `production` shows in development, not on the night of the deploy."""
    etc = write(tmp_path, setting="production: {server: {wokers: 4, timeout: x}}")
    text = refused(etc)
    assert "production.server.wokers: unknown key" in text
    assert "production.server.timeout: expected int, got 'x'" in text


@pytest.mark.parametrize(
    ("yaml", "variable", "found"),
    [
        ("'[::]:80'", None, ("[::]:80",)),
        ("['0.0.0.0:80', '[::]:80']", None, ("0.0.0.0:80", "[::]:80")),
        ("a:1", "[::]:81", ("[::]:81",)),
        ("a:1", "unix:/run/http", ("unix:/run/http",)),
        ("a:1", "[b:2, 'unix:/run/http']", ("b:2", "unix:/run/http")),
    ],
)
def test_addresses_are_a_list_or_one(tmp_path: Path, yaml: str, variable: str | None, found: tuple[str, ...]) -> None:
    """In a file as in a variable; and gunicorn.py gets a list in any case."""
    etc = write(tmp_path, setting=f"base: {{server: {{bind: {yaml}}}}}")
    server = load_settings({"RAAB_ENVIRONMENT": "production", **({"RAAB_SERVER__BIND": variable} if variable else {})}, etc).server
    assert server.bind == found
    assert json.loads(msgspec.json.encode(server))["bind"] == list(found)


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("base: {server: {workers: 40}}", "workers: is not between workers_min and workers_max (1 and 32), got 40"),
        ("base: {server: {workers_min: 9, workers_max: 8}}", "workers_min: is above workers_max (8), got 9"),
        ("base: {server: {linger: 61}}", "linger: is above graceful_timeout (60), at which a worker is killed, got 61"),
        ("base: {server: {admin_port: 5000}}", "admin_port: is the port of bind (127.0.0.1:5000), which is for the public, got 5000"),
        ("base: {server: {bind: ['a:1', 'a:0']}}", "bind[1]: expected address:port or unix:/path, got 'a:0'"),
        ("base: {server: {bind: []}}", "bind: needs 1 to 6 addresses, got 0"),
        ("base: {server: {bind: ['a:1', 'b:1', 'a:1']}}", "bind: names an address twice, got 'a:1'"),
        ("base: {server: {bind: ['[::1]:1', '[0:0::1]:1']}}", "bind: names an address twice, got '[::1]:1'"),
        ("base: {server: {bind: ['unix:/a/b', 'unix:/a/c/../b']}}", "bind: names an address twice, got 'unix:/a/b'"),
        ("base: {server: {bind: ['[:::1]:1']}}", "bind[0]: expected address:port or unix:/path, got '[:::1]:1'"),
        (f"base: {{server: {{bind: 'unix:/{'x' * 107}'}}}}", "bind: expected address:port or unix:/path"),
        ("base: {server: {bind: ['unix:/var/run/raab/../raab/control']}}", "bind: names a socket of the service's own"),
        ("base: {server: {bind: ['unix:/run/raab/admin']}}", "bind: names a socket of the service's own"),
        ("base: {server: {bind: ['a:1', 'b:9100'], admin_port: 9100}}", "is the port of bind (b:9100), which is for the public, got 9100"),
        ("base: {server: {bind: 'a:0'}}", "bind: expected address:port or unix:/path, got 'a:0'"),
        ("base: {server: {workers: true}}", "workers: expected int, got True"),
        ("base: {server: {workers: 1.5}}", "workers: expected int, got 1.5"),
        ("base: {server: {workers: 010}}", "workers: expected int, got '010'"),
        ("base: {server: {timeout: 1:30}}", "timeout: expected int, got '1:30'"),
        ("base: {security: {secure_cookies: no}}", "secure_cookies: expected bool, got 'no'"),
        ("base: {server: {forwarded_allow_ips: ['*']}}", "expected an IP address, a network like 10.0.0.0/8, or unix, got '*'"),
        ("base: {server: {forwarded_allow_ips: [10.0.0.1/8]}}", "expected an IP address, a network like 10.0.0.0/8, or unix"),
        ("base: {server: {handover: at-once}}", "handover: expected one of all-at-once, one-by-one, got 'at-once'"),
        ("base: {security: {headers: {'a b': c}}}", "expected the name of a header, got 'a b'"),
        ('base: {security: {headers: {a: "b\\r\\nc: d"}}}', "expected printable ASCII"),
        ("base: {environment: production}", "environment: unknown key"),
        ("base: {server: {workers: 2}, server: {workers: 3}}", "base.server: stands twice"),
        ("base: &a {server: *a}", "aliases (*name) are not supported"),
        ("base: !!python/object/apply:os.system [ls]", "tags are not supported"),
        ("base: {server: {workers: 2", "is not YAML"),
        ("base:\n\tserver: {}", "setting.yaml:2: is not YAML"),
        ("- base", "must hold `key: value` lines at its top, got a list"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("base: {1: 2}", "a key must be text"),
        ("[" * 3000, "setting.yaml"),
        ("\x00", "holds a character that YAML forbids"),
    ],
)
def test_nonsense_is_refused_with_its_place(tmp_path: Path, yaml: str, said: str) -> None:
    """One message of the usual form, naming the file, whatever the nonsense."""
    text = refused(write(tmp_path, setting=yaml))
    assert said in text
    assert str(tmp_path / "setting.yaml") in text


def test_a_file_that_nobody_reads_is_an_error(tmp_path: Path) -> None:
    """settings.yaml beside setting.yaml would be without effect and without a word."""
    assert "settings.yaml: is read by nobody\nhint: did you mean 'setting.yaml'?" in refused(write(tmp_path, settings=""))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A directory in its place stands for every reason of the system."""
    (tmp_path / "setting.yaml").mkdir()
    assert "setting.yaml: cannot be read (Is a directory)" in refused(tmp_path)
    (tmp_path / "setting.yaml").rmdir()
    (tmp_path / "setting.yaml").write_bytes(b"base:\n  x: \xff\n")
    assert "setting.yaml:2: is not UTF-8" in refused(tmp_path)


def test_an_unknown_environment_is_refused(tmp_path: Path) -> None:
    """RAAB_ENVIRONMENT=prod must not run with development's settings."""
    said = "RAAB_ENVIRONMENT: unknown environment, got 'prod'\nhint: one of development, production"
    assert refused(tmp_path, RAAB_ENVIRONMENT="prod") == said


def test_a_release_is_never_in_development_by_omission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`raab config` on a server shows the service's settings, without the variable that its unit sets."""
    monkeypatch.setattr(configFactory, "current_release", lambda: Release("20261122T061500Z-1a2b3c4", "1", "c"))
    assert load_settings({}, tmp_path).environment == "production"
    assert load_settings({"RAAB_ENVIRONMENT": "development"}, tmp_path).environment == "development"


def test_variables_take_the_type_that_is_wanted(tmp_path: Path) -> None:
    """A number for a number, a list for a list, and text that looks like a number for text."""
    environ = {"RAAB_SERVER__FORWARDED_ALLOW_IPS": "[10.0.0.1, '::1']", "RAAB_PROJECT__NAME": "null", "RAAB_SERVER__WORKERS": "7"}
    environ |= {"RAAB_PROJECT__MOUNTS": "{/a: b.c:d}", "RAAB_LAB": "test", "RAAB_LAB_DIR": "/x", "HOME": "/root"}
    settings = load_settings(environ, tmp_path)
    assert settings.server.forwarded_allow_ips == ("10.0.0.1", "::1")
    assert (settings.project.name, settings.server.workers, settings.project.mounts) == ("null", 7, {"/a": Mount("b.c:d")})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RAAB_Server__Workers", "3", "did you mean RAAB_SERVER__WORKERS?"),
        ("RAAB_SERVER", "3", "is a section"),
        ("RAAB_", "3", "unknown key"),
        ("RAAB_SERVER__", "3", "unknown key"),
        ("RAAB_SERVER__WORKERS", "", "expected int"),
        ("RAAB_SERVER__WORKERS", "[", "is not YAML"),
        ("RAAB_SERVER__WORKERS__X", "3", "expected int"),
        ("RAAB_WORKERS", "3", "did you mean server.workers?"),
        ("RAAB_SERVER__BIND_FILE", "/dev/null", "is no secret"),
        ("RAAB_SECURITY__SECRET_KEY_FILE", "/nonexistent", "cannot be read (No such file or directory)"),
    ],
)
def test_a_wrong_variable_is_refused(tmp_path: Path, name: str, value: str, said: str) -> None:
    """It is named as its author wrote it."""
    text = refused(tmp_path, **{name: value})
    assert said in text
    assert name in text


def test_two_variables_must_not_fight(tmp_path: Path) -> None:
    """One that sets a whole and one that sets a part of it have no order."""
    text = refused(tmp_path, RAAB_PROJECT__MOUNTS="{/a: b:c}", RAAB_PROJECT__MOUNTS__X="b:c")
    assert "RAAB_PROJECT__MOUNTS__X: sets a part of what another RAAB_ variable sets as a whole" in text


def test_secrets_come_from_files_and_show_a_mask(tmp_path: Path) -> None:
    """A credential or *_FILE; the variable comes last, as for all settings; no rendering shows the value."""
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "security.secret_key").write_text(f"from-systemd{HUSH}\n")
    (folder / "database.pem").write_text("somebody else's")
    (tmp_path / "key").write_text(f"from-file{HUSH}\n")
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    settings = load_settings(environ, tmp_path / "etc")
    assert settings.security.secret_key.reveal() == f"from-systemd{HUSH}"
    environ["RAAB_SECURITY__SECRET_KEY_FILE"] = str(tmp_path / "key")
    settings = load_settings(environ, tmp_path / "etc")
    assert settings.security.secret_key == Secret(f"from-file{HUSH}")
    rows = {path: (value, where) for path, value, where in explain(environ, tmp_path / "etc")}
    assert rows["security.secret_key"] == (MASK, "RAAB_SECURITY__SECRET_KEY_FILE")
    assert "from-" not in f"{settings} {settings!r} {rows}"


def test_a_folder_of_credentials_is_read_as_systemd_names_them(tmp_path: Path) -> None:
    """LoadCredential=raab:<folder> puts `raab_` before each name; a misspelt setting is an error, another's secret is not."""
    (tmp_path / "raab_security.secret_key").write_text(HUSH)
    (tmp_path / "raab_token").write_text("the application's own")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert load_settings(environ, tmp_path / "etc").security.secret_key.reveal() == HUSH
    (tmp_path / "raab_security.secret_kye").write_text(HUSH)
    text = refused(tmp_path / "etc", **environ)
    assert text.startswith("credential raab_security.secret_kye: security.secret_kye: unknown key, got ********")
    assert text.endswith("hint: did you mean 'secret_key'?")


@pytest.mark.parametrize("value", ["", "\n", "short"])
def test_a_secret_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    """An empty file is what a failed `openssl rand >file` leaves. The value is not shown, however short."""
    (tmp_path / "key").write_text(value)
    text = refused(tmp_path / "etc", RAAB_SECURITY__SECRET_KEY_FILE=str(tmp_path / "key"))
    assert text == f"RAAB_SECURITY__SECRET_KEY_FILE: security.secret_key: expected at least 32 characters, got {MASK}"


@pytest.mark.parametrize("key", ["secret_key", "secret_kye", "token"])
def test_a_secret_in_plain_is_refused_without_being_shown(tmp_path: Path, key: str) -> None:
    """In YAML and in a variable, and also where its key is misspelt."""
    texts = refused(write(tmp_path, setting=f"base: {{security: {{{key}: hunter2}}}}"), **{f"RAAB_SECURITY__{key.upper()}": "hunter2"})
    assert "hunter2" not in texts
    assert MASK in texts


def test_explain_names_each_value_and_its_source(tmp_path: Path) -> None:
    """File and line, or the variable."""
    etc = write(tmp_path, setting="base:\n  server:\n    workers: 3\n")
    rows = {path: (value, where) for path, value, where in explain({"RAAB_SERVER__TIMEOUT": "9"}, etc)}
    assert rows["server.workers"] == ("3", f"{etc}/setting.yaml:3")
    assert rows["server.timeout"] == ("9", "RAAB_SERVER__TIMEOUT")
    assert rows["environment"] == ("development", "default")


def test_settings_are_frozen(tmp_path: Path) -> None:
    """Nobody turns a knob behind another's back."""
    with pytest.raises(AttributeError):
        load_settings({}, tmp_path).server.workers = 5  # type: ignore[misc]


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
data = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12)
keys = st.sampled_from(["base", "production", "server", "workers", "bind", "limits", "body", "headers", "modules", "level"])
near = st.recursive(scalars, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=12)


@given(st.sampled_from(["config", "setting", "logging"]), data | near)
def test_fuzzed_documents_are_settings_or_one_error(tmp_path_factory: pytest.TempPathFactory, name: str, document: object) -> None:
    """Never a traceback; and what is accepted is a whole, typed Settings."""
    settle(write(tmp_path_factory.mktemp("etc"), **{name: msgspec.json.encode(document).decode()}), {})


@given(st.sampled_from(["config", "setting", "logging"]), st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example("setting", b"base: {server: {workers: 99999999999999999999999}}")
@example("setting", b"? [a]\n: b")
@example("setting", b"base: {<<: {server: {}}}")
@example("setting", b"%YAML 9.9\n---\nbase: {}")
@example("setting", b"\xef\xbb\xbfbase: {}")
def test_fuzzed_bytes_are_settings_or_one_error(tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes) -> None:
    """The same for what is no YAML at all."""
    etc = tmp_path_factory.mktemp("etc")
    (etc / f"{name}.yaml").write_bytes(content)
    settle(etc, {})


variable_names = st.lists(keys | st.text("AZ_az09", max_size=5), min_size=1, max_size=4).map("__".join).map(str.upper)


@given(st.dictionaries(variable_names.map("RAAB_".__add__), st.text(st.characters(exclude_characters="\0")), max_size=4))
def test_fuzzed_variables_are_settings_or_one_error(tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]) -> None:
    """And a variable that is accepted shows as the source of something."""
    settings = settle(tmp_path_factory.getbasetemp() / "none", environ)
    if settings is not None:
        sources = {where for _, _, where in explain(environ, tmp_path_factory.getbasetemp() / "none")}
        assert {name for name in environ if name != "RAAB_ENVIRONMENT"} <= sources


def settle(etc: Path, environ: dict[str, str]) -> Settings | None:
    try:
        settings = load_settings({**environ, "RAAB_ENVIRONMENT": "production"}, etc)
    except ConfigError as error:
        assert error.problems
        assert all(problem.where and problem.message for problem in error.problems)
        return None
    assert 1 <= settings.server.workers_min <= settings.server.workers <= settings.server.workers_max
    assert isinstance(settings.security.headers, dict)
    return settings


def test_loading_is_quick(tmp_path: Path) -> None:
    """Each `raab` command and each worker does it. A bound on reading again and again, not a measurement: those are in `make bench`."""
    before = os.times()
    for _ in range(10):
        load_settings({}, tmp_path)
    after = os.times()
    assert (after.user - before.user + after.system - before.system) / 10 < 0.05


def test_a_process_keeps_to_what_was_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Types, places and secrets included, whatever files and variables say by then; who asks for other files still reads them."""
    (tmp_path / "key").write_text(HUSH + "\n")
    etc = write(tmp_path, setting="base: {server: {workers: 3, forwarded_allow_ips: [10.0.0.0/8]}, modules: {shop: {rate: 1.5, on: true}}}")
    environ = {"RAAB_LIMITS__BODY": "7", "RAAB_SECURITY__SECRET_KEY_FILE": str(tmp_path / "key"), "RAAB_ENVIRONMENT": "production"}
    settings, kept = configFactory.read_once(environ, etc)
    rows = explain(environ, etc)
    monkeypatch.setattr(configFactory, "_kept", None)
    configFactory.keep_to(kept)
    write(tmp_path, setting="base: {server: {workers: 4}}")
    monkeypatch.setenv("RAAB_LIMITS__BODY", "8")
    assert load_settings() == settings and explain() == rows
    assert load_settings().security.secret_key.reveal() == HUSH
    assert load_settings({}, etc).server.workers == 4


@pytest.mark.parametrize("name", ["Shop", "ssh", "raab-edge", "shop-activate", "x" * 32, ""])
def test_a_name_that_no_service_can_have_is_refused_where_it_is_written(tmp_path: Path, name: str) -> None:
    """And not by the first host."""
    etc = write(tmp_path, setting="", config=f'name: "{name}"\n', logging="")
    assert refused(etc) == f"{etc}/config.yaml:1: name: expected {NAME}, got {name!r}"
