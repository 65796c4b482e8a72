"""How long a password is tried that a server refuses, or is too busy to look at."""

from __future__ import annotations

import pytest

from engine.errors import NeedsHuman, RekeyError, TransientError, VerificationFailed
from rotators.shared.proving import prove
from simulator.clock import VirtualClock
from tests.shared.rig import RigClock

REFUSED = VerificationFailed("refused")


async def proven(*answers: RekeyError) -> float:
    """Return after how many seconds a password is proven that first gets these answers."""
    clock, left = VirtualClock(), list[RekeyError | None]([*answers, None])
    began = clock.now()

    async def refusal() -> RekeyError | None:
        return left.pop(0)

    await prove(RigClock(clock), refusal)
    assert not left
    return (clock.now() - began).total_seconds()


@pytest.mark.parametrize(
    ("answers", "seconds"),
    [
        ((), 0),
        ((REFUSED,), 0.5),
        ((REFUSED,) * 7, 60.5),
        ((TransientError("busy"),), 0.5),
        ((TransientError("busy", retry_after=0.1),), 0.5),
        ((TransientError("busy", retry_after=5),), 5),
        ((TransientError("busy", retry_after=30),), 30),
    ],
)
async def test_a_password_is_tried_for_a_minute_and_when_the_server_asks(
    answers: tuple[RekeyError, ...], seconds: float
) -> None:
    assert await proven(*answers) == seconds


@pytest.mark.parametrize(
    "answers",
    [(REFUSED,) * 8, (TransientError("busy", retry_after=30.1),), (NeedsHuman("locked"),)],
)
async def test_a_longer_pause_is_left_to_the_queue_and_what_never_passes_to_a_person(
    answers: tuple[RekeyError, ...],
) -> None:
    with pytest.raises(type(answers[-1]), match=answers[-1].what):
        await proven(*answers)
