"""What a project says of itself in deploy/config.yaml, laid over what raab says for all."""

from __future__ import annotations

from pathlib import Path

from raab import exitcodes
from raab.errors import RaabError
from raab.host.paths import RAAB
from raab.settings.node import ConfigError, Problem
from raab.settings.served import Project
from raab.settings.sources import PACKAGED, layered
from raab.settings.validation import build
from raab.settings.yamlfile import read_yaml

FOLDER = "deploy"
FILE = f"{FOLDER}/config.yaml"
# What a release gets of that folder, whatever else lies there: its environments are the deployer's.
SETTINGS = tuple(f"{FOLDER}/{name}.yaml" for name in ("config", "setting", "logging"))


def name(root: Path) -> str:
    """What the project's service is called on hosts, unless an environment says otherwise; raab's own name where nothing says it."""
    return read(root).name if (root / FILE).is_file() else RAAB


def read(root: Path) -> Project:
    """Raises ConfigError with everything that is wrong, RaabError where there is no such file."""
    path = root / FILE
    if not path.is_file():
        raise RaabError(f"{FILE}: there is none in {root}", "`raab init` there writes it", exitcodes.BAD_INPUT)
    problems: list[Problem] = []
    own = read_yaml(path)
    build(own, Project, problems, partial=True)
    described: Project = build(layered([read_yaml(PACKAGED / "config.yaml"), own]), Project, problems)
    if problems:
        raise ConfigError(tuple(dict.fromkeys(problems)))
    return described
