"""The in-process transport.

Microsoft's clients of every kind, faults around each call, time that costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from azure.core import AsyncPipelineClient
from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.policies import AsyncRetryPolicy
from azure.core.pipeline.transport import HttpRequest as OldHttpRequest
from azure.core.rest import HttpRequest
from azure.keyvault.secrets.aio import SecretClient
from azure.mgmt.storage.aio import StorageManagementClient
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from simulator.azure import SUBSCRIPTION, Azure
from simulator.clock import EPOCH, VirtualClock, virtual_clock
from simulator.reach.server import connection_string
from simulator.reach.transport import (
    Call,
    Intercept,
    SimulatedCredential,
    SimulatedTransport,
    as_request,
    forget_challenges,
)
from simulator.wire import Request, Response

ACCOUNT = "shopdata"
VAULT = "shop"


class Death(BaseException):
    """A process that dies: no `except Exception` may catch it."""


class Echo:
    """A service that answers with what it was sent."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    def answers(self, host: str) -> bool:
        return host == "echo.example"

    def handle(self, request: Request) -> Response:
        self.seen.append(request)
        return Response(
            200, {"Content-Type": "application/json"}, b'{"method": "%s"}' % request.method.encode()
        )


@pytest.fixture
def clock() -> VirtualClock:
    """A virtual clock."""
    return VirtualClock()


@pytest.fixture
def world(clock: VirtualClock) -> Azure:
    """A world with an account, a vault, and an identity that may do everything."""
    azure = Azure(now=clock)
    azure.add_account(ACCOUNT)
    azure.add_vault(VAULT)
    azure.grant(azure.add_principal("rekey"), ["*"], f"/subscriptions/{SUBSCRIPTION}")
    return azure


@pytest.fixture
def echo(world: Azure) -> Echo:
    """An echo in the world."""
    service = Echo()
    world.services.append(service)
    return service


@pytest.fixture
def credential(world: Azure) -> SimulatedCredential:
    """The credential of the identity that may do everything."""
    return SimulatedCredential(world, world.add_principal("rekey"))


def blobs_of(world: Azure, intercept: Intercept | None = None) -> BlobServiceClient:
    transport = SimulatedTransport(world, intercept)
    return BlobServiceClient.from_connection_string(
        connection_string(world, ACCOUNT), transport=transport
    )


async def test_key_vaults_client_passes_its_challenge(
    world: Azure, credential: SimulatedCredential
) -> None:
    forget_challenges()
    client = SecretClient(world.vaults[VAULT].url, credential, transport=SimulatedTransport(world))
    await client.set_secret("name", "value")
    assert (await client.get_secret("name")).value == "value"
    statuses = [exchange.response.status for exchange in world.exchanges]
    assert statuses == [401, 200, 200]
    forget_challenges()
    await client.get_secret("name")
    assert [exchange.response.status for exchange in world.exchanges][3:] == [401, 200]


async def test_the_management_client_lists_and_regenerates_keys(
    world: Azure, credential: SimulatedCredential
) -> None:
    transport = SimulatedTransport(world)
    client = StorageManagementClient(credential, SUBSCRIPTION, transport=transport)
    before = await client.storage_accounts.list_keys("production", ACCOUNT)
    after = await client.storage_accounts.regenerate_key("production", ACCOUNT, {"keyName": "key2"})
    assert after.keys_property[0].value == before.keys_property[0].value
    assert after.keys_property[1].value == world.accounts[ACCOUNT].keys["key2"].value


@pytest.mark.parametrize("style", [HttpRequest, OldHttpRequest])
async def test_requests_of_both_styles_are_answered(
    world: Azure, echo: Echo, style: Callable[[str, str], HttpRequest]
) -> None:
    client: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(
        "https://echo.example", transport=SimulatedTransport(world)
    )
    answer = (
        await client._pipeline.run(style("GET", "https://echo.example/a%20b?x=1"))
    ).http_response
    assert (answer.status_code, answer.reason, answer.headers["content-type"]) == (
        200,
        "OK",
        "application/json",
    )
    assert answer.body() == b'{"method": "GET"}'
    assert answer.text() == '{"method": "GET"}'
    assert (echo.seen[0].url, echo.seen[0].path) == ("https://echo.example/a%20b?x=1", "/a b")


async def test_a_streamed_answer_is_read_in_blocks_and_once(world: Azure, echo: Echo) -> None:
    client: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(
        "https://echo.example", transport=SimulatedTransport(world)
    )
    answer = await client.send_request(HttpRequest("GET", "https://echo.example/"), stream=True)
    async with answer:
        assert echo.seen
        assert b"".join([block async for block in answer.iter_bytes()]) == b'{"method": "GET"}'
    old = (
        await client._pipeline.run(OldHttpRequest("GET", "https://echo.example/"), stream=True)
    ).http_response
    assert (
        b"".join([block async for block in old.stream_download(client._pipeline)])
        == b'{"method": "GET"}'
    )


@pytest.mark.parametrize(
    ("content", "body", "content_type"),
    [
        ({"json": {"a": 1}}, b'{"a": 1}', "application/json"),
        ({"content": b"raw"}, b"raw", "application/octet-stream"),
        ({"content": "text"}, b"text", "text/plain"),
        ({"data": {"a": "1 2"}}, b"a=1+2", "application/x-www-form-urlencoded"),
        ({"content": iter([b"a", b"b"])}, b"ab", "application/octet-stream"),
        ({}, b"", ""),
    ],
)
async def test_a_body_arrives_as_the_real_client_sends_it(
    content: dict[str, Any], body: bytes, content_type: str
) -> None:
    arrived = await as_request(HttpRequest("POST", "https://echo.example/", **content))
    assert (arrived.body, arrived.header("content-type")) == (body, content_type)
    assert arrived.header("content-length") == str(len(body))


async def test_a_body_that_cannot_be_sent_is_an_error() -> None:
    request: Any = OldHttpRequest("POST", "https://echo.example/")
    request.data = 17
    with pytest.raises(TypeError, match="int"):
        await as_request(request)


async def test_a_host_that_nobody_answers_for_is_an_unresolved_name(world: Azure) -> None:
    world.remove_account(ACCOUNT)
    url = f"https://{ACCOUNT}.blob.core.windows.net"
    client = BlobServiceClient(url, transport=SimulatedTransport(world), retry_total=0)
    with pytest.raises(ServiceRequestError, match="Name or service not known"):
        await client.get_service_properties()


async def test_death_before_a_call_leaves_the_world_as_it_was(world: Azure) -> None:
    async def die(_: Request, __: Call) -> Response:
        raise Death

    with pytest.raises(Death):
        await blobs_of(world, die).create_container("locks")
    assert world.exchanges == []
    assert not await blobs_of(world).get_container_client("locks").exists()


async def test_death_after_a_call_leaves_its_effect(world: Azure) -> None:
    async def die(_: Request, call: Call) -> Response:
        await call()
        raise Death

    with pytest.raises(Death):
        await blobs_of(world, die).create_container("locks")
    assert await blobs_of(world).get_container_client("locks").exists()


async def test_a_lost_answer_is_what_microsofts_client_retries(world: Azure) -> None:
    lost: list[Request] = []

    async def lose_first(request: Request, call: Call) -> Response:
        answer = await call()
        if not lost:
            lost.append(request)
            raise ServiceResponseError("the answer was lost")
        return answer

    # A client that another client made sleeps for real between its tries: azure-storage wraps the
    # transport.
    text, transport = connection_string(world, ACCOUNT), SimulatedTransport(world, lose_first)
    container = ContainerClient.from_connection_string(text, "locks", transport=transport)
    with pytest.raises(HttpResponseError) as caught:
        await container.create_container()
    assert caught.value.status_code == 409, (
        "the retry met the container that the first try had made"
    )


async def test_retries_move_the_virtual_clock_and_take_no_time(
    world: Azure, clock: VirtualClock, echo: Echo
) -> None:
    answers = iter([Response(429, {"Retry-After": "3600"}), Response(503), Response(200)])

    async def answer(_: Request, __: Call) -> Response:
        return next(answers)

    client: AsyncPipelineClient[Any, Any] = AsyncPipelineClient(
        "https://echo.example",
        transport=SimulatedTransport(world, answer),
        policies=[AsyncRetryPolicy()],
    )
    response = (
        await client._pipeline.run(HttpRequest("GET", "https://echo.example/"))
    ).http_response
    assert response.status_code == 200
    assert clock.now() - EPOCH >= timedelta(hours=1)
    assert echo.seen == []


async def test_an_intercept_takes_turns_between_workers(world: Azure) -> None:
    """Two workers that ask for one lease, the second always a call ahead: only one gets it."""
    container = await blobs_of(world).create_container("locks")
    await container.upload_blob("lock", b"")
    order: list[str] = []

    def worker(name: str) -> Intercept:
        async def note(_: Request, call: Call) -> Response:
            order.append(name)
            return await call()

        return note

    second = blobs_of(world, worker("second")).get_blob_client("locks", "lock")

    async def yield_to_second(_: Request, call: Call) -> Response:
        await second.acquire_lease(15)
        order.append("first")
        return await call()

    first = blobs_of(world, yield_to_second).get_blob_client("locks", "lock")
    with pytest.raises(HttpResponseError):
        await first.acquire_lease(15)
    assert order == ["second", "first"]


def test_a_worlds_virtual_clock_is_found_behind_its_method(clock: VirtualClock) -> None:
    assert virtual_clock(clock) is clock
    assert virtual_clock(clock.now) is clock
    assert virtual_clock(lambda: EPOCH) is None


async def test_without_a_virtual_clock_nothing_is_advanced(clock: VirtualClock) -> None:
    transport = SimulatedTransport(Azure(now=lambda: EPOCH))
    await transport.sleep(0)
    assert transport.clock is None
    await SimulatedTransport(Azure(now=lambda: EPOCH), clock=clock).sleep(5)
    assert clock.now() == EPOCH + timedelta(seconds=5)


async def test_a_credential_gives_tokens_for_what_is_asked(
    world: Azure, credential: SimulatedCredential
) -> None:
    async with credential:
        token = (await credential.get_token("https://vault.azure.net/.default")).token
        info = (await credential.get_token_info("https://vault.azure.net/.default")).token
    for issued in (token, info):
        principal = world.identities.principal_of(issued, "https://vault.azure.net")
        assert principal is not None
        assert principal.name == "rekey"
