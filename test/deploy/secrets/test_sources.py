from __future__ import annotations

import io
import sys

import pytest

from raab.deploy.secrets import sources
from raab.errors import RaabError


def test_a_commands_output_is_the_value_without_its_last_newline(capfd: pytest.CaptureFixture[str]) -> None:
    assert sources.read("KEY", "printf 'two\\nlines\\n'; echo asking >&2") == "two\nlines"
    assert capfd.readouterr() == ("", "asking\n")


def test_standard_input_is_read_where_nobody_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("pä ss\n".encode())))
    assert sources.read("KEY", "") == "pä ss"


@pytest.mark.parametrize(
    ("command", "said"), [("echo s3cr3t; exit 3", "exit code 3"), ("true", "nothing in it"), ("printf 's3cr3t\\0'", "NUL")]
)
def test_what_is_none_is_refused_and_not_shown(command: str, said: str) -> None:
    with pytest.raises(RaabError) as caught:
        sources.read("KEY", command)
    assert said in str(caught.value) and "s3cr3t" not in str(caught.value)
