"""What this process was given, as JSON: variables, the names of those that are others by now, and credentials in base64. A program of its
own, for the twin (`twin`). It is one line; a library that these variables put into the process may print others."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

if __name__ == "__main__":
    words = (word.partition(b"=") for word in Path("/proc/self/environ").read_bytes().split(b"\0"))
    given = {os.fsdecode(name): os.fsdecode(value) for name, found, value in words if found}
    made = [name for name in {**given, **os.environ} if os.environ.get(name) != given.get(name)]
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    files = sorted(Path(folder).iterdir()) if folder else []
    told = [given, made, {file.name: base64.b64encode(file.read_bytes()).decode() for file in files}]
    print(f"\nraab: {json.dumps(told)}")
