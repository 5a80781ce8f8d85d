"""What a release is asked about itself: its code, run as the service's user and in the service's sandbox (raab.host), or by whoever works
in a checkout. Never by root."""
