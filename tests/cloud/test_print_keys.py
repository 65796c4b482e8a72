"""The keys of prints: which versions of their secret count, and what is kept if a read fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from cloud.print_keys import KEPT_SECONDS, LEAST_KEY, MOST_KEYS, PrintKeys
from cloud.vaults import KeyVaults
from engine.service import Service
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.shared.policies import EMPTY, PolicyRig, policy
from tests.shared.rig import RigClock
from tests.shared.scene import refuse

NAME, OTHER = "leak-key", "other-key"


@pytest.fixture
def rig() -> PolicyRig:
    rig = PolicyRig()
    rig.push(f"{EMPTY}leaks:\n  keySecret: {NAME}\n")
    return rig


def put(rig: PolicyRig, length: int = LEAST_KEY, name: str = NAME) -> SecretVersion:
    """Write a new key, as a person does, a second after the last one."""
    rig.clock.advance(1)
    return rig.vault.put(name, "k" * length)


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


async def test_a_key_that_cannot_be_read_is_not_asked_for_again_at_every_step(
    rig: PolicyRig,
) -> None:
    """Work waits for that read, and most of it needs no print."""
    service = rig.service()
    assert await keys_of(service) == []
    rig.calls()
    assert await keys_of(service) == []
    assert rig.calls() == {}


@pytest.mark.parametrize("is_refused", [False, True])
async def test_a_policy_that_names_another_key_makes_no_print_under_the_former_one(
    rig: PolicyRig, *, is_refused: bool
) -> None:
    vaults = KeyVaults(rig.azure(), frozenset([rig.vault.url]))
    keys = PrintKeys(vaults, RigClock(rig.clock))
    versions = {name: put(rig, name=name).version for name in (NAME, OTHER)}
    if is_refused:
        refuse(rig, 403, "ForbiddenByRbac", lambda request: f"/secrets/{OTHER}" in request.path)
    for name, version in versions.items():
        prints = await keys.current(policy(f"leaks:\n  keySecret: {name}\n"))
        assert [*prints.keys] == ([] if is_refused and name == OTHER else [version])


async def test_where_no_key_is_in_memory_its_read_may_take_longer(
    rig: PolicyRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.print_keys.PATIENCE_SECONDS", 0)

    async def slow(request: Request, call: Call) -> Response:
        del request
        await asyncio.sleep(0)
        return await call()

    key = put(rig)
    assert await keys_of(rig.service(slow)) == [key.version]
