"""What surrounds a release on its host: credentials, hooks, the worker target, units, pruning."""

from __future__ import annotations

from typing import Any

from raab.lab.state import LabHost


def environment(host: LabHost, rest: str) -> str:
    return f"hosts: {{h1: {{address: {host.address}}}}}\nidentity: {host.key}\nknown_hosts: {host.known_hosts}\n{rest}"


def test_a_release_that_needs_a_credential_finds_it_in_its_trial_and_in_service(project: Any, lab: Any, ask: Any) -> None:
    """Handed over by systemd in both; without the file the trial refuses the release before anything is switched."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    before = ask(host)["release"]
    shell = lab.shell(host)
    project.mark("secret")
    with (project.root / "src/raab/modules/home/__init__.py").open("a") as card:
        card.write("\nimport os, pathlib\npathlib.Path(os.environ['CREDENTIALS_DIRECTORY'], 'raab_token').read_text()\n")
    assert "raab_token" in project.fab("deploy", "--hosts", host.name, expect=4).out
    assert ask(host)["release"] == before
    shell.run("install -m 600 /dev/stdin /etc/raab/credentials/token", stdin=b"hush")
    shell.run("systemctl restart raab")
    project.fab("deploy", "--hosts", host.name)
    assert ask(host)["mark"] == "secret"
    shell.run("rm /etc/raab/credentials/token")


def test_hooks_run_in_their_order_and_a_failing_one_takes_the_release_back(project: Any, lab: Any, ask: Any) -> None:
    """`migrate` before any switch, `before_activate` and `after_activate` around it, each as the service's user: hooks in the release's
    directory, a migration where the code is. It has failed for good before the host of an environment is asked for anything more."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    shell = lab.shell(host)
    shell.run("install -o raab -m 600 /dev/null /var/lib/raab/hooks")

    config = project.root / "deploy/config.yaml"
    text = config.read_text()

    def tell(name: str) -> str:
        return f"{name}: {{command: 'echo {name} $(id -un) $(basename $PWD) current=$(readlink /opt/raab/current) >>/var/lib/raab/hooks'}}"

    project.environment("hooks", environment(host, f"hooks:\n  {tell('after_activate')}\n  {tell('before_activate')}\n"))
    config.write_text(f"{text}{tell('migrate')}\n")
    before = ask(host)["release"]
    project.mark("hooks")
    new = project.release()
    project.fab("deploy", "--env", "hooks")
    assert shell.run("cat /var/lib/raab/hooks").out.splitlines() == [
        f"migrate raab app current=releases/{before}",
        f"before_activate raab {new} current=releases/{before}",
        f"after_activate raab {new} current=releases/{new}",
    ]
    failing = "command: 'echo because; exit 3'"
    for number, hook in enumerate(("migrate", "hook before_activate", "hook after_activate")):
        project.mark(f"failing {number}")
        migrate, _, name = hook.partition(" ")
        config.write_text(f"{text}migrate: {{{failing}}}\n" if migrate == "migrate" else text)
        project.environment("hooks", environment(host, f"hooks: {{{name}: {{{failing}}}}}\n" if name else ""))
        said = project.fab("deploy", "--env", "hooks", expect=4).out
        assert f"{hook}: exit code 3" in said
        assert "because" in said
        assert ask(host)["release"] == new


def test_the_worker_target_survives_deploy_and_rollback(project: Any, lab: Any) -> None:
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    assert project.fab("scale", "3", "--hosts", host.name).out.split()[1:5] == ["workers:", "2", "->", "3"]
    assert "not a number of workers" in project.fab("scale", "many", "--hosts", host.name, expect=2).out
    project.mark("three")
    project.fab("deploy", "--hosts", host.name)
    project.fab("rollback", "--hosts", host.name)
    (row,) = project.fab("status", "--json", "--hosts", host.name).json["hosts"]
    assert row["workers"] == {"target": 3, "serving": 3}
    project.fab("scale", "2", "--hosts", host.name)


def test_a_changed_unit_is_installed_restarted_for_and_taken_back_with_its_release(project: Any, lab: Any, ask: Any) -> None:
    """A restart makes connections wait and refuses none; the rollback brings the old unit back."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    unit = project.root / "systemd/raab.service"
    unit.write_text(unit.read_text().replace("[Service]\n", "[Service]\nEnvironment=MARKED=yes\n"))
    assert "units change: raab.service" in project.fab("plan", "--hosts", host.name).out
    done = project.fab("deploy", "--hosts", host.name, "--json").json
    assert done["hosts"][0]["probe"]["failed"] == 0
    assert "MARKED=yes" in lab.shell(host).run("systemctl show -p Environment raab").out
    project.fab("rollback", "--hosts", host.name)
    assert "MARKED=yes" not in lab.shell(host).run("systemctl show -p Environment raab").out
    assert project.fab("reload", "--hosts", host.name).code == project.fab("restart", "--hosts", host.name).code == 0
    assert ask(host)["mark"]


def test_old_releases_are_pruned_and_what_is_not_ours_stays(project: Any, lab: Any) -> None:
    """keep: 2 leaves the current release and the one before; a directory of somebody else's is not looked at."""
    (host,) = lab.hosts(1)
    shell = lab.shell(host)
    shell.run("mkdir -p /opt/raab/releases/mine")
    project.environment("keep", environment(host, "keep: 2\n"))
    made = []
    for number in range(3):
        project.mark(f"keep {number}")
        made.append(project.release())
        project.fab("deploy", "--env", "keep")
    shell.run("while systemctl -q is-active raab-activate; do sleep 0.05; done")
    assert shell.run("ls /opt/raab/releases").out.split() == [*made[1:], "mine"]
    shell.run("rmdir /opt/raab/releases/mine")
    assert "mine" not in project.fab("releases", "--env", "keep").out


def test_logs_are_shown(project: Any, lab: Any, ask: Any) -> None:
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    ask(host)
    assert len(project.fab("logs", "--hosts", host.name, "--lines", "5").out.splitlines()) == 5


def test_the_doctor_finds_what_was_changed_behind_raab_s_back(project: Any, lab: Any) -> None:
    """A host that is well, and one whose installed file, unit and service are not what they should be."""
    (host,) = lab.hosts(1)
    project.fab("deploy", "--hosts", host.name)
    assert "BAD" not in project.fab("doctor", "--hosts", host.name).out
    shell = lab.shell(host)
    # As a file of its own: other releases have links to the one that is there.
    shell.run("cd /opt/raab/current/venv/lib/python3*/site-packages/raab && cp errors.py new && echo >>new && mv new errors.py")
    shell.run("echo >>/etc/systemd/system/raab.service; systemctl stop raab")
    (told,) = project.fab("doctor", "--hosts", host.name, "--json", expect=1).json["hosts"]
    assert {finding["check"] for finding in told["findings"] if not finding["well"]} == {"release", "files", "units", "workers"}
    damaged = shell.run("realpath /opt/raab/current").out.strip()
    project.mark("well again")
    project.fab("deploy", "--hosts", host.name)
    (told,) = project.fab("doctor", "--hosts", host.name, "--json", expect=1).json["hosts"]
    assert {finding["check"] for finding in told["findings"] if not finding["well"]} == {"kept"}
    shell.run(f"rm -r {damaged}")
    assert "BAD" not in project.fab("doctor", "--hosts", host.name).out


def test_a_deploy_stages_nothing_while_the_one_before_still_prunes(project: Any, lab: Any) -> None:
    """What is pruned after a verdict would be missing from what the next deploy believes to be there."""
    (host,) = lab.hosts(1)
    project.mark("pruned")
    project.fab("deploy", "--hosts", host.name)
    shell = lab.shell(host)
    # It has given its verdict, and takes the parts away that no release needs.
    prunes = "systemd-run --quiet --collect --unit=raab-activate sh -c 'sleep 2.5; rm -rf /opt/raab/cache/parts/*'"
    shell.run(f"until {prunes}; do sleep 0.1; done")
    project.mark("after it")
    project.fab("deploy", "--hosts", host.name)
    assert shell.run("ls /opt/raab/cache/parts").out.split()
