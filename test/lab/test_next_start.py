"""What the next start of the service would do is known before it happens, and a reload takes up what only a start did before."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.drill.stage.variants import Content
from raab.drill.traffic.values import Mix

if TYPE_CHECKING:
    from .conftest import Steady, Traffic

SECRET = f"{PATHS.configuration}/credentials/security.secret_key"
DROP_IN = "/etc/systemd/system/raab.service.d/test.conf"
# By the credential `service` the unit has its folder from the start; it is no secret.
# Answers with the digest of the secret that the worker has, of the one in its credentials' folder, and with its variable.
TELLING = """
import hashlib, json, os, pathlib
from raab.factory.configFactory import load_settings
_inner = application
def application(environ, start_response):
    if environ["PATH_INFO"] != "/holds":
        return _inner(environ, start_response)
    ours = load_settings().security.secret_key.reveal().encode()
    folder = pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"])
    files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.name != "service"]
    told = {"pid": os.getpid(), "secret": hashlib.sha256(ours).hexdigest(), "files": files, "tested": os.environ.get("TESTED")}
    body = json.dumps(told).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""
# Makes a release's manifest and seal say what lies there, so that it passes for one of a deploy. Both are links to those of its base and so
# are made anew: written to, they would have the next deploy find the base damaged.
VOUCH = """
import hashlib, json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
for part in manifest["parts"]:
    if (folder / part["name"]).exists():
        part["sha256"] = hashlib.sha256((folder / part["name"]).read_bytes()).hexdigest()
for name in ("manifest.json", "seal.json"):
    (folder / name).unlink()
(folder / "manifest.json").write_text(json.dumps(manifest))
sys.path.insert(0, next(str(path) for path in pathlib.Path("/usr/local/lib/raab").iterdir() if len(path.name) == 64))
from raab.host import seal, verify
seal.write(folder, seal.make(folder, {}, verify.RAABS_OWN))
"""


@pytest.fixture
def told(service: Service) -> Iterator[Service]:
    """A release whose workers say what they were given, on a host that is as it was afterwards."""
    service.switch(service.variant(Content(after=TELLING)))
    service.systemctl("reload")
    yield service
    service.run(f"rm -f {SECRET} {SECRET}.cred {DROP_IN} /etc/raab.env /run/systemd/system/raab.service.d/test.conf; rm -f {DROP_IN}")
    service.run("systemctl unmask raab; systemctl daemon-reload; systemctl reset-failed raab; systemctl restart raab", check=False)


def holds(service: Service) -> dict[int, dict[str, object]]:
    """What each worker says that it was given, by its pid."""
    found: dict[int, dict[str, object]] = {}
    end = time.monotonic() + 20
    wanted = {*service.status().serving}
    while wanted - found.keys() and time.monotonic() < end:
        with urllib.request.urlopen(f"http://{service.address[0]}:{service.address[1]}/holds", timeout=10) as answer:
            told = json.loads(answer.read())
        found[told["pid"]] = told
    assert wanted <= found.keys()
    return {pid: found[pid] for pid in wanted}


def vouched(service: Service, content: Content) -> str:
    release = service.variant(content)
    service.shell.run(f"python3 - {PATHS.releases}/{release}", stdin=VOUCH.encode())
    return release


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def put_secret(service: Service, secret: str) -> None:
    service.shell.put(SECRET, secret)


def drop_in(service: Service, lines: str, place: str = DROP_IN) -> None:
    """Beside the unit, and not made known to systemd."""
    service.run(f"mkdir -p $(dirname {place})")
    service.shell.put(place, f"[Service]\n{lines}\n")


def rotate(service: Service, traffic: Traffic, times: int) -> None:
    old = ""
    with traffic(Mix(fresh=40, reused=40, slow=2, slow_seconds=1)):
        for _ in range(times):
            secret = secrets.token_hex(32)
            put_secret(service, secret)
            service.systemctl("reload")
            for found in holds(service).values():
                assert found["secret"] == digest(secret) and found["files"] == [digest(secret)]
            # A new process of the same generation has it too.
            service.run("raab scale +1 && raab scale -1")
            assert {found["secret"] for found in holds(service).values()} == {digest(secret)}
            if old:
                assert not found_by_the_service(service, old)
            old = secret
    assert service.show("NRestarts") == "0"
    service.systemctl("restart")
    assert {found["secret"] for found in holds(service).values()} == {digest(old)}


def found_by_the_service(service: Service, secret: str) -> str:
    """Where processes of the service's find a secret: in any environment, and in any file of the places that they see."""
    master = service.main_pid()
    look = (
        f"grep -lsF {secret} $(for pid in $(cat /sys/fs/cgroup/system.slice/raab.service/cgroup.procs"
        f" /sys/fs/cgroup/systemd/system.slice/raab.service/cgroup.procs 2>/dev/null); do echo /proc/$pid/environ; done);"
        f" nsenter --target {master} --mount grep -rlsF {secret} /run /var/lib/raab /tmp /var/tmp /dev/shm /etc /opt/raab/current/; true"
    )
    return service.run(look).out.replace(SECRET, "").strip()


def test_a_secret_is_rotated_by_a_reload(told: Service, traffic: Traffic) -> None:
    """Every worker and every new process has the new one, the old one is nowhere, and no request notices."""
    rotate(told, traffic, 3)


@pytest.mark.prove
def test_a_secret_is_rotated_twenty_times(told: Service, traffic: Traffic) -> None:
    """The same, as often as a careful operator does it in a year."""
    rotate(told, traffic, 20)


def test_a_secret_that_is_too_short_is_refused(told: Service, traffic: Traffic) -> None:
    """By check, reload and HUP's next start, in words; the old one serves on, and is what every process finds."""
    good = secrets.token_hex(32)
    put_secret(told, good)
    told.systemctl("reload")
    before = told.status()
    with traffic():
        put_secret(told, "short")
        checked = told.run("raab check", check=False)
        since = time.time()
        refused = told.systemctl("reload", check=False)
        journal = told.journal(since)
    after = told.status()
    for text in (checked.err, journal):
        assert "raab_security.secret_key" in text and "at least 32 characters" in text and "short" not in text.replace("too short", "")
    assert checked.status == 1 and refused.status != 0
    assert (after.pid, after.generation, after.serving) == (before.pid, before.generation, before.serving)
    assert next(iter(holds(told).values()))["files"] == [digest(good)]
    # What another one put right is taken up.
    put_secret(told, good[::-1])
    told.systemctl("reload")
    assert {found["secret"] for found in holds(told).values()} == {digest(good[::-1])}


def test_an_encrypted_secret_is_rotated(told: Service, traffic: Traffic) -> None:
    """systemd decrypts it, as for a start."""
    put_secret(told, secrets.token_hex(32))
    told.systemctl("reload")
    for _ in range(2):
        secret = secrets.token_hex(32)
        told.run(
            f"rm -f {SECRET}; printf %s {secret} | systemd-creds encrypt --with-key=host --name=raab_security.secret_key - {SECRET}.cred"
        )
        drop_in(told, f"LoadCredential=\nLoadCredentialEncrypted=raab_security.secret_key:{SECRET}.cred")
        with traffic():
            told.systemctl("reload")
        assert {found["secret"] for found in holds(told).values()} == {digest(secret)}


@pytest.mark.parametrize("place", ["/etc/systemd/system/raab.service.d/test.conf", "/run/systemd/system/raab.service.d/test.conf"])
def test_a_variable_of_a_pending_drop_in_is_taken_up(told: Service, traffic: Traffic, place: str) -> None:
    """By a new master, which the running one starts; once, for the next reload finds nothing new."""
    before = told.status()
    assert told.run(f"tr '\\0' '\\n' < /proc/{before.pid}/environ | grep -c TESTED", check=False).out.strip() == "0"
    drop_in(told, 'Environment="TESTED=%n, 100%% \\"so\\""', place)
    with traffic():
        assert "TESTED" in told.run("raab check").out
        told.systemctl("reload")
    after = told.status()
    assert after.pid != before.pid and told.main_pid() == after.pid
    assert {found["tested"] for found in holds(told).values()} == {'raab.service, 100% "so"'}
    told.systemctl("reload")
    assert told.status().pid == after.pid
    assert "changed variables" not in told.run("raab check").out
    # A start gives the same, so that the next reload finds nothing new again.
    told.systemctl("restart")
    started = told.main_pid()
    told.systemctl("reload")
    assert told.main_pid() == started
    told.run(f"rm {place}")
    told.systemctl("reload")
    assert {found["tested"] for found in holds(told).values()} == {None}


def test_an_environment_file_is_read_as_systemd_reads_it(told: Service, traffic: Traffic) -> None:
    """With its comments, quotes, continued lines, and over what Environment= says, wherever it stands."""
    told.shell.put("/etc/raab.env", "# TESTED=no\n; TESTED=no\nTESTED='a \"b\" $c' \nOTHER=x\\\n  y\n")
    drop_in(told, "EnvironmentFile=/etc/raab.env\nEnvironment=TESTED=less")
    with traffic():
        told.systemctl("reload")
    assert {found["tested"] for found in holds(told).values()} == {'a "b" $c'}
    seen = told.status().pid
    told.shell.put("/etc/raab.env", "TESTED=changed\n")
    told.systemctl("reload")
    assert told.status().pid != seen
    assert {found["tested"] for found in holds(told).values()} == {"changed"}


def test_a_directive_that_only_a_start_takes_up_is_named(told: Service, traffic: Traffic) -> None:
    """By check and by reload, with when it will hold; one that systemd applies at once is not."""
    assert "next restart" not in told.run("raab check").out
    drop_in(told, "LimitNOFILE=4096\nProtectHome=read-only\nMemoryMax=900M\nExecStartPre=/bin/true")
    line = "changed directives, which take effect at the next restart: ExecStartPre, LimitNOFILE, ProtectHome"
    with traffic():
        assert line in told.run("raab check").out
        since = time.time()
        told.systemctl("reload")
    assert line in told.journal(since)
    assert line in told.run(f"raab activate {vouched(told, Content(after=TELLING))}", timeout=120).out
    told.systemctl("restart")
    assert "next restart" not in told.run("raab check").out


def test_hup_says_what_it_does_not_take_up(told: Service) -> None:
    """Nobody who is root stands behind it."""
    drop_in(told, "Environment=TESTED=late")
    before, since = told.status(), time.time()
    told.kill("HUP")
    after = told.reloaded(before)
    assert after.pid == before.pid
    assert "no change of the unit's environment or credentials" in told.journal(since)
    assert {found["tested"] for found in holds(told).values()} == {None}
    told.systemctl("reload")
    assert {found["tested"] for found in holds(told).values()} == {"late"}


def test_a_deploy_takes_it_up_too(told: Service, steady: Steady, traffic: Traffic) -> None:
    """And refuses what the next start would not survive; the host stays as it was."""
    drop_in(told, "Environment=TESTED=deployed\nLimitNOFILE=4096")
    secret = secrets.token_hex(32)
    put_secret(told, secret)
    before = told.status()
    planned = steady.fab("plan", "--hosts", told.shell.host.name)
    for kind in ("variables, which this activation takes up: TESTED", "directives, which take effect at the next restart: LimitNOFILE"):
        assert f"changed {kind}" in planned
    assert secret not in planned and "would fail" not in planned and told.status().serving == before.serving
    release = vouched(told, Content(after=f"{TELLING}\nassert os.environ['TESTED'] == 'deployed'"))
    with traffic():
        done = told.run(f"raab activate {release}", timeout=120)
    assert "TESTED" in done.out and "security.secret_key" in done.out and secret not in done.out
    assert {(found["tested"], found["secret"]) for found in holds(told).values()} == {("deployed", digest(secret))}
    put_secret(told, "short")
    before = told.status()
    with traffic():
        refused = told.run(f"raab activate {vouched(told, Content())}", check=False, timeout=120)
    assert refused.status == 4 and "at least 32 characters" in refused.out + refused.err
    assert re.search(r"a start of what is there would fail: .*raab_security.secret_key: .*at least 32 characters",
        steady.fab("plan", "--hosts", told.shell.host.name))  # fmt: skip
    assert told.status().serving == before.serving and told.current == release
    assert next(iter(holds(told).values()))["files"] == [digest(secret)]


def test_nobody_else_says_what_a_start_would_get(told: Service) -> None:
    """The master believes the kernel's word on who asks, and no other."""
    ask = (
        "import json, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect('/run/raab/control');"
        "s.send(json.dumps({'verb': 'reload', 'environment': {'TESTED': 'forged'}}).encode()); print(s.recv(65536).decode())"
    )
    before = told.status()
    said = told.run(f'setpriv --reuid=raab --regid=raab --clear-groups python3 -c "{ask}"').out
    assert "for root alone" in said
    assert told.status().pid == before.pid
