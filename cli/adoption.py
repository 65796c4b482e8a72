"""`rekey adopt`: put a secret and its source under management.

Tags and a first expiry are set; nothing is rotated.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from api.listing import every
from cli.codes import Exit
from cli.consent import consent
from cli.naming import expected
from cli.session import Session
from cli.terminal import iso, moment
from cloud.vaults import KeyVaults
from engine.contract import Forewarn, Recognise, Recognised
from engine.decide.decision import Confirm, Park, Restore, Retire, Rotate, due_at, due_reason
from engine.errors import NeedsHuman
from engine.model.record import parts_of
from engine.model.tags import MAX_TAG_LENGTH, OURS, Managed
from engine.model.workitem import WorkItem
from engine.rotate.engine import Engine
from engine.rotate.lineage import Lineage
from engine.rotate.ownership import claimed
from engine.secret import SecretVersion

TAGS: Mapping[str, str] = {
    "provider": "ProviderAddress",
    "credential_id": "CredentialId",
    "validity_days": "ValidityPeriodDays",
    "rotate_before_days": "RotateBeforeDays",
    "overlap_hours": "OverlapHours",
    "window": "RotationWindow",
    "template": "ValueTemplate",
    "logins": "Logins",
    "database": "Database",
    "rotator": "Rotator",
    "derived_from": "DerivedFrom",
    "may_derive": "MayDerive",
    "owner": "Owner",
}
"""Which option sets which tag."""


async def adopt(session: Session, args: Namespace) -> int:
    """Prove that the source accepts the value and which credential it is, then tag the secret."""
    engine, ref = await session.ready(), session.secret(args.secret)
    async with expected(engine, ref):
        secret = await engine.vaults.read(ref)
    proposed, managed = _considered(engine, secret, _tagged(secret, args))
    await _refuse_claimed(session, engine, proposed, managed)
    session.terminal.progress("proving the value at its source")
    credential = await _recognised(engine, proposed, managed)
    tags = {**proposed.tags, "CredentialId": credential.credential_id}
    expires = _first_expiry(secret, managed, credential, engine.clock.now())
    adopted = replace(proposed, tags=tags, expires=expires)
    _, managed = _considered(engine, secret, tags)
    warning = await _warning(engine, adopted, managed)
    if not args.dry_run:
        if warning and not args.yes:
            consent(session.terminal, session.person, warning, "Put it under management?")
        await KeyVaults(session.azure, frozenset(session.settings.scopes)).retag(
            secret, tags, expires
        )
    _show(session, adopted, managed, engine.clock.now(), warning, dry_run=args.dry_run)
    return Exit.FINE


def _tagged(secret: SecretVersion, args: Namespace) -> dict[str, str]:
    if "ProviderAddress" in secret.tags:
        raise NeedsHuman(
            "Rekey manages the secret already",
            where=str(secret.ref),
            fix="change its tags, or remove the tag ProviderAddress first",
        )
    options = {
        tag: str(getattr(args, option))
        for option, tag in TAGS.items()
        if getattr(args, option) is not None
    }
    if long := [tag for tag, text in options.items() if len(text) > MAX_TAG_LENGTH]:
        raise NeedsHuman(
            f"{', '.join(long)}: longer than the {MAX_TAG_LENGTH} characters of a tag",
            fix="shorten it",
        )
    return {tag: text for tag, text in secret.tags.items() if tag not in OURS} | options


def _considered(
    engine: Engine, secret: SecretVersion, tags: Mapping[str, str]
) -> tuple[SecretVersion, Managed]:
    """Decide about the secret as it would be.

    Raises NeedsHuman with all that keeps it from being rotated one day.
    """
    adopted = replace(secret, tags=tags)
    if (
        engine.policy.applied(adopted).tags.get("ProviderAddress", tags["ProviderAddress"])
        != tags["ProviderAddress"]
    ):
        raise NeedsHuman(
            "the policy document names another source for this secret",
            where=str(secret.ref),
            fix="give --provider that source, or change the policy's rule",
        )
    decision = engine.decide(adopted, WorkItem(secret.ref, force=True))
    if isinstance(decision, Rotate | Retire | Restore | Confirm):
        return adopted, decision.managed
    fix = decision.fix if isinstance(decision, Park) else decision.fix or "see docs/tags.md"
    raise NeedsHuman(decision.reason, where=str(secret.ref), fix=fix)


async def _refuse_claimed(
    session: Session, engine: Engine, adopted: SecretVersion, managed: Managed
) -> None:
    """Refuse a source that another secret names: two secrets would cut each other off."""
    mine = set(parts_of(managed.source))
    async for entry in every(engine, session.vaults(None)):
        if entry.secret.ref != adopted.ref and mine & claimed(entry.secret.tags, engine.kinds):
            raise NeedsHuman(
                f"{managed.source} is the source of {entry.secret.ref} already",
                where=str(adopted.ref),
                fix=(
                    "keep one secret a source; let the other one write this one: see Replicas "
                    "in docs/tags.md"
                ),
            )


async def _recognised(engine: Engine, adopted: SecretVersion, managed: Managed) -> Recognised:
    """Have the source say which credential the value is, and accept it."""
    rotator, job = engine.rotators[managed.rotator.kind], engine.job(adopted, managed)
    if job.held is None:
        raise NeedsHuman(
            "the value does not follow the template",
            where=str(adopted.ref),
            fix="describe it with --template, the credential's parts in braces: see docs/tags.md",
        )
    if lineage := Lineage.of(engine, managed):
        # Nothing would ever be made for it without the consent of its key.
        await lineage.parent(adopted.ref)
    credential = Recognised(managed.credential_id or "")
    if isinstance(rotator, Recognise):
        credential = await rotator.recognise(job)
    if (
        managed.credential_id
        and managed.credential_id.casefold() != credential.credential_id.casefold()
    ):
        raise NeedsHuman(
            f"the value is {credential.credential_id}, not {managed.credential_id[:60]}",
            where=managed.source,
            fix="leave --credential-id out",
        )
    if not credential.credential_id:
        raise NeedsHuman(
            "Rekey cannot tell which credential the value is",
            where=managed.source,
            fix="name it with --credential-id",
        )
    await rotator.verify(managed.source, credential.credential_id, job.held)
    return credential


async def _warning(engine: Engine, adopted: SecretVersion, managed: Managed) -> str:
    """Return what is to be known before the first rotation, if anything."""
    rotator = engine.rotators[managed.rotator.kind]
    return (
        await rotator.forewarn(engine.job(adopted, managed))
        if isinstance(rotator, Forewarn)
        else ""
    )


def _first_expiry(
    secret: SecretVersion, managed: Managed, credential: Recognised, now: datetime
) -> datetime:
    """Return the earliest of: its present expiry, the source's own end, a whole validity from now."""
    whole = (now + managed.validity).replace(microsecond=0)
    return min(end for end in (secret.expires, credential.ends, whole) if end)


def _show(
    session: Session,
    adopted: SecretVersion,
    managed: Managed,
    now: datetime,
    warning: str,
    *,
    dry_run: bool,
) -> None:
    due, reason = due_at(adopted, managed), due_reason(adopted, managed, now)
    shown = {
        "expires": moment(adopted.expires),
        "due": f"at the next sweep: {reason}" if reason else moment(due),
    }
    result = {
        "status": "would be adopted" if dry_run else "adopted",
        "vault": adopted.ref.vault_name,
        "secret": adopted.ref.name,
        "version": adopted.version,
        "rotator": managed.rotator.kind,
        "source": managed.source,
        "credential": adopted.tags["CredentialId"],
        "expires": iso(adopted.expires),
        "due": iso(due),
        "due_now": bool(reason),
        "warning": warning,
    }
    if not session.terminal.data({**result, "tags": dict(adopted.tags)}):
        session.terminal.progress("")
        session.terminal.fields(
            {name: value for name, value in (result | shown).items() if name != "due_now"}
        )
        session.terminal.line("next: rekey doctor, to see whether a rotation would succeed")
