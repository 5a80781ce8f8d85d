"""What a dry run tells of a release's content beside the one that runs."""

from __future__ import annotations

from raab.deploy.plan.differences import between

LOCK = "flask==3.1.2 \\\n    --hash=sha256:aa\ngunicorn[gevent]==27.0.0 ; sys_platform == 'linux' \\\n    --hash=sha256:bb\nsix==1.17.0\n"


def test_dependencies_by_name_and_version() -> None:
    new = LOCK.replace("3.1.2", "3.1.3").replace("six==1.17.0", "attrs==25.1.0")
    assert between({"requirements.lock": LOCK}, {"requirements.lock": new}) == (
        "dependency attrs 25.1.0 comes",
        "dependency flask 3.1.2 -> 3.1.3",
        "dependency six 1.17.0 goes",
    )


def test_settings_by_file_and_path() -> None:
    old = {"setting.yaml": "base:\n  server: {workers: 2, bind: a}\n", "logging.yaml": "base: {}\n"}
    new = {"setting.yaml": "# more of them\nbase:\n  server: {workers: 4, bind: a, admin: [x]}\n", "logging.yaml": "base: {}\n"}
    assert between(old, new) == (
        "setting setting.yaml: base.server.admin ['x'] comes",
        "setting setting.yaml: base.server.workers 2 -> 4",
    )


def test_a_broken_file_is_told_and_no_reason_to_stop() -> None:
    (line,) = between({"setting.yaml": ""}, {"setting.yaml": "base: ["})
    assert line.startswith("setting setting.yaml: the file is not YAML")


def test_commits_are_named_up_to_ten() -> None:
    titles = tuple(f"{number:07} Change {number}" for number in range(12))
    told = between({}, {}, titles)
    assert told[0] == "commit 0000000 Change 0"
    assert told[-1] == "and 2 commits before them"
    assert len(told) == 11
