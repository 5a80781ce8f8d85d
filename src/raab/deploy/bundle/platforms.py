"""What decides which wheel fits a host."""

from __future__ import annotations

import re

from msgspec import Struct

from raab import exitcodes
from raab.errors import RaabError

# pip takes each platform tag literally, so a newer libc has to name every older one that it can run.
OLDEST_GLIBC = 5
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


class Platform(Struct, frozen=True):
    """What decides which wheel fits: the host's Python, e.g. 3.11.2, its libc, e.g. `glibc 2.36`, its machine, e.g. x86_64."""

    python: str
    implementation: str
    libc: str
    machine: str

    @property
    def tags(self) -> tuple[str, ...]:
        """All platform tags of wheels that run there, newest first."""
        newest = glibc(self.libc)
        if not newest:
            raise RaabError(
                f"wheels: no wheels are known for this libc, got {self.libc or 'none'}", "raab runs on glibc", exitcodes.REFUSED
            )
        tags = []
        for minor in range(newest, OLDEST_GLIBC - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in LEGACY:
                tags.append(f"{LEGACY[minor]}_{self.machine}")
        return (*tags, f"linux_{self.machine}")

    @property
    def text(self) -> str:
        return f"Python {self.python} on {self.machine} with {self.libc}"

    @property
    def minor(self) -> str:
        """The 3.11 of 3.11.2."""
        return ".".join(self.python.split(".")[:2])

    @property
    def target(self) -> tuple[str, ...]:
        """The platform in pip's words."""
        return ("--implementation=cp", f"--python-version={self.minor}", *(f"--platform={tag}" for tag in self.tags))

    def runs(self, wheel: str, ours: Platform) -> bool:
        """Whether a wheel that was built on a machine of `ours` runs there: a pure one does, another one on its own kind."""
        if re.search(r"-py3-none-any\.whl$|-py2\.py3-none-any\.whl$", wheel):
            return True
        same = (self.minor, self.implementation, self.machine) == (ours.minor, ours.implementation, ours.machine)
        # What was linked with one libc needs that one or a newer one.
        return same and glibc(self.libc) >= glibc(ours.libc)

    @property
    def markers(self) -> dict[str, str]:
        """The variables of PEP 508 as they are on that host."""
        return {
            "implementation_name": self.implementation.lower(),
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": self.implementation,
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": self.minor,
            "sys_platform": "linux",
            "extra": "",
        }


def glibc(libc: str) -> int:
    """The 36 of `glibc 2.36`; 0 for what is none."""
    match = re.fullmatch(r"glibc 2\.([0-9]+)", libc)
    return int(match[1]) if match else 0
