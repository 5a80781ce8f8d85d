"""Where settings come from, lowest first: packaged files, the project's own, /etc/<name>, systemd credentials, environment variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from raab.settings.meant import meant
from raab.settings.node import ConfigError, Node, Problem, merge
from raab.settings.secret import Secret
from raab.settings.yamlfile import read_yaml

PACKAGED = Path(__file__).parent.parent / "config"
# A project's own files, as its release has them; outside of a release there are none.
OWN = "deploy"
ENVIRONMENTS = ("development", "production")
# Variables with our prefix that are no settings: the first chooses the sections, two belong to the lab, and the last tells a deploy's
# hooks, which may well load the application, where the release is.
RESERVED = frozenset({"RAAB_ENVIRONMENT", "RAAB_LAB", "RAAB_LAB_DIR", "RAAB_RELEASE_DIR"})


def files(folder: Path, environment: str, problems: list[Problem]) -> Iterator[tuple[Node, bool]]:
    """The settings of one folder's files as trees with Settings' shape; the flag tells whether this environment uses them."""
    for name, prefix in _files(folder):
        path = folder / name
        try:
            if not path.exists():
                continue
            root = read_yaml(path)
        except ConfigError as error:
            problems.extend(error.problems)
            continue
        except OSError as error:
            problems.append(Problem(str(path), f"cannot be read ({error.strerror})", hint="correct its owner and mode"))
            continue
        if prefix == "project":
            yield Node({prefix: root}, root.where, ""), True
            continue
        yield from sections(root, prefix, environment, problems)
    if folder != PACKAGED:
        problems.extend(_strangers(folder))


def _files(folder: Path) -> tuple[tuple[str, str], ...]:
    """By their names, with what they are of Settings. What the environment adds is in a release alone."""
    added = (("environment.yaml", "project"),) if folder.name == OWN else ()
    return (("config.yaml", "project"), *added, ("setting.yaml", ""), ("logging.yaml", "logging"))


def sections(root: Node, prefix: str, environment: str, problems: list[Problem]) -> Iterator[tuple[Node, bool]]:
    assert isinstance(root.value, Mapping)  # read_yaml gives nothing else
    known = ("base", *ENVIRONMENTS)
    for key, section in root.value.items():
        if key not in known:
            hint = meant(key, known, f"put it below one of {', '.join(known)}")
            problems.append(Problem(section.where, f"{key}: unknown section", hint=hint))
    for key in ("base", *ENVIRONMENTS):
        if key in root.value:
            section = root.value[key]
            yield (Node({prefix: section}, section.where, "") if prefix else section), key in ("base", environment)


def _strangers(folder: Path) -> Iterator[Problem]:
    """YAML files that nobody reads, such as settings.yaml: a file that is silently without effect is the worst kind of typo."""
    known = tuple(name for name, _ in _files(folder))
    try:
        names = sorted(path.name for path in folder.glob("*.y*ml"))
    except OSError:
        return
    for name in names:
        if name not in known:
            yield Problem(str(folder / name), "is read by nobody", hint=meant(name, known, f"known: {', '.join(known)}"))


def credentials(environ: Mapping[str, str], sections: tuple[str, ...], problems: list[Problem]) -> Iterator[Node]:
    """systemd's credentials (LoadCredential=) that are named like a setting, such as `security.secret_key`; others are not ours."""
    if not environ.get("CREDENTIALS_DIRECTORY"):
        return
    folder = Path(environ["CREDENTIALS_DIRECTORY"])
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        problems.append(Problem(f"CREDENTIALS_DIRECTORY ({folder})", f"cannot be read ({error.strerror})"))
        return
    for path in paths:
        # The unit loads the whole folder /etc/<name>/credentials as `raab`, which systemd puts before each file's name, and that of
        # encrypted ones as `sealed`.
        keys = path.name.removeprefix("raab_").removeprefix("sealed_").split(".")
        if len(keys) > 1 and keys[0] in sections:
            yield from _secret(path, f"credential {path.name}", keys, problems)


def variables(environ: Mapping[str, str], problems: list[Problem]) -> Iterator[Node]:
    """RAAB_SERVER__WORKERS=4 is server.workers; RAAB_SECURITY__SECRET_KEY_FILE=/path reads a secret from that file."""
    seen: list[tuple[str, ...]] = []
    for name in sorted(environ):
        if not name.startswith("RAAB_") or name in RESERVED:
            continue
        if name != name.upper():
            problems.append(Problem(name, "unknown variable", hint=f"did you mean {name.upper()}?"))
            continue
        keys = tuple(name.removeprefix("RAAB_").lower().split("__"))
        if any(keys[: len(other)] == other for other in seen):
            problems.append(Problem(name, "sets a part of what another RAAB_ variable sets as a whole", hint="unset one of them"))
            continue
        seen.append(keys)
        if keys[-1].endswith("_file"):
            yield from _secret(Path(environ[name]), name, [*keys[:-1], keys[-1].removesuffix("_file")], problems)
        else:
            yield _nested(Node(environ[name], name, ".".join(keys), text=True), keys)


def _secret(path: Path, where: str, keys: list[str], problems: list[Problem]) -> Iterator[Node]:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "not UTF-8 text"
        problems.append(Problem(where, f"the secret's file {path} cannot be read ({reason})", hint="correct its path, owner and mode"))
        return
    # Editors and `echo` end a file with a newline that is no part of the secret.
    yield _nested(Node(Secret(text.rstrip("\r\n")), where, ".".join(keys)), tuple(keys))


def _nested(node: Node, keys: tuple[str, ...]) -> Node:
    for depth in range(len(keys) - 1, -1, -1):
        node = Node({keys[depth]: node}, node.where, ".".join(keys[:depth]))
    return node


def layered(nodes: list[Node]) -> Node:
    """All layers, lowest first, as one tree."""
    tree = Node({}, "", "")
    for node in nodes:
        tree = merge(tree, node)
    return tree
