"""What a service has beside its web: processes and timers, each a plain unit of systemd's that is of one release."""
