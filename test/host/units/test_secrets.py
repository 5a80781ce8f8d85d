"""Secrets on a host, as any user: systemd-creds is a script that turns what it reads around. test/lab/test_environment.py has systemd's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from raab.errors import RaabError
from raab.host.paths import Paths
from raab.host.units import claim, secrets

CREDS = f"""#!{sys.executable}
import sys, pathlib
folder = pathlib.Path(__file__).parent
with (folder / "words").open("a") as words:
    words.write(" ".join(sys.argv[1:]) + "\\n")
name = sys.argv[-3].encode()
content = sys.stdin.buffer.read()
if (folder / "none").exists() or sys.argv[-2:] != ["-", "-"]:
    sys.exit(1)
if sys.argv[1] == "encrypt":
    sys.stdout.buffer.write(name + content[::-1])
else:
    sys.stdout.buffer.write(content.removeprefix(name)[::-1])
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    (tmp_path / "stubs").mkdir()
    (tmp_path / "stubs/systemd-creds").write_text(CREDS)
    (tmp_path / "stubs/systemd-creds").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/stubs")
    monkeypatch.setattr(claim, "foreign", lambda paths: [])
    (tmp_path / "etc").mkdir()
    return Paths("shop", tmp_path / "opt", tmp_path / "etc", tmp_path / "run", tmp_path / "usr/local/bin", tmp_path / "var")


def there(paths: Paths) -> dict[str, tuple[bytes, int]]:
    files = [file for folder in (paths.secrets, paths.sealed) for file in folder.iterdir()]
    return {str(file.relative_to(paths.configuration)): (file.read_bytes(), file.stat().st_mode & 0o777) for file in files}


def test_a_secret_is_encrypted_where_the_host_can(paths: Paths, tmp_path: Path) -> None:
    """By the name under which systemd hands it over; and no value is in a word of a command."""
    assert secrets.put(paths, "KEY", b"hush")
    assert there(paths) == {"credentials.encrypted/KEY": (b"--name=sealed_KEYhsuh", 0o600)}
    assert [folder.stat().st_mode & 0o777 for folder in (paths.secrets, paths.sealed)] == [0o700, 0o700]
    assert "hush" not in (tmp_path / "stubs/words").read_text()
    (tmp_path / "stubs/none").touch()
    assert not secrets.put(paths, "KEY", b"in plain")
    assert there(paths) == {"credentials/KEY": (b"in plain", 0o600)}
    (tmp_path / "stubs/systemd-creds").unlink()
    assert not secrets.put(paths, "security.secret_key", b"x")
    assert [(one.name, one.encrypted) for one in secrets.stored(paths)] == [("KEY", False), ("security.secret_key", False)]
    assert (secrets.remove(paths, "KEY"), secrets.remove(paths, "KEY"), list(there(paths))) == (
        True,
        False,
        ["credentials/security.secret_key"],
    )


def test_what_the_host_gives_by_a_drop_in_counts(paths: Paths) -> None:
    """Settings that are secrets are no variables, and what is on its way is none."""
    folder = paths.units / "shop.service.d"
    folder.mkdir(parents=True)
    (folder / "own.conf").write_text(
        "[Service]\nLoadCredential=URL:/run/url\nSetCredentialEncrypted=TOKEN: x\nLoadCredential=raab:/x\nUser=x\n"
    )
    secrets.put(paths, "KEY", b"x")
    secrets.put(paths, "security.secret_key", b"x")
    (paths.secrets / "NEW.part").touch()
    assert secrets.names(paths) == ["KEY", "TOKEN", "URL", "raab", "security.secret_key"]


def test_what_the_current_release_needs_is_not_taken_away(paths: Paths) -> None:
    release = paths.release("20261122T061500Z-1a2b3c4")
    release.mkdir(parents=True)
    about = {"content": "", "version": "1", "commit": "", "lock": "", "secrets": ["KEY"]}
    (release / "manifest.json").write_text(json.dumps(about))
    paths.current.symlink_to(f"releases/{release.name}")
    secrets.put(paths, "KEY", b"x")
    secrets.put(paths, "OTHER", b"x")
    with pytest.raises(RaabError, match="the release that is current needs it, got KEY for shop"):
        secrets.remove(paths, "KEY")
    assert secrets.remove(paths, "OTHER")
