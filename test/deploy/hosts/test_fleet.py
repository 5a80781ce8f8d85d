"""The same on many hosts at once."""

from __future__ import annotations

from raab.deploy.hosts.fleet import everywhere
from raab.errors import RaabError


def test_an_error_on_one_host_leaves_the_others_alone() -> None:
    def work(name: str) -> str:
        if name == "b":
            raise RaabError("b is down")
        return name.upper()

    done = everywhere("abc", work, parallel=2)
    assert done.done == {"a": "A", "c": "C"}
    assert str(done.failed["b"]) == "b is down"
