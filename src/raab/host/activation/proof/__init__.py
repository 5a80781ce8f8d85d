"""Which release serves: shown by answers over the real sockets. Standard library only."""
