"""Rekey rotates the tokens of projects at Acme."""
