"""Which services a host has. Standard library only."""

from __future__ import annotations

from raab import exitcodes, servicename
from raab.errors import RaabError
from raab.host.paths import RAAB, Paths
from raab.host.units import claim


def names(roots: Paths) -> tuple[str, ...]:
    """Of all that have a release or had one; the folders are root's."""
    if not roots.opt.is_dir():
        return ()
    found = (entry.name for entry in sorted(roots.opt.iterdir()) if not servicename.wrong(entry.name))
    return tuple(name for name in found if (service := roots._replace(name=name)).releases.is_dir() and claim.ours(service))


def meant(roots: Paths) -> Paths:
    """The one that an operator means who names none: raab's own, or the only one. Raises RaabError where that is not clear."""
    known = names(roots)
    if RAAB in known or not known:
        return roots._replace(name=RAAB)
    if len(known) > 1:
        raise RaabError(f"raab: which service? this host has {', '.join(known)}", f"raab -s {known[0]} ...", exitcodes.BAD_INPUT)
    return roots._replace(name=known[0])
