"""The secret to which a source has passed, where what leaked is held by that one now."""

from __future__ import annotations

from dataclasses import replace

from engine.model.record import Record
from engine.model.workitem import WorkItem
from engine.parts import Parts
from engine.rotate.source_lease import NOBODY
from engine.secret import SecretRef


async def item_for_heir(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report about the owner's version that holds what leaked; None if none does.

    The report was accepted while another secret owned the source. Its own versions lead nowhere.
    Raises PermanentError if a version cannot be read: the report then comes back.
    """
    if not item.version or record.owner in ("", NOBODY, str(item.ref).lower()):
        return None
    heir = SecretRef.parse(record.owner)
    if not parts.policy.manages(heir.vault):
        return None
    leaked = (await parts.vaults.read_version(item.ref, item.version)).value
    versions = (last.version for last in (record.published, record.retirement) if last)
    for version in filter(None, versions):
        if (await parts.vaults.read_version(heir, version)).value == leaked:
            return replace(item, ref=heir, version=version)
    return None
