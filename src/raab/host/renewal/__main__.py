"""Root's program of raab.service: `... python3 -IS /usr/local/lib/raab` is its ExecReload=, with `started` its ExecStartPost=.

With `ahead` it tells who looks what the next start would come to.
"""

import json
import os
import signal
import sys

from raab.errors import RaabError
from raab.host.renewal import ahead, directives
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
        elif sys.argv[1:] == ["ahead"]:
            print(json.dumps(ahead.look()))
        elif sys.argv[1:]:
            raise RaabError(f"raab: unknown word, got {sys.argv[1]}", "it is the unit's program, and not for people")
        else:
            print(reload())
    except RaabError as error:
        print("\n".join(plain(line, 2000) for line in str(error).splitlines()), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
