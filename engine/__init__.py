"""Decide and act: the rotation engine. Imports no Azure SDK."""
