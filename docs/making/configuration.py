"""docs/configuration.md: what the commented YAML files say of each key, and what the types take that they are checked with.

A key that stands in the one and not in the other ends this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from commented import Key, Remark, remarks
from kinds import default, words
from msgspec.structs import FieldInfo

from raab.deploy.plan.schema import File, HostEntry, Wave
from raab.settings.beside import Process, Stop, Timer
from raab.settings.commands import Hook, Migrate
from raab.settings.schema import Limits, Logger, Sections, Security, Server
from raab.settings.served import Project

ROOT = Path(__file__).parents[2]
PACKAGED = ROOT / "src/raab/config"

HEAD = """\
# Configuration, key by key

For whoever looks up what a key means, what it takes and what it is when nobody says anything. This page is made from the commented files
that raab comes with and from the types that check them (`make pages`); what is to be changed here is changed there.

| file | says | is laid over |
|---|---|---|
| [config.yaml](#configyaml-what-is-served) in `deploy/` | what is served, and how it comes to a host | raab's own |
| [setting.yaml](#settingyaml-how-it-runs) in `deploy/` | how it runs: addresses, workers, limits | raab's own |
| [logging.yaml](#loggingyaml-what-is-logged) in `deploy/` | what is logged | raab's own |
| the same three in `/etc/<name>/` of a host | what differs on that host | the release's |
| files in `/etc/<name>/credentials*/` of a host | secrets, [environment.md](environment.md) | all of the above |
| variables `RAAB_...` of the service | one setting each | all of the above |
| [an environment's file](#an-environments-file), `deploy/<environment>.yaml` | hosts, waves, what a deploy does | its defaults |

A file holds only the keys that differ. Sections are laid over each other key by key, anything else, lists too, as a whole. A key that
nobody knows is an error, and everything that is wrong is said at once, with file, line, value and hint: by `raab check` on a host, and by
`fab plan` here.
`raab config` on a host shows what is in force, and where each of it comes from.
"""


def fields(wanted: type[msgspec.Struct]) -> dict[str, FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(wanted)}


def linked(text: str) -> str:
    """As Markdown, with the pages that it names as links; what stands in backticks stays as it is."""
    parts = text.split("`")
    for number in range(0, len(parts), 2):
        plain = re.sub(r"([<*])", r"\\\1", parts[number])
        parts[number] = re.sub(r"\bdocs/([a-z-]+\.md)", r"[\1](\1)", plain)
    return "`".join(parts)


def prose(lines: tuple[str, ...]) -> Iterator[str]:
    """A comment's paragraphs; what is indented in it is an example."""
    example: list[str] = []
    for line in (*lines, ""):
        if line.startswith("  "):
            example.append(line.removeprefix("  "))
            continue
        if example:
            yield from ("", "```", *example, "```", "")
            example = []
        yield linked(line)


def entry(
    lines: tuple[str, ...],
    keys: list[Key],
    types: Mapping[str, FieldInfo],
    at: tuple[str, ...],
    defaults: bool,
    elsewhere: Mapping[str, str],
) -> Iterator[str]:
    """`defaults`: what counts where nothing is said is the type's own, and not what stands in the file."""
    yield "### " + ", ".join(".".join((*at[1:], key.path[-1])) for key in keys)
    yield ""
    for name, value in ((key.path[-1], key.value) for key in keys):
        left = given(types[name]) if defaults else value
        said = f"; left out, it is `{left}`" if left else "" if left is None else "; may be left out"
        yield f"- `{name}`: {words(types[name].type)}{said}" + (f"; in development `{elsewhere[name]}`" if name in elsewhere else "")
    yield ""
    yield from prose(lines)


def given(field: FieldInfo) -> str | None:
    """What a key is by its type's own default, None where it has to be there."""
    if field.required:
        return None
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, tuple) and value and isinstance(value[0], Wave):
        return f"[{', '.join(f'{one.percent}%' if one.percent else str(one.count) for one in value)}]"
    return default(value) if isinstance(value, bool | int | float | str | tuple | Stop | None) else "{}"


def below(title: str, wanted: type[msgspec.Struct], more: str) -> Iterator[str]:
    """A table of a section's own keys."""
    yield from (f"### {title}", "", more, "", "| key | takes | left out |", "|---|---|---|")
    for name, field in fields(wanted).items():
        value = given(field)
        left = "has to be there" if value is None else f"`{value}`" if value else ""
        yield f"| `{name}` | {linked(words(field.type))} | {left} |"
    yield ""


def keys(text: str, types: Mapping[str, FieldInfo], at: tuple[str, ...] = (), **how: Any) -> Iterator[str]:
    """Each key of a section. Raises SystemExit where file and types do not have the same."""
    seen: list[str] = []
    for remark in remarks(text, [".".join((*at, name)) for name in types], how.get("off", ())):
        found = [key for key in remark.keys if key.path[:-1] == at] or spoken(remark, types, at)
        if found:
            seen += [key.path[-1] for key in found]
            yield from entry(remark.lines, found, types, at, how.get("defaults", False), how.get("elsewhere", {}))
        elif not at and not remark.keys and not remark.within:
            yield from prose(remark.lines)
    if odd := set(types) ^ set(seen):
        raise SystemExit(f"configuration: keys that the file or the types do not have, got {', '.join(sorted(odd))}")


def spoken(remark: Remark, types: Mapping[str, FieldInfo], at: tuple[str, ...]) -> list[Key]:
    """A key that no file may have, and whose comment begins with its name: a secret."""
    first = remark.lines[0].split()[0] if remark.lines and remark.within == at and not remark.keys else ""
    return [Key((*at, first), "")] if first in types else []


def page() -> Iterator[str]:
    yield HEAD
    yield "## config.yaml: what is served\n"
    yield from keys((PACKAGED / "config.yaml").read_text(), fields(Project))
    processes = "What each key does: [processes.md](processes.md)."
    yield from below("processes.NAME", Process, processes)
    yield from below("timers.NAME", Timer, processes)
    yield from below("migrate", Migrate, "As a section. What each key does: [databases.md](databases.md).")
    yield "## setting.yaml: how it runs\n"
    setting = (PACKAGED / "setting.yaml").read_text()
    yield from prose(next(remarks(setting)).lines)
    development = {key.path[1:]: key.value for remark in remarks(setting) for key in remark.keys if key.path[0] == "development"}
    for name, wanted in (("server", Server), ("limits", Limits), ("security", Security)):
        elsewhere = {path[1]: value for path, value in development.items() if path[0] == name}
        yield from keys(setting, fields(wanted), ("base", name), elsewhere=elsewhere)
    module = next(remark for remark in remarks(setting, ["base.modules"]) if remark.keys and remark.keys[0].path == ("base", "modules"))
    yield from ("### modules", "", f"- `modules`: {words(Sections)}; left out, it is `{{}}`", "", *prose(module.lines))
    yield "## logging.yaml: what is logged\n"
    yield from (
        "The file as raab has it; every part of it may be laid over.",
        "",
        "```yaml",
        (PACKAGED / "logging.yaml").read_text() + "```",
        "",
    )
    yield from below(
        "A logger, and root", Logger, "What a logger takes; `formatters` and `handlers` are those of logging.config.dictConfig."
    )
    yield "## An environment's file\n"
    yield from keys((ROOT / "deploy/production.example.yaml").read_text(), fields(File), defaults=True, off=tuple(File.__struct_fields__))
    yield from below("hosts.NAME", HostEntry, "One host.")
    yield from below("hooks.NAME", Hook, "A hook is called `before_activate` or `after_activate`.")


def text() -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(page())).rstrip("\n") + "\n"
