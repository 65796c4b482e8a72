"""Deliberate bugs, each of which the proof must find.

What is broken, where to look, and which promise it breaks.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from cloud import azure
from engine import parts
from engine.errors import TransientError
from engine.follow_up import refresh
from engine.parts import Parts
from engine.planning import decision as decide
from engine.planning import inventory
from engine.rotation import (
    controller,
    issue,
    leaked,
    ownership,
    publish,
    report,
    retire,
    source_lease,
    steps,
    verify,
)
from engine.rotation.context import Rotation
from engine.rotation.derived import Dependents, ParentKey
from engine.rotation.issue import Rollback
from engine.rotation.observe import Observed
from engine.rotation.proof import Proof
from engine.rotation.source_lease import SourceLease
from engine.rotation.vault_writer import Replicas, VaultWriter
from engine.secret import Draft, SecretRef, SecretVersion
from engine.service import Service
from engine.state import record as records
from engine.state import tags
from engine.state.policy import Policy
from engine.state.record import Record, Stale
from engine.state.request import WorkItem, operation_id
from engine.state.tag_texts import Window
from engine.state.tags import CAUSE, Managed, Pending
from engine.sweep import sweeper
from engine.sweep.incidents import IncidentSweep
from engine.sweep.pace import Pace
from engine.sweep.sweeper import Sweeper
from tests.proof import findings
from tests.proof.closer_mutants import CLOSER
from tests.proof.kernel import Worker
from tests.proof.listed_kind import ReplacedList
from tests.proof.model_leases import ModelLease
from tests.proof.model_vaults import ModelVaults
from tests.proof.mutant import Break, Mutant, function, in_place_of, method, overlap
from tests.proof.ports import ModelQueue

__all__ = ["MUTANTS", "Mutant", "violations"]

MEMORY = "tests/engine/state/test_record_memory.py"
DERIVED = "tests/engine/rotation/test_derived.py"
RECORDS = "tests/adversary/test_records.py"


@in_place_of(Proof, "issued")
async def _publish_before_verify(_: Any, self: Proof, managed: Any, issued: Any) -> Any:
    del self, managed
    return issued


def _no_reading_again_under_the_lease(patch: pytest.MonkeyPatch) -> None:
    read, of = ModelVaults.read, WeakKeyDictionary[Worker, dict[SecretRef, SecretVersion]]()

    async def stale(self: ModelVaults, ref: SecretRef) -> SecretVersion:
        seen = of.setdefault(self.hand.worker, {})
        if self.hand.worker.lease is None or ref not in seen:
            seen[ref] = await read(self, ref)
        return seen[ref]

    patch.setattr(ModelVaults, "read", stale)


def _operation_id_at_random(patch: pytest.MonkeyPatch) -> None:
    for module in (decide, publish, verify, ownership, parts):
        patch.setattr(module, "operation_id", lambda *_: str(uuid.uuid4()))


@in_place_of(issue, "new_credential")
async def _retire_before_publish(issue: Any, at: Rotation, secret: Any, **options: Any) -> Any:
    issued = await issue(at, secret, **options)
    managed, rotator = at.managed, at.rotator
    await rotator.retire(managed.source, str(managed.credential_id), issued.fields["key"])
    return issued


def _sdk_retries_what_changes(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(azure.CHANGING, "retry_total", 3)


@in_place_of(SourceLease, "changing")
@asynccontextmanager
async def _calls_without_a_bound(_: Any, self: SourceLease, step: str) -> Any:
    del self, step
    yield


def _asked_for(record: Record) -> tuple[str, ...]:
    version = record.change.version
    return (operation_id(SecretRef.parse(record.owner), version),) if version else ()


def _no_recheck(patch: pytest.MonkeyPatch) -> None:
    """Have no record say when its source is looked at again."""
    _hints_are_lost(patch)
    patch.setattr(Record, "next_check", None)


def _looks_once_only(patch: pytest.MonkeyPatch) -> None:
    """Note once when a source is looked at again, and not a second time."""
    _hints_are_lost(patch)
    scheduled = Record.scheduled

    def forgetful(self: Record, now: Any) -> Record:
        if self.change.open_since:
            return scheduled(self, now)
        return replace(self, change=replace(self.change, recheck_at=None))

    patch.setattr(Record, "scheduled", forgetful)


_hints_are_lost = method(SourceLease, "_hint")


@in_place_of(verify, "current")
async def _rechecks_without_end(confirm: Any, at: Rotation, secret: Any, reason: str) -> Any:
    await at.parts.queue.post_rotation(at.progress.item, 60.0)
    return await confirm(at, secret, reason)


@in_place_of(Rollback, "back")
async def _nothing_undone(*arguments: Any, **_: Any) -> Any:
    _back, _self, problem = arguments
    return problem


@in_place_of(SourceLease, "changing")
@asynccontextmanager
async def _undone_without_the_lease(changing: Any, self: SourceLease, step: str) -> Any:
    if step != "undo":
        async with changing(self, step):
            yield
    else:
        yield


def _compromised_undone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rollback, "_is_unwanted", False)


@in_place_of(decide, "_in_its_window")
def _window_binds_rechecks(judge: Any, case: Any, reason: str) -> Any:
    return judge(replace(case, item=replace(case.item, recheck=False)), reason)


@in_place_of(Parts, "job")
def _heal_takes_the_other_slot(job: Any, self: Parts, secret: Any, managed: Any, **_: Any) -> Any:
    return job(self, secret, managed)


@in_place_of(Parts, "job")
def _every_version_is_rekeys_own(
    job: Any, self: Any, secret: Any, managed: Any, *, in_place: bool = False, **_: Any
) -> Any:
    return job(self, secret, managed, proven=True, in_place=in_place)


@in_place_of(ModelVaults, "disable")
async def _latest_disabled(_: Any, self: ModelVaults, ref: SecretRef, version: str) -> None:
    del version
    latest = str(self.hand.world.vault[ref][-1].version)
    again = latest in self.hand.world.watch.enabled_again
    effect = lambda: self._disable(ref, latest, again=again)  # noqa: E731
    await self.hand.reach("disable", effect, changes=True, about=ref)


def _drafted(change: Callable[[Draft, SecretVersion], Draft]) -> Break:
    """Return a break of what a new version looks like."""

    @in_place_of(publish, "new_version")
    def other(version: Any, secret: Any, *rest: Any) -> Draft:
        return change(version(secret, *rest), secret)

    return other


def _tagged(**tags: str) -> Callable[[Draft, SecretVersion], Draft]:
    return lambda new, _: replace(new, tags={**new.tags, **tags})


def _value_in_the_cause(new: Draft, _: SecretVersion) -> Draft:
    return replace(new, tags={**new.tags, CAUSE: f"now {new.value.reveal()}"})


def _owner_dropped(new: Draft, _: SecretVersion) -> Draft:
    return replace(new, tags={tag: text for tag, text in new.tags.items() if tag != "Owner"})


def _owner_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("engine.rotation.vault_writer.OURS", tags.OURS | {"Owner"})
    _drafted(_owner_dropped)(patch)


@in_place_of(VaultWriter, "unchanged")
async def _type_forgotten(unchanged: Any, self: VaultWriter, secret: Any) -> Any:
    return replace(await unchanged(self, secret), content_type="application/x-none")


def _ten_years(new: Draft, secret: SecretVersion) -> Draft:
    return replace(new, expires=secret.created + timedelta(days=3650))


@in_place_of(Rotation, "tidy")
async def _tidied_without_exception(
    tidy: Any, self: Rotation, operation: str, keep: str | None
) -> None:
    del keep
    await tidy(self, operation, None)


def _replicas_forgotten(patch: pytest.MonkeyPatch) -> None:
    method(Replicas, "write", [])(patch)
    method(Replicas, "catch_up")(patch)


def _replicas_after_the_primary(patch: pytest.MonkeyPatch) -> None:
    publish, write = VaultWriter.publish, Replicas.write
    later: list[Callable[[], Any]] = []

    async def postponed(self: Replicas, *arguments: Any, **options: Any) -> list[Any]:
        later.append(lambda: write(self, *arguments, **options))
        return []

    async def last(self: VaultWriter, secret: Any, new: Any, *rest: Any, **options: Any) -> Any:
        published = await publish(self, secret, new, *rest, **options)
        while later:
            await later.pop()()
        return published

    patch.setattr(Replicas, "write", postponed)
    patch.setattr(VaultWriter, "publish", last)


@in_place_of(Service, "rotate")
async def _failures_swallowed(rotate: Any, self: Service, text: str, tries: int) -> None:
    try:
        await rotate(self, text, tries)
    except TransientError:
        return


@in_place_of(publish, "version")
async def _value_in_the_report(
    publish: Any, at: Rotation, secret: Any, issued: Any, *rest: Any
) -> Any:
    published = await publish(at, secret, issued, *rest)
    at.progress.reason = f"now {issued.fields['key'].reveal()}"
    return published


def _request_about_any_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WorkItem, "about", lambda self, version: replace(self, version=version))


@in_place_of(tags, "parked")
def _incident_marks_the_next_version(
    parked: Any, secret: Any, reason: str, now: Any, **options: Any
) -> Any:
    return parked(secret, reason, now, **{**options, "compromised": True})


@in_place_of(leaked, "settle")
async def _compromised_taken_for_gone(
    _: Any, at: Rotation, secret: Any, version: str, decision: Any
) -> None:
    del secret, decision
    await at.observed.settle(version, "confirm")


def _guessable(new: Draft, _: SecretVersion) -> Draft:
    digest = hashlib.sha256(
        f"{new.tags['CredentialId']}\n{new.value.reveal()}".encode()
    ).hexdigest()
    return replace(new, tags={**new.tags, CAUSE: digest[:32]})


@in_place_of(VaultWriter, "retag")
async def _tags_of_the_first_read(
    retag: Any, self: VaultWriter, secret: SecretVersion, ours: Any, step: str
) -> Any:
    """Set tags back to what they were when the work began."""
    reads = self.lease.parts.vaults

    class Old:
        def __getattr__(self, name: str) -> Any:
            return getattr(reads, name)

        async def read(self, ref: SecretRef) -> SecretVersion:
            fresh = await reads.read(ref)
            return replace(fresh, tags=secret.tags) if fresh.version == secret.version else fresh

    await retag(
        VaultWriter(replace(self.lease, parts=replace(self.lease.parts, vaults=Old()))),
        secret,
        ours,
        step,
    )
    return replace(secret, tags={**secret.tags, **ours})


@in_place_of(inventory, "_without_source")
def _shown_as_unmanaged(without: Any, case: Any, _: Any) -> Any:
    return without(case, ())


@in_place_of(ModelQueue, "post_rotation")
async def _at_once(post: Any, self: ModelQueue, item: WorkItem, delay: float = 0.0) -> None:
    await post(self, item, 0.0 if item.tries.deferred else delay)


def _digest(answer: bool) -> Break:
    return function(Record, "fits", lambda self, write, *_: bool(self and write and answer))


@in_place_of(Record, "landed")
def _pending_forgotten(landed: Any, self: Record, secret: Any) -> Any:
    return replace(landed(self, secret), to_retire=())


@in_place_of(retire, "superseded")
async def _pending_never_forgotten(original: Any, at: Rotation, *secret: Any) -> Any:
    owed = at.record.to_retire
    retired = await original(at, *secret)
    at.lease.learn(replace(at.record, to_retire=owed))
    return retired


def _tags_believed(patch: pytest.MonkeyPatch) -> None:
    """Retire what the tag says, where the record has nothing to retire."""
    believed = Record.believed

    def gullible(self: Record, secret: SecretVersion) -> SecretVersion:
        better = believed(self, secret)
        mine = {
            tag: secret.tags[tag] for tag in (tags.RETIRE, tags.OPERATION) if tag in secret.tags
        }
        return replace(better, tags={**better.tags, **mine})

    async def superseded(at: Rotation, secret: Any, *_: Any) -> Any:
        pending = tags.Pending.parse(secret.tags[tags.RETIRE])
        await retire._kept_or_revoked(at, secret, pending)
        return at.observed.believed

    patch.setattr(Record, "believed", gullible)
    patch.setattr(retire, "superseded", superseded)
    patch.setattr(steps, "other_writer", _nobody)


@in_place_of(Service, "_work")
async def _closed_at_once(work: Any, self: Service, item: WorkItem, tries: int) -> None:
    await self.engine.close(item)
    await work(self, item, tries)


async def _nobody(*_: Any, **__: Any) -> None:
    """See no other writer."""


@in_place_of(VaultWriter, "unchanged")
async def _gate_without_a_fresh_read(
    _: Any, self: VaultWriter, secret: SecretVersion
) -> SecretVersion:
    del self
    return secret


def _not_announced(patch: pytest.MonkeyPatch) -> None:
    method(publish, "_announce")(patch)
    patch.setattr(Observed, "landed", lambda self, version, _: self.retagged(version))


def _endless_looks(patch: pytest.MonkeyPatch) -> None:
    """Never tell anybody of a change that does not end."""
    for module in (controller, source_lease, records):
        patch.setattr(module, "LONGEST_CHANGE", timedelta(days=400))


def _not_looked_for(patch: pytest.MonkeyPatch) -> None:
    _hints_are_lost(patch)
    due: Any = Record.next_check
    patch.setattr(
        Record,
        "next_check",
        property(lambda self: None if self.change.in_progress_since else due.fget(self)),
    )


@in_place_of(Rotation, "job")
def _asked_forgotten(job: Any, self: Rotation, secret: Any, **more: Any) -> Any:
    """Take what an earlier try asked for, and got, for nothing: it is asked for once more."""
    return replace(job(self, secret, **more), asked=None)


@in_place_of(ParentKey, "keyed")
async def _outlasting(keyed: Any, self: ParentKey, ref: SecretRef, job: Any) -> Any:
    """Let what is made from a key last as long as its owner asks, whenever its key ends."""
    return replace(await keyed(self, ref, job), expires=job.expires)


def _written_from_the_first_list(patch: pytest.MonkeyPatch) -> None:
    """Write the list back as it was read when the work began."""
    read, first = ReplacedList._read, WeakKeyDictionary[Worker, Any]()

    async def early(self: ReplacedList, listing: Any) -> Any:
        worker = self.hand.worker
        if worker not in first:
            first[worker] = await read(self, listing)
        return first[worker]

    patch.setattr(ReplacedList, "_read", early)


def _in_the_same_place(managed: Managed, pending: Pending, item: WorkItem) -> bool:
    return item.compromised and pending.credential_id == managed.credential_id


@in_place_of(source_lease, "recheck_of")
def _rechecks_without_a_version(right: Any, ref: SecretRef, source: str, _: str) -> Any:
    """Forget for which version a recheck was promised."""
    return right(ref, source)


def _one_pace(patch: pytest.MonkeyPatch) -> None:
    """Let the timer count what may refuse its secret and what is only to be revoked together."""
    first = list[Pace]()

    def pace(scopes: Any, *rest: Any) -> Pace:
        if scopes:
            return Pace(scopes, *rest)
        if first:
            return first.pop()
        first.append(Pace(scopes, records.RECHECK_EVERY))
        return first[0]

    patch.setattr(sweeper, "Pace", pace)


SLOTS, ONE, MANY = "two-slots", "one-slot", "many"
ANY_SLOT = (f"one/{SLOTS}", f"one/{MANY}", f"one/{ONE}")
INCIDENTS = tuple(
    f"{name}/{kind}" for kind in (SLOTS, MANY, ONE) for name in ("incident", "incident-alone")
)


@in_place_of(Record, "seen")
def _believing(right: Any, record: Any, *shown: Any) -> Any:
    """Take what a vault shows for what it holds, whatever was published since."""
    try:
        return right(record, *shown)
    except Stale:
        return record


MUTANTS: Mapping[str, Mutant] = {
    "publish before verify": Mutant(_publish_before_verify, "P3", (f"one/{SLOTS}",)),
    "no reading again under the lease": Mutant(
        _no_reading_again_under_the_lease, "gate", (f"one/{SLOTS}",)
    ),
    "operation id at random": Mutant(_operation_id_at_random, "P", (f"one/{MANY}",)),
    "retire before publish": Mutant(_retire_before_publish, "P1", (f"one/{SLOTS}",)),
    "the SDK retries what changes": Mutant(_sdk_retries_what_changes, "P2", ("real:storage-key",)),
    "the lease is not looked after": Mutant(method(ModelLease, "ensure"), "P2", ("seeds",)),
    "changing calls have no bound": Mutant(_calls_without_a_bound, "P2", ("seeds",)),
    "no look after an uncertain change": Mutant(_no_recheck, "P1", (f"one/{ONE}",)),
    "a look is promised once only": Mutant(
        _looks_once_only,
        "P1",
        test="tests/adversary/test_outages.py::"
        "test_a_change_that_lands_late_is_mended_within_five_minutes[storage-9]",
    ),
    "rechecks without end": Mutant(_rechecks_without_end, "resources", (f"one/{ONE}",)),
    "nothing is undone": Mutant(_nothing_undone, "P1", (f"one/{ONE}",)),
    "what is undone is undone without the lease": Mutant(
        _undone_without_the_lease, "P2", (f"people/{ONE}#400",)
    ),
    "a compromised password is set back": Mutant(
        _compromised_undone, "P5", (f"incident-alone/{ONE}", f"incident/{ONE}")
    ),
    "the window binds rechecks": Mutant(
        _window_binds_rechecks,
        "P1",
        test="tests/engine/planning/test_decide.py::test_a_recheck_is_not_bound_by_the_window",
    ),
    "windows are ignored": Mutant(
        function(Window, "next_open", lambda _self, now: now), "window", (f"closed/{SLOTS}",)
    ),
    "healing takes the other slot": Mutant(
        _heal_takes_the_other_slot, "P4", (f"drift-in-overlap/{SLOTS}",)
    ),
    "every version is taken for Rekey's own": Mutant(
        _every_version_is_rekeys_own,
        "P",
        test="tests/adversary/test_people.py::"
        "test_the_key_that_a_person_went_back_to_is_not_revoked",
    ),
    "the latest version is disabled": Mutant(_latest_disabled, "P1", (f"retirement/{SLOTS}",)),
    "no overlap": Mutant(overlap(lambda _: timedelta()), "P4", (f"one/{SLOTS}",)),
    "an overlap of years": Mutant(overlap(lambda wanted: wanted * 300), "P5", (f"one/{SLOTS}",)),
    "the new value in RekeyCause": Mutant(_drafted(_value_in_the_cause), "P6", (f"one/{SLOTS}",)),
    "Owner is dropped": Mutant(_owner_forgotten, "tags", (f"one/{SLOTS}",)),
    "a tag of nobody's is added": Mutant(_drafted(_tagged(Team="b")), "tags", (f"one/{SLOTS}",)),
    "ten years until expiry": Mutant(_drafted(_ten_years), "expiry", (f"one/{SLOTS}",)),
    "no expiry": Mutant(
        _drafted(lambda new, _: replace(new, expires=None)),  # type: ignore[arg-type]
        "expiry",
        (f"one/{SLOTS}",),
    ),
    "the content type is dropped": Mutant(_type_forgotten, "content type", (f"one/{SLOTS}",)),
    "nothing is tidied": Mutant(method(Rotation, "tidy"), "P5", (f"one/{MANY}",)),
    "what is current is tidied too": Mutant(_tidied_without_exception, "P1", (f"one/{MANY}",)),
    "nothing is withdrawn after a person's write": Mutant(
        method(retire, "tidy_abandoned"),
        "P5",
        (f"audited/{MANY}#400", f"incident-and-people/{MANY}#600", f"owners/{MANY}#600"),
    ),
    "replicas are never caught up": Mutant(
        method(Replicas, "catch_up"), "P1", (f"copies-away/{ONE}#60",)
    ),
    "replicas are forgotten": Mutant(_replicas_forgotten, "P1", (f"replicas/{ONE}",)),
    "replicas are published after the primary": Mutant(
        _replicas_after_the_primary, "P1", (f"replicas/{ONE}#400",)
    ),
    "a replica's old version stays": Mutant(
        method(Replicas, "disable_superseded"), "P5", (f"replicas/{SLOTS}",)
    ),
    "no consent anywhere": Mutant(
        function(Replicas, "_problem", lambda *_: None), "P7", (f"stranger/{SLOTS}",)
    ),
    "parking marks nothing": Mutant(method(report, "_mark", ""), "P8", (f"one/{SLOTS}",)),
    "a parked mark is never taken off": Mutant(
        function(tags, "unparked", dict), "P8", (f"one/{SLOTS}",)
    ),
    "a mark rests for ever": Mutant(
        function(
            decide,
            "rests_until",
            lambda secret, *_: (
                secret.created + timedelta(days=400) if tags.STATE in secret.tags else None
            ),
        ),
        "P8",
        (f"one/{SLOTS}",),
    ),
    "failures are swallowed": Mutant(_failures_swallowed, "P8", (f"one/{SLOTS}",)),
    "nothing is ever due": Mutant(
        function(decide, "due_reason", lambda *_: None), "P8", (f"one/{SLOTS}",)
    ),
    "a sweep finds nothing": Mutant(method(Sweeper, "_consider", 0), "P8", (f"one/{SLOTS}",)),
    "a value in the report": Mutant(_value_in_the_report, "P6", (f"one/{SLOTS}",)),
    "scopes are ignored": Mutant(
        function(Policy, "allows", lambda *_: True), "P7", (f"unbound/{SLOTS}",)
    ),
    "the source's owner is ignored": Mutant(
        method(steps, "other_owner"), "P", (f"two-secrets/{SLOTS}",)
    ),
    "a request about any version": Mutant(_request_about_any_version, "P2", (f"forced/{ONE}#10",)),
    "an incident marks the next version": Mutant(
        _incident_marks_the_next_version, "P8", (f"one/{SLOTS}",)
    ),
    "an incident is not noted": Mutant(
        method(Observed, "note_compromised"), "P5", (f"order-and-restore/{SLOTS}#100", *INCIDENTS)
    ),
    "what is compromised is taken for gone": Mutant(
        _compromised_taken_for_gone,
        "P5",
        test="tests/adversary/test_incidents.py::"
        "test_a_leaked_secret_without_credential_id_is_refused_or_parked_as_still_alive",
    ),
    "an accepted request is not stored": Mutant(
        function(Parts, "accept", Parts.post), "P1", (f"reported-and-lost/{SLOTS}",)
    ),
    "a request is closed before its outcome is reported": Mutant(
        _closed_at_once, "P8", (f"lost-request/{SLOTS}",)
    ),
    "nobody looks for what was asked for": Mutant(
        method(sweeper, "recheck_requests"), "P1", (f"lost-request/{SLOTS}",)
    ),
    "a request is never closed": Mutant(method(Parts, "close"), "P1", (f"lost-request/{SLOTS}",)),
    "incident orders send nothing": Mutant(
        method(IncidentSweep, "send", value=True), "P5", (f"order/{SLOTS}",)
    ),
    "an incident's order is sent once": Mutant(
        method(IncidentSweep, "_end", value=True),
        "P5",
        test="tests/engine/test_service_requests.py::"
        "test_what_takes_another_name_after_its_order_is_cut_off_all_the_same",
    ),
    "a compromised credential is restored": Mutant(
        function(Rotation, "effective_item", lambda self: self.item),
        "P5",
        (f"incident-restore/{SLOTS}", "seeds"),
    ),
    "the digest is always believed": Mutant(_digest(True), "P", (f"people/{MANY}#400", "seeds")),
    "the digest is never believed": Mutant(_digest(False), "P", (*ANY_SLOT, "seeds")),
    "nothing is written ahead": Mutant(_not_announced, "P", (*ANY_SLOT, "seeds")),
    "a slot is left alone for longer than the timer allows": Mutant(
        function(records, "LONGEST_SPACING", timedelta(minutes=4)),
        "P1",
        ("lost-applies-and-fails-an-hour/one-slot",),
    ),
    "retirements take the places of what may refuse its secret": Mutant(
        _one_pace, "P1", (f"lost-one/{ONE}",)
    ),
    "no waiting for a settled vault": Mutant(
        function(records, "SETTLE", timedelta()),
        "resources",
        # Schedules told it by how often a source was looked at, which is bounded now.
        test=f"{MEMORY}::test_an_overtaken_write_is_awaited_until_a_minute_after_it_was_announced",
    ),
    "what is to be retired is forgotten": Mutant(_pending_forgotten, "P5", (f"one/{SLOTS}",)),
    "what is retired is not forgotten": Mutant(
        _pending_never_forgotten, "P", (f"retirement/{SLOTS}", f"retirement/{MANY}")
    ),
    "the tag RekeyRetire is believed": Mutant(
        _tags_believed, "P5", (f"forged/{MANY}#100", f"hostile/{MANY}#100")
    ),
    "the gate reads nothing afresh": Mutant(_gate_without_a_fresh_read, "gate", (f"one/{SLOTS}",)),
    "the policy document is written": Mutant(
        function(Policy, "is_own", lambda *_: False), "P7", (f"greedy/{SLOTS}#100",)
    ),
    "a read that lags is believed": Mutant(
        _believing,
        "P",
        test="tests/adversary/test_stale_reads.py::"
        "test_what_reads_the_older_version_cuts_nothing_off"
        "_and_publishes_nothing_unasked[login-rotate it]",
    ),
    "a manual secret is rotated": Mutant(
        function(decide, "is_manual", lambda _: False),
        "people",
        test="tests/adversary/test_people.py::"
        "test_a_secret_that_becomes_manual_in_mid_rotation_is_left_to_its_person",
    ),
    "who fell out of management is not shown": Mutant(
        _shown_as_unmanaged, "P8: app fell out", (f"people/{SLOTS}#100",)
    ),
    "a digest in a tag": Mutant(_drafted(_guessable), "P6", (f"one/{SLOTS}",)),
    "tags are set back to what they were": Mutant(
        _tags_of_the_first_read, "tags", (f"people-in-overlap/{SLOTS}#200", f"owners/{SLOTS}#200")
    ),
    "apps are not waited for": Mutant(
        method(refresh, "hold_back"), "P4", (f"errands/{MANY}#1300", f"errands/{SLOTS}#1300")
    ),
    "a key signs for whoever names it": Mutant(
        function(ParentKey, "_consents", lambda *_: None), "P7", ("derived-consent#100",)
    ),
    "a key that a lagging vault shows signs": Mutant(
        method(ParentKey, "_record"),
        "P4",
        test=f"{DERIVED}::test_an_older_key_that_a_lagging_vault_shows_signs_nothing",
    ),
    "a key goes before what it made": Mutant(
        method(Dependents, "hold_back"), "P1", ("derived-retirement",)
    ),
    "what is made from a key outlasts it": Mutant(_outlasting, "expiry", ("derived-alone",)),
    "nobody looks for the end of a change": Mutant(
        _not_looked_for, "P5", ("slow-incident-alone/two-slow",)
    ),
    "a change that does not end is never told of": Mutant(
        _endless_looks, "P8", ("slow-without-end/two-slow",)
    ),
    "what an earlier try asked for is asked for again": Mutant(
        _asked_forgotten, "P", ("slow/two-slow",)
    ),
    "a list is written back as it was read first": Mutant(
        _written_from_the_first_list, "gate", ("one/listed",)
    ),
    "what is put off comes back at once": Mutant(_at_once, "throttling", (f"one/{SLOTS}",)),
    "what a restore superseded counts as abandoned": Mutant(
        function(Record, "abandoned", property(_asked_for)),
        "P4",
        (f"restored/{MANY}",),
    ),
    "what a record that went back has forgotten is never told of": Mutant(
        function(ownership, "_is_news", lambda *_: False), "P5", (f"rolled-back-twice/{MANY}",)
    ),
    "an incident that no record can note is skipped": Mutant(
        method(steps, "_leaked_here"),
        "P5",
        test="tests/engine/rotation/test_ownership.py::"
        "test_a_leak_of_what_people_rotate_is_noted_where_nobody_owns_its_source",
    ),
    "what an operation without a record made is left": Mutant(
        method(verify, "_tidy_unrecorded"), "P5", (f"records/{MANY}!i8=m1+c14=1+i24=m0+i31=m0",)
    ),
    "a look that its record has forgotten has nothing to look at": Mutant(
        function(Observed, "is_forgotten", property(lambda _: False)),
        "P1",
        test="tests/engine/rotation/test_observed.py::"
        "test_a_look_that_the_record_has_forgotten_looks",
    ),
    "a recheck does not say for which version it was": Mutant(
        _rechecks_without_a_version,
        "P1",
        test=f"{RECORDS}::test_a_record_that_was_lost_in_mid_change_"
        "leaves_no_password_unknown_for_five_minutes",
    ),
    "an incident cuts off whatever has the place of an older key": Mutant(
        function(decide, "_leaked_again", _in_the_same_place),
        "P4",
        ("records-in-incident/two-slots#5005",),
    ),
    "what a healed key has overwritten is retired": Mutant(
        function(publish, "_is_overwritten", lambda *_: False),
        "P8",
        test="tests/engine/rotation/test_draft.py::"
        "test_what_a_healed_credential_has_overwritten_is_not_retired_any_more",
    ),
    "who cannot enable a purged version is told to": Mutant(
        function(leaked, "PURGED_FIX", "enable that version"),
        "P8",
        (f"deleted-in-incident/{SLOTS}#100",),
    ),
    "an audit believes everything": Mutant(method(Proof, "accepted"), "P", (f"drift/{SLOTS}",)),
    **CLOSER,
}


def violations(mutant: Mutant) -> Iterator[tuple[str, str]]:
    """Play the schedules in which a mutant ought to show.

    Yields those in which something is newly broken, and what.
    """
    from tests.proof import search

    for place in mutant.scenarios:
        for case in search.cases(place):
            problem = search.play(case)
            if problem and not findings.known(str(case), problem):
                yield str(case), problem
