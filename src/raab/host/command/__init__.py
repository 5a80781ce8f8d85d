"""What an operator types on a server: `raab ...`."""
