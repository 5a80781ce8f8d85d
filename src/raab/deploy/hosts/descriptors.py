"""Room for the connections to many hosts: each holds open files of the process that speaks to them, which a shell allows a thousand of."""

from __future__ import annotations

import resource

from raab import exitcodes
from raab.errors import RaabError

# ssh's three pipes and its log.
FOR_A_HOST = 4
# What all the rest of `fab` has open, with what its threads open for a moment.
BESIDE = 200


def make_room(hosts: int) -> None:
    """Have this process open as many files as so many connections need. The system's own limit allows far more than the one that begins
    a process (setrlimit(2): RLIMIT_NOFILE, soft and hard).

    Raises RaabError where that is too low, too.
    """
    needed = hosts * FOR_A_HOST + BESIDE
    soft, hard = (float("inf") if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE))
    if soft >= needed:
        return
    if hard < needed:
        problem = f"open files: connections to {hosts} hosts need {needed}, got a limit of {hard:.0f}"
        hint = "let this user have more (limits.conf(5): nofile; LimitNOFILE= of a unit), or take part of the hosts by --hosts"
        raise RaabError(problem, hint, exitcodes.BAD_INPUT)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
