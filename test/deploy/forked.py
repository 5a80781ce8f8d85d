"""`fab` as a fork of a process that has imported Fabric and the verbs: a new Python takes half a second for that, most verbs a part of it.

What the fork runs is what the script `fab` runs, on the streams that it is given; one that is closed is None, as Python has it then.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

FAB = str(Path(sys.executable).with_name("fab"))
SERVER = """
import gc, json, os, socket, sys
from fabric.main import program
import raab.deploy.inspection.asking, raab.deploy.run, raab.deploy.verbs

# Who ends collects garbage, and would look through all that it has from here.
gc.freeze()
door = socket.socket(fileno=int(sys.argv[1]))
child = 1
while child:
    text, ends, _, _ = socket.recv_fds(door, 1 << 20, 3)
    if not text:
        sys.exit()
    child = os.fork()
    for number, end in enumerate(ends):
        if not child:
            os.dup2(end, number)
        os.close(end)
    if child:
        door.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
door.close()
told = json.loads(text)
os.chdir(told["cwd"])
os.environ.clear()
os.environ.update(told["environ"])
for number in told["closed"]:
    os.close(number)
    for name in (("stdout", "stderr")[number - 1], ("__stdout__", "__stderr__")[number - 1]):
        setattr(sys, name, None)
sys.argv, sys.path[0] = told["argv"], os.path.dirname(told["argv"][0])
sys.exit(program.run())
"""


class Server:
    """Forks one at a time."""

    def __init__(self) -> None:
        self.door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.door.settimeout(120)
        with theirs:
            # It ends with this process, whose end of the socket is closed then.
            self.process = subprocess.Popen((sys.executable, "-c", SERVER, str(theirs.fileno())), pass_fds=[theirs.fileno()])

    def run(self, told: Mapping[str, object], ends: list[int]) -> int:
        """The exit code."""
        socket.send_fds(self.door, [json.dumps(told).encode()], ends)
        return int(self.door.recv(100))


# Those that have nothing to do.
_idle: queue.SimpleQueue[Server] = queue.SimpleQueue()


def fab(cwd: Path, *words: str, streams: Mapping[int, int | None] | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run it there and tell what came of it; any number may run at once. `streams` are standard output and error, by number, where they are
    to be something else than kept: a descriptor, or None for one that is closed. `environ` is added to what this process has."""
    given = dict(streams or {})
    try:
        server = _idle.get_nowait()
    except queue.Empty:
        server = Server()
    told = {
        "argv": [FAB, *words],
        "cwd": str(cwd),
        "environ": {**os.environ, **environ},
        "closed": [number for number, end in given.items() if end is None],
    }
    with Path(os.devnull).open("rb") as none, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        kept = (none.fileno(), out.fileno(), err.fileno())
        ends = [end if (end := given.get(number)) is not None else kept[number] for number in range(3)]
        code = server.run(told, ends)
        _idle.put(server)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(words, code, out.read().decode(), err.read().decode())
