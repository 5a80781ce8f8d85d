from __future__ import annotations

from pathlib import Path

import pytest

from raab.host import sandbox
from raab.host.paths import Paths

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
    return sandbox.service_lines(Paths(etc=tmp_path / "etc"), release)


def test_the_surroundings_are_taken_over_and_what_makes_it_the_service_is_not(lines: tuple[str, ...]) -> None:
    """The runtime directory is the running service's, so that its end must not remove it."""
    options = sandbox.properties(lines)
    assert options[:4] == (
        "--property=User=raab",
        '--property=Environment=RAAB_ENVIRONMENT=production "NOTE=two words"',
        "--property=RuntimeDirectory=raab",
        "--property=SystemCallFilter=@system-service    @io",
    )
    assert options[-1] == "--property=RuntimeDirectoryPreserve=yes"
    assert not [option for option in options if "Exec" in option or "Restart" in option or "Type" in option or "not-here" in option]


def test_the_host_s_drop_ins_come_after_the_release_s_unit(lines: tuple[str, ...]) -> None:
    assert sandbox.environment(lines) == {"RAAB_ENVIRONMENT": "production", "NOTE": "other", "RAAB_SERVER__BIND": "127.0.0.1:9000"}
