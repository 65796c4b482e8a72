"""The promises, as checks on the model that hold at every moment.

`tests/proof/ending.py` has those that hold in the end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.errors import AccessDenied, TransientError
from engine.rotation.observe import ANOTHER
from engine.rotation.source_lease import LOST
from engine.secret import SecretRef, SecretVersion
from engine.state.due import by_hand, is_manual
from engine.state.record import parts_of
from engine.state.request import Outcome
from engine.state.tags import DERIVED_FROM, OPERATION, OURS, REASON, REPLICA_OF, STATE
from tests.proof import announcing, appearance, descent, unending
from tests.proof.excuses import Excuse, Excuses
from tests.proof.kernel import CLIENT_TIMEOUT, Died, Worker
from tests.proof.sources import (
    ENDS_WITH_KEY,
    MARK,
    Many,
    Signatures,
    Slots,
    credential_in,
    source_named,
)

if TYPE_CHECKING:
    from tests.proof.model_leases import ModelLease
    from tests.proof.world import Message, World

REPAIR_SECONDS = 245.0
"""Within what time something must look after a single slot whose password nobody knows."""
HEALED_SECONDS = 300.0
"""Within what time of the last fault the vault's current version is accepted again."""
AUDITED_SECONDS = 26 * 3600.0
"""Within what time of a person's change at a source the daily audit has mended it, or somebody was
told."""
LATE_SECONDS = 3600.0
"""For how long a change that landed late excuses its source; it must be accepted again within five
minutes all the same."""
MOST_GIVEN = 24
"""More versions than any schedule of ours needs."""
MOST_IN_VAIN = 6
"""After so many passwords in a row that nobody knows somebody has been told."""
WRITES = frozenset({"publish", "retag", "disable"})


class Broken(AssertionError):
    """A promise was broken; the message begins with its name."""


@dataclass
class Protected:
    """A credential that must live until a time: the version that held it was superseded then."""

    credential: str
    source: str
    until: float
    version: str


@dataclass
class Strand:
    """What is known of one single slot."""

    slot: str = ""
    """What it held when it was last looked at."""
    unknown: bool = False
    """It holds a password that nobody knows."""
    look: bool = False
    """Who changed it, or found it so and had nothing to do, has just ended."""
    setter: int = 0
    """Which worker put that into it."""
    told: bool = False
    """Somebody was told that nobody knows it. That is a person's to end, whoever owns it next."""
    vain: int = 0
    """So many passwords in a row were set that nobody knows."""
    outcomes: int = 0
    """How many outcomes there were when it changed last: what was told before is about another."""


@dataclass
class Watch:
    """Watches a world.

    What other people or physics break is excused by name, for one subject and for a time.
    """

    world: World
    excuses: Excuses = field(default_factory=Excuses)
    proved: set[str] = field(default_factory=set)
    protected: list[Protected] = field(default_factory=list)
    late: Counter[str] = field(default_factory=Counter)
    """So many changes of each source took effect after their lease had gone to somebody else, or
    had ended."""
    compromised: dict[str, str] = field(default_factory=dict)
    """Credentials that must die at once, each with the secret that held it."""
    leaked_at: dict[str, int] = field(default_factory=dict)
    """How many outcomes there were as each was reported: what was told before is about others."""
    known_since: dict[tuple[str, str], float] = field(default_factory=dict)
    """Since when a record has known that a version of its source has leaked."""
    incidents: set[str] = field(default_factory=set)
    """The secrets of which somebody said so, even if a list brings their credentials back."""
    ended: set[str] = field(default_factory=set)
    """Those of them that were gone."""
    undated: set[str] = field(default_factory=set)
    """Sources of which a leak was reported that has neither a time nor a version: a try that comes
    back takes what the one before it has published for leaked, too."""
    cut: set[str] = field(default_factory=set)
    """Sources with an incident under way: no overlap is left to any older credential."""
    over: set[str] = field(default_factory=set)
    """What leaked, and was reported as dealt with."""
    disowned: set[str] = field(default_factory=set)
    """Credentials in versions that a person replaced by hand: whoever does that looks after what
    was there."""
    released: set[str] = field(default_factory=set)
    """Secrets that somebody has released by force, who looks after what has leaked."""
    orphaned: set[str] = field(default_factory=set)
    """Operations whose version a person replaced while they were under way: nobody can tell any
    more that they matter."""
    foreign: set[str] = field(default_factory=set)
    """Credentials that Rekey neither made nor was told of."""
    untouchable: set[str] = field(default_factory=set)
    """Credentials of a source that no secret here may rotate."""
    revoked: set[str] = field(default_factory=set)
    """Credentials that a person revoked at their source: they stay so."""
    off: set[str] = field(default_factory=set)
    """Versions that a person disabled."""
    enabled_again: set[str] = field(default_factory=set)
    """Versions that a person enabled after Rekey had disabled them."""
    bystanders: dict[SecretRef, tuple[SecretVersion, ...]] = field(default_factory=dict)
    """Secrets whose owners consent to nothing, as their owners left them."""
    longest: dict[str, float] = field(default_factory=dict)
    """The longest validity, in days, that the owner of each secret has asked for, where that was
    changed."""
    shortest: dict[str, float] = field(default_factory=dict)
    """The shortest overlap, in hours, that the owner of each secret, or the policy, has asked for
    meanwhile."""
    open_at: Callable[[datetime], bool] | None = None
    """When the window of every secret here is open."""
    outcomes: list[Outcome] = field(default_factory=list)
    leapt: float = 0.0
    """By how many seconds the clock has leapt while somebody was at work."""
    copies_back: float = 0.0
    """When replicas could be written again that alone could not."""
    elsewhere: float = 0.0
    """Until when a service that is no source is away."""
    handed_over: set[str] = field(default_factory=set)
    """The sources that another secret has taken over."""
    superseded: dict[str, str] = field(default_factory=dict)
    """Credentials that a version of Rekey's own replaced, each with its source."""
    mistaken: set[str] = field(default_factory=set)
    """Keys that somebody has made in the place of Rekey's, before it could look at its own."""
    given: list[SecretVersion] = field(default_factory=list)
    """The versions that Rekey has published, replicas aside."""
    ended_retirements: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often a record has forgotten a credential as revoked, by its owner and the id."""
    set_aside: set[str] = field(default_factory=set)
    """The operations of the writes that a record announced as a person moved it aside."""
    traces: set[int] = field(default_factory=set)
    """The workers that have reported an outcome or posted a message."""
    verdicts: int = 0
    """How many of them were outcomes."""
    refused: dict[SecretRef, float] = field(default_factory=dict)
    """Since when each secret holds what its source refuses."""
    disturbed: float = 0.0
    """When a fault struck last, a person did something, or a worker's message came back for it."""
    alive_before: set[str] = field(default_factory=set)
    """What was alive when that was last looked at, where apps use it."""
    struck: bool = False
    """A fault struck."""
    is_mended: bool = False
    """People have mended what is theirs."""
    strands: dict[str, Strand] = field(default_factory=dict)
    actor: int = 0
    """Which worker made the latest change; 0 where it had given up on it already."""

    def disturb(self, moment: float, *, copies: bool = False) -> None:
        """Note a fault, or something that a person did; with `copies`, one of replicas alone.

        What must heal has five minutes from then.
        """
        if copies:
            self.copies_back = max(self.copies_back, moment)
        else:
            self.disturbed = max(self.disturbed, moment)

    def away_elsewhere(self, until: float) -> None:
        """Note an outage of a service that is no source.

        Who was at a change takes it back, where nothing else goes wrong meanwhile.
        """
        self.disturb(self.world.kernel.time())
        # A second one in the first may keep it from being taken back.
        self.struck |= self.elsewhere > self.world.kernel.time()
        self.elsewhere = max(self.elsewhere, until)

    @property
    def back_elsewhere(self) -> float:
        """When what was away elsewhere is back; 0 where nothing keeps a change from being taken back.

        A second fault may, and so may an answer that takes too long.
        """
        is_alone = not self.struck and self.leapt <= CLIENT_TIMEOUT
        return 0.0 if is_alone else self.elsewhere

    def by_hand(self) -> None:
        """Take note of what a person has done, and check what must hold after that."""
        self.disturb(self.world.kernel.time())
        sources = self.world.sources
        # What a person cuts off, or disables, is not Rekey's to keep alive.
        self.protected = [
            replace(
                kept,
                until=min(kept.until, descent.consented_until(self, kept.source, kept.version)),
            )
            for kept in self.protected
            if sources[kept.source].accepts(kept.credential) and kept.version not in self.off
        ]
        self.changed()

    def mended(self) -> None:
        """From now on nothing is excused that a person had to mend.

        Who was told that an incident failed repeats it.
        """
        self.is_mended = True
        for credential, name in self.compromised.items():
            if credential in self.alive():
                self.world.repeat_incident(name, credential)
        for excuse, subject in list(self.excuses.granted):
            if excuse in (Excuse.CLAIM, Excuse.LEFT_ALONE):
                self.excuses.end(excuse, subject)
        self.off.clear()
        until = self.world.kernel.time() + AUDITED_SECONDS
        for _, source, current in self._watched():
            if not self.holds(current):
                # The next audit finds it mended, and goes on from there.
                self.excuses.grant(Excuse.BROKEN, source, until)
        self.changed()

    def proven(self, credential: str) -> None:
        """Note that a source accepted this credential."""
        self.proved.add(credential)

    def sent(self, label: str, worker: Worker, about: object, *, sandboxed: bool) -> None:
        """Check a call as it is sent.

        Its lease, the read before it, the scopes of its vault, and what Azure asked for.
        """
        if (
            worker.resting
            and label not in ("post", "keep", "release")
            and worker.rests_until(label, about) > self.world.kernel.time()
        ):
            # What is put off is put on a queue, and a request is stored with its new time: to wait
            # for these is not possible. Each release is of another lease, which would otherwise
            # keep others waiting for a minute.
            raise Broken(f"throttling: {label} was sent again before the time that Azure had named")
        is_typed = worker.message is not None and worker.message.what == "release"
        if label in WRITES and worker.last != ("read", about) and not is_typed:
            raise Broken(f"gate: {label} of {about} was sent without a fresh read of it")
        if not sandboxed:
            return
        lease: ModelLease | None = worker.lease
        if lease is None or not lease.held:
            raise Broken(f"P2: {label} was sent after the lease had ended")
        if about is None and not self.world.allows(worker, lease.source):
            raise Broken(f"P7: {label} was sent to {lease.source}, which is outside the scopes")

    def put_off(self, worker: Worker, message: Message) -> None:
        """Check that what is put off comes back no sooner than Azure has asked for."""
        soonest = worker.rests_until(*worker.last)
        put_off = '"deferred": 0' not in message.text and '"follow_up": true' not in message.text
        if put_off and soonest > message.visible + 1:
            raise Broken(
                f"throttling: a message comes back {soonest - message.visible:.0f} s too soon"
            )

    def comes_back(self, worker: Worker, message: Message, error: BaseException) -> None:
        """Check that what is given back to its queue returns no sooner than Azure has asked for."""
        is_asked = isinstance(error, TransientError) and error.retry_after is not None
        if any(worker.rests_until(it) > self.world.kernel.time() for it in ("post", "keep")):
            # What is put off is put on a queue, and that takes nothing for now either.
            return
        early = worker.rests_until(*worker.last) - message.visible if is_asked else 0.0
        if early > 1:
            raise Broken(f"throttling: a message is back on its queue {early:.0f} s too soon")

    def too_late(self, label: str, source: str) -> None:
        """Note a change that reached its target after its lease: it was under way that long."""
        del label
        self.late[source] += 1
        self.excuses.grant(Excuse.LATE, source, self.world.kernel.time() + LATE_SECONDS)

    def published(self, version: SecretVersion, shown: Mapping[SecretRef, SecretVersion]) -> None:
        """Check a version that Rekey just wrote; `shown` is what its worker has read before."""
        basis = shown.get(version.ref)
        versions, name = self.world.vault[version.ref], version.ref.name
        credential = credential_in(version.value.reveal() if version.value else "")
        if announcing.is_to_be_announced(version):
            self.given.append(version)
        if credential not in self.proved:
            raise Broken(f"P3: {name} was given a value that no source had accepted")
        if len(self.given) > MOST_GIVEN:
            raise Broken(f"resources: {len(self.given)} versions were published")
        if len(versions) == 1:
            # It was purged between the fresh read and this write, which made it anew.
            self.excuses.used[Excuse.RACED] += 1
            return
        self._consented(version, basis)
        before = versions[-2]
        if basis is None or not basis.enabled:
            raise Broken(f"people: {name} was written although its current version was disabled")
        raced = not _is_same(basis, before)
        if (
            not raced
            and name == "app"
            and (is_manual(before.tags) or "ProviderAddress" not in before.tags)
        ):
            raise Broken(f"people: {name} was rotated although only a person may rotate it")
        if raced and not self._excused(version, before):
            raise Broken(
                f"people: {name} was given a version in place of one that had not been read"
            )
        try:
            appearance.examine(self, before, version, raced=raced)
            descent.examine(self, version, shown)
        except appearance.Wrong as wrong:
            raise Broken(str(wrong)) from None
        self._not_known_to_be_compromised(version, credential)
        if not raced:
            self._superseded(before, version)
            self._protect(before, version)

    def _consented(self, version: SecretVersion, basis: SecretVersion | None) -> None:
        """Check that the owner of a replica consented in what its writer has just read."""
        primary = basis.tags.get(REPLICA_OF) if basis else None
        if primary is None or "ProviderAddress" in version.tags:
            return
        known = self.world.versions_of(SecretRef.parse(primary))
        source = self.source_of(known[-1]) if known else None
        credential = credential_in(version.value.reveal() if version.value else "")
        if source and self.world.sources[source].accepts(credential):
            return
        # What comes after its lease may hold what its source has held before.
        if not self.excuses.cover(Excuse.LATE, source or "", self.world.kernel.time()):
            raise Broken(f"P7: {version.ref.name} was written, and consents to another secret")

    def _superseded(self, old: SecretVersion, new: SecretVersion) -> None:
        source, held = self.source_of(old), credential_in(old.value.reveal() if old.value else "")
        if source and held and held != credential_in(new.value.reveal() if new.value else ""):
            self.superseded[held] = source

    def owed(self) -> list[tuple[str, str]]:
        """Return what must still be revoked at the sources that have passed to another secret."""
        leaked = {credential: self.source_by(credential) for credential in self.compromised}
        debts = [
            (source, credential)
            for credential, source in (self.superseded | leaked).items()
            if source in self.handed_over and self.world.sources[source].accepts(credential)
        ]
        # What has leaked is owed, whoever has taken it away.
        mine = (self.disowned - set(self.compromised)) | self.foreign
        return [debt for debt in debts if debt[1] not in mine and not self._is_in_use(debt[1])]

    def _is_in_use(self, credential: str) -> bool:
        """Return whether a secret has it that is under management, or that nobody has reported."""
        latest = (versions[-1] for versions in self.world.vault.values())
        holding = [
            it for it in latest if it.value and credential_in(it.value.reveal()) == credential
        ]
        is_reported = credential in self.compromised
        return any(not is_reported or "ProviderAddress" in it.tags for it in holding)

    def source_by(self, credential: str) -> str:
        """Return which source accepts a credential; empty where none does."""
        sources = self.world.sources.items()
        return next((name for name, source in sources if source.accepts(credential)), "")

    def _excused(self, version: SecretVersion, before: SecretVersion) -> bool:
        """Return whether another hand came between the read and the write.

        A person's, or a change that came late.
        """
        now = self.world.kernel.time()
        if before.version in self.world.by_hand:
            self.excuses.used[Excuse.RACED] += 1
            self._leave_to_people(before)
            return True
        source = self.source_of(version) or ""
        if self.excuses.holds(Excuse.STORE, source, now) and not self._is_announced(version):
            # Nobody can tell any more that this is no person's version.
            self.excuses.used[Excuse.STORE] += 1
            self._leave_to_people(before)
        is_late = self.excuses.cover(Excuse.LATE, source, now)
        if is_late and source != self.source_of(before):
            # It takes the secret back to where its owner had it: what it leaves there is theirs.
            self._leave_to_people(before)
        return is_late

    def _leave_to_people(self, before: SecretVersion) -> None:
        self.disowned.add(credential_in(before.value.reveal() if before.value else ""))

    def _is_announced(self, version: SecretVersion) -> bool:
        records = [claim.record for claim in self.world.claims.values() if claim.record.key]
        return any(it.fits(write, version.value) for it in records for write in it.unpublished)

    def brought_back(self, lost: set[str], back: set[str]) -> None:
        """Note what a list has lost, and what came back with it, that nobody can condition.

        Whoever knows that something is under way tells of no end before that.
        """
        if back & self.over:
            raise Broken(
                f"P5: the incident of {back & self.over} was reported as over: it came back"
            )
        self.foreign -= lost
        self.revoked -= back
        self.disowned |= lost | back
        self.ended -= back

    def retagged(
        self, secret: SecretVersion, tags: dict[str, str], basis: SecretVersion | None
    ) -> None:
        """Check that tags which are not Rekey's own stay as their owner has set them."""
        now = next(
            version for version in self.world.vault[secret.ref] if version.version == secret.version
        )
        theirs = [
            {tag: text for tag, text in shown.items() if tag not in OURS}
            for shown in (now.tags, tags)
        ]
        if theirs[0] == theirs[1]:
            return
        if basis is not None and basis.tags != now.tags and now.version in self.world.by_hand:
            self.excuses.used[Excuse.RACED] += 1
        else:
            raise Broken(f"tags: {secret.ref.name} had {theirs[0]}, and is left with {theirs[1]}")

    def disabled(self, version: str) -> None:
        """Check that what a person had enabled again is left so, once it was noted as disabled."""
        open_ = {
            version
            for claim in self.world.claims.values()
            for version in (
                *claim.record.stale,
                *([claim.record.retirement.version] if claim.record.retirement else []),
            )
        }
        if version not in open_:
            raise Broken(f"people: {version} was disabled although a person had enabled it again")

    def _not_known_to_be_compromised(self, version: SecretVersion, credential: str) -> None:
        doomed = {
            version
            for claim in self.world.claims.values()
            for version in (*claim.record.compromised.versions, *claim.record.compromised.revoked)
        }
        held = {
            credential_in(older.value.reveal())
            for older in self.world.vault[version.ref][:-1]
            if older.value and older.version in doomed
        }
        late = self.excuses.holds(
            Excuse.LATE, self.source_of(version) or "", self.world.kernel.time()
        )
        if credential in held and not late:
            raise Broken(
                f"P5: {version.ref.name} was given a credential that is known to be compromised"
            )

    def _protect(self, old: SecretVersion, new: SecretVersion) -> None:
        held = credential_in(old.value.reveal() if old.value else "")
        source = self.source_of(old)
        if source is None or held == credential_in(new.value.reveal() if new.value else ""):
            return
        claim = self.world.claims.get(parts_of(source)[0])
        if (
            self.single(source)
            or source in self.cut | self.undated
            # What made it may live on, but whoever knows it is cut off as soon as can be.
            or held in self.compromised
            # Nobody can tell any more whether the current version holds what leaked.
            or (claim and not self._unreadable().isdisjoint(claim.record.compromised.versions))
            or not self.world.sources[source].accepts(held)
            # A replica that was named too late: nobody calls back what a source has agreed to.
            or (isinstance(slots := self.world.sources[source], Slots) and slots.replaces(held))
        ):
            return
        hours = self.world.overlap_hours(old)
        # It is counted from a moment before the version is written.
        until = self.world.kernel.time() + hours * 3600 - 2 * self.world.skew - self.leapt
        version = str(old.version)
        until = min(until, descent.ends(self, source, held, new))
        # The owner of its key may have taken consent back just before it was written.
        until = min(until, descent.consented_until(self, source, version))
        # Once restored, it was in use again: what its owner wants now counts, and no earlier overlap.
        earlier = {str(it.version) for it in self.world.vault[old.ref]}
        self.protected = [
            it for it in self.protected if it.credential != held or it.version not in earlier
        ]
        self.protected.append(Protected(held, source, until, version))

    def _unreadable(self) -> set[str]:
        """Return the versions of secrets that were deleted, whether they are purged or not."""
        deleted = {str(it.version) for kept in self.world.deleted.values() for it in kept}
        return self.world.purged | deleted

    def owner_tags(self, version: SecretVersion) -> dict[str, str]:
        """Return the tags of the secret that decides: its own, or its primary's."""
        primary = version.tags.get(REPLICA_OF)
        if not primary:
            return dict(version.tags)
        return dict(self.world.vault.get(SecretRef.parse(primary), [version])[-1].tags)

    def source_of(self, version: SecretVersion) -> str | None:
        """Return the source whose credential a version holds."""
        tags = version.tags
        if REPLICA_OF in tags:
            tags = self.owner_tags(version)
        source = source_named(tags)
        return source if source in self.world.sources else None

    @staticmethod
    def single(source: str) -> bool:
        """Return whether this source has a single slot."""
        return source.startswith(("/one-slot/", "/one-slow/", "/one-login/", "/one-doubtful/"))

    def changed(self) -> None:
        """Check what must hold at every moment."""
        for ref, versions in self.world.vault.items():
            current = versions[-1]
            source = self.source_of(current)
            if source is not None and ref not in self.bystanders:
                self._standing(ref, source, current)
        for ref, left in self.bystanders.items():
            if tuple(self.world.vault[ref]) != left:
                raise Broken(f"P7: {ref.name} was written to, and nobody had consented")
        self._sources()
        if self.protected:
            self._nothing_cut_off()

    def _sources(self) -> None:
        alive = self.alive()
        if not self.untouchable <= alive:
            raise Broken("P7: a source outside the vault's scopes was changed")
        if not self.foreign <= alive:
            raise Broken("P5: a credential that Rekey did not make was removed")
        if self.compromised:
            self.ended |= self._noted() - alive
            if self.ended & alive:
                raise Broken(
                    f"P5: {self.ended & alive} is compromised, was gone, and is accepted again"
                )
        if self.world.apps:
            self._waited_for(alive)
        if self.revoked & alive and not self.world.in_hand:
            raise Broken(
                f"people: {self.revoked & alive} was revoked by hand, and is accepted again"
            )

    def _noted(self) -> set[str]:
        """Return the compromised credentials of which the records know.

        No other worker can know of them.
        """
        doomed = {
            doomed_version
            for claim in self.world.claims.values()
            for doomed_version in (
                *claim.record.compromised.versions,
                *claim.record.compromised.revoked,
            )
        }
        versions = (
            version
            for all_ in self.world.vault.values()
            for version in all_
            if version.version in doomed and version.value
        )
        return {
            credential_in(version.value.reveal()) for version in versions if version.value
        } & set(self.compromised)

    def _waited_for(self, alive: set[str]) -> None:
        """Check that no credential that an app uses went before its second overlap passed."""
        gone, self.alive_before = self.alive_before - alive, alive
        if not gone or self.world.in_hand or self.struck or self.compromised:
            return
        now = self.world.kernel.now()
        for claim in self.world.claims.values():
            pending, published = claim.record.retirement, claim.record.published
            if pending is None or published is None or published.created is None:
                continue
            held = next(
                version
                for version in self.world.every_version()
                if version.version == pending.version
            )
            late = now >= pending.at + (pending.at - published.created)
            used = not late and pending.version in self.world.apps.values()
            if used and held.value and credential_in(held.value.reveal()) in gone:
                raise Broken(
                    f"P4: {pending.version} was retired although an app is known to use it"
                )

    def _standing(self, ref: SecretRef, source: str, current: SecretVersion) -> None:
        """Check that the current version is enabled, and what it holds accepted."""
        if not current.enabled:
            if current.version not in self.off:
                raise Broken(f"P1: the latest version of {ref.name} is disabled")
            return
        if self.single(source):
            self._strand(source, current)
        elif not (
            self.holds(current)
            or ref in self.refused
            or self._is_behind(ref, current)
            or self._went_first(source)
            or self._lapsed(ref, source, Excuse.LATE)
        ):
            raise Broken(f"P1: the current version of {ref.name} is not accepted by its source")

    def _went_first(self, source: str) -> bool:
        """Return whether a key had to go at once, before what it has made could move on."""
        went = source in self.cut and isinstance(self.world.sources[source], Signatures)
        if went:
            self.excuses.used[Excuse.KEY] += 1
        return went

    def _is_behind(self, ref: SecretRef, current: SecretVersion) -> bool:
        """Return whether a replica could not be given what replaces a leaked credential."""
        held = credential_in(current.value.reveal()) if current.value else ""
        owed = (entry for claim in self.world.claims.values() for entry in claim.record.stale)
        was_away = self.world.is_copy(ref) and self.copies_back > 0
        return held in self.compromised and (was_away or f"{ref}/" in owed)

    def _lapsed(self, ref: SecretRef, source: str, *further: Excuse) -> bool:
        """Return whether somebody else must help if a source refuses a current version."""
        now, excuses = self.world.kernel.time(), self.excuses
        roots = descent.roots(self, source)
        if STATE in self.world.vault[ref][-1].tags:
            # Whom it concerns has been told: what was parked is tried again every day.
            told = [
                excuses.granted.get((excuse, at), now)
                for at in roots
                for excuse in (Excuse.BROKEN, *further)
            ]
            now = min(now, *told)
        if self._waits_for_its_primary(ref) or self._is_told(ref, source):
            excuses.used[Excuse.TOLD] += 1
            return True
        return (
            any(
                excuses.cover(excuse, at, now)
                for excuse in (*further, Excuse.BROKEN)
                for at in roots
            )
            or excuses.cover(Excuse.LEFT_ALONE, ref.name, now)
            or excuses.cover(Excuse.CLAIM, ref.name, now)
        )

    def _is_told(self, ref: SecretRef, source: str) -> bool:
        """Return whether its owner was told of what cannot follow its key, or is left to people.

        A signature whose predecessor has leaked can.
        """
        tags = self.world.policy().applied(self.world.vault[ref][-1]).tags
        follows = tags.get(REASON, "").startswith(ENDS_WITH_KEY)
        is_signed = isinstance(self.world.sources[source], Signatures) and not follows
        return STATE in tags and (is_signed or by_hand(tags))

    def _waits_for_its_primary(self, ref: SecretRef) -> bool:
        """Return whether a replica could not be written, and its primary's owner was told.

        Or what a key makes, and the key's owner.
        """
        tags = self.world.vault[ref][-1].tags
        primary = tags.get(REPLICA_OF) or tags.get(DERIVED_FROM)
        known = self.world.vault.get(SecretRef.parse(primary)) if primary else None
        return bool(known and STATE in known[-1].tags)

    def _strand(self, source: str, current: SecretVersion) -> None:
        if REPLICA_OF in current.tags or self.excuses.holds(Excuse.CLAIM, current.ref.name, 0.0):
            return
        (held,) = self.world.sources[source].alive()
        strand = self.strands.setdefault(source, Strand())
        accepted = held == credential_in(current.value.reveal() if current.value else "")
        if held != strand.slot or accepted:
            broken = self.excuses.holds(Excuse.BROKEN, source, self.world.kernel.time())
            strand.slot, strand.unknown = (
                held,
                not broken and not accepted and not self._known(held),
            )
            strand.look, strand.setter, strand.told = strand.unknown, self.actor, False
            strand.outcomes = len(self.outcomes)
            strand.vain = 0 if accepted else strand.vain + strand.unknown
            if strand.unknown:
                self.excuses.used[Excuse.SLOT] += 1

    def _held(self, source: str) -> str:
        (held,) = self.world.sources[source].alive()
        return held

    def _known(self, credential: str) -> bool:
        """Return whether some version in a vault holds a credential."""
        return any(
            version.value and credential_in(version.value.reveal()) == credential
            for version in self.world.every_version()
        )

    def _nothing_cut_off(self) -> None:
        now, not_ours = self.world.kernel.time(), self._not_ours()
        self.protected = [
            protected
            for protected in self.protected
            if protected.until > now
            and protected.source not in self.cut
            and protected.version not in not_ours
        ]
        for protected in list(self.protected):
            problem = self._cut_off(protected)
            if problem and not self.excuses.cover(Excuse.LATE, protected.source, now):
                raise Broken(problem)
            if problem:
                self.protected.remove(protected)

    def _not_ours(self) -> set[str]:
        """Return the versions of replicas whose owner has withdrawn: no overlap waits for them."""
        there = {str(ref) for ref in self.world.vault}
        return {
            str(version.version)
            for versions in self.world.vault.values()
            if versions[-1].tags.get(REPLICA_OF, str(versions[-1].ref)) not in there
            for version in versions
        }

    def _cut_off(self, protected: Protected) -> str:
        if not self.world.sources[protected.source].accepts(protected.credential):
            return f"P4: {protected.credential} was cut off inside its overlap"
        if not (
            self._enabled(protected.version)
            or protected.version in self.off
            or self.is_current(protected.credential)
        ):
            return f"P4: version {protected.version} was disabled inside its overlap"
        return ""

    def is_current(self, credential: str) -> bool:
        """Return whether a current version holds a credential.

        Restored, it needs its first version no more.
        """
        secrets = (*self.world.vault.values(), *self.world.deleted.values())
        current = (versions[-1].value for versions in secrets)
        return any(value and credential_in(value.reveal()) == credential for value in current)

    def _enabled(self, version: str) -> bool:
        return any(
            candidate.version == version and candidate.enabled
            for candidate in self.world.every_version()
        )

    def holds(self, version: SecretVersion) -> bool:
        """Return whether a version's value opens its source."""
        source = self.source_of(version)
        assert source is not None
        assert version.value is not None
        return self.world.sources[source].accepts(credential_in(version.value.reveal()))

    def alive(self) -> set[str]:
        """Return every credential that opens some source."""
        return set().union(*(source.alive() for source in self.world.sources.values()))

    def said(self, text: str) -> None:
        """Check something that leaves the process."""
        if MARK in text:
            raise Broken(f"P6: a value leaked in {text[:60]!r}")

    def concluded(self, outcome: Outcome, worker: int) -> None:
        """Check what a worker reports."""
        self.outcomes.append(outcome)
        self.traces.add(worker)
        if outcome.result == "parked" and LOST in outcome.reason:
            for source, strand in self.strands.items():
                claim = self.world.claims.get(parts_of(source)[0])
                strand.told |= bool(claim and claim.record.owner == str(outcome.item.ref).lower())
        self.said(
            f"{outcome.reason} {outcome.fix} {outcome.item.cause.reason} {outcome.credential_id} "
            f"{outcome.retired}"
        )
        versions = self.world.versions_of(outcome.item.ref)
        known = {version.version for version in versions} | self.world.purged
        if outcome.new_version and outcome.new_version not in known:
            raise Broken(f"P8: {outcome.result} was reported with a version that does not exist")
        if outcome.result in ("rotated", "healed", "restored") and outcome.new_version is None:
            raise Broken(f"P8: {outcome.result} was reported without a new version")
        self._not_lost(outcome, worker)
        if outcome.reason.endswith(f"; {ANOTHER}"):
            self._left_alone(outcome, worker)
        self._really_gone(outcome, versions)
        self._really_ours(outcome, versions)
        if outcome.result == "parked":
            self._told(outcome, versions)
            self._parked(outcome, self.world.vault.get(outcome.item.ref, []), worker)
            if "nobody knows" in outcome.reason and outcome.fix.endswith(
                ", then rotate it by hand"
            ):
                # Taken out of Rekey's hands while its password was set: who did so was told.
                self.excuses.grant(Excuse.CLAIM, outcome.item.ref.name)

    def _left_alone(self, outcome: Outcome, number: int) -> None:
        """Check that a recheck which was throttled comes back no sooner than Azure has asked.

        Its worker goes by what it has written. A failover may have lost that.
        """
        claim = self.world.claims.get(parts_of(outcome.item.source or "")[0])
        if claim is None or (next_check := claim.record.change.recheck_at) is None:
            return
        now, pause = self.world.kernel.time(), next_check - self.world.kernel.now()
        until = now + pause.total_seconds()
        worker = next(worker for worker in self.world.workers if worker.number == number)
        for label in ("read", *WRITES):
            early = worker.rests_until(label, outcome.item.ref) - until
            if early > 1 and not self.excuses.cover(Excuse.STORE, claim.record.source, now):
                raise Broken(f"throttling: a recheck comes {early:.0f} s too soon for {label}")

    def _told(self, outcome: Outcome, versions: list[SecretVersion]) -> None:
        """Count a failed audit as one: who was told of it has until the next."""
        source = self.source_of(versions[-1]) if versions else None
        if outcome.item.action == "audit" and source in self._broken:
            until = self.world.kernel.time() + AUDITED_SECONDS
            self.excuses.grant(Excuse.BROKEN, source, until)

    @property
    def _broken(self) -> set[str]:
        return {source for excuse, source in self.excuses.granted if excuse is Excuse.BROKEN}

    def _really_gone(self, outcome: Outcome, versions: list[SecretVersion]) -> None:
        """Check that an incident that is reported as dealt with has left nothing alive."""
        if (
            not outcome.item.compromised
            or outcome.result in ("parked", "waiting")
            or (outcome.item.recheck and self._is_reported(outcome.item.ref))
        ):
            return
        leaked = [
            version
            for version in versions
            if version.version == outcome.item.version and version.value
        ]
        for version in leaked:
            credential = credential_in(version.value.reveal() if version.value else "")
            put_back, reported = self.world.put_back.get(credential), outcome.item.reported_at
            if put_back and reported and reported <= put_back:
                # Whoever put it back since has reported it once more.
                continue
            if credential in self.compromised and credential in self.alive():
                raise Broken(
                    f"P5: the incident of {version.ref.name} was reported as {outcome.result}, and "
                    f"{credential} lives"
                )
            self.over.add(credential)

    def _really_ours(self, outcome: Outcome, versions: list[SecretVersion]) -> None:
        """Check that no version which a person wrote is called Rekey's.

        A copy of Rekey's own cannot be told apart, nor one of what is restored, nor a key that was
        made in the place of its own while it had no answer yet that shows it.
        """
        theirs = [
            version
            for version in versions
            if version.version == outcome.new_version and version.version in self.world.written
        ]
        # What a secret that is gone held may be another one's now.
        ours = {
            version.value
            for version in self.world.every_version()
            if version.version not in self.world.written
            or (outcome.result == "restored" and version not in theirs)
        }
        if outcome.result in ("rotated", "healed", "restored") and any(
            version.value not in ours
            and not any(
                key in str(version.value and version.value.reveal()) for key in self.mistaken
            )
            for version in theirs
        ):
            raise Broken(f"P8: a version that a person wrote was reported as {outcome.result}")

    def _parked(self, outcome: Outcome, versions: list[SecretVersion], worker: int) -> None:
        if not outcome.reason:
            raise Broken(f"P8: {outcome.item.ref.name} was parked, and nobody was told why")
        # Who was overtaken by a person has nothing to mark: their version is judged anew.
        unmarked = outcome.old_version and versions and versions[-1].version == outcome.old_version
        unmarked = (
            unmarked
            and versions[-1].enabled
            and not any(STATE in version.tags for version in versions)
        )
        says_so = re.search("nor could the secret be marked|has left that source$", outcome.reason)
        if unmarked and not says_so:
            raise Broken(f"P8: {outcome.item.ref.name} was parked, and bears no mark of that")
        word = versions[-1].tags.get(STATE, "") if versions else ""
        if (
            word.startswith("compromised")
            and not (self.incidents or outcome.item.compromised)
            and versions[-1].version not in self.world.by_hand
        ):
            raise Broken(
                f"P8: {outcome.item.ref.name} was marked as compromised, and nobody had said so"
            )
        if outcome.old_version in self.world.purged:
            # Who purges it meanwhile has thrown away what was set back, and nobody else knows that.
            return
        if any(self._has_lost(source, worker) for source in self.strands):
            self._undone(outcome.reason)

    def _not_lost(self, outcome: Outcome, worker: int) -> None:
        """Check that who ends its work has not left a single slot with what nobody knows."""
        if outcome.result in ("parked", "waiting") or ANOTHER in outcome.reason:
            return
        for source in self.strands:
            if self._has_lost(source, worker):
                raise Broken(f"P1: {outcome.result} was said of what left a password nobody knows")

    def _has_lost(self, source: str, worker: int) -> bool:
        """Return whether a worker has put something into a single slot that nobody knows."""
        strand = self.strands[source]
        is_theirs = strand.unknown and strand.setter == worker
        return is_theirs and not self._known(self._held(source)) and not self._is_late(source)

    def _is_late(self, source: str) -> bool:
        return self.excuses.holds(Excuse.LATE, source, self.world.kernel.time())

    def _undone(self, reason: str) -> None:
        """Check that who gave up after changing a single slot set it back, or said so."""
        replicas = [
            versions[-1]
            for versions in self.world.vault.values()
            if REPLICA_OF in versions[-1].tags
        ]
        explanations = ("be set back", "nobody knows", "was left so")
        if not any(text in reason for text in explanations) and not any(
            self.holds(replica) for replica in replicas
        ):
            raise Broken(
                "P1: it was parked while nobody knows the password, and nobody was told that"
            )

    def passed(self) -> None:
        """Check that no source refuses what the vault holds for longer than five minutes."""
        now = self.world.kernel.time()
        if text := unending.untold(self) or self._set_in_vain() or self._left_alive():
            raise Broken(text)
        refused = {
            ref: source for ref, source, current in self._watched() if not self.holds(current)
        }
        self.refused = {ref: self.refused.get(ref, now) for ref in refused}
        if not refused or self.world.workers or self.world.in_flight:
            return
        for ref, since in self.refused.items():
            bound = HEALED_SECONDS + self._takes(refused[ref])
            disturbed = max(self.disturbed, self.back_elsewhere)
            if self.world.is_copy(ref):
                disturbed = max(disturbed, self.copies_back)
            # Calls take no time here, so what takes all of it takes longer in earnest.
            late = now - max(since, disturbed) >= bound
            if late and not self._lapsed(ref, refused[ref], Excuse.STORE):
                raise Broken(
                    f"P1: {refused[ref]} has refused what the vault holds for {now - since:.0f} s"
                )

    def _set_in_vain(self) -> str:
        """Return which password was set again and again, and nobody was told; empty if none was."""
        # Whom a fault keeps from telling of the last one does so once it has passed.
        most = MOST_IN_VAIN + self.struck
        for ref, source, current in self._watched():
            strand = self.strands.get(source)
            if not strand or strand.vain <= most or REPLICA_OF in current.tags:
                continue
            if not (STATE in current.tags or self._is_reported(ref)):
                what = f"{strand.vain} passwords of {ref.name} were set in vain"
                return f"P8: {what}, and nobody was told"
        return ""

    def _left_alive(self) -> str:
        """Return what a record has known for minutes to have leaked, and is accepted; else empty.

        Somebody is told of what has to wait longer.
        """
        now, noted = self.world.kernel.time(), dict[tuple[str, str], float]()
        for claim in self.world.claims.values():
            for version in claim.record.compromised.versions:
                key = (claim.record.source, version)
                noted[key] = self.known_since.get(key, now)
        self.known_since = noted
        if not noted or self.world.workers or self.world.in_flight:
            return ""
        disturbed = max(self.disturbed, self.back_elsewhere)
        for (source, version), since in noted.items():
            # Where changes go on for minutes, three of them follow each other, and looks in between.
            is_early = now - max(since, disturbed) < HEALED_SECONDS
            if is_early or self._takes(source) or self.is_unsure():
                continue
            held = {
                credential_in(it.value.reveal()): it.ref.name
                for all_ in self.world.vault.values()
                for it in all_
                if it.version == version and it.value
            }
            for credential, holder in held.items():
                name = self.compromised.get(credential)
                # It may be reported of a former owner, and who holds it now is parked.
                is_told = name and self._was_parked({name, holder, *self._heirs}, credential)
                if not name or credential not in self.alive() or is_told:
                    continue
                return f"P5: {credential} of {name} has leaked, and is accepted minutes later"
        return ""

    @property
    def _heirs(self) -> list[str]:
        """Who has taken a source over, and is told of what has leaked there."""
        return ["heir"] if self.handed_over else []

    def _was_parked(self, names: set[str], leak: str) -> bool:
        """Return whether somebody was told of one of these secrets since something leaked."""
        since = self.outcomes[self.leaked_at[leak] :]
        parked = (outcome for outcome in since if outcome.result == "parked")
        return any(outcome.item.ref.name in names for outcome in parked)

    def _is_reported(self, ref: SecretRef) -> bool:
        parked = (outcome for outcome in self.outcomes if outcome.result == "parked")
        return any(outcome.item.ref == ref for outcome in parked)

    def _takes(self, source: str) -> float:
        """Return how long a source goes on with the change that heals it, as far as that counts."""
        # A part of a pair is no source of its own.
        known = self.world.sources.get(source)
        lasting = known.lasting if isinstance(known, Slots) else None
        return min(lasting.takes, HEALED_SECONDS) if lasting else 0.0

    def refuses(self) -> bool:
        """Return whether some source refuses what a vault holds, or will with its key's end."""
        return any(
            not self.holds(current) or descent.lags(self, source, current)
            for _, source, current in self._watched()
        )

    def is_unsure(self) -> bool:
        """Return whether a record has just gone back, so that only audits find what it knew."""
        now = self.world.kernel.time()
        granted = self.excuses.granted.items()
        return any(excuse is Excuse.STORE and until >= now for (excuse, _), until in granted)

    def _watched(self) -> Iterator[tuple[SecretRef, str, SecretVersion]]:
        for ref, versions in self.world.vault.items():
            source = self.source_of(versions[-1])
            if source and versions[-1].enabled and ref not in self.bystanders:
                yield ref, source, versions[-1]

    def failed(self, error: BaseException) -> None:
        """Check what a worker ended with.

        Its process's death, something that may pass, or a queue that refuses it.
        """
        if isinstance(error, Broken):
            raise error
        if not isinstance(error, Died | TransientError | AccessDenied):
            raise Broken(f"P8: a worker failed with {error!r}") from error
        self.said(f"{error!r} {error}")

    def accepted(self, requests: Iterable[str]) -> None:
        """Check that what somebody was told is accepted has been stored."""
        if set(requests) - self.world.kept - {""}:
            raise Broken("P1: somebody is answered, and what was asked for is stored nowhere")

    def closes(self, worker: Worker) -> None:
        """Check that who closes a request has reported its outcome.

        Who works on an order of an incident has stored, and posted, what follows from it.
        """
        if worker.message.what != "sweep" and worker.number not in self.traces:
            raise Broken("P8: a request is closed before its outcome is reported")

    def consumed(self, message: Message, worker: int) -> None:
        """Check that a message that is gone left something behind."""
        if (
            message.what not in ("sweep", "recheck", "report", "follow", "release")
            and worker not in self.traces
        ):
            raise Broken("P8: a message was consumed without an outcome")
        for strand in self.strands.values():
            strand.look = strand.look or (strand.unknown and len(self.outcomes) > self.verdicts)
        self.verdicts = len(self.outcomes)

    def between(self) -> None:
        """Check what must hold once a worker that changed a single slot has ended.

        Something looks after it soon.
        """
        for source, strand in self.strands.items():
            if strand.look and not self.world.workers and not self._is_late(source):
                strand.look = False
                now, is_known = self.world.kernel.time(), self._known(self._held(source))
                if not is_known and not self.excuses.cover(Excuse.STORE, source, now):
                    self._looked_after(source)

    def _looked_after(self, source: str) -> None:
        world = self.world
        soonest = min((message.visible for message in world.messages), default=float("inf"))
        soonest = min(soonest, world.next_tick(world.kernel.time()))
        claim = world.claims.get(parts_of(source)[0])
        owner = claim.record.owner if claim else ""
        if owner and not any(str(ref).lower() == owner for ref in world.vault):
            # Once it is recovered, what it holds must be accepted again. But nobody may recover it.
            if not self.strands[source].told and soonest > world.kernel.time() + REPAIR_SECONDS:
                raise Broken(f"P8: nobody knows the password of {owner}, and nobody was told")
            return
        holding = [
            ref
            for ref, all_ in world.vault.items()
            if source == self.source_of(all_[-1]) or str(ref) == owner
        ]
        if any(self.excuses.cover(Excuse.CLAIM, ref.name, world.kernel.time()) for ref in holding):
            return
        reported = any(
            outcome.result == "parked" and outcome.item.ref in holding
            for outcome in self.outcomes[self.strands[source].outcomes :]
        )
        reported = reported or any(STATE in world.vault[ref][-1].tags for ref in holding)
        reported = reported or self.strands[source].told
        # Without the records nobody can look.
        disturbed = max(self.disturbed, world.down.get("storage", 0.0))
        if not reported and (
            max(soonest, disturbed) > max(world.kernel.time(), disturbed) + REPAIR_SECONDS
        ):
            raise Broken(
                f"P1: nobody knows the password, and nothing looks after it before {soonest}"
            )

    def handled(self) -> None:
        """Check that an incident is over with its messages, unless somebody was told.

        Or it stands in a record, as its source takes its time: then it ends later. Who releases its
        secret by force looks after it.
        """
        alive = self.alive()
        for credential, name in self.compromised.items():
            if credential not in alive or name in self.released or self._is_noted(name):
                continue
            if not self._was_parked({name, *self._heirs}, credential):
                raise Broken(f"P5: {credential} of {name} is compromised and still alive")
            self.excuses.used[Excuse.TOLD] += 1
        if not alive & set(self.compromised):
            self.cut.clear()
        self._withdrawn()

    def _is_noted(self, name: str) -> bool:
        """Return whether the record of a slow source knows what of a secret has leaked.

        Or its secret is deleted: sweeps tell of that.
        """
        is_there = any(ref.name == name for ref in self.world.vault)
        records = [claim.record for claim in self.world.claims.values()]
        looked_at = (it for it in records if it.next_check and it.owner.endswith(f"/{name}"))
        waiting = (it for it in looked_at if it.kind.endswith("-slow") or not is_there)
        return any(it.compromised.versions for it in waiting)

    def _withdrawn(self) -> None:
        """Check that a rotation whose secret its owner took away leaves nothing behind."""
        current = self.world.vault.get(SecretRef("https://prod.vault.azure.net", "app"), [None])[-1]
        if not current or self.outcomes_parked() or self.struck:
            return
        if current.enabled and "ProviderAddress" in current.tags and not is_manual(current.tags):
            return
        known = {
            credential_in(version.value.reveal())
            for all_ in self.world.vault.values()
            for version in all_
            if version.value
        } | self.disowned
        # Nobody can see which version is disabled: it may be the one that was announced.
        records = [] if current.enabled else [it.record for it in self.world.claims.values()]
        awaited = {f"rekey {write.operation}" for it in records for write in it.unpublished}
        # Who released it by force, or wrote something else, looks after what was begun.
        awaited |= self.orphaned
        for source in self.world.sources.values():
            for entry in source.entries.values() if isinstance(source, Many) else ():
                is_ours = entry.name.startswith("rekey ") and entry.name not in awaited
                if is_ours and entry.secret not in known:
                    raise Broken(
                        f"P5: {entry.secret} ({entry.name}) was left behind by a rotation that was "
                        "called off"
                    )

    def outcomes_parked(self) -> bool:
        """Return whether anybody was told that a person is needed."""
        return any(outcome.result == "parked" for outcome in self.outcomes)

    def settled(self, engine: Any, versions: dict[str, int | range]) -> None:
        """Check what must hold once nothing is left to do and every overlap has passed."""
        from tests.proof import ending

        ending.settled(self, engine, versions)


def _is_same(basis: SecretVersion, before: SecretVersion) -> bool:
    """Return whether a worker has read what it writes over, but for marks of Rekey's own."""
    theirs = {tag: text for tag, text in before.tags.items() if tag not in OURS}
    read = {tag: text for tag, text in basis.tags.items() if tag not in OURS}
    return replace(basis, tags=read) == replace(before, tags=theirs)


def by_rekey(versions: list[SecretVersion]) -> bool:
    """Return whether Rekey has rotated a secret in its own right."""
    return REPLICA_OF not in versions[-1].tags and any(
        OPERATION in version.tags for version in versions
    )
