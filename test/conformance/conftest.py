"""The service, once for all cases, and the proxies before it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Programs


def _package() -> None:
    """Makes this folder a package of the name `conformance`: with importlib mode pytest puts no folder on sys.path."""
    here = Path(__file__).parent
    spec = importlib.util.spec_from_file_location("conformance", here / "__init__.py", submodule_search_locations=[str(here)])
    assert spec and spec.loader
    sys.modules["conformance"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["conformance"])


_package()

from conformance.innocent import Innocent, innocents  # noqa: E402  # the package has to be there first
from conformance.proxies import proxied  # noqa: E402
from conformance.service import Service, serving  # noqa: E402


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """raab with one worker, so that what has been seen is asked where it was seen."""
    with serving(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module", params=["haproxy", "nginx"])
def proxy(request: pytest.FixtureRequest, programs: Programs, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of each proxy in turn."""
    with proxied(programs, request.param, tmp_path_factory.mktemp(request.param), service.address) as address:
        yield address


@pytest.fixture(scope="module")
def beside(proxy: str) -> Iterator[list[Innocent]]:
    """Innocent clients of the same proxy."""
    with innocents(proxy) as clients:
        yield clients
