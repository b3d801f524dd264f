"""Packages for an index: what ``nox -s wheels`` and ``nox -s release`` build and try. Nothing is uploaded."""
