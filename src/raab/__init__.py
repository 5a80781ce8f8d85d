"""raab: Flask services on a team's own servers."""
