"""States that a host can be brought into, and what check, plan, reload and deploy say of them: the truth about the next start and boot.

The invariant of the whole table: where the next start fails, all four have said so before, in words that name the place; and where they
say nothing, it does not fail.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from raab.drill.stage.service import PATHS, Service
from raab.lab import lab as lifecycle

if TYPE_CHECKING:
    from .conftest import LabForTests, Steady, Traffic

SECRETS = f"{PATHS.configuration}/credentials"
GOOD = "0123456789abcdef0123456789abcdef"
UNIT = "/etc/systemd/system/raab.service"
DROP_IN = f"{UNIT}.d/test.conf"
SETTINGS = f"{PATHS.configuration}/setting.yaml"


class State(NamedTuple):
    """How it comes about; what is said of it (of what a start survives: nothing); whether systemd can run the unit's ExecReload= at all;
    whether a deploy mends it; whether it is gone after a boot. All are for `make prove`, but for a sample, of which some boot."""

    name: str
    made: str
    said: str = ""
    reloads: bool = True
    mended: bool = False
    volatile: bool = False
    sample: bool = False
    boots: bool = False


def secret(name: str, text: str) -> str:
    return f"printf '{text}' > {SECRETS}/{name}"


def drop_in(lines: str, place: str = DROP_IN) -> str:
    return f"mkdir -p {place.rpartition('/')[0]}; printf '%b' '[Service]\\n{lines}\\n' > {place}"


def bind(address: str) -> str:
    return f"printf 'base: {{server: {{bind: \"{address}\"}}}}\\n' > {SETTINGS}"


def encrypted(name: str, place: str = f"{SECRETS}/raab.cred") -> str:
    return f"printf {GOOD} | systemd-creds encrypt --with-key=host --name={name} - {place}"


STATES = (
    State("a secret that is too short", secret("security.secret_key", "short"), "at least 32 characters", sample=True, boots=True),
    State("an empty secret", secret("security.secret_key", ""), "at least 32 characters"),
    State("a secret that is no text", secret("security.secret_key", "\\377\\376"), "not UTF-8 text"),
    State("a secret that is named wrongly", secret("security.secret_kee", GOOD), "unknown key"),
    State("a secret of somebody else", secret("theirs", "x")),
    State("a good secret", secret("security.secret_key", GOOD)),
    State("a credential that is missing", drop_in("LoadCredential=x:/nowhere"), "credentials"),
    State("a credential that nobody encrypted", drop_in("LoadCredentialEncrypted=x:/etc/hostname"), "credentials", sample=True),
    State(
        "a credential encrypted for another name",
        f"{encrypted('other')}; {drop_in(f'LoadCredentialEncrypted=x:{SECRETS}/raab.cred')}",
        "credentials",
    ),
    State(
        "an encrypted secret",
        f"{encrypted('raab_security.secret_key', '/etc/raab/x')};"
        + drop_in("LoadCredentialEncrypted=raab_security.secret_key:/etc/raab/x"),
    ),
    State("a short secret in the unit", drop_in("SetCredential=raab_security.secret_key:short"), "at least 32 characters"),
    State("a variable that is no number", drop_in("Environment=RAAB_SERVER__WORKERS=many"), "server.workers"),
    State("a variable out of bounds", drop_in("Environment=RAAB_SERVER__WORKERS=3 RAAB_SERVER__WORKERS_MAX=2"), "workers_max"),
    State("a variable that is misspelt", drop_in("Environment=RAAB_SERVER__WOKERS=4"), "unknown key"),
    State("a variable in lower case", drop_in("Environment=RAAB_server__workers=4"), "unknown variable"),
    State("an environment that is none", drop_in("Environment=RAAB_ENVIRONMENT=prod"), "unknown environment"),
    State(
        "a wrong variable in /run",
        drop_in("Environment=RAAB_SERVER__WORKERS=0", "/run/systemd/system/raab.service.d/t.conf"),
        ">= 1",
        volatile=True,
    ),
    State("a wrong variable by a specifier", drop_in("Environment=RAAB_SERVER__WORKERS=%n"), "server.workers"),
    State("a secret's file that is missing", drop_in("Environment=RAAB_SECURITY__SECRET_KEY_FILE=/nowhere"), "/nowhere"),
    State("a good variable", drop_in("Environment=RAAB_SERVER__WORKERS=3")),
    State("a directive that there is not", drop_in("Enviroment=RAAB_SERVER__WORKERS=0")),
    State(
        "an environment file that is missing", drop_in("EnvironmentFile=/nowhere"), "EnvironmentFile=/nowhere", reloads=False, sample=True
    ),
    State("one that may be missing", drop_in("EnvironmentFile=-/nowhere")),
    State(
        "all of a folder, by a specifier",
        f"{drop_in('EnvironmentFile=/etc/%p.d/*.env')}; mkdir /etc/raab.d; echo A=b > /etc/raab.d/a.env",
        sample=True,
    ),
    State("none of a folder", f"{drop_in('EnvironmentFile=/etc/%p.d/*.env')}; mkdir /etc/raab.d", "*.env", reloads=False),
    State(
        "a wrong variable for all services", drop_in("Environment=RAAB_SERVER__WORKERS=0", "/etc/systemd/system/service.d/t.conf"), ">= 1"
    ),
    State(
        "a wrong variable for other services", drop_in("Environment=RAAB_SERVER__WORKERS=0", "/etc/systemd/system/raab-.service.d/t.conf")
    ),
    State("one that is a folder", drop_in("EnvironmentFile=/etc"), "environment files", reloads=False),
    State(
        "one that is wrong", f"{drop_in('EnvironmentFile=/etc/raab.env')}; echo RAAB_SERVER__WORKERS=x > /etc/raab.env", "server.workers"
    ),
    State("one with lines that are none", f"{drop_in('EnvironmentFile=/etc/raab.env')}; printf '?\\nA B\\n' > /etc/raab.env"),
    State("a user that there is not", drop_in("User=nosuch"), "nosuch", reloads=False),
    State("a folder that is missing", drop_in("ReadWritePaths=/nowhere"), "namespacing", reloads=False, sample=True),
    State("a release that may not be seen", drop_in("InaccessiblePaths=/opt"), "Failed at step EXEC", reloads=False),
    State("a working directory that is missing", drop_in("WorkingDirectory=/nowhere"), "directory", reloads=False),
    State("a limit that nothing runs with", drop_in("LimitNOFILE=4"), "Too many open files"),
    State("a call that Python needs forbidden", drop_in("SystemCallFilter=~openat"), "Operation not permitted"),
    State("settings out of bounds", f"printf 'base:\\n  server:\\n    workers: 0\\n' > {SETTINGS}", "server.workers"),
    State("an address in a folder that is missing", bind("unix:/nowhere/http"), "unix:/nowhere/http"),
    State("an address in a folder of others", bind("unix:/etc/raab/http"), "unix:/etc/raab/http"),
    State("an address of the service's own", bind("unix:/run/raab/control"), "a socket of the service's own", sample=True),
    State("an address of another host", bind("192.0.2.7:8000"), "192.0.2.7:8000"),
    State("an address by a name that nobody knows", bind("no-such-host.invalid:8000"), "no-such-host.invalid:8000"),
    State("an address for root alone", bind("127.0.0.1:80"), "127.0.0.1:80"),
    State("settings with an unknown key", f"printf 'base:\\n  sever: 1\\n' > {SETTINGS}", "sever"),
    State("settings that are no YAML", f"printf 'base: [\\n' > {SETTINGS}", "setting.yaml"),
    State("settings that only root can read", f"printf 'base: {{}}\\n' > {SETTINGS}; chmod 600 {SETTINGS}", "cannot be read"),
    State("settings that nobody reads", f"echo > {PATHS.configuration}/settings.yaml", "read by nobody"),
    State("a unit that is masked", f"mv {UNIT} {UNIT}.kept; ln -s /dev/null {UNIT}", "masked", reloads=False, mended=True, sample=True),
    State("a unit that is gone", f"mv {UNIT} {UNIT}.kept", "not-found", reloads=False, mended=True),
    State("a unit with two commands", drop_in("ExecStart=/bin/true"), "bad-setting", reloads=False),
)
UNDONE = f"""
test -e {UNIT}.kept && mv -T {UNIT}.kept {UNIT}
rm -rf {UNIT}.d/test.conf /run/systemd/system/raab.service.d {SECRETS}/* {SETTINGS} {PATHS.configuration}/settings.yaml
rm -rf /etc/raab.env /etc/raab/x /etc/raab.d /etc/systemd/system/service.d /etc/systemd/system/raab-.service.d
systemctl daemon-reload; systemctl reset-failed raab; systemctl restart raab
"""


def parameters() -> Iterator[object]:
    for state in STATES:
        yield pytest.param(state, id=state.name.replace(" ", "-"), marks=() if state.sample else pytest.mark.prove)


def test_the_table_is_long_enough() -> None:
    """And has of both kinds."""
    assert len(STATES) >= 25 and sum(bool(state.said) for state in STATES) > 15 and sum(not state.said for state in STATES) > 5


def fab(steady: Steady, service: Service, verb: str) -> tuple[bool, str]:
    """Whether it succeeds, and what it says."""
    try:
        return True, steady.fab(verb, "--hosts", service.shell.host.name)
    except AssertionError as error:
        assert "Traceback" not in str(error)
        return False, str(error)


@pytest.mark.parametrize("state", list(parameters()))
def test_what_is_said_of_the_next_start_is_true(lab: LabForTests, steady: Steady, service: Service, traffic: Traffic, state: State) -> None:
    """By check, plan, reload and deploy; the service serves on, and the start does what they said."""
    try:
        with traffic():
            before = service.status()
            service.run(state.made)
            checked = service.run("raab check", check=False)
            since = time.time()
            reloaded = service.systemctl("reload", check=False)
            journal = service.journal(since)
            _, planned = fab(steady, service, "plan")
            if state.said:
                assert service.status().serving == before.serving
            deployed, report = fab(steady, service, "deploy")
            if state.said and not state.mended:
                assert service.status().serving == before.serving
        service.systemctl("stop", check=False)
        started = service.systemctl("start", check=False).status == 0
        assert started == (not state.said or state.mended), service.journal(since)
        assert deployed == started, report
        assert (checked.status == 0) == (not state.said), checked.out + checked.err
        assert (reloaded.status == 0) == (not state.said), journal
        assert ("a start of what is there would fail" in planned) == bool(state.said), planned
        if state.said:
            assert state.said in checked.err and state.said in planned and (state.mended or state.said in report)
            assert state.said in journal or not state.reloads
            assert "Traceback" not in checked.err + journal
        if not state.sample or state.boots:
            lifecycle.reboot(lab.lab, service.shell.host.name)
            service.run("systemctl is-system-running --wait", check=False, timeout=120)
            assert (service.show("ActiveState") == "active") == (started or state.volatile), service.journal(since)
    finally:
        service.run(UNDONE, check=False, timeout=120)


def test_a_unit_file_that_was_away_costs_no_socket(service: Service, traffic: Traffic) -> None:
    """systemd that reads unit files meanwhile closes what it keeps for the service, whose next restart would refuse clients."""
    kept = service.show("NFileDescriptorStore")
    try:
        service.run(f"mv {UNIT} {UNIT}.kept; systemctl daemon-reload; mv {UNIT}.kept {UNIT}; systemctl daemon-reload")
        assert service.show("NFileDescriptorStore") == "0"
        with traffic():
            service.systemctl("restart")
        assert service.show("NFileDescriptorStore") == kept
        service.systemctl("stop")
        assert service.show("NFileDescriptorStore") == "0"
    finally:
        service.run(UNDONE, check=False, timeout=120)
