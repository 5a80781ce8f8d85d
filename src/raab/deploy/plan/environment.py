"""An environment as a value: a named set of hosts with its settings (raab.deploy.environments reads it)."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from raab import exitcodes
from raab.deploy.plan.python import PYTHON
from raab.deploy.plan.schema import File
from raab.errors import RaabError
from raab.host.paths import RAAB

# An edge asks for /readyz each half second, and waits two for an answer (raab.host.edge.requests).
EDGES_NOTICE = 3.0
STRANGERS_NOTICE = 10.0


class Host(Struct, frozen=True):
    """A server as SSH reaches it. What is empty, or 0, is what ssh itself would use; `ssh_config` may also be the word none. `python` is
    what it calls the Python by which releases are made there;
    `private` its address among the hosts, where that is another one."""

    name: str
    address: str
    port: int
    user: str
    identity: str
    known_hosts: str
    roles: tuple[str, ...]
    ssh_config: str = ""
    python: str = PYTHON
    private: str = ""

    @property
    def near(self) -> str:
        """The address by which the environment's other hosts reach it."""
        return self.private or self.address


class Environment(Struct, frozen=True):
    """One environment, ready to use. Times are seconds. `hosts` run the service, `edges` take requests for it and pass them on to the
    `pool`, where each of all the hosts answers; where there are none, each host is its own edge. `service` is what the project is called on
    the hosts; `first` of them all is the one on which timers run that run on one host alone, also where only others are chosen. `owner` is
    the checkout that has made the lab, where that is another one and nobody has said that this one may use it."""

    name: str
    hosts: tuple[Host, ...]
    is_lab: bool
    settings: File
    owner: str = ""
    service: str = RAAB
    first: str = ""
    edges: tuple[Host, ...] = ()
    pool: tuple[str, ...] = ()

    @property
    def notice(self) -> float:
        """How many seconds the load balancer takes to see that a host is not ready, or is again."""
        if self.settings.drain is not None:
            return self.settings.drain
        return EDGES_NOTICE if self.edges else STRANGERS_NOTICE

    def claim(self) -> None:
        """Raises RaabError unless the hosts are this checkout's to change."""
        if self.owner:
            problem = f"environment {self.name}: the lab belongs to another checkout, got {self.owner}"
            hint = f"boot one of your own with RAAB_LAB=NAME fab lab.up, or name it (`lab: NAME` in deploy/{self.name}.yaml, or --hosts)"
            raise RaabError(problem, hint, exitcodes.REFUSED)

    def url(self, host: Host) -> str:
        address = f"[{host.address}]" if ":" in host.address else host.address
        return f"http://{address}:{self.settings.service_port}/"

    def only(self, names: str | None) -> Environment:
        """The same with the hosts of a comma-separated list alone; all where there is no list. Raises RaabError for a list that names
        nobody, as one from a variable that is not set, and for any other name."""
        if names is None:
            return self
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        if not wanted:
            hint = f"leave --hosts out for all of {self.name}: {', '.join(host.name for host in self.hosts)}"
            raise RaabError(f"--hosts: names no host, got {names!r}", hint, exitcodes.BAD_INPUT)
        known = {host.name: host for host in self.hosts}
        for name in wanted:
            if name in {edge.name for edge in self.edges}:
                hint = "leave --hosts out: the edges are told with all hosts, and `fab status` and `fab doctor` look at them"
                raise RaabError(f"--hosts: {name} is an edge, which runs no service", hint, exitcodes.BAD_INPUT)
            if name not in known:
                raise RaabError(
                    f"--hosts: no such host in {self.name}, got {name}", f"its hosts are: {', '.join(known)}", exitcodes.BAD_INPUT
                )
        # Whoever names them has them in mind.
        # The edges are told with all of them.
        return replace(self, hosts=tuple(host for host in self.hosts if host.name in wanted), owner="", edges=())
