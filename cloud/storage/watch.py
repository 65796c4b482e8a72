"""Detects that the app no longer sweeps, or no longer asks for what it has accepted.

A record for each vault holds when its next sweep is due. Each request holds when it is asked for.
The records are blobs in the app's own storage account; each sweep writes one. Anybody may request
the app's health as often as they like, so the answer is cached for a while.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from opentelemetry import metrics

from cloud.azure import Azure
from cloud.schedule import next_time
from cloud.storage import blobs
from cloud.storage.backlog import QUEUES, backlog, undelivered
from cloud.storage.host_storage import HostStorage
from cloud.storage.requests import BlobRequests
from cloud.telemetry import gauges
from engine.errors import RekeyError
from engine.ports import Clock
from engine.state.entry import LastSweep
from engine.state.record import MOST_REQUESTS, RECHECK_EVERY
from engine.state.request import moment_of
from engine.state.sweep_order import SweepOrder

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient

log = logging.getLogger("rekey.watch")

SLACK = timedelta(minutes=30)
"""How late a sweep may end, or a request be asked for.

Timers and queues are not exact, and a huge vault takes time.
"""
WELL_SECONDS, UNWELL_SECONDS = 300.0, 30.0
"""How long an answer is cached."""
CHECK_SECONDS = 30.0
SWEEPS_SECONDS = 60.0
"""How long the times of the last sweeps are cached."""
RUNBOOK = "see the runbook, on missing sweeps"


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """When the next sweep of a vault is due."""

    vault: str
    due: datetime
    swept: bool
    """Whether any sweep of it ever finished."""
    ended: datetime | None = None
    """The end of its last sweep; None if there was none, or an earlier release wrote the record."""
    covered: datetime | None = None
    """Until when that sweep covered what falls due; None as for `ended`."""

    def to_json(self) -> bytes:
        """Return the content of the blob."""
        times = {"due": self.due, "ended": self.ended, "covered": self.covered}
        shown = {name: moment.isoformat() if moment else None for name, moment in times.items()}
        data = {"vault": self.vault, "swept": self.swept, **shown}
        return json.dumps(data).encode()

    @classmethod
    def from_json(cls, vault: str, text: bytes) -> SweepRecord:
        """Return the record in a blob; for an unreadable one the sweep is long overdue."""
        try:
            data = json.loads(text)
            due, ended, covered = (
                moment_of(data.get(name)) for name in ("due", "ended", "covered")
            )
            swept = bool(data["swept"])
        except (ValueError, TypeError, LookupError, AttributeError):
            due = None
        if due is None:
            return cls(vault, datetime.fromtimestamp(0, UTC), swept=False)
        return cls(vault, due, swept=swept, ended=ended, covered=covered)


class AppWatch:
    """Watches one app; see engine.ports.Watch."""

    def __init__(
        self,
        storage: HostStorage,
        azure: Azure,
        clock: Clock,
        vaults: Sequence[str],
        schedule: str,
        *,
        events: HostStorage,
    ) -> None:
        self._storage = storage
        self._events = events
        self._requests = BlobRequests(storage, azure)
        self._azure = azure
        self._clock = clock
        self._vaults = vaults
        self._schedule = schedule
        self._rechecks = metrics.get_meter("rekey").create_counter(
            "rekey.rechecks", description="Runs of the timer that have asked for all that is due"
        )
        self._turn = asyncio.Lock()
        self._kept = ""
        self._kept_until = float("-inf")
        self._last: list[LastSweep] = []
        self._last_until = float("-inf")

    async def swept(self, order: SweepOrder) -> None:
        """Record that a sweep ended, and when the next sweep of this vault is due."""
        now = self._clock.now()
        due = max(order.until + order.period, now)
        try:
            record = SweepRecord(order.vault, due, swept=True, ended=now, covered=order.until)
            await blobs.overwrite(self._client, self._blob(order.vault), record.to_json())
        except RekeyError as error:
            log.warning("the end of the sweep of %s could not be recorded: %s", order.vault, error)

    def rechecked(self) -> None:
        """Count a run of the timer that has asked for all that is due."""
        self._rechecks.add(1)

    async def measure(self) -> None:
        """Measure the queues and the dead letters."""
        try:
            lengths = await backlog(self._storage, self._events, self._azure)
            gauges.measured(lengths, await undelivered(self._events, self._azure))
        except RekeyError as error:
            log.warning("the queues could not be measured: %s", error)

    async def obstacle(self) -> str:
        """Return what keeps the app from working, as of the last minutes; empty if nothing does."""
        async with self._turn:
            if self._clock.monotonic() >= self._kept_until:
                self._kept = await self._look()
                keep = UNWELL_SECONDS if self._kept else WELL_SECONDS
                self._kept_until = self._clock.monotonic() + keep
            return self._kept

    async def sweeps(self) -> Sequence[LastSweep]:
        """Return the last sweep of each vault, as of the last minute."""
        async with self._turn:
            if self._clock.monotonic() >= self._last_until:
                self._last = await self._sweeps()
                self._last_until = self._clock.monotonic() + SWEEPS_SECONDS
            return self._last

    async def _sweeps(self) -> list[LastSweep]:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                records = await asyncio.gather(*(self.record(vault) for vault in self._vaults))
        except (RekeyError, TimeoutError) as error:
            log.warning("the times of the last sweeps cannot be read: %s", _reason(error))
            return []
        return [
            LastSweep(record.vault, record.ended, record.due, record.covered) for record in records
        ]

    async def record(self, vault: str) -> SweepRecord:
        """Return the record of a vault.

        A vault without a record gets one here, with the schedule's next time as its due time.
        """
        blob = self._blob(vault)
        if (text := await blobs.read(blob)) is None:
            record = SweepRecord(vault, next_time(self._schedule, self._clock.now()), swept=False)
            await blobs.create(self._client, blob, record.to_json(), {})
            text = await blobs.read(blob) or record.to_json()
        return SweepRecord.from_json(vault, text)

    async def known(self, vault: str) -> SweepRecord | None:
        """Return the record of a vault without changing anything; None if there is none."""
        text = await blobs.read(self._blob(vault))
        return None if text is None else SweepRecord.from_json(vault, text)

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                records = [await self.record(vault) for vault in self._vaults]
                known = self._overdue(records) or await self._unasked()
                return known or await self._missing_queues(records)
        except (RekeyError, TimeoutError) as error:
            log.warning("the app's own state cannot be read: %s", _reason(error))
            return (
                "the app's own storage account cannot be read. Fix: see its log under rekey.watch"
            )

    async def _missing_queues(self, records: Sequence[SweepRecord]) -> str:
        if not any(record.swept for record in records):
            return (
                ""  # At the first start the template, or the first message, may still create them.
            )
        lengths = await backlog(self._storage, self._events, self._azure, QUEUES)
        if missing := [name for name in QUEUES if lengths[name] is None]:
            return (
                f"queues that do not exist: {', '.join(missing)}. Fix: deploy the template "
                "again, or create them"
            )
        return ""

    async def _unasked(self) -> str:
        """Say so if nobody asks for what was accepted: whoever does puts it off, or ends it."""
        now = self._clock.now()
        waiting = await self._requests.due(now)
        # Of very many each run asks for some, so that the last of them has to wait for its turn.
        turn = RECHECK_EVERY * (len(waiting) // MOST_REQUESTS)
        if not (waiting and await self._requests.due(now - SLACK - turn)):
            return ""
        return f"the function recheck does not ask for what is due. Fix: {RUNBOOK}"

    def _overdue(self, records: Sequence[SweepRecord]) -> str:
        now = self._clock.now()
        late = [record.vault for record in records if record.due + SLACK < now]
        if not late:
            return ""
        # Anybody may read the answer, so only the log names the vaults.
        log.warning("no sweep ended in time in: %s", ", ".join(late))
        return f"{len(late)} of {len(self._vaults)} vaults were not swept in time. Fix: {RUNBOOK}"

    def _blob(self, vault: str) -> BlobClient:
        digest = hashlib.sha256(vault.encode()).hexdigest()[:40]
        return self._client.get_blob_client(blobs.CONTAINER, f"sweeps/{digest}")

    @cached_property
    def _client(self) -> BlobServiceClient:
        return self._storage.blobs(self._azure)


def _reason(error: RekeyError | TimeoutError) -> str:
    """Return why a look failed. The caller's own deadline is none of these: it ends the caller."""
    return str(error) or f"no answer within {CHECK_SECONDS:.0f} s"
