"""What every kind of credential can do, and what it promises when the process dies.

A rotator knows its source and nothing else: no Key Vault, no queue, no tag, no time zone.
The engine calls `issue`, `verify` and `retire`. Each may be called again after a crash at any
point, even when the first call took effect and only its answer was lost. "The credential held"
is the one in the vault's current version.

- `issue` makes a credential beside the one held. It replaces what an earlier try of the same
  operation left behind, so retries never accumulate credentials. Where a kind has two slots,
  it never touches the one held.
- A source may go on with a change after its answer, for hours. `issue` and `retire` then raise
  UnderWay until it has come, however often they are called; the engine holds no lease meanwhile.
- A change may take effect although its answer is lost. Where `issue` has chosen the credential
  itself, as a password, it returns that with `doubt` rather than raise: what was set is proven,
  and a further one is not made.
- `tidy` (for kinds whose source can hold many credentials) removes what earlier tries of an
  operation left behind.
- `accepts` tries a credential once. The engine uses it to prove that a revoked credential is
  refused, and that an older one still works.
- `verify` returns only when the source accepted the credential in real use. It waits until the
  credential has spread within the source.
- `undo` (for kinds with a single slot) makes the source accept the credential held again, when
  its replacement cannot be verified or published. Otherwise nobody would know the password.
- `retire` revokes a credential, and succeeds if it is already gone. It never revokes the one
  held.

Every error is a RekeyError: TransientError for what may pass by itself, PermanentError for what
a person must fix. No error carries a secret value.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import ClassVar, Protocol, runtime_checkable

from engine.errors import TransientError
from engine.secret import Sensitive

LATE = timedelta(minutes=30)
"""How long after it was sent a change may still take effect."""
WAY_BACK = timedelta(minutes=10)
"""How long a way back is awaited that was accepted. Another password would come after it, as late."""
LONGEST_CHANGE = timedelta(hours=24)
"""How long a change may go on that its source accepted, before a person is told."""
CLOCKS = timedelta(minutes=2)
"""How much the app's clock and a source's may differ."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The key that a credential is made from, as the secret that holds it shows it now."""

    source: str
    """The key's source."""
    credential_id: str
    """Which of its source's keys it is."""
    key: Sensitive
    expires: datetime | None
    """When the version that holds it expires; None if it does not say."""


@dataclass(frozen=True, slots=True)
class Job:
    """What `issue` needs to know."""

    source: str
    """The source's canonical id, as `canonical` returned it."""
    operation: str
    """The operation's id; every try of one rotation carries the same."""
    held_id: str | None
    """Which credential the vault holds, according to its tag."""
    held: Sensitive | None
    """The credential inside the vault's value; None if it could not be extracted."""
    proven: bool
    """The record says that Rekey wrote this version, so `held_id` certainly names `held`."""
    in_place: bool
    """The source refuses what the vault holds: replace that very credential and no other."""
    expires: datetime
    """When the new version will expire."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The owner's tags, for options that only this kind has (which logins alternate, say)."""
    written: datetime | None = None
    """When the version in the vault was created, if somebody else wrote it; None if Rekey did."""
    asked: datetime | None = None
    """When an earlier try of this operation first asked the source for a credential; None if none
    did."""
    sent: datetime | None = None
    """When a change was last sent to the source while the vault held this version; None if none
    was."""
    parent: Parent | None = None
    """The key to make the credential from, for a kind that is Derived."""
    vault: str = ""
    """The address of the vault of the secret, for kinds whose credentials are made in a vault."""

    revoked: frozenset[str] = frozenset()
    """The ids of credentials that Rekey has revoked, as far as it remembers. A source that makes a
    new id each time, and still shows one of these, lags behind; an id that names a slot may be in
    use again."""
    under_way: bool = False
    """The source is still at a change that it accepted from an earlier try, as far as is known."""
    mark: str = ""
    """What the latest UnderWay of this operation noted; empty if it noted nothing."""
    changed: datetime | None = None
    """When Rekey last began a change at this source, if it wrote the version itself: what the
    source made later, somebody else made. None if that does not matter, as in an incident."""
    not_before: datetime | None = None
    """Whoever knows what has leaked may know what an earlier try made before this, too, so that is
    not carried on. None if it does not matter when it was made."""

    def may_have_made(self, moment: datetime) -> bool:
        """Return whether Rekey itself may have made what the source dates so."""
        if self.sent is None:
            return False
        in_time = self.under_way or moment < self.sent + LATE + CLOCKS
        return (self.asked or self.sent) - CLOCKS < moment and in_time


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential that the source has just made."""

    credential_id: str
    fields: Mapping[str, Sensitive]
    """What a ValueTemplate may use; contains at least the kind's `value_field`."""
    supersedes: str | None
    """The credential to retire once the overlap has passed; None if none is left behind."""
    expires: datetime | None = None
    """When the source itself ends the credential, if that is earlier than requested."""
    restorable: bool = True
    """The source accepted what the vault holds until now, so `undo` may bring it back."""
    doubt: TransientError | None = None
    """Why the credential may or may not have been made, if the source did not say so. The engine
    tries it before it has another one made."""


class Rotator(Protocol):
    """One kind of credential."""

    kind: ClassVar[str]
    """The kind's name in the tag `Rotator`."""
    value_field: ClassVar[str]
    """The field with the credential itself. Without a template it is the whole value."""
    template_fields: ClassVar[frozenset[str]]
    """Every placeholder that a ValueTemplate may use."""

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the source's id in its one canonical spelling; None if it is not of this kind.

        Two secrets with the same source exclude each other. So whatever distinguishes two
        credentials of one server belongs in the id, as a further `/segment`.
        """

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Return whether a new credential replaces the live one at once, without any overlap."""

    async def issue(self, job: Job) -> Issued:
        """Make a credential beside the one held. The module says what a crash may leave behind.

        NeedsHuman promises that nothing was changed.
        """

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Prove that the source accepts the credential; raises VerificationFailed if it refuses."""

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Return whether the source accepts a credential now, from one try.

        An empty `credential_id` means any credential of the source. Raises RekeyErrors if the
        source gives no clear answer.
        """

    async def retire(
        self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None
    ) -> None:
        """Revoke a credential; succeeds if it is already gone.

        Raises NeedsHuman rather than revoke the one held, before anything is sent. `held_id` names
        the one held if Rekey wrote it; then the rotator need not identify it. Where the secret has
        left this source, the one held is of another one, and refused here.
        """


@runtime_checkable
class Tidy(Protocol):
    """For kinds whose source holds many credentials, so an interrupted try may leave one behind."""

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        """Remove every credential that this operation made, except the one in `keep`."""


@runtime_checkable
class Typed(Protocol):
    """For kinds that only certain types of resource have. Others are asked about every address."""

    @classmethod
    def resource_types(cls) -> Sequence[str]:
        """Return the types of the resources at the top of its addresses.

        An empty one stands for addresses that are no resource's id.
        """


@runtime_checkable
class Preflight(Protocol):
    """For kinds that can predict, without changing anything, that a rotation would fail."""

    async def preflight(self, job: Job) -> None:
        """Check the source and permissions; raises the error that a rotation would raise."""


@runtime_checkable
class Forewarn(Protocol):
    """For kinds whose first rotation may cut off a user that Rekey cannot know about."""

    async def forewarn(self, job: Job) -> str:
        """Return what an operator must know before the rotation; changes nothing.

        The text is empty if there is nothing to know.
        """


@runtime_checkable
class Readable(Protocol):
    """For kinds whose source shows its credentials, so interrupted work can be published."""

    async def read(self, job: Job, credential_id: str) -> Mapping[str, Sensitive] | None:
        """Return the fields of one credential as the source shows it; None if it shows none.

        An empty `credential_id` means the one that a secret would hold first.
        """


@runtime_checkable
class Lists(Protocol):
    """For kinds whose source lists the ids of its credentials.

    What cannot be tried any more is thus seen to be gone.
    """

    async def lists(self, source: str, credential_id: str) -> bool:
        """Return whether the source lists a credential.

        A source that is gone lists none. NotFound if it may be restored, with what it listed.
        """


@runtime_checkable
class Rewrites(Protocol):
    """For kinds whose source takes its list of credentials as a whole.

    A request that comes late brings back what was removed since it was sent.
    """

    rewrites: ClassVar[bool]


@runtime_checkable
class Undo(Protocol):
    """For kinds with a single slot whose new credential can be chosen."""

    async def undo(self, job: Job, held: Sensitive) -> None:
        """Make the source accept again what the vault holds."""


@runtime_checkable
class Derived(Protocol):
    """For kinds whose credential is made from a key that another secret holds.

    Making one changes nothing at the source. It ends with its key, or when it expires; nothing
    else revokes it. So `issue` supersedes nothing, and `retire` raises NeedsHuman.
    """

    parents: ClassVar[frozenset[str]]
    """The kinds of key that it can be made from."""

    @staticmethod
    def made_at(source: str) -> str:
        """Return the source of the key."""

    @staticmethod
    def is_made_from(source: str, credential: Sensitive, key: Sensitive) -> bool:
        """Return whether this very key made the credential, for exactly this source."""


@runtime_checkable
class Traces(Derived, Protocol):
    """For derived kinds that tell, of any signature, whether a key made it.

    A signature that has leaked is cut off with its key, whoever signed with that.
    """

    @classmethod
    def signer(cls, text: str) -> str | None:
        """Return the name of the resource whose key signed; empty if the text does not say.

        None if the text is no signature.
        """

    @classmethod
    def is_signed_by(cls, text: str, source: str, key: Sensitive) -> bool:
        """Return whether this key of this source made a signature, whatever that permits."""


class Opens(IntEnum):
    """How much a credential opens: where many have leaked, what opens most is cut off first."""

    IDENTITY = 0
    """An identity or an administrator, who may open more."""
    RESOURCE = 1
    """One resource, or a part of it: a kind that says nothing."""
    PART = 2
    """What somebody has narrowed: one login, or one signature."""


@runtime_checkable
class Ranked(Protocol):
    """For kinds that open more, or less, than one resource."""

    opens: ClassVar[Opens]


@dataclass(frozen=True, slots=True)
class Lingering:
    """What may still work two minutes after the report of a leak."""

    what: str
    """What, and for how long, as whoever reports a leak is told."""
    source: str
    """The page that says so."""


@runtime_checkable
class Lingers(Protocol):
    """For kinds that cannot end every use of what leaked within two minutes."""

    lingers: ClassVar[Lingering]


@runtime_checkable
class Unusable(Protocol):
    """Stands for a kind that is named but cannot be used, such as a plug-in that is broken."""

    refusal: ClassVar[str]
    """Why, and the fix: what the secrets of the kind are parked with."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Which of its source's credentials a value is."""

    credential_id: str
    ends: datetime | None = None
    """When the source itself ends it, if the source says so."""


@runtime_checkable
class Recognise(Protocol):
    """For kinds that can identify which of the source's credentials a value is."""

    async def recognise(self, job: Job) -> Recognised:
        """Return which credential is held, changing nothing.

        Raises NeedsHuman if the value is no credential of the source, or matches several.
        """


@dataclass(frozen=True, slots=True)
class Seen:
    """A source that a listing shows, with the credential that a secret would hold first."""

    source: str
    credential_id: str
    way_off: str = ""
    """The property, with its value, that switches such credentials off; empty where none does."""


@runtime_checkable
class Discover(Protocol):
    """For kinds whose sources can be listed."""

    def seen(self, subscription: str, group: str | None) -> AsyncIterator[Seen]:
        """Stream a subscription's, or one group's, sources whose credentials are of use."""
