"""Kinds of one's own: Python packages and HTTPS endpoints that the registry does not know."""
