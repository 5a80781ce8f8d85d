"""Where a service listens, and who else does. Standard library only."""
