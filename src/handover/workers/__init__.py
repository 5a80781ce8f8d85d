"""What happens in the processes that the master forks: loading, serving, leaving, and what they tell."""
