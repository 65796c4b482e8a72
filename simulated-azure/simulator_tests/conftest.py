"""A small Azure with a clock that stands still, and somebody who may do everything in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.identity import Principal
from simulator.keyvault.state import Vault
from simulator.rbac import ROLES
from simulator.reach.transport import forget_challenges
from simulator.storage.accounts import StorageAccount
from simulator_tests import contracts, specs
from simulator_tests.caller import Caller


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that moves only when told to."""
    return VirtualClock()


@pytest.fixture
def azure(clock: VirtualClock) -> Iterator[Azure]:
    """An empty world.

    Whatever it answers in a test is held against Microsoft's documents, where they are at hand.
    """
    forget_challenges()
    world = build_world(clock)
    yield world
    published = specs.folder()
    if published:
        assert contracts.violations(world, published) == []


@pytest.fixture
def operator(azure: Azure) -> Principal:
    """Somebody who may do everything with secrets and with storage accounts, in the whole subscription."""
    principal = azure.add_principal("operator")
    azure.add_group()
    subscription = f"/subscriptions/{next(iter(azure.groups))}"
    azure.grant(
        principal,
        [*ROLES["Key Vault Secrets Officer"], "Microsoft.Storage/storageAccounts/*"],
        subscription,
    )
    return principal


@pytest.fixture
def vault(azure: Azure) -> Vault:
    """An empty vault."""
    return azure.add_vault("northwind")


@pytest.fixture
def account(azure: Azure) -> StorageAccount:
    """A storage account with two keys."""
    return azure.add_account("northwindstore")


@pytest.fixture
def caller(azure: Azure, operator: Principal) -> Caller:
    """Sends requests as the operator."""
    return Caller(azure, operator)


@pytest.fixture
def nobody(azure: Azure) -> Caller:
    """Sends requests with a valid token of somebody who holds no role."""
    return Caller(azure, azure.add_principal("nobody"))


@pytest.fixture
def stranger(azure: Azure) -> Caller:
    """Sends requests without a token."""
    return Caller(azure)
