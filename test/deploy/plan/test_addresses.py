"""Which of a release's addresses somebody else has on a host, by what the host told."""

from __future__ import annotations

import pytest

from raab.deploy.plan import addresses
from raab.deploy.plan.facts import HostFacts, parse
from raab.host import releases
from raab.protocol.facts import Taken

PACKAGED = "base: {server: {bind: '0.0.0.0:8000', admin_port: 0}}\ndevelopment: {server: {bind: '127.0.0.1:5000'}}\n"
HOST = HostFacts(
    python="3.11.2", implementation="CPython", libc="glibc 2.36", machine="x86_64", system="Debian 12", uid=0, time=0.0, disk_free=10**10,
    disk_total=2 * 10**10, inodes_free=10**6, systemd=252,
)  # fmt: skip


def taken(*others: Taken, settings: str = "", variables: dict[str, str] | None = None, packaged: str = PACKAGED) -> tuple[str, ...]:
    return addresses.taken(packaged, HOST._replace(taken=others, settings=settings, variables=variables or {}))


def at(host: str, port: int, both: bool = False) -> Taken:
    return Taken(6 if ":" in host else 0 if host[0] == "/" else 4, host, port, both, "the user x")


@pytest.mark.parametrize("other", [at("0.0.0.0", 8000), at("127.0.0.1", 8000), at("::", 8000, both=True)])
def test_what_meets_is_named_with_its_holder(other: Taken) -> None:
    assert taken(at("0.0.0.0", 22), other) == ("server.bind: 0.0.0.0:8000 is held by the user x",)


@pytest.mark.parametrize("other", [at("0.0.0.0", 22), at("::", 8000), at("::1", 8000), at("127.0.0.1", 5000), at("/run/x", 0)])
def test_what_does_not_meet_is_free(other: Taken) -> None:
    """Another port, another family, another environment's address."""
    assert taken(other) == ()


@pytest.mark.parametrize(
    ("settings", "variables", "expected"),
    [
        ("production: {server: {bind: ['[::1]:8000', 'localhost:9000']}}", {}, "server.bind: 127.0.0.1:9000"),
        ("development: {server: {bind: '0.0.0.0:9000'}}", {"RAAB_ENVIRONMENT": "development"}, "server.bind: 0.0.0.0:9000"),
        ("base: {server: {bind: '0.0.0.0:1'}}", {"RAAB_SERVER__BIND": "[0.0.0.0:2, 127.0.0.1:9000]"}, "server.bind: 127.0.0.1:9000"),
        ("base: {server: {bind: 'unix:/run/y'}}", {}, "server.bind: unix:/run/y"),
        ("base: {server: {admin_port: 9000}}", {}, "server.admin_port: 127.0.0.1:9000"),
    ],
)
def test_the_host_has_its_say(settings: str, variables: dict[str, str], expected: str) -> None:
    """Over the packaged file lies the host's, over that the variables of the service that runs there."""
    assert taken(at("127.0.0.1", 9000), at("/run/y", 0), settings=settings, variables=variables) == (f"{expected} is held by the user x",)
    assert not taken(at("127.0.0.1", 9000), at("/run/y", 0))


@pytest.mark.parametrize("wrong", ["", "base: [", "base: {server: 3}", "base: {server: {bind: 3}}", "base: {server: {bind: '0.0.0.0:0'}}"])
def test_what_is_wrong_is_for_the_trial_to_tell(wrong: str) -> None:
    assert taken(at("0.0.0.0", 8000), settings=wrong) in ((), ("server.bind: 0.0.0.0:8000 is held by the user x",))
    assert taken(at("0.0.0.0", 8000), packaged=wrong) == ()


def test_where_a_socket_unit_listens_there_is_nothing_to_be_had() -> None:
    facts = HOST._replace(taken=(at("0.0.0.0", 8000),), service={"TriggeredBy": "raab.socket"})
    assert addresses.taken(PACKAGED, facts) == ()


def test_what_a_host_tells_becomes_a_value() -> None:
    """One that the protocol's table has."""
    told = {name: getattr(HOST, name) for name in ("python", "implementation", "libc", "machine", "system", "uid", "time", "disk_free",
        "disk_total", "inodes_free", "systemd")}  # fmt: skip
    assert parse({**told, "taken": [{"version": 4, "host": "0.0.0.0", "port": 1, "both": False, "holder": "x"}]}).taken == (
        Taken(4, "0.0.0.0", 1, False, "x"),
    )


def test_a_projects_own_settings_lie_between_raabs_and_the_hosts() -> None:
    own = '---\nbase: {server: {bind: "0.0.0.0:8001"}}\n'
    shipped = releases.shipped({"setting.yaml": PACKAGED, "deploy/setting.yaml": own})
    both = (at("0.0.0.0", 8000), at("0.0.0.0", 8001))
    assert taken(*both, packaged=shipped) == ("server.bind: 0.0.0.0:8001 is held by the user x",)
    assert taken(*both, packaged=shipped, settings="base: {server: {bind: '0.0.0.0:8002'}}") == ()
