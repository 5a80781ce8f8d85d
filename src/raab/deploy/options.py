"""Fabric's own options, as `fab --help` lists them: each does what its help says, or is refused with what does it here.

raab runs nothing through Fabric, so most of them would be taken and ignored: `fab -H web1 deploy` would go to the fleet.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from invoke.exceptions import Exit

from raab import exitcodes
from raab.protocol import processes

# By the long names. What they do has nothing to do with hosts.
KEPT = frozenset(
    ("collection", "complete", "debug", "help", "list", "list-agent-keys", "list-depth", "list-format",
     "print-completion-script", "search-root", "version", "write-pyc")
)  # fmt: skip
IN_FILE = "it is {} in the environment's file, deploy/<env>.yaml"
INSTEAD = {
    "hosts": "after the verb it is raab's: fab deploy --hosts web1,web2",
    "no-dedupe": "Fabric loses it on its way; type fab once for each time",
    "dry": "fab plan, or fab deploy --dry-run",
    "identity": IN_FILE.format("identity"),
    "ssh-config": IN_FILE.format("ssh_config"),
    "connect-timeout": IN_FILE.format("connect_timeout"),
    "config": "raab's settings are in deploy/<env>.yaml, which --env names after the verb",
    "prompt-for-passphrase": "ssh-add opens the key, in an ssh-agent",
    "prompt-for-login-password": "raab logs in with a key",
    "prompt-for-sudo-password": "raab needs `sudo -n`, without a password",
}
# The verbs that may be followed by the name of a process or timer.
MAY_NAME = ("logs", "restart", "run")
NOTHING = "raab runs no command through Fabric, so it has no meaning here; leave it out"


class Option(Protocol):
    """An argument as invoke's parser has it."""

    names: tuple[str, ...]
    got_value: bool


def refuse(given: Mapping[str, Option]) -> None:
    """Raises Exit for the first option that would be ignored. Unknown ones count: a later Fabric may have more."""
    for option in given.values():
        name = max(option.names, key=len)
        if option.got_value and name not in KEPT:
            raise Exit(f"--{name}: an option of Fabric's that raab does not have\nhint: {INSTEAD.get(name, NOTHING)}", exitcodes.BAD_INPUT)


def named(words: Sequence[str]) -> list[str]:
    """With a process's name after a verb that may have one as that verb's option: invoke has no argument that may be missing."""
    found: list[str] = []
    for before, word in zip(("", *words), words, strict=False):
        found += ["--process", word] if before in MAY_NAME and processes.named(word) else [word]
    return found


def joined(words: list[str], rooms: Mapping[str, Collection[str]]) -> list[str]:
    """The verbs of a room as Fabric knows them, by one word each: `secrets set` is secrets.set."""
    found: list[str] = []
    for word in words:
        if found and word in rooms.get(found[-1], ()):
            found[-1] = f"{found[-1]}.{word}"
        else:
            found.append(word)
    return found


def keep(program: Any, rooms: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Have Fabric's program refuse what it would ignore, and take what stands after `--` for the verb's words: fab scale -- -1. What `fab
    run` is to run is returned, word by word: Fabric has joined them. `rooms` are verbs of two words.

    Called while it loads the fabfile: verbs and their options are parsed after that. `update_config` is where all options are known,
    those after a verb too, and none has been acted on.
    """
    # A shell that completes a line gives it there (fab --print-completion-script).
    words: tuple[str, ...] = ()
    if program.core.remainder and not program.args.complete.value:
        if program.core.unparsed[:1] == ["run"]:
            words = tuple(program.argv[program.argv.index("--") + 1 :])
        else:
            program.core.unparsed.extend(program.core.remainder.split())
        program.core.remainder = ""
    program.core.unparsed[:] = named(joined(program.core.unparsed, rooms))
    update = program.update_config

    def refuse_first(*args: Any, **kwargs: Any) -> None:
        refuse(program.args)
        update(*args, **kwargs)

    program.update_config = refuse_first
    return words
