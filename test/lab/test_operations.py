"""What operators do on a host, done on a real one under load: no request fails (issue "Reload, scale and restart that nobody notices")."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from raab.drill.service import Service
from raab.drill.values import Client, Mix
from raab.drill.variants import PACKAGES, Content

if TYPE_CHECKING:
    from conftest import Steady, Traffic

# What takes seconds, beside what does not: answers that begin late, that come slowly, and bodies that arrive slowly.
LONG = Mix(fresh=25, reused=25, slow=3, streamed=3, uploads=3, slow_seconds=5, stream_seconds=4, upload_seconds=4)


def test_hup(service: Service, traffic: Traffic) -> None:
    """kill -HUP: a new generation of the release that is current by now, and nobody notices."""
    before = service.status()
    release = service.variant()
    with traffic() as load:
        service.switch(release)
        load.mark("HUP")
        service.kill("HUP")
        after = service.reloaded(before)
    assert (after.pid, after.release) == (before.pid, release)
    assert not {*after.serving} & {*before.serving}
    assert [label for label, _ in load.account.labels] == [before.release, release]


def test_systemctl_reload(service: Service, traffic: Traffic) -> None:
    """systemctl reload returns 0 when the new generation serves: every connection made after that is the new release's."""
    before = service.status()
    release = service.variant()
    with traffic() as load:
        service.switch(release)
        done = service.systemctl("reload")
        load.mark("reloaded")
        time.sleep(0.5)
    after = service.status()
    assert (done.status, after.pid, after.release) == (0, before.pid, release)
    fresh = load.account.of(Client.FRESH)
    late = {sample.label for sample in fresh.samples if sample.at > fresh.moment("reloaded")}
    assert late == {release}
