"""Builders of settings and logging."""
