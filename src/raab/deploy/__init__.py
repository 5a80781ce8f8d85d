"""What runs on the deployer's machine.

The law of this folder: only run.py and what it imports of connection.py touches a host; plan.py and what it imports does no I/O.
"""
