"""What a lock may say."""

from __future__ import annotations

from .case import Stage, case

FAMILY = "locks"
LOCK = "requirements.lock"
HASH = "--hash=sha256:" + "0" * 64
LINES = (
    ("-e", "-e .\n", "an option that a lock may not have, got -e ."),
    ("-r", "-r other.txt\n", "an option that a lock may not have, got -r other.txt"),
    ("a dependency that is not pinned", f"colorama>=0.4 {HASH}\n", "not pinned to one version with ==, got colorama>=0.4"),
    ("a dependency without a hash", "colorama==0.4.6\n", "no --hash, got colorama==0.4.6"),
    ("a hash of a kind that is too short", "colorama==0.4.6 --hash=md5:0\n", "a hash that is none of SHA-256 or longer"),
    ("a dependency out of a repository", f"colorama @ git+https://127.0.0.1/x {HASH}\n", "an address whose content no hash can vouch for"),
    ("a line that is no requirement", "what is this\n", "not a requirement, got what is this"),
    ("bytes that are no text", b"\xff\xff\xff\n", "requirements.lock: not a text, got byte 0xff"),
)
for _name, _line, _said in LINES:

    @case(FAMILY, _name, 2, _said, quick=_name == "-e")
    def _(stage: Stage, line: str | bytes = _line) -> None:
        first = line if isinstance(line, bytes) else line.encode()
        stage.write(LOCK, first + (stage.root / LOCK).read_bytes())


@case(
    FAMILY,
    "a lock that lacks what setup.py asks for",
    2,
    "requirements.lock: it lacks what is needed, got raab needs colorama>=0.4, and the lock has none",
)
def _(stage: Stage) -> None:
    stage.change("setup.py", '"httptools>=0.6.4",', '"httptools>=0.6.4",\n        "colorama>=0.4",')


@case(FAMILY, "an index that is not reachable", 5, "wheels: the index is not reachable, asked for colorama 0.4.6")
def _(stage: Stage) -> None:
    text = (stage.root / LOCK).read_text()
    stage.write(LOCK, f"--index-url http://user:s3cret@127.0.0.1:1/simple\ncolorama==0.4.6 {HASH}\n{text}")


@case(FAMILY, "a version that the index does not have", 5, "wheels: the index has no such version, got colorama 999")
def _(stage: Stage) -> None:
    (stage.root / "own").mkdir()
    text = (stage.root / LOCK).read_text()
    stage.write(LOCK, f"--no-index\n--find-links own\ncolorama==999 {HASH}\n{text}")
