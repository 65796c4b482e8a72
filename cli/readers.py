"""What an option's text must be: each reader says what to write where it is something else."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime

from cli.words import STAMP

VERSION = re.compile(r"[0-9a-z]{1,64}")
OPERATION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

GUID = OPERATION
INCIDENT = re.compile(r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$")


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers between two."""

    def read(text: str) -> int:
        digits = text.lstrip("0")[:9] or "0"
        if not text.isascii() or not text.isdigit() or not least <= int(digits) <= most:
            raise ArgumentTypeError(f"write a whole number, {least} to {most}")
        return int(digits)

    return read


def line(most: int) -> Callable[[str], str]:
    """Return a reader of one line of text."""

    def read(text: str) -> str:
        if not text.strip() or len(text) > most or not text.isprintable():
            raise ArgumentTypeError(f"write 1 to {most} printable characters")
        return text

    return read


def version(text: str) -> str:
    """Read a version's id."""
    if not VERSION.fullmatch(text):
        raise ArgumentTypeError(
            "write a version's id, as `rekey history` and `rekey policy history` show it"
        )
    return text


def operation(text: str) -> str:
    """Read an operation's id."""
    if not OPERATION.fullmatch(text):
        raise ArgumentTypeError(
            "write an operation's id, as `rekey rotate` and `rekey history` show it"
        )
    return text


def incident(text: str) -> str:
    """Read an incident's id."""
    if not INCIDENT.fullmatch(text):
        raise ArgumentTypeError("write an incident's id, as `rekey incident list` shows it")
    return text


def state(text: str) -> str:
    """Read a state; expiry is none of them."""
    if text.lower().startswith("expir"):
        raise ArgumentTypeError(f"{text!r} is no state: --expires-within 0 lists what has expired")
    return text


def workspace(text: str) -> str:
    """Read the id of a Log Analytics workspace."""
    if not GUID.fullmatch(text.lower()):
        raise ArgumentTypeError("write the workspace's id, a GUID, not its resource id")
    return text.lower()


def moment(text: str) -> str:
    """Read a time as answers write it, and return it in the form that the HTTP API takes."""
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC).strftime(STAMP)
    except (ValueError, OverflowError):
        raise ArgumentTypeError("write a time such as 2026-11-25T09:00:00Z") from None
