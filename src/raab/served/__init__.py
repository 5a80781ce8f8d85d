"""What serves a project on a host and is not its own: gunicorn's settings, the WSGI application around it, the units."""
