"""What leaked: which versions an incident means, what they hold, and whose it is by now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from engine.errors import NeedsHuman, NotFound, PermanentError
from engine.parts import Parts
from engine.rotation.context import Rotation
from engine.rotation.source_lease import NOBODY
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state import template
from engine.state.history import newest_first
from engine.state.incident import RECOVER, deleted_at
from engine.state.record import Record
from engine.state.request import WorkItem


async def compromised_versions(at: Rotation, secret: SecretVersion) -> list[str]:
    """Return the versions that leaked; raises NeedsHuman while nobody can tell.

    `secret` is the current version.
    """
    item, since = at.progress.item, at.progress.item.began
    is_old = since is not None and at.observed.made_before(secret, since)
    if item.version:
        # Restored between the order and its item: what is current now is as old as what was
        # reported.
        return [item.version] + [str(secret.version)] * is_old
    if not secret.version:
        raise NeedsHuman(
            "the secret is disabled, so nobody can tell which credential leaked",
            where=str(secret.ref),
            fix="enable it: the incident is tried again for a month",
        )
    # When Rekey made what it published, its record tells: the vault's clock may be behind.
    is_ours = at.record.wrote(secret)
    if since is None or is_old or (secret.created < since and not is_ours):
        return [secret.version]
    # It was replaced since, but what came before it may still be accepted.
    older = await _older(at, secret, since)
    if not is_ours:
        # What a person wrote stays, unless it turns out to hold what leaked. Of a secret that is
        # itself younger nobody knows how old its credential is.
        return older[:1] or [secret.version]
    superseded = _superseded(at)
    if not older:
        return superseded[:1]
    return list(dict.fromkeys([older[0], *(old for old in superseded if old in older)]))


async def _older(at: Rotation, secret: SecretVersion, since: datetime) -> list[str]:
    """Return the versions from before the incident, the newest first."""
    older = [
        version
        async for version in at.parts.vaults.versions(secret.ref)
        if version.version not in (None, secret.version) and version.created < since
    ]
    return [str(version.version) for version in newest_first(older)]


def _superseded(at: Rotation) -> list[str]:
    """Return the version that Rekey superseded, and those whose value it held, if restored."""
    record = at.record
    if record.retirement is None:
        return []
    return [*record.history.same_as(record.retirement.version)]


TEMPLATE = "ValueTemplate"


def credentials_in(
    old: SecretVersion, value_field: str, shape: str | None, record: Record
) -> dict[str, Sensitive]:
    """Return each credential that a version may hold, by the template that reads it.

    `shape` is the present template, if there is one. A template that its owner has edited since
    reads the wrong part of a leaked value: the source refuses that part, and the incident would end
    while the credential works. Where the record knows what the version held, only that counts.
    """
    bare = f"{{{value_field}}}"
    before = (tags.get(TEMPLATE, bare) for tags in (record.verified.tags, old.tags))
    shapes = filter(None, (shape, *before, bare))
    read = {written: template.extract(written, old.value) for written in shapes}
    held = {
        written: fields[value_field]
        for written, fields in read.items()
        if fields and value_field in fields
    }
    past = record.history.credential_of(str(old.version))
    if past is None:
        return held
    return {
        written: credential
        for written, credential in held.items()
        if record.digest(past.credential_id, credential) == past.digest
    }


def owed_by_owner(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report for the secret that owns the source now, if it owes what leaked.

    That passed on with the record, whether the secret that the report names can be read or not.
    """
    going = record.retirement
    is_owed = (going and going.version == item.version) or record.compromised.knows(item.version)
    owner = _present_owner(parts, record, item)
    return replace(item, ref=owner) if owner and is_owed else None


async def held_by_owner(parts: Parts, record: Record, item: WorkItem) -> WorkItem | None:
    """Return the same report for that secret, about its own version that holds what leaked, if one does.

    None if what leaked is refused. The report was accepted while another secret owned the source,
    whose versions lead nowhere now. Raises PermanentError if a version cannot be read: the report
    then comes back.
    """
    owner = _present_owner(parts, record, item)
    if owner is None or not item.version:
        return None
    leaked = await parts.vaults.read_version(item.ref, item.version)
    rotator = parts.rotators.get(record.kind)
    field = rotator.value_field if rotator else "value"
    credentials = credentials_in(leaked, field, None, record).values()
    async for held in _versions(parts, record, owner):
        if held.value and any(it.reveal() in held.value.reveal() for it in credentials):
            return replace(item, ref=owner, version=held.version)
    for credential in credentials:
        if rotator is None or await rotator.accepts(record.source, "", credential):
            return replace(item, ref=owner)
    return None


def _present_owner(parts: Parts, record: Record, item: WorkItem) -> SecretRef | None:
    """Return the secret that owns the source of a report about another one; None if none does."""
    if not item.compromised or record.owner in ("", NOBODY, str(item.ref).lower()):
        return None
    owner = SecretRef.parse(record.owner)
    return owner if item.version and parts.policy.manages(owner.vault) else None


async def _versions(parts: Parts, record: Record, owner: SecretRef) -> AsyncIterator[SecretVersion]:
    """Yield the versions of the owner that may work; the record may know those of an earlier one."""
    current = await parts.vaults.read(owner)
    yield current
    for known in (record.published, record.retirement):
        if known and known.version != current.version:
            with suppress(NotFound):
                yield await parts.vaults.read_version(owner, known.version)


def named_as_deleted(error: PermanentError, item: WorkItem, source: str) -> PermanentError:
    """Return the error of an item; where its secret is deleted, one that says what may still work.

    Nothing is revoked for an incident of a secret that its vault no longer has. Its owner's consent
    went with its tags, nobody knows what a successor holds by now, and without its value no refusal
    could be proven.
    """
    if item.compromised and isinstance(error, NotFound) and error.where == str(item.ref):
        return NotFound(deleted_at(source), where=error.where, fix=RECOVER, code=error.code)
    return error
