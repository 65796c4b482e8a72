"""Microsoft's own client for secrets, end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError, ServiceRequestError
from azure.keyvault.secrets.aio import SecretClient

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.identity import Principal
from simulator.keyvault.state import Vault
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from simulator.world import Domains


@pytest.fixture
async def client(azure: Azure, operator: Principal, vault: Vault) -> AsyncIterator[SecretClient]:
    """The client, as the operator."""
    transport = SimulatedTransport(azure)
    async with SecretClient(
        vault.url, SimulatedCredential(azure, operator), transport=transport
    ) as opened:
        yield opened


async def test_a_secret_comes_back_as_it_was_set(client: SecretClient, clock: VirtualClock) -> None:
    expiry = clock() + timedelta(days=60)
    tags = {"CredentialId": "key1"}
    await client.set_secret(
        "password", "v", expires_on=expiry, not_before=clock(), content_type="text/plain", tags=tags
    )

    secret = await client.get_secret("password")

    properties = secret.properties
    assert (secret.value, properties.expires_on, properties.not_before) == ("v", expiry, clock())
    assert (properties.content_type, properties.tags, properties.enabled) == (
        "text/plain",
        tags,
        True,
    )
    assert (properties.created_on, properties.recovery_level) == (clock(), "Recoverable+Purgeable")


async def test_the_client_asks_once_without_a_token_and_then_with_one(
    client: SecretClient, azure: Azure
) -> None:
    await client.set_secret("password", "v")
    await client.set_secret("password", "w")

    sent = [
        (exchange.response.status, bool(exchange.request.header("authorization")))
        for exchange in azure.exchanges
    ]
    assert sent == [(401, False), (200, True), (200, True)]


async def test_the_client_trusts_a_vault_on_a_port_of_its_own(
    azure: Azure, operator: Principal, vault: Vault
) -> None:
    azure.domains = Domains.loopback(8443)
    transport = SimulatedTransport(azure)
    async with SecretClient(
        vault.url, SimulatedCredential(azure, operator), transport=transport
    ) as moved:
        made = await moved.set_secret("password", "v")

    assert str(made.id).startswith("https://northwind.vault.localhost:8443/secrets/password/")


@pytest.mark.parametrize("empty_pages", [False, True])
async def test_sixty_secrets_come_in_pages_of_twenty_five(
    client: SecretClient,
    azure: Azure,
    vault: Vault,
    empty_pages: bool,
) -> None:
    vault.empty_pages = empty_pages
    for number in range(60):
        vault.put(f"secret-{number:02}", "v")

    pages = [
        [item async for item in page]
        async for page in client.list_properties_of_secrets().by_page()
    ]

    assert [len(page) for page in pages] == ([0, 25, 0, 25, 0, 10] if empty_pages else [25, 25, 10])
    assert [item.name for page in pages for item in page] == [
        f"secret-{number:02}" for number in range(60)
    ]
    assert {item.version for page in pages for item in page} == {None}
    followed = [
        exchange.request.url for exchange in azure.exchanges if "skiptoken" in exchange.request.url
    ]
    assert all(url.startswith("https://northwind.vault.azure.net:443/secrets?") for url in followed)


@pytest.mark.parametrize(("secrets", "pages"), [(0, [0]), (1, [1]), (25, [25]), (26, [25, 1])])
async def test_a_full_page_has_a_next_one_only_where_something_is_left(
    client: SecretClient, vault: Vault, secrets: int, pages: list[int]
) -> None:
    for number in range(secrets):
        vault.put(f"secret-{number:02}", "v")

    listed = [
        [item async for item in page]
        async for page in client.list_properties_of_secrets().by_page()
    ]

    assert [len(page) for page in listed] == pages


async def test_a_list_shows_the_latest_version_of_each_secret(
    client: SecretClient, vault: Vault
) -> None:
    vault.put("password", "old", tags={"a": "1"})
    vault.put("password", "new", tags={"a": "2"}, enabled=False)

    assert [
        (secret.tags, secret.enabled) async for secret in client.list_properties_of_secrets()
    ] == [({"a": "2"}, False)]


async def test_versions_are_listed_with_their_ids(client: SecretClient, vault: Vault) -> None:
    made = {vault.put("password", str(number)).version for number in range(30)}

    listed = [
        version.version async for version in client.list_properties_of_secret_versions("password")
    ]

    assert set(listed) == made
    assert listed == sorted(made)


async def test_an_update_keeps_what_it_does_not_name_and_replaces_the_tags(
    client: SecretClient, clock: VirtualClock, vault: Vault
) -> None:
    expiry = clock() + timedelta(days=60)
    old = vault.put(
        "password", "v", expires=expiry, tags={"a": "1", "b": "2"}, content_type="text/plain"
    )
    clock.advance(5)

    changed = await client.update_secret_properties("password", old.version, tags={"c": "3"})

    assert (changed.tags, changed.expires_on, changed.content_type) == (
        {"c": "3"},
        expiry,
        "text/plain",
    )
    assert (changed.created_on, changed.updated_on) == (clock() - timedelta(seconds=5), clock())
    held = vault.find("password", old.version)
    assert held is not None
    assert held.value == "v"


async def test_an_update_without_a_version_changes_the_latest(
    client: SecretClient, vault: Vault
) -> None:
    vault.put("password", "old")
    vault.put("password", "new")

    await client.update_secret_properties("password", enabled=False)

    assert [version.enabled for version in vault.versions("password")] == [True, False]


async def test_a_new_version_inherits_nothing(
    client: SecretClient, clock: VirtualClock, vault: Vault
) -> None:
    vault.put(
        "password", "v", expires=clock(), tags={"a": "1"}, content_type="text/plain", enabled=False
    )

    made = await client.set_secret("password", "w")

    properties = made.properties
    assert (properties.expires_on, properties.tags, properties.content_type) == (None, None, None)
    assert properties.enabled is True


async def test_the_latest_version_is_the_newest_even_within_one_second(
    client: SecretClient, vault: Vault
) -> None:
    for value in ("first", "second", "third"):
        vault.put("password", value)

    assert (await client.get_secret("password")).value == "third"


async def test_the_latest_version_is_the_newest_even_if_it_is_disabled(
    client: SecretClient, vault: Vault
) -> None:
    vault.put("password", "old")
    vault.put("password", "new", enabled=False)

    with pytest.raises(HttpResponseError, match="not allowed on a disabled secret"):
        await client.get_secret("password")


async def test_an_older_version_stays_readable(client: SecretClient, vault: Vault) -> None:
    old = vault.put("password", "old")
    vault.put("password", "new")

    assert (await client.get_secret("password", old.version)).value == "old"


@pytest.mark.parametrize("days", [-1, 1])
async def test_a_version_outside_its_validity_can_still_be_read(
    client: SecretClient, vault: Vault, clock: VirtualClock, days: int
) -> None:
    vault.put(
        "password",
        "v",
        expires=clock() + timedelta(days=days),
        not_before=clock() + timedelta(days=days),
    )

    assert (await client.get_secret("password")).value == "v"


async def test_a_name_is_found_however_it_is_capitalised(
    client: SecretClient, vault: Vault
) -> None:
    vault.put("Password", "v")

    assert (await client.set_secret("PASSWORD", "w")).name == "Password"
    assert (await client.get_secret("password")).value == "w"


async def test_deletion_takes_four_seconds_and_recovery_brings_all_versions_back(
    client: SecretClient, vault: Vault, clock: VirtualClock
) -> None:
    vault.put("password", "old")
    vault.put("password", "new")
    began = clock()

    deleted = await client.delete_secret("password")
    assert clock() - began >= timedelta(seconds=4)
    assert deleted.scheduled_purge_date == began + timedelta(days=90)
    with pytest.raises(ResourceNotFoundError):
        await client.get_secret("password")
    assert [secret.name async for secret in client.list_deleted_secrets()] == ["password"]

    await client.recover_deleted_secret("password")
    assert [version.value for version in vault.versions("password")] == ["old", "new"]
    assert (await client.get_secret("password")).value == "new"


async def test_a_purged_secret_leaves_its_name_free(client: SecretClient, vault: Vault) -> None:
    vault.put("password", "v")
    await client.delete_secret("password")

    await client.purge_deleted_secret("password")

    await client.set_secret("password", "w")
    assert [version.value for version in vault.versions("password")] == ["w"]


async def test_a_managed_secret_says_so(client: SecretClient, vault: Vault) -> None:
    kid = f"{vault.url}/keys/certificate/0123456789abcdef0123456789abcdef"
    vault.amend(vault.put("certificate", "v"), kid=kid)

    certificate = await client.get_secret("certificate")
    listed = [secret async for secret in client.list_properties_of_secrets()]

    assert (certificate.properties.managed, certificate.properties.key_id) == (True, kid)
    assert [secret.managed for secret in listed] == [True]


async def test_a_vault_that_does_not_exist_has_no_address(
    azure: Azure, operator: Principal
) -> None:
    client = SecretClient(
        "https://missing.vault.azure.net",
        SimulatedCredential(azure, operator),
        transport=SimulatedTransport(azure),
        retry_total=0,
    )
    with pytest.raises(ServiceRequestError):
        await client.get_secret("password")


async def test_the_client_waits_out_throttling(
    client: SecretClient, vault: Vault, clock: VirtualClock
) -> None:
    vault.put("password", "v")
    vault.others.limit, vault.retry_after = 1, 10
    began = clock()

    values = [(await client.get_secret("password")).value for _ in range(3)]

    assert values == ["v", "v", "v"]
    assert clock() - began == timedelta(seconds=20)
