"""Throwaway hosts: Debian under systemd-nspawn, each with a real systemd, sshd and Python, on a private bridge of this machine.

The room's law: `state.py` says what is where and decides nothing else; what exists is always discovered from the machine (processes,
interfaces, control groups), never remembered, because a command may be killed between any two steps and `down` still has to leave
nothing behind. Nothing here knows what raab deploys.
"""
