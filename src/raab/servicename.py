"""What a service may be called: the name is that of a systemd unit, a user, a group and several folders. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Sequence

from raab import exitcodes
from raab.errors import RaabError

# systemd-sysusers takes no longer user (sysusers.d(5), valid_user_group_name).
LONGEST = 31
WORDS = f"a service's name: small letters and digits, single dashes between them, a letter first, at most {LONGEST}"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
# What raab makes of a service's name beside its unit and its folder (raab.host.paths): one called so would be within another one.
_MADE = ("activate", "deploy", "proof", "proxy", "http", "edge")
# Users, units and folders that a host has or gets from its distribution. What else is there is looked for on the host itself.
_TAKEN = """
    root daemon bin sys adm mail nobody nogroup staff users ssh sshd nginx apache2 httpd caddy haproxy postgres postgresql mysql mariadb
    mongod redis memcached docker containerd dbus messagebus polkit cron rsyslog syslog udev network networking dnsmasq named ntp chrony
    ufw postfix ssl apt default init lock log mount user credentials sudo opt etc run var tmp home local
"""
RESERVED = frozenset(_TAKEN.split())
# Families of units: systemd's own, and what raab itself has on a host.
_FAMILIES = ("systemd", "raab-", "dbus-", "user-", "getty", "apt-")


def wrong(name: str) -> str:
    """Why no service can be called so; empty for a name that one can have."""
    if len(name) > LONGEST or not _NAME.fullmatch(name):
        return f"not {WORDS}"
    if name in RESERVED or name.startswith(_FAMILIES):
        return "a name that hosts have for something else"
    if (last := name.rpartition("-")[2]) in _MADE and last != name:
        return f"raab itself makes names that end in -{last}"
    return ""


def taken(name: str, found: Sequence[str]) -> RaabError:
    """What to say where a host has these things under a name, and none of them is raab's."""
    text = f"service {name}: the host has something of that name that is not raab's, got {', '.join(found)}"
    return RaabError(text, "give the service another name: name: in deploy/config.yaml, or in the environment's file", exitcodes.REFUSED)
