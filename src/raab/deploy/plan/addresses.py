"""Which addresses a release would serve on a host, and who else has them there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from raab.deploy.plan.facts import HostFacts
from raab.host.address.taken import Address, meant, meet
from raab.settings.node import ConfigError, Node, Problem
from raab.settings.schema import Binds
from raab.settings.sources import layered, sections, variables
from raab.settings.yamlfile import parse_yaml

_SETTINGS = "setting.yaml"
_DOCUMENT = re.compile(r"^---$", re.MULTILINE)


def taken(packaged: str, facts: HostFacts) -> tuple[str, ...]:
    """A line for each address that the release's settings name and somebody else has. `packaged` is what it
    brings (raab.host.releases.shipped).

    Of what a host's environment says the part is known that its running service has. Where socket units listen for it, there is nothing
    to be had. Settings that are wrong are the trial's to tell.
    """
    if facts.service.get("TriggeredBy"):
        return ()
    held = ((setting, address, one.holder) for setting, address in wanted(packaged, facts) for one in facts.taken if meet(address, one))
    return tuple(dict.fromkeys(f"{setting}: {address} is held by {holder}" for setting, address, holder in held))


def wanted(packaged: str, facts: HostFacts) -> Iterator[tuple[str, Address]]:
    """Each with the setting that names it."""
    server = _server(packaged, facts)
    problems: list[Problem] = []
    binds = Binds.from_node(server["bind"], problems) if "bind" in server else None
    for bind in binds or ():
        yield from (("server.bind", address) for address in meant(bind))
    port = str(server["admin_port"].value) if "admin_port" in server else ""
    if port.isdecimal() and int(port):
        yield "server.admin_port", Address(4, "127.0.0.1", int(port))


def _server(packaged: str, facts: HostFacts) -> Mapping[str, Node]:
    """The section of this name, as the service's own reader lays its sources over each other (raab.settings)."""
    environment = facts.variables.get("RAAB_ENVIRONMENT", "production")
    problems: list[Problem] = []
    try:
        files = [parse_yaml(text, _SETTINGS) for text in (*_DOCUMENT.split(packaged), facts.settings)]
    except ConfigError:
        return {}
    told = [file for file in files if isinstance(file.value, Mapping)]
    layers = [node for file in told for node, used in sections(file, "", environment, problems) if used]
    tree = layered([*layers, *variables(facts.variables, problems)])
    server = tree.value.get("server") if isinstance(tree.value, Mapping) else None
    return server.value if server and isinstance(server.value, Mapping) else {}
