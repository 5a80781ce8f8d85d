"""What a verb works with: a project, a choice of its hosts, and a way to talk."""

from __future__ import annotations

from pathlib import Path

from raab.deploy import environments
from raab.deploy.hosts.runner import Runner
from raab.deploy.plan.environment import Environment
from raab.deploy.report import output, standing
from raab.deploy.report.console import Console
from raab.deploy.report.interruption import PROCESS, Interruption

# The verbs that change hosts, or have their service do something.
CHANGING = ("deploy", "rollback", "reload", "restart", "reboot", "scale", "unlock", "remove", "host.add", "host.remove", "maintenance")


class Desk:
    """`hosts` are names of the environment `env`, separated by commas; None for all."""

    def __init__(self, root: Path, env: str, hosts: str | None, as_json: bool = False) -> None:
        """Raises RaabError for an environment that is not as it should be, and for hosts that it does not have."""
        self.root = root
        self.environment: Environment = environments.load(root, env).only(hosts)
        self.chosen = hosts is not None
        self.as_json = as_json
        self.console = Console(quiet=as_json)

    def runner(self) -> Runner:
        """What speaks to the hosts; to be used by `with`. Whoever interrupts it is told what is so."""
        runner = Runner(self.environment, self.console.progress)

        def tell(interruption: Interruption) -> None:
            if interruption.verb in CHANGING:
                told = standing.text(interruption, self.environment, runner.standings)
                output.say(2, told)
                if self.as_json:
                    output.say(1, standing.report(interruption, self.environment, runner.standings).json() + "\n")
            elif interruption.verb not in ("logs", "run", "shell"):
                output.say(2, f"{interruption.signal}: nothing was changed on any host\n")
            runner.abandon()

        PROCESS.tell = tell
        return runner
