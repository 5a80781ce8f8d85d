"""What takes requests from the world on a host: Caddy, configured from what its services want. Standard library only."""
