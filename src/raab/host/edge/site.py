"""What an edge is told of each service, and of the host it stands on. Values alone; standard library only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["internal", "acme", "files"]


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where a service's certificates come from.

    `internal`: an authority of the edge's own, for the lab, believed by those alone who were given its root. `acme`: an authority that
    speaks RFC 8555, by the URL of its `directory` (None: Let's Encrypt), with `email` for what it has to say and `roots`, PEM files of
    those who vouch for it besides the system's. `files`: the operator's own `certificate` (with its chain) and `key`, paths of PEM files.
    """

    kind: Kind = "acme"
    directory: str | None = None
    email: str | None = None
    roots: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a service answers, as Caddy dials it: `unix//run/shop/http.sock` or `10.0.0.5:8000`. One that is drained gets nothing new.
    `weight`: how many of the requests it gets, beside the others'."""

    address: str
    drained: bool = False
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Static:
    """Files that the edge serves by itself below a URL prefix such as `/static`, from the first of the folders that has the one asked for;
    the newest release's folder stands first, those of older releases that are kept follow. What none has is asked of the application."""

    prefix: str
    folders: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Site:
    """One service as the world sees it.

    `hsts`: for so many seconds browsers shall come by HTTPS only; None says nothing of it. `body_limit`: bytes of a request's body, beyond
    which the answer is 413. `maintenance`: path of the page that everybody gets, with 503, while there is a
    file: no word to Caddy begins or ends it. `edges`: the addresses of all that take requests for it, this one among them, where they are
    several.
    """

    service: str
    domains: tuple[str, ...]
    upstreams: tuple[Upstream, ...]
    certificate: Certificate = field(default_factory=Certificate)
    hsts: int | None = None
    body_limit: int = 1_048_576
    statics: tuple[Static, ...] = ()
    maintenance: str | None = None
    edges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """What an edge stands on: the path of its admin socket, the folder that keeps certificates and accounts, and where it listens for HTTP
    and for HTTPS, as Caddy writes addresses (`:80`, `10.0.0.5:443`, `fd/3`). `says`: the path of the socket at which it says which
    `edition` it is; empty for one without numbers."""

    admin: str
    state: str
    http: str = ":80"
    https: str = ":443"
    says: str = ""
    edition: int = 0
