"""Root executes nothing of a release: a dependency's .pth file, which each interpreter of the release runs, says as whom it ran."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from pathlib import Path
from typing import Any

import pytest

# Where the service may write, too. One file a user, since none may write another's.
SEEN = "/var/lib/raab/ran-as-"
SPY = f"import os; exec('try: open(\\'{SEEN}%d\\' % os.getuid(), \\'a\\').write(str(os.getpid()) + chr(10))\\nexcept OSError: pass')\n"


def make_wheel(folder: Path) -> str:
    """A dependency with such a file; returns its line for a lock."""
    files = {
        "spy.pth": SPY,
        "spy.py": "",
        "spy-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: spy\nVersion: 1.0\n",
        "spy-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={digest(text)},{len(text)}\n" for name, text in files.items()) + "spy-1.0.dist-info/RECORD,,\n"
    wheel = folder / "spy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, "spy-1.0.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return f"spy==1.0 \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def test_no_code_of_a_release_runs_as_root(project: Any, lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over a deploy with new dependencies, a code-only one, a rollback, and all that people ask meanwhile."""
    host = lab.fresh()
    shell = lab.shell(host)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    lock = project.root / "requirements.lock"
    lock.write_text(lock.read_text() + make_wheel(tmp_path))
    # As a library makes it before its release is there: the service's user could write here before the first trial.
    shell.run("mkdir -p /var/lib/raab && chmod 1777 /var/lib/raab")
    project.fab("deploy", "--hosts", host.name)
    project.mark("two")
    project.fab("deploy", "--hosts", host.name)
    for verb in ("status", "doctor", "scale 3", "reload", "rollback", "releases", "history"):
        word, *count = verb.split()
        project.fab(word, *(("--count", *count) if count else ()), "--hosts", host.name)
    for typed in ("status", "check", "config", "trial", "metrics", "scale 2", "reload", "drain", "undrain", "settings"):
        shell.run(f"cd / && raab {typed}")
    shell.run("systemctl reload raab && systemctl restart raab")
    ran = shell.run(f"cd /var/lib/raab && ls | grep ran-as; id -u raab; wc -l <{SEEN}$(id -u raab)").out.split()
    # It did run, and often: by the master, by each question, at each start.
    assert ran[0] == f"ran-as-{ran[1]}" and len(ran) == 3, ran
    assert int(ran[2]) > 20
