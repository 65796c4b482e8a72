"""`rekey adopt`: put a secret and its source under management.

Tags and a first expiry are set; nothing is rotated.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from cli.codes import Exit
from cli.consent import consent
from cli.naming import expected
from cli.proving import considered, first_expiry, recognised, refuse_claimed, warning_of
from cli.session import Session
from cli.terminal import iso, moment
from cloud.vaults import KeyVaults
from engine.decide.decision import due_at, due_reason
from engine.errors import NeedsHuman
from engine.model.tags import MAX_TAG_LENGTH, OURS, Managed
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
    proposed, managed = considered(engine, secret, _tagged(secret, args))
    await refuse_claimed(session, engine, proposed, managed)
    session.terminal.progress("proving the value at its source")
    credential = await recognised(engine, proposed, managed)
    tags = {**proposed.tags, "CredentialId": credential.credential_id}
    expires = first_expiry(secret, managed, credential, engine.clock.now())
    adopted = replace(proposed, tags=tags, expires=expires)
    _, managed = considered(engine, secret, tags)
    warning = await warning_of(engine, adopted, managed)
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
            fix="change its tags with rekey tags set, or take it out with rekey release first",
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
