"""The outermost layer, which each request passes: its id, its line, its count, its time limits."""
