"""What makes the one file that a deploy sends, out of the working tree and its lock. Law: it knows no host."""
