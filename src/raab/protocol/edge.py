"""What a release says of the edge of its hosts, and a host takes it: by which domains the service is reached, and how these are proved.
Standard library only, and pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from raab.protocol.reading import known, read
from raab.protocol.values import AbsolutePathOrNone, Must, RelativePath, Sha256, Text, between, matching

# A whole name of the DNS (RFC 1035, 2.3.1), in small letters; a certificate for all names below one takes what only its DNS can prove.
DOMAIN = r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+"
DIRECTORY = r"https://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9._~/-]*)?"
# Of Caddy, as what is composed needs it: `lb_retry_match` knows of {http.reverse_proxy.is_transport_error} from there on, `fd/N` from 2.9.
LOWEST = "2.11.3"
# Of URLs' paths, by names that are none of a folder above or of something hidden.
PREFIX = r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+"
EMAIL = r"[A-Za-z0-9.+_-]+@[A-Za-z0-9.-]+"
# Kinds of certificates: of an authority that is asked by ACME (RFC 8555), and of one that the edge is itself.
ACME: Literal["acme"] = "acme"
INTERNAL: Literal["internal"] = "internal"
# Domains of one service; each takes a certificate.
MOST = 100
# Seconds: of two years, as much as browsers' lists ask for.
LONGEST = 63_072_000
Domain = Annotated[str, matching("a domain", DOMAIN)]
Address = Annotated[str, matching("an IP address", r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:.]{2,45}")]
# As Caddy dials a service on another host.
Upstream = Annotated[str, matching("host:port", r"([A-Za-z0-9_][A-Za-z0-9._-]{0,252}|\[[0-9a-f:.]{2,45}\]):[1-9][0-9]{0,4}")]
FEW_EDGES = Must("at most 100 addresses", lambda value: len(value) <= 100)
FEW_STATICS = Must("at most 20 of them", lambda value: len(value) <= 20)
FEW = Must(f"1 to {MOST} domains", lambda value: 1 <= len(value) <= MOST)


def key(prefix: str) -> str:
    """What a prefix is called as a folder: a plus is in none."""
    return prefix[1:].replace("/", "+")


class Caddy(NamedTuple):
    """The edge's program, as the wheel that brings it."""

    version: Annotated[str, matching("a version of Caddy", r"[0-9]{1,4}(\.[0-9]{1,4}){1,3}")]
    sha256: Sha256


class Static(NamedTuple):
    """Files that the edge serves by itself: those of a folder of the release's code, below a prefix of URLs."""

    prefix: Annotated[str, matching("the beginning of a URL's path", PREFIX)]
    folder: RelativePath


class Edge(NamedTuple):
    """What the edge is told of a service. `directory` is the ACME authority's, none is the public one that Caddy knows; `email` is for what
    it has to tell; `root` is a certificate (PEM) by which that authority itself is believed. For `hsts` seconds browsers come by HTTPS
    alone; 0 says nothing of it. `caddy` is what a host of one platform is given. `edges` are the addresses of the hosts that take requests
    for the service's; none: each host does so for itself. `statics` are files that the edge serves by itself; `files` is what has them
    for an edge that takes requests for other hosts, as it is sent. `program` is a Caddy of the operator's own, by its path on the host;
    none: `caddy`."""

    domains: Annotated[tuple[Domain, ...], FEW]
    certificate: Annotated[str, matching("a kind of certificate", f"{ACME}|{INTERNAL}")] = ACME
    directory: Annotated[str, matching("an ACME directory, or none", f"({DIRECTORY})?")] = ""
    email: Annotated[str, matching("an address, or none", f"({EMAIL})?")] = ""
    root: Text = ""
    hsts: Annotated[int, between(0, LONGEST)] = 0
    caddy: Caddy | None = None
    edges: Annotated[tuple[Address, ...], FEW_EDGES] = ()
    statics: Annotated[tuple[Static, ...], FEW_STATICS] = ()
    program: AbsolutePathOrNone = ""
    files: Annotated[str, matching("a SHA-256, or none", "([0-9a-f]{64})?")] = ""


def numbers(version: str) -> tuple[int, ...]:
    """Of a version, for comparison with another one."""
    return tuple(map(int, version.split(".")))


def of(manifest: Mapping[str, Any]) -> Edge | None:
    """By a release's manifest; None where it says nothing of it. Raises ValueError for what is none."""
    told = manifest.get("edge")
    if told is None:
        return None
    found: Edge = read(Edge, known(told, Edge), "manifest.edge")
    return found


def told(edge: Edge | None) -> str:
    """In a line for people, empty for none."""
    if edge is None:
        return ""
    by = f"certificates by {edge.directory or 'ACME'}" if edge.certificate == ACME else "certificates of the host's own authority"
    through = f", through {', '.join(edge.edges)}" if edge.edges else ""
    files = "".join(f", {one.prefix} from {one.folder}" for one in edge.statics)
    hsts = f", HSTS {edge.hsts} s" if edge.hsts else ""
    program = f", by {edge.program}" if edge.program else ""
    return f"{', '.join(edge.domains)}, {by}{hsts}{files}{through}{program}"
