"""A report whose process dies, or whose calls fail, at any one call: nothing accepted is lost."""

from __future__ import annotations

import contextlib
import itertools
from datetime import timedelta
from functools import partial

import pytest

from api.answers import Answer
from engine.service import Service
from simulator.reach.sabotage import MODES, Died, Mode, Saboteur
from tests.api.test_leaks import audit, leak, leaky, progress, rotate, settle
from tests.shared.delivery import Delivery
from tests.shared.policies import PolicyRig


async def told(rig: PolicyRig, saboteur: Saboteur, leaked: str) -> Answer | None:
    """Report a value; None where nobody was answered."""
    with contextlib.suppress(Died):
        return await leak(rig.api(saboteur), leaked)
    return None


def fresh(rig: PolicyRig, saboteur: Saboteur) -> Service:
    """Start a new process, at whose calls the same saboteur stands."""
    saboteur.revive()
    return rig.service(saboteur)


@pytest.mark.parametrize("mode", MODES)
async def test_whatever_happens_at_any_call_of_a_report_what_leaked_is_refused_in_the_end(
    mode: Mode,
) -> None:
    """Every third call gets each of the six; so each call gets two of them.

    Whoever gets no answer, or is told to, reports again; whoever gets a 202 does nothing.
    """
    for at in itertools.count(MODES.index(mode) % 3, 3):
        rig = leaky()
        await audit(rig, "app-key", "other")
        leaked = rig.latest("app-key").value
        saboteur = Saboteur({at: mode})
        answer = await told(rig, saboteur, leaked)
        if saboteur.calls <= at:
            break
        if answer is None or answer.status != 202:
            assert answer is None or answer.status >= 400 or answer.body["status"] == "alive", (
                answer
            )
            answer = await leak(rig.api(), leaked, act=True)
            assert answer.status == 202
        await settle(rig)
        assert leaked not in {key.value for key in rig.world.accounts["appdata"].keys.values()}
        assert await progress(rig.api(), answer) == "ended"
        assert len(rig.vault.versions("app-key")) == 2, (mode, at)
    assert at > 10


@pytest.mark.parametrize("superseded", [False, True])
async def test_an_accepted_leak_is_never_called_ended_while_it_works_wherever_its_worker_dies(
    superseded: bool,
) -> None:
    for at in itertools.count(superseded, 3):
        rig = leaky()
        leaked = rig.latest("app-key").value
        if superseded:
            await rotate(rig)
        kept = rig.latest("app-key").value
        answer = await leak(rig.api(), leaked)
        saboteur = Saboteur({at: "die after"})
        account, api = rig.world.accounts["appdata"], rig.api()

        delivery = Delivery(rig, partial(fresh, rig, saboteur))
        for _ in range(10):
            if leaked in {key.value for key in account.accepted_keys()}:
                assert await progress(api, answer) != "ended", at
            if not rig.queue("rotations"):
                break
            await delivery.run_one()
        await Delivery(rig, rig.service).run(within=timedelta(hours=2))
        accepted = {key.value for key in account.accepted_keys()}
        assert leaked not in accepted
        assert not superseded or kept in accepted
        assert await progress(api, answer) == "ended"
        if saboteur.calls <= at:
            break
    assert at > 10
