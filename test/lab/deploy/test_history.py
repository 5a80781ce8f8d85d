"""What really served, by the hosts' own journals: where a rollback goes, what a commit made later is called, and whose service it is."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from raab.deploy import environments
from raab.drill.progress import Progress
from raab.drill.runner import QUICK, Runner

GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")


def test_after_a_deploy_to_one_of_two_a_rollback_does_not_split_them(project: Any, lab: Any, ask: Any) -> None:
    """Both end on what both have served, the one that was left out is not touched; status and the plan say so before."""
    hosts = lab.hosts(2)
    project.fab("deploy")
    first = ask(hosts[0])["release"]
    project.mark("ahead")
    planned = project.fab("plan", "--hosts", hosts[0].name).out
    assert planned.rstrip().endswith(f"a rollback then goes to {first}")
    project.fab("deploy", "--hosts", hosts[0].name)
    told = project.fab("status", "--json").json
    assert (told["rollback"], len({row["release"] for row in told["hosts"]})) == (first, 2)
    assert f"a rollback goes to {first}" in project.fab("status").out
    dry = project.fab("rollback", "--dry-run").out
    assert f"roll lab back to {first}" in dry
    assert f"nothing changes: {first} serves already" in dry
    pid = lab.shell(hosts[1]).run("systemctl show -p MainPID --value raab").out
    done = project.fab("rollback", "--json").json
    assert [row["result"] for row in done["hosts"]] == ["rolled back", "unchanged"]
    assert [ask(host)["release"] for host in hosts] == [first, first]
    assert lab.shell(hosts[1]).run("systemctl show -p MainPID --value raab").out == pid
    # What was gone back from is no target of itself.
    assert project.fab("status", "--json").json["rollback"] not in (first, project.release())


@pytest.mark.prove
def test_hosts_that_have_nothing_in_common_are_told_apart(project: Any, lab: Any) -> None:
    """And both are left as they are."""
    one, two = lab.fresh(1), lab.fresh(2)
    for host, mark in ((one, "only one"), (two, "only two")):
        project.mark(mark)
        project.fab("deploy", "--hosts", host.name)
    project.mark("both")
    project.fab("deploy")
    refused = project.fab("rollback", expect=2).out
    assert "no release served on all of these hosts before what serves now" in refused
    assert "choose some of the hosts with --hosts" in refused
    project.fab("rollback", "--hosts", one.name)


def test_a_commit_of_what_was_deployed_is_told_and_the_release_stays(project: Any, lab: Any, ask: Any, look: Any) -> None:
    """Same content, now a commit: in the journal and in every listing; nothing is installed or handed over."""
    (host,) = lab.hosts(1)
    (project.root / ".gitignore").write_text("/build\n__pycache__\n")
    subprocess.run((*GIT, "init", "-q"), cwd=project.root, check=True)
    project.fab("deploy", "--hosts", host.name)
    dirty = ask(host)["release"]
    assert dirty.endswith("-dirty")
    shell = lab.shell(host)
    pid = shell.run("systemctl show -p MainPID --value raab").out
    before = [line for line in look(shell).splitlines() if "journal.jsonl" not in line]
    for words in (("add", "-A"), ("commit", "-q", "-m", "what was deployed")):
        subprocess.run((*GIT, *words), cwd=project.root, check=True)
    commit = subprocess.run((*GIT, "rev-parse", "HEAD"), cwd=project.root, check=True, capture_output=True, text=True).stdout.strip()
    note = f"same content, now commit {commit[:7]}"
    assert note in project.fab("plan", "--hosts", host.name).out
    done = project.fab("deploy", "--json", "--hosts", host.name).json
    assert [row["result"] for row in done["hosts"]] == ["unchanged"]
    assert note in project.fab("status", "--hosts", host.name).out
    for verb in ("status", "releases", "history"):
        assert commit[:7] in project.fab(verb, "--hosts", host.name, "--json").out
    assert [line for line in look(shell).splitlines() if "journal.jsonl" not in line] == before
    assert shell.run("systemctl show -p MainPID --value raab").out == pid
    assert ask(host)["release"] == dirty
    journal = shell.run("cat /opt/raab/journal.jsonl").out
    project.fab("deploy", "--hosts", host.name)
    assert shell.run("cat /opt/raab/journal.jsonl").out == journal


def test_a_service_of_another_project_is_refused(project: Any, lab: Any, ask: Any) -> None:
    """Until the deployer says that it is to be this one's."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    before = ask(host)["release"]
    shell = lab.shell(host)
    shell.run('sed -i \'s/"project": "raab"/"project": "shop"/\' /opt/raab/current/manifest.json')
    project.mark("mine")
    refused = project.fab("deploy", "--hosts", host.name, expect=5).out
    assert "service raab: it belongs to another project, got shop there and raab here" in refused
    assert ask(host)["release"] == before
    project.fab("deploy", "--take-over", "--hosts", host.name)
    assert ask(host)["mark"] == "mine"
    shell.run(f'sed -i \'s/"project": "shop"/"project": "raab"/\' /opt/raab/releases/{before}/manifest.json')


@pytest.mark.prove
def test_what_a_drill_makes_is_gone_after_it(project: Any, lab: Any, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host serves what it served, has its own settings and no other releases, and a rollback goes where it went."""
    (host,) = lab.hosts(1)
    for mark in ("older", "newer"):
        project.mark(mark)
        project.fab("deploy", "--hosts", host.name)
    shell = lab.shell(host)
    shell.put("/etc/raab/setting.yaml", "production: {server: {backlog: 777}}\n")
    before = ask(host)["release"]
    # The last activation prunes after its verdict.
    shell.run("while systemctl -q is-active raab-activate; do sleep 0.02; done")
    there = shell.run("ls /opt/raab/releases").out
    way = project.fab("status", "--json", "--hosts", host.name).json["rollback"]
    monkeypatch.setenv("RAAB_LAB", project.lab)
    environment = environments.load(project.root, "lab").only(host.name)
    with Runner(project.root, environment, QUICK, Progress(sys.stderr)).prepared() as stage:
        drilled = ask(host)["release"]
        assert drilled != before
        stage.services[0].switch(stage.services[0].variant())
        listed = project.fab("releases", "--json", "--hosts", host.name).json["releases"]
        assert {row["release"]: row["mark"] for row in listed}[drilled] == "drill"
    assert ask(host)["release"] == before
    assert shell.run("ls /opt/raab/releases").out == there
    assert "777" in shell.run("cat /etc/raab/setting.yaml").out
    assert project.fab("status", "--json", "--hosts", host.name).json["rollback"] == way
    shell.run("rm /etc/raab/setting.yaml")
