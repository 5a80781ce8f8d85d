"""The edge of this host in front of a service on others. Standard library only."""

from __future__ import annotations

from collections.abc import Callable

from raab import exitcodes
from raab.errors import RaabError
from raab.host.edge import assets, fronts, reach, through
from raab.host.edge.site import Upstream
from raab.host.paths import Paths
from raab.protocol.edge import Edge
from raab.protocol.requests import Front

Say = Callable[[str], None]


def judge(paths: Paths, told: Edge, upstreams: tuple[str, ...], say: Say) -> None:
    """What it needs for the service is there, and it would take that up. Raises RaabError; nothing that is served changes."""
    _apart(paths)
    reach.judge(paths, told, tuple(map(Upstream, upstreams)), say)
    # Its pages may be asked for files as soon as the hosts serve it, and the edge is told of it when all do.
    _lay(paths, fronts.kept_or_none(paths), told)


def front(paths: Paths, request: Front, say: Say) -> None:
    """Take requests for the service on those hosts, and prove it; or, for no release, none any more.

    Raises RaabError where that does not work, and does then what it did before.
    """
    _apart(paths)
    if not request.release:
        reach.follow(paths, None, (), say)
        fronts.mark(paths, "")
        return
    told = request.told or fronts.kept(paths, request.release)
    before, was = fronts.standing(paths), fronts.kept_or_none(paths)
    if told.files and not (paths.brought / told.files).exists():
        problem = f"static: the files of {request.release} are not on this edge any more"
        raise RaabError(problem, "deploy that commit again", exitcodes.REFUSED)
    _lay(paths, told)
    reach.follow(paths, told, _weighed(request.upstreams, request.weights), say)
    try:
        say("proving it by answers of each host, and by one through the edge")
        for upstream in request.upstreams:
            through.answers(upstream, told.domains[0])
        for domain in told.domains:
            through.leads(paths, told, domain, say)
        assets.prove(paths, told, assets.brought(paths, told))
    except RaabError:
        _lay(paths, was)
        reach.follow(paths, was, _weighed(before.upstreams, before.weights) if before else (), say)
        raise
    fronts.keep(paths, request.release, told)
    assets.forget(paths, fronts.all_kept(paths))


def _weighed(addresses: tuple[str, ...], weights: tuple[int, ...]) -> tuple[Upstream, ...]:
    """All alike where nothing is said of it."""
    if weights and len(weights) != len(addresses):
        raise RaabError(f"edge: needs a weight for each upstream, got {len(weights)} for {len(addresses)}", "", exitcodes.BAD_INPUT)
    pairs = zip(addresses, weights or (1,) * len(addresses), strict=True)
    return tuple(Upstream(address, weight=weight) for address, weight in pairs)


def _lay(paths: Paths, *first: Edge | None) -> None:
    """The files of these before those of all else that it was told of, the newest first."""
    assets.arrange_brought(paths, *(told for told in (*first, *fronts.all_kept(paths)) if told))


def _apart(paths: Paths) -> None:
    """Raises RaabError where the service is on this host as well: its own activations tell the edge of it."""
    if paths.current.is_symlink():
        problem = f"edge: {paths.name} is served on this host as well, which is to be nothing but an edge for it"
        raise RaabError(problem, "`fab remove` takes it off this host, by a file that names it without the role edge", exitcodes.REFUSED)
