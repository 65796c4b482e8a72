"""What is proven before a secret's tags are set by hand.

They can be followed, the source is nobody else's, and it accepts the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from api.listing import every, index_of, judge
from cli.session import Session
from engine.contract import Forewarn, Recognise, Recognised
from engine.engine import Engine
from engine.errors import NeedsHuman, TransientError
from engine.secret import SecretRef, SecretVersion
from engine.state import template
from engine.state.decision import Confirm, Park, Restore, Retire, Rotate
from engine.state.record import parts_of
from engine.state.request import WorkItem
from engine.state.tags import Managed


def considered(
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


async def claims(session: Session, engine: Engine) -> dict[str, SecretRef]:
    """Return which secret claims which source, in all vaults."""
    return {
        part: entry.secret.ref
        async for entry in every(engine, session.vaults(None))
        for part in engine.claims(entry.secret.tags)
    }


def refuse_claimed(sources: Mapping[str, SecretRef], ref: SecretRef, managed: Managed) -> None:
    """Refuse a source that another secret names: two secrets would cut each other off."""
    for part in parts_of(managed.source):
        if sources.get(part, ref) != ref:
            raise NeedsHuman(
                f"{managed.source} is the source of {sources[part]} already",
                where=str(ref),
                fix=(
                    "keep one secret a source; let the other one write this one: see Replicas "
                    "in docs/tags.md"
                ),
            )


async def recognised(engine: Engine, adopted: SecretVersion, managed: Managed) -> Recognised:
    """Have the source say which credential the value is, and accept it."""
    rotator, job = engine.rotators[managed.rotator.kind], engine.job(adopted, managed)
    if job.held is None:
        raise NeedsHuman(
            "the value does not follow the template",
            where=str(adopted.ref),
            fix=(
                "describe it with --template (the tag ValueTemplate), the credential's parts in "
                "braces: see docs/tags.md"
            ),
        )
    # Nothing would ever be made for it without the consent of its key.
    await engine.consented(adopted, managed)
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
            fix=f"the tag CredentialId is {credential.credential_id}: leave --credential-id out",
        )
    if not credential.credential_id:
        raise NeedsHuman(
            "Rekey cannot tell which credential the value is",
            where=managed.source,
            fix="name it with --credential-id (the tag CredentialId)",
        )
    _refuse_another_user(adopted, managed, credential.credential_id)
    await rotator.verify(managed.source, credential.credential_id, job.held)
    return credential


def _refuse_another_user(adopted: SecretVersion, managed: Managed, credential_id: str) -> None:
    """Refuse a value that names another user than the one recognised: both may have one password.

    A host or a server may stand behind the user's name.
    """
    user = (template.extract(managed.template, adopted.value) or {}).get("user")
    if user and _bare(user.reveal()) != _bare(credential_id):
        raise NeedsHuman(
            f"the value is another user's, not of {credential_id}",
            where=managed.source,
            fix="say which login it is: --logins for two, else --rotator and --credential-id (the "
            "tags Logins, Rotator and CredentialId)",
        )


def _bare(user: str) -> str:
    return user.partition("@")[0].casefold()


async def refuse_superseded(engine: Engine, secret: SecretVersion) -> None:
    """Raise TransientError where the version that bears new tags is not the current one any more."""
    fresh = await engine.vaults.read(secret.ref)
    if fresh.version != secret.version:
        raise TransientError(
            "a new version was written meanwhile: it has the tags from before",
            where=str(secret.ref),
            fix="type the command again",
        )


async def warning_of(engine: Engine, adopted: SecretVersion, managed: Managed) -> str:
    """Return what is to be known before the first rotation, if anything."""
    rotator = engine.rotators[managed.rotator.kind]
    if not isinstance(rotator, Forewarn):
        return ""
    # Where the record knows what is to be retired, the first rotation is over.
    known = judge(engine, adopted, await index_of(engine)).managed
    if known and known.pending:
        return ""
    return await rotator.forewarn(engine.job(adopted, managed))


def first_expiry(
    secret: SecretVersion, managed: Managed, credential: Recognised, now: datetime
) -> datetime:
    """Return the earliest of: its present expiry, the source's own end, a whole validity from now."""
    whole = (now + managed.validity).replace(microsecond=0)
    return min(end for end in (secret.expires, credential.ends, whole) if end)
