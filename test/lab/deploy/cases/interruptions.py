"""A deploy whose deployer is gone from one moment to the next, or ends it, at each step that it names; and one that nobody listens to."""

from __future__ import annotations

import signal

from .case import as_it_is, case

FAMILY = "interruptions"
# Each step of a deploy, in words that begin its line, and what the host serves when the deployer is ended there. Once the activation has
# begun it goes on by itself.
STEPS = (
    ("sending", "before"),
    ("unpacking the release", "before"),
    ("verifying the release", "new"),
    ("loading it for trial", "new"),
    ("switching to", "new"),
    ("handing over", "new"),
    ("proving it", "new"),
)
SIGNALS = {"Ctrl-C": signal.SIGINT, "kill": signal.SIGTERM, "a terminal that is closed": signal.SIGHUP}
for _step, _serves in STEPS:
    case(FAMILY, f"kill -9 at: {_step}", 137, _step, serves=_serves, at=(_step, signal.SIGKILL))(as_it_is)
for _number, (_step, _serves) in enumerate(STEPS):
    _way, _signal = tuple(SIGNALS.items())[_number % len(SIGNALS)]
    case(FAMILY, f"{_way} at: {_step}", 130, f"{_signal.name}:", serves=_serves, at=(_step, _signal))(as_it_is)

DEPLOY, FULL = "fab deploy --hosts {host}", "stdout: cannot be written, got No space left on device"
UNHEARD = (
    ("a pipe that nobody reads", f"{DEPLOY} | true", 0, "proving it by answers", "new"),
    ("standard output on a disk that is full", f"{DEPLOY} >/dev/full", 1, FULL, "new"),
    ("standard output is closed", f"{DEPLOY} >&-", 0, "proving it by answers", "new"),
    ("standard error is closed", f"{DEPLOY} 2>&-", 0, "1 deployed", "new"),
    ("a log of which one line is wanted", "fab logs --follow --hosts {host} | head -n 1", 0, "raab", "before"),
    ("a status that is watched, of which one line is wanted", "fab status --watch --hosts {host} | head -n 1", 0, "host", "before"),
)
for _name, _line, _code, _text, _serves in UNHEARD:
    case(FAMILY, _name, _code, _text, _line, serves=_serves)(as_it_is)
