"""An incident: everything in its scope is compromised. What it covers, and its progress. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Literal

from engine.contract import Opens, Ranked, Rotator
from engine.errors import PermanentError, RekeyError, TransientError
from engine.kinds import lingering
from engine.secret import SecretRef
from engine.state.due import BY_HAND_FIX, is_manual
from engine.state.entry import Entry
from engine.state.index import Listed
from engine.state.record import parts_of
from engine.state.request import Cause, Leak, WorkItem, moment_of
from engine.state.tags import REPLICA_OF, named

MOST_NAMED = 100
"""How many of the secrets that need a person a report names. It counts all of them."""
MOST_WAITING = 1000
"""How many of the waiting secrets a report names."""
LIVES = timedelta(days=37)
"""How long an incident's messages live: at most six days until it is their turn, and a month."""
LEAD = timedelta(seconds=10)
"""How far ahead of its report an incident is dated.

Even if clocks differ by that much, everything written before the report is older than the date.
"""
ALL = "*"
"""What names all secrets of a vault that cannot be listed."""
STILL_ACCEPTED = "what leaked may still be accepted"
ENABLE = "enable it: the incident is taken up within a quarter of an hour; or revoke it by hand"
REPEAT = "report it once more"
BY_PEOPLE = "somebody has written a version by hand since the incident began"
BY_PEOPLE_FIX = "see whether that value is a new one; else rotate it with compromised"
UNWRITTEN = f"its tag {REPLICA_OF} names no secret that names it in its tag Replicas"
TO_AGREE = "make the two tags agree, or remove its own where it is no replica any more"
AGREE = "make the two tags agree and report it once more, or revoke by hand what it holds"
NO_ADDRESS = f"it was rotated itself, and has a tag {REPLICA_OF} and no ProviderAddress"
GIVE_BACK = (
    "give it its ProviderAddress back and report it once more, or revoke by hand what it held"
)
UNSERVED = "its vault is not served any more"
SERVE = "list its vault in REKEY_VAULTS again and report it once more, or revoke it there by hand"
PASSED_ON = "the secret has left that source, or it is gone"
RECOVER = (
    "recover the secret: the incident is taken up within a quarter of an hour; or revoke it there "
    "by hand, and move its record aside: see the runbook"
)
A_COPY = "it is a replica: what it holds is cut off with the version that it copies"
COPY_FIX = "report the version of {primary} that holds the same, or the value itself"
INCIDENT_ID = r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$"
"""The form of an incident's id: its time, and letters that distinguish incidents of one second."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What is compromised, since when, who says so, and why."""

    since: datetime
    """In whole seconds and UTC, LEAD ahead of its report. What was written before is replaced."""
    name: str = ""
    """A pattern of secrets' names, in which `*` stands for any characters; empty for all names."""
    source: str = ""
    """The id (lower case) of a resource, or of a scope that contains it; empty for all sources."""
    requested_by: str = ""
    reason: str = ""
    id: str = ""
    """The id to ask for it by; empty if it is not recorded."""
    vaults: tuple[str, ...] = ()
    """The URLs of the vaults in its scope."""
    version: str = ""
    """The only version that leaked, of the only secret in its scope; empty for all older ones."""

    @property
    def reported(self) -> datetime:
        """When it was reported."""
        return self.since - LEAD

    @property
    def tried_until(self) -> datetime:
        """When the last message of the incident is gone."""
        return self.since + LIVES

    def covers(self, entry: Entry, known: Sequence[Listed] = ()) -> bool:
        """Return whether the incident covers a secret, even one that Rekey cannot rotate.

        `known` is what the records say of it, so no edited tag takes a secret out of an incident.
        """
        # The secret may have left a source where a credential is still to be retired, or works on.
        left, here = self.covers_deleted(entry.secret.ref, known), leaked_at(entry, known)
        is_left = any(self.version or it.pending or self.is_held_at(it, here) for it in left)
        return is_left or self.covers_held(entry, known)

    def covers_held(self, entry: Entry, known: Sequence[Listed] = ()) -> bool:
        """Return whether the incident covers what a secret holds now."""
        if not self.names(entry.secret.ref):
            return False
        tags = entry.secret.tags
        if self.source:
            return any(map(self._contains, _sources(entry, known)))
        return bool("ProviderAddress" in tags or REPLICA_OF in tags or is_manual(tags) or known)

    def covers_deleted(self, ref: SecretRef, known: Sequence[Listed]) -> list[Listed]:
        """Return the records in its scope, which know of a secret that is deleted, or has left."""
        return [record for record in known if self.names(ref) and self._contains(record.source)]

    def is_held_at(self, record: Listed, here: str | None) -> bool:
        """Return whether what Rekey published last at a source may work on there.

        What its record knows itself is found out `here`.
        """
        is_apart = parts_of(record.source)[0] != parts_of(here or "")[0]
        return bool(record.published) and is_apart and not record.made_since(self.since)

    def is_over_at(self, record: Listed, noted: datetime | None) -> bool:
        """Return whether a deleted secret's source accepts nothing older than the incident.

        That is so if Rekey had rotated the secret, and revoked the superseded credential, before it
        was deleted. `noted`: the date of the incident that the record has noted last. Everything
        older was revoked for that one, so a credential superseded later is younger.
        """
        is_revoked = record.pending is None or (noted is not None and noted >= self.since)
        return record.made_since(self.since) and is_revoked and not record.is_open

    def names(self, ref: SecretRef) -> bool:
        """Return whether a secret's name is in its scope."""
        return not self.name or fnmatchcase(ref.name.lower(), self.name.lower())

    def _contains(self, source: str) -> bool:
        """Return whether a source is in its scope: of logins that alternate, one is enough."""
        return not self.source or any(
            part == named or part.startswith(f"{named}/")
            for part in parts_of(source)
            for named in parts_of(self.source)
        )

    def work(self, ref: SecretRef, version: str | None, source: str | None) -> WorkItem:
        """Return the work item that replaces this version and cuts off its credential."""
        return WorkItem(
            ref,
            version=version,
            cause=Cause("manual", self.requested_by, self.reason, self.reported.isoformat()),
            leak=Leak(self.since.isoformat()),
            source=source,
        )

    def exact(self) -> WorkItem:
        """Return the work for the only version that leaked: no other one is touched for its age."""
        ref = SecretRef(self.vaults[0], self.name)
        return replace(self.work(ref, self.version, self.source or None), leak=Leak())

    def asked_for(self, work: WorkItem) -> bool:
        """Return whether a stored work item is one of this incident."""
        same = self.work(work.ref, self.version or work.version, work.source)
        is_covered = work.ref.vault in self.vaults and self.names(work.ref)
        is_there = work.source is None or self._contains(work.source)
        requests = (same.request, replace(same, leak=Leak()).request)
        return is_covered and is_there and work.request in requests

    def to_dict(self) -> dict[str, str]:
        """Return the incident as a part of a message, which names its vaults itself."""
        texts = {name: text for name, text in asdict(self).items() if name != "vaults"}
        return {**texts, "since": self.since.isoformat()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Incident:
        """Read an incident from a message; raises ValueError, TypeError or LookupError."""
        since = moment_of(data["since"])
        if since is None:
            raise ValueError(data["since"])
        texts = {
            key: str(data.get(key, ""))
            for key in ("name", "source", "requested_by", "reason", "id", "version")
        }
        vaults = tuple(str(vault) for vault in data.get("vaults", ()))
        return cls(since, **texts, vaults=vaults)


def deleted_at(*sources: str, why: str = "deleted") -> str:
    """Say that a secret is deleted, and where what it held may still be accepted."""
    return f"{why}; its credential may still work at {', '.join(sources)}"


def is_replica(entry: Entry, known: Sequence[Listed] = ()) -> bool:
    """Return whether a secret's tags say that it is only written when another one is rotated.

    A secret with a record was rotated itself, whatever its tags say now.
    """
    tags = entry.secret.tags
    return bool(named(tags.get(REPLICA_OF, "")) and "ProviderAddress" not in tags and not known)


def _sources(entry: Entry, known: Sequence[Listed]) -> list[str]:
    """Return where a secret's credentials may be accepted: by its tags and by its records.

    If its tags can be followed, only those records count whose source has accepted the current
    version. The secret may have left the other sources long ago.
    """
    if entry.managed:
        tagged = entry.managed.source
        known = [listed for listed in known if listed.accepted(entry.secret)]
    else:
        tagged = entry.secret.tags.get("ProviderAddress", "").strip().lower()
    return [tagged, *(listed.source for listed in known)]


def leaked_at(entry: Entry, known: Sequence[Listed]) -> str | None:
    """Return the source that has accepted what a secret holds; the tagged one if no other has.

    An edited tag may name another one now, or fewer logins of the same.
    """
    tagged = entry.managed.source if entry.managed else None
    sources = [listed.source for listed in known if listed.accepted(entry.secret)]
    names = {*parts_of(str(tagged))}
    is_tagged = any(names <= {*parts_of(source)} for source in sources)
    return tagged if is_tagged else next(iter(sources), tagged)


Standing = Literal["refused", "waiting", "needs a person"]


@dataclass(frozen=True, slots=True)
class Stands:
    """How an incident stands with one secret."""

    ref: SecretRef
    standing: Standing = "waiting"
    owner: str = ""
    reason: str = ""
    fix: str = ""
    primary: str = ""
    """The URL of the secret that this is a replica of; empty for any other."""
    lingers: str = ""
    """What may still work two minutes after the report; empty if nothing is known."""


@dataclass
class IncidentProgress:
    """How far an incident has come, counted from the vaults."""

    secrets: int = 0
    rotated: int = 0
    """Replaced since the incident began, with the old credential cut off."""
    waiting: int = 0
    """Queued, or in progress."""
    needs_a_person: int = 0
    named: list[dict[str, str]] = field(default_factory=list)
    """The first MOST_NAMED of those, each with its reason."""
    waiting_for: list[dict[str, str | None]] = field(default_factory=list)
    """The first MOST_WAITING of the waiting secrets."""
    lingers: list[dict[str, str]] = field(default_factory=list)
    """What may still work two minutes after the report, once for each kind."""
    each: list[Stands] = field(default_factory=list)
    """Every secret that was counted."""
    is_ordered: bool = False
    """An order of the incident is still to be carried out, or what kept a vault from being listed may
    pass. It may find more."""

    @property
    def is_over(self) -> bool:
        """Whether each credential that it covers is proven to be refused."""
        return not (self.waiting or self.needs_a_person or self.is_ordered)

    def add(
        self,
        incident: Incident,
        entry: Entry,
        *,
        is_open: bool,
        is_tried: bool = True,
        by_hand: bool,
        known: Sequence[Listed] = (),
        primary: SecretRef | None = None,
    ) -> None:
        """Count one secret that the incident covers.

        `is_open`: the compromise may not be over for it. `is_tried`: something still works on that.
        `by_hand`: somebody else has written its current version since the incident began. `known`:
        what the records say of it. `primary`: the secret whose rotation writes it, if one does.
        """
        stands = self._stands(entry, primary)
        if not (is_open or by_hand):
            # First, because a proof in the records stays true whatever becomes of the secret.
            self._refuse(stands)
        elif not entry.secret.enabled:
            self._name(stands, f"{entry.reason}: {STILL_ACCEPTED}", ENABLE)
        elif entry.managed is None and primary is None:
            self._name(stands, *_unrotated(entry, known))
        elif incident.version and primary:
            self._name(stands, A_COPY, COPY_FIX.format(primary=primary))
        elif self._stuck(incident, entry):
            self._name(stands, entry.reason, entry.fix)
        elif not is_open:
            self._name(stands, BY_PEOPLE, BY_PEOPLE_FIX)
        elif not is_tried:
            self._name(stands, f"its incident is not tried any more: {STILL_ACCEPTED}", REPEAT)
        else:
            self._wait(stands, incident.source if incident.version else leaked_at(entry, known))

    def add_unread(self, entry: Entry, error: PermanentError) -> None:
        """Count one secret of which nobody can tell: something of it may not be read."""
        self._name(self._stands(entry, None), f"{error.what}: {STILL_ACCEPTED}", error.fix)

    def add_unlisted(self, vault: str, error: RekeyError) -> None:
        """Count a vault that cannot be listed, in place of its secrets."""
        self._name(Stands(SecretRef(vault, ALL)), f"{error.what}: {STILL_ACCEPTED}", error.fix)
        self.is_ordered |= isinstance(error, TransientError)

    def add_unreached(self, ref: SecretRef, sources: Sequence[str], why: str, fix: str) -> None:
        """Count one secret that only records know; `sources`: where its credentials may work."""
        if sources:
            self._name(Stands(ref), deleted_at(*sources, why=why), fix)
        else:
            self._refuse(Stands(ref, reason=why))

    def add_passed_on(
        self, ref: SecretRef, *, is_refused: bool, parked: Entry | None = None
    ) -> None:
        """Count one secret that has left the source of what leaked.

        `parked`: the secret that owns the source now, where that needs a person.
        """
        stands = Stands(ref, reason=PASSED_ON)
        if is_refused:
            self._refuse(stands)
        elif parked:
            self._name(stands, f"{PASSED_ON}; {parked.secret.ref}: {parked.reason}", parked.fix)
        else:
            self._wait(stands, None)

    def _stands(self, entry: Entry, primary: SecretRef | None) -> Stands:
        """Return how an incident stands with a secret that waits, and note what lingers of it."""
        kind = entry.managed.rotator if entry.managed else None
        known = {"kind": kind.kind if kind else "", "what": lingering(kind)}
        if known["what"] and known not in self.lingers:
            self.lingers.append(known)
        ref, owner, copied = entry.secret.ref, entry.secret.tags.get("Owner", ""), primary or ""
        return Stands(ref, owner=owner, primary=str(copied), lingers=known["what"])

    @staticmethod
    def _stuck(incident: Incident, entry: Entry) -> bool:
        """Return whether the secret is parked. A mark older than the incident does not count.

        A parked secret without a mark has no room for one. The work on a single version begins at
        the report, without the lead.
        """
        began = incident.reported if incident.version else incident.since
        return entry.parked_since >= began if entry.parked_since else entry.state == "parked"

    def _add(self, stands: Stands) -> None:
        self.secrets += 1
        self.each.append(stands)

    def _refuse(self, stands: Stands) -> None:
        self.rotated += 1
        self._add(replace(stands, standing="refused"))

    def _wait(self, stands: Stands, source: str | None) -> None:
        self.waiting += 1
        self._add(stands)
        if len(self.waiting_for) < MOST_WAITING:
            known = {"source": source, "owner": stands.owner or None}
            self.waiting_for.append({**_place(stands.ref), **known})

    def _name(self, stands: Stands, reason: str, fix: str) -> None:
        self.needs_a_person += 1
        self._add(replace(stands, standing="needs a person", reason=reason, fix=fix))
        if len(self.named) < MOST_NAMED:
            self.named.append({**_place(stands.ref), "reason": reason, "fix": fix})


def _unrotated(entry: Entry, known: Sequence[Listed]) -> tuple[str, str]:
    """Return why nothing rotates a secret, and its way out."""
    tags = entry.secret.tags
    if REPLICA_OF in tags and "ProviderAddress" not in tags:
        why, fix = (NO_ADDRESS, GIVE_BACK) if known else (UNWRITTEN, AGREE)
        return f"{why}: {STILL_ACCEPTED}", fix
    # What is left to people, and not due, needs nobody until it leaks.
    way_out = BY_HAND_FIX if is_manual(tags) else ""
    return entry.reason or "it cannot be rotated", entry.fix or way_out


def _place(ref: SecretRef) -> dict[str, str]:
    return {"vault": ref.vault_name, "secret": ref.name}


type Danger = tuple[bool, bool, Opens, bool]
"""What leaks are sorted by: the smallest is the most dangerous."""


def danger(
    kind: type[Rotator] | None,
    *,
    is_copy: bool = False,
    is_alive: bool = True,
    is_current: bool = True,
) -> Danger:
    """Return how dangerous a leak is.

    A replica comes last, as it is cut off with its primary. Before it come credentials that may not
    work, then those that open less, then superseded ones, which end by themselves.
    """
    opens = kind.opens if isinstance(kind, Ranked) else Opens.RESOURCE
    return is_copy, not is_alive, opens, not is_current


USUAL: Danger = danger(None)
"""That of one resource's credential, which works and is in use."""
