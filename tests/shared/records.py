"""Records with other facts, by the names that they have in a record's text."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

from engine.state.codec import NAMES
from engine.state.record import Record


def fact(record: Record, name: str) -> Any:
    return reduce(getattr, NAMES.get(name, ("retirement",)), record)


def knowing(record: Record, **facts: Any) -> Record:
    if "pending" in facts:
        going = facts.pop("pending")
        record = replace(record, to_retire=(*filter(None, (going,)), *record.to_retire[1:]))
    for name in {"ahead", "lost"} & facts.keys():
        writes, is_lost = facts.pop(name), name == "lost"
        meant = [replace(it, lost=is_lost) for it in (writes if is_lost else (writes,)) if it]
        others = [it for it in record.unpublished if it.lost is not is_lost]
        writes = sorted((*meant, *others), key=lambda it: it.lost)
        record = replace(record, unpublished=tuple(writes))
    for name, value in facts.items():
        *part, field = NAMES[name]
        whole = replace(getattr(record, part[0]), **{field: value}) if part else value
        record = replace(record, **{part[0] if part else field: whole})
    return record
