"""Hosts with the role `edge` in front of hosts that run the service: HTTPS through them, whatever is done to the others."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from test.lab.deploy.conftest import card
from test.lab.deploy.https import DOMAIN, ROOT, Connection

from raab.lab.shell import Shell
from raab.lab.state import LabHost

# For so long the edge keeps an idle connection to a host.
KEPT_SECONDS = 10.0


class Fleet:
    """One edge and two hosts that run the service."""

    def __init__(self, project: Any, lab: Any) -> None:
        self.project, self.hosts = project, lab.hosts(3)
        self.shells: tuple[Shell, ...] = tuple(map(lab.shell, self.hosts))
        self.edge: LabHost = self.hosts[0]
        self.write()

    def write(self, apps: int = 2, more: str = "") -> None:
        """The environment, with so many of the hosts that run the service."""
        roles = ["edge", *["app"] * apps]
        named = [f"  {host.name}: {{address: {host.address}, roles: [{role}]}}" for host, role in zip(self.hosts, roles, strict=False)]
        keys = f"user: root\nidentity: {self.edge.key}\nknown_hosts: {self.edge.known_hosts}\nssh_config: none\n"
        text = f"{keys}certificate: internal\ndomains: [{DOMAIN}]\n{more}"
        self.project.environment("fleet", "\n".join(["hosts:", *named, text]))

    def fab(self, *words: str, expect: int = 0) -> Any:
        return self.project.fab(*words, "--env", "fleet", expect=expect)

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self.shells[0].run(f"cat {ROOT}").out)

    def ask(self, path: str = "/", **headers: str) -> tuple[int, bytes]:
        connection = Connection(self.edge.address, self.context)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def card(self) -> Any:
        return json.loads(self.ask()[1])

    def comes_to(self, **wanted: str) -> Any:
        """The card that says so, once a client is given it: over each connection that the edge keeps to a retiring worker there may be one
        answer more of the release before (docs/edge.md)."""
        end = time.monotonic() + KEPT_SECONDS
        while any((card := self.card())[key] != value for key, value in wanted.items()):
            assert time.monotonic() < end, (wanted, card)
        return card

    @contextmanager
    def traffic(self, what: str, clients: int = 6, path: str = "/livez", errors: bool = False) -> Iterator[Counter[str]]:
        """Half of them keep their connections, half have one for each request; a third send what must not be done twice. None may be
        lost, nor be answered with 500 where `errors` of the application are not to be expected."""
        context, stop, results = self.context, threading.Event(), [Counter[str]() for _ in range(clients)]

        def client(number: int) -> None:
            connection = Connection(self.edge.address, context)
            while not stop.is_set():
                try:
                    connection.request(*(("POST", path, b"word") if number % 3 == 0 else ("GET", path)))
                    answer = connection.getresponse()
                    answer.read()
                    # It takes no POST, and its refusal is the application's own answer.
                    results[number]["good" if answer.status in (200, 405) else f"status {answer.status}"] += 1
                except (OSError, http.client.HTTPException) as error:
                    connection.close()
                    results[number][repr(error)] += 1
                if number % 2:
                    connection.close()
                time.sleep(0.005)
            connection.close()

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        total = Counter[str]()
        try:
            yield total
        finally:
            stop.set()
            for thread in threads:
                thread.join(40)
            for one in results:
                total.update(one)
        print(what, dict(total))
        lost = {what: count for what, count in total.items() if what != "good" and not (errors and what == "status 500")}
        assert not lost and min(one["good"] for one in results) > 5, (what, dict(total))


@pytest.fixture
def fleet(project: Any, lab: Any) -> Iterator[Fleet]:
    """On bare hosts. Other tests count on two of them, and on none that is an edge."""
    lab.hosts(3)
    for number in (1, 2, 3):
        lab.fresh(number)
    yield Fleet(project, lab)
    lab.close()


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_no_request_is_lost_through_an_edge_whatever_is_done_to_its_hosts(fleet: Fleet) -> None:
    """Deploys, a rollback, restarts in turn and boots; a client is known by the edge's word, and by nobody else's."""
    web, address = fleet.shells[1], fleet.edge.address
    told = fleet.fab("plan").out
    assert f"{fleet.edge.name} ({address}), edge" in told and "into the pool" in told, told
    said = fleet.fab("deploy").out
    assert fleet.card()["service"] == "raab", said
    first = fleet.card()["release"]
    # Nothing of the service is on the edge, and nothing of an edge on its hosts.
    assert not fleet.shells[0].run("systemctl is-active raab; ls /opt/raab/current", check=False).out.startswith("active")
    assert web.run("systemctl is-active raab-edge; ls /run/raab-asked", check=False).out.split()[0] == "inactive"
    fleet.project.mark("second")
    with fleet.traffic("deploy"):
        fleet.fab("deploy")
    fleet.comes_to(mark="second")
    with fleet.traffic("rollback"):
        fleet.fab("rollback")
    fleet.comes_to(release=first)
    with fleet.traffic("restart --rolling"):
        ran = fleet.fab("restart", "--rolling")
    assert ran.out.count("restarted") == 2
    with fleet.traffic("reboot"):
        ran = fleet.fab("reboot", "--hosts", fleet.hosts[1].name)
    assert ran.out.count("rebooted") == 1
    with fleet.traffic("deploy --restart"):
        fleet.fab("deploy", "--restart")
    with fleet.traffic("raab drain, raab undrain"):
        web.run("raab drain")
        time.sleep(3)
        pool = fleet.fab("status", "--json").json["edges"][0]["edge"]["pool"]
        assert [one["ready"] for one in pool] == [False, True], pool
        assert "out of the pool" in fleet.fab("doctor", expect=1).out and "out: status 503" in fleet.fab("status").out
        web.run("raab undrain")
    assert fleet.fab("status").out.count("in the pool") == 2 and fleet.fab("doctor").out.count("domains with good certificates") == 1


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_host_more_or_less(fleet: Fleet) -> None:
    """A host is taken out and brought back what the other serves, by two verbs or by the file; in the end nothing of it all is left."""
    web, address = fleet.shells[1], fleet.edge.address
    fleet.fab("deploy")
    name = fleet.hosts[2].name
    with fleet.traffic("host.remove, host.add"):
        fleet.fab("host.remove", name)
        assert fleet.shells[2].run("systemctl is-active raab; ls /opt/raab", check=False).out.split() == ["inactive"]
        fleet.fab("host.add", name)
    pool = fleet.fab("status", "--json").json["edges"][0]["edge"]["pool"]
    assert [one["ready"] for one in pool] == [True, True], pool
    with fleet.traffic("a host less, a host more"):
        fleet.write(apps=1)
        assert "out of the pool" in fleet.fab("plan").out
        fleet.fab("deploy")
        fleet.write()
        fleet.fab("deploy")
    assert "already" in fleet.fab("plan").out
    assert "lb" not in fleet.fab("releases").out
    # Who is whom: a client by the edge's word, and nobody by a client's own.
    fleet.ask("/through", X_Forwarded_For="192.0.2.1")
    direct = http.client.HTTPConnection(fleet.hosts[1].address, 8000, timeout=10)
    direct.request("GET", "/direct", headers={"X-Forwarded-For": "192.0.2.1"})
    direct.getresponse().read()
    time.sleep(1.5)
    lines = "".join(shell.run("journalctl -u raab -o cat | grep -E '/through|/direct'", check=False).out for shell in fleet.shells[1:])
    assert "/through" in lines and "/direct" in lines and "192.0.2.1" not in lines, lines or web.run("journalctl -u raab | tail -20").out
    assert not [line for line in lines.splitlines() if "/through" in line and address in line], lines
    fleet.fab("remove", "raab", "--yes")
    left = fleet.shells[0].run("systemctl is-active raab-edge; ls /etc/raab-edge/sites /etc/raab-edge/fronts", check=False).out
    assert "inactive" in left and "raab" not in left.replace("/etc/raab-edge", ""), left


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_canary_goes_on_or_back(fleet: Fleet) -> None:
    """It gets its share and no more; where it does worse than the other, its own errors are all that anybody sees."""
    refused = fleet.fab("deploy", "--canary", "10%", expect=5)
    assert "nothing yet that it could be compared with" in refused.out + refused.err
    fleet.write(more="bake: 10\n")
    fleet.fab("deploy")
    name = fleet.hosts[1].name
    fleet.project.mark("second")
    assert f"canary: {name}, with 20 % of the requests for 10 s" in fleet.fab("deploy", "--canary", "20%", "--dry-run").out
    with fleet.traffic("canary that goes on", path="/"):
        done = fleet.fab("deploy", "--canary", "20%", "--json").json
    compared = done["canary"]
    its, theirs = compared["canary"]["requests"], compared["rest"]["requests"]
    assert compared["problem"] == "" and compared["canary"]["errors"] == 0 and 0.15 < its / (its + theirs) < 0.25, compared
    assert {row["result"] for row in done["hosts"]} == {"deployed"}
    fleet.comes_to(mark="second")
    assert "already" in fleet.fab("plan").out
    card = fleet.project.root / "src/raab/modules/home/__init__.py"
    card.write_text(card.read_text().replace('"service":', '"broken": 1 / 0, "service":'))
    with fleet.traffic("canary that goes back", path="/", errors=True) as counted:
        failed = fleet.fab("deploy", "--canary", "20%", expect=4).out
    assert f"canary {name}, 20 % for 10 s" in failed and "goes back" in failed and "of its answers were errors" in failed, failed
    assert 0 < counted["status 500"] < 0.25 * counted.total(), counted
    with fleet.traffic("afterwards", path="/"):
        fleet.comes_to(mark="second")
        time.sleep(3)
    # As many for each of them once more.
    assert '"weight": 4' not in fleet.shells[0].run("cat /etc/raab-edge/sites/raab.json").out
    (row,) = fleet.fab("status", "--json").json["edges"]
    assert all(one["ready"] for one in row["edge"]["pool"]), row


@pytest.mark.timeout(600)
def test_an_edge_that_cannot_leaves_all_as_they_were(fleet: Fleet) -> None:
    """What it refuses before anything is switched, and what only shows when the hosts have the release."""
    fleet.shells[0].run("systemd-run --quiet --unit=other python3 -m http.server 80")
    refused = fleet.fab("deploy", expect=5).out
    assert "port 80 is held by" in refused and "other.service" in refused, refused
    assert fleet.shells[1].run("readlink /opt/raab/current", check=False).status
    fleet.shells[0].run("systemctl stop other")
    fleet.fab("deploy")
    first = fleet.card()["release"]
    fleet.project.mark("second")
    # The hosts do not answer where the edge would ask.
    fleet.write(more="service_port: 8001\n")
    failed = fleet.fab("deploy", expect=4).out
    assert "no host of the service answers at" in failed and "server.bind" in failed, failed
    fleet.comes_to(release=first)
    fleet.write()
    fleet.fab("deploy")
    fleet.comes_to(mark="second")


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_page_of_each_release_finds_its_files_on_the_edge(fleet: Fleet) -> None:
    """Which has nothing of the service but these; what goes back finds them as well, and what is taken off the edge leaves none."""
    folder = fleet.project.root / "src/raab/web/assets"
    folder.mkdir()
    fleet.write(apps=1, more="static: {/static: src/raab/web/assets/}\n")
    names = [f"page.{number}23456789abc.js" for number in range(2)]

    def deploy(number: int) -> None:
        for file in folder.iterdir():
            file.unlink()
        (folder / names[number]).write_text(f"script {number}")
        (folder / "style.css").write_text(f"style {number}")
        (folder / "same.css").write_text("same")
        fleet.project.mark(str(number))
        assert "send static.zip" in fleet.fab("plan").out
        fleet.fab("deploy")

    deploy(0)
    assert [fleet.ask(f"/static/{name}") for name in (names[0], "style.css")] == [(200, b"script 0"), (200, b"style 0")]
    stop, lost = threading.Event(), list[str]()

    def page() -> None:
        while not stop.is_set():
            # Past the edge, which may keep a connection to a worker of the release before.
            number = card(fleet.hosts[1])["mark"]
            for name in {names[0], names[int(number)], "style.css"}:
                if fleet.ask(f"/static/{name}")[0] != 200:
                    lost.append(name)

    reader = threading.Thread(target=page)
    reader.start()
    try:
        deploy(1)
        assert fleet.ask("/static/style.css") == (200, b"style 1")
        # What is done while it is worked on is proved as ever, and the page finds its files as well.
        fleet.fab("maintenance", "on")
        assert (fleet.ask()[0], fleet.ask("/readyz")[0], fleet.ask("/static/style.css")[0]) == (503, 503, 200)
        fleet.fab("rollback")
        assert fleet.ask()[0] == 503 and "maintenance" in fleet.fab("status").out and "maintenance is on" in fleet.fab("plan").out
        fleet.fab("maintenance", "off")
        assert fleet.ask()[0] == 200
    finally:
        stop.set()
        reader.join(60)
    assert not lost, lost
    assert [fleet.ask(f"/static/{name}") for name in (names[1], "style.css")] == [(200, b"script 1"), (200, b"style 0")]
    # What has not changed is one file.
    assert fleet.shells[0].run("stat -c %i /opt/raab/static/brought/*/files/static/same.css | sort -u | wc -l").out.strip() == "1"
    assert fleet.ask("/static/none.css")[0] == 404
    fleet.fab("remove", "raab", "--yes")
    assert fleet.shells[0].run("ls -d /opt/raab", check=False).status
