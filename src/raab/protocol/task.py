"""What a session leaves for the activation that it starts: the request, as JSON. Another raab may have written it than the one that reads
it. Standard library only, and pure."""

from __future__ import annotations

import json
from typing import Any

from raab.protocol.conversation import VERSION, understood
from raab.protocol.reading import read
from raab.protocol.requests import Activate


def written(request: Activate) -> bytes:
    hooks = {name: hook and hook._asdict() for name, hook in request.hooks._asdict().items()}
    return json.dumps({**request._asdict(), "hooks": hooks, "speaks": VERSION}).encode()


def understand(text: bytes) -> Activate:
    """Raises ValueError for what is no task, RaabError for one of a version that is not known here."""
    told: Any = json.loads(text)
    if type(told) is not dict:
        raise ValueError("not a task")
    understood(told.pop("speaks", 1), "root's program on this host", "the session that has started it")
    request: Activate = read(Activate, told, "task")
    return request
