"""A failed deploy never stops what served, whatever state its host was in."""

from __future__ import annotations

import time
from typing import Any

import pytest

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix

BROKEN = (
    "import sys\nfrom flask import Blueprint\nblueprint = Blueprint('home', __name__)\n"
    "if sys.argv[0].endswith('gunicorn') and 'gunicorn.arbiter' in sys.modules: raise RuntimeError('only in a worker')"
)
PID = "systemctl show -p MainPID --value raab"


@pytest.fixture
def broken(project: Any, lab: Any, ask: Any) -> Any:
    """A host that serves a sound release, and a project whose next deploy fails after its switch."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    project.break_app(BROKEN)
    # Another gunicorn.py, so that the trial is made in a process of its own, and does not find out.
    with (project.root / "gunicorn.py").open("a") as settings:
        settings.write("\n# another one\n")
    return host, lab.shell(host), ask(host)["release"]


@pytest.mark.parametrize("link", ["rm /opt/raab/current", "ln -sfn /srv/elsewhere /opt/raab/current"])
def test_a_link_that_is_gone_or_an_operators_own_stops_nothing(broken: Any, project: Any, ask: Any, link: str) -> None:
    """What the running service says of itself counts: it is brought back, no request fails, and the link leads to it again."""
    host, shell, release = broken
    shell.run(link)
    with Load([(host.address, 8000)], Mix(fresh=25, reused=25)) as load:
        (row,) = project.fab("deploy", "--json", "--hosts", host.name, expect=4).json["hosts"]
        time.sleep(1)
    assert load.account.failures == ()
    assert (row["result"], row["release"]) == ("failed", release)
    assert ask(host)["release"] == release
    assert shell.run("systemctl is-active raab; systemctl is-enabled raab").out.split() == ["active", "enabled"]
    assert shell.run("readlink /opt/raab/current").out.strip() == f"releases/{release}"


def test_what_serves_and_is_not_kept_here_is_left_alone(broken: Any, project: Any, ask: Any) -> None:
    """Its release has lost its manifest: it serves on, and the report says that nothing was stopped, and what failed."""
    host, shell, release = broken
    shell.run(f"mv /opt/raab/releases/{release}/manifest.json /root/")
    with Load([(host.address, 8000)], Mix(fresh=25, reused=25)) as load:
        done = project.fab("deploy", "--json", "--hosts", host.name, expect=None)
        time.sleep(1)
    (row,) = done.json["hosts"]
    assert "what served before is no release that is kept here" in row["reason"]
    assert "nothing was stopped" in row["reason"]
    assert "only in a worker" in row["reason"]
    assert load.account.failures == ()
    assert shell.run("systemctl is-active raab").out.strip() == "active"
    shell.run(f"mv /root/manifest.json /opt/raab/releases/{release}/; ln -sfn releases/{release} /opt/raab/current; systemctl reload raab")
    assert ask(host)["release"] == release


def test_a_service_that_was_stopped_stays_stopped(broken: Any, project: Any, ask: Any) -> None:
    """As its operator wanted it; and so stays one that is not to start by itself."""
    host, shell, release = broken
    shell.run("systemctl stop raab; systemctl disable --quiet raab")
    (row,) = project.fab("deploy", "--json", "--hosts", host.name, expect=4).json["hosts"]
    assert "only in a worker" in row["reason"]
    assert shell.run("systemctl is-active raab; systemctl is-enabled raab", check=False).out.split() == ["inactive", "disabled"]
    assert shell.run("readlink /opt/raab/current").out.strip() == f"releases/{release}"
    shell.run("systemctl enable --quiet --now raab")
    assert ask(host)["release"] == release
