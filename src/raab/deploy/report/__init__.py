"""What came of it, and how it is told to people and to machines."""
