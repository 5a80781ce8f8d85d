"""How a login may go wrong."""

from __future__ import annotations

import subprocess

from .case import Stage, case

FAMILY = "keys and addresses"
LINE = "fab deploy --env case"
PLAN = "fab plan --env case"


@case(FAMILY, "a key that the host does not know", 3, "was refused", LINE)
def _(stage: Stage) -> None:
    stage.environment(identity=str(stage.key("other")))


@case(FAMILY, "a key that is not there", 2, "the key cannot be read", LINE, quick=True)
def _(stage: Stage) -> None:
    stage.environment(identity="/nowhere/key")


@case(FAMILY, "the public half in the key's place", 2, "this is no private key that ssh can use", LINE)
def _(stage: Stage) -> None:
    public = subprocess.run(("ssh-keygen", "-y", "-f", stage.host.key), check=True, capture_output=True).stdout
    key = stage.write("half", public)
    key.chmod(0o600)
    stage.environment(identity=str(key))


@case(FAMILY, "a key that is no text", 2, "this is no private key that ssh can use", LINE)
def _(stage: Stage) -> None:
    key = stage.write("binary", bytes(range(256)) * 4)
    key.chmod(0o600)
    stage.environment(identity=str(key))


@case(FAMILY, "a key that others may read", 2, "others may read the key", LINE)
def _(stage: Stage) -> None:
    key = stage.write("open", stage.host.key.read_bytes())
    key.chmod(0o644)
    stage.environment(identity=str(key))


@case(FAMILY, "a key that nobody has opened", 3, "the key is encrypted and nobody has opened it", LINE)
def _(stage: Stage) -> None:
    key = stage.key("locked")
    subprocess.run(("ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key), check=True)
    stage.environment(identity=str(key))


@case(FAMILY, "a host whose key is unknown", 3, "its host key is unknown", LINE)
def _(stage: Stage) -> None:
    stage.environment(known_hosts=str(stage.write("known_hosts", "")))


@case(FAMILY, "a host whose key has changed", 3, "its host key has changed", LINE)
def _(stage: Stage) -> None:
    public = " ".join(stage.key("another").with_suffix(".pub").read_text().split()[:2])
    stage.environment(known_hosts=str(stage.write("known_hosts", f"{stage.host.address} {public}\n")))


@case(FAMILY, "a host whose key is revoked", 3, "is revoked", LINE)
def _(stage: Stage) -> None:
    known = stage.host.known_hosts.read_text()
    revoked = "".join(f"@revoked * {' '.join(line.split()[1:3])}\n" for line in known.splitlines())
    stage.environment(known_hosts=str(stage.write("known_hosts", known + revoked)))


@case(FAMILY, "a file of host keys that is not there", 2, "the file of host keys cannot be read", LINE)
def _(stage: Stage) -> None:
    stage.environment(known_hosts="/nowhere/known_hosts")


@case(FAMILY, "a port at which nobody listens", 3, "it cannot be reached", LINE)
def _(stage: Stage) -> None:
    stage.environment(port="1")


@case(FAMILY, "a port at which no sshd listens", 3, "what answers there is no sshd", LINE)
def _(stage: Stage) -> None:
    stage.environment(port="8000", connect_timeout="3")


@case(FAMILY, "a name that nobody knows", 3, "its name is not known", LINE)
def _(stage: Stage) -> None:
    stage.environment(hosts="{h1: {address: nobody.invalid}}")


@case(FAMILY, "a configuration of ssh's that ssh does not understand", 2, "ssh does not understand its configuration", LINE)
def _(stage: Stage) -> None:
    stage.environment(ssh_config=str(stage.write("ssh_config", "Nonsense yes\n")))


USER = (
    "useradd --create-home --shell {shell} deployer && install -d -o deployer -m 700 /home/deployer/.ssh"
    " && install -o deployer -m 600 /root/.ssh/authorized_keys /home/deployer/.ssh/"
)
GONE = "rm -f /etc/sudoers.d/deployer; userdel --remove deployer 2>/dev/null; true"


def user(stage: Stage, more: str = "", shell: str = "/bin/sh") -> None:
    stage.there(USER.format(shell=shell) + more, GONE)
    stage.environment(user="deployer")


@case(FAMILY, "a user that the host does not have", 3, "the login as nobody-here", LINE)
def _(stage: Stage) -> None:
    stage.environment(user="nobody-here")


@case(FAMILY, "a user who may not use sudo", 5, "sudo refused deployer", LINE)
def _(stage: Stage) -> None:
    user(stage)


@case(FAMILY, "a user who may use sudo", 0, "1 deployed", LINE, serves="new")
def _(stage: Stage) -> None:
    user(stage, " && echo 'deployer ALL=(root) NOPASSWD: /usr/bin/python3' >/etc/sudoers.d/deployer")


@case(FAMILY, "a user without a login shell", 5, "no session began", LINE)
def _(stage: Stage) -> None:
    user(stage, shell="/usr/sbin/nologin")


@case(FAMILY, "a user whose password has expired", 5, "the password of deployer has expired", LINE)
def _(stage: Stage) -> None:
    user(stage, " && chage -d 0 deployer")


@case(FAMILY, "a user who has expired", 3, "it took the key, and then closed the connection", LINE)
def _(stage: Stage) -> None:
    user(stage, " && chage -E 1 deployer")
