"""fab deploy and its way back, on real hosts."""

from __future__ import annotations

import json
import time
from typing import Any

from raab.drill.traffic.load import Load
from raab.drill.traffic.values import Mix
from raab.lab import lab as lifecycle


def test_first_deploy_prepares_a_bare_host_and_the_card_names_the_release(project: Any, lab: Any, ask: Any) -> None:
    """User, directories, units, dependencies and release: one command on a bare host, which then answers from outside."""
    host = lab.fresh()
    done = project.fab("deploy", "--json", "--hosts", host.name)
    (report,) = done.json["hosts"]
    assert report["result"] == "deployed"
    assert ask(host)["release"] == report["release"] == project.release()
    (row,) = project.fab("status", "--json", "--hosts", host.name).json["hosts"]
    assert (row["name"], row["address"], row["state"], row["release"]) == (host.name, host.address, "active", report["release"])
    assert row["workers"]["serving"] == row["workers"]["target"] >= 2
    assert lab.shell(host).run("systemctl is-enabled raab; systemctl is-system-running", check=False).out.split() == ["enabled", "running"]
    assert lab.shell(host).run("ls -ld /opt/raab/current/app/wsgi.py /opt/raab/releases").out.count("root root") == 2


def test_upgrade_same_release_again_and_rollback(project: Any, lab: Any, ask: Any, look: Any) -> None:
    """A changed app is served after its deploy; the same again changes nothing at all; the way back needs no build."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    first = ask(hosts[0])["release"]
    project.mark("two")
    done = project.fab("deploy", "--json").json
    second = done["release"]
    for report, host in zip(done["hosts"], hosts, strict=True):
        assert (report["result"], report["channels"], report["probe"]["failed"]) == ("deployed", 1, 0)
        assert report["probe"]["sent"] > 10
        assert ask(host) | {"mark": "two", "release": second} == ask(host)
    before = [look(lab.shell(host)) for host in hosts]
    again = project.fab("deploy")
    assert "nothing changes" in again.out
    assert [look(lab.shell(host)) for host in hosts] == before
    project.fab("rollback")
    for host in hosts:
        assert ask(host)["release"] == first
        assert ask(host)["mark"] != "two"
    assert {row["release"] for row in project.fab("status", "--json").json["hosts"]} == {first}
    project.fab("rollback", "--to", second)
    assert ask(hosts[1])["mark"] == "two"
    history = project.fab("history", "--json").json["entries"]
    assert [entry["action"] for entry in history if entry["host"] == hosts[0].name][-3:] == ["deploy", "rollback", "rollback"]


def test_a_code_only_deploy_sends_what_the_host_lacks_and_little_more(project: Any, lab: Any) -> None:
    """Wheels of dependencies and uv stay in the host's cache; a changed app is its wheel and the conversation around it."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    project.mark("lean")
    setting = project.root / "src/raab/config/setting.yaml"
    setting.write_text(setting.read_text().replace("backlog: 4096", "backlog: 4095"))
    planned = project.fab("plan", "--hosts", host.name).out
    lacking = int(planned.split(" files, ")[1].split()[0])
    (report,) = project.fab("deploy", "--json", "--hosts", host.name).json["hosts"]
    assert "link the dependencies" in planned
    assert "setting setting.yaml: base.server.backlog 4096 -> 4095" in planned
    # In bytes and not as a share: the wheel of a server is small, and what the conversation takes has nothing to do with it.
    assert report["sent"] <= lacking + 40_000, (report["sent"], lacking)


def test_a_rebooted_host_comes_back_serving(project: Any, lab: Any, ask: Any) -> None:
    """The unit is enabled and everything it needs is on disk."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    release = ask(host)["release"]
    lifecycle.reboot(lab.lab, host.name)
    end = time.monotonic() + 20
    while True:
        try:
            assert ask(host)["release"] == release
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_host_that_is_down_is_named_and_the_other_is_unharmed(project: Any, lab: Any, ask: Any) -> None:
    """One host without power: nothing is switched anywhere, the exit code says so; with max_unreachable the other goes ahead."""
    up, down = lab.hosts(2)
    project.fab("deploy")
    before = ask(up)["release"]
    project.mark("alone")
    lifecycle.kill(lab.lab, down.name)
    try:
        addresses = f"hosts:\n  up: {{address: {up.address}}}\n  down: {{address: {down.address}}}\nconnect_timeout: 2\n"
        access = f"identity: {up.key}\nknown_hosts: {up.known_hosts}\n"
        project.environment("strict", addresses + access)
        refused = project.fab("deploy", "--env", "strict", expect=3)
        assert f"host down ({down.address}:22): it cannot be reached" in refused.out
        assert ask(up)["release"] == before
        project.environment("lenient", addresses + access + "max_unreachable: 1\n")
        done = json.loads(project.fab("deploy", "--env", "lenient", "--json").out)
        assert [host["result"] for host in done["hosts"]] == ["deployed", "unreachable"]
        assert ask(up)["mark"] == "alone"
    finally:
        lifecycle.start(lab.lab, down.name)
    again = json.loads(project.fab("deploy", "--env", "lenient", "--json").out)
    assert [host["result"] for host in again["hosts"]] == ["unchanged", "deployed"]


def test_a_release_that_does_not_load_is_refused_by_the_first_wave(project: Any, lab: Any, ask: Any) -> None:
    """The trial fails before anything is switched; the second host is not touched; the reason is the application's own."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    before = ask(hosts[0])["release"]
    project.break_app("raise RuntimeError('no such table')")
    failed = project.fab("deploy", expect=4)
    assert "no such table" in failed.out
    assert [ask(host)["release"] for host in hosts] == [before, before]
    rows = project.fab("deploy", "--json", expect=4).json["hosts"]
    assert [row["result"] for row in rows] == ["failed", "untouched"]
    assert all(row["release"] == before for row in rows)


def test_a_release_that_fails_after_its_trial_is_taken_back(project: Any, lab: Any, ask: Any) -> None:
    """It loads for trial and not in a worker: the host goes back by itself, and no request of the prober fails.

    Its gunicorn.py is another one: else the workers themselves would try it.
    """
    hosts = lab.hosts(2)
    project.fab("deploy")
    before = ask(hosts[0])["release"]
    project.break_app(
        "import sys\nfrom flask import Blueprint\nblueprint = Blueprint('home', __name__)\n"
        "if sys.argv[0].endswith('gunicorn') and 'gunicorn.arbiter' in sys.modules: raise RuntimeError('only in a worker')"
    )
    with (project.root / "gunicorn.py").open("a") as settings:
        settings.write("\n# another one\n")
    done = project.fab("deploy", "--json", expect=4).json
    assert [row["result"] for row in done["hosts"]] == ["failed", "untouched"]
    assert done["hosts"][0]["probe"]["failed"] == 0 < done["hosts"][0]["probe"]["sent"]
    assert [ask(host)["release"] for host in hosts] == [before, before]
    assert lab.shell(hosts[0]).run("readlink /opt/raab/current").out.strip() == f"releases/{before}"
    failed = done["release"]
    listed = project.fab("releases", "--json", "--hosts", hosts[0].name).json["releases"]
    verdicts = {row["release"]: row["verdict"] for row in listed}
    assert verdicts[failed] == "failed"
    assert "no such release that once served" in project.fab("rollback", "--to", failed, expect=2).out


def test_a_rollback_that_no_longer_loads_is_taken_back(project: Any, lab: Any, ask: Any) -> None:
    """Though it served once: the new workers do not load it, and the release of before serves on, all the while."""
    (host,) = lab.hosts(1)
    whole = project.root / "src/raab/modules/home/__init__.py"
    sound = whole.read_text()
    whole.write_text(sound + "\nfrom pathlib import Path\nif Path('/etc/raab/retired').exists(): raise RuntimeError('retired')\n")
    project.fab("deploy", "--hosts", host.name)
    whole.write_text(sound)
    project.fab("deploy", "--hosts", host.name)
    serving = ask(host)["release"]
    lab.shell(host).run("touch /etc/raab/retired")
    try:
        with Load([(host.address, 8000)], Mix(fresh=25, reused=25)) as load:
            done = project.fab("rollback", "--json", "--hosts", host.name, expect=4).json["hosts"][0]
    finally:
        lab.shell(host).run("rm /etc/raab/retired")
    assert load.account.failures == ()
    assert done["reason"].startswith("trial: the new workers do not load it")
    assert "RuntimeError: retired" in done["reason"]
    assert (done["result"], done["release"], done["probe"]["failed"]) == ("failed", serving, 0)
    assert ask(host)["release"] == serving
    assert lab.shell(host).run("readlink /opt/raab/current").out.strip() == f"releases/{serving}"


def test_a_first_deploy_that_fails_leaves_no_service_behind(project: Any, lab: Any, ask: Any) -> None:
    """There is nothing to go back to: no current release, nothing that starts again by itself; the next deploy of a sound one works."""
    host = lab.fresh()
    whole = project.root / "src/raab/modules/home/__init__.py"
    sound = whole.read_text()
    project.break_app(
        "import sys\nfrom flask import Blueprint\nblueprint = Blueprint('home', __name__)\n"
        "if sys.argv[0].endswith('gunicorn') and 'gunicorn.arbiter' in sys.modules: raise RuntimeError('only in a worker')"
    )
    assert "only in a worker" in project.fab("deploy", "--hosts", host.name, expect=4).out
    shell = lab.shell(host)
    assert shell.run("test -e /opt/raab/current", check=False).status == 1
    assert shell.run("systemctl is-active raab; systemctl is-enabled raab", check=False).out.split() == ["inactive", "disabled"]
    whole.write_text(sound)
    project.fab("deploy", "--hosts", host.name)
    assert ask(host)["release"] == project.release()
