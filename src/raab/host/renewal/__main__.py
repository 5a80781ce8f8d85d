"""Root's program of raab.service: `... python3 -IS /usr/local/lib/raab` is its ExecReload=, with `started` its ExecStartPost=."""

import os
import signal
import sys

from raab.errors import RaabError
from raab.host.renewal import directives
from raab.host.renewal.reload import reload
from raab.untrusted import plain


def main() -> int:
    """Exit code 0 of a reload only when a new generation of the current release serves with what a start would get."""
    # systemd hands the service's variables to this command too; they may lead it into a release.
    os.environ.clear()
    os.environ.update({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
    # systemd's way to end what takes too long; what was begun is to be undone.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if sys.argv[1:] == ["started"]:
            directives.keep()
        else:
            print(reload())
    except RaabError as error:
        print("\n".join(plain(line, 2000) for line in str(error).splitlines()), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
