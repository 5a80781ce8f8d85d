"""What a variable and a secret can be called and hold. test/lab/test_environment.py asks systemd itself."""

from __future__ import annotations

import pytest

from raab import variable

TAKEN = ("RAAB_SERVER__WORKERS", "raab_x", "GUNICORN_CMD_ARGS", "NOTIFY_SOCKET", "LISTEN_FDS", "CREDENTIALS_DIRECTORY", "INVOCATION_ID",
    "HANDOVER_CHANNEL", "ADMIN_LISTENERS", "WATCHDOG_USEC")  # fmt: skip


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "A\n", "é", "A.B", "A" * 129, *TAKEN])
def test_a_name_that_no_variable_can_have(name: str) -> None:
    assert variable.wrong(name)


@pytest.mark.parametrize("name", ["A", "_", "DATABASE_URL", "http_proxy", "HOME", "TZ", "LD_PRELOAD", "A" * 128])
def test_a_name_that_one_can_have(name: str) -> None:
    assert not variable.wrong(name) and not variable.wrong_stored(name)


def test_a_secret_may_also_be_a_setting() -> None:
    assert not variable.wrong_stored("security.secret_key")
    for name in ("../x", "security.", ".x", "a.b/c", "Security.x", "a", "x.part/"):
        assert variable.wrong_stored(name) == variable.wrong(name)


@pytest.mark.parametrize("value", ["a\0", "a\r", "\x1b[1m", "\x7f", "\ud800", "\ufffe", "\ufdd0", "x" * 32_769])
def test_a_value_that_systemd_would_not_take(value: str) -> None:
    assert variable.wrong_value(value)


@pytest.mark.parametrize("value", ["", " ", "a\tb\nc", "'\"\\$HOME %n ${X} `id`", "é☃😀", "\x85\u2028", "x" * 32_768])
def test_a_value_that_it_takes(value: str) -> None:
    assert not variable.wrong_value(value)


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "nothing"), (b" \n", "nothing"), (b"a\0b", "NUL"), (b"\xff", "UTF-8"), (b"x" * 65_537, "bytes")]
)
def test_what_can_be_no_secret_is_told_without_it(content: bytes, said: str) -> None:
    assert said in variable.wrong_secret(content)
    assert not variable.wrong_secret(b"-----BEGIN KEY-----\nx\r\n\x1b")
