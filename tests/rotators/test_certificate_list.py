"""For how long a list of certificates that lacks a change just made is taken for an old one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import TransientError
from tests.shared.certificate_rig import CertificateRig
from tests.shared.graph_rig import days
from tests.shared.rig import OPERATION

NEXT = "11111111-2222-5333-8444-555555555555"
TEN_MINUTES = 600


@pytest.fixture
def rig() -> CertificateRig:
    """A world with one application."""
    return CertificateRig()


async def test_a_certificate_that_a_person_removed_delays_tidying_for_ten_minutes(
    rig: CertificateRig,
) -> None:
    rotator = rig.rotator()
    leftover = await rotator.issue(rig.job())
    newest = await rotator.issue(rig.job(operation=NEXT, in_place=True))
    gone = next(key for key in rig.alive() if key.key_id == newest.credential_id)
    rig.directory.remove_certificate(rig.app, gone)
    rig.clock.advance(TEN_MINUTES - 1)
    with pytest.raises(TransientError, match="lags behind"):
        await rotator.tidy(rig.source, OPERATION, keep=None)
    rig.clock.advance(1)
    await rotator.tidy(rig.source, OPERATION, keep=None)
    assert leftover.credential_id not in {key.key_id for key in rig.alive()}
    assert rig.alive() == [rig.first]


@pytest.mark.parametrize(("after", "stays"), [(TEN_MINUTES - 1, False), (TEN_MINUTES, True)])
async def test_a_certificate_that_a_person_lists_again_stays_after_ten_minutes(
    rig: CertificateRig, after: int, *, stays: bool
) -> None:
    rotator, began = rig.rotator(), rig.clock.now()
    issued = await rotator.issue(rig.job())
    making = (rig.clock.now() - began).total_seconds()
    held = issued.fields["certificate"]
    await rotator.retire(rig.source, rig.first.key_id, held)
    first = rig.first
    lifetime = (first.start, first.start + days(365))
    rig.directory.add_certificate(rig.app, first.der, lifetime, first.name, first.key_id)
    rig.clock.advance(after - making)
    job = rig.job(operation=NEXT)
    await rotator.issue(replace(job, held=held, held_id=issued.credential_id))
    assert (first.key_id in {key.key_id for key in rig.alive()}) is stays
