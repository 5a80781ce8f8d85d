"""In which control group a process is, by what the kernel says of it."""

from __future__ import annotations

import pytest

from raab.host.processes import in_hierarchy

LEGACY = "9:name=systemd:/system.slice/shop.service\n4:memory:/\n"
UNIFIED = "0::/system.slice/shop.service\n"
# As in a container with systemd 262, on a machine that has the older hierarchies.
AROUND = "9:name=systemd:/\n4:memory:/\n0::/system.slice/shop.service\n"


@pytest.mark.parametrize(("text", "unified"), [
    (LEGACY, False), (UNIFIED, True), (AROUND, True), (f"{LEGACY}0::/system.slice/shop.service\n", False),
    ("0::/a:b\n", True), ("", True),
])  # fmt: skip
def test_the_hierarchy_is_systemds(text: str, unified: bool) -> None:
    wanted = "/a:b" if "a:b" in text else "/system.slice/shop.service" if text else ""
    assert in_hierarchy(text, unified) == wanted
