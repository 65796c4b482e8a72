"""A kind of credential on plain state: what its source accepts, and what it was asked, in order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest

from engine.contract import Issued, Job, Recognised
from engine.errors import RekeyError, VerificationFailed
from engine.secret import SecretVersion, Sensitive
from engine.state.tags import CREDENTIAL, REPLICA_OF
from simulator.keyvault.state import SecretVersion as Stored
from tests.engine.rotation.held import Held, Steps, held
from tests.shared.rig import Rig
from tests.shared.scene import NAME

SOURCE = "/kinds/plain/one"
OLD, NEW, OLD_ID, NEW_ID = "old-value", "new-value", "old", "new"


def url(name: str) -> str:
    return f"https://prod.vault.azure.net/secrets/{name}"


def replicas(*names: str) -> dict[str, str | None]:
    """Return the tag that names replicas."""
    return {"Replicas": ",".join(map(url, names))} if names else {}


@dataclass
class Plain:
    """Any number of credentials, of which only the accepted ones are known."""

    accepted: set[str] = field(default_factory=lambda: {OLD})
    calls: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    issues: Issued = field(default_factory=lambda: Issued(NEW_ID, {"key": Sensitive(NEW)}, OLD_ID))
    works: bool = True
    """What is made is accepted."""
    problem: RekeyError | None = None
    """What making one ends with."""
    recognised: str = OLD_ID
    """The id of what is held, whatever tags say."""

    kind: ClassVar[str] = "plain"
    value_field: ClassVar[str] = "key"
    template_fields: ClassVar[frozenset[str]] = frozenset({"key", "host"})

    @staticmethod
    def canonical(address: str, tags: Mapping[str, str]) -> str | None:
        del tags
        return address if address.startswith("/kinds/plain/") else None

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        return "Single" in tags

    async def issue(self, job: Job) -> Issued:
        self.calls.append("issue in place" if job.in_place else "issue")
        self.jobs.append(job)
        if self.problem:
            raise self.problem
        if self.works:
            self.accepted.add(self.issues.fields["key"].reveal())
        return self.issues

    async def verify(self, source: str, credential_id: str, credential: Sensitive) -> None:
        self.calls.append(f"verify {credential_id} {credential.reveal()}")
        assert source == SOURCE
        if credential.reveal() not in self.accepted:
            raise VerificationFailed("the source refuses it")

    async def accepts(self, source: str, credential_id: str, credential: Sensitive) -> bool:
        self.calls.append(f"accepts {credential_id} {credential.reveal()}")
        assert source == SOURCE
        return credential.reveal() in self.accepted

    async def retire(self, *_: object) -> None:
        raise AssertionError


@dataclass
class Able(Plain):
    """One that can do whatever a kind may be able to do."""

    shown: Mapping[str, Mapping[str, Sensitive]] = field(default_factory=dict)
    ends: datetime | None = None
    known: str = ""

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        self.calls.append(f"tidy {operation} but {keep}")
        assert source == SOURCE

    async def preflight(self, job: Job) -> None:
        self.calls.append("preflight")
        self.jobs.append(job)
        if self.problem:
            raise self.problem

    async def forewarn(self, job: Job) -> str:
        self.calls.append("forewarn")
        self.jobs.append(job)
        return self.known

    async def undo(self, job: Job, held_: Sensitive) -> None:
        assert job.source == SOURCE
        self.calls.append(f"undo {held_.reveal()}")
        self.accepted = {held_.reveal()}

    async def read(self, job: Job, credential_id: str) -> Mapping[str, Sensitive] | None:
        assert job.source == SOURCE
        self.calls.append(f"read {credential_id}")
        return self.shown.get(credential_id)

    async def recognise(self, job: Job) -> Recognised:
        self.calls.append(f"recognise {job.held_id} {job.held.reveal() if job.held else ''}")
        return Recognised(job.held_id or self.recognised, self.ends)


class Work(Steps):
    """One work item about a secret of the kind, under the lease of its source."""

    def __init__(self, at: Held, kind: Plain, **item: Any) -> None:
        super().__init__(at, **item)
        self.kind, self.rig = kind, at.rig

    async def fails[E: RekeyError](self, error: type[E]) -> E:
        with pytest.raises(error) as caught:
            await self.rotate(self.secret, "due", at_once=False)
        return caught.value

    def put_replica(self, name: str = "copy") -> None:
        """Put a secret that holds the same, and consents."""
        self.rig.vault.put(name, OLD, tags={REPLICA_OF: url(NAME)})

    @property
    def secret(self) -> SecretVersion:
        """The current version, as it was read at first and is believed to be."""
        return self.at.record.believed(self.at.secret)

    @property
    def latest(self) -> Stored:
        return self.rig.latest(NAME)

    def published(self) -> None:
        """Let the record say that Rekey published the current version."""
        self.at.published(OLD_ID)


@asynccontextmanager
async def working(
    kind: Plain,
    tags: Mapping[str, str | None] | None = None,
    *,
    rig: Rig | None = None,
    value: str = OLD,
    days_left: int = 10,
    **item: Any,
) -> AsyncIterator[Work]:
    """Put a secret of the kind under management, and look at it under its lease."""
    rig = rig or Rig()
    usual = {
        "ProviderAddress": SOURCE,
        "Rotator": "plain",
        CREDENTIAL: OLD_ID,
        "ValidityPeriodDays": "90",
        "OverlapHours": "24",
    }
    kept = {tag: text for tag, text in {**usual, **(tags or {})}.items() if text is not None}
    rig.vault.put(NAME, value, tags=kept, expires=rig.clock.now() + timedelta(days=days_left))
    async with held(rig, NAME, kinds={"plain": kind}) as at:
        work = Work(at, kind, **item)
        await work.observed.observe()
        yield work


@asynccontextmanager
async def rotating(kind: Plain, *arguments: Any, **more: Any) -> AsyncIterator[Work]:
    """The same, where the record says that Rekey published the current version."""
    async with working(kind, *arguments, **more) as work:
        work.published()
        yield work
