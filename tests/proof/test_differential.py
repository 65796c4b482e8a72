"""The model and Microsoft's SDKs on the simulator agree.

The same fault at the same step leaves the same state behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import pytest

from engine.secret import SecretRef
from engine.state.tags import OPERATION, RETIRE, STATE
from simulator.reach.sabotage import MODES, Mode
from tests.proof.real import RealCase, Stage
from tests.proof.scenarios import SCENARIOS
from tests.proof.schedule import Planned, Schedule
from tests.proof.world import VAULT

PAIRED = {
    "two-slots": "storage-key",
    "many": "service-principal-secret",
    "one-slot": "sql-admin-password",
    "two-logins": "sql-login-password of two logins",
}
STEPS = ("record", "read", "change", "prove", "publish", "release")
CHANGES = ("/regenerateKey", "/addPassword", "EXECUTE ", "PATCH management.")


@dataclass(frozen=True)
class State:
    """What a rotation leaves behind once its messages are gone."""

    versions: int
    ours: bool
    accepted: bool
    to_retire: bool
    parked: bool


def model(kind: str, plan: dict[int, Mode]) -> tuple[State, Sequence[str]]:
    director = Planned(plan)
    schedule = Schedule(SCENARIOS[f"one/{kind}"], director)
    schedule.drain()
    versions = schedule.world.vault[SecretRef(VAULT, "app")]
    tags = versions[-1].tags
    accepted = schedule.world.watch.holds(versions[-1])
    return State(
        len(versions), OPERATION in tags, accepted, RETIRE in tags, STATE in tags
    ), director.labels


def real(kind: str, plan: dict[int, Mode]) -> tuple[State, Sequence[str]]:
    stage = Stage(RealCase(PAIRED[kind], tuple(plan.items())))
    asyncio.run(stage.rotate())
    versions = stage.place.versions()
    tags = versions[-1].tags or {}
    accepted = stage.place.accepts(versions[-1])
    state = State(len(versions), OPERATION in tags, accepted, RETIRE in tags, STATE in tags)
    return state, [line[6:] for line in stage.saboteur.trace]


def model_steps(labels: Sequence[str]) -> dict[str, int]:
    record, publish = labels.index("record"), labels.index("publish")
    read = labels.index("read", record)
    change = next(at for at, label in enumerate(labels) if label.startswith(("set ", "add ")))
    return dict(zip(STEPS, (record, read, change, publish - 1, publish, publish + 1), strict=True))


def real_steps(requests: Sequence[str]) -> dict[str, int]:
    record = next(
        at for at, request in enumerate(requests) if request.startswith("GET rekeyhost.blob.")
    )
    read = next(
        at for at in range(record, len(requests)) if requests[at].startswith("GET prod.vault.")
    )
    publish = next(
        at for at, request in enumerate(requests) if request.startswith("PUT prod.vault.")
    )
    change = max(at for at in range(publish) if any(mark in requests[at] for mark in CHANGES))
    return dict(zip(STEPS, (record, read, change, publish - 1, publish, publish + 1), strict=True))


@pytest.mark.parametrize("kind", PAIRED)
def test_the_same_fault_at_the_same_step_leaves_the_same_state(kind: str) -> None:
    here, there = model_steps(model(kind, {})[1]), real_steps(real(kind, {})[1])
    differing = []
    for step, mode in product(STEPS, MODES):
        modelled, simulated = model(kind, {here[step]: mode})[0], real(kind, {there[step]: mode})[0]
        if modelled != simulated:
            differing.append((step, mode, modelled, simulated))
    assert differing == []
