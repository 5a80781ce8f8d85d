"""What the edge is to do for each service, as files of root's, and what is made of all of them. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from raab.errors import RaabError
from raab.host.durable import write_durably
from raab.host.edge import assets, edition
from raab.host.edge.compose import compose
from raab.host.edge.site import Certificate, Ground, Kind, Site, Static, Upstream
from raab.host.paths import EdgePaths, Paths
from raab.protocol import edge
from raab.protocol.edge import ACME, INTERNAL, Edge


def wanted(release: Path) -> Edge | None:
    """What a release says of this host's edge, by its manifest, which nobody but root can have written; None where other hosts are it."""
    told = edge.of(json.loads((release / "manifest.json").read_bytes()))
    return None if told and told.edges else told


def file(paths: Paths) -> Path:
    """Of one service."""
    return paths.edge.sites / f"{paths.name}.json"


def roots(paths: Paths) -> Path:
    """By which the service's authority is believed."""
    return paths.edge.sites / f"{paths.name}.pem"


def page(paths: Paths) -> Path:
    """What everybody gets of the service while it is there."""
    return paths.edge.pages / f"{paths.name}.html"


def of(paths: Paths, told: Edge, elsewhere: tuple[Upstream, ...] = ()) -> Site:
    """How the service is reached: it is asked at its own socket on this host, or where it answers `elsewhere`. How large a body may be
    it says itself, for each of its routes."""
    kind: Kind = INTERNAL if told.certificate == INTERNAL else ACME
    certificate = Certificate(kind, told.directory or None, told.email or None, (str(roots(paths)),) if told.root else ())
    upstreams = elsewhere or (Upstream(f"unix/{paths.asked}"),)
    # The longer prefix first: it may lie within the other one.
    prefixes = sorted((one.prefix for one in told.statics), key=lambda prefix: (-len(prefix), prefix))
    statics = tuple(Static(prefix, (str(assets.folder(paths, prefix)),)) for prefix in prefixes)
    return Site(paths.name, told.domains, upstreams, certificate, told.hsts or None, 0, statics, str(page(paths)), told.edges)


def written(site: Site) -> bytes:
    return json.dumps(asdict(site), indent=1).encode() + b"\n"


def read(text: bytes) -> Site:
    told: dict[str, Any] = json.loads(text)
    certificate: Mapping[str, Any] = told.pop("certificate")
    return Site(
        told["service"],
        tuple(told["domains"]),
        tuple(Upstream(**one) for one in told["upstreams"]),
        Certificate(**{**certificate, "roots": tuple(certificate["roots"])}),
        told["hsts"],
        told["body_limit"],
        tuple(Static(one["prefix"], tuple(one["folders"])) for one in told["statics"]),
        told["maintenance"],
        tuple(told.get("edges", ())),
    )


def there(place: EdgePaths) -> dict[str, bytes]:
    """The files' texts, by the services' names."""
    return {path.stem: path.read_bytes() for path in sorted(place.sites.glob("*.json"))}


def put(paths: Paths, told: Edge | None, elsewhere: tuple[Upstream, ...] = ()) -> None:
    """Have the service's be that one, or none."""
    if told is None:
        for path in (file(paths), roots(paths)):
            path.unlink(missing_ok=True)
        return
    paths.edge.sites.mkdir(mode=0o755, parents=True, exist_ok=True)
    if told.root:
        write_durably(roots(paths), told.root.encode())
    text = written(of(paths, told, elsewhere))
    if not file(paths).exists() or file(paths).read_bytes() != text:
        write_durably(file(paths), text)


def composed(place: EdgePaths, texts: Mapping[str, bytes], number: int) -> bytes:
    """What Caddy is given of all, as an edition of that number. Raises RaabError for a file that is none of raab's, and where two services
    want one domain."""
    found = []
    for name, text in texts.items():
        try:
            found.append(read(text))
        except (ValueError, LookupError, TypeError) as error:
            raise RaabError(f"{place.sites}/{name}.json: not as raab wrote it, got {error}", f"deploy {name} anew") from error
    owners: dict[str, str] = {}
    for site in found:
        for domain in site.domains:
            if (owner := owners.setdefault(domain, site.service)) != site.service:
                raise RaabError(f"domains: {domain} is {owner}'s on this host, got it for {site.service} too", "name it in one of them")
    ground = Ground(str(place.admin), str(place.state), *edition.listens(number), str(place.says), number)
    return compose(tuple(found), ground)
