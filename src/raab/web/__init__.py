"""What every request passes: id, access line, limits, errors, health. Knows no business module."""
