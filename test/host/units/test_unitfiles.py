from __future__ import annotations

from pathlib import Path

import pytest

from raab.host.paths import Paths
from raab.host.units import unitfiles

UNIT = "[Unit]\nDescription=x\n[Service]\n# why\nExecStart=/a/%p\nExecReload=/b\nTimeoutStopSec=5\n"


@pytest.mark.parametrize(
    ("change", "restart"),
    [
        (("Description=x", "Description=y"), False),
        (("# why", "# because"), False),
        (("ExecReload=/b", "ExecReload=/c"), False),
        (("ExecReload=/b", "ExecReload=/b\nExecStartPost=/d"), False),
        (("TimeoutStopSec=5", "TimeoutStopSec=9"), False),
        (("ExecStart=/a/%p", "ExecStart=/a/raab"), False),
        (("ExecStart=/a/%p", 'ExecStart=/a/%p\n[Install]\nWantedBy=x\n[Service]\nEnvironment="A=b"'), False),
        (("ExecStart=/a/%p", "ExecStart=/a/%p\nEnvironmentFile=/etc/x"), False),
        (("ExecStart=/a", "ExecStart=/c"), True),
        (("ExecStart=/a/%p", "ExecStart=/a/%p\nProtectHome=yes"), True),
    ],
)
def test_what_only_a_new_process_takes_up_needs_a_restart(tmp_path: Path, change: tuple[str, str], restart: bool) -> None:
    """A name in the place of its specifier is no change: units of before services had names are followed by those of all."""
    target = tmp_path / "raab.service"
    target.write_text(UNIT.replace(*change))
    assert unitfiles.needs_restart(Paths("raab"), unitfiles.UnitFile(UNIT.encode(), target)) is restart


def test_each_service_has_its_own_unit_user_and_folders(tmp_path: Path) -> None:
    """The unit's bytes are the same for all; profiles to choose from are not installed."""
    release = tmp_path / "release"
    for name in ("raab.service", "sealed/raab.socket", "notes.txt"):
        (release / "systemd" / name).parent.mkdir(parents=True, exist_ok=True)
        (release / "systemd" / name).write_text(name)
    paths = Paths("shop", etc=tmp_path / "etc")
    files = (unitfiles.of_release(paths, release), *unitfiles.lasting(paths))
    assert [file.name for file in files] == ["shop.service", "sysusers.d/shop.conf", "tmpfiles.d/shop.conf"]
    assert all(file.differs for file in files)
    unitfiles.copy(files)
    assert not any(file.differs for file in files)
    assert {str(path.relative_to(paths.etc)) for path in paths.etc.rglob("*") if path.is_file()} == {
        "systemd/system/shop.service", "sysusers.d/shop.conf", "tmpfiles.d/shop.conf",
    }  # fmt: skip
    others = (files[1].content + files[2].content).replace(b"raab-edge", b"").replace(b"raab-asked", b"")
    assert files[0].content == b"raab.service" and b"raab" not in others
