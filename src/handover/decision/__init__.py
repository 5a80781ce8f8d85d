"""What a master decides, as values and pure functions: no process, socket or clock is in sight."""
