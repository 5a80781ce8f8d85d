"""What Caddy would refuse of a site, and it refuses all of them for one, at its next start as well; and what would break another one. Looks
at no file but those of certificates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from raab.errors import RaabError
from raab.host.edge import pair
from raab.host.edge.site import Site

_DOMAIN = re.compile(r"(?=.{1,253}\Z)(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NUMBERS = re.compile(r"[0-9.]+")
# A brace would begin a placeholder of Caddy's, a star a pattern.
_PATH = re.compile(r"/[^\x00-\x1f{}*?\[\]\\]*")
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_NETWORK = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9a-f:.]+\]):([1-9][0-9]{0,4})")
_SOCKET = re.compile(r"unix/(/[^\x00-\x20{}|]+)")
_URL = re.compile(r"https://[^\s{}]+")


def problems(site: Site, others: Iterable[Site] = ()) -> list[RaabError]:
    """Of a site beside others; none where it can be composed with them."""
    return [RaabError(f"{site.service}: {text}", hint) for text, hint in _problems(site, tuple(others))]


def _problems(site: Site, others: Sequence[Site]) -> Iterator[tuple[str, str]]:
    yield from _domains(site, others)
    if not site.upstreams:
        yield "has no upstream", "name where it answers, or take its domains away"
    for upstream in site.upstreams:
        if not _dialled(upstream.address):
            yield f"upstream: not an address, got {upstream.address!r}", "as unix//run/shop/http or 10.0.0.5:8000"
    for name, value in (("hsts", site.hsts or 0), ("body_limit", site.body_limit)):
        if value < 0:
            yield f"{name}: below 0, got {value}", "a whole number; 0 is none"
    for static in site.statics:
        if not _PREFIX.fullmatch(static.prefix):
            yield f"static: not the beginning of a URL's path, got {static.prefix!r}", "as /static, without a slash at its end"
        for folder in static.folders:
            if not _PATH.fullmatch(folder):
                yield f"static {static.prefix}: not a folder's path, got {folder!r}", "as /opt/shop/current/static"
    if site.maintenance is not None and not _PATH.fullmatch(site.maintenance):
        yield f"maintenance: not a file's path, got {site.maintenance!r}", "as /etc/shop/maintenance.html"
    yield from _certificate(site)


def _domains(site: Site, others: Sequence[Site]) -> Iterator[tuple[str, str]]:
    owners = {domain: other.service for other in others if other.service != site.service for domain in other.domains}
    if not site.domains:
        yield "has no domain", "name one"
    for number, domain in enumerate(site.domains):
        if not _DOMAIN.fullmatch(domain):
            yield f"domains: not a domain, got {domain!r}", "in small letters, as shop.example.com; others than ASCII as xn--..."
        elif domain in site.domains[:number]:
            yield f"domains: names {domain} twice", "name it once"
        elif domain in owners:
            yield f"domains: {domain} is {owners[domain]}'s on this host", "name it in one of them"
        elif site.certificate.kind == "acme" and (domain.startswith("*.") or "." not in domain or _NUMBERS.fullmatch(domain)):
            yield f"domains: no authority proves it by http-01, got {domain}", "name whole domains, or bring a certificate of your own"


def _certificate(site: Site) -> Iterator[tuple[str, str]]:
    told = site.certificate
    if told.kind == "acme" and told.directory is not None and not _URL.fullmatch(told.directory):
        yield f"certificate: not an authority's directory, got {told.directory!r}", "as https://acme.example.com/directory"
    if told.kind == "acme":
        yield from (problem for root in told.roots for problem in pair.root(Path(root)))
    if told.kind != "files":
        return
    if told.certificate is None or told.key is None:
        yield "certificate: names no certificate or no key", "name both files"
    else:
        yield from pair.problems(Path(told.certificate), Path(told.key), site.domains)


def _dialled(address: str) -> bool:
    if match := _NETWORK.fullmatch(address):
        return int(match[1]) < 65536
    return _SOCKET.fullmatch(address) is not None
