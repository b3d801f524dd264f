"""The sessions of nox, by subject."""
