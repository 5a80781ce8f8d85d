from __future__ import annotations

from pathlib import Path

import pytest

from raab.host import unitfiles
from raab.host.paths import Paths

UNIT = "[Unit]\nDescription=x\n[Service]\n# why\nExecStart=/a\nExecReload=/b\nTimeoutStopSec=5\n"


@pytest.mark.parametrize(
    ("change", "restart"),
    [
        (("Description=x", "Description=y"), False),
        (("# why", "# because"), False),
        (("ExecReload=/b", "ExecReload=/c"), False),
        (("ExecReload=/b", "ExecReload=/b\nExecStartPost=/d"), False),
        (("TimeoutStopSec=5", "TimeoutStopSec=9"), False),
        (("ExecStart=/a", "ExecStart=/c"), True),
        (("ExecStart=/a", "ExecStart=/a\nProtectHome=yes"), True),
    ],
)
def test_what_only_a_new_process_takes_up_needs_a_restart(tmp_path: Path, change: tuple[str, str], restart: bool) -> None:
    source, target = tmp_path / "new" / "raab.service", tmp_path / "raab.service"
    source.parent.mkdir()
    target.write_text(UNIT)
    source.write_text(UNIT.replace(*change))
    assert unitfiles.needs_restart(Paths("raab"), unitfiles.UnitFile(source, target)) is restart


def test_profiles_to_choose_from_are_not_installed(tmp_path: Path) -> None:
    """Only the unit, sysusers.d and tmpfiles.d have a place of their own on every host."""
    release = tmp_path / "release"
    for name in ("raab.service", "sysusers.d/raab.conf", "tmpfiles.d/raab.conf", "sealed/raab.socket", "notes.txt"):
        (release / "systemd" / name).parent.mkdir(parents=True, exist_ok=True)
        (release / "systemd" / name).write_text(name)
    paths = Paths("raab", etc=tmp_path / "etc")
    found = {str(file.target.relative_to(paths.etc)) for file in unitfiles.of_release(paths, release)}
    assert found == {"systemd/system/raab.service", "sysusers.d/raab.conf", "tmpfiles.d/raab.conf"}
    assert all(file.differs for file in unitfiles.of_release(paths, release))
    unitfiles.copy(unitfiles.of_release(paths, release))
    assert not any(file.differs for file in unitfiles.of_release(paths, release))
