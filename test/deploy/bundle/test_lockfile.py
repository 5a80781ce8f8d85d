"""What a lock may say, and what is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from raab.deploy.bundle import lockfile
from raab.errors import RaabError

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def read(tmp_path: Path, text: str | bytes) -> lockfile.Lock:
    file = tmp_path / "requirements.lock"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return lockfile.read(file)


def test_entries_as_pip_reads_them(tmp_path: Path) -> None:
    lock = read(
        tmp_path,
        f"# made by a tool\nFlask_Login[extra]==3.1.3 ; python_version < '3.13' \\\n    --hash={A} \\\n    --hash={B}\n    # via raab\n\n"
        f"six == 1.17.0 --hash {A}  # by hand\nmine @ https://example.org/mine-1.0-py3-none-any.whl#sha256={'a' * 64}\n",
    )
    flask, six, mine = lock.locked
    assert (flask.name, flask.version, flask.hashes, flask.marker) == ("flask-login", "3.1.3", (A, B), 'python_version < "3.13"')
    assert six.line == f"six==1.17.0 --hash={A}"
    assert mine.line == f"mine @ https://example.org/mine-1.0-py3-none-any.whl --hash={A}"


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfsix==1 --hash=%b", b"\xff\xfe" + b"six==1 --hash=%b"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path, text: bytes) -> None:
    content = text.replace(b"%b", A.encode())
    if content.startswith(b"\xff\xfe"):
        content = b"\xff\xfe" + content[2:].decode().encode("utf-16-le")
    assert [one.name for one in read(tmp_path, content).locked] == ["six"]


def test_the_places_that_pip_looks_in_are_honoured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With variables filled in, and folders meant from where the lock lies."""
    monkeypatch.setenv("TOKEN", "s3cret")
    (tmp_path / "own").mkdir()
    lock = read(
        tmp_path,
        "-i https://u:${TOKEN}@index.example/simple\n--extra-index-url=https://other.example/simple\n-f own\n--find-links https://x.example/\n"
        "--no-index\n--trusted-host x.example\n--only-binary :all:\n--require-hashes\n",
    )
    assert lock.options == (
        "--index-url https://u:s3cret@index.example/simple",
        "--extra-index-url https://other.example/simple",
        f"--find-links {tmp_path / 'own'}",
        "--find-links https://x.example/",
        "--no-index",
        "--trusted-host x.example",
    )
    assert lock.wheels_only == {":all:"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("-r other.txt", "an option that a lock may not have, got -r other.txt"),
        ("--requirement=other.txt", "an option that a lock may not have"),
        ("-f wheels", "--find-links names what is not there, got wheels"),
        ("-c limits.txt", "an option that a lock may not have"),
        ("-e .", "an option that a lock may not have, got -e ."),
        ("--no-binary six", "an option that a lock may not have"),
        ("./vendor/mine.whl", "not a requirement, got ./vendor/mine.whl"),
        ("https://u:s3cret@x.example/mine.whl", r"not a requirement, got https://\*\*\*\*@x.example/mine.whl"),
        (f"mine @ git+https://x.example/mine.git --hash={A}", "an address whose content no hash can vouch for"),
        ("mine @ https://x.example/mine-1.0-py3-none-any.whl", "no --hash"),
        (f"six --hash={A}", "not pinned to one version with =="),
        (f"six>=1.0 --hash={A}", "not pinned to one version with =="),
        (f"six==1.* --hash={A}", "not pinned to one version with =="),
        (f"six==1.0,<2 --hash={A}", "not pinned to one version with =="),
        ("six==1.0", "no --hash"),
        ("six==1.0 --hash=md5:abc", "a hash that is none of SHA-256 or longer"),
        ("six==1.0 --hash=sha256:abc", "a hash that is none of SHA-256 or longer"),
        ("flask === = 3", "not a requirement, got flask"),
        (f"six==1.0 --global-option=x --hash={A}", "not a requirement"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_its_line(tmp_path: Path, line: str, says: str) -> None:
    """Today's alternative is worse: to drop what is not understood, and ask the public index for the rest."""
    with pytest.raises(RaabError, match=says) as raised:
        read(tmp_path, f"# first\n{line}\n")
    assert raised.value.message.startswith("requirements.lock:2: ")
    assert raised.value.exit_code == 2


def test_a_lock_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(RaabError, match="not a text, got byte 0xff"):
        read(tmp_path, b"six\xff==1\n")


def test_hosts_get_no_place_and_no_credentials() -> None:
    text = (
        f"\ufeff--index-url https://u:s3cret@index.example/simple\n-f own\n# from https://u:s3cret@index.example\nsix==1 \\\n  --hash={A}\n"
        f"mine @ https://u:s3cret@x.example/mine-1.0-py3-none-any.whl --hash={A}\n"
    )
    told = lockfile.for_hosts(text)
    assert told == (
        f"# from https://index.example\nsix==1 \\\n  --hash={A}\nmine @ https://x.example/mine-1.0-py3-none-any.whl --hash={A}\n"
    )
    plain = f"# by uv\nsix==1 \\\n  --hash={A}\n"
    assert lockfile.for_hosts(plain) == plain


def test_a_place_that_goes_on_in_the_next_line_reaches_no_host() -> None:
    told = lockfile.for_hosts(f"--index-url \\\n  https://index.example/simple?token=s3cret\nsix==1 \\\n    --hash={A}\n")
    assert told == f"six==1 \\\n    --hash={A}\n"
