"""The report of `gitleaks detect --report-format json`: one array of findings.

Its fields: github.com/gitleaks/gitleaks at 0534836, report/finding.go.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def read(text: str) -> tuple[Sequence[tuple[str, str]], int]:
    """Return values with their locations, and how many findings cannot be read."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        return (), 1
    if not isinstance(rows, list):
        return (), 1
    values = [(row["Secret"], _where(row)) for row in rows if _is_readable(row)]
    return values, len(rows) - len(values)


def _is_readable(row: Any) -> bool:
    return isinstance(row, dict) and isinstance(row.get("Secret"), str) and bool(row["Secret"])


def _where(row: dict[str, Any]) -> str:
    place = f"{row.get('File', '')}:{row.get('StartLine', '')}"
    return f"{place} at {row['Commit']}" if row.get("Commit") else place
