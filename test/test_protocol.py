"""Requests and manifests: what is not of its type, or leads where it should not, is refused in two lines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from raab.errors import RaabError
from raab.protocol import answers, conversation, requests
from raab.protocol.conversation import Done
from raab.protocol.facts import HostFacts, LockHolder, Taken
from raab.protocol.manifest import parse
from raab.protocol.service import Own, ServiceStatus, Stray

ID = "20261122T061500Z-1a2b3c4"
HASH = "1a2b3c4" + "0" * 57
STAGE: dict[str, Any] = {
    "op": "stage",
    "service": "raab",
    "manifest": "{}",
    "send": [{"name": "a.whl", "sha256": HASH, "size": 1}],
    "uv": HASH,
}
ACTIVATE: dict[str, Any] = {
    "op": "activate", "service": "raab", "release": ID, "token": "a" * 32, "action": "deploy", "keep": 5, "condemn": "",
    "restart": False, "drill": False,
    "hooks": {"before_activate": {"command": "true", "timeout": 60}}, "who": "ann", "machine": "laptop",
}  # fmt: skip
MANIFEST: dict[str, Any] = {
    "id": ID, "service": "raab", "version": "1.0", "commit": "0" * 40, "content": HASH, "lock": HASH,
    "wheels": [{"name": "flask-3.whl", "sha256": HASH}],
    "parts": [{"name": "raab-1.whl", "sha256": HASH, "size": 9}, {"name": "requirements.lock", "sha256": HASH, "size": 9}],
}  # fmt: skip


def test_a_request_becomes_a_value() -> None:
    operation, service, request = conversation.decode(json.dumps(ACTIVATE).encode())
    assert (operation, service, type(request), request.release, request.version) == ("activate", "raab", requests.Activate, ID, "")
    assert (request.hooks.before_activate, request.hooks.after_activate) == (requests.Command("true", 60), None)
    assert conversation.decode(conversation.encode("facts", "shop", {})) == ("facts", "shop", requests.Facts())
    asked = conversation.encode(
        "migrate", "shop", {"release": ID, "who": "ann", "machine": "m", "command": {"command": "é", "timeout": 1, "write": ["/srv/data"]}}
    )
    assert conversation.decode(asked)[2].command == requests.Command("é", 1, False, ("/srv/data",))


def part(**changed: Any) -> dict[str, Any]:
    return {**STAGE, "send": [{**STAGE["send"][0], **changed}]}


MIGRATE = {"op": "migrate", "service": "raab", "release": ID, "who": "ann", "machine": "m"}
RUN: dict[str, Any] = {"op": "run", "service": "raab", "words": ["id"]}
HOSTILE: list[Any] = [
    [], 7, None, {}, {"op": None}, {"op": "shell", "service": "raab", "command": "id"}, {"op": ["facts"], "service": "raab"},
    {"op": "facts", "service": "raab", "more": 1}, {"op": "facts", "service": "raab", "closely": 1}, {"op": "facts"},
    *({"op": "facts", "service": name} for name in ("", "../raab", "sshd", "Shop", "shop-activate", "systemd-shop", 7, None, "x" * 32)),
    part(name="../x"), part(name="/etc/x"), part(name=""), part(name="."), part(name=".."), part(name=".hidden"), part(name="a/b"),
    part(name="x\n"), part(name="x\0"), part(name="é"), part(name="x" * 300), part(name="x.part"), part(name=None),
    part(sha256="A" * 64), part(sha256="a" * 63), part(sha256="a" * 64 + "\n"), part(sha256="../" + "a" * 61), part(sha256=7),
    part(size=-1), part(size=1.5), part(size=True), part(size="1"), part(size=1 << 60),
    {**STAGE, "send": [STAGE["send"][0]] * 2000}, {**STAGE, "send": {"0": 1}}, {**STAGE, "uv": ""}, {**STAGE, "manifest": None},
    {**STAGE, "manifest": "x" * (5 << 20)},
    {**ACTIVATE, "release": "../../etc"}, {**ACTIVATE, "release": f"{ID}\n"}, {**ACTIVATE, "token": "A" * 32},
    {**ACTIVATE, "action": "begun"},
    {**ACTIVATE, "keep": -1}, {**ACTIVATE, "keep": 1 << 40}, {**ACTIVATE, "condemn": "x"}, {**ACTIVATE, "restart": "no"},
    {**ACTIVATE, "who": "a\x1b]0;x"}, {**ACTIVATE, "who": "a\nb"}, {**ACTIVATE, "machine": "m" * 300},
    {**ACTIVATE, "hooks": {"before": {}}},
    {**ACTIVATE, "hooks": {"before_activate": {"command": "a\0b", "timeout": 1}}},
    {**ACTIVATE, "hooks": {"before_activate": {"command": "a", "timeout": float("inf")}}},
    {**ACTIVATE, "hooks": {"before_activate": {"command": "a", "timeout": 0}}},
    {"op": "logs", "service": "raab", "lines": "-1", "follow": False},
    {"op": "logs", "service": "raab", "lines": 1 << 40}, {"op": "service", "service": "raab", "action": "stop"},
    {"op": "service", "service": "raab", "action": "scale", "amount": 4},
    {**RUN, "words": ["a\0b"]},
    {**RUN, "words": "id"}, {**RUN, "words": ["x" * 200_000]}, {**RUN, "words": ["\ud800"]}, {**RUN, "words": [7]},
    {**RUN, "term": "a b"}, {**RUN, "term": "x\nUser=root"}, {**RUN, "size": {"rows": -1, "columns": 1}}, {**RUN, "detach": 1},
    {**MIGRATE, "command": {"command": "", "timeout": 1}}, {"op": "follow", "service": "raab"},
    {**MIGRATE, "command": {"command": "\ud800", "timeout": 1}},
    *({**MIGRATE, "command": {"command": "true", "timeout": 1, "write": [path]}}
      for path in ("data", "/", "//srv", "/srv/../etc", "/srv/.", "/srv/a b", "/srv/%n", "/srv/a\nb", "", 7)),
    {**MIGRATE, "command": {"command": "true", "timeout": 1, "network": "yes"}},
]  # fmt: skip


@pytest.mark.parametrize("request_", HOSTILE, ids=lambda one: json.dumps(one)[:60])
def test_a_request_that_is_none_is_refused(request_: Any) -> None:
    with pytest.raises(RaabError, match=r"\Arequest: ") as caught:
        conversation.decode(json.dumps(request_).encode())
    assert caught.value.exit_code == 2
    assert len(str(caught.value).splitlines()) == 2 and str(caught.value).replace("\n", "").isprintable()


@pytest.mark.parametrize("line", [b"", b"{", b"\xff", b"[" * 100_000, b'{"op": "facts", "service": "raab"} more'])
def test_a_line_that_is_no_json_is_refused(line: bytes) -> None:
    with pytest.raises(RaabError, match=r"\Arequest: "):
        conversation.decode(line)


FACTS: dict[str, Any] = {
    "python": "3.11.2", "implementation": "CPython", "libc": "glibc 2.36", "machine": "x86_64", "system": "Debian", "uid": 0, "time": 1.0,
    "disk_free": 1, "disk_total": 2, "inodes_free": 3, "systemd": 252,
}  # fmt: skip


def test_each_operation_has_a_type_for_all_that_is_said() -> None:
    """What a host says becomes the same value on the other side, and nothing else is said or heard."""
    facts = HostFacts(**FACTS, labels={ID: "0" * 40}, cache=frozenset((HASH,)), taken=(Taken(4, "::", 1, True, "x"),))
    for operation, event in (
        ("facts", Done(answers.Facts(facts))),
        ("status", Done(answers.Status(ServiceStatus("active", ID, None, Own(1, 2, 2, (Stray(7, "sh"),)))))),
        ("activate", answers.Step("verifying", 0.1)),
        ("activate", Done(answers.Activated(answers.Verdict(True, serves=ID, asked=True, probe=answers.Probe(9, 0, 0.01))))),
        ("logs", answers.Line("a\x1b[2J")),
        ("logs", Done(answers.Nothing())),
        ("unlock", Done(answers.Unlocked(LockHolder("ann"), ID, answers.Verdict(False, reverted=True)))),
        ("stage", answers.Refused("no room", "make room", 5)),
        ("facts", answers.Lacking()),
    ):
        assert conversation.heard(operation, json.loads(conversation.tell(operation, event)), "a host") == event


SAID: list[tuple[str, Any]] = [
    ("facts", None), ("facts", []), ("facts", {}), ("facts", {"event": "done"}), ("facts", {"event": ["done"], "facts": FACTS}),
    ("facts", {"event": "done", "facts": FACTS, "more": 1}), ("facts", {"event": "done", "facts": {**FACTS, "more": 1}}),
    ("facts", {"event": "step", "text": "a"}), ("facts", {"event": "line", "text": "a"}), ("logs", {"event": "step", "text": "a"}),
    ("logs", {"event": "line"}), ("logs", {"event": "line", "text": 7}), ("logs", {"event": "verdict", "ok": True}),
    ("stage", {"event": "step", "text": "a", "at": -1}), ("stage", {"event": "error", "code": "1"}),
    ("stage", {"event": "error", "why": ""}),
    *(("facts", {"event": "done", "facts": {**FACTS, name: value}}) for name, value in (
        ("uid", True), ("uid", -1), ("disk_free", 1 << 70), ("time", float("inf")), ("python", "--index-url=x"), ("releases", {}),
        ("releases", [{"id": "../x", "complete": True, "content": "", "version": "", "commit": "", "lock": ""}]), ("current", "a/b"),
        ("labels", {"../x": "0" * 40}), ("labels", {ID: "--output=x"}), ("labels", []), ("cache", "x"), ("served", [None]),
        ("units", {"x": 7}), ("lock", {"who": 7}), ("lock", "ann"), ("taken", [[4, "::", 1, True, "x"]]), ("cache", ["x"] * 200_000),
    )),
    ("activate", {"event": "done", "verdict": {}}), ("activate", {"event": "done", "verdict": {"ok": 1}}),
    ("activate", {"event": "done", "verdict": {"ok": True, "serves": "a\nb"}}),
    ("activate", {"event": "done", "verdict": {"ok": True, "probe": {"slowest": float("nan")}}}),
    ("history", {"event": "done", "entries": [{"time": 1e300}]}), ("workers", {"event": "done", "died": 0, "requests": 0}),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "said"), SAID, ids=lambda one: json.dumps(one)[:60])
def test_what_no_host_says_is_not_heard(operation: str, said: Any) -> None:
    with pytest.raises(ValueError) as caught:
        conversation.heard(operation, said, "a host")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_a_host_says_nothing_that_no_deployer_takes() -> None:
    for operation, event in (("facts", answers.Step("x")), ("facts", Done(answers.Nothing())), ("follow", Done(answers.Activated(None)))):  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            conversation.tell(operation, event)


def test_a_manifest_becomes_a_value() -> None:
    """What it says to a later version is none of ours."""
    told = parse(json.dumps({**MANIFEST, "signed": "by somebody"}))
    assert (told.id, told.parts[1].name, told.wheels[0].name) == (ID, "requirements.lock", "flask-3.whl")


def with_part(name: Any, **changed: Any) -> dict[str, Any]:
    return {**MANIFEST, "parts": [*MANIFEST["parts"], {"name": name, "sha256": HASH, "size": 1, **changed}]}


@pytest.mark.parametrize(
    "manifest",
    [
        *map(with_part, ("../../escaped", "/etc/cron.d/x", "systemd/../../x", "systemd//x", "", ".", "a\\b", "x\n", "manifest.json")),
        *map(with_part, ("venv/bin/python", "seal.json", "VENV/x", "other-1.whl", "requirements.lock", "Requirements.lock", 7, None)),
        with_part("requirements.lock/x"), with_part("systemd/raab.service", size=-1), with_part("systemd/raab.service", sha256="x"),
        {**MANIFEST, "id": "x"}, {**MANIFEST, "id": "20261122T061500Z-7777777"}, {**MANIFEST, "content": "1a2b3c4"},
        {**MANIFEST, "lock": "f" * 64}, {**MANIFEST, "parts": []}, {**MANIFEST, "parts": MANIFEST["parts"][1:]},
        {**MANIFEST, "wheels": "x"},
        {**MANIFEST, "wheels": [{"name": "../x.whl", "sha256": HASH}]}, {**MANIFEST, "version": "1\x1b[2J"},
        {**MANIFEST, "commit": "$(id)"},
        with_part("big", size=1 << 32), [], "x", None,
    ],
    ids=lambda one: json.dumps(one)[-60:],
)  # fmt: skip
def test_a_manifest_that_no_release_may_have_is_refused(manifest: Any) -> None:
    with pytest.raises(RaabError, match=r"\Amanifest") as caught:
        parse(json.dumps(manifest))
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("value", ["", "s3cr3t\0", "s3cr3t" * 20_000, "s3cr3t\ud800"])
def test_a_secret_is_shown_to_nobody(value: str) -> None:
    """Neither by who sends it nor by who is sent it."""
    told = {"op": "set_secret", "service": "raab", "secret": "KEY", "value": value}
    with pytest.raises(RaabError) as caught:
        conversation.decode(json.dumps(told).encode())
    assert "not what a secret can be" in str(caught.value) and "s3cr3t" not in str(caught.value)
    with pytest.raises(RaabError) as caught:
        conversation.encode("set_secret", "raab", {"secret": "KEY", "value": value})
    assert "s3cr3t" not in str(caught.value)


def test_a_secret_is_called_as_a_variable_or_a_setting() -> None:
    for name in ("KEY", "security.secret_key"):
        assert conversation.decode(conversation.encode("remove_secret", "raab", {"secret": name}))[2] == requests.RemoveSecret(name)
    for name in ("", "../KEY", "RAAB_X", "KEY\n", "NOTIFY_SOCKET", ".KEY"):
        with pytest.raises(RaabError):
            conversation.encode("remove_secret", "raab", {"secret": name})
