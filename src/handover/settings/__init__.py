"""What a master is told: its settings as values, the files that they come from, and the release that is pinned."""
