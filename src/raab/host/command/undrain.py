"""`raab undrain`: see drain."""

from __future__ import annotations

from raab.host.command.drain import run

__all__ = ["run"]
