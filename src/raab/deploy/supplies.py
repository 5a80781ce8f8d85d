"""What the hosts' platforms need beside the bundle, looked at once for each platform."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from raab.deploy import wheels
from raab.deploy.bundle import Bundle
from raab.deploy.hostfacts import HostFacts
from raab.deploy.plan import Supplies
from raab.errors import RaabError


def supply(root: Path, bundle: Bundle, facts: Mapping[str, HostFacts]) -> dict[str, Supplies]:
    """The wheels for each host that does not have the release yet; what cannot be had is told in the host's own supplies."""
    known: dict[wheels.Platform, Supplies] = {}
    found = {}
    for name, host in facts.items():
        if host.with_content(bundle.content):
            continue
        if host.platform not in known:
            known[host.platform] = supply_platform(root, host.platform)
        found[name] = known[host.platform]
    return found


def supply_platform(root: Path, platform: wheels.Platform) -> Supplies:
    try:
        dependencies = wheels.fetch(root, root / "requirements.lock", platform)
        (uv,) = wheels.fetch(root, root / "requirements-dev.lock", platform, only="uv")
    except RaabError as error:
        return Supplies(problem=error)
    return Supplies(dependencies, uv)
