"""`raab check`: could the service start as it is configured?"""

from __future__ import annotations

import argparse

from gevent import monkey

from raab import create_app
from raab.factory.configFactory import load_settings
from raab.host import addresses
from raab.host.activation import asofnow
from raab.host.loading import load_and_tell
from raab.host.renewal.ahead import reboot


def run(args: argparse.Namespace) -> int:
    """Say so when it could, and how its workers would get the application. For root on a server by what a start would get by now, for
    everybody else by the variables of his shell.

    Raises ConfigError with everything that is wrong, RaabError for an address that cannot be had, and for a module or mount that cannot
    be used.
    """
    if asofnow.installed():
        said = asofnow.run("check")
        # From within the service's sandbox nobody sees who holds an address.
        if settings := asofnow.settings():
            addresses.check(settings.server.bind, settings.server.admin_port)
        reboot()
        print(said, end="")
        return 0
    settings = load_settings()
    addresses.check(settings.server.bind, settings.server.admin_port)
    monkey.patch_all()
    _, how = load_and_tell(settings.server, lambda: create_app(settings))
    print(f"the configuration is valid and every module loads (environment {settings.environment})")
    print(how)
    return 0
