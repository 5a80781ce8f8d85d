"""How connections end: at once, by and by, or because their worker or their client leaves."""
