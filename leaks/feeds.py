"""Reports of secret scanners: what was found, and where. Pure.

gitleaks: `gitleaks detect --report-format json` writes one array; its fields are in
github.com/gitleaks/gitleaks at 0534836, report/finding.go. TruffleHog: `trufflehog --json` writes
one finding a line; its fields are in github.com/trufflesecurity/trufflehog at 0a99a12,
pkg/output/json.go. Whether the scanner has verified a value is not believed: its source is asked.

GitHub's secret scanning sends a webhook, signed and without the value, and lists alerts in its API.
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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.secret import Sensitive

type Found = tuple[Sequence[tuple[str, str]], int]
"""Values with their locations, and how many findings cannot be read."""
EVENT = "secret_scanning_alert"
ACTIONS = frozenset({"created", "reopened", "publicly_leaked"})
"""What says that a value is, or is again, where it must not be. Others close an alert."""
REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")
REDACTED = re.compile(r"REDACT(?:ED)?|.*\.\.\.", re.DOTALL)
"""What gitleaks writes with `--redact` in place of a value, or behind its first letters."""
NOT_SPACE = re.compile(r"\S")
PLACES = ("repository", "link", "commit", "file", "line")
"""What tells people where TruffleHog found a value, whatever was scanned."""


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
    """Return whether this body is signed with the key. X-Hub-Signature-256 is the header."""
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


def _github(text: str) -> Found:
    """Read alerts. `gh api --paginate` writes an array a page, with `--slurp` in another one."""
    rows, unread, place = list[Any](), 0, 0
    try:
        while start := NOT_SPACE.search(text, place):
            page, place = json.JSONDecoder().raw_decode(text, start.start())
            for row in page if isinstance(page, list) else [page]:
                rows += row if isinstance(row, list) else [row]
    except (ValueError, RecursionError):
        unread = 1
    values = [
        (value, str(row.get("html_url", ""))) for row in rows if (value := _text(row, "secret"))
    ]
    return values, len(rows) - len(values) + unread


def _gitleaks(text: str) -> Found:
    rows = _json(text)
    if not isinstance(rows, list):
        return (), 1
    values = list[tuple[str, str]]()
    for row in rows:
        if (value := _text(row, "Secret")) and not REDACTED.fullmatch(value):
            place = f"{row.get('File', '')}:{row.get('StartLine', '')}"
            values.append((value, f"{place} at {row['Commit']}" if row.get("Commit") else place))
    return values, len(rows) - len(values)


def _trufflehog(text: str) -> Found:
    rows = [_json(line) for line in text.splitlines() if line.strip()]
    readable = [row for row in rows if isinstance(row, dict)]
    # RawV2 holds an id, too, where Raw is not the whole credential. Lines of the log have neither.
    values = [
        (value, _scanned(row))
        for row in readable
        for value in dict.fromkeys((_text(row, "Raw"), _text(row, "RawV2")))
        if value
    ]
    return values, len(rows) - len(readable)


def _scanned(row: Mapping[str, Any]) -> str:
    """Return where TruffleHog found a value: its metadata has one part, named after the source."""
    metadata = row.get("SourceMetadata")
    data = metadata.get("Data") if isinstance(metadata, dict) else None
    source = next(iter(data.values()), None) if isinstance(data, dict) else None
    facts = source if isinstance(source, dict) else {}
    return " ".join(str(facts[name]) for name in PLACES if facts.get(name))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _text(row: Any, field: str) -> str:
    """Return a text in a finding; empty where there is none."""
    value = row.get(field) if isinstance(row, dict) else None
    return value if isinstance(value, str) else ""


READERS: Mapping[str, Callable[[str], Found]] = {
    "github": _github,
    "gitleaks": _gitleaks,
    "trufflehog": _trufflehog,
}
