"""A service that is being worked on: its edge on this host gives everybody a page, for as long as that is there. Standard library only."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from http.client import HTTPException

from raab import exitcodes
from raab.errors import RaabError
from raab.host.durable import write_durably
from raab.host.edge import sites, through
from raab.host.paths import EDGE, Paths

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Back soon</title>
<p>This service is being worked on. Please come again in a minute.
</html>
"""
Say = Callable[[str], None]


def begin(paths: Paths, page: str, say: Say) -> None:
    """Everybody gets the page, raab's own where that is empty. Raises RaabError, and all is as it was, where the edge does not give it."""
    site = sites.read(sites.file(paths).read_bytes()) if sites.file(paths).exists() else None
    file = sites.page(paths)
    if site is None or site.maintenance != str(file):
        problem = f"maintenance: the host's edge takes no requests for {paths.name}, or was told so by an older raab"
        raise RaabError(problem, "`fab deploy` with `domains` brings it that far", exitcodes.REFUSED)
    before = file.read_bytes() if file.exists() else None
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_durably(file, (page or PAGE).encode(errors="replace"))
    try:
        _prove(site.domains[0], say)
    except RaabError:
        if before is None:
            file.unlink()
        else:
            write_durably(file, before)
        raise


def end(paths: Paths) -> None:
    """The service gets its requests again."""
    sites.page(paths).unlink(missing_ok=True)


def there(paths: Paths) -> bool:
    return sites.page(paths).exists()


def _prove(domain: str, say: Say) -> None:
    """Raises RaabError where a client would not get the page. Without a certificate nobody is a client yet."""
    try:
        got = f"status {status}" if (status := through.status(through.anybody(), domain, "/")) != 503 else ""
    except ssl.SSLError:
        say(f"{domain}: no certificate yet; journalctl -u {EDGE} says how that stands")
        return
    except (OSError, HTTPException) as error:
        got = str(error) or type(error).__name__
    if got:
        raise RaabError(f"maintenance: https://{domain}/ does not give the page, got {got}", f"journalctl -u {EDGE} says more")
