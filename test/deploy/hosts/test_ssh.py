"""Logging in to real sshd processes: what ssh_config(5) and sshd(8) say holds, and each way in which a login fails has its sentence."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from raab import exitcodes
from raab.deploy import environments as environment
from raab.deploy.hosts.refusals import ConnectionLost
from raab.deploy.hosts.runner import Runner
from raab.errors import RaabError
from raab.protocol import conversation
from raab.protocol.answers import History

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
ME = getpass.getuser()

pytestmark = pytest.mark.skipif(SSHD is None, reason="needs OpenSSH's sshd: apt-get install openssh-server")


def key(file: Path, *options: str) -> Path:
    options = options or ("-t", "ed25519")
    subprocess.run(("ssh-keygen", "-q", "-f", str(file), *(() if "-N" in options else ("-N", "")), *options), check=True)
    return file


def public(file: Path) -> str:
    return " ".join(file.with_suffix(".pub").read_text().split()[:2])


class Sshd:
    """A server of its own at 127.0.0.1 and ::1, with one host key, that lets in whoever has the key `in_`."""

    def __init__(self, folder: Path, *lines: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.host_key = key(folder / "host")
        self.in_ = key(folder / "in")
        self.authorized = folder / "authorized"
        self.authorized.write_text(public(self.in_) + "\n")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        # Of two lines the first one holds (sshd_config(5)).
        self.lines = (
            *lines,
            f"Port {self.port}", "ListenAddress 127.0.0.1", "ListenAddress ::1", f"HostKey {self.host_key}", f"PidFile {folder}/pid",
            f"AuthorizedKeysFile {self.authorized}", "StrictModes no", "UsePAM no", "PasswordAuthentication no",
            "KbdInteractiveAuthentication no", "PermitRootLogin yes",
        )  # fmt: skip
        (folder / "config").write_text("".join(f"{line}\n" for line in self.lines))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            (str(SSHD), "-D", "-e", "-f", str(folder / "config")), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("w"), start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, (folder / "log").read_text()
                time.sleep(0.02)

    @property
    def known(self) -> str:
        return f"[127.0.0.1]:{self.port},[::1]:{self.port} {public(self.host_key)}\n"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "sshd")
    yield server
    server.close()


class Place:
    """An environment with one host, `web1`, and what ssh reads for it."""

    def __init__(self, root: Path, sshd: Sshd) -> None:
        self.root, self.sshd = root, sshd
        (root / "deploy").mkdir()
        self.known_hosts = root / "known_hosts"
        self.known_hosts.write_text(sshd.known)
        self.ssh_config = root / "ssh_config"
        self.ssh_config.write_text("")
        self.keys: dict[str, object] = {
            "port": sshd.port, "user": ME, "identity": sshd.in_, "known_hosts": self.known_hosts, "ssh_config": self.ssh_config,
        }  # fmt: skip

    def ask(self, address: str = "127.0.0.1", **keys: object) -> str:
        """`worked`, or what went wrong; its exit code is in `code`. A key that is None is left out."""
        lines = {**self.keys, **keys}
        text = "".join(f"{name}: {value}\n" for name, value in lines.items() if value is not None)
        (self.root / "deploy" / "e.yaml").write_text(f"hosts: {{web1: {{address: '{address}'}}}}\nconnect_timeout: 5\n{text}")
        with Runner(environment.load(self.root, "e"), lambda host, said: None) as runner:
            try:
                runner.connect("web1").request("history", History)
            except RaabError as error:
                self.code = error.exit_code
                assert error.hint
                assert str(error).startswith("host web1")
                return str(error)
        return "worked"


@pytest.fixture
def place(tmp_path: Path, sshd: Sshd) -> Place:
    root = tmp_path / "root"
    root.mkdir()
    return Place(root, sshd)


def test_what_the_environment_says(place: Place) -> None:
    assert place.ask() == "worked"
    assert place.ask("::1") == "worked"


def test_what_ssh_is_configured_to_do(place: Place) -> None:
    """Include, Match, HostName, Port, User, IdentityFile, HostKeyAlias and UserKnownHostsFile, and nothing said by the environment."""
    sshd = place.sshd
    place.known_hosts.write_text(f"the-first {public(sshd.host_key)}\n")
    included = place.root / "included"
    included.write_text(f"Match originalhost www exec true\n    HostName 127.0.0.1\n    Port {sshd.port}\n    User {ME}\n")
    place.ssh_config.write_text(
        f"Include {included}\nHost www\n    IdentityFile {sshd.in_}\n    HostKeyAlias the-first\n"
        f"    UserKnownHostsFile {place.known_hosts}\n"
        "    Port 1\n    StrictHostKeyChecking no\n    RemoteCommand false\n    RequestTTY force\n    ControlMaster auto\n"
        f"    ControlPath {place.root}/control\n    LocalForward 1 localhost:1\n    ProxyCommand none\n"
    )
    nothing = dict.fromkeys(("port", "user", "identity", "known_hosts"))
    assert place.ask("www", **nothing) == "worked"
    assert not (place.root / "control").exists()
    place.known_hosts.write_text("")
    assert "its host key is unknown" in place.ask("www", **nothing)
    assert f"127.0.0.1:{sshd.port}" in place.ask("www", **nothing)


def test_the_environment_is_above_it(place: Place) -> None:
    place.ssh_config.write_text("Host *\n    Port 1\n    User nobody\n    IdentityFile /dev/null\n    UserKnownHostsFile /dev/null\n")
    assert place.ask() == "worked"


def test_who_logs_in_where_nobody_says_so_is_root(place: Place) -> None:
    """And who is named by ssh's configuration is not."""
    assert (place.ask(user=None) == "worked") is (ME == "root")
    place.ssh_config.write_text("Host 127.*\n    User nobody-here\n")
    assert "the login as nobody-here" in place.ask(user=None)


def test_a_configuration_that_ssh_does_not_understand(place: Place) -> None:
    place.ssh_config.write_text("Host *\n    Prot 22\n")
    said = place.ask()
    assert "ssh does not understand its configuration" in said and "ssh_config" in said and "line 2" in said
    assert place.code == exitcodes.BAD_INPUT
    assert "ssh's configuration cannot be read" in place.ask(ssh_config="/nowhere")


@pytest.fixture
def hop(tmp_path: Path) -> Iterator[Sshd]:
    server = Sshd(tmp_path / "hop")
    yield server
    server.close()


def test_the_key_of_a_host_on_the_way_is_checked(place: Place, hop: Sshd) -> None:
    """Even where ssh's configuration would learn or believe any."""
    jump = f"Host hop\n    HostName ::1\n    Port {hop.port}\n    User {ME}\n    IdentityFile {hop.in_}\n    StrictHostKeyChecking no\n"
    place.ssh_config.write_text(f"{jump}Host 127.0.0.1\n    ProxyJump hop\n")
    said = place.ask()
    assert f"the host key of [::1]:{hop.port}, on the way to it, is unknown" in said
    assert f"ssh-keyscan -p {hop.port} ::1" in said
    place.known_hosts.write_text(place.sshd.known + hop.known)
    assert place.ask() == "worked"
    place.known_hosts.write_text(place.sshd.known + f"[::1]:{hop.port} {public(place.sshd.host_key)}\n")
    assert f"the host key of [::1]:{hop.port} has changed" in place.ask()
    place.known_hosts.write_text(f"@revoked * {public(hop.host_key)}\n" + place.sshd.known + hop.known)
    assert f"the host key of [::1]:{hop.port} is revoked" in place.ask()
    # Nothing was learned.
    assert len(place.known_hosts.read_text().splitlines()) == 3


def test_a_host_on_the_way_that_does_not_let_in(place: Place, hop: Sshd) -> None:
    place.known_hosts.write_text(place.sshd.known + hop.known)
    place.ssh_config.write_text(f"Host 127.0.0.1\n    ProxyJump {ME}@[::1]:{hop.port}\n")
    hop.authorized.write_text("")
    said = place.ask()
    assert f"on the way to it, ::1 refused the login as {ME}, got: publickey" in said


def test_keys_that_are_unknown_another_or_revoked(place: Place) -> None:
    sshd = place.sshd
    place.known_hosts.write_text("")
    said = place.ask()
    assert "its host key is unknown" in said and f"ssh-keyscan -p {sshd.port} 127.0.0.1 >> {place.known_hosts}" in said
    place.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {public(sshd.in_)}\n")
    said = place.ask()
    assert "its host key has changed, got SHA256:" in said and f"{place.known_hosts}:1" in said and "ssh-keygen -f" in said
    place.known_hosts.write_text(f"{sshd.known}@revoked * {public(sshd.host_key)}\n")
    assert f"the host key of [127.0.0.1]:{sshd.port} is revoked" in place.ask()
    assert place.code == exitcodes.UNREACHABLE


def test_broken_lines_are_passed_over_and_named(place: Place) -> None:
    broken = f"\x00\xff\n[127.0.0.1]:{place.sshd.port} ssh-ed25519 AAAA\nthree words only\n@nonsense * x\n\n# a comment\n"
    place.known_hosts.write_text(broken + place.sshd.known)
    assert place.ask() == "worked"
    place.known_hosts.write_text(broken)
    assert f"where this cannot be read: {place.known_hosts}:2" in place.ask()


def test_a_host_that_a_known_authority_vouches_for(tmp_path: Path, place: Place) -> None:
    authority = key(tmp_path / "authority")
    subprocess.run(
        ("ssh-keygen", "-q", "-s", str(authority), "-I", "web1", "-h", "-n", "127.0.0.1", f"{place.sshd.host_key}.pub"), check=True
    )
    certified = Sshd(tmp_path / "certified", f"HostKey {place.sshd.host_key}", f"HostCertificate {place.sshd.host_key}-cert.pub")
    try:
        place.keys |= {"port": certified.port, "identity": certified.in_}
        place.known_hosts.write_text(f"@cert-authority [127.0.0.1]:{certified.port} {public(authority)}\n")
        assert place.ask() == "worked"
        place.known_hosts.write_text(f"@cert-authority [127.0.0.1]:{certified.port} {public(certified.in_)}\n")
        assert "its host key is unknown" in place.ask()
        assert "it has a certificate, of nobody whom a @cert-authority line there names" in place.ask()
        place.known_hosts.write_text(f"@cert-authority [127.0.0.1]:{certified.port} {public(authority)}\n@revoked * {public(authority)}\n")
        assert "revoked" in place.ask() or "refused" in place.ask()
    finally:
        certified.close()


def test_a_key_that_is_encrypted(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked for its passphrase; an agent that has it open is."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    for options in (("-t", "ed25519", "-N", "secret"), ("-m", "PEM", "-t", "rsa", "-N", "secret")):
        locked = key(tmp_path / f"locked-{options[-3]}", *options)
        place.sshd.authorized.write_text(public(locked) + "\n")
        said = place.ask(identity=locked)
        assert f"the key is encrypted and nobody has opened it, got {locked}" in said
        assert f"hint: ssh-add {locked}" in said
    agent = tmp_path / "agent"
    with subprocess.Popen(("ssh-agent", "-D", "-a", str(agent)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not agent.exists():
            time.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        ask = tmp_path / "ask"
        ask.write_text("#!/bin/sh\necho secret\n")
        ask.chmod(0o755)
        environ = {**os.environ, "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(("ssh-add", "-q", str(locked)), env=environ, check=True, stdin=subprocess.DEVNULL)
        assert place.ask(identity=locked) == "worked"
        process.terminate()


def test_keys_that_do_not_open(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    other = key(tmp_path / "other")
    said = place.ask(identity=other)
    assert f"the login as {ME} with the key {other} was refused" in said and "add the public key there" in said
    assert place.code == exitcodes.UNREACHABLE
    garbage = tmp_path / "garbage"
    garbage.write_text("not a key\n")
    garbage.chmod(0o600)
    said = place.ask(identity=garbage)
    assert f"this is no private key that ssh can use, got {garbage}" in said and "not the .pub file" in said
    assert "the key cannot be read" in place.ask(identity=tmp_path / "gone")
    assert place.code == exitcodes.BAD_INPUT
    place.sshd.in_.chmod(0o644)
    assert "others may read the key" in place.ask()
    assert place.code == exitcodes.BAD_INPUT
    place.ssh_config.write_text("Host *\n    IdentityFile /nowhere/at-all\n")
    said = place.ask(identity=None)
    assert "there is no key to log in with" in said and "ssh-keygen -t ed25519" in said


def test_a_key_of_a_kind_that_the_host_does_not_take(tmp_path: Path, place: Place) -> None:
    picky = Sshd(tmp_path / "picky", "PubkeyAcceptedAlgorithms ssh-ed25519")
    rsa = key(tmp_path / "rsa", "-t", "rsa")
    picky.authorized.write_text(public(rsa) + "\n")
    place.known_hosts.write_text(picky.known)
    try:
        said = place.ask(port=picky.port, identity=rsa)
        # sshd does not say why; the hint does.
        assert "was refused, got: publickey" in said and "an ed25519 one, if it takes no others" in said
    finally:
        picky.close()
    place.known_hosts.write_text(place.sshd.known)
    place.sshd.authorized.write_text(public(rsa) + "\n")
    place.ssh_config.write_text("Host *\n    PubkeyAcceptedAlgorithms ssh-ed25519\n")
    assert "the key's kind is none that the host takes" in place.ask(identity=rsa)


def test_no_common_algorithm(place: Place) -> None:
    place.ssh_config.write_text("Host *\n    KexAlgorithms diffie-hellman-group1-sha1\n")
    said = place.ask()
    assert "no common algorithm, for the key exchange method, got from it: " in said and "bring the host's OpenSSH up to date" in said
    place.ssh_config.write_text("Host *\n    Ciphers 3des-cbc\n")
    assert "no common algorithm, for the cipher" in place.ask()


def test_a_host_that_takes_no_keys(tmp_path: Path, place: Place) -> None:
    closed = Sshd(tmp_path / "closed", "PubkeyAuthentication no", "PasswordAuthentication yes")
    place.known_hosts.write_text(closed.known)
    try:
        assert "the host takes no keys, got: password" in place.ask(port=closed.port)
    finally:
        closed.close()


def test_a_command_that_is_forced_upon_the_key(place: Place) -> None:
    place.sshd.authorized.write_text(f'command="echo \\"only backups here\\"" {public(place.sshd.in_)}\n')
    said = place.ask()
    assert "the login worked, and no session began (exit status 0), got: only backups here" in said and "no forced command" in said
    assert place.code == exitcodes.REFUSED


def test_nobody_there_and_somebody_else(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: [listener.accept()[0].sendall(b"HTTP/1.1 400\r\n\r\n\x1b[2J" * 2000)], daemon=True).start()
        said = place.ask(port=port)
        assert "what answers there is no sshd, or lets nobody in" in said and "\x1b" not in said
    said = place.ask(port=port)
    assert "it cannot be reached, got: Connection refused" in said
    assert "its name is not known" in place.ask("nowhere.invalid")


def test_two_names_for_one_machine(place: Place) -> None:
    """Which no file shows: the second one is refused, whatever the way to it."""
    access = "".join(f"{name}: {value}\n" for name, value in place.keys.items())
    (place.root / "deploy" / "e.yaml").write_text(f"hosts: {{web1: {{address: 127.0.0.1}}, web2: {{address: '::1'}}}}\n{access}")
    with Runner(environment.load(place.root, "e"), lambda host, said: None) as runner:
        outcome = runner.facts()
    assert list(outcome.done) == ["web1"]
    assert str(outcome.failed["web2"]).startswith("host web2: it is the machine that is web1 already")
    assert outcome.failed["web2"].exit_code == exitcodes.BAD_INPUT


def test_a_connection_that_dies_silently_is_noticed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """No end of it comes. Its host's processes are stopped, as a host that has lost its power says nothing either."""
    monkeypatch.setattr(conversation, "DEPLOYERS_PATIENCE_SECONDS", 1.5)
    (place.root / "deploy" / "e.yaml").write_text(
        "hosts: {web1: {address: 127.0.0.1}}\n" + "".join(f"{name}: {value}\n" for name, value in place.keys.items())
    )
    with Runner(environment.load(place.root, "e"), lambda host, said: None) as runner:
        remote = runner.connect("web1")
        remote.request("history", History)
        children = [int(pid) for pid in subprocess.run(
            ("pgrep", "-P", str(place.sshd.process.pid)), capture_output=True, text=True, check=True).stdout.split()]  # fmt: skip
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(ConnectionLost, match="it has said nothing for"):
                remote.request("history", History, lasts=True)
        finally:
            for pid in children:
                os.kill(pid, signal.SIGCONT)


def test_a_host_lets_go_before_its_deployer_gives_up() -> None:
    """After a silence that no pulse is ever late by, and before a minute is over: who then deploys again finds no lock of his own."""
    pulse, hosts, deployers = conversation.PULSE_SECONDS, conversation.HOSTS_PATIENCE_SECONDS, conversation.DEPLOYERS_PATIENCE_SECONDS
    assert 2 * pulse < hosts < deployers - pulse < 60 - pulse
