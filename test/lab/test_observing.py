"""What somebody who watches a host sees: drain, metrics and log lines of the service as it is deployed, sandbox and all."""

from __future__ import annotations

import itertools
import json
import re
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from raab.drill.stage.service import Service

if TYPE_CHECKING:
    from .conftest import Traffic


def status_of(service: Service, path: str) -> int:
    address, port = service.address
    try:
        with urllib.request.urlopen(f"http://{address}:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def counted(service: Service) -> dict[str, int]:
    """The counters of `raab metrics`, by series."""
    text = service.run("raab metrics").out
    return {name: int(value) for name, value in re.findall(r"^(raab_http_request_duration_seconds_count\{.*\}) (\d+)$", text, re.MULTILINE)}


def test_drain(service: Service, traffic: Traffic) -> None:
    """The load balancer is told to go while every request is still served; a reload is still possible, and changes nothing of it."""
    with traffic():
        service.run("raab drain")
        assert (status_of(service, "/readyz"), status_of(service, "/livez")) == (503, 200)
        service.run("systemctl reload raab")
        assert status_of(service, "/readyz") == 503
        service.run("raab undrain")
        assert status_of(service, "/readyz") == 200


def test_counters_never_fall(service: Service) -> None:
    """Over reloads and killed workers; and no worker leaves files behind that grow in number."""
    seen = [counted(service)]
    for _ in range(3):
        service.run("systemctl reload raab")
        service.run(f"kill -KILL {service.status().serving[0]}")
        for _ in range(20):
            assert status_of(service, "/") == 200
        seen.append(counted(service))
    for before, after in itertools.pairwise(seen):
        assert all(after[series] >= count for series, count in before.items())
    root = 'raab_http_request_duration_seconds_count{service="raab",method="GET",route="/",status="200"}'
    assert seen[-1][root] - seen[0].get(root, 0) >= 60
    # Two generations live side by side for a moment, and a killed worker's successor beside them.
    assert int(service.run("ls /run/raab/metrics/*.slot | wc -l").out) <= 6


def test_each_request_has_its_line_in_the_journal(service: Service) -> None:
    """Written within a moment, as JSON, at the priority that it has; no line is lost when a worker leaves right after its requests."""
    ids = []
    address, port = service.address
    for number in range(50):
        with urllib.request.urlopen(f"http://{address}:{port}/greeting/{number}", timeout=10) as answer:
            ids.append(answer.headers["X-Request-ID"])
    service.run("systemctl reload raab")
    time.sleep(1)
    lines = service.run("journalctl -u raab -p 6..6 -n 2000 -o cat --no-pager | grep raab.access").out.splitlines()
    told = {line["request"]: line for line in map(json.loads, lines)}
    assert set(ids) <= set(told)
    assert {told[one]["route"] for one in ids} == {"/greeting/<name>"}


def test_a_reload_changes_levels(service: Service) -> None:
    """What /etc/raab/logging.yaml says holds from the reload on, and no longer when it is gone: for access lines as for all others."""
    service.shell.put("/etc/raab/logging.yaml", "base: {loggers: {raab.access: {level: WARNING}, gunicorn.error: {level: WARNING}}}\n")
    try:
        service.run("systemctl reload raab")
        quiet = lines_after(service)
    finally:
        service.run("rm /etc/raab/logging.yaml; systemctl reload raab")
    assert '"raab.access"' not in quiet
    assert '"raab.access"' in lines_after(service)


def lines_after(service: Service) -> str:
    """What a request adds to the journal."""
    cursor = service.run("journalctl -n 0 --show-cursor | sed -n 's/^-- cursor: //p'").out.strip()
    assert status_of(service, "/") == 200
    time.sleep(0.5)
    return service.run(f"journalctl -u raab -o cat --no-pager --after-cursor='{cursor}'").out
