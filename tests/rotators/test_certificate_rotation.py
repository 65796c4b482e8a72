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
    rig.managed(value=rig.pair.pfx)
    await rotate(rig)
    old, new = rig.alive()
    current = rig.latest(NAME)
    assert old == rig.first
    assert rig.holds(current.value) == new.der
    assert (current.tags or {})["CredentialId"] == new.key_id
    assert (current.tags or {})[RETIRE].endswith(f" {rig.first.key_id}")
    assert current.expires == new.end.timestamp()


async def test_a_key_pair_that_takes_a_minute_is_published_all_the_same(
    rig: CertificateRig,
) -> None:
    rig.managed()
    rig.vault.creation_delay = days(1) / 1440
    await rotate(rig)
    assert rig.holds(rig.latest(NAME).value) == rig.alive()[-1].der != rig.first.der


async def test_a_certificate_and_a_secret_of_one_application_do_not_exclude_each_other(
    rig: CertificateRig,
) -> None:
    password = rig.directory.add_password(rig.app, "by hand")
    rig.managed()
    tags = {
        "ProviderAddress": rig.app.app_id,
        "CredentialId": password.key_id,
        "ValidityPeriodDays": "90",
    }
    soon = rig.clock.now() + days(5)
    rig.vault.put("app-secret", password.secret, expires=soon, tags=tags)
    await sweep(rig)
    assert rig.latest("app-secret").value != password.secret
    assert rig.holds(rig.latest(NAME).value) != rig.first.der
