"""The cloud on loopback: Microsoft's clients over TLS, with the environment that an app gets."""

from __future__ import annotations

import gc
import os
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import aiohttp
import pytest
import requests
from aiohttp import connector
from azure.core.exceptions import ServiceRequestError
from azure.identity import ManagedIdentityCredential as SyncManagedIdentityCredential
from azure.identity.aio import ManagedIdentityCredential
from azure.keyvault.secrets.aio import SecretClient
from azure.mgmt.storage.aio import StorageManagementClient
from azure.storage.blob.aio import BlobServiceClient

from simulator.azure import SUBSCRIPTION, Azure
from simulator.reach.names import resolve_localhost, trust
from simulator.reach.server import Background, serve, start_in_thread
from simulator.world import Domains
from simulator_tests.storage.places import ACCOUNT

ROOT = Path(__file__).parents[2]


def build(domains: Domains) -> Azure:
    """Return a world with an account, a vault, and a managed identity that may do everything."""
    world = Azure(domains=domains)
    world.add_account(ACCOUNT)
    world.add_vault("shop")
    world.managed_identity.system = world.add_principal("rekey")
    world.grant(world.managed_identity.system, ["*"], f"/subscriptions/{SUBSCRIPTION}")
    return world


@pytest.fixture(scope="module")
def cloud() -> Iterator[Background[Azure]]:
    """A cloud in a thread of its own."""
    with start_in_thread(build) as running:
        yield running


@pytest.fixture
def app(cloud: Background[Azure], monkeypatch: pytest.MonkeyPatch) -> Iterator[Background[Azure]]:
    """The same cloud, with this process set up as its app."""
    for name, value in cloud.running.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", ssl.create_default_context())
    undo = resolve_localhost()
    yield cloud
    undo()


async def test_an_app_finds_vault_storage_and_arm_by_its_environment_alone(
    app: Background[Azure],
) -> None:
    domains = app.world.domains
    arm = app.running.environment["REKEY_ARM_ENDPOINT"]
    scopes = [f"{arm}/.default"]
    async with (
        ManagedIdentityCredential() as identity,
        SecretClient(f"https://shop.{domains.vault}", identity) as secrets,
        BlobServiceClient(f"https://{ACCOUNT}.{domains.blob}", identity) as blobs,
        StorageManagementClient(
            identity, SUBSCRIPTION, base_url=arm, credential_scopes=scopes
        ) as storage,
    ):
        await secrets.set_secret("name", "value")
        await blobs.create_container("locks")
        keys = await storage.storage_accounts.list_keys("production", ACCOUNT)
    latest = app.world.vaults["shop"].latest("name")
    assert latest is not None
    assert latest.value == "value"
    assert keys.keys_property[0].value == app.world.accounts[ACCOUNT].keys["key1"].value


def test_clients_built_on_requests_trust_the_certificate_too(app: Background[Azure]) -> None:
    answer = requests.get(
        f"https://{app.world.domains.login}/common/discovery/instance", timeout=60
    )
    assert answer.status_code == 200
    with SyncManagedIdentityCredential() as identity:
        token = identity.get_token("https://vault.azure.net/.default").token
    assert app.world.identities.principal_of(token, "https://vault.azure.net")


async def test_a_connection_string_opens_its_account(app: Background[Azure]) -> None:
    async with BlobServiceClient.from_connection_string(
        app.running.connection_string(ACCOUNT)
    ) as blobs:
        assert (await blobs.get_service_properties())["cors"] == []


async def test_an_unknown_name_gets_no_answer(app: Background[Azure]) -> None:
    url = f"https://nobody.{app.world.domains.blob}"
    async with BlobServiceClient(url, retry_total=0) as blobs:
        with pytest.raises(ServiceRequestError):
            await blobs.get_service_properties()


async def test_a_client_without_the_authority_refuses_the_certificate(
    cloud: Background[Azure],
) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(
                f"https://localhost:{cloud.running.port}/", ssl=ssl.create_default_context()
            )


async def test_trusting_the_authority_reaches_clients_that_were_imported_before(
    cloud: Background[Azure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "")
    monkeypatch.setattr(connector, "_SSL_CONTEXT_VERIFIED", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    undo = resolve_localhost()
    trust(cloud.running.ca_file)
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"https://{cloud.world.domains.login}/common/discovery/instance")
    undo()
    assert answer.status == 200
    assert os.environ["REQUESTS_CA_BUNDLE"] == str(cloud.running.ca_file)


# aiohttp warns of bodies beyond 1 MiB, which is where its server's default limit is too.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_a_large_blob_passes(app: Background[Azure]) -> None:
    async with BlobServiceClient.from_connection_string(
        app.running.connection_string(ACCOUNT)
    ) as blobs:
        container = await blobs.create_container("large")
        blob = await container.upload_blob("blob", b"x" * 3_000_000)
        assert len(await (await blob.download_blob()).readall()) == 3_000_000


async def test_the_port_is_free_again_after_the_end() -> None:
    async with serve(build) as first:
        port, ca_file = first.port, first.ca_file
        assert ca_file.exists()
    assert not ca_file.exists()
    async with serve(build, port=port) as second:
        assert second.port == port


def test_a_thread_that_cannot_start_says_why(cloud: Background[Azure]) -> None:
    with pytest.raises(OSError, match="in use"):
        start_in_thread(build, port=cloud.running.port)


def test_stopping_twice_is_fine() -> None:
    running = start_in_thread(build)
    running.stop()
    running.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", running.running.port)) != 0


def test_stopping_closes_a_connection_that_its_client_keeps_open() -> None:
    background = start_in_thread(build)
    port = background.running.port
    context = ssl.create_default_context(cafile=background.running.ca_file)
    with (
        socket.create_connection(("127.0.0.1", port)) as client,
        context.wrap_socket(client, server_hostname="shop.vault.localhost") as kept,
    ):
        kept.sendall(f"GET / HTTP/1.1\r\nHost: shop.vault.localhost:{port}\r\n\r\n".encode())
        assert kept.recv(1)
        background.stop()
        del background
        gc.collect()  # An unclosed transport warns here, and a warning fails the test.


@pytest.mark.parametrize("name", ["a.localhost", "A.B.LOCALHOST.", b"c.localhost"])
def test_names_under_localhost_resolve_until_it_is_undone(name: str | bytes) -> None:
    original = socket.getaddrinfo
    undo = resolve_localhost()
    addresses = socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
    undo()
    assert [entry[4] for entry in addresses] == [("127.0.0.1", 443)]
    assert socket.getaddrinfo is original


@pytest.mark.parametrize("name", ["127.0.0.1", None])
def test_other_names_resolve_as_before(name: str | None) -> None:
    undo = resolve_localhost()
    addresses = socket.getaddrinfo(name, 443)
    undo()
    assert addresses == socket.getaddrinfo(name, 443)


def test_the_command_prints_an_environment_and_ends_when_interrupted() -> None:
    command = [sys.executable, "-m", "simulator"]
    with subprocess.Popen(command, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True) as process:  # noqa: S603 - our own
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        printed = [next(lines) for _ in range(12)]
        process.terminate()
        _, errors = process.communicate(timeout=60)
    assert errors == ""
    names = [re.match(r"export (\w+)=", line) for line in printed]
    assert {"SSL_CERT_FILE", "IDENTITY_ENDPOINT", "AzureWebJobsStorage", "REKEY_VAULTS"} <= {
        match[1] for match in names if match
    }
