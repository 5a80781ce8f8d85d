"""Why a login went wrong: one sentence and one hint for each way, from what ssh says of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from raab import exitcodes
from raab.deploy.hosts import wire
from raab.deploy.plan.environment import Host
from raab.errors import RaabError
from raab.plain import plain

# What a kind of key is called by ssh, and what begins the names of its signatures.
SIGNED = {"RSA": "rsa", "ED25519": "ed25519", "ECDSA": "ecdsa", "DSA": "dss"}
# What ssh says of a connection that ends under it (OpenSSH, clientloop.c and packet.c).
_LOST = re.compile(
    r"^(?:Connection to \S+ closed|client_loop: |Connection (?:reset|closed) by |Read from remote host |Timeout, server ).*", re.M
)


class ConnectionLost(RaabError):
    """The connection ended before the host had answered."""


def unusable(host: Host, what: str, file: str) -> RaabError:
    """A file that the environment names and that is not there."""
    name = {"identity": "the key", "known_hosts": "the file of host keys", "ssh_config": "ssh's configuration"}[what]
    return RaabError(
        f"host {host.name} ({host.address}): {name} cannot be read, got {file}",
        f"correct {what} in the environment's file",
        exitcodes.BAD_INPUT,
    )


def explain(host: Host, log: str) -> RaabError:
    """Why ssh could not log in. `log` is what it said at LogLevel DEBUG1, what its hops said included."""
    where = f"host {host.name} ({place(host, log)})"
    for way in (config, host_key, algorithms, authentication, network):
        found = way(host, where, log)
        if found:
            return found
    return RaabError(f"{where}: it cannot be reached, got: {last_line(log)}", "is it up, and is the address right?", exitcodes.UNREACHABLE)


def place(host: Host, log: str) -> str:
    """Address and port, as ssh has resolved them."""
    found = re.search(r"^debug1: Connecting to (\S+) (?:\[\S*\] )?port (\d+)", log, re.MULTILINE)
    through = re.search(r"^debug1: Authenticating to (\S+):(\d+) as ", log, re.MULTILINE)
    last = through or found
    if last is None:
        return host.address
    told = f"{plain(last[1])}:{last[2]}"
    return told if last[1] == host.address else f"{host.address}, which is {told}"


def config(host: Host, where: str, log: str) -> RaabError | None:
    """A configuration that ssh does not understand: it names file and line, and tries nothing."""
    found = re.search(
        r"^(\S+: line \d+: .*|\S+ line \d+: .*|Bad configuration option: .*|Can't open user config file .*)$", log, re.MULTILINE
    )
    if not found:
        return None
    return RaabError(f"{where}: ssh does not understand its configuration, got: {plain(found[1])}", "correct it there", exitcodes.BAD_INPUT)


def host_key(host: Host, where: str, log: str) -> RaabError | None:
    """A key that is revoked, has changed, or is unknown, be it the host's or that of one before it."""
    if "Host key verification failed" not in log:
        return None
    if found := re.search(r"^(\S+) host key for (\S+) was revoked", log, re.MULTILINE):
        hint = "the host needs a new key, and known_hosts that one: whoever has this key is nobody to talk to"
        return RaabError(f"{where}: the host key of {plain(found[2])} is revoked, got its {found[1]} key", hint, exitcodes.UNREACHABLE)
    if found := re.search(r"^Host key for (\S+) has changed", log, re.MULTILINE):
        key = re.search(r"^(SHA256:\S+?)\.?$", log, re.MULTILINE)
        line = re.search(r"^Offending \S+ key in (.+:\d+)$", log, re.MULTILINE)
        remove = re.search(r"^ +(ssh-keygen -f .*)$", log, re.MULTILINE)
        hint = f"if it was really set up anew: {plain(remove[1] if remove else 'remove its line', 500)}, then add its new key"
        got = f"{key[1] if key else 'another'}, not that of {plain(line[1], 500) if line else 'known_hosts'}"
        whose = "its host key has changed" if found[1] == name(host, log) else f"the host key of {plain(found[1])} has changed"
        return RaabError(f"{where}: {whose}, got {got}", hint, exitcodes.UNREACHABLE)
    if found := re.search(r"^No (.+) host key is known for (\S+) and", log, re.MULTILINE):
        own = found[2] == name(host, log)
        whose = "its host key is unknown" if own else f"the host key of {plain(found[2])}, on the way to it, is unknown"
        file = host.known_hosts or "~/.ssh/known_hosts"
        broken = sorted(set(re.findall(r"^debug1: (\S+:\d+): parse error in hostkeys file", log, re.MULTILINE)))
        got = f"none of its {found[1]} in {file}" + (f", where this cannot be read: {', '.join(map(plain, broken))}" if broken else "")
        if "cert" in log and re.search(r"^debug1: (Host certificate|Server host certificate)", log, re.MULTILINE):
            got += "; it has a certificate, of nobody whom a @cert-authority line there names"
        address, port = bare(found[2])
        keyscan = f"ssh-keyscan{f' -p {port}' if port else ''} {address} >> {file}"
        return RaabError(f"{where}: {whose}, got {got}", f"compare its fingerprint, then: {keyscan}", exitcodes.UNREACHABLE)
    reason = re.search(r"^(Certificate invalid: .*|.*certificate.*)$", log, re.MULTILINE)
    return RaabError(
        f"{where}: its host key was refused, got: {plain(reason[1]) if reason else last_line(log)}", "see ssh -v", exitcodes.UNREACHABLE
    )


def algorithms(host: Host, where: str, log: str) -> RaabError | None:
    found = re.search(r"^Unable to negotiate with (\S+) port \d+: no matching (.+) found\. Their offer: (.*)$", log, re.MULTILINE)
    if not found:
        return None
    hint = "bring the host's OpenSSH up to date, or allow one of these in ssh's configuration, section of this host"
    return RaabError(
        f"{where}: no common algorithm, for the {plain(found[2])}, got from it: {plain(found[3], 300)}", hint, exitcodes.UNREACHABLE
    )


def authentication(host: Host, where: str, log: str) -> RaabError | None:
    """The login was refused. Which keys were tried says why."""
    found = re.search(r"^(\S+)@(\S+): Permission denied \((.*)\)\.$", log, re.MULTILINE)
    too_many = "Too many authentication failures" in log
    if not found and not too_many:
        return None
    if found and "debug1: Authentications that can continue" not in log:
        # Our own ssh has not come so far: it was one before it, which tells no more.
        return RaabError(
            f"{where}: on the way to it, {plain(found[2])} refused the login as {plain(found[1])}, got: {plain(found[3])}",
            "its key and user come from ssh's configuration alone: the one that ProxyJump names has to let you in",
            exitcodes.UNREACHABLE,
        )
    user = plain(found[1]) if found else host.user or "this user"
    who = f"{where}: the login as {user}" + (f" with the key {host.identity}" if host.identity else "") + " was refused"
    bad = re.search(r'^Load key "(.*)": (.*)$', log, re.MULTILINE)
    offered = re.findall(r"^debug1: (?:Offering public key|Trying private key): (\S+)", log, re.MULTILINE)
    accepted = re.findall(r"^debug1: Server accepts key: (\S+)", log, re.MULTILINE)
    locked = [file for file in (*accepted, *offered) if encrypted(Path(file))]
    if "UNPROTECTED PRIVATE KEY FILE" in log:
        return RaabError(
            f"{who}: others may read the key, and ssh does not use it", f"chmod 600 {host.identity or 'the key'}", exitcodes.BAD_INPUT
        )
    if locked and not (set(accepted) - set(locked)):
        return RaabError(
            f"{who}: the key is encrypted and nobody has opened it, got {plain(locked[0])}",
            f"ssh-add {plain(locked[0])}, with an ssh-agent that raab's shell knows",
            exitcodes.UNREACHABLE,
        )
    if bad:
        return RaabError(
            f"{who}: this is no private key that ssh can use, got {plain(bad[1])}: {plain(bad[2])}",
            "name a private key as identity: not the .pub file, and of a kind that this ssh knows",
            exitcodes.BAD_INPUT,
        )
    if taken := wrong_kind(log):
        return RaabError(
            f"{who}: the key's kind is none that the host takes, got from it: {plain(taken, 300)}",
            "name a key of such a kind as identity; ssh-keygen -t ed25519 makes one",
            exitcodes.UNREACHABLE,
        )
    if found and "publickey" not in found[3].split(","):
        return RaabError(
            f"{who}: the host takes no keys, got: {plain(found[3])}", "allow PubkeyAuthentication there", exitcodes.UNREACHABLE
        )
    if not any(Path(file).is_file() or not file.startswith(("/", "~")) for file in offered):
        return RaabError(
            f"{who}: there is no key to log in with, got none from ssh-agent and none in ~/.ssh",
            "make one with ssh-keygen -t ed25519, or name one as identity",
            exitcodes.UNREACHABLE,
        )
    got = "too many keys before the right one" if too_many else f"{plain(found[3]) if found else ''}, with {', '.join(map(plain, offered))}"
    hint = "name the right one as identity" if too_many else "add the public key there, or name another one as identity"
    # A host that takes no such keys says no more than that it does not take this one.
    if not too_many and not re.search(r"^debug1: Offering public key: .* ED25519", log, re.MULTILINE):
        hint += "; an ed25519 one, if it takes no others (its PubkeyAcceptedAlgorithms)"
    return RaabError(f"{who}, got: {got}", hint, exitcodes.UNREACHABLE)


def network(host: Host, where: str, log: str) -> RaabError | None:
    """No way there: the last complaint of whichever hop made it."""
    if found := re.search(r"^ssh: Could not resolve hostname (\S+): (.*)$", log, re.MULTILINE):
        return RaabError(
            f"{where}: its name is not known, got: {plain(found[1])}: {plain(found[2])}",
            "correct its address in the environment's file",
            exitcodes.UNREACHABLE,
        )
    if found := re.search(r"^ssh: connect to host (\S+) port (\d+): (.*)$", log, re.MULTILINE):
        return RaabError(
            f"{where}: it cannot be reached, got: {plain(found[3])} ({plain(found[1])}, port {found[2]})",
            "is it up, and is the address right?",
            exitcodes.UNREACHABLE,
        )
    if found := re.search(
        r"^(kex_exchange_identification: .*|Connection (?:closed|reset|timed out).*|banner exchange: .*)$", log, re.MULTILINE
    ):
        if "debug1: Server accepts key: " in log:
            return RaabError(
                f"{where}: it took the key, and then closed the connection, got: {plain(found[1])}",
                f"it does not let {who(host, log)} in: an account that has expired (chage -l), AllowUsers, /etc/security/access.conf",
                exitcodes.UNREACHABLE,
            )
        return RaabError(
            f"{where}: what answers there is no sshd, or lets nobody in, got: {plain(found[1])}",
            "look at its sshd: MaxStartups, MaxSessions, DenyUsers, a firewall",
            exitcodes.UNREACHABLE,
        )
    return None


def not_a_session(host: Host, said: str, printed: str, status: int | None, log: str) -> RaabError:
    """The login worked and the session program did not come to speak: what the host's shell, sudo or Python said."""
    where, text = f"host {host.name}", f"{said}\n{printed}"
    user = who(host, log)
    if wire.NO_PYTHON in text:
        return RaabError(f"{where}: there is no {host.python}, got none on PATH", "install Python >= 3.10 on it", exitcodes.REFUSED)
    if wire.OLD_PYTHON in text:
        got = text.split(wire.OLD_PYTHON)[1].split()[0]
        return RaabError(f"{where}: its {host.python} is too old, got {plain(got)}", "install Python >= 3.10 on it", exitcodes.REFUSED)
    if wire.NO_SUDO in text:
        return RaabError(f"{where}: {user} is not root and there is no sudo", "log in as root, or install sudo", exitcodes.REFUSED)
    if sudo := re.search(r"^sudo: .*", text, re.MULTILINE):
        return RaabError(
            f"{where}: sudo refused {user}, got: {plain(sudo[0], 500)}", f"allow it {host.python} without a password", exitcodes.REFUSED
        )
    if re.search(r"password has expired|password is expired|Password change required", text, re.IGNORECASE):
        return RaabError(
            f"{where}: the password of {user} has expired, and the host does nothing else before it is changed",
            f"log in there once and change it, or as root: chage -M -1 {user}",
            exitcodes.REFUSED,
        )
    # ssh(1): 255 when the error is its own, and not that of the command.
    if status == 255 and (lost := _LOST.search(said)):
        return RaabError(
            f"{where}: the connection was lost before a session began, got: {plain(lost[0], 500)}",
            "nothing was changed there; look at the network, then try again",
            exitcodes.UNREACHABLE,
        )
    got = plain(" / ".join(line.strip() for line in text.strip()[-1000:].splitlines() if line.strip()), 1000) or "no word"
    return RaabError(
        f"{where}: the login worked, and no session began (exit status {status}), got: {got}",
        f"{user} needs a login shell that runs the command it is given: no nologin, no forced command",
        exitcodes.REFUSED,
    )


def wrong_kind(log: str) -> str:
    """The signatures that the host takes (RFC 8308, server-sig-algs), if none of the keys that were offered can make such a one."""
    if re.search(r"^debug1: (?:Skipping \S+ key .* not in PubkeyAccepted|.*no mutual signature algorithm)", log, re.MULTILINE):
        return "none of those that this ssh may use"
    taken = re.search(r"server-sig-algs=<(.*?)>", log)
    offered = re.findall(r"^debug1: Offering public key: .* (RSA|ED25519|ECDSA|DSA)(?:-SK|-CERT)* SHA256:", log, re.MULTILINE)
    if taken is None or not offered or any(SIGNED[kind] in taken[1] for kind in offered):
        return ""
    return taken[1]


def encrypted(key: Path) -> bool:
    """Whether a private key needs a passphrase, by ssh-keygen's word."""
    if not key.expanduser().is_file():
        return False
    done = subprocess.run(
        ("ssh-keygen", "-y", "-P", "", "-f", str(key.expanduser())), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode != 0 and "incorrect passphrase" in done.stderr


def who(host: Host, log: str) -> str:
    found = re.search(r"^debug1: Authenticating to \S+ as '(.*)'$", log, re.MULTILINE)
    return plain(found[1]) if found else host.user or "root"


def name(host: Host, log: str) -> str:
    """Under which name the host's own key is looked up: an alias, a name, `[name]:port`."""
    alias = re.search(r"^debug1: using hostkeyalias: (\S+)", log, re.MULTILINE)
    known = re.search(r"^debug1: Authenticating to (\S+):(\d+) as ", log, re.MULTILINE)
    if alias:
        return alias[1]
    if not known:
        return ""
    return known[1] if known[2] == "22" else f"[{known[1]}]:{known[2]}"


def bare(told: str) -> tuple[str, str]:
    """Address and port of a name in known_hosts."""
    found = re.fullmatch(r"\[(.+)\]:(\d+)", told)
    return (plain(found[1]), found[2]) if found else (plain(told), "")


def last_line(log: str) -> str:
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("debug1:")]
    return plain(lines[-1], 500) if lines else "no word"
