"""The keys of prints: which versions of their secret count, and what is kept if a read fails."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cloud.print_keys import KEPT_SECONDS, LEAST_KEY, MOST_KEYS
from engine.service import Service
from simulator.keyvault.state import SecretVersion
from tests.shared.policies import EMPTY, PolicyRig
from tests.shared.scene import refuse

NAME = "leak-key"


@pytest.fixture
def rig() -> PolicyRig:
    rig = PolicyRig()
    rig.push(f"{EMPTY}leaks:\n  keySecret: {NAME}\n")
    return rig


def put(rig: PolicyRig, length: int = LEAST_KEY) -> SecretVersion:
    """Write a new key, as a person does, a second after the last one."""
    rig.clock.advance(1)
    return rig.vault.put(NAME, "k" * length)


async def keys_of(service: Service) -> Sequence[str]:
    """Return the versions that count, as the app works with them."""
    return [*(await service.ready()).prints.keys]


async def test_the_newest_enabled_versions_count_the_newest_first(rig: PolicyRig) -> None:
    """A disabled one is read by nobody: it would be refused, and no key would count at all."""
    versions = [put(rig).version for _ in range(MOST_KEYS)]
    disabled = put(rig)
    rig.vault.amend(disabled, enabled=False)
    newest = put(rig)
    assert await keys_of(rig.service()) == [newest.version, *versions[:0:-1]]


async def test_a_text_that_is_too_short_is_no_key(rig: PolicyRig) -> None:
    key = put(rig)
    put(rig, LEAST_KEY - 1)
    assert await keys_of(rig.service()) == [key.version]


async def test_a_read_that_fails_takes_no_key_out_of_use(rig: PolicyRig) -> None:
    """Prints go on under the key in memory: without one, what is written meanwhile gets none."""
    service, key = rig.service(), put(rig)
    assert await keys_of(service) == [key.version]
    newer = put(rig)
    refuse(rig, 403, "ForbiddenByRbac", lambda request: f"/secrets/{NAME}" in request.path)
    rig.clock.advance(KEPT_SECONDS)
    assert await keys_of(service) == [key.version]
    rig.clock.advance(KEPT_SECONDS)
    assert await keys_of(service) == [newer.version, key.version]
