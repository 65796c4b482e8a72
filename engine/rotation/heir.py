"""The secret to which a source has passed, where what leaked is held by that one now, or owed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

from engine.errors import NotFound
from engine.parts import Parts
from engine.rotation import earlier
from engine.rotation.source_lease import NOBODY
from engine.secret import SecretRef, SecretVersion
from engine.state.record import Record
from engine.state.request import WorkItem


def owed_by_heir(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report for the secret that owns the source now, if it owes what leaked.

    That passed on with the record, whether the secret that the report names can be read or not.
    """
    going = record.retirement
    is_owed = (going and going.version == item.version) or record.compromised.knows(item.version)
    heir = _heir(parts, record, item)
    return replace(item, ref=heir) if heir and is_owed else None


async def held_by_heir(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report for that secret, about its own version that holds what leaked, if one does.

    None if what leaked is refused. The report was accepted while another secret owned the source,
    whose versions lead nowhere now. Raises PermanentError if a version cannot be read: the report
    then comes back.
    """
    heir = _heir(parts, record, item)
    if heir is None or not item.version:
        return None
    leaked = await parts.vaults.read_version(item.ref, item.version)
    rotator = parts.rotators.get(record.kind)
    field = rotator.value_field if rotator else "value"
    credentials = earlier.credentials(leaked, field, f"{{{field}}}", record).values()
    async for held in _versions(parts, record, heir):
        if held.value and any(it.reveal() in held.value.reveal() for it in credentials):
            return replace(item, ref=heir, version=held.version)
    for credential in credentials:
        if rotator is None or await rotator.accepts(record.source, "", credential):
            return replace(item, ref=heir)
    return None


def _heir(parts: Parts, record: Record, item: WorkItem) -> SecretRef | None:
    """Return the secret that owns the source of a report about another one; None if none does."""
    if not item.compromised or record.owner in ("", NOBODY, str(item.ref).lower()):
        return None
    heir = SecretRef.parse(record.owner)
    return heir if item.version and parts.policy.manages(heir.vault) else None


async def _versions(parts: Parts, record: Record, heir: SecretRef) -> AsyncIterator[SecretVersion]:
    """Yield the versions of the owner that may work; the record may know those of an earlier one."""
    current = await parts.vaults.read(heir)
    yield current
    for known in (record.published, record.retirement):
        if known and known.version != current.version:
            with suppress(NotFound):
                yield await parts.vaults.read_version(heir, known.version)
