"""Decide and act: the rotation engine. Imports no Azure SDK."""

VERSION = "0.2.0"
"""The version of Rekey, for the package, the command line and the OpenAPI document."""
