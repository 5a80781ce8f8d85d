"""A deploy whose deployer is gone from one moment to the next, at each step that it names."""

from __future__ import annotations

import signal

from cases.case import as_it_is, case

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
for _step, _serves in STEPS:
    case(FAMILY, f"kill -9 at: {_step}", 137, _step, serves=_serves, at=(_step, signal.SIGKILL))(as_it_is)
