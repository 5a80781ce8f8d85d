"""Files as one part of a release: a zip file with a record, in the form of a wheel, the same bytes for the same files."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

RECORD = ".raab/RECORD"
EARLIEST = (1980, 1, 1, 0, 0, 0)


def write(target: Path, files: Mapping[str, tuple[bytes, bool]], record: str = RECORD) -> None:
    """`files` by the names that they get, each its content and whether it can be run. Not compressed: what that makes of it differs by the
    library that does it."""
    rows = io.StringIO()
    lines = csv.writer(rows, lineterminator="\n")
    for name, (content, _) in sorted(files.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.writerow((name, f"sha256={digest}", len(content)))
    lines.writerow((record, "", ""))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, (content, runs) in (*sorted(files.items()), (record, (rows.getvalue().encode(), False))):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.create_system = 3
            entry.external_attr = (0o100755 if runs else 0o100644) << 16
            archive.writestr(entry, content)
