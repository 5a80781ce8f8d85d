"""Where a service may be reached from elsewhere."""

from __future__ import annotations

import pytest

from raab.deploy.plan.python import unreadable
from raab.deploy.plan.reach import reachable


@pytest.mark.parametrize(
    ("bind", "urls"),
    [
        ("0.0.0.0:8000", ["http://192.0.2.1:8000/"]),
        ("[::]:8000", ["http://192.0.2.1:8000/"]),
        ("[2001:db8::7]:80", ["http://[2001:db8::7]:80/"]),
        ("198.51.100.7:80", ["http://198.51.100.7:80/"]),
        ("127.0.0.1:8000", []),
        ("[::1]:8000", []),
        ("localhost:8000", []),
        ("unix:/run/raab/http", []),
    ],
)
def test_by_which_urls(bind: str, urls: list[str]) -> None:
    assert list(reachable("192.0.2.1", [bind])) == urls


def test_a_python_that_the_services_user_cannot_see() -> None:
    assert "lies below /root" in unreadable("/root/.pyenv/versions/3.12/bin/python3.12")
    assert "lies below /home" in unreadable("/home/me/bin/python3")
    assert not unreadable("/usr/bin/python3") and not unreadable("/rooted/python3")
