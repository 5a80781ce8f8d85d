"""What will hurt next, judged from what the host has seen (raab.host.session.outlook). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from raab.deploy.inspection.finding import Finding
from raab.deploy.plan.deploy import MIB
from raab.deploy.plan.python import unreadable
from raab.protocol.service import Interpreter, Place

# What is left when it is time to act, of bytes and of names.
FEWEST_BYTES = 16 * MIB
SHARE = 0.03


def places(told: Sequence[Place]) -> tuple[Finding, ...]:
    """Each file system that cannot be written, or soon cannot; one line if all is well."""
    bad = []
    for place in told:
        if not place.writable:
            cure = f"dmesg says why, when it was the kernel's doing; mount -o remount,rw {place.path}"
            bad.append(Finding("writing", False, f"{place.path} is on a file system that is read-only", cure))
        elif place.free < max(FEWEST_BYTES, min(place.total * SHARE, 64 * FEWEST_BYTES)):
            left = f"{place.free / MIB:.0f} of {place.total / MIB:.0f} MiB free"
            bad.append(Finding("writing", False, f"{place.path}: {left}", f"make room: du -xsh {place.path}/* | sort -h"))
        elif place.inodes and place.inodes_free < place.inodes * SHARE:
            left = f"{place.inodes_free} of {place.inodes} inodes free"
            bad.append(Finding("writing", False, f"{place.path}: {left}", f"remove files: du -x --inodes {place.path} | sort -n"))
    return tuple(bad) or ((Finding("writing", True, ", ".join(place.path for place in told)),) if told else ())


def drained(is_so: bool, command: str) -> Finding:
    return Finding(
        "drained", not is_so, "yes: /readyz says 503, and load balancers pass it over" if is_so else "no", f"{command} undrain, on the host"
    )


def kept(lines: Sequence[str]) -> Finding:
    """What a rollback may go to, and what the next releases are made of."""
    text = "; ".join(lines[:3]) + (f"; and {len(lines) - 3} more" if len(lines) > 3 else "")
    return Finding(
        "kept", not lines, text or "as installed", "a rollback refuses them; the next deploy mends what it needs and prunes the rest"
    )


def left(names: Sequence[str]) -> Finding:
    first = names[0] if names else ""
    cure = f"systemctl disable --now {first}; rm /etc/systemd/system/{first}; systemctl daemon-reload"
    return Finding("left units", not names, f"of no release that serves: {', '.join(names)}" if names else "none", cure)


def interpreter(told: Interpreter | None) -> tuple[Finding, ...]:
    """The Python that the release's environment leads to."""
    if told is None:
        return ()
    if not told.there:
        cure = "install it again, or fab deploy, which makes the environment of the Python that is there now"
        return (Finding("python", False, f"{told.path} is gone, and the next start with it", cure),)
    if told.leaving:
        text = f"{told.path}: the next apt autoremove takes {told.package}"
        return (Finding("python", False, text, f"apt-mark manual {told.package}"),)
    why = unreadable(told.path)
    return (
        Finding("python", not why, why or f"{told.path}" + (f", of {told.package}" if told.package else ""), "name another as `python`"),
    )
