"""`raab help`: how to operate a service, for who is on its host and has no page at hand."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from raab import exitcodes
from raab.errors import RaabError
from raab.host.command.operating import SECTIONS
from raab.host.paths import Paths


def run(services: Sequence[Paths], args: argparse.Namespace) -> int:
    """Print what there is, or the sections whose headings have all the words. Raises RaabError, exit code 2, where none has."""
    if not args.topic:
        print("raab help WORD, of one of these:", *(f"  {title}" for title in SECTIONS), sep="\n")
        return exitcodes.DONE
    wanted = [word.lower() for word in args.topic]
    found = {title: text for title, text in SECTIONS.items() if all(word in title.lower() for word in wanted)}
    if not found:
        raise RaabError(f"help: no such topic, got {' '.join(args.topic)}", "`raab help` lists them", exitcodes.BAD_INPUT)
    # The page tells of a service `shop`, and so does this where the host has several.
    name = services[0].name if len(services) == 1 else "shop"
    print(re.sub(r"\bshop\b", name, "\n\n".join(f"{title}\n\n{text.strip()}" for title, text in found.items())))
    return exitcodes.DONE
