"""What a release's environment and secrets come to in its files: lines of its unit, and the words of the environment for people. Pure."""

from __future__ import annotations

import hashlib
import json

import yaml

from raab.host.units.sandbox import quoted
from raab.protocol.edge import Edge
from raab.settings.given import Given

# What the environment adds, as the release has it.
FILE = "deploy/environment.yaml"
EDGE = "\n# domains: of the environment's file.\n[Service]\n"
HEAD = "\n# env: of deploy/config.yaml, and of the environment's file.\n[Service]\n"


def unit_lines(given: Given, edge: Edge | None = None) -> str:
    """For the end of the unit; what a drop-in of the host says of the same names comes later, and counts."""
    lines = "".join(f"Environment={quoted(f'{name}={value}')}\n" for name, value in given.env.items())
    return (HEAD + lines if lines else "") + (f"{EDGE}Environment={quoted(trusted(edge))}\n" if edge else "")


def trusted(edge: Edge) -> str:
    """The variable by which the service believes its edge, or those of other hosts."""
    return f"RAAB_SERVER__EDGES={json.dumps(edge.edges)}" if edge.edges else "RAAB_SERVER__EDGE=true"


def document(project: Given, added: Given, environment: str) -> str:
    """What the release says of the environment's own: laid over config.yaml it gives what both come to. Empty for nothing."""
    if not added:
        return ""
    both = added.over(project)
    gone = {name: None for name in sorted(project.env) if name not in both.env}
    lines = [f"# What deploy/{environment}.yaml adds to config.yaml.", "env:" + ("" if added.env or gone else " {}")]
    lines += [f"  {name}: {written(value)}" for name, value in sorted({**gone, **added.env}.items())]
    lines.append(f"secrets: [{', '.join(both.secrets)}]")
    return "\n".join([*lines, ""])


def written(value: str | None) -> str:
    """As a value of a YAML file, whatever it holds."""
    return "null" if value is None else yaml.safe_dump(value, default_style='"', allow_unicode=True, width=1 << 20).rstrip("\n")


def content(tree: str, added: str) -> str:
    """The hash of a release: of the tree, and of what the environment adds, so that another word of it is another release."""
    return hashlib.sha256(f"{tree}\0{added}".encode()).hexdigest() if added else tree
