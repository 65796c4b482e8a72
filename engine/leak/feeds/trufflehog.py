"""The output of `trufflehog --json`: one finding a line.

Its fields: github.com/trufflesecurity/trufflehog at 0a99a12, pkg/output/json.go. Whether the
scanner has verified a value is not believed: its source is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PLACES = ("repository", "link", "commit", "file", "line")
"""What tells people where a value was found, whatever was scanned."""


def read(text: str) -> tuple[Sequence[tuple[str, str]], int]:
    """Return values with their locations, and how many lines cannot be read."""
    rows = [_row(line) for line in text.splitlines() if line.strip()]
    readable = [row for row in rows if row is not None]
    values = [(value, _where(row)) for row in readable for value in _values(row)]
    return values, len(rows) - len(readable)


def _row(line: str) -> Mapping[str, Any] | None:
    """Return one finding; None if the line is none. Lines of the log have no `Raw`."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _values(row: Mapping[str, Any]) -> Iterator[str]:
    # RawV2 holds an id as well, where Raw is not the whole credential.
    named = (row.get("Raw"), row.get("RawV2"))
    yield from dict.fromkeys(text for text in named if isinstance(text, str) and text)


def _where(row: Mapping[str, Any]) -> str:
    metadata = row.get("SourceMetadata")
    data = metadata.get("Data") if isinstance(metadata, dict) else None
    source = next(iter(data.values()), None) if isinstance(data, dict) else None
    facts = source if isinstance(source, dict) else {}
    return " ".join(str(facts[name]) for name in PLACES if facts.get(name))
