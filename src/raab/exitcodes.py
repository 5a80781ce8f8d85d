"""What the verbs' exit codes mean. They are stable: scripts and CI rely on them."""

DONE = 0  # done, or nothing was to be done
ERROR = 1  # an expected error that none of the others names
BAD_INPUT = 2  # a file, an argument or a release that is not what it should be; nothing was changed
UNREACHABLE = 3  # a host did not answer, refused the login or has another host key; what it serves may be unknown
FAILED = 4  # the new release did not prove itself; what served before serves again
REFUSED = 5  # a host is not fit for it (Python, disk, wheels, systemd), or its service refused; nothing was changed
LOCKED = 6  # somebody else is deploying
STRANDED = 7  # it failed, and going back failed too: a person has to look
DEFECT = 70  # raab itself is wrong
INTERRUPTED = 130  # by Ctrl-C, SIGTERM or a closed terminal, as shells have it; what each host serves is said
# What a host may end a request with.
ERRORS = (ERROR, BAD_INPUT, UNREACHABLE, FAILED, REFUSED, LOCKED, STRANDED, DEFECT)
