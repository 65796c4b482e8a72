"""Deliberate bugs, each of which the proof must find: what is broken, where to look, and which promise it breaks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from cloud import azure
from engine.decide import decision as decide
from engine.decide import draft
from engine.errors import TransientError
from engine.model import tags
from engine.model.policy import Policy
from engine.model.workitem import WorkItem
from engine.rotate import engine as rotation
from engine.rotate import replicas, run
from engine.secret import SecretRef, SecretVersion
from engine.service import Service
from tests.proof.ports import ModelLease, ModelVaults

type Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    apply: Break
    promise: str
    """How the violation begins that it must lead to."""
    scenarios: tuple[str, ...]
    """Where to look for it: names of scenarios, or of kinds after `real:`."""


def _publish_before_verify(patch: pytest.MonkeyPatch) -> None:
    async def unproven(self: run.Run, managed: Any, issued: Any) -> Any:
        del self, managed
        return issued

    patch.setattr(run.Run, "_proven", unproven)


def _no_reading_again_under_the_lease(patch: pytest.MonkeyPatch) -> None:
    read, seen = ModelVaults.read, dict[tuple[int, SecretRef], SecretVersion]()

    async def stale(self: ModelVaults, ref: SecretRef) -> SecretVersion:
        key = (id(self.hand.worker), ref)
        if self.hand.worker.lease is None or key not in seen:
            seen[key] = await read(self, ref)
        return seen[key]

    patch.setattr(ModelVaults, "read", stale)


def _operation_id_at_random(patch: pytest.MonkeyPatch) -> None:
    for module in (decide, draft, rotation, run):
        patch.setattr(module, "operation_id", lambda *_: str(uuid.uuid4()))


def _retire_before_publish(patch: pytest.MonkeyPatch) -> None:
    issue = run.Run._issue

    async def hasty(self: run.Run, secret: Any, managed: Any, **options: Any) -> Any:
        issued = await issue(self, secret, managed, **options)
        await self._rotator(managed).retire(managed.source, managed.credential_id, issued.fields["key"])
        return issued

    patch.setattr(run.Run, "_issue", hasty)


def _sdk_retries_what_changes(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(azure.CHANGING, "retry_total", 3)


def _lease_not_looked_after(patch: pytest.MonkeyPatch) -> None:
    async def trusting(self: ModelLease, seconds: float) -> None:
        del self, seconds

    patch.setattr(ModelLease, "ensure", trusting)


def _calls_without_a_bound(patch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def unbounded(self: run.Run, step: str) -> Any:
        del self, step
        yield

    patch.setattr(run.Run, "changing", unbounded)


def _no_follow_up(patch: pytest.MonkeyPatch) -> None:
    async def careless(self: run.Run) -> None:
        del self

    patch.setattr(run.Run, "_promise_to_look_again", careless)


def _follow_up_of_the_first_try_only(patch: pytest.MonkeyPatch) -> None:
    promise = run.Run._promise_to_look_again

    async def forgetful(self: run.Run) -> None:
        if self.tries == 1:
            await promise(self)

    patch.setattr(run.Run, "_promise_to_look_again", forgetful)


def _follow_ups_without_end(patch: pytest.MonkeyPatch) -> None:
    confirm = run.Run._confirm

    async def eager(self: run.Run, secret: Any, managed: Any, reason: str) -> Any:
        await self.engine.queue.post_rotation(self.item, run.FOLLOW_UP_SECONDS)
        return await confirm(self, secret, managed, reason)

    patch.setattr(run.Run, "_confirm", eager)


def _nothing_undone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run, "undoing", lambda *_: nullcontext())


def _undone_without_the_lease(patch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def unguarded(self: run.Run, step: str) -> Any:
        if step != "undo":
            async with changing(self, step):
                yield
        else:
            yield

    changing = run.Run.changing
    patch.setattr(run.Run, "changing", unguarded)


def _window_binds_follow_ups(patch: pytest.MonkeyPatch) -> None:
    judge = decide._rotate_when_due
    patch.setattr(decide, "_rotate_when_due", lambda s, m, item, now: judge(s, m, replace(item, follow_up=0), now))


def _heal_takes_the_other_slot(patch: pytest.MonkeyPatch) -> None:
    job = rotation.Engine.job
    patch.setattr(rotation.Engine, "job", lambda self, secret, managed, **_: job(self, secret, managed))


def _latest_disabled(patch: pytest.MonkeyPatch) -> None:
    async def wrong(self: ModelVaults, ref: SecretRef, version: str) -> None:
        del version
        latest = str(self.hand.world.vault[ref][-1].version)
        await self.hand.reach("disable", lambda: self._disable(ref, latest), changes=True)

    patch.setattr(ModelVaults, "disable", wrong)


def _no_overlap(patch: pytest.MonkeyPatch) -> None:
    version = draft.new_version
    patch.setattr(
        run, "new_version", lambda secret, managed, issued, now, *_: version(secret, managed, issued, now, timedelta())
    )


def _nothing_tidied(patch: pytest.MonkeyPatch) -> None:
    async def untidy(self: run.Run, *_: Any, **__: Any) -> None:
        del self

    patch.setattr(run.Run, "_tidy", untidy)


def _replicas_never_caught_up(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        """Leave the replica as it is."""

    patch.setattr(replicas, "catch_up", nothing)


def _replicas_unproven(patch: pytest.MonkeyPatch) -> None:
    async def forgotten(*_: Any) -> list[Any]:
        return []

    patch.setattr(replicas, "write", forgotten)
    _replicas_never_caught_up(patch)


def _replicas_after_the_primary(patch: pytest.MonkeyPatch) -> None:
    publish = run.Run._publish

    async def last(self: run.Run, secret: Any, managed: Any, issued: Any, overlap: Any, *rest: Any) -> Any:
        published = await publish(self, secret, replace(managed, replicas=()), issued, overlap, *rest)
        written = draft.new_version(secret, managed, issued, self.engine.clock.now(), overlap)
        for ref in managed.replicas:
            async with self.changing("publish replica"):
                for missed in await replicas.write(self.engine.vaults, ref, managed, issued.fields, written):
                    raise missed
        return published

    patch.setattr(run.Run, "_publish", last)


def _park_never_marks(patch: pytest.MonkeyPatch) -> None:
    async def unmarked(*_: Any, **__: Any) -> str:
        return ""

    patch.setattr(rotation.Engine, "_mark", unmarked)


def _mark_never_taken_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tags, "unparked", dict)


def _failures_swallowed(patch: pytest.MonkeyPatch) -> None:
    rotate = Service.rotate

    async def silent(self: Service, text: str, tries: int) -> None:
        try:
            await rotate(self, text, tries)
        except TransientError:
            return

    patch.setattr(Service, "rotate", silent)


def _value_in_the_report(patch: pytest.MonkeyPatch) -> None:
    publish = run.Run._publish

    async def talkative(self: run.Run, secret: Any, managed: Any, issued: Any, *rest: Any) -> Any:
        published = await publish(self, secret, managed, issued, *rest)
        self.reason = f"now {issued.fields['key'].reveal()}"
        return published

    patch.setattr(run.Run, "_publish", talkative)


def _scopes_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Policy, "allows", lambda *_: True)


def _owner_ignored(patch: pytest.MonkeyPatch) -> None:
    async def anybody(*_: Any) -> None:
        """Let every secret have every source."""

    patch.setattr(run, "other_owner", anybody)


def _request_about_any_version(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WorkItem, "about", lambda self, version: replace(self, version=version))


def _incident_with_a_replaced_version_forgotten(patch: pytest.MonkeyPatch) -> None:
    judge = decide._decide

    def blind(secret: Any, managed: Any, item: WorkItem, now: Any) -> Any:
        replaced = item.version not in (None, secret.version)
        return judge(secret, managed, replace(item, compromised=item.compromised and not replaced), now)

    patch.setattr(decide, "_decide", blind)


def _incident_marks_the_next_version(patch: pytest.MonkeyPatch) -> None:
    parked = tags.parked

    def marked(secret: Any, reason: str, now: Any, **options: Any) -> Any:
        return parked(secret, reason, now, **{**options, "compromised": True})

    patch.setattr(tags, "parked", marked)


SLOTS, ONE, MANY = "two-slots", "one-slot", "many"
MUTANTS: Mapping[str, Mutant] = {
    "publish before verify": Mutant(_publish_before_verify, "P3", (f"one/{SLOTS}",)),
    "no reading again under the lease": Mutant(_no_reading_again_under_the_lease, "P1", (f"orders:one/{SLOTS}",)),
    "operation id at random": Mutant(_operation_id_at_random, "P", (f"one/{MANY}",)),
    "retire before publish": Mutant(_retire_before_publish, "P1", (f"one/{SLOTS}",)),
    "the SDK retries what changes": Mutant(_sdk_retries_what_changes, "P2", ("real:storage-key",)),
    "the lease is not looked after": Mutant(_lease_not_looked_after, "P2", ("seeds",)),
    "changing calls have no bound": Mutant(_calls_without_a_bound, "P2", ("seeds",)),
    "no follow-up": Mutant(_no_follow_up, "P1", (f"one/{ONE}",)),
    "a follow-up of the first try only": Mutant(_follow_up_of_the_first_try_only, "P1", (f"pairs:one/{ONE}",)),
    "follow-ups without end": Mutant(_follow_ups_without_end, "resources", (f"one/{ONE}",)),
    "nothing is undone": Mutant(_nothing_undone, "P1", (f"one/{ONE}",)),
    "what is undone is undone without the lease": Mutant(_undone_without_the_lease, "P2", ("seeds",)),
    "the window binds follow-ups": Mutant(_window_binds_follow_ups, "P1", (f"window/{ONE}",)),
    "healing takes the other slot": Mutant(_heal_takes_the_other_slot, "P4", (f"drift-in-overlap/{SLOTS}",)),
    "the latest version is disabled": Mutant(_latest_disabled, "P1", (f"retirement/{SLOTS}",)),
    "no overlap": Mutant(_no_overlap, "P4", (f"one/{SLOTS}",)),
    "nothing is tidied": Mutant(_nothing_tidied, "P5", (f"one/{MANY}",)),
    "replicas are never caught up": Mutant(_replicas_never_caught_up, "P1", (f"replicas/{SLOTS}",)),
    "replicas are forgotten": Mutant(_replicas_unproven, "P1", (f"replicas/{SLOTS}",)),
    "replicas are published after the primary": Mutant(_replicas_after_the_primary, "P1", (f"replicas/{SLOTS}",)),
    "parking marks nothing": Mutant(_park_never_marks, "P8", (f"one/{SLOTS}",)),
    "a parked mark is never taken off": Mutant(_mark_never_taken_off, "P8", (f"one/{SLOTS}",)),
    "failures are swallowed": Mutant(_failures_swallowed, "P8", (f"one/{SLOTS}",)),
    "a value in the report": Mutant(_value_in_the_report, "P6", (f"one/{SLOTS}",)),
    "scopes are ignored": Mutant(_scopes_ignored, "P7", (f"unbound/{SLOTS}",)),
    "the source's owner is ignored": Mutant(_owner_ignored, "P7", (f"two-secrets/{SLOTS}",)),
    "a request about any version": Mutant(_request_about_any_version, "P2", (f"forced/{ONE}",)),
    "an incident with a replaced version is forgotten": Mutant(
        _incident_with_a_replaced_version_forgotten, "P5", (f"orders:incident/{SLOTS}",)
    ),
    "an incident marks the next version": Mutant(
        _incident_marks_the_next_version, "P2", (f"incident-alone/{ONE}", f"one/{SLOTS}")
    ),
}


def violations(mutant: Mutant) -> Iterator[str]:
    """Play the schedules in which a mutant ought to show, and yield what is broken in them."""
    from tests.proof import search

    for place in mutant.scenarios:
        for text in search.cases(place):
            problem = search.play(text)
            if problem:
                yield problem
