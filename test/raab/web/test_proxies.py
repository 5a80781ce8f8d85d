"""Whom raab believes what about its clients, and which hosts it serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from raab.settings.node import ConfigError
from raab.web.believed.forwarded import Hop, address, hops
from raab.web.believed.hosts import Hosts, name_of
from raab.web.believed.proxies import Proxies

MakeApp = Callable[..., Flask]
ALL = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Request-ID")
LIAR = {
    "HTTP_X_FORWARDED_FOR": "6.6.6.6",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "evil.example",
    "HTTP_X_FORWARDED_PORT": "666",
    "HTTP_X_FORWARDED_PREFIX": "/evil",
    "HTTP_X_FORWARDED_SSL": "on",
    "HTTP_X_FORWARDED_USER": "root",
    "HTTP_X_FORWARDED": "for=6.6.6.6",
    "HTTP_X_REAL_IP": "6.6.6.6",
    "HTTP_X_REQUEST_ID": "mine",
    "HTTP_FORWARDED": "for=6.6.6.6;proto=https;host=evil.example",
    "HTTP_FORWARDED_FOR": "6.6.6.6",
}


def environment(peer: str, **headers: str) -> dict[str, Any]:
    return {"REMOTE_ADDR": peer, "REMOTE_PORT": "1", "wsgi.url_scheme": "http", "HTTP_HOST": "a.example", "SCRIPT_NAME": "", **headers}


@pytest.mark.parametrize(
    ("peer", "networks", "names"),
    [
        ("5.5.5.5", ("10.0.0.0/8",), (*ALL, "Forwarded")),
        ("", ("10.0.0.0/8",), ALL),
        ("10.0.0.1", (), ALL),
        ("10.0.0.1", ("10.0.0.0/8",), ()),
        ("10.0.0.1", ("unix",), ALL),
    ],
)
def test_what_is_not_believed_no_application_sees(peer: str, networks: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Of somebody who is no proxy, whatever is named; of a proxy, what is not named. Headers of the family that raab does not know, too."""
    environ = environment(peer, **LIAR)
    assert Proxies(networks, names).settle(environ) == peer
    assert environ == environment(peer)


def test_of_a_proxy_the_named_headers_stay_and_count() -> None:
    """Each by itself: the others of the same proxy are what its client sent."""
    for name, changed in {
        "X-Forwarded-For": {"REMOTE_ADDR": "6.6.6.6"},
        "X-Forwarded-Proto": {"wsgi.url_scheme": "https"},
        "X-Forwarded-Host": {"HTTP_HOST": "evil.example"},
        "X-Forwarded-Port": {"HTTP_HOST": "a.example:666", "SERVER_PORT": "666"},
        "X-Forwarded-Prefix": {"SCRIPT_NAME": "/evil"},
        "X-Forwarded-User": {},
        "X-Request-ID": {},
        "X-Real-IP": {},
        "Forwarded": {"REMOTE_ADDR": "6.6.6.6", "wsgi.url_scheme": "https", "HTTP_HOST": "evil.example"},
    }.items():
        environ, key = environment("10.0.0.1", **LIAR), f"HTTP_{name.upper().replace('-', '_')}"
        Proxies(("10.0.0.0/8",), (name,)).settle(environ)
        expected = {**environment("10.0.0.1"), key: LIAR[key], **changed}
        if "REMOTE_ADDR" in changed:
            del expected["REMOTE_PORT"]
        assert environ == expected, name


@pytest.mark.parametrize(
    ("forwarded", "client", "scheme", "host"),
    [
        ("for=1.2.3.4;proto=https;host=shop.example", "1.2.3.4", "https", "shop.example"),
        ('For="[2001:db8::1]:4711" ; proto=HTTPS', "2001:db8::1", "https", "a.example"),
        ("for=6.6.6.6;proto=http;host=evil.example, for=1.2.3.4;proto=https;host=shop.example", "1.2.3.4", "https", "shop.example"),
        ("for=1.2.3.4;proto=https;host=shop.example, for=10.0.0.2;proto=http;host=inside", "1.2.3.4", "https", "shop.example"),
        ("for=10.0.0.3, for=10.0.0.2", "10.0.0.3", "http", "a.example"),
        ("for=1.2.3.4, for=_hidden;proto=https", "10.0.0.1", "https", "a.example"),
        ("for=unknown;proto=https", "10.0.0.1", "https", "a.example"),
        ("proto=https", "10.0.0.1", "https", "a.example"),
        ("for=1.2.3.4;proto=gopher", "1.2.3.4", "http", "a.example"),
        (r'for="1.2.3.4";host="a\"b"', "1.2.3.4", "http", 'a"b'),
        ('for="1.2.3.4, for=6.6.6.6', "10.0.0.1", "http", "a.example"),
        ("for=1.2.3.4;for=6.6.6.6", "10.0.0.1", "http", "a.example"),
        ("for 1.2.3.4", "10.0.0.1", "http", "a.example"),
        ("for=1.2.3.4 proto=https", "10.0.0.1", "http", "a.example"),
        ("", "10.0.0.1", "http", "a.example"),
    ],
)
def test_forwarded_is_read_from_its_end(forwarded: str, client: str, scheme: str, host: str) -> None:
    """Up to the last proxy that is trusted, and with what that one says of the client; nothing is believed of what breaks the grammar."""
    environ = environment("10.0.0.1", HTTP_FORWARDED=forwarded)
    assert Proxies(("10.0.0.0/8",), ("Forwarded",)).settle(environ) == client
    assert (environ["wsgi.url_scheme"], environ["HTTP_HOST"]) == (scheme, host)


@pytest.mark.parametrize(
    ("node", "found"),
    [
        ("1.2.3.4", "1.2.3.4"), (" 1.2.3.4:80 ", "1.2.3.4"), ("[::1]", "::1"), ("[::1]:80", "::1"), ("::1", "::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("1.2.3", ""), ("1.2.3.4:", ""), ("[1.2.3.4]", "1.2.3.4"), ("::1%eth0", ""), ("localhost", ""), ("", ""), ("1.2.3.4, 5.6.7.8", ""),
    ],
)  # fmt: skip
def test_a_node_is_an_address(node: str, found: str) -> None:
    """With or without a port, which some load balancers add."""
    assert address(node) == found


@given(st.text(st.sampled_from('for=;,"\\ \tproto1.[]:_\x00')))
def test_any_text_is_forwarded_or_none(text: str) -> None:
    """It ends, and gives addresses or nothing."""
    for hop in hops(text):
        assert isinstance(hop, Hop) and address(hop.client) == hop.client


def test_a_unix_sockets_peer_is_a_proxy_where_it_is_listed() -> None:
    """It has no address to be known by."""
    environ = environment("", HTTP_X_FORWARDED_FOR="1.2.3.4")
    assert Proxies(("unix",), ALL).settle(environ) == "1.2.3.4"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.example", "shop.example"), ("Shop.Example.:8000", "shop.example"), ("a_b", "a_b"), ("x", "x"), ("10.0.0.1:80", "10.0.0.1"),
        ("[::1]:8000", "::1"), ("[0:0::1]", "::1"), ("localhost:", "localhost"), ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("", ""), (":80", ""), ("a..b", ""), (".a", ""), ("a b", ""), ("a%00", ""), ("a@b", ""), ("a/b", ""), ("[::1", ""), ("[::::]", ""),
        ("::1", ""), ("a:65536", ""), ("a:x", ""), ("a:1:2", ""), ("-a", ""), ("1.2.3", ""), ("1.2.3.999", ""), ("bücher.example", ""),
        ("a" * 64, ""), ("a." * 126 + "aa", "a." * 126 + "aa"), ("a." * 128, ""), ("a,b", ""), ("a;b", ""), ("*", ""), ("[::1%25eth0]", ""),
        ("[v1.a]", ""),
    ],
)  # fmt: skip
def test_a_host_is_what_urls_can_be_made_of(host: str, name: str) -> None:
    """A name, an IPv4 address, an IPv6 address in brackets, and perhaps a port; the name is told by itself."""
    from urllib.parse import urlsplit

    assert name_of(host) == name
    if name:
        assert urlsplit(f"http://{host}/").hostname in (name, f"{name}.", host.strip("[]"))


@pytest.mark.parametrize(
    ("host", "status"),
    [("shop.example", 200), ("SHOP.example:8000", 200), ("www.shop.example", 200), ("a.b.shop.example.", 200), ("[::1]:8000", 200),
     ("shop.example.evil.example", 421), ("evilshop.example", 421), ("10.0.0.1", 421), ("a..shop.example", 400), ("", 400)],
)  # fmt: skip
def test_only_the_named_hosts_are_served(make_app: MakeApp, host: str, status: int) -> None:
    """Also when a request has been answered before; health is for whoever asks."""
    client = make_app(RAAB_SECURITY__HOSTS="[shop.example, '*.Shop.example', '[::1]']").test_client()
    asked = {"environ_overrides": {"HTTP_HOST": host}}
    assert [client.get("/", **asked).status_code for _ in range(2)] == [status, status]
    assert client.get("/livez", **asked).status_code == (200 if status == 421 else status)


def test_health_that_is_not_public_tells_no_stranger_of_itself(make_app: MakeApp) -> None:
    """A name that is not served gets the same answer there as everywhere; raab's own questions are answered."""
    client = make_app(RAAB_SECURITY__HOSTS="[shop.example]", RAAB_SERVER__PUBLIC_HEALTH="false").test_client()
    assert client.get("/readyz").status_code == 421
    assert client.get("/readyz", environ_base={"handover.check": True}).status_code == 200


def test_the_hosts_that_are_kept_in_mind_are_bounded() -> None:
    """Anybody can send any number of them."""
    hosts = Hosts((), True)
    for number in range(3000):
        hosts.check({"HTTP_HOST": f"h{number}", "SERVER_PROTOCOL": "HTTP/1.1"})
    assert len(hosts.known) == 1000


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("RAAB_SERVER__FORWARDED_HEADERS=[X-Forwarded-Ssl]", "expected Forwarded, X-Request-ID, X-Real-IP or one of X-Forwarded-..."),
        ("RAAB_SERVER__FORWARDED_HEADERS=[SCRIPT_NAME]", "expected Forwarded, X-Request-ID, X-Real-IP or one of X-Forwarded-..."),
        ("RAAB_SERVER__FORWARDED_HEADERS=[Forwarded, x-forwarded-for]", "has both Forwarded and x-forwarded-for"),
        ("RAAB_SECURITY__HOSTS=['shop.example:8000']", "expected a host's name, or *.name, without a port"),
        ("RAAB_SECURITY__HOSTS=['*']", "expected a host's name, or *.name, without a port"),
    ],
)
def test_settings_that_would_open_a_door_are_refused(make_app: MakeApp, setting: str, said: str) -> None:
    """With the reason."""
    name, _, value = setting.partition("=")
    with pytest.raises(ConfigError) as caught:
        make_app(**{name: value})
    assert said in str(caught.value)


ECHO = """
import json
def application(environ, start_response):
    told = {key: value for key, value in environ.items() if isinstance(value, str)}
    body = json.dumps(told).encode()
    start_response('200 OK', [('Content-Type', 'application/json'), ('Content-Length', str(len(body)))])
    return [body]
"""
LIES = (
    "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "X-Forwarded-Ssl: on",
    "X-Forwarded-User: root", "X-Forwarded-Prefix: /evil", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "SCRIPT_NAME: /x",
    "SCRIPT-NAME: /x", "PATH_INFO: /admin",
    "X_Forwarded_For: 6.6.6.6", "X-Request-ID: mine",
)  # fmt: skip
HAPROXY = """
global
    log stderr local0
defaults
    mode http
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend front
    bind 127.0.0.1:{port}
    http-request deny if {{ path_beg /admin }}
    http-request del-header X-Forwarded-For
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Request-ID haproxy-%rt
    default_backend raab
backend raab
    server one {server}
"""
NGINX = """
daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{}}
http {{
    access_log off; underscores_in_headers on;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{server};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto http;
            proxy_set_header X-Request-ID nginx-$request_id;
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def served(serve: Callable[..., Any]) -> Iterator[Any]:
    """A real worker that trusts 127.0.0.1 as a proxy; from another address of loopback it is reached by a stranger."""
    with serve(
        {"echo.py": ECHO}, RAAB_PROJECT__MOUNTS="{/: 'echo:application'}", RAAB_SERVER__FORWARDED_ALLOW_IPS="[127.0.0.1]"
    ) as running:
        yield running


def seen(answer: bytes) -> dict[str, str]:
    told: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return told


def lying(path: str, *more: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a.example", "Connection: close", *LIES, *more, "", ""]).encode()


def test_a_worker_believes_no_stranger(served: Any) -> None:
    """Over a real connection from an address that is not listed: none of the lies reaches the application, nor moves the request."""
    told = seen(served.ask(lying("/x/admin"), source="127.0.0.2"))
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"], told["HTTP_HOST"]) == ("127.0.0.2", "http", "a.example")
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("", "/x/admin")
    assert [key for key in told if "FORWARDED" in key or "REAL_IP" in key] == []
    assert told["HTTP_X_REQUEST_ID"] != "mine"


@pytest.mark.parametrize(("listed", "client"), [("unix", "127.0.0.3"), ("127.0.0.1", "")])
def test_a_proxy_may_come_by_a_unix_socket(
    serve: Callable[..., Any], proxy: Callable[..., Any], tmp_path: Path, listed: str, client: str
) -> None:
    """A real nginx: it is believed where `unix` is listed, and only there."""
    with serve(
        {"echo.py": ECHO}, RAAB_PROJECT__MOUNTS="{/: 'echo:application'}", RAAB_SERVER__FORWARDED_ALLOW_IPS=f"[{listed}]",
        more=f"unix:{tmp_path}/http",
    ):  # fmt: skip
        told = seen(proxy("nginx", NGINX, server=f"unix:{tmp_path}/http:").ask(lying("/x"), source="127.0.0.3"))
    assert (told["REMOTE_ADDR"], told.get("HTTP_X_FORWARDED_FOR", "")) == (client, client)


@pytest.mark.parametrize("name", ["haproxy", "nginx"])
def test_a_client_cannot_speak_for_its_proxy(served: Any, proxy: Callable[..., Any], name: str) -> None:
    """Through a real one that sets what is named by default, and passes the rest on: what the proxy says is believed, its client's lies
    are gone, and SCRIPT_NAME does not lead past the proxy's rules."""
    through = proxy(name, {"haproxy": HAPROXY, "nginx": NGINX}[name], server=f"127.0.0.1:{served.port}")
    told = seen(through.ask(lying("/x/admin"), source="127.0.0.3"))
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"], told["HTTP_HOST"]) == ("127.0.0.3", "http", "a.example")
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == ("", "/x/admin")
    assert sorted(key for key in told if "FORWARDED" in key or "REAL_IP" in key) == ["HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"]
    assert told["HTTP_X_REQUEST_ID"].startswith(f"{name}-")


class _Came:
    """A connection that came by a socket of that name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def getsockname(self) -> str:
        return self.name


def test_edges_of_other_hosts_are_believed_by_their_addresses_and_about_no_more_than_they_write() -> None:
    there = Proxies((), ("X-Forwarded-Host",), edges=("10.0.0.9",))
    told = {"HTTP_X_FORWARDED_FOR": "1.2.3.4", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "evil.example"}
    environ = environment("10.0.0.9", **told)
    assert there.settle(environ) == "1.2.3.4" and environ["wsgi.url_scheme"] == "https" and "HTTP_X_FORWARDED_HOST" not in environ
    for other in ("10.0.0.8", ""):
        environ = environment(other, **told)
        assert there.settle(environ) == other and environ["wsgi.url_scheme"] == "http" and "HTTP_X_FORWARDED_FOR" not in environ


def test_the_edge_is_believed_at_its_own_socket_alone() -> None:
    """Without being listed, and about no more than it writes itself; who comes by another socket is not it."""
    edge = Proxies((), ("X-Forwarded-Host",), edge="/run/raab-asked/raab/http")
    told = {"HTTP_X_FORWARDED_FOR": "1.2.3.4", "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "evil.example"}
    environ = environment("", **told) | {"gunicorn.socket": _Came("/run/raab-asked/raab/http")}
    assert edge.settle(environ) == "1.2.3.4" and environ["wsgi.url_scheme"] == "https" and "HTTP_X_FORWARDED_HOST" not in environ
    for other in ({"gunicorn.socket": _Came("/run/raab/http")}, {}):
        environ = environment("", **told) | other
        assert edge.settle(environ) == "" and environ["wsgi.url_scheme"] == "http" and "HTTP_X_FORWARDED_FOR" not in environ
    environ = environment("127.0.0.1", **told) | {"gunicorn.socket": _Came("/run/raab-asked/raab/http")}
    assert edge.settle(environ) == "127.0.0.1"
