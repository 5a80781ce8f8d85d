"""What `fab plan` and `--dry-run` show: an operation's plan, and what people want to know before saying yes. Nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from raab.deploy.bundle.parts import Bundle
from raab.deploy.hosts.fleet import everywhere
from raab.deploy.hosts.runner import Runner
from raab.deploy.plan.deploy import Deploy
from raab.deploy.plan.facts import HostFacts
from raab.deploy.plan.values import Plan
from raab.deploy.report import outcome
from raab.deploy.report.results import Report
from raab.deploy.run import Prepare, asked, planned


def preview(root: Path, runner: Runner, prepare: Prepare) -> tuple[Plan, Report]:
    """The plan, with what the next start of what each host runs would come to and what a deploy changes there; and who could not tell."""
    began = time.monotonic()
    operation, facts = asked(runner, prepare)
    known = runner.ahead(facts.done)
    plan = planned(runner, operation, known)
    if isinstance(operation, Deploy):
        plan = plan.explained(differences(root, runner, operation.bundle, known))
    return plan, outcome.report(operation, facts.failed, plan, {}, time.monotonic() - began, "plan")


def differences(root: Path, runner: Runner, bundle: Bundle, facts: Mapping[str, HostFacts]) -> dict[str, tuple[str, ...]]:
    """What the bundle changes on each host that runs something else."""
    # Here and not above: a rollback has none.
    from raab.deploy.bundle.checkout import titles
    from raab.deploy.bundle.files import texts
    from raab.deploy.plan.differences import between

    new = texts(bundle)
    running = {name: (release.content, host.commit(release)) for name, host in facts.items() if (release := host.release(host.current))}
    changed = {name: what for name, what in running.items() if what[0] != bundle.content}
    # Of hosts that run the same, one is asked.
    asked = {what: name for name, what in changed.items()}

    def compared(name: str) -> tuple[str, ...]:
        return between(runner.texts(name), new, titles(root, changed[name][1], bundle.commit))

    told = everywhere(asked.values(), compared, runner.parallel)
    for error in told.failed.values():
        raise error
    return {name: told.done[asked[what]] for name, what in changed.items()}
