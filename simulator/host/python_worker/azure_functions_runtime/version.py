"""The version that the platform's library says it has."""

VERSION = "1.1.1"
