"""The record of a source as text: JSON, in which a field that is missing has its default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import reduce
from operator import getitem
from typing import Any

from engine.errors import NeedsHuman
from engine.state.record_parts import (
    Announced,
    Change,
    Compromised,
    History,
    Past,
    Published,
    Verified,
)
from engine.state.tags import Pending

YEARS = range(2000, 9000)
"""No other is a time of Rekey's, and a span that is added to it may leave the calendar."""
FORMAT = 1
"""The version of the text's layout. A higher number comes from a newer Rekey: it is left alone."""
FIX = "read docs/runbook.md, section 'The record of a source', then move the blob aside"


def text_of(record: Any) -> str:
    """Return the text of a record. Its parts are laid out flat, as earlier workers read them."""
    whole = asdict(record)
    texts: dict[str, Any] = {name: reduce(getitem, path, whole) for name, path in NAMES.items()}
    proofs = {version: proof for version, proof in texts["gone"].items() if proof}
    texts |= {"gone": [*texts["gone"]], "proofs": proofs}
    texts |= {name: texts[name] and _UNSAID | texts[name] for name in ("published", "ahead")}
    texts["lost"] = [_UNSAID | write for write in texts["lost"]]
    return json.dumps({"format": FORMAT, **texts}, default=_plain)


def fields_of(text: str | bytes, where: str) -> dict[str, Any]:
    """Return the fields of a record that a text holds.

    Raises NeedsHuman if the text is damaged or a newer Rekey wrote it.
    """
    try:
        data = json.loads(text)
        if data["format"] <= FORMAT:
            data = _as_now(data)
            return _nested(
                {name: _READ.get(name, _text)(data[name]) for name in NAMES if name in data}
            )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise NeedsHuman("the record of the source is damaged", where=where, fix=FIX) from None
    raise NeedsHuman(
        f"the record was written by a newer Rekey (format {str(data['format'])[:20]})",
        where=where,
        fix="deploy that version again",
    )


def _as_now(data: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a text as the record holds them."""
    if data.get("waiting") and data.get("resume_at"):
        # Earlier versions noted by itself when the end of a change in progress is looked for.
        data["look_at"] = data["resume_at"]
    if "gone" in data:
        # Which versions, in this order, and how that was proven, as far as it is known.
        proofs = _words(data.get("proofs", {}))
        data["gone"] = {version: proofs.get(version, "") for version in _texts(data["gone"])}
    return data


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, its parts among them, of which a text has these."""
    fields: dict[str, Any] = {part: {} for part in _PARTS}
    for name, value in flat.items():
        *part, field = NAMES[name]
        (fields[part[0]] if part else fields)[field] = value
    return fields | {part: whole(**fields[part]) for part, whole in _PARTS.items()}


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(map(_text, value))


def _words(value: Mapping[str, object]) -> dict[str, str]:
    return {name: _text(text) for name, text in value.items()}


def _key(value: object) -> str:
    bytes.fromhex(_text(value))
    return _text(value)


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(_text(text))
    if moment.tzinfo is None or moment.year not in YEARS:
        raise ValueError(text)
    return moment


def _time(text: object) -> datetime | None:
    return None if text is None else _moment(text)


def _pending(data: Mapping[str, object] | None) -> Pending | None:
    return (
        Pending(_moment(data["at"]), _text(data["version"]), _text(data["credential_id"]))
        if data
        else None
    )


def _writing(data: Mapping[str, Any]) -> dict[str, Any]:
    texts = ("operation", "credential_id", "digest", "replaces", "original")
    return {name: _text(data[name]) for name in texts} | {
        "at": _moment(data["at"]),
        "born": _time(data["born"]),
    }


def _published(data: Mapping[str, Any] | None) -> Published | None:
    if data is None:
        return None
    version, created = _text(data["version"]), _time(data["created"])
    return Published(**_writing(data), version=version, created=created)


def _announced(data: Mapping[str, Any] | None) -> Announced | None:
    if data is None:
        return None
    dead, held = _flag(data.get("dead", False)), _past(data.get("held"))
    return Announced(**_writing(data), retire=_pending(data["retire"]), dead=dead, held=held)


def _past(data: Mapping[str, object] | None) -> Past | None:
    names = ("version", "credential_id", "digest")
    return Past(*(_text(data[name]) for name in names)) if data else None


def _pasts(rows: list[Mapping[str, object]]) -> tuple[Past | None, ...]:
    return tuple(_past(row) for row in rows)


def _writes(rows: list[Mapping[str, Any]]) -> tuple[Announced | None, ...]:
    return tuple(_announced(row) for row in rows)


_READ: Mapping[str, Any] = {
    "published": _published,
    "lost": _writes,
    "ahead": _announced,
    "pending": _pending,
    "compromised": _texts,
    "incident": _time,
    "unused": _texts,
    "earlier": _texts,
    "written": _texts,
    "past": _pasts,
    "gone": _words,
    "changing": _time,
    "open_until": _time,
    "look_at": _time,
    "audited": _time,
    "begun": _time,
    "asked": _time,
    "waiting": _time,
    "healed": _time,
    "created": _time,
    "tags": _words,
    "twins": _words,
    "prints": _words,
    "key": _key,
    "blind": _flag,
    "untold": _flag,
}
_UNSAID = {"version": "", "created": None, "retire": None, "dead": False, "held": None}
"""What earlier workers read of every write, whether it is announced or published."""
NAMES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("source", "owner", "kind", "key", "published")},
    "ahead": ("pending_write",),
    "lost": ("lost_writes",),
    "pending": ("retirement",),
    "unused": ("stale",),
    "untold": ("unreported",),
    "changing": ("change", "open_since"),
    "begun": ("change", "started_at"),
    "asked": ("change", "requested_at"),
    "open_until": ("change", "uncertain_until"),
    "waiting": ("change", "in_progress_since"),
    "mark": ("change", "marker"),
    "touched": ("change", "version"),
    "blind": ("change", "password_unknown"),
    "look_at": ("change", "recheck_at"),
    "compromised": ("compromised", "versions"),
    "incident": ("compromised", "incident"),
    "gone": ("compromised", "revoked"),
    "proven": ("verified", "version"),
    "audited": ("verified", "at"),
    "created": ("verified", "created"),
    "tags": ("verified", "tags"),
    "healed": ("verified", "repaired_at"),
    "earlier": ("history", "replaced"),
    "written": ("history", "published"),
    "past": ("history", "credentials"),
    "twins": ("history", "copies"),
    "prints": ("history", "prints"),
}
"""Name in the text → field of the record, or part of it and field of that."""
_PARTS: Mapping[str, Any] = {
    "change": Change,
    "compromised": Compromised,
    "verified": Verified,
    "history": History,
}
