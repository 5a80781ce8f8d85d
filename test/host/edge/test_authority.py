"""Certificates: whose they are, that they are obtained and renewed, and what is served while none can be had. In a network of their own,
since an authority asks at port 80."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raab.host.edge.compose import compose
from raab.host.edge.site import Certificate, Ground

NAMES = "127.0.0.1 localhost ca.test shop.test blog.test\n"


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """By which a command runs in that network."""
    (tmp_path / "hosts").write_text(NAMES)
    script = f"ip link set lo up && mount --bind {tmp_path}/hosts /etc/hosts && echo there && exec sleep 300"
    process = subprocess.Popen(["unshare", "-rnm", "sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout
    if process.stdout.readline() != b"there\n":
        pytest.skip("this machine lets nobody have a network of his own")
    yield ("nsenter", "-t", str(process.pid), "-U", "-n", "-m", "--preserve-credentials")
    process.kill()
    process.wait()


@pytest.fixture
def made(edge: Any, tmp_path: Path, inside: tuple[str, ...]) -> Iterator[Callable[[str], Any]]:
    """Edges, or what else is a Caddy, by the names of their folders; with the ports of the world."""
    found: list[Any] = []

    def make(name: str) -> Any:
        folder = tmp_path / name
        folder.mkdir()
        ground = Ground(str(folder / "admin.sock"), str(folder / "state"), ":80", ":443")
        found.append(replace(edge, folder=folder, ground=ground, inside=inside))
        return found[-1]

    yield make
    for one in found:
        one.stop(grace=2)


@pytest.fixture
def authority(made: Callable[[str], Any]) -> Any:
    one = made("authority")
    # It gives none for less than five minutes.
    serves = {"handler": "acme_server", "ca": "local", "lifetime": "6m", "challenges": ["http-01"]}
    by_itself = {"certificates": {"automate": ["ca.test"]}, "automation": {"policies": [{"issuers": [{"module": "internal"}]}]}}
    server = {"listen": [":9443"], "automatic_https": {"disable": True}, "tls_connection_policies": [{}], "routes": [{"handle": [serves]}]}
    told = json.loads(compose([], one.ground))
    told["apps"].update({"tls": by_itself, "http": {"servers": {"ca": server}}})
    one.text = json.dumps(told).encode()
    one.start(text=one.text)
    return one


def trusted(one: Any) -> Certificate:
    return Certificate("acme", "https://ca.test:9443/acme/local/directory", "root@shop.test", (str(one.root),))


def shown(edge: Any, domain: str = "shop.test") -> str:
    """The serial number of the certificate that a client gets; empty for none."""
    where = f"{getattr(edge, 'address', '127.0.0.1')}:443"
    ask = [*edge.inside, "openssl", "s_client", "-connect", where, "-servername", domain, "-verify_return_error"]
    said = subprocess.run([*ask, "-CAfile", str(edge.trusts)], input=b"", capture_output=True, check=False)
    told = subprocess.run(["openssl", "x509", "-noout", "-serial"], input=said.stdout, capture_output=True, check=False)
    return told.stdout.decode().strip() if said.returncode == 0 else ""


def until(true: Callable[[], Any], edge: Any, seconds: float = 40) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, edge.log()[-3000:]
        time.sleep(0.2)
    return found


def renewed(edge: Any) -> str:
    """The second certificate that it shows."""
    first = until(lambda: shown(edge), edge)
    second: str = until(lambda: (now := shown(edge)) != first and now, edge)
    return second


def impatient(text: bytes) -> bytes:
    """Renews what has 2 % of its life behind it, and looks every second."""
    told = json.loads(text)
    automation = told["apps"]["tls"]["automation"]
    automation["renew_interval"] = "1s"
    for policy in automation["policies"]:
        policy["renewal_window_ratio"] = 0.98
    return json.dumps(told).encode()


def test_a_certificate_is_obtained_renewed_and_kept_while_the_authority_is_gone(made: Any, authority: Any, site: Any) -> None:
    edge = made("edge")
    edge.trusts = authority.root
    shop = replace(site(), certificate=trusted(authority), maintenance=__file__)
    text = impatient(compose([shop], edge.ground))
    edge.start(text=text)
    second = renewed(edge)
    authority.stop()
    assert shown(edge)
    last = shown(edge)
    until(lambda: "could not get certificate from issuer" in edge.log(), edge)
    assert shown(edge) == last != "" and second
    edge.stop()
    edge.start(text=text)
    assert shown(edge) == last, "a restart takes what is kept"


def test_each_of_several_edges_has_its_own_whichever_the_authority_asks(made: Any, authority: Any, site: Any) -> None:
    """The name leads to the first; the third is not there. The second renews its own, and gives it where nobody asks it."""
    shop = replace(site(), certificate=trusted(authority), maintenance=__file__, edges=("127.0.0.9", "127.0.0.1", "127.0.0.2"))
    edges = []
    for address in ("127.0.0.1", "127.0.0.2"):
        edge = made(address)
        edge.ground = replace(edge.ground, http=f"{address}:80", https=f"{address}:443")
        edge.trusts, edge.address = authority.root, address
        edge.start(text=impatient(compose([shop], edge.ground)))
        edges.append(edge)
    for edge in edges:
        renewed(edge)
    keys = [{path.read_text() for path in (edge.folder / "state").rglob("*.key")} for edge in edges]
    assert keys[0] and keys[1] and not keys[0] & keys[1]
    # What nobody waits for is nobody's, and is not asked for without end.
    assert edges[0].ask("http://shop.test/.well-known/acme-challenge/unknown").status == 404


def test_where_none_can_be_had_only_that_service_has_none(made: Any, inside: Any, site: Any) -> None:
    edge = made("edge")
    edge.trusts = edge.root
    nowhere = Certificate("acme", "https://ca.test:9443/acme/local/directory")
    shop = site(maintenance=__file__)
    blog = site(service="blog", domains=("blog.test",), certificate=nowhere, maintenance=__file__)
    edge.start(shop, blog)
    assert until(lambda: shown(edge), edge)
    until(lambda: "could not get certificate from issuer" in edge.log(), edge)
    assert not shown(edge, "blog.test")
    assert edge.ask("https://shop.test/").status == 503
    assert edge.ask("http://blog.test/").status == 308


def test_files_of_the_operators_own(made: Any, inside: Any, site: Any, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def bring(name: str) -> None:
        subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "9", "-nodes"]
        made_of = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run(["openssl", "req", "-x509", *subject, *made_of], check=True, capture_output=True)

    bring("shop.test")
    edge = made("edge")
    edge.trusts = certificate
    shop = site(certificate=Certificate("files", certificate=str(certificate), key=str(key)), maintenance=__file__)
    blog = site(service="blog", domains=("blog.test",), maintenance=__file__)
    edge.start(shop, blog)
    first = shown(edge)
    assert first
    bring("shop.test")
    text = compose([shop, blog], edge.ground)
    # What it is told is what it was told, and so it has to be told that there is something new.
    anew = {"Cache-Control": "must-revalidate"}
    assert edge.admin("POST", "/load", text, **anew)[0] == 200
    assert shown(edge) not in ("", first)
    shutil.copy(certificate, key)
    assert edge.admin("POST", "/load", text, **anew)[0] == 400
    edge.trusts = edge.root
    assert until(lambda: shown(edge, "blog.test"), edge), "what is refused changes nothing"


def test_each_service_has_an_authority_of_its_own(made: Any, authority: Any, site: Any) -> None:
    edge = made("edge")
    shop = site(certificate=trusted(authority), maintenance=__file__)
    edge.start(shop, site(service="blog", domains=("blog.test",), maintenance=__file__))
    edge.trusts = authority.root
    assert until(lambda: shown(edge), edge) and not shown(edge, "blog.test")
    edge.trusts = edge.root
    assert until(lambda: shown(edge, "blog.test"), edge) and not shown(edge)
