"""Root's part of the unit's start and reload: nothing of the service's reaches it, and nobody but systemd has it done."""

from __future__ import annotations

import secrets
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.variants import Content

if TYPE_CHECKING:
    from .conftest import Traffic

SECRET = f"{PATHS.configuration}/credentials/security.secret_key"
CREDENTIALS = "/run/credentials/raab.service"
DROP_IN = "/etc/systemd/system/raab.service.d/test.conf"
# Loads slowly, and has a worker try for the memory of any process.
REACHING = """
import time
time.sleep(2)
_inner = application
def application(environ, start_response):
    if not environ["PATH_INFO"].startswith("/reach/"):
        return _inner(environ, start_response)
    try:
        open("/proc/%d/mem" % int(environ["PATH_INFO"][7:]), "r+b").close()
        said = b"reached"
    except OSError as error:
        said = error.strerror.encode()
    start_response("200 OK", [("Content-Length", str(len(said)))])
    return [said]
"""
ASK = f"""python3 -c 'import socket
channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
channel.connect("{PATHS.part}")
print(channel.recv(9999).decode())'"""


@pytest.fixture
def restored(service: Service) -> Iterator[Service]:
    """A service that is as it was afterwards."""
    yield service
    service.run(f"rm -f {SECRET} {DROP_IN} /var/lib/raab/ld.*; systemctl daemon-reload; systemctl restart raab")


def reach(service: Service, pid: int) -> str:
    with urllib.request.urlopen(f"http://{service.address[0]}:{service.address[1]}/reach/{pid}", timeout=10) as answer:
        return str(answer.read().decode())


def test_no_program_of_root_s_has_the_service_s_variables(restored: Service) -> None:
    """By some of them the loader takes code into whatever is run; by these it leaves a file of the process's user. What cannot write there
    prints, which disturbs nobody."""
    restored.run(f"mkdir -p $(dirname {DROP_IN})")
    restored.shell.put(DROP_IN, "[Service]\nEnvironment=LD_DEBUG=libs LD_DEBUG_OUTPUT=/var/lib/raab/ld\n")
    restored.run("systemctl daemon-reload")
    restored.systemctl("restart")
    started = restored.main_pid()
    restored.systemctl("reload")
    seen = restored.run("stat --format=%U /var/lib/raab/ld.*").out.split()
    assert set(seen) == {"raab"} and len(seen) > 2
    assert restored.main_pid() == started
    assert restored.run("test /run/raab-started.json -nt /run/raab/control", check=False).status == 0


def test_nobody_but_systemd_has_it_done(service: Service) -> None:
    """The service itself may knock, and is refused; others may not even do that."""
    before = service.status()
    as_user = "setpriv --reuid={0} --regid={0} --clear-groups {1}"
    assert "it is for the commands of a service's unit" in service.run(as_user.format("raab", ASK)).out
    assert "it is for the commands of a service's unit" in service.run(ASK).out
    assert "PermissionError" in service.run(as_user.format(65534, ASK), check=False).err
    assert service.status().generation == before.generation


def test_it_is_undone_when_who_asks_is_ended_and_no_worker_reaches_him(restored: Service, traffic: Traffic) -> None:
    """systemd ends what takes too long. By his word the reload was good or bad, so the service's own processes must not change him."""
    restored.switch(restored.variant(Content(after=REACHING)))
    restored.shell.put(SECRET, old := secrets.token_hex(32))
    restored.systemctl("reload")
    restored.shell.put(SECRET, secrets.token_hex(32))
    with traffic(), ThreadPoolExecutor(1) as pool:
        reloaded = pool.submit(restored.systemctl, "reload", check=False)
        end = time.monotonic() + 20
        while restored.run(f"grep -qsF {old} {CREDENTIALS}/*", check=False).status == 0:
            assert time.monotonic() < end
        asking = int(restored.show("ControlPID"))
        assert reach(restored, restored.status().serving[0]) == "reached"
        assert reach(restored, asking) in ("No such file or directory", "Permission denied")
        restored.run(f"kill {asking}")
        assert reloaded.result().status != 0
        while restored.run("systemctl list-units --all --no-legend 'raab-root@*.service'").out.strip():
            assert time.monotonic() < end
    assert restored.run(f"grep -qsF {old} {CREDENTIALS}/*", check=False).status == 0
