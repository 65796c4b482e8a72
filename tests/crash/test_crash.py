"""Every call of a rotation, of every kind and strategy, × everything that can go wrong at it.

Then redelivery; then every promise.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator

import pytest

from tests.parts import sampled
from tests.proof import real
from tests.proof.places import FAMILY_PLACES, MYSQL, PAIRED, RULE_SIGNATURES, STORIES, STRATEGIES
from tests.proof.real import DAY, RealCase, Stage
from tests.shared.faults import MODES, Mode, share
from tests.shared.promises import Ear

PAIRS = 8
"""How many pairs of faults a run tries in each story; `make prove` tries more of them, and of
single faults all."""


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Listen to all loggers at DEBUG."""
    handler, loggers = (
        Ear(),
        [logging.getLogger(name) for name in (None, "azure", "rekey", "msal", "aiohttp")],
    )
    before = [logger.level for logger in loggers]
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield handler
    loggers[0].removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


async def played(name: str, plan: dict[int, Mode], ear: Ear) -> Stage:
    """Play a story to its end; whatever breaks says under which plan it did."""
    ear.heard.clear()
    stage = Stage(RealCase(name, tuple(plan.items())), ear)
    try:
        await stage.play()
    except AssertionError as error:
        raise AssertionError(f"{stage.case}: {error}") from error
    return stage


@pytest.mark.parametrize("name", [name for name in STORIES if name not in STRATEGIES])
async def test_every_promise_holds_whatever_happens_at_a_call_of_the_kinds_own(
    name: str, ear: Ear
) -> None:
    """Two of the six faults at each call to its source; the others are those of its strategy."""
    whole = await played(name, {}, ear)
    own = real.own_calls(whole.saboteur.trace)
    assert own
    for turn, at in enumerate(own):
        for mode in share(turn):
            assert (await played(name, {at: mode}, ear)).saboteur.calls > at, (
                "the fault never struck"
            )


@pytest.mark.parametrize("name", sampled(list(STORIES), STRATEGIES))
async def test_every_promise_holds_whatever_happens_at_any_one_call(name: str, ear: Ear) -> None:
    """Die before it, die after it, lose its answer, throttle it, fail it after its effect, or forbid it.

    A story that varies another one gets one fault a call, and so does one of the many kinds with
    two keys, one of MySQL, and a signature; the others two. Every second call gets them, of a rule's
    signature every third: `make prove` plays them at each. By day, one story of each strategy is
    played so.
    """
    lean = (*FAMILY_PLACES, *MYSQL, *RULE_SIGNATURES, "storage-sas")
    step = 3 if name in RULE_SIGNATURES else 2
    calls = (await played(name, {}, ear)).saboteur.calls
    assert calls > 10
    for at in range(0, calls, step):
        for mode in share(at // step, 1 if " " in name or name in lean else 2):
            assert (await played(name, {at: mode}, ear)).saboteur.calls > at, (
                "the fault never struck"
            )


@pytest.mark.parametrize("name", sampled(PAIRED, set(PAIRED) & set(STRATEGIES)))
async def test_every_promise_holds_whatever_happens_at_two_calls(name: str, ear: Ear) -> None:
    calls = (await played(name, {}, ear)).saboteur.calls
    chosen = random.Random(name)  # noqa: S311 - the same pairs in every run
    for _ in range(PAIRS):
        first, second = sorted(chosen.sample(range(calls + 4), 2))
        await played(name, {first: chosen.choice(MODES), second: chosen.choice(MODES)}, ear)


@pytest.mark.parametrize("name", [name for name, story in STORIES.items() if story().single])
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
