"""Microsoft's own client for storage accounts, end to end."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.storage.aio import StorageManagementClient

from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock import VirtualClock
from simulator.identity import Principal
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from simulator.storage.accounts import StorageAccount


@pytest.fixture
async def client(azure: Azure, operator: Principal) -> AsyncIterator[StorageManagementClient]:
    """The client, as the operator."""
    credential = SimulatedCredential(azure, operator)
    async with StorageManagementClient(
        credential, SUBSCRIPTION, transport=SimulatedTransport(azure)
    ) as opened:
        yield opened


async def test_keys_are_88_characters_of_base64_and_differ(
    client: StorageManagementClient, account: StorageAccount, clock: VirtualClock
) -> None:
    listed = await client.storage_accounts.list_keys(account.group, account.name)

    keys = listed.keys_property
    assert [key.key_name for key in keys] == ["key1", "key2"]
    assert [len(key.value) for key in keys] == [88, 88]
    assert len({base64.b64decode(key.value) for key in keys}) == 2
    assert {key.creation_time for key in keys} == {clock()}


async def test_regeneration_answers_with_all_keys_and_changes_only_one(
    client: StorageManagementClient, account: StorageAccount, clock: VirtualClock
) -> None:
    before = {name: key.value for name, key in account.keys.items()}
    clock.advance(60)

    answered = await client.storage_accounts.regenerate_key(
        account.group, account.name, {"keyName": "key2"}
    )

    after = {key.key_name: key.value for key in answered.keys_property}
    assert after["key1"] == before["key1"]
    assert after["key2"] not in before.values()
    assert [key.creation_time for key in answered.keys_property] == [
        clock() - timedelta(seconds=60),
        clock(),
    ]
    assert {name: key.value for name, key in account.keys.items()} == after


async def test_an_account_tells_its_endpoints_and_whether_keys_work(
    client: StorageManagementClient, account: StorageAccount
) -> None:
    account.allow_shared_key_access = False

    properties = await client.storage_accounts.get_properties(account.group, account.name)

    assert properties.primary_endpoints.blob == "https://northwindstore.blob.core.windows.net/"
    assert properties.primary_endpoints.queue == "https://northwindstore.queue.core.windows.net/"
    assert (properties.kind, properties.allow_shared_key_access) == ("StorageV2", False)


async def test_accounts_of_one_subscription_are_listed(
    client: StorageManagementClient, azure: Azure, account: StorageAccount
) -> None:
    azure.add_account("elsewhere", subscription="99999999-2222-4333-8444-555555555555")

    assert [entry.name async for entry in client.storage_accounts.list()] == [account.name]


async def test_a_path_is_understood_however_it_is_capitalised(
    client: StorageManagementClient, account: StorageAccount
) -> None:
    listing = await client.storage_accounts.list_keys(account.group.upper(), account.name)

    assert len(listing.keys_property) == 2


async def test_the_client_reads_a_refusal(
    client: StorageManagementClient, account: StorageAccount
) -> None:
    with pytest.raises(HttpResponseError, match="InvalidValuesForRequestParameters") as refused:
        await client.storage_accounts.regenerate_key(
            account.group, account.name, {"keyName": "key3"}
        )

    assert refused.value.status_code == 400
