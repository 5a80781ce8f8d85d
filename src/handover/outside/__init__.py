"""Whom a master talks to, and about what: systemd, its sockets, clients of the control socket, the master before and the one after."""
