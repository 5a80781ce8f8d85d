"""Asking the running master, and what it says. The ground alone is below it. Standard library only."""
