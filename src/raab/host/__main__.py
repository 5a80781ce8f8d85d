"""`python -m raab.host`: the `raab` command, also where the script's own first line would lead to another release."""

import sys

from raab.host.command.cli import main

sys.exit(main())
