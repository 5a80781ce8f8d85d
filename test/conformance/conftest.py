"""The service, once for all cases, and the proxies before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .innocent import Innocent, innocents
from .proxies import proxied
from .service import Service, serving

if TYPE_CHECKING:
    from ..conftest import Programs


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
