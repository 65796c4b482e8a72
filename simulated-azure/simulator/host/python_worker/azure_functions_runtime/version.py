"""The version that the platform's library reports."""

VERSION = "1.1.1"
