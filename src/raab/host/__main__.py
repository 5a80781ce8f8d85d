"""`python -m raab.host`: the `raab` command of a release, by which root's program asks it; and where the script's own first line would
lead to another release."""

import sys

from raab.asked.command import main

if __name__ == "__main__":
    sys.exit(main())
