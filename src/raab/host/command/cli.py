"""The `raab` command on a host. Each subcommand is a module beside this one; only the one asked for is imported.

On a server this is root's program, which executes nothing of a release. What only a release can answer is asked of it there (`asked`).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from raab import exitcodes, servicename
from raab.errors import RaabError, of_machine
from raab.host.paths import RAAB, Paths, here
from raab.host.units import services

_EPILOG = "exit codes: 0 done, 1 failed, 2 wrong input or configuration, 3 the service is not running, 4 the release does not serve"


# What only a release can answer.
ASKED = ("check", "config", "load", "settings", "trial")
# What is told of all services, where none is named.
EVERY = ("status", "metrics", "help")
# The option that a word follows.
_NAMING = ("-s", "--service")
Answer = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """The whole command line, for main and for its documentation."""
    root = argparse.ArgumentParser(prog="raab", description="Run and look after raab's services on this host.", epilog=_EPILOG)
    root.add_argument("-s", "--service", metavar="NAME", help="which service of this host (default: raab, or the only one)")
    root.add_argument("--debug", action="store_true", help="show the traceback of an error")
    root.add_argument("--version", action="store_true", help="which raab this is; on a server the newest that any service has brought")
    verbs = root.add_subparsers(dest="verb", metavar="COMMAND")
    status = verbs.add_parser("status", help="release, generation, how it was loaded, workers and the last reload, of every service")
    status.add_argument("--json", action="store_true", help="one JSON document")
    verbs.add_parser("reload", help="what `systemctl reload` of the service runs: trial, hand-over, verdict")
    scale = verbs.add_parser("scale", help="change the number of workers, or of another process: worker=N")
    scale.add_argument("count", help="N, +N or -N; worker=N, worker=+N or worker=-N (root)")
    verbs.add_parser("trial", help="load this release as a worker would and ask it whether it is ready")
    verbs.add_parser("load", help="the first half of a trial: import it, and ask it nothing")
    verbs.add_parser("check", help="validate the configuration, load every module and say how workers would, without starting anything")
    verbs.add_parser("config", help="the effective settings and where each comes from")
    verbs.add_parser("settings", help="of these what an activation has to know, as JSON")
    run = verbs.add_parser("run", help="a command as the service would run it, in the current release: raab run -- flask routes (root)")
    run.add_argument("timer", nargs="?", default="", help="in its place: what this timer runs, now")
    run.add_argument("--detach", action="store_true", help="by itself: nobody waits for it")
    verbs.add_parser("shell", help="the framework's shell, in the same way (root)")
    verbs.add_parser("drain", help="have /readyz say 503, so that the load balancer goes; requests are still served")
    verbs.add_parser("undrain", help="the end of it")
    verbs.add_parser("metrics", help="what Prometheus wants to know of every service, in its text format")
    told = verbs.add_parser("help", help="how to operate a service, by topic: raab help disk")
    told.add_argument("topic", nargs="*", metavar="WORD", help="of a topic's title; without one, all titles")
    activate = verbs.add_parser("activate", help="make a release the current one, proved by answers (root)")
    activate.add_argument("release", help="the release's id")
    return root


def chosen(name: str | None) -> Paths:
    """The service that is named, or that this process belongs to, or that is meant. Raises RaabError where that is not clear."""
    if name is None:
        return here(os.environ) if os.environ.get("RUNTIME_DIRECTORY") else services.meant(Paths(RAAB))
    if why := servicename.wrong(name):
        raise RaabError(f"raab -s: no service can be called so, got {name}: {why}", "see `raab status`", exitcodes.BAD_INPUT)
    known = services.names(Paths(RAAB))
    if known and name not in known:
        raise RaabError(f"raab -s: no such service on this host, got {name}", f"it has {', '.join(known)}", exitcodes.BAD_INPUT)
    return Paths(name)


def every(name: str | None) -> tuple[Paths, ...]:
    """The same, or all services of the host where none is named."""
    known = () if name or os.environ.get("RUNTIME_DIRECTORY") else services.names(Paths(RAAB))
    return tuple(map(Paths, known)) if len(known) > 1 else (chosen(name),)


def version(own: Answer | None) -> str:
    """Of the installed distribution, or of root's program, which has none of its own and is told it by whoever installs it."""
    if own is None:
        from raab.host.session import program

        return program.version(Paths(RAAB)) or "unknown"
    from importlib import metadata

    try:
        return metadata.version("raab")
    except metadata.PackageNotFoundError:
        return "unknown"


def verb(words: Sequence[str]) -> str:
    """The first word that is no option, nor what the one before it names."""
    found = (word for before, word in zip(("", *words), words, strict=False) if not word.startswith("-") and before not in _NAMING)
    return next(found, "")


def understood(argv: Sequence[str]) -> argparse.Namespace:
    """The command line as values; SystemExit where it is none, as argparse has it."""
    words = list(argv)
    rest: list[str] = []
    if verb(words) == "run" and "--" in words:
        # The words of another command, of which argparse would take some for its own.
        words, rest = words[: words.index("--")], words[words.index("--") + 1 :]
    # argparse would take `-1` for an option: the count of `raab scale` is the one argument that may look like that.
    if "scale" in words and "--" not in words:
        words.insert(words.index("scale") + 1, "--") if not {"-h", "--help"} & set(words) else None
    line = parser()
    args = line.parse_args(words)
    if args.verb is None and not args.version:
        line.error("the following arguments are required: COMMAND")
    args.words = rest
    return args


def main(argv: Sequence[str] | None = None, own: Answer | None = None) -> int:
    """Run one subcommand and return its exit code; expected errors become two lines on stderr.

    `own` answers for the release that this is the command of; None where it is no release's.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # It was closed. What takes its place is no file that is opened later.
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    args = understood(sys.argv[1:] if argv is None else argv)
    try:
        code = carried_out(args, own)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever has read enough has no use for a complaint, nor for the interpreter's at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return exitcodes.DONE
    except (RaabError, OSError) as error:
        if args.debug:
            # It takes as long to import as half of what is here.
            import traceback

            traceback.print_exc()
        told = of_machine(error) if isinstance(error, OSError) else error
        print(told, file=sys.stderr)
        return told.exit_code
    except KeyboardInterrupt:
        return exitcodes.INTERRUPTED
    return code


def carried_out(args: argparse.Namespace, own: Answer | None) -> int:
    if args.version:
        print(f"raab {version(own)}")
        return exitcodes.DONE
    if args.verb in EVERY:
        return int(importlib.import_module(f"raab.host.command.{args.verb}").run(every(args.service), args))
    paths = chosen(args.service)
    if args.verb in ASKED:
        from raab.host.command import asked

        return asked.run(paths, args, own)
    return int(importlib.import_module(f"raab.host.command.{args.verb}").run(paths, args))
