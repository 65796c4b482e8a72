"""Reported leaks: which credential a value is, whether it works, and what is done about it."""
