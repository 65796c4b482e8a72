"""What `rekey adopt` would do to one secret, and doing it.

Everything is proven first; only then the secret is tagged, or its first version is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from api.answers import BadRequest
from cli.naming import expected
from cli.proving import (
    claims,
    considered,
    first_expiry,
    recognised,
    refuse_claimed,
    refuse_superseded,
    warning_of,
)
from cli.session import Session
from cloud.vaults import KeyVaults
from engine.engine import Engine
from engine.errors import NeedsHuman, NotFound
from engine.secret import DEFAULT_CONTENT_TYPE, Draft, SecretRef, SecretVersion
from engine.state.record import owners_tags
from engine.state.tags import CREDENTIAL, MAX_TAG_LENGTH, Malformed, Managed, parse

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
MANAGED = "change its tags with rekey tags set, or take it out with rekey release first"


@dataclass(frozen=True, slots=True)
class Wish:
    """One secret that is to be put under management."""

    ref: SecretRef
    tags: Mapping[str, str]
    """Those that options, or the columns of a file, ask for."""
    create: bool = False
    """There is no such secret yet: its first version holds a credential of its source."""
    again: bool = False
    """Where it is managed with this source already, nothing is left to do."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A secret as it would be; nothing has been changed yet."""

    status: str
    """`adopted`, `created` or `adopted already`, once it has been carried out."""
    before: SecretVersion
    adopted: SecretVersion
    managed: Managed
    warning: str = ""


@dataclass(frozen=True)
class Adoption:
    """Puts secrets under management, one after the other."""

    session: Session
    engine: Engine
    taken: dict[str, SecretRef]
    """Which secret has which source."""

    @classmethod
    async def of(cls, session: Session) -> Adoption:
        """Begin: list what is managed already."""
        engine = await session.ready()
        return cls(session, engine, await claims(session, engine))

    async def proposed(self, wish: Wish) -> Proposal:
        """Prove everything, changing nothing; raises what keeps the secret from being adopted."""
        engine, now = self.engine, self.engine.clock.now()
        secret = await self._read(wish)
        if "ProviderAddress" in secret.tags:
            return self._managed_already(secret, wish)
        if "ProviderAddress" not in wish.tags:
            secret = replace(secret, tags={**await self._lost(secret), **secret.tags})
        proposed, managed = _considered(engine, secret, wish)
        refuse_claimed(self.taken, wish.ref, managed)
        self.session.terminal.progress(f"proving {wish.ref} at its source")
        if wish.create:
            secret = replace(secret, value=await engine.first_value(proposed, managed))
            if secret.value is None:
                adopted = replace(proposed, expires=now + managed.validity)
                return Proposal("created", secret, adopted, managed)
            proposed = replace(proposed, value=secret.value)
        credential = await recognised(engine, proposed, managed)
        tags = {**proposed.tags, CREDENTIAL: credential.credential_id}
        expires = first_expiry(secret, managed, credential, now)
        adopted = replace(proposed, tags=tags, expires=expires)
        _, managed = considered(engine, proposed, tags)
        warning = await warning_of(engine, adopted, managed)
        return Proposal("created" if wish.create else "adopted", secret, adopted, managed, warning)

    async def carried_out(self, proposal: Proposal) -> Proposal:
        """Tag the secret, or write its first version."""
        adopted, managed = proposal.adopted, proposal.managed
        if proposal.status == "created":
            adopted = await self._created(adopted, managed)
        elif proposal.status == "adopted":
            vaults = KeyVaults(self.session.azure, frozenset(self.session.settings.scopes))
            await vaults.retag(proposal.before, adopted.tags, adopted.expires)
            await refuse_superseded(self.engine, adopted)
        return replace(proposal, adopted=adopted)

    async def _created(self, adopted: SecretVersion, managed: Managed) -> SecretVersion:
        if adopted.value is None:
            return await self.engine.add_first(adopted, managed)
        # A person may have been asked, and many lines carried out, since nothing was there.
        if await self.engine.existing(adopted.ref):
            what = "somebody has written the secret meanwhile"
            raise NeedsHuman(what, where=str(adopted.ref), fix="type it again: see what it holds")
        assert adopted.expires  # noqa: S101 - a first expiry was chosen
        draft = Draft(adopted.value, adopted.expires, DEFAULT_CONTENT_TYPE, adopted.tags)
        return await self.engine.vaults.publish(adopted.ref, draft)

    async def _read(self, wish: Wish) -> SecretVersion:
        if not wish.create:
            async with expected(self.engine, wish.ref):
                return await self.engine.vaults.read(wish.ref)
        try:
            secret = await self.engine.vaults.read(wish.ref)
        except NotFound:
            return self.engine.nothing_yet(wish.ref)
        if "ProviderAddress" not in secret.tags:
            raise NeedsHuman(
                "the secret exists already", where=str(wish.ref), fix="adopt it without --create"
            )
        return secret

    async def _lost(self, secret: SecretVersion) -> dict[str, str]:
        """Return the owner's tags of the newest version that has a source; BadRequest if none has.

        Which of several credentials the version holds now is left to be found out.
        """
        engine, ref = self.engine, secret.ref
        versions = await engine.versions(ref)
        tagged = next((it for it in versions if "ProviderAddress" in it.tags), None)
        if tagged is None:
            fix = "name its source with --provider"
            raise BadRequest(f"no version of {ref} names a source", fix=fix)
        managed = engine.tagged(tagged).managed
        tags = owners_tags(tagged)
        if managed and not managed.is_single:
            tags.pop(CREDENTIAL, None)
        return tags

    def _managed_already(self, secret: SecretVersion, wish: Wish) -> Proposal:
        managed = parse(secret.tags, self.engine.policy, self.engine.kinds)
        wished = parse({**secret.tags, **wish.tags}, self.engine.policy, self.engine.kinds)
        if isinstance(managed, Malformed) or isinstance(wished, Malformed) or not wish.again:
            raise NeedsHuman("Rekey manages the secret already", where=str(wish.ref), fix=MANAGED)
        if managed.source != wished.source:
            what = f"Rekey manages the secret already, with the source {managed.source}"
            raise NeedsHuman(what, where=str(wish.ref), fix=MANAGED)
        return Proposal("adopted already", secret, secret, managed)


def _considered(engine: Engine, secret: SecretVersion, wish: Wish) -> tuple[SecretVersion, Managed]:
    """Decide about the secret as it would be; an option that is wrong is corrected as one."""
    try:
        return considered(engine, secret, _tagged(secret, wish))
    except NeedsHuman as error:
        if options := _wrong_options(error.fix, wish):
            fix = f"correct {', '.join(options)}"
            raise NeedsHuman(error.what, where=error.where, fix=fix) from None
        raise


def _wrong_options(fix: str, wish: Wish) -> list[str]:
    """Return the options that set all the tags which a fix would correct; none if not all are."""
    settings = fix.partition(f"rekey tags set {wish.ref.place} ")[2].split()
    wrong = {setting.partition("=")[0] for setting in settings}
    if not wrong <= wish.tags.keys():
        return []
    return [f"--{option.replace('_', '-')}" for option, tag in TAGS.items() if tag in wrong]


def _tagged(secret: SecretVersion, wish: Wish) -> dict[str, str]:
    if long := [tag for tag, text in wish.tags.items() if len(text) > MAX_TAG_LENGTH]:
        raise NeedsHuman(
            f"{', '.join(long)}: longer than the {MAX_TAG_LENGTH} characters of a tag",
            where=str(wish.ref),
            fix="shorten it",
        )
    if odd := [tag for tag, text in wish.tags.items() if not text.isprintable()]:
        what = f"{', '.join(odd)}: not printable"
        raise NeedsHuman(what, where=str(wish.ref), fix="write printable characters on one line")
    return owners_tags(secret) | dict(wish.tags)
