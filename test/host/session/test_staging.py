"""A session stages a release below a folder of the test's own, as any user: the real code, but for uv, which here is a script that makes an
environment without dependencies."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from raab.host import seal
from raab.host.activation.activation import Activation
from raab.host.activation.task import Task
from raab.host.paths import Paths
from raab.host.session.install import exchange
from raab.host.session.session import Session
from raab.host.units import unit, unitfiles
from raab.host.verify import RAABS_OWN, record_digest

UV = f"""#!/bin/sh
for last; do :; done
if [ "$3" = --no-cache ] && [ "$4" = venv ]; then
    {sys.executable} -m venv --without-pip --symlinks "$last"
    mkdir -p "$last/bin" && echo "a dependency's" >"$last/bin/flask"
fi
"""


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(files: dict[str, str], name: str) -> bytes:
    made = io.BytesIO()
    files = {**files, f"{name}-1.dist-info/WHEEL": "Wheel-Version: 1.0\n"}
    rows = [f"{path},sha256={record_digest(text.encode())}," for path, text in files.items()]
    with zipfile.ZipFile(made, "w") as archive:
        for path, text in {**files, f"{name}-1.dist-info/RECORD": "\n".join([*rows, f"{name}-1.dist-info/RECORD,,"])}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return made.getvalue()


class Bundle:
    """A release and how it is sent."""

    def __init__(self, files: dict[str, str] | None = None, content: str = "1a2b3c4" + "0" * 57) -> None:
        self.app = wheel({"raab/__init__.py": "", "raab/say.py": "x = 1\n", **(files or {})}, "raab")
        self.uv = wheel({"uv-1.data/scripts/uv": UV}, "uv")
        self.parts = {"raab-1-py3-none-any.whl": self.app, "requirements.lock": b"", "wsgi.py": b"application = None\n"}
        self.parts["systemd/raab.service"] = b"[Service]\nUser=raab\n"
        self.id = f"20261122T061500Z-{content[:7]}"
        self.manifest: dict[str, Any] = {
            "id": self.id, "service": "raab", "version": "1", "commit": "0" * 40, "content": content, "lock": sha(b""), "wheels": [],
            "parts": [{"name": name, "sha256": sha(text), "size": len(text)} for name, text in self.parts.items()],
        }  # fmt: skip

    def request(self) -> bytes:
        sent = {name.rpartition("/")[2]: text for name, text in self.parts.items()} | {"uv-1-py3-none-any.whl": self.uv}
        send = [{"name": name, "sha256": sha(text), "size": len(text)} for name, text in sent.items()]
        request = {"op": "stage", "service": "raab", "manifest": json.dumps(self.manifest), "send": send, "uv": sha(self.uv)}
        return json.dumps(request).encode() + b"\n" + b"".join(sent.values())


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths("raab", tmp_path / "opt", tmp_path / "etc", tmp_path / "run", tmp_path / "usr/local/bin")


@pytest.fixture(autouse=True)
def no_unit_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is to be started lies below the test's folder: systemd's own would pass for a sign that this machine runs it (sd_booted(3))."""
    monkeypatch.setattr(unit, "_UNITS", tmp_path)


def converse(paths: Paths, *requests: bytes) -> list[dict[str, Any]]:
    """The answers to these of a session that holds the lock, steps left out."""
    sink = io.BytesIO()
    lock = b'{"op": "lock", "service": "raab", "who": "ann", "machine": "laptop", "what": "a test"}\n'
    Session(paths, {}, io.BytesIO(lock + b"".join(requests)), sink).serve()
    return [told for line in sink.getvalue().split(b"\n") if line if (told := json.loads(line))["event"] != "step"][1:]


def test_nothing_is_changed_without_the_lock(paths: Paths) -> None:
    """Whatever it is; and what comes after it is none of a request's."""
    label = {"op": "label", "service": "raab", "release": "20261122T061500Z-1a2b3c4", "commit": "0" * 40, "who": "ann", "machine": "laptop"}
    for request in (Bundle().request(), json.dumps(label).encode() + b"\n", b'{"op": "service", "service": "raab", "action": "restart"}\n'):
        sink = io.BytesIO()
        Session(paths, {}, io.BytesIO(request), sink).serve()
        (answer,) = [json.loads(line) for line in sink.getvalue().split(b"\n") if line]
        assert "only for who holds the lock" in answer["message"] and answer["code"] == 6
    assert not paths.root.exists()


def test_a_release_is_whole_or_not_there(paths: Paths) -> None:
    """All of its parts in their places, noted, with bytecode; staged once more, nothing is done."""
    bundle = Bundle()
    (answer,) = converse(paths, bundle.request())
    assert answer["event"] == "done", answer
    release = paths.release(bundle.id)
    assert json.loads((release / "manifest.json").read_bytes()) == bundle.manifest
    assert (release / "systemd/raab.service").read_bytes() == bundle.parts["systemd/raab.service"]
    assert list(release.glob("venv/lib/python3*/site-packages/raab/__pycache__/say.*.pyc"))
    assert seal.damage(release, RAABS_OWN, closely=True) == []
    assert [path.name for path in paths.releases.iterdir()] == [bundle.id]
    inode = (release / "wsgi.py").stat().st_ino
    assert converse(paths, bundle.request())[0]["event"] == "done"
    assert (release / "wsgi.py").stat().st_ino == inode


def test_what_was_damaged_is_made_anew_beside_and_exchanged(paths: Paths) -> None:
    """A file of the environment too, which is written to through the links of every release."""
    bundle = Bundle()
    converse(paths, bundle.request())
    release = paths.release(bundle.id)
    (release / "wsgi.py").unlink()
    (release / "venv/bin/flask").write_text("something else")
    (template,) = paths.templates.glob("*-cp*")
    assert (template / "bin/flask").read_text() == "something else"
    assert converse(paths, bundle.request())[0]["event"] == "done"
    assert seal.damage(release, RAABS_OWN, closely=True) == []
    assert (release / "venv/bin/flask").read_text() == "a dependency's\n"
    assert [path.name for path in paths.releases.iterdir()] == [bundle.id]


def test_another_release_of_the_same_name_is_refused(paths: Paths) -> None:
    """Seven digits of two contents may be the same."""
    bundle = Bundle()
    converse(paths, bundle.request())
    other = Bundle(content="1a2b3c4" + "f" * 57)
    (answer,) = converse(paths, other.request())
    assert "another release has this id" in answer["message"] and answer["code"] == 5
    assert json.loads(paths.manifest(bundle.id).read_bytes()) == bundle.manifest


def test_a_wheel_with_a_dependencys_name_changes_nothing(paths: Paths) -> None:
    (answer,) = converse(paths, Bundle({"raab-1.data/scripts/flask": "mine"}).request())
    assert "got bin/flask" in answer["message"], answer
    assert not list(paths.releases.glob("[0-9]*Z-???????"))
    (template,) = paths.templates.glob("*-cp*")
    assert (template / "bin/flask").read_text() == "a dependency's\n"


def test_the_lock_is_one_s_alone_until_it_is_let_go(paths: Paths) -> None:
    """Facts come with it."""
    lock = json.dumps({"op": "lock", "service": "raab", "who": "ann", "machine": "m", "what": "a deploy"}).encode() + b"\n"
    first, second, third = converse(paths, lock, b'{"op": "let_go", "service": "raab"}\n', lock)
    assert (first["event"], second["event"], third["event"]) == ("done", "done", "done")
    assert first["facts"]["lock"]["who"] == "ann" and first["facts"]["damaged"] == []


def test_a_session_is_about_one_service(paths: Paths) -> None:
    """What it has locked and staged is that one's; another one's release has no place in its folder."""
    ask = '{{"op": "history", "service": "{}"}}\n'.format
    first, second, *rest = converse(paths, ask("raab").encode(), ask("shop").encode(), ask("raab").encode())
    assert (first["event"], second["event"], second["code"], rest) == ("done", "error", 2, [])
    assert "a session is about one service, got shop after raab" in second["message"]
    bundle = Bundle()
    bundle.manifest["service"] = "shop"
    answer = converse(paths, bundle.request())[-1]
    assert (answer["event"], answer["code"]) == ("error", 2) and "a release of another service, got shop for raab" in answer["message"]
    assert not paths.releases.exists()


def test_an_activation_refuses_what_is_not_as_it_was_installed(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is switched, the verdict says why, and the release is no complete one any more. systemctl is a script that knows no unit."""
    stub(tmp_path, monkeypatch, "systemctl", "exit 0")
    bundle = Bundle()
    converse(paths, bundle.request())
    (paths.release(bundle.id) / "venv/evil.pth").write_text("import os\n")
    assert Activation(paths, Task(bundle.id), None).run() == 4
    verdict = json.loads(paths.events.read_bytes().splitlines()[-1])
    assert (verdict["ok"], verdict["reverted"], verdict["switched"]) == (False, True, False)
    assert "venv/evil.pth is there and should not be" in verdict["reason"]
    assert not paths.current.exists() and not paths.manifest(bundle.id).exists()
    # The same again makes it anew.
    converse(paths, bundle.request())
    assert seal.damage(paths.release(bundle.id), RAABS_OWN) == []


def test_an_activation_that_the_host_refuses_has_a_verdict(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its journal cannot be written, as on a disk that is full: nothing is switched, and that is said."""
    stub(tmp_path, monkeypatch, "systemctl", "exit 0")
    bundle = Bundle()
    converse(paths, bundle.request())
    paths.journal.mkdir()
    assert Activation(paths, Task(bundle.id), None).run() == 4
    verdict = json.loads(paths.events.read_bytes().splitlines()[-1])
    assert (verdict["ok"], verdict["reverted"], verdict["switched"]) == (False, True, False)
    assert verdict["reason"] == f"activation: the host refused, got {paths.journal}: Is a directory"
    assert not paths.current.exists() and paths.manifest(bundle.id).exists()


def test_what_the_host_refuses_is_no_defect(paths: Paths) -> None:
    """Its lock cannot be written: the deployer is told which file, and what to look at."""
    paths.run.mkdir()
    paths.deploying.write_text("in the way")
    sink = io.BytesIO()
    lock = b'{"op": "lock", "service": "raab", "who": "ann", "machine": "laptop", "what": "a test"}\n'
    Session(paths, {}, io.BytesIO(lock), sink).serve()
    (answer,) = [json.loads(line) for line in sink.getvalue().split(b"\n") if line]
    assert answer["code"] == 5 and answer["message"].startswith(f"lock: the host refused, got {paths.deploying}")


def test_an_activation_believes_of_a_release_what_its_own_user_said(paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemctl is a script that keeps what it was to start, and answers for it as a release that has been taken over might."""
    answer = """printf '{"bind": ["/etc/passwd"], "admin_port": 0}' 1<>$(sed -n s/StandardOutput=file://p """ + f"{tmp_path}/$2)"
    stub(tmp_path, monkeypatch, "systemctl", f'[ "$1" != start ] || {{ cat {tmp_path}/$2 >>{tmp_path}/asked; {answer}; }}')
    monkeypatch.setattr(unitfiles, "prepare", lambda *_: False)
    bundle = Bundle()
    converse(paths, bundle.request())
    assert Activation(paths, Task(bundle.id), None).run() == 4
    verdict = json.loads(paths.events.read_bytes().splitlines()[-1])
    assert "settings: the release does not say what they are" in verdict["reason"] and not verdict["switched"]
    asked = (tmp_path / "asked").read_text()
    assert "User=raab\n" in asked and f"{paths.release(bundle.id)}/venv/bin/python -I -m raab.host settings" in asked


def stub(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """A command of that name, found before the system's."""
    (folder / "stubs").mkdir(exist_ok=True)
    (folder / "stubs" / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / "stubs" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/stubs:{os.environ['PATH']}")


def test_two_folders_change_places_at_once(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    exchange(tmp_path / "a", tmp_path / "b")
    assert [(tmp_path / name / "file").read_text() for name in "ab"] == ["b", "a"]
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "b")
    assert subprocess.run(("ls", str(tmp_path)), capture_output=True, text=True).stdout == "b\n"
