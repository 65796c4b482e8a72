"""The first version of a secret that is in no vault yet. Its value passes no shell.

Where the source shows its credentials, as a resource shows its keys, one of them is read, and
nothing is changed at the source: whoever dies before the vault has it has changed nothing. Where
the source holds many, as an Entra application does, one is added for the secret. That happens under
the lease of the source, and a later try removes what an earlier one left. A source with a single
password has none to spare.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.contract import Preflight, Readable, Tidy
from engine.errors import NeedsHuman, NotFound, PermanentError, TransientError
from engine.parts import Parts
from engine.rotation.parent_key import ParentKey
from engine.rotation.source_lease import hold
from engine.secret import DEFAULT_CONTENT_TYPE, Draft, SecretRef, SecretVersion, Sensitive
from engine.state import template
from engine.state.record import SETTLE
from engine.state.tags import CREDENTIAL, Managed

NOTHING = "0" * 32
"""Stands for the version that the first one replaces, so that every try is the same operation."""
BY_HAND = "have `az keyvault secret set` read its value from a file, then adopt it without --create"


def nothing_yet(ref: SecretRef, now: datetime) -> SecretVersion:
    """Return what stands for a secret that does not exist."""
    return SecretVersion(
        ref, NOTHING, None, enabled=True, created=now, expires=None, content_type=None
    )


async def first_value(parts: Parts, secret: SecretVersion, managed: Managed) -> Sensitive | None:
    """Return a value that the source shows, or that a key makes; None if one is to be added.

    Raises NeedsHuman for a kind whose only credential is in use, and what would prevent the rest.
    """
    rotator, job = parts.rotators[managed.rotator.kind], parts.job(secret, managed)
    if parent_key := ParentKey.of(parts, managed):
        issued = await rotator.issue(await parent_key.keyed(secret.ref, job))
        return template.render(managed.template, issued.fields)
    if isinstance(rotator, Readable):
        fields = await rotator.read(job, managed.credential_id or "")
        if fields is None:
            named = managed.credential_id or "first credential"
            what = f"the source shows no {named[:60]}"
            raise NeedsHuman(what, where=managed.source, fix="name one with --credential-id")
        return template.render(managed.template, fields)
    if not isinstance(rotator, Tidy):
        what = f"a {managed.rotator.kind} replaces the one that is in use, so none is made here"
        raise NeedsHuman(what, where=managed.source, fix=BY_HAND)
    if isinstance(rotator, Preflight):
        await rotator.preflight(replace(job, proven=True, in_place=True, written=None))
    return None


async def added(parts: Parts, secret: SecretVersion, managed: Managed) -> SecretVersion:
    """Add a credential at the source, prove it, and write it as the secret's first version."""
    rotator = parts.rotators[managed.rotator.kind]
    assert isinstance(rotator, Tidy)  # noqa: S101 - `first_value` refuses others
    async with hold(parts, managed.source, secret.ref) as lease:
        await _still_nothing(parts, secret.ref)
        now, record = parts.clock.now(), lease.record
        if record.owner != str(secret.ref).lower():
            what = f"{managed.source} belongs to the secret {record.owner}"
            raise NeedsHuman(what, where=str(secret.ref), fix="keep one secret a source")
        if record.verified.created and now < record.verified.created + SETTLE:
            what = "its first version may have been written just now"
            raise TransientError(what, where=str(secret.ref), fix="type it again in a minute")
        job = replace(parts.job(secret, managed), proven=True, in_place=True, written=None)
        async with lease.changing("issue"):
            issued = await rotator.issue(job)
        await rotator.verify(
            managed.source, issued.credential_id, issued.fields[rotator.value_field]
        )
        await rotator.tidy(managed.source, job.operation, issued.credential_id)
        draft = Draft(
            template.render(managed.template, issued.fields),
            min(job.expires, issued.expires or job.expires),
            DEFAULT_CONTENT_TYPE,
            {**secret.tags, CREDENTIAL: issued.credential_id},
        )
        # Noted before it is written: a later try that the vault shows no version yet must not
        # remove what the version holds.
        await lease.write(replace(record, verified=replace(record.verified, created=now)))
        try:
            async with lease.changing("publish"):
                return await parts.vaults.publish(secret.ref, draft)
        except PermanentError:
            await rotator.tidy(managed.source, job.operation, None)
            raise


async def _still_nothing(parts: Parts, ref: SecretRef) -> None:
    try:
        await parts.vaults.read(ref)
    except NotFound:
        return
    what, fix = "somebody has written the secret meanwhile", "type it again: see what it holds"
    raise NeedsHuman(what, where=str(ref), fix=fix)
