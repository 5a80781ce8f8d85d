"""Builders of what the settings describe: the settings themselves, logging, modules, mounts, the application."""
