"""A mount that is an application elsewhere on the network, or several of the same: requests and answers pass through as they come."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from http.client import responses
from urllib.parse import quote

from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.response import BaseHTTPResponse

from raab.web.elsewhere import tunnel
from raab.web.elsewhere.upstream import BodyFailed, Upstream
from raab.web.refusal import Refusal
from raab.web.wsgi import Headers, StartResponse, WSGIEnvironment

# RFC 9110 section 7.6.1: these are between two neighbours only; and what a Connection header names.
_HOP = frozenset(("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
                  "transfer-encoding", "upgrade"))  # fmt: skip
# raab says these itself: of requests to those that it forwards to, and of answers.
_OURS_ASKING = frozenset(("content-length", "expect", "forwarded", "host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port",
                          "x-forwarded-prefix", "x-forwarded-proto"))  # fmt: skip
_OURS_ANSWERING = frozenset(("content-length", "date", "server", "x-request-id"))
# RFC 9110 section 9.2.2: doing it twice is doing it once.
_IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
_PIECE = 65536


class Broken(Exception):
    """An answer ended before its end."""


class Forward:
    """Forwards to one of `urls` what comes for it, to the one with the fewest requests under way; the application there finds client,
    host, scheme and prefix in X-Forwarded-For, -Host, -Proto and -Prefix. `seconds` are those of limits.request.

    Who cannot be reached has not seen the request, so another one gets it. What was sent and not answered is sent again only where
    that does no harm: a method that may be repeated, without a body.
    """

    def __init__(self, urls: Iterable[str], seconds: float) -> None:
        self._upstreams = tuple(Upstream(url, seconds) for url in urls)
        self._turn = itertools.count()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        upstream, response = self._ask(environ)
        if tunnel.given(response):
            upstream.active += 1
            try:
                tunnel.pass_on(environ, response, answering(response))
            finally:
                upstream.active -= 1
            return ()
        answer = Answer(upstream, response)
        reason = response.reason or responses.get(response.status, "Unknown")
        try:
            start_response(f"{response.status} {reason}", answering(response))
        except BaseException:
            answer.close()
            raise
        return answer

    def _ask(self, environ: WSGIEnvironment) -> tuple[Upstream, BaseHTTPResponse]:
        method, where, headers, body = environ["REQUEST_METHOD"], target(environ), asking(environ), body_of(environ)
        again = method in _IDEMPOTENT and body is None
        upgrade = body is None and tunnel.wanted(environ)
        if upgrade:
            headers |= tunnel.UPGRADE
        order = self._order()
        status, last = HTTPStatus.BAD_GATEWAY, order[0]
        # Once more to the first of them where that does no harm: it may have closed a kept connection in the very moment of its use.
        for upstream, fresh in [*((one, upgrade or not again) for one in order), *([(last, True)] if again else [])]:
            upstream.active += 1
            upstream.tried()
            try:
                return upstream, upstream.ask(method, where, headers, body, fresh)
            except (NewConnectionError, ConnectTimeoutError) as error:
                upstream.leave_out(error)
                status = HTTPStatus.BAD_GATEWAY
            except ReadTimeoutError as error:
                upstream.leave_out(error)
                status = HTTPStatus.GATEWAY_TIMEOUT
                break
            except BodyFailed as error:
                raise error.__cause__ or error from None
            except (HTTPError, OSError):
                status = HTTPStatus.BAD_GATEWAY
                if not again:
                    break
            finally:
                upstream.active -= 1
        raise Refusal(status, "The application behind this address does not answer.")

    def _order(self) -> list[Upstream]:
        """Whom to ask, one after the other. Where all are left out, all are worth a try."""
        start = next(self._turn) % len(self._upstreams)
        turned = [*self._upstreams[start:], *self._upstreams[:start]]
        return sorted([one for one in turned if not one.out] or turned, key=lambda one: one.active)


class Answer:
    """An answer's body, handed on as it comes; a request is under way until it is closed."""

    def __init__(self, upstream: Upstream, response: BaseHTTPResponse) -> None:
        self._upstream, self._response = upstream, response
        self._whole = False
        upstream.active += 1

    def __iter__(self) -> Iterator[bytes]:
        try:
            while piece := self._response.read1(_PIECE):
                yield piece
        except (HTTPError, OSError) as error:
            # Not an OSError: the server would take that for its client's leaving.
            raise Broken(f"{self._upstream.name} ended its answer early, got {type(error).__name__}: {error}") from error
        self._whole = True

    def close(self) -> None:
        self._upstream.active -= 1
        if self._whole:
            self._response.release_conn()
        else:
            self._response.close()


def target(environ: WSGIEnvironment) -> str:
    """Path and query as the other side shall see them: what is below the mount. Made of what the routing here has looked at, so that both
    see the same path. Raises Refusal for one that would lead out of the place that it is forwarded to, and for what is none (OPTIONS *)."""
    path = environ.get("PATH_INFO", "") or "/"
    if not path.startswith("/") or {".", ".."} & set(path.split("/")):
        raise Refusal(HTTPStatus.BAD_REQUEST, "The path cannot be forwarded.")
    query = environ.get("QUERY_STRING", "")
    return quote(path.encode("latin-1"), safe="/:@!$&'()*+,;=~") + (f"?{query}" if query else "")


def asking(environ: WSGIEnvironment) -> dict[str, str]:
    """The request's headers as the other side gets them."""
    dropped = _HOP | _OURS_ASKING | listed(environ.get("HTTP_CONNECTION", ""))
    sent = {key[5:].replace("_", "-").title(): value for key, value in environ.items() if key.startswith("HTTP_")}
    headers = {name: value for name, value in sent.items() if name.lower() not in dropped}
    if environ.get("CONTENT_TYPE"):
        headers["Content-Type"] = environ["CONTENT_TYPE"]
    if environ.get("CONTENT_LENGTH"):
        headers["Content-Length"] = environ["CONTENT_LENGTH"]
    # urllib3 would say its own name, and ask for what it can decode itself.
    headers.setdefault("User-Agent", "raab")
    headers.setdefault("Accept-Encoding", "identity")
    host = environ.get("HTTP_HOST", "")
    told = {"For": environ.get("REMOTE_ADDR"), "Proto": environ["wsgi.url_scheme"], "Host": host, "Prefix": environ.get("SCRIPT_NAME")}
    headers.update({f"X-Forwarded-{name}": value for name, value in told.items() if value})
    return {**headers, "Host": host} if host else headers


def answering(response: BaseHTTPResponse) -> Headers:
    """The answer's headers as the client gets them."""
    dropped = _HOP | _OURS_ANSWERING | listed(response.headers.get("Connection", ""))
    # RFC 9112 section 5.2: who passes on a header that is folded makes one line of it.
    headers = [(name, re.sub(r"\s*[\r\n]\s*", " ", value)) for name, value in response.headers.items() if name.lower() not in dropped]
    # Section 6.3: chunks say more than a length, which may be said twice, and not in two ways (Upstream.ask).
    length = response.headers.getlist("Content-Length")[:1] if "Transfer-Encoding" not in response.headers else []
    return [*headers, *(("Content-Length", value) for value in length)]


def listed(connection: str) -> frozenset[str]:
    """The headers that a Connection header names, which are its neighbour's only."""
    return frozenset(name.strip().lower() for name in connection.split(","))


def body_of(environ: WSGIEnvironment) -> Iterator[bytes] | None:
    """The request's body as it comes, None where it has none."""
    if environ.get("CONTENT_LENGTH", "0") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
        return None
    return pieces(environ["wsgi.input"].read)


def pieces(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """What `read` gives, until it gives nothing more. Raises BodyFailed for what it raises."""
    while True:
        try:
            piece = read(_PIECE)
        except Exception as error:
            raise BodyFailed from error
        if not piece:
            return
        yield piece
