"""What speaks to hosts. Law: ssh is started in one place, and nobody outside this room has a connection."""
