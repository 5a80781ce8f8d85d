from __future__ import annotations

from pathlib import Path

import pytest

from raab.host.paths import Paths
from raab.host.units import sandbox

UNIT = """\
[Unit]
User=not-here
[Service]
Type=notify
User=raab
# Environment=COMMENTED=1
Environment=RAAB_ENVIRONMENT=production "NOTE=two words"
ExecStart=/bin/true
RuntimeDirectory=raab
RuntimeDirectoryPreserve=restart
SystemCallFilter=@system-service \\
  @io
Restart=always
"""


@pytest.fixture
def lines(tmp_path: Path) -> tuple[str, ...]:
    release = tmp_path / "release"
    (release / "systemd").mkdir(parents=True)
    (release / "systemd/raab.service").write_text(UNIT)
    drop_in = tmp_path / "etc/systemd/system/raab.service.d"
    drop_in.mkdir(parents=True)
    (drop_in / "10-more.conf").write_text(
        f"[Service]\nEnvironment=NOTE=other\nEnvironmentFile=-{tmp_path}/none\nEnvironmentFile={tmp_path}/more\n"
    )
    (tmp_path / "more").write_text("# why\nRAAB_SERVER__BIND='127.0.0.1:9000'\n")
    return sandbox.service_lines(Paths("raab", etc=tmp_path / "etc"), release)


def test_the_surroundings_are_taken_over_and_what_makes_it_the_service_is_not(lines: tuple[str, ...]) -> None:
    """The runtime directory is the running service's, so that its end must not remove it."""
    found = sandbox.surroundings(lines)
    assert found[:4] == [
        "User=raab",
        'Environment=RAAB_ENVIRONMENT=production "NOTE=two words"',
        "RuntimeDirectory=raab",
        "SystemCallFilter=@system-service    @io",
    ]
    assert found[-1] == "RuntimeDirectoryPreserve=yes"
    assert not [line for line in found if "Exec" in line or "Restart" in line or "Type" in line or "not-here" in line]


def test_each_drop_in_counts_once(tmp_path: Path) -> None:
    """By name: the unit's own over that of all services, /etc over the other places, in the order of the names."""
    first, second = places = (tmp_path / "first", tmp_path / "second")
    for place, folder, name in (
        (first, "raab.service.d", "20.conf"), (second, "raab.service.d", "20.conf"), (second, "raab.service.d", "10.conf"),
        (first, "service.d", "10.conf"), (first, "service.d", "30.conf"), (first, "service.d", "30.txt"),
    ):  # fmt: skip
        (place / folder).mkdir(parents=True, exist_ok=True)
        (place / folder / name).touch()
    assert [str(file.relative_to(tmp_path)) for file in sandbox.drop_ins("raab.service", places)] == [
        "second/raab.service.d/10.conf", "first/raab.service.d/20.conf", "first/service.d/30.conf",
    ]  # fmt: skip


def test_a_name_with_dashes_has_the_drop_ins_of_shorter_ones(tmp_path: Path) -> None:
    """As systemd reads them: the longest beginning counts most."""
    for folder, name in (("shop-two-b.service.d", "1"), ("shop-two-.service.d", "1"), ("shop-two-.service.d", "2"),
                         ("shop-.service.d", "2"), ("shop-.service.d", "3"), ("shop.service.d", "4"), ("two-.service.d", "5")):  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / f"{name}.conf").touch()
    assert [str(file.relative_to(tmp_path)) for file in sandbox.drop_ins("shop-two-b.service", (tmp_path,))] == [
        "shop-two-b.service.d/1.conf", "shop-two-.service.d/2.conf", "shop-.service.d/3.conf",
    ]  # fmt: skip


def test_the_host_s_drop_ins_come_after_the_release_s_unit(lines: tuple[str, ...]) -> None:
    told = [line for line in lines if line.startswith("Environment=")]
    assert told == ['Environment=RAAB_ENVIRONMENT=production "NOTE=two words"', "Environment=NOTE=other"]


def test_the_content_of_a_credential_is_taken_as_it_stands() -> None:
    """systemd knows specifiers in its name alone: with others resolved, the service would always seem to lack what a start gives it."""
    found = ("SetCredential=%p:%p", "SetCredentialEncrypted=%p:a%pb", "LoadCredential=%p:/etc/%p/x", "Environment=A=%p:%p")
    told = sandbox.resolved(Paths("shop"), found)
    assert told == [
        "SetCredential=shop:%p",
        "SetCredentialEncrypted=shop:a%pb",
        "LoadCredential=shop:/etc/shop/x",
        "Environment=A=shop:shop",
    ]
