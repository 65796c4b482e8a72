"""The only way to write to a vault: publish, retag or disable, for a secret and its replicas.

Every write happens under the lease, right after a fresh read. Rekey never overwrites a version
that somebody wrote since, never writes without the owner's present consent, and never writes the
policy document. Key Vault has no If-Match, so a change by somebody else can only be missed in the
time of one call, between the read and the write.

Replicas are further secrets that hold the same credential, in other vaults or other forms. A tag on
the primary alone gives nobody power over another owner's secret. The owner of a replica consents by
tagging it with `ReplicaOf` and the URL of the primary. Rekey checks this consent before every
write. A replica's tags and value decide nothing about the primary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from engine.errors import (
    LeaseUnavailable,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
)
from engine.parts import Parts
from engine.planning.decision import crowded
from engine.rotation.source_lease import SourceLease
from engine.secret import (
    DEFAULT_CONTENT_TYPE,
    VERSION_ID,
    Draft,
    SecretRef,
    SecretVersion,
    Sensitive,
)
from engine.state import template
from engine.state.record import parts_of
from engine.state.tags import (
    BY,
    CAUSE,
    CREDENTIAL,
    MAX_TAGS,
    OPERATION,
    OURS,
    REPLICA_OF,
    RETIRE,
    Managed,
    Pending,
)

BEHIND = timedelta(hours=1)
"""How long after a version was published a person hears of a replica that does not answer."""
REMOVE_FIX = "take the replica out of the tag Replicas, or of the policy document"

type Errors = type[RekeyError] | tuple[()]
type Tags = Mapping[str, str]
type Check = Callable[[SecretVersion], None]


def _nothing(fresh: SecretVersion) -> None:
    """Accept any state. The lease is about this very secret, so no further consent is needed."""
    del fresh


class Overtaken(TransientError):  # noqa: N818 - the name says what is the case
    """Somebody wrote or disabled a version meanwhile. That stands, and Rekey decides again."""


@dataclass(frozen=True)
class VaultWriter:
    """Writes to vaults under one lease."""

    lease: SourceLease

    async def unchanged(self, secret: SecretVersion) -> SecretVersion:
        """Return the secret, read afresh.

        Raises Overtaken if its current version is another one or is disabled.
        """
        if self.lease.parts.policy.is_own(secret.ref):
            raise NeedsHuman(
                "the secret holds the policy document, which no rotation may write",
                where=str(secret.ref),
                fix="rotate another secret, or move the document and change REKEY_POLICY",
            )
        fresh = await self.lease.parts.vaults.read(secret.ref)
        if fresh.version != secret.version or not fresh.enabled:
            raise Overtaken("somebody has written a version in the meantime", where=str(secret.ref))
        return fresh

    async def publish(
        self, secret: SecretVersion, draft: Draft, step: str = "publish", check: Check = _nothing
    ) -> SecretVersion:
        """Write a new version in place of this one, with tags and content type as they are now.

        `check` raises where the secret, as it is now, does not consent.
        """
        try:
            fresh = await self.unchanged(secret)
        except TransientError as error:
            error.unsent = True
            raise
        check(fresh)
        composed = {*OURS, CREDENTIAL}
        own = {tag: text for tag, text in fresh.tags.items() if tag not in composed}
        gone = {tag for tag in secret.tags if tag not in composed and tag not in fresh.tags}
        tags = {tag: text for tag, text in draft.tags.items() if tag not in gone} | own
        for less in (CAUSE, BY):
            # Its owner may have added a tag. The version is worth more than its history.
            if len(tags) > MAX_TAGS:
                tags.pop(less, None)
        self._room(secret.ref, tags)
        content_type = fresh.content_type or draft.content_type
        whole = replace(draft, tags=tags, content_type=content_type)
        async with self.lease.changing(step):
            return await self.lease.parts.vaults.publish(secret.ref, whole)

    async def retag(self, secret: SecretVersion, ours: Tags, step: str) -> SecretVersion:
        """Set exactly these of Rekey's own tags on this version, keeping its owner's tags."""
        fresh = await self.unchanged(secret)
        tags = {tag: text for tag, text in fresh.tags.items() if tag not in OURS} | dict(ours)
        self._room(secret.ref, tags)
        if tags == dict(fresh.tags):
            return fresh
        async with self.lease.changing(step):
            return await self.lease.parts.vaults.retag(fresh, tags)

    async def probe(self, secret: SecretVersion) -> None:
        """Prove that the vault takes a write: set the tags that the version has already."""
        fresh = await self.unchanged(secret)
        async with self.lease.changing("probe"):
            await self.lease.parts.vaults.retag(fresh, fresh.tags)

    async def disable(self, secret: SecretVersion, version: str, step: str = "disable") -> None:
        """Disable a version, unless it is the current one."""
        await self.unchanged(secret)
        if version == secret.version:
            return
        async with self.lease.changing(step):
            await self.lease.parts.vaults.disable(secret.ref, version)

    async def out_of_use(self, secret: SecretVersion) -> None:
        """Disable the versions that hold dead values.

        A compromised version stays readable until its credential is proven to be refused.
        """
        record = self.lease.record
        own = (version for version in record.stale if VERSION_ID.fullmatch(version))
        ready = [version for version in own if version not in record.compromised.versions]
        for version in ready:
            await self.disable(secret, version)
        if ready:
            self.lease.learn(self.lease.record.cleared(*ready))

    @staticmethod
    def _room(ref: SecretRef, tags: Tags) -> None:
        if len(tags) > MAX_TAGS:
            raise NeedsHuman(
                f"{len(tags)} tags are more than the {MAX_TAGS} that a secret may have",
                where=str(ref),
                fix="remove a tag",
            )


@dataclass(frozen=True)
class Replicas:
    """The replicas of one secret."""

    vault_writer: VaultWriter
    managed: Managed
    outrun: Errors = ()
    """The errors that the primary cannot wait for: its credential has leaked, or is refused."""

    @property
    def parts(self) -> Parts:
        """The ports, and the policy."""
        return self.vault_writer.lease.parts

    @property
    def renewed(self) -> Replicas:
        """The same for the next version of the primary."""
        return replace(self, managed=self.managed.renewed)

    async def check(self, primary: SecretRef) -> list[SecretVersion]:
        """Read every replica before anything changes; raises what would prevent writing one."""
        lease, copies = self.vault_writer.lease, list[SecretVersion]()
        for ref in self.managed.replicas:
            with self._missing(ref, []), lease.unless_it_rests(ref.vault):
                copy = await self.parts.vaults.read(ref)
                self._consents(copy, primary)
                copies.append(copy)
        return copies

    @contextmanager
    def _missing(
        self,
        ref: SecretRef,
        missed: list[RekeyError],
        kept: Errors = (),
        outrun: Errors = (),
    ) -> Iterator[None]:
        """Go on without a replica after an error that the primary cannot wait for.

        What it has missed then is owed, so a recheck follows. Where Azure has asked to wait with
        calls to the primary's own vault, the primary waits. Errors of the `kept` type are for the
        caller to judge.
        """
        lease = self.vault_writer.lease
        try:
            yield
        except LeaseUnavailable:
            raise
        except RekeyError as error:
            is_own = lease.record.owner.startswith(f"{ref.vault}/")
            must_wait = is_own and bool(error.retry_after)
            problem = error if must_wait else self._told(ref, error)
            if isinstance(error, outrun or self.outrun) and not must_wait:
                lease.learn(lease.record.discarded(f"{ref}/"))
            elif not isinstance(problem, kept):
                raise problem from None
            missed.append(problem)

    def _told(self, ref: SecretRef, error: RekeyError) -> RekeyError:
        """Return the error with the way out; as a lasting one if the replica was missed long ago."""
        if not isinstance(error, NeedsHuman):
            error.fix = "; or ".join(filter(None, (error.fix, REMOVE_FIX)))
        if isinstance(error, TransientError) and self._is_long_behind(ref):
            return NeedsHuman(error.what, where=error.where, fix=error.fix)
        return error

    def _is_long_behind(self, ref: SecretRef) -> bool:
        """Return whether a replica missed long ago what was published last."""
        record = self.vault_writer.lease.record
        since = record.published.at if record.published and f"{ref}/" in record.stale else None
        return since is not None and self.parts.clock.now() - since > BEHIND

    async def write(
        self,
        primary: SecretRef,
        fields: Mapping[str, Sensitive],
        draft: Draft,
        *,
        dead: bool = False,
    ) -> list[RekeyError]:
        """Write every replica in its own form; return the errors for the caller to judge.

        `dead`: the source refuses the replaced credential, so it gets no overlap, and the primary
        cannot wait. Otherwise an error that may pass is raised.
        """
        lease, missed = self.vault_writer.lease, list[RekeyError]()
        for ref in self.managed.replicas:
            outrun = RekeyError if dead else ()
            missing = self._missing(ref, missed, PermanentError, outrun)
            with missing, lease.unless_it_rests(ref.vault):
                copy = await self.parts.vaults.read(ref)
                await self._write(copy, primary, fields, draft, dead=dead)
        return missed

    async def catch_up(
        self, primary: SecretVersion, fields: Mapping[str, Sensitive]
    ) -> list[RekeyError]:
        """Write each replica that does not hold the primary's credential.

        It missed a rotation, or an older write reached it late. The error of one replica is raised
        after the others have caught up: any of them may still use the credential that is revoked
        next. If the primary cannot wait, the errors are returned.
        """
        lease, is_late, missed = self.vault_writer.lease, False, list[RekeyError]()
        for ref in self.managed.replicas:
            with self._missing(ref, missed, PermanentError), lease.unless_it_rests(ref.vault):
                copy = await self.parts.vaults.read(ref)
                self._consents(copy, primary.ref)
                is_late |= RETIRE in copy.tags
                await self.caught_up(copy, primary, fields)
                lease.learn(lease.record.cleared(f"{ref}/"))
        if missed and not self.outrun:
            raise missed[0]
        record = lease.record
        if not missed and is_late and record.wrote(primary) and record.retirement is None:
            # A late write has brought the tag back. The credential that it names is revoked
            # already.
            await self.disable_superseded(primary.ref)
        return missed

    async def caught_up(
        self, copy: SecretVersion, primary: SecretVersion, fields: Mapping[str, Sensitive]
    ) -> None:
        """Write one replica, if it does not hold the primary's credential."""
        if self.holds(copy, fields):
            return
        if primary.value is None or primary.expires is None:
            what, where = "the replica missed a rotation", str(copy.ref)
            raise NeedsHuman(what, where=where, fix="rotate the primary")
        draft = Draft(primary.value, primary.expires, DEFAULT_CONTENT_TYPE, primary.tags)
        await self._write(copy, primary.ref, fields, draft)

    async def consenting(self, primary: SecretRef) -> list[SecretVersion]:
        """Return the replicas that are there and consent."""
        copies = [await self._consenting(ref, primary) for ref in self.managed.replicas]
        return [copy for copy in copies if copy]

    async def _consenting(self, ref: SecretRef, primary: SecretRef) -> SecretVersion | None:
        """Return a replica; None if its owner has withdrawn it: nothing of theirs is touched."""
        with suppress(NeedsHuman, NotFound):
            copy = await self.parts.vaults.read(ref)
            self._consents(copy, primary)
            return copy
        return None

    async def dead(self, fields: Mapping[str, Sensitive], draft: Draft) -> tuple[str, ...]:
        """Return the versions of replicas whose credentials do not work once a draft is published.

        These are their replaced versions, and those that they were to retire, if the draft retires
        nothing. A replica that cannot be read counts as behind. What was dead before is named, too.
        """
        lease, urls = self.vault_writer.lease, list[str]()
        for ref in self.managed.replicas:
            with self._missing(ref, [], outrun=RekeyError), lease.unless_it_rests(ref.vault):
                copy = await self.parts.vaults.read(ref)
                pending = None if RETIRE in draft.tags else _pending(copy)
                versions = [pending.version] if pending else []
                if not self.holds(copy, fields):
                    versions.append(str(copy.version))
                urls += (f"{ref}/{version}" for version in versions)
        return (*urls, *lease.record.stale)

    async def out_of_use(self, primary: SecretRef) -> None:
        """Disable the versions of replicas that hold dead values, if their owners still consent.

        Nothing is disabled in a replica that is behind. One that the primary does not name any more
        is tried once: nothing is owed to it.
        """
        lease, named = self.vault_writer.lease, {str(ref) for ref in self.managed.replicas}
        urls = [entry for entry in lease.record.stale if not VERSION_ID.fullmatch(entry)]
        for url in urls:
            where, _, version = url.rpartition("/")
            if where not in named:
                with suppress(TransientError, PermanentError):
                    await self._is_out_of_use(primary, where, version)
                lease.learn(lease.record.cleared(url))
            elif f"{where}/" not in urls and await self._is_out_of_use(primary, where, version):
                lease.learn(lease.record.cleared(url))

    async def _is_out_of_use(self, primary: SecretRef, where: str, version: str) -> bool:
        """Disable one version, unless it is still the current one; return whether that is over."""
        copy = await self._consenting(SecretRef.parse(where), primary) if version else None
        if copy and copy.version == version:
            return False
        if copy:
            await self.vault_writer.disable(copy, version, "disable replica")
        return True

    async def disable_superseded(self, primary: SecretRef) -> None:
        """Disable the version of each replica that holds the retired credential, with consent."""
        stale = self.vault_writer.lease.record.stale
        for ref in (ref for ref in self.managed.replicas if f"{ref}/" not in stale):
            copy = await self._consenting(ref, primary)
            if copy and (pending := _pending(copy)):
                await self.vault_writer.disable(copy, pending.version, "disable replica")
                rest = {tag: text for tag, text in copy.tags.items() if tag in OURS - {RETIRE}}
                await self.vault_writer.retag(copy, rest, "forget")

    async def _write(
        self,
        copy: SecretVersion,
        primary: SecretRef,
        fields: Mapping[str, Sensitive],
        draft: Draft,
        *,
        dead: bool = False,
    ) -> None:
        self._consents(copy, primary)
        shape = self.shape(copy)
        if missing := template.fields(shape) - set(fields):
            needed = ", ".join(sorted(missing))
            raise NeedsHuman(
                f"the replica's ValueTemplate needs {needed}, which only a rotation can fill in",
                where=str(copy.ref),
                fix="rotate the primary",
            )
        value = template.render(shape, fields)
        if copy.value == value:
            # An interrupted try has written it already. After a second write, nobody would ever
            # disable that version.
            return
        own = {tag: text for tag, text in copy.tags.items() if tag not in OURS}
        ours = {tag: draft.tags[tag] for tag in (CREDENTIAL, OPERATION) if tag in draft.tags}
        lease = self.vault_writer.lease
        if retire := _superseded(copy, draft, dead=dead):
            ours[RETIRE] = retire
        elif f"{copy.ref}/" in lease.record.stale:
            # While it was behind, the source has come to refuse what it holds.
            going = filter(None, (copy.version, getattr(_pending(copy), "version", None)))
            lease.learn(lease.record.discarded(*(f"{copy.ref}/{version}" for version in going)))
        whole = replace(draft, value=value, tags=own | ours)
        await self.vault_writer.publish(
            copy, whole, "publish replica", check=lambda fresh: self._consents(fresh, primary)
        )

    def shape(self, copy: SecretVersion) -> str:
        """Return the template of a replica's value."""
        return self.parts.policy.applied(copy).tags.get(template.TAG, self.managed.template)

    def holds(self, copy: SecretVersion, fields: Mapping[str, Sensitive]) -> bool:
        """Return whether a replica holds these fields. Other fields of its form are not compared."""
        shape = self.shape(copy)
        if template.fields(shape) <= set(fields):
            return copy.value == template.render(shape, fields)
        held = template.extract(shape, copy.value)
        return held is not None and all(held[name] == fields[name] for name in held.keys() & fields)

    def _consents(self, copy: SecretVersion, primary: SecretRef) -> None:
        """Raise NeedsHuman if a replica may not be written, or cannot be."""
        if problem := self._problem(copy, primary):
            what, fix = problem
            raise NeedsHuman(f"the replica {what}", where=str(copy.ref), fix=fix)

    def _problem(self, copy: SecretVersion, primary: SecretRef) -> tuple[str, str] | None:  # noqa: PLR0911 - a table
        rotator, shape = self.managed.rotator, self.shape(copy)
        if self.parts.policy.is_own(copy.ref):
            return "is the policy document, which is never written", "take it from the tag Replicas"
        if not copy.enabled:
            return "is disabled", "enable it, or remove it from the tag Replicas"
        if copy.tags.get(REPLICA_OF, "").strip().rstrip("/").lower() != str(primary).lower():
            return "does not consent", f"its owner sets its tag {REPLICA_OF} to {primary}"
        if "ProviderAddress" in self.parts.policy.applied(copy).tags:
            return (
                "is rotated in its own right",
                f"remove either its ProviderAddress or its tag {REPLICA_OF}",
            )
        if crowded(copy):
            return "has too many tags to leave room for Rekey's own", "remove one of its tags"
        if wrong := template.problems(shape, rotator.template_fields, rotator.value_field):
            return f"cannot be written: {'; '.join(wrong)}", "correct its ValueTemplate"
        is_pair = len(parts_of(self.managed.source)) > 1
        if is_pair and "user" in rotator.template_fields - template.fields(shape):
            # Its readers would sign in as one login with the other login's password.
            return "does not say whose password it holds", "add {user} to its ValueTemplate"
        return None


def _pending(copy: SecretVersion) -> Pending | None:
    """Return what a replica's tag RekeyRetire says, if that can be read."""
    with suppress(KeyError, ValueError):
        return Pending.parse(copy.tags[RETIRE])
    return None


def _superseded(copy: SecretVersion, draft: Draft, *, dead: bool) -> str | None:
    """Return what the replica's tag RekeyRetire must say: which version to disable, and when.

    A retry keeps the tag of its first try, which names the version that held a live credential. If
    the replaced version is dead, the replica keeps its earlier retirement, as the draft does.
    """
    if dead or copy.tags.get(OPERATION) == draft.tags.get(OPERATION):
        return copy.tags.get(RETIRE) if RETIRE in draft.tags else None
    if RETIRE not in draft.tags or copy.version is None:
        return None
    return str(replace(Pending.parse(draft.tags[RETIRE]), version=copy.version))
