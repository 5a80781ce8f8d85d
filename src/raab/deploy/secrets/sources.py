"""Where a secret's value comes from: a prompt, standard input, or what a command prints."""

from __future__ import annotations

import getpass
import subprocess
import sys

from raab import exitcodes, variable
from raab.errors import RaabError


def read(name: str, command: str) -> str:
    """The value, without the newline at its end. Raises RaabError, which does not show it, for what can be none."""
    if command:
        content = output(command)
    elif sys.stdin.isatty():
        content = getpass.getpass(f"{name}: ").encode(errors="surrogateescape")
    else:
        content = sys.stdin.buffer.read()
    return checked(name, content.rstrip(b"\r\n"))


def output(command: str) -> bytes:
    """Its questions and its complaints are between it and the terminal."""
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE)
    if done.returncode:
        raise RaabError(f"--from: exit code {done.returncode}, got it from: {command.split()[0]}", "see what it says", exitcodes.BAD_INPUT)
    return done.stdout


def checked(name: str, content: bytes) -> str:
    if why := variable.wrong_secret(content):
        raise RaabError(f"{name}: no secret: {why}", "give it another value", exitcodes.BAD_INPUT)
    return content.decode()
