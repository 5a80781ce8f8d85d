"""Whether a request is that of the activation at work, which is told which release answers.

No header alone can say so: any proxy on the host passes on what its clients send, from a loopback address at that.
"""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path

_TOKEN = re.compile(r"[0-9a-f]{64}")


def asked_by_activation(given: str) -> bool:
    """Whether `given` is the token that root has left for this activation where the service may read and not write
    (raab.host.activation.proof.token)."""
    folder = os.environ.get("RUNTIME_DIRECTORY")
    if not folder or not _TOKEN.fullmatch(given):
        return False
    try:
        return hmac.compare_digest(given, Path(f"{folder}-proof").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
