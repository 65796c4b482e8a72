"""Every call of a rotation, of every kind and strategy, × everything that can go wrong at it.

Then redelivery; then every promise.
"""

from __future__ import annotations

import random

import pytest

from simulator.reach.sabotage import MODES, Mode
from tests.parts import sampled
from tests.proof import real
from tests.proof.places import PAIRED, STORIES, STRATEGIES
from tests.proof.real import DAY, RealCase, Stage
from tests.shared.promises import Ear

PAIRS = 8
"""How many pairs of faults a run tries in each story; `make prove` tries more of them, and
`make prove ARGS=--long` each of the six faults at each call of a kind's own."""

OTHERS = [name for name in STORIES if name not in STRATEGIES]
SINGLE = [name for name, story in STORIES.items() if story().single]
"""Of a single slot nobody knows the password while it has changed and is not published."""


async def played(name: str, plan: dict[int, Mode], ear: Ear) -> Stage:
    """Play a story to its end; whatever breaks says under which plan it did."""
    ear.heard.clear()
    stage = Stage(RealCase(name, tuple(plan.items())), ear)
    try:
        await stage.play()
    except AssertionError as error:
        raise AssertionError(f"{stage.case}: {error}") from error
    return stage


async def strike(name: str, turn: int, at: int, ear: Ear) -> None:
    """Play a story with a fault at one call: of the six each in turn."""
    struck = await played(name, {at: MODES[turn % 6]}, ear)
    assert struck.saboteur.calls > at, "the fault never struck"


@pytest.mark.parametrize("name", sampled(OTHERS, set(OTHERS) & set(PAIRED)))
async def test_every_promise_holds_whatever_happens_at_a_call_of_the_kinds_own(
    name: str, ear: Ear
) -> None:
    """One of the six faults at each call to its source; the others are those of its strategy.

    By day, kinds that share each step with another one are left out.
    """
    whole = await played(name, {}, ear)
    own = real.own_calls(whole.saboteur.trace)
    assert own
    for turn, at in enumerate(own):
        await strike(name, turn, at, ear)


@pytest.mark.parametrize("name", sampled(list(STORIES), STRATEGIES))
async def test_every_promise_holds_whatever_happens_at_any_one_call(name: str, ear: Ear) -> None:
    """Die before it, die after it, lose its answer, throttle it, fail it after its effect, or forbid it.

    Some twelve calls, far from each other, get one of them. By day, one story of each strategy is
    played so.
    """
    calls = (await played(name, {}, ear)).saboteur.calls
    assert calls > 10
    for turn, at in enumerate(range(0, calls, max(2, calls // 12))):
        await strike(name, turn, at, ear)


@pytest.mark.parametrize("name", sampled(PAIRED, set(PAIRED) & set(STRATEGIES)))
async def test_every_promise_holds_whatever_happens_at_two_calls(name: str, ear: Ear) -> None:
    calls = (await played(name, {}, ear)).saboteur.calls
    chosen = random.Random(name)  # noqa: S311 - the same pairs in every run
    for _ in range(PAIRS):
        first, second = sorted(chosen.sample(range(calls + 4), 2))
        await played(name, {first: chosen.choice(MODES), second: chosen.choice(MODES)}, ear)


@pytest.mark.parametrize("name", sampled(SINGLE, ["sql-admin-password", "sql-login-password"]))
async def test_a_refusal_after_the_password_has_changed_is_mended_within_the_hour(
    name: str,
) -> None:
    whole = Stage(RealCase(name))
    await whole.rotate()
    for at in range(whole.saboteur.calls):
        stage = Stage(RealCase(name, ((at, "forbid"),)))
        began = stage.rig.clock.now()
        await stage.rotate()
        assert stage.place.accepts(stage.rig.latest(stage.place.name)), (
            f"refused at call {at}: nobody knows the password"
        )
        assert (stage.rig.clock.now() - began).total_seconds() < DAY / 24
