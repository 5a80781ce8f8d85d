"""Hand-over between generations of gunicorn workers. Imports the standard library, gunicorn and gevent; knows nothing of raab."""
