"""`raab init`: looks at a project, writes what raab reads of it, and says what it found and what it did not."""
