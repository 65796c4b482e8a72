"""The record of a source as text: JSON, in which a field that is missing has its default."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from engine.errors import NeedsHuman
from engine.model.tags import Pending
from engine.model.write import Past, Write

FORMAT = 1
"""The version of the text's layout. A higher number comes from a newer Rekey: it is left alone."""
FIX = "read docs/runbook.md, section 'The record of a source', then move the blob aside"


def text_of(fields: Mapping[str, Any]) -> str:
    """Return the text of a record with these fields."""
    return json.dumps({"format": FORMAT, **fields}, default=_plain)


def fields_of(text: str | bytes, names: Iterable[str], where: str) -> dict[str, Any]:
    """Return the fields of these names that a text holds.

    Raises NeedsHuman if the text is damaged or a newer Rekey wrote it.
    """
    try:
        data = json.loads(text)
        newer = data["format"] > FORMAT
        if not newer:
            return {name: _READ.get(name, _same)(data[name]) for name in names if name in data}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise NeedsHuman("the record of the source is damaged", where=where, fix=FIX) from None
    raise NeedsHuman(
        f"the record was written by a newer Rekey (format {str(data['format'])[:20]})",
        where=where,
        fix="deploy that version again",
    )


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _same(value: Any) -> Any:
    return value


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _pending(data: Mapping[str, str] | None) -> Pending | None:
    return (
        Pending(datetime.fromisoformat(data["at"]), data["version"], data["credential_id"])
        if data
        else None
    )


def _write(data: Mapping[str, Any] | None) -> Write | None:
    if data is None:
        return None
    fields = {
        name: data[name]
        for name in ("operation", "credential_id", "digest", "replaces", "version", "original")
    }
    fields |= {"dead": data.get("dead", False), "held": _past(data.get("held"))}
    at, created, born = (
        datetime.fromisoformat(data["at"]),
        _time(data["created"]),
        _time(data["born"]),
    )
    return Write(**fields, at=at, created=created, born=born, retire=_pending(data["retire"]))


def _past(data: Mapping[str, str] | None) -> Past | None:
    return Past(data["version"], data["credential_id"], data["digest"]) if data else None


def _pasts(rows: list[Mapping[str, str]]) -> tuple[Past | None, ...]:
    return tuple(_past(row) for row in rows)


def _writes(rows: list[Mapping[str, Any]]) -> tuple[Write | None, ...]:
    return tuple(_write(row) for row in rows)


_READ: Mapping[str, Any] = {
    "published": _write,
    "lost": _writes,
    "ahead": _write,
    "pending": _pending,
    "compromised": tuple,
    "unused": tuple,
    "earlier": tuple,
    "past": _pasts,
    "gone": tuple,
    "changing": _time,
    "open_until": _time,
    "look_at": _time,
    "audited": _time,
    "begun": _time,
    "asked": _time,
    "waiting": _time,
    "resume_at": _time,
    "healed": _time,
    "created": _time,
    "tags": dict,
    "twins": dict,
}
