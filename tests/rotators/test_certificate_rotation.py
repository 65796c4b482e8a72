"""Whole rotations of an application's certificate, from the message to the vault."""

from __future__ import annotations

import pytest

from engine.model.tags import RETIRE
from tests.shared.certificate_rig import NAME, CertificateRig
from tests.shared.delivery import Delivery
from tests.shared.graph_rig import days


@pytest.fixture
def rig() -> CertificateRig:
    """A world with one application."""
    return CertificateRig()


async def rotate(rig: CertificateRig, **fields: object) -> None:
    version = rig.latest(NAME).version
    await rig.service().queue.post_rotation(
        rig.item(NAME, **{"version": version, "trigger": "event", **fields})
    )
    await Delivery(rig, rig.service).run()


async def sweep(rig: CertificateRig) -> None:
    await rig.service().sweep_vault(f'{{"vault": "{rig.vault.url}"}}')
    await Delivery(rig, rig.service).run()


async def test_a_rotation_publishes_a_key_pair_that_signs_in_and_keeps_the_old_one(
    rig: CertificateRig,
) -> None:
    rig.managed()
    await rotate(rig)
    assert "RekeyReason" not in (rig.latest(NAME).tags or {}), rig.latest(NAME).tags
    old, new = rig.alive()
    current = rig.latest(NAME)
    assert old == rig.first
    assert rig.holds(current.value) == new.der
    assert (current.tags or {})["CredentialId"] == new.key_id
    assert (current.tags or {})[RETIRE].endswith(f" {rig.first.key_id}")
    assert current.expires == new.end.timestamp()


async def test_the_old_certificate_is_removed_once_its_overlap_has_passed(
    rig: CertificateRig,
) -> None:
    rig.managed()
    await rotate(rig)
    rig.clock.advance(7 * 86400 + 60)
    await sweep(rig)
    assert [key.der for key in rig.alive()] == [rig.holds(rig.latest(NAME).value)]
    assert RETIRE not in (rig.latest(NAME).tags or {})
    assert days(1)
