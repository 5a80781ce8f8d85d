"""What a start of the service would get by now, and a reload that has it: root's own part of `systemctl reload` (`__main__`).

It is installed outside of every release and run by the host's Python, since it is root, and executes nothing of a release as root. So
what is imported here is the standard library and what is installed with it (raab.host.units.unitfiles, ROOTS_OWN).

The environment and the credentials are not worked out here: systemd itself starts another unit with the same directives, which tells what
it got (`twin`, `tell`). Nothing of that goes over a command line or to a disk: the answer is written to memory.

Credentials lie in systemd's folder of the running unit, which it fills at a start only. Where they have changed, that folder is written
anew (`credentials`), and put back if the service does not take them up. A changed environment takes a new master, which the running one
starts (`variables`).
"""
