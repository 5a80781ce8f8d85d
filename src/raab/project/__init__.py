"""What raab knows of a project on its developer's machine: what it says in deploy/, which of its files travel, and what it locks."""
