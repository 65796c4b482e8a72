"""The promises, as checks on the model: some after every change, some once nothing is left to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from engine.decide.decision import Confirm
from engine.errors import AccessDenied, TransientError
from engine.model.outcome import Outcome
from engine.model.tags import OPERATION, OURS, REPLICA_OF, RETIRE, STATE
from engine.model.workitem import WorkItem
from engine.secret import SecretRef, SecretVersion
from tests.proof.kernel import Died
from tests.proof.sources import MARK, Many, credential_in

if TYPE_CHECKING:
    from tests.proof.ports import ModelLease
    from tests.proof.world import Message, World

MOST_MESSAGES = 40
"""More messages than any settled schedule of ours needs: what grows without end passes it."""
REPAIR_SECONDS = 125.0
"""Within what time something must look after a single slot whose password nobody knows."""
HEALED_SECONDS = 300.0
"""Within what time of the last fault the vault's current version is accepted again."""
NOT_THEIRS = OURS | {"CredentialId"}
"""Tags that a new version need not take over."""
FINISHED = timedelta(minutes=45)
"""How long after its window what began inside it may still be finished."""


class Broken(AssertionError):
    """A promise was broken; the message begins with its name."""


@dataclass
class Protected:
    """A credential that must live until a time, since the version that held it was superseded then."""

    credential: str
    source: str
    until: float
    version: str


@dataclass
class Watch:
    """Watches a world. What other people or physics break is excused, by name, and must heal all the same."""

    world: World
    proved: set[str] = field(default_factory=set)
    protected: list[Protected] = field(default_factory=list)
    late: int = 0
    """So many changes took effect after their lease had gone to somebody else, or had ended."""
    exempt: frozenset[str] = frozenset()
    """Secrets that a person must mend: one of two that claim the same source, or one that may not have its source."""
    lapsed: set[str] = field(default_factory=set)
    """Sources where a person broke the current credential."""
    compromised: set[str] = field(default_factory=set)
    """Credentials that must die at once."""
    cut: set[str] = field(default_factory=set)
    """Sources of which a credential is compromised: no overlap is left to any older one."""
    disowned: set[str] = field(default_factory=set)
    """Credentials in versions that a person replaced by hand: whoever does that looks after what was there."""
    orphaned: set[str] = field(default_factory=set)
    """Operations whose version a person replaced while they were under way: nobody can tell any more that they matter."""
    foreign: set[str] = field(default_factory=set)
    """Credentials that Rekey neither made nor was told of."""
    made: set[str] = field(default_factory=set)
    """Credentials that Rekey published."""
    untouchable: set[str] = field(default_factory=set)
    """Credentials of a source that no secret here may rotate."""
    strangers: list[SecretVersion] = field(default_factory=list)
    """Versions of secrets whose owners consent to nothing."""
    open_at: Callable[[datetime], bool] | None = None
    """When the window of every secret here is open."""
    outcomes: list[Outcome] = field(default_factory=list)
    traces: set[int] = field(default_factory=set)
    """The workers that have reported an outcome or posted a message."""
    verdicts: int = 0
    """How many of them were outcomes."""
    refused: dict[str, float] = field(default_factory=dict)
    """Since when each source has refused what the vault holds."""
    disturbed: float = 0.0
    """When a fault struck last, a person did something, or a worker's message came back for it."""
    unknown: bool = False
    """A single slot holds a password that nobody knows."""
    look: bool = False
    """Who changed that slot, or found it so and had nothing to do, has just ended."""
    actor: int = 0
    """Which worker made the latest change; 0 where it had given up on it already."""
    setter: int = 0
    """Which worker put into a single slot what nobody knows."""
    slot: str = ""
    """What that slot held when it was last looked at."""

    def proven(self, credential: str) -> None:
        """Note that a source accepted this credential."""
        self.proved.add(credential)

    def sent(self, label: str, lease: ModelLease) -> None:
        """Check that a change is sent under a lease that holds."""
        if not lease.held:
            raise Broken(f"P2: {label} was sent after the lease had ended")

    def too_late(self, label: str) -> None:
        """Note a change that reached its target after its lease: it was under way that long."""
        del label
        self.late += 1

    def published(self, version: SecretVersion) -> None:
        """Check a version that Rekey just wrote."""
        credential = credential_in(version.value.reveal() if version.value else "")
        if credential not in self.proved:
            raise Broken(f"P3: {version.ref.name} was given a value that no source had accepted")
        self.made.add(credential)
        self._looks_right(version)
        self._not_known_to_be_compromised(version, credential)
        self._protect(self.world.vault[version.ref])

    def _looks_right(self, version: SecretVersion) -> None:
        """Check the tags, expiry, content type and time of a version; one that comes late was composed earlier."""
        before, name = self.world.vault[version.ref][-2], version.ref.name
        if any(MARK in text for text in version.tags.values()):
            raise Broken(f"P6: a value leaked into a tag of {name}")
        if self.late:
            return
        theirs = [{tag: text for tag, text in v.tags.items() if tag not in NOT_THEIRS} for v in (before, version)]
        if theirs[0] != theirs[1]:
            raise Broken(f"tags: {name} had {theirs[0]}, and has {theirs[1]}")
        longest = timedelta(days=float(self.owner_tags(version).get("ValidityPeriodDays", "90")), minutes=10)
        if version.expires is None or version.expires > version.created + longest:
            raise Broken(f"expiry: {name} ends {version.expires}")
        if version.content_type != (before.content_type or "text/plain"):
            raise Broken(f"content type: {name} has {version.content_type!r}")
        if self.open_at and not (self.open_at(version.created) or self.open_at(version.created - FINISHED)):
            raise Broken(f"window: {name} was rotated at {version.created}")

    def _not_known_to_be_compromised(self, version: SecretVersion, credential: str) -> None:
        doomed = {one for claim in self.world.claims.values() for one in claim.record.compromised + claim.record.gone}
        held = {
            credential_in(each.value.reveal())
            for each in self.world.vault[version.ref][:-1]
            if each.value and each.version in doomed
        }
        if credential in held and not self.late:
            raise Broken(f"P5: {version.ref.name} was given a credential that is known to be compromised")

    def _protect(self, versions: list[SecretVersion]) -> None:
        old, new = versions[-2], versions[-1]
        held = credential_in(old.value.reveal() if old.value else "")
        source = self.source_of(old)
        if source is None or held == credential_in(new.value.reveal() if new.value else ""):
            return
        if self.single(source) or source in self.cut or not self.world.sources[source].accepts(held):
            return
        hours = float(self.owner_tags(old).get("OverlapHours", "168"))
        self.protected.append(Protected(held, source, self.world.kernel.time() + hours * 3600, str(old.version)))

    def owner_tags(self, version: SecretVersion) -> dict[str, str]:
        """Return the tags of the secret that decides: its own, or its primary's."""
        primary = version.tags.get(REPLICA_OF)
        return dict(self.world.vault[SecretRef.parse(primary)][-1].tags if primary else version.tags)

    def source_of(self, version: SecretVersion) -> str | None:
        """Return the source whose credential a version holds."""
        address = self.owner_tags(version).get("ProviderAddress")
        return address if address in self.world.sources else None

    @staticmethod
    def single(source: str) -> bool:
        """Tell whether this source has a single slot."""
        return source.startswith("/one-slot/")

    def changed(self) -> None:  # noqa: C901 - one check after another
        """Check what must hold at every moment."""
        for ref, versions in self.world.vault.items():
            current = versions[-1]
            source = self.source_of(current)
            if source is None or ref.name in self.exempt:
                continue
            if not current.enabled:
                raise Broken(f"P1: the latest version of {ref.name} is disabled")
            if self.single(source):
                self._strand(source, current)
            elif not (self.late or source in self.lapsed or self.holds(current)):
                raise Broken(f"P1: the current version of {ref.name} is not accepted by its source")
        for stranger in self.strangers:
            if self.world.vault[stranger.ref] != [stranger]:
                raise Broken(f"P7: {stranger.ref.name} was written to, and nobody had consented")
        if self.untouchable and not self.untouchable <= self.alive():
            raise Broken("P7: a source outside the vault's scopes was changed")
        if self.foreign and not self.foreign <= self.alive():
            raise Broken("P5: a credential that Rekey did not make was removed")
        if self.protected and not self.late:
            self._nothing_cut_off()

    def _strand(self, source: str, current: SecretVersion) -> None:
        if REPLICA_OF in current.tags:
            return
        (held,) = self.world.sources[source].alive()
        if held != self.slot or self.holds(current):
            self.slot, self.unknown = held, source not in self.lapsed and not self.holds(current)
            self.look, self.setter = self.unknown, self.actor

    def _nothing_cut_off(self) -> None:
        now = self.world.kernel.time()
        self.protected = [each for each in self.protected if each.until > now]
        for each in self.protected:
            if each.source in self.cut:
                continue
            if not self.world.sources[each.source].accepts(each.credential):
                raise Broken(f"P4: {each.credential} was cut off inside its overlap")
            if not (self._enabled(each.version) or self._is_current(each.credential)):
                raise Broken(f"P4: version {each.version} was disabled inside its overlap")

    def _is_current(self, credential: str) -> bool:
        """Return whether a current version holds a credential: restored, it needs its first version no more."""
        current = (versions[-1].value for versions in self.world.vault.values())
        return any(value and credential_in(value.reveal()) == credential for value in current)

    def _enabled(self, version: str) -> bool:
        return any(each.version == version and each.enabled for all_ in self.world.vault.values() for each in all_)

    def holds(self, version: SecretVersion) -> bool:
        """Tell whether a version's value opens its source."""
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
        self.said(f"{outcome.reason} {outcome.fix} {outcome.item.reason} {outcome.credential_id} {outcome.retired}")
        versions = self.world.vault.get(outcome.item.ref, [])
        if outcome.new_version and not any(each.version == outcome.new_version for each in versions):
            raise Broken(f"P8: {outcome.result} was reported with a version that does not exist")
        if outcome.result in ("rotated", "healed", "restored") and outcome.new_version is None:
            raise Broken(f"P8: {outcome.result} was reported without a new version")
        # Who was overtaken by a person has nothing to mark: their version is judged anew.
        unmarked = outcome.old_version and versions and versions[-1].version == outcome.old_version
        unmarked = unmarked and not any(STATE in each.tags for each in versions)
        if outcome.result == "parked" and unmarked and "nor could the secret be marked" not in outcome.reason:
            raise Broken(f"P8: {outcome.item.ref.name} was parked, and bears no mark of that")
        if outcome.result == "parked" and self.unknown and self.setter == worker and not self.late:
            self._undone(outcome.reason)

    def _undone(self, reason: str) -> None:
        """Check that who changed a single slot and gave up set it back, said that this failed, or left it in a replica."""
        replicas = [versions[-1] for versions in self.world.vault.values() if REPLICA_OF in versions[-1].tags]
        if (
            "be set back" not in reason
            and "nobody knows" not in reason
            and not any(self.holds(replica) for replica in replicas)
        ):
            raise Broken("P1: it was parked while nobody knows the password, and nobody was told that")

    def passed(self) -> None:
        """Check, whenever time has passed, that no source refuses what the vault holds for longer than five minutes."""
        now = self.world.kernel.time()
        refused = {source for ref, source, current in self._watched() if not self.holds(current)}
        self.refused = {source: self.refused.get(source, now) for source in refused}
        if self.world.workers or self.world.in_flight:
            return
        for source, since in self.refused.items():
            if source not in self.lapsed and now - max(since, self.disturbed) > HEALED_SECONDS:
                raise Broken(f"P1: {source} has refused what the vault holds for {now - since:.0f} s")

    def _watched(self) -> Iterator[tuple[SecretRef, str, SecretVersion]]:
        for ref, versions in self.world.vault.items():
            source = self.source_of(versions[-1])
            if source and ref.name not in self.exempt and versions[-1].enabled:
                yield ref, source, versions[-1]

    def failed(self, error: BaseException) -> None:
        """Check what a worker ended with: its process's death, something that may pass, or a queue that refuses it."""
        if isinstance(error, Broken):
            raise error
        if not isinstance(error, Died | TransientError | AccessDenied):
            raise Broken(f"P8: a worker failed with {error!r}") from error
        self.said(f"{error!r} {error}")

    def consumed(self, message: Message, worker: int) -> None:
        """Check that a message that is gone left something behind."""
        if message.what != "sweep" and worker not in self.traces:
            raise Broken("P8: a message was consumed without an outcome")
        self.look = self.look or (self.unknown and len(self.outcomes) > self.verdicts)
        self.verdicts = len(self.outcomes)

    def between(self) -> None:
        """Check what must hold once a worker that changed a single slot has ended: something looks after it soon."""
        if not self.look or self.world.workers or self.late:
            return
        soonest = min((message.visible for message in self.world.messages), default=None)
        self.look = False
        told = any(each.result == "parked" for each in self.outcomes)
        told = told or any(STATE in versions[-1].tags for versions in self.world.vault.values())
        if not told and (soonest is None or soonest > self.world.kernel.time() + REPAIR_SECONDS):
            raise Broken(f"P1: nobody knows the password, and nothing looks after it before {soonest}")

    def settled(self, engine: Any, versions: dict[str, int]) -> None:
        """Check what must hold once nothing is left to do and every overlap has passed."""
        for ref, all_ in self.world.vault.items():
            current = all_[-1]
            if ref.name in self.exempt or self.source_of(current) is None:
                continue
            if self._left_to_its_writer(current):
                continue
            if not self.holds(current):
                raise Broken(f"P1: {ref.name} holds a credential that its source refuses")
            if REPLICA_OF not in current.tags:
                self._nothing_to_do(engine, current)
            self._nothing_left(all_)
            if not self.late:
                self._rotated_once(all_, versions)
        self._no_stray()
        self._one_owner()
        if self.world.posted > MOST_MESSAGES:
            raise Broken(f"resources: {self.world.posted} messages for one schedule")

    def _left_to_its_writer(self, current: SecretVersion) -> bool:
        """Return whether a person wrote this version, and a person changed its password before it was ever proven."""
        source = str(self.source_of(current))
        theirs = self.single(source) and source in self.lapsed and OPERATION not in current.tags
        return theirs and STATE in current.tags and not self.holds(current)

    @staticmethod
    def _nothing_to_do(engine: Any, current: SecretVersion) -> None:
        if STATE in current.tags:
            raise Broken(f"P8: {current.ref.name} is parked for good: {current.tags.get('RekeyReason')}")
        decision = engine.decide(current, WorkItem(current.ref, "audit", trigger="sweep"))
        if not isinstance(decision, Confirm):
            raise Broken(f"P8: {current.ref.name} still needs {decision}")

    def _nothing_left(self, versions: list[SecretVersion]) -> None:
        current = versions[-1]
        if RETIRE in current.tags:
            raise Broken(f"P5: {current.ref.name} still has something to retire")
        mine = [claim.record for claim in self.world.claims.values() if claim.record.owner == str(current.ref).lower()]
        if any(record.pending or record.compromised for record in mine):
            raise Broken(f"P5: the record of {current.ref.name} still has something to retire")
        now = credential_in(current.value.reveal() if current.value else "")
        source = self.world.sources[str(self.source_of(current))]
        made = Counter(each.tags.get(OPERATION) for each in versions)
        for old in versions[:-1]:
            if self.late > 1 and made[old.tags.get(OPERATION)] > 1:
                # One late write made two versions of one operation, another one interrupted the mending of that.
                self.orphaned.add(f"rekey {old.tags.get(OPERATION)}")
                continue
            held = credential_in(old.value.reveal() if old.value else "")
            if held != now and held not in self.foreign | self.disowned and source.accepts(held):
                raise Broken(f"P5: {held} of {old.ref.name} {old.version} is still alive")

    def _rotated_once(self, versions: list[SecretVersion], expected: dict[str, int]) -> None:
        name = versions[0].ref.name
        if REPLICA_OF in versions[-1].tags:
            return
        made = Counter(each.tags[OPERATION] for each in versions if OPERATION in each.tags)
        if made and max(made.values()) > 1:
            raise Broken(f"P2: {name} was rotated twice by one operation")
        if len(versions) > expected.get(name, len(versions)):
            raise Broken(f"P2: {name} has {len(versions)} versions instead of {expected[name]}")
        if len(versions) < expected.get(name, 0) and not any(each.result == "parked" for each in self.outcomes):
            raise Broken(f"P8: {name} has {len(versions)} versions, and nobody was told why")

    def _one_owner(self) -> None:
        """Of all secrets that claim one source, at most one has rotated it."""
        rotated = Counter(self.source_of(all_[-1]) for all_ in self.world.vault.values() if self._by_rekey(all_))
        if any(number > 1 for source, number in rotated.items() if source):
            raise Broken("P7: two secrets have rotated one source")

    @staticmethod
    def _by_rekey(versions: list[SecretVersion]) -> bool:
        return REPLICA_OF not in versions[-1].tags and any(OPERATION in each.tags for each in versions)

    def _no_stray(self) -> None:
        current = {credential_in(v[-1].value.reveal()) for v in self.world.vault.values() if v[-1].value}
        for name, source in self.world.sources.items():
            if isinstance(source, Many):
                known = current | self.foreign | self.disowned
                stray = [e for e in source.entries.values() if e.secret not in known and e.name not in self.orphaned]
                if stray:
                    raise Broken(f"P5: {stray[0].secret} ({stray[0].name}) of {name} was left behind")
        self.handled()

    def handled(self) -> None:
        """Check that an incident is over once its messages are, unless somebody was told that it is not."""
        told = any(each.result == "parked" for each in self.outcomes)
        if self.compromised & self.alive() and not told:
            raise Broken(f"P5: {self.compromised & self.alive()} is compromised and still alive")
