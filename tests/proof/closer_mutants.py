"""Deliberate bugs in what the hour, or one worker, does not show.

Each had survived the proof. What was missing is a scenario in which its class can show: a moment
in place of an hour, a second worker, a promise that no message repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.storage.blob.aio import BlobClient

from engine.contract import Issued
from engine.engine import Engine
from engine.errors import MayComeBack, TransientError
from engine.parts import Parts
from engine.rotation import issue, leaked, publish, retire, vault_writer
from engine.rotation.context import Rotation
from engine.rotation.issue import Rollback
from engine.rotation.observe import Observed
from engine.rotation.proof import Proof
from engine.rotation.source_lease import SourceLease
from engine.rotation.vault_writer import Replicas, VaultWriter, _nothing
from engine.secret import Draft, SecretVersion
from engine.service import Service
from engine.state import index
from engine.state.record import SELDOM, Record
from engine.state.record_parts import Compromised
from engine.state.request import Work, WorkItem
from leaks import verdict
from tests.proof.mutant import Mutant, function, in_place_of, method, overlap
from tests.proof.ports import ModelQueue

RECORDS = "tests/cloud/storage/test_leases.py"
RETIRING = "tests/engine/rotation/test_retiring.py"
REPORTED = "tests/adversary/test_reports.py"
REPLICAS = "tests/adversary/test_replicas.py"


@in_place_of(Rollback, "_held")
async def _set_back_to_anything(held: Any, self: Rollback, problem: Any) -> Any:
    _, put_off = await held(self, problem)
    fresh = await self.at.parts.vaults.read(self.at.item.ref)
    return self.at.parts.held(fresh, self.at.managed), put_off


@in_place_of(VaultWriter, "publish")
async def _no_check_at_the_gate(
    publish: Any, self: VaultWriter, secret: Any, new: Any, step: str = "", **_: Any
) -> Any:
    return await publish(self, secret, new, step, _nothing)


@in_place_of(Rotation, "not_revoked")
def _tried_for_ever(
    right: Any, self: Rotation, credential_id: str, still: str = "accepted", **_: Any
) -> Any:
    """Never ask a person for what stays accepted, however often it was revoked."""
    return right(self, credential_id, still)


@in_place_of(Record, "overtaken")
def _forgotten_of_one_operation(right: Any, self: Record, seen: Record) -> Any:
    """Retire nothing for a late write that replaces what the last one replaced."""
    last = right(self, seen)
    return last if last and seen.published and last.replaces != seen.published.replaces else None


def _in_vain_by_its_own_doing(patch: pytest.MonkeyPatch) -> None:
    """Ask what the record says by now whether another look follows."""
    find = SourceLease.learn

    def learn(self: SourceLease, record: Record) -> None:
        find(self, record)
        self.found = record

    patch.setattr(SourceLease, "learn", learn)
    write = SourceLease.write

    async def written(self: SourceLease, record: Record) -> None:
        await write(self, record)
        self.found = self.record

    patch.setattr(SourceLease, "write", written)


def _from_the_start(patch: pytest.MonkeyPatch) -> None:
    """Count the overlap from when the work began."""
    rotate, compose, begun = publish.rotate, publish._draft, dict[int, Any]()

    async def early(at: Rotation, secret: Any, reason: str, *, at_once: bool) -> Any:
        begun[id(at.progress)] = at.now
        return await rotate(at, secret, reason, at_once=at_once)

    def drafted(at: Rotation, secret: Any, issued: Any, overlap: timedelta, held_in: str) -> Draft:
        start = begun.get(id(at.progress), at.now)
        return compose(at, secret, issued, overlap - (at.now - start), held_in)

    patch.setattr(publish, "rotate", early)
    patch.setattr(publish, "_draft", drafted)


def _retired_outside_the_scopes(patch: pytest.MonkeyPatch) -> None:
    begin = SourceLease.begin

    async def unbound(
        self: SourceLease, item: Any, secret: Any, *rest: Any, **options: Any
    ) -> None:
        bound = SourceLease.is_bound
        SourceLease.is_bound = (  # type: ignore[method-assign]
            bound if options.get("kind") else lambda *_: True
        )
        try:
            await begin(self, item, secret, *rest, **options)
        finally:
            SourceLease.is_bound = bound  # type: ignore[method-assign]

    patch.setattr(Rotation, "is_bound", property(lambda _: True))
    patch.setattr(SourceLease, "begin", unbound)


@in_place_of(index, "recheck_due")
def _without_the_open_ones(due: Any, ref: Any, listed: Any, now: Any) -> Any:
    return due(ref, replace(listed, is_open=False), now)


@in_place_of(Rotation, "leave_unsettled")
def _left_for_people_alone(leave: Any, self: Rotation, version: str, error: Any) -> None:
    """Wait with everything for what may come back."""
    if isinstance(error, MayComeBack):
        raise error
    leave(self, version, error)


def _consent_kept(patch: pytest.MonkeyPatch) -> None:
    """Ask each replica's owner once only."""
    problem, known = Replicas._problem, set[object]()

    def kept(self: Replicas, copy: SecretVersion, primary: Any) -> Any:
        if copy.ref in known:
            return None
        found = problem(self, copy, primary)
        if found is None:
            known.add(copy.ref)
        return found

    patch.setattr(Replicas, "_problem", kept)


@in_place_of(Proof, "accepted")
async def _not_renewed(
    _: Any, self: Proof, managed: Any, credential_id: str, credential: Any, step: str
) -> None:
    del step
    await self.lease.parts.rotator(managed).verify(managed.source, credential_id, credential)


@in_place_of(BlobClient, "upload_blob")
async def _without_if_match(upload: Any, self: BlobClient, *content: Any, **options: Any) -> Any:
    options.pop("etag", None)
    options.pop("match_condition", None)
    return await upload(self, *content, **options)


def _empty(self: Record, owner: str, *_: object) -> Record:
    return Record(source=self.source, owner=owner, key=self.key)


@in_place_of(Engine, "_rotation")
async def _without_the_record(peek: Any, self: Engine, *about: Any) -> Any:
    """Preview a rotation as if nothing were under way."""

    async def nothing(source: str) -> None:
        del source

    with pytest.MonkeyPatch.context() as inner:
        inner.setattr(self.leases, "peek", nothing)
        return await peek(self, *about)


def _at_once(patch: pytest.MonkeyPatch) -> None:
    """Put an item that Azure put off back without a delay."""
    work = Service._work

    class Hasty(ModelQueue):
        async def post_rotation(self, item: Work, delay: float = 0.0) -> None:
            await super().post_rotation(item, 0.0 if item.tries.deferred else delay)

    async def hasty(self: Service, item: WorkItem, tries: int) -> None:
        queue = self.engine.queue
        assert isinstance(queue, ModelQueue)
        hurried = Hasty(queue.hand)
        engine = replace(self.engine, queue=hurried)
        await work(replace(self, engine=engine), item, tries)

    patch.setattr(Service, "_work", hasty)


def _refused_for_good(self: Compromised, version: Any, reported: Any = None) -> bool:
    """Believe an old proof, although somebody has reported the version since."""
    del reported
    return version in self.revoked and version not in self.versions


@in_place_of(vault_writer, "_superseded")
def _never_dead(superseded: Any, copy: Any, new: Any, **_: Any) -> Any:
    """Leave an overlap to what a replica held, although its source refuses that."""
    return superseded(copy, new, dead=False)


@in_place_of(retire, "_replicas_written")
async def _written_without_a_date(write: Any, *arguments: Any) -> None:
    """Write the replicas that hold something else, and forget when."""
    await write(*arguments)


async def _trusted(_: Rotation, issued: Issued, __: TransientError) -> Issued:
    return issued


CLOSER: Mapping[str, Mutant] = {
    "who takes a source over begins with an empty record": Mutant(
        function(Record, "passed", _empty), "P5", ("handed-over-in-incident/many#60",)
    ),
    "an incident that is dated ahead is forgotten with its work": Mutant(
        function(publish, "_ahead_of", lambda *_: None),
        "P",
        ("reported-ahead/two-slots",),
    ),
    "what was refused once counts as refused for good": Mutant(
        function(Compromised, "is_refused", _refused_for_good),
        "P5",
        ("reported-and-put-back/two-slots#18", "reported-and-put-back/one-slot#50"),
    ),
    "nobody looks at what a late change may have cut off": Mutant(
        function(Observed, "may_have_replaced", property(lambda _: False)),
        "P1",
        ("two-deployments/two-slots",),
    ),
    "an incident is over although a request may land that brings back what leaked": Mutant(
        function(Observed, "may_come_back", property(lambda _: False)),
        "P5",
        ("set-back-late/one-slot#16", "writers-in-overlap/listed#700003319"),
    ),
    "what may come back holds up the other leaks": Mutant(
        _left_for_people_alone,
        "P5",
        ("both-leaked/listed#600000273",),
    ),
    "what a single slot refuses in mid-change is answered as refused": Mutant(
        function(verdict, "_was_amid", lambda *_: False),
        "P5",
        test="tests/api/test_leaks_of_a_history.py::"
        "test_no_password_of_a_login_is_called_refused_amid_a_change_of_it",
    ),
    "a preview knows nothing of the record": Mutant(
        _without_the_record,
        "P8",
        test=f"{REPORTED}::test_a_leak_reported_in_the_middle_of_a_first_rotation_is_taken",
    ),
    "what a replica held has an overlap although it is dead": Mutant(
        _never_dead,
        "P5",
        test=f"{REPLICAS}::test_a_heal_leaves_no_version_of_a_replica_enabled_that_holds_a_dead_value",
    ),
    "the gate asks no owner again": Mutant(
        _no_check_at_the_gate, "P7", ("false-copies/two-slots#1500", "false-copies/many#1500")
    ),
    "an overlap begins with the work": Mutant(_from_the_start, "P4", ("to-the-second/many",)),
    "an overlap is an hour short": Mutant(
        overlap(lambda wanted: max(wanted - timedelta(hours=1), timedelta())),
        "P4",
        ("to-the-second/two-slots",),
    ),
    "scopes do not bind retirements": Mutant(
        _retired_outside_the_scopes, "P7", ("bound-less-in-overlap/two-slots",)
    ),
    "a record is written without If-Match": Mutant(
        _without_if_match,
        "P",
        test=f"{RECORDS}::test_a_record_that_was_changed_behind_the_lease_is_not_overwritten",
    ),
    "what a list no longer shows counts as gone at once": Mutant(
        method(Proof, "unlisted", value=True),
        "P5",
        test=f"{RETIRING}::test_a_revocation_that_does_not_spread_is_not_called_one",
    ),
    "Retry-After is ignored by way of the queue": Mutant(
        _at_once, "throttling", ("clocks/two-slots#300",)
    ),
    "a source that names hours is asked at every look": Mutant(
        function(Record, "comes_too_late", lambda _, pause: pause > 2 * SELDOM),
        "resources",
        ("slow-by-its-word/two-slow",),
    ),
    "a retirement does not look at replicas": Mutant(
        method(retire, "_wait_for_replicas"), "P1", ("copies-behind/two-slots",)
    ),
    "who reads a replica that was written late has no overlap": Mutant(
        _written_without_a_date, "P4", ("copies-behind/two-slots",)
    ),
    "no sweep takes an incident up": Mutant(_without_the_open_ones, "P5", ("left-open/two-slots",)),
    "what has leaked waits for its replicas": Mutant(
        function(Rotation, "replicas", property(lambda at: Replicas(at.vault_writer, at.managed))),
        "P5",
        ("copies-away-in-incident/two-slots#100",),
    ),
    "a replica's consent is kept": Mutant(
        _consent_kept, "P7", ("false-copies/two-slots#600", "false-copies/many#600")
    ),
    "no lease is renewed while a proof goes on": Mutant(
        _not_renewed, "resources", ("spreading/many",)
    ),
    "a leak is tried where its secret is now": Mutant(
        method(leaked, "held_at", value=""), "P5", ("moved-in-incident/two-slots#50",)
    ),
    "a leak that nothing revokes is tried for ever": Mutant(
        _tried_for_ever,
        "P8",
        test="tests/engine/rotation/test_compromised.py::"
        "test_a_revocation_that_does_not_spread_ends_no_incident",
    ),
    "what people have heard is told anew with each look": Mutant(
        function(Observed, "is_notified", lambda *_: False),
        "resources",
        ("moved-in-both/one-slow#200",),
    ),
    "what a late write of the same operation supersedes is forgotten": Mutant(
        _forgotten_of_one_operation, "P5", ("moved/many#300",)
    ),
    "a later look of a run goes by what the run itself has noted": Mutant(
        _in_vain_by_its_own_doing,
        "P5",
        test="tests/engine/rotation/test_looks.py::"
        "test_the_longer_a_change_takes_the_less_often_its_end_is_looked_for",
    ),
    "a source is given the password of another one": Mutant(
        _set_back_to_anything, "P6", ("moved/one-slot#300",)
    ),
    "what may have been set is published without a proof": Mutant(
        function(issue, "_undoubted", _trusted), "P3", ("applies-and-fails/one-doubtful",)
    ),
    "a record overrules an owner who names another pair of keys": Mutant(
        function(Parts, "believed", lambda _, secret, record: record.believed(secret)),
        "people",
        ("moved-by-a-tag-when-due/two-pairs#103",),
    ),
}
