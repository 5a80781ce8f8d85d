from __future__ import annotations

import pytest

from raab import servicename


@pytest.mark.parametrize("name", ["raab", "shop", "shop-2", "a", "x" * 31, "shop-staging", "edge", "deploy"])
def test_what_a_service_may_be_called(name: str) -> None:
    assert servicename.wrong(name) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "small letters") for name in ("", "x" * 32, "Shop", "2shop", "shop-", "-shop", "a--b", "shop\n", "é", "a.b", "a/b")),
        *((name, "for something else") for name in ("root", "sshd", "nginx", "postgres", "systemd-shop", "raab-edge", "dbus")),
        *((f"shop-{word}", f"end in -{word}") for word in ("activate", "deploy", "proof", "proxy", "edge")),
    ],
)  # fmt: skip
def test_what_no_service_may_be_called(name: str, why: str) -> None:
    """What is none for a unit, a user or a folder; what hosts have; what raab itself makes beside another service."""
    assert why in servicename.wrong(name)
