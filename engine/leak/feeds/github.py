"""GitHub's secret scanning: its webhook, signed and without the value, and its API's list of alerts.

Payload: github.com/octokit/webhooks at 36a93e9, payload-examples/api.github.com/
secret_scanning_alert/reopened.payload.json. Signature:
https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries. List:
https://docs.github.com/rest/secret-scanning/secret-scanning#list-secret-scanning-alerts-for-an-organization.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine.secret import Sensitive

EVENT = "secret_scanning_alert"
ACTIONS = frozenset({"created", "reopened", "publicly_leaked"})
"""What says that a value is, or is again, where it must not be. Others close an alert."""
REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class Alert:
    """Where GitHub has found a value."""

    repository: str
    number: int

    @property
    def page(self) -> str:
        """The page of the alert: the location that people see."""
        return f"https://github.com/{self.repository}/security/secret-scanning/{self.number}"


def is_signed(body: bytes, header: str, key: Sensitive) -> bool:
    """Return whether whoever knows the key sent this body. X-Hub-Signature-256 is the header."""
    digest = hmac.digest(key.reveal().encode(), body, hashlib.sha256).hex()
    return hmac.compare_digest(f"sha256={digest}".encode(), header.encode())


def alert_of(event: str, body: bytes) -> Alert | None:
    """Return the alert of a delivery; None where it is about something else, or cannot be read."""
    try:
        data: Any = json.loads(body)
        if event != EVENT or data["action"] not in ACTIONS:
            return None
        repository, number = data["repository"]["full_name"], data["alert"]["number"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    is_named = isinstance(repository, str) and REPOSITORY.fullmatch(repository)
    is_dotted = is_named and any(part in (".", "..") for part in repository.split("/"))
    if not is_named or is_dotted or not isinstance(number, int) or isinstance(number, bool):
        return None
    return Alert(repository, number) if 0 < number < 1 << 53 else None


def read(text: str) -> tuple[Sequence[tuple[str, str]], int]:
    """Return values with their locations, and how many alerts cannot be read.

    `gh api --paginate` writes one array for each page, with `--slurp` inside another one.
    """
    rows, unread = list[Any](), 0
    try:
        for row in _rows(text):
            rows.append(row)
    except (ValueError, RecursionError):
        unread = 1
    values = [(row["secret"], str(row.get("html_url", ""))) for row in rows if _is_readable(row)]
    return values, len(rows) - len(values) + unread


def _rows(text: str) -> Iterator[Any]:
    place, text = 0, text.rstrip()
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        page, place = json.JSONDecoder().raw_decode(text, place)
        pages = page if isinstance(page, list) else [page]
        for row in pages:
            yield from row if isinstance(row, list) else [row]


def _is_readable(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("secret"), str) and bool(row["secret"])
