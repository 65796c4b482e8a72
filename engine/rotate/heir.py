"""The secret to which a source has passed, where what leaked is held by that one now."""

from __future__ import annotations

from dataclasses import replace

from engine.errors import PermanentError
from engine.model.record import Record
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.rotate.source_lease import NOBODY
from engine.secret import SecretRef, Sensitive


async def item_for_heir(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report about the owner's version that holds what leaked; None if none does.

    The report was accepted while another secret owned the source. Its own versions lead nowhere.
    """
    if not item.version or record.owner in (
        "",
        NOBODY,
        str(item.ref).lower(),
    ):
        return None
    heir = SecretRef.parse(record.owner)
    leaked = await _value(parts, item.ref, item.version)
    if leaked is None or not parts.policy.manages(heir.vault):
        return None
    versions = (last.version for last in (record.published, record.retirement) if last)
    for version in filter(None, versions):
        if await _value(parts, heir, version) == leaked:
            return replace(item, ref=heir, version=version)
    return None


async def _value(parts: Parts, ref: SecretRef, version: str) -> Sensitive | None:
    try:
        return (await parts.vaults.read_version(ref, version)).value
    except PermanentError:
        return None
