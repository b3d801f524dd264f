"""How networks are trained, in either framework, and what is kept of it."""
