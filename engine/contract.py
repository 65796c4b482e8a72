"""What every kind of credential can do, and what it promises when the process dies.

A rotator knows its source and nothing else: no Key Vault, no queue, no tag, no time zone. The engine calls `issue`, `verify`
and `retire`; each may be called again after a crash at any point, also when the first call's effect came but its
answer did not:

- `issue` makes a credential beside the live one (the one held). What an earlier try of the same operation left behind
  is replaced, so tries never pile up. It never touches the live credential of a kind that has two slots.
- `tidy` (for kinds whose source can hold many credentials) removes what earlier tries of an operation left.
- `accepts` tries a credential once. It proves that a revoked credential is refused, and that an old one still works.
- `verify` returns only when the source accepted the credential in real use. It waits out the source's own propagation.
- `undo` (for kinds with a single slot) sets back the credential that the vault holds, when the one that replaced it cannot
  be proven or published: else nobody would know it.
- `retire` revokes a credential; one that is gone already is fine. It never revokes the one that the vault holds.

Errors are RekeyErrors: TransientError for what may pass, PermanentError for what a person must mend. None carries a value.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable

from engine.secret import Sensitive


@dataclass(frozen=True, slots=True)
class Job:
    """What `issue` is asked for."""

    source: str
    """The source's canonical id, as `canonical` returned it."""
    operation: str
    """The operation's id; two tries of one rotation carry the same."""
    held_id: str | None
    """Which credential the vault holds, as its tag says."""
    held: Sensitive | None
    """The credential in the vault's value, where it could be read out of it."""
    proven: bool
    """The record says that Rekey wrote this version, so `held_id` and `held` belong together for certain."""
    in_place: bool
    """The source refuses what the vault holds: bring that very credential back, and touch no other."""
    expires: datetime
    """When the new version will expire."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The owner's tags, for what only this kind asks (which logins alternate, say)."""
    written: datetime | None = None
    """When somebody else wrote the version that the vault holds; None where this Rekey did."""
    asked: datetime | None = None
    """When an earlier try of this operation first asked the source for a credential; None where none did."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential that the source just made."""

    credential_id: str
    fields: Mapping[str, Sensitive]
    """What a ValueTemplate may use; holds at least the kind's `value_field`."""
    supersedes: str | None
    """The credential to retire once the overlap has passed; None where nothing stays behind."""
    expires: datetime | None = None
    """When the source itself will end the credential, where that is earlier than was asked for."""
    restorable: bool = True
    """The source accepted what the vault holds until now, so that `undo` may bring it back."""


class Rotator(Protocol):
    """One kind of credential."""

    kind: ClassVar[str]
    """Its name in the tag `Rotator`."""
    value_field: ClassVar[str]
    """The field that is the credential itself, and the whole value where there is no template."""
    template_fields: ClassVar[frozenset[str]]
    """Every placeholder that a ValueTemplate may use."""

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        """Return the source's id in one spelling, whatever the ProviderAddress's; None if it is not this kind's.

        Two secrets with the same source exclude each other, so whatever tells two credentials of one server apart
        belongs into it, as a further `/segment`.
        """
        ...

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        """Tell whether a new credential replaces the live one at once: nothing can overlap, and haste is needed."""
        ...

    async def issue(self, job: Job) -> Issued:
        """Make a credential beside the live one. See the module for what a crash may leave.

        NeedsHuman says that nothing was changed.
        """
        ...

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        """Prove that the source accepts the credential; raises VerificationFailed when it refuses for good."""
        ...

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        """Try once whether the source accepts a credential now; raises RekeyErrors where that cannot be told.

        Without an id (empty) it is any credential of the source.
        """
        ...

    async def retire(self, source: str, credential_id: str, held: Sensitive | None, held_id: str | None = None) -> None:
        """Revoke a credential; fine if it is gone already. Raises NeedsHuman rather than revoke the one held.

        `held_id` says which one that is, where Rekey wrote it itself: it need not be found out then.
        """
        ...


@runtime_checkable
class Tidy(Protocol):
    """For kinds whose source holds many credentials at once, so that an interrupted try may leave one behind."""

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        """Remove every credential that this operation made, except the one to keep."""
        ...


@runtime_checkable
class Preflight(Protocol):
    """For kinds that can tell beforehand, changing nothing, that a rotation would fail."""

    async def preflight(self, job: Job) -> None:
        """Check source and permissions; raises the PermanentError that a rotation would end in."""
        ...


@runtime_checkable
class Forewarn(Protocol):
    """For kinds whose first rotation may cut off somebody of whom Rekey cannot know."""

    async def forewarn(self, job: Job) -> str:
        """Return what an operator must know before the rotation, changing nothing; empty where that is nothing."""
        ...


@runtime_checkable
class Readable(Protocol):
    """For kinds whose source shows its credentials: what an interrupted try made can be published after all."""

    async def read(self, job: Job, credential_id: str) -> Mapping[str, Sensitive] | None:
        """Return the fields of one credential as the source shows it now; None where it shows no such credential."""
        ...


@runtime_checkable
class Undo(Protocol):
    """For kinds with a single slot, whose credential can be chosen."""

    async def undo(self, job: Job, held: Sensitive) -> None:
        """Make the source accept what the vault holds again."""
        ...


@dataclass(frozen=True, slots=True)
class Recognised:
    """Which of its source's credentials a value is."""

    credential_id: str
    ends: datetime | None = None
    """When the source itself will end it, where the source tells."""


@runtime_checkable
class Recognise(Protocol):
    """For kinds that can tell which of the source's credentials a value is, whoever wrote it."""

    async def recognise(self, job: Job) -> Recognised:
        """Name the credential that is held, changing nothing; raises NeedsHuman where it is none, or cannot be told apart."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """A source that a listing shows, with the credential that a secret would hold first."""

    source: str
    credential_id: str


@runtime_checkable
class Discover(Protocol):
    """For kinds whose sources can be listed."""

    def seen(self, subscription: str, group: str | None) -> AsyncIterator[Seen]:
        """Stream the sources of a subscription, or of one group in it, whose credentials are of use."""
        ...
