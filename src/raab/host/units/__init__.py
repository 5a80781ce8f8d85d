"""The service as systemd has it: its files and whose they are, and other units in its surroundings. Standard library only."""
