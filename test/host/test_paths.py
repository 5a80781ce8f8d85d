from __future__ import annotations

import re

import pytest

from raab.host.paths import RELEASE_ID, Paths, here, template_name


@pytest.mark.parametrize("name", ["20261122T061500Z-1a2b3c4", "20261122T061500Z-1a2b3c4-dirty"])
def test_release_ids(name: str) -> None:
    assert Paths("raab").release(name).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "current",
        "../20261122T061500Z-1a2b3c4",
        "20261122T061500Z-1a2b3c4/..",
        "20261122T061500Z-1A2B3C4",
        "20261122T061500Z-1a2b3c4\n",
    ],
)
def test_what_is_no_release_id_becomes_no_path(name: str) -> None:
    assert not RELEASE_ID.match(name)
    with pytest.raises(ValueError, match="not a release id"):
        Paths("raab").release(name)


def test_a_template_belongs_to_the_wheels_in_it_and_one_interpreter() -> None:
    """Whatever their order; not to a lock, by which two machines may build two wheels of one source."""
    names = [template_name(wheels, "3.11.2", "x86_64") for wheels in (("a" * 64, "b" * 64), ("b" * 64, "a" * 64), ("a" * 64,), ())]
    assert names[0] == names[1] and len(set(names)) == 3
    assert all(re.fullmatch("[0-9a-f]{64}-cp311-x86_64", name) for name in names)


def test_what_is_of_one_service_bears_its_name_and_what_is_of_the_host_does_not() -> None:
    """raab's own is where it has always been."""
    folders = ("root", "configuration", "runtime", "deploying", "token", "started", "credentials")
    raab = [str(getattr(Paths("raab"), name)) for name in folders]
    assert raab == [
        "/opt/raab", "/etc/raab", "/run/raab", "/run/raab-deploy", "/run/raab-proof", "/run/raab-started.json",
        "/run/credentials/raab.service",
    ]  # fmt: skip
    shop = Paths("shop")
    assert [str(getattr(shop, name)) for name in folders] == [path.replace("raab", "shop") for path in raab]
    assert (shop.unit, shop.user, shop.activation_unit) == ("shop.service", "shop", "shop-activate.service")
    assert (str(shop.roots_own), str(shop.command)) == ("/usr/local/lib/raab", "/usr/local/bin/raab")


def test_a_process_of_a_service_knows_which_one() -> None:
    assert here({"RUNTIME_DIRECTORY": "/run/shop"}) == Paths("shop")
    assert here({}) == here({"RUNTIME_DIRECTORY": ""}) == Paths("raab")
