"""The record of a source as text: JSON, in which a field that is missing has its default."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from functools import partial, reduce
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
FORMAT = 2
"""The version of the text's layout. A higher number comes from a newer Rekey: it is left alone."""
SINCE_2 = ("unretired", "waiting")
"""What is owed that layout 1 does not know. Its workers leave out what they do not know."""
RECORD_FIX = "read docs/runbook.md, section 'The record of a source', then move the blob aside"


def text_of(record: Any) -> str:
    """Return the text of a record. Its parts are laid out flat, as earlier workers read them."""
    whole = asdict(record)
    texts: dict[str, Any] = {name: reduce(getitem, path, whole) for name, path in NAMES.items()}
    proofs = {version: proof for version, proof in texts["gone"].items() if proof}
    texts |= {"gone": [*texts["gone"]], "proofs": proofs}
    going, *later = texts.pop("to_retire") or (None,)
    texts |= {"pending": going, "unretired": later}
    texts["published"] = texts["published"] and _UNSAID | texts["published"]
    texts |= _announced(texts.pop("unpublished"), texts["past"])
    # A worker of layout 1 takes a replica's address for a version of its primary.
    layout = 1 + any((*map(texts.get, SINCE_2), *("/" in entry for entry in texts["unused"])))
    return json.dumps({"format": layout, **texts}, default=_plain)


def _announced(writes: Iterable[dict[str, Any]], past: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return announced writes as earlier workers read them, each with what it is to replace."""
    held = {it["version"]: it for it in past}
    lost, ahead = list[dict[str, Any]](), None
    for write in writes:
        is_lost = write.pop("lost")
        whole = _UNSAID | {"held": held.get(write["replaces"])} | write
        if is_lost:
            lost.append(whole)
        else:
            ahead = whole
    return {"ahead": ahead, "lost": lost}


def read[T](shape: type[T], text: str | bytes, where: str) -> T:
    """Return the record that a text holds.

    Raises NeedsHuman if the text is damaged or a newer Rekey wrote it.
    """
    try:
        data = json.loads(text)
        if isinstance(data["format"], bool):
            raise TypeError  # noqa: TRY301 - it is damaged like the others
        if data["format"] <= FORMAT:
            return _whole(shape, _nested(_as_now(data)))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise NeedsHuman(
            "the record of the source is damaged", where=where, fix=RECORD_FIX
        ) from None
    raise NeedsHuman(
        f"the record was written by a newer Rekey (format {str(data['format'])[:20]})",
        where=where,
        fix="deploy that version again",
    )


def _as_now(data: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a text as the record holds them."""
    bytes.fromhex(data.get("key", ""))  # else no digest can be made under it
    if data.get("waiting") and data.get("resume_at"):
        # Earlier versions noted in a field of its own when a change in progress is rechecked.
        data["look_at"] = data["resume_at"]
    lost = [{**write, "lost": True} for write in data.get("lost", ())]
    data["unpublished"] = [*filter(None, (data.get("ahead"), *lost))]
    # Earlier versions noted with a write what is held by the version that it replaces.
    held = (write.get("held") for write in data["unpublished"])
    past = [*data.get("past", ()), *filter(None, held)]
    data["past"] = [*{it["version"]: it for it in past}.values()]
    data["to_retire"] = [*filter(None, (data.get("pending"), *data.get("unretired", ())))]
    if "gone" in data:
        # Which versions, in this order, and how that was proven, as far as it is known.
        proofs = _words(data.get("proofs", {}))
        data["gone"] = {version: proofs.get(version, "") for version in _texts(data["gone"])}
    return data


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a text below the parts of the record that they are of."""
    whole: dict[str, Any] = {}
    for name in NAMES.keys() & flat.keys():
        *part, field = NAMES[name]
        (whole.setdefault(part[0], {}) if part else whole)[field] = flat[name]
    return whole


def _whole[T](shape: type[T], data: Mapping[str, Any]) -> T:
    """Return what some facts say; a fact that is missing has its default."""
    parts: Any = fields(shape)  # type: ignore[arg-type]
    known = {part.name: _READ[part.type](data[part.name]) for part in parts if part.name in data}
    return shape(**known)


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def _a[T](shape: type[T], value: object) -> T:
    if not isinstance(value, shape):
        raise TypeError
    return value


def _text(value: object) -> str:
    text = _a(str, value)
    text.encode()  # else nothing can be looked up, or digested, by it
    return text


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(_text, _a(list, value)))


def _words(value: Mapping[str, object]) -> dict[str, str]:
    return {_text(name): _text(text) for name, text in value.items()}


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(_text(text))
    if moment.tzinfo is None or moment.year not in YEARS:
        raise ValueError(text)
    return moment


def _time(text: object) -> datetime | None:
    return None if text is None else _moment(text)


def _maybe(shape: type[Any]) -> Callable[[Any], Any]:
    return lambda data: None if data is None else _whole(shape, data)


def _each(shape: type[Any]) -> Callable[[Any], Any]:
    return lambda rows: tuple(_whole(shape, row) for row in rows)


_READ: Mapping[str, Callable[[Any], Any]] = {
    "str": _text,
    "bool": partial(_a, bool),
    "datetime": _moment,
    "datetime | None": _time,
    "tuple[str, ...]": _texts,
    "Mapping[str, str]": _words,
    **{part.__name__: partial(_whole, part) for part in (Change, Compromised, Verified, History)},
    **{f"{part.__name__} | None": _maybe(part) for part in (Published, Pending)},
    **{f"tuple[{part.__name__}, ...]": _each(part) for part in (Announced, Past, Pending)},
}
"""The type of a field → what reads it."""
_UNSAID = {"version": "", "created": None, "retire": None, "dead": False, "held": None}
"""What earlier workers read of every write, whether it is announced or published."""
NAMES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("source", "owner", "kind", "key", "published")},
    "unpublished": ("unpublished",),
    "to_retire": ("to_retire",),
    "unused": ("stale",),
    "untold": ("unreported",),
    "untold_ids": ("unreported_ids",),
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
    "suspect": ("compromised", "leaked_before"),
    "gone": ("compromised", "revoked"),
    "proven": ("verified", "version"),
    "audited": ("verified", "at"),
    "created": ("verified", "created"),
    "tags": ("verified", "tags"),
    "followed": ("verified", "templates"),
    "healed": ("verified", "repaired_at"),
    "told": ("verified", "notified_at"),
    "told_of": ("verified", "notified_of"),
    "earlier": ("history", "replaced"),
    "written": ("history", "published"),
    "past": ("history", "credentials"),
    "twins": ("history", "copies"),
    "prints": ("history", "prints"),
}
"""Name in the text → field of the record, or part of it and field of that."""
