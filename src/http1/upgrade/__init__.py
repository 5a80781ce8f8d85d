"""Connections that leave HTTP, as WebSockets do."""
