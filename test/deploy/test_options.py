"""Every option that `fab --help` lists does what it says there, or is refused with what to type instead; none is taken and ignored."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test.deploy import forked

from raab.deploy import options

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose hosts nobody has: what comes to talk to them has gone too far."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "fabfile.py", root)
    (root / "deploy").mkdir()
    (root / "deploy" / "lab.yaml").write_text("hosts: {a: {address: a.invalid}, b: {address: b.invalid}}\nssh_config: none\n")
    return root


def fab(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = forked.fab(tree, *words)
    assert "Traceback" not in done.stderr
    return done


def listed() -> list[tuple[str, str, bool]]:
    """Of each core option in `fab --help`: its long name, its short one, and whether a value has to follow."""
    text = subprocess.run((forked.FAB, "--help"), cwd="/", capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^  (?:(-\w)(?: \[?(?:STRING|INT)\]?)?, )?--([a-z-]+)(\[?=\w+)?", text, re.MULTILINE)
    # Fabric's help does not show that one identity has to be named.
    return [(name, short, value.startswith("=") or name == "identity") for short, name, value in found]


OPTIONS = listed()


def test_the_help_is_read_whole() -> None:
    names = {name for name, _, _ in OPTIONS}
    assert {"hosts", "dry", "identity", "ssh-config", "list", "version", "prompt-for-sudo-password"} <= names
    assert names >= options.KEPT
    assert options.INSTEAD.keys() <= names - options.KEPT
    assert len(names) >= 25


def test_the_version_is_the_librarys(tree: Path) -> None:
    """It is its own command; raab's is told by `raab --version`."""
    done = fab(tree, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["Fabric", "Paramiko", "Invoke"]


@pytest.mark.parametrize(("name", "short", "valued"), [each for each in OPTIONS if each[0] not in options.KEPT], ids=lambda each: str(each))
def test_what_raab_would_ignore_is_refused(tree: Path, name: str, short: str, valued: bool) -> None:
    """Before the verb and after it, by its long name and its short one; no file that it names is looked for, nobody is asked anything."""
    for flag in filter(None, (f"--{name}", short)):
        words = (flag, *(("7",) if valued else ()))
        placed = [(*words, "status")]
        # What a verb of raab's has itself is its own there.
        if flag != "--hosts":
            placed.append(("status", *words))
        for line in placed:
            done = fab(tree, *line)
            assert (done.returncode, done.stdout) == (2, ""), line
            first, second = done.stderr.splitlines()
            assert first == f"--{name}: an option of Fabric's that raab does not have"
            assert second.startswith("hint: ")


def test_what_is_kept_does_what_it_says(tree: Path, tmp_path: Path) -> None:
    assert "deploy" in fab(tree, "--list").stdout
    assert "deploy" not in fab(tree, "--list", "--list-depth", "1", "lab").stdout
    assert fab(tree, "--list", "--list-format", "json").stdout.startswith("{")
    assert "Fabric" in fab(tree, "--version").stdout
    assert "count" in fab(tree, "--help", "scale").stdout
    assert "complete" in fab(tree, "--print-completion-script", "bash").stdout
    assert "status" in fab(tree, "--complete", "--", "fab", "").stdout.split()
    assert "--env" in fab(tree, "--complete", "--", "fab", "status", "-").stdout.split()
    assert "no-such" in fab(tree, "--collection", "no-such", "status").stderr
    assert fab(tmp_path, "--search-root", str(tree), "status", "--hosts", "nobody").returncode == 2
    assert fab(tree, "--debug", "lab.list").stderr


def test_a_choice_of_hosts_that_names_nobody(tree: Path) -> None:
    """As from a variable that is not set. It is no choice of all."""
    for verb in ("status", "deploy", "plan", "rollback"):
        done = fab(tree, verb, "--hosts", "")
        assert done.returncode == 2
        assert done.stderr.splitlines() == ["--hosts: names no host, got ''", "hint: leave --hosts out for all of lab: a, b"]


def test_a_number_of_workers_that_looks_like_an_option(tree: Path) -> None:
    """It reaches the hosts, of which there are none."""
    for words in ("-1", "-- -1", "--hosts a -- -1", "-1 --hosts a", "+1"):
        done = fab(tree, "scale", *words.split())
        assert done.returncode == 3, (words, done)
        assert "host a (a.invalid): its name is not known" in done.stdout


def test_words_after_the_dashes_are_not_ignored(tree: Path) -> None:
    """Fabric would run them as a command on hosts of its own; a verb of raab's is asked to understand them."""
    done = fab(tree, "status", "--", "rm")
    assert done.returncode != 0
    assert "rm" in done.stderr


def test_a_verb_of_two_words_is_one_of_fabrics() -> None:
    rooms = {"secrets": {"set", "list"}, "lab": {"up"}}
    assert options.joined(["secrets", "set", "NAME", "--env", "x", "lab", "up"], rooms) == ["secrets.set", "NAME", "--env", "x", "lab.up"]
    words = ["secrets", "deploy", "set", "secrets.list", "lab"]
    assert options.joined(words, rooms) == words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("logs worker --lines 3", "logs --process worker --lines 3"),
        ("restart worker", "restart --process worker"),
        ("logs --lines 3", "logs --lines 3"),
        ("restart --env web", "restart --env web"),
        ("scale worker=4", "scale worker=4"),
        ("logs 3", "logs 3"),
        ("run cleanup --env lab", "run --process cleanup --env lab"),
        ("run --detach", "run --detach"),
    ],
)
def test_a_process_s_name_may_follow_its_verb(words: str, told: str) -> None:
    assert options.named(words.split()) == told.split()
