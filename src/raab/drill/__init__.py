"""Drills: lifecycle operations under load, every request accounted for.

The room's law: what sends traffic imports the standard library only and runs in processes of its own, so that neither the tests nor what
is tested slows it; what counts (`account.py`) is pure. No client here ever retries: a lost request is a lost request.
"""
