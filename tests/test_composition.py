"""The parts put together once: nothing is opened, and the platform's identity is taken."""

from __future__ import annotations

import json
from asyncio import StreamReader, StreamWriter, start_server
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from cloud.clock import SystemClock
from cloud.rest.graph import Graph
from cloud.telemetry import setup as telemetry
from composition import build, connect, credential
from engine.errors import TransientError
from rotators.registry import ROTATORS
from simulator.reach.transport import Call, SimulatedCredential, SimulatedTransport
from simulator.wire import Request, Response, json_response
from tests.shared.rig import Rig

type Connected = Callable[[StreamReader, StreamWriter], Awaitable[None]]

IDENTITY = {"IDENTITY_ENDPOINT": "http://127.0.0.1:41741/msi/token", "IDENTITY_HEADER": "x"}


def test_building_opens_nothing_and_knows_every_kind() -> None:
    rig = Rig()
    service = rig.service()
    assert rig.world.exchanges == []
    assert len(service.engine.rotators) == len(ROTATORS)
    assert all(kind == rotator.kind for kind, rotator in service.engine.rotators.items())


def test_only_the_listed_vaults_and_their_scopes_are_handed_on() -> None:
    rig = Rig()
    policy = rig.service().engine.policy
    assert dict(policy.scopes) == dict(rig.settings.scopes)
    assert policy.manages(rig.vault.url)
    assert not policy.manages("https://foreign.vault.azure.net")


def test_each_setting_reaches_the_part_that_it_is_for() -> None:
    rig = Rig()
    names = (
        *("arm_endpoint", "graph_endpoint", "authority", "tenant_id"),
        *("identity_name", "logs_workspace", "logs_endpoint"),
    )
    of_azure: dict[str, Any] = {name: f"the {name}" for name in names}
    settings = replace(rig.settings, deployment="west", **of_azure)
    azure = connect(settings, identity=SimulatedCredential(rig.world, rig.identity))
    assert {name: getattr(azure, name) for name in names} == of_azure
    assert build(settings, identity=azure.credential).engine.policy.deployment == "west"


@pytest.mark.parametrize("client_id", [None, "11112222-aaaa"])
async def test_a_token_is_asked_for_the_identity_that_the_settings_name(
    client_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An app may have several: another one has other rights, or none."""
    for name, text in IDENTITY.items():
        monkeypatch.setenv(name, text)
    sent: list[Request] = []

    async def issue(request: Request, proceed: Call) -> Response:
        del proceed
        sent.append(request)
        token = {"access_token": "x", "expires_on": "4102444800", "resource": "https://v"}
        return json_response(200, token)

    monkeypatch.setattr(AioHttpTransport, "send", SimulatedTransport(Rig().world, issue).send)
    async with credential(client_id, IDENTITY) as identity:
        assert (await identity.get_token("https://v/.default")).token == "x"
    assert [parse_qs(urlsplit(it.url).query).get("client_id") for it in sent] == [
        [client_id] if client_id else None
    ]


async def test_without_a_policy_document_the_settings_are_the_policy() -> None:
    rig = Rig()
    service = rig.service()
    assert (await service.ready()).policy is service.engine.policy
    assert rig.world.exchanges == []


async def test_the_managed_identity_is_used_where_the_platform_offers_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, text in IDENTITY.items():
        monkeypatch.setenv(name, text)
    for client_id in (None, "11112222-aaaa"):
        async with credential(client_id, IDENTITY) as identity:
            assert isinstance(identity, ManagedIdentityCredential)


@pytest.mark.parametrize(("seconds", "calls"), [("6", 1), ("0", 2)])
async def test_a_long_pause_of_the_identity_endpoint_is_left_to_the_queue(
    seconds: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in IDENTITY.items():
        monkeypatch.setenv(name, text)
    sent: list[Request] = []

    async def busy(request: Request, proceed: Call) -> Response:
        del proceed
        sent.append(request)
        return json_response(429, {"message": "too many requests"}, {"Retry-After": seconds})

    rig = Rig()
    monkeypatch.setattr(AioHttpTransport, "send", SimulatedTransport(rig.world, busy).send)
    async with credential(None, IDENTITY) as identity:
        with pytest.raises(TransientError, match="no token") as caught:
            await Graph(rig.azure(credential=identity)).claims("here")
    assert len(sent) == calls
    assert caught.value.retry_after == float(seconds)


async def test_no_proxy_stands_between_the_app_and_its_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It asks for a header that is a secret, and answers on this machine alone."""
    heard: dict[str, bytes] = {}

    def answers(name: str, status: str, body: bytes = b"") -> Connected:
        async def connected(reader: StreamReader, writer: StreamWriter) -> None:
            heard[name] = await reader.readuntil(b"\r\n\r\n")
            head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()
            writer.close()

        return connected

    token = {"access_token": "x", "expires_on": "4102444800", "resource": "https://v"}
    proxy = await start_server(answers("proxy", "502 Bad Gateway"), "127.0.0.1", 0)
    platform = answers("platform", "200 OK", json.dumps(token).encode())
    endpoint = await start_server(platform, "127.0.0.1", 0)
    ports = [server.sockets[0].getsockname()[1] for server in (proxy, endpoint)]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{ports[0]}")
    env = IDENTITY | {"IDENTITY_ENDPOINT": f"http://127.0.0.1:{ports[1]}/msi/token"}
    for name, text in env.items():
        monkeypatch.setenv(name, text)
    async with proxy, endpoint, credential(None, env) as identity:
        assert (await identity.get_token("https://v/.default")).token == "x"
    assert [*heard] == ["platform"]


async def test_elsewhere_it_is_the_developers_own_sign_in() -> None:
    async with credential(None, {}) as identity:
        assert isinstance(identity, DefaultAzureCredential)


def test_without_an_identity_given_the_platforms_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in IDENTITY.items():
        monkeypatch.setenv(name, text)
    assert build(Rig().settings)


@pytest.mark.parametrize(
    "env",
    [
        {},
        {telemetry.CONNECTION: ""},
        {telemetry.CONNECTION: "x", "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "True"},
    ],
)
def test_telemetry_is_left_alone_where_there_is_none_or_the_worker_sends_it(
    env: dict[str, str],
) -> None:
    assert telemetry.configure(env) is False


async def test_the_real_clock_goes_forward_in_utc() -> None:
    clock = SystemClock()
    before, started = clock.now(), clock.monotonic()
    await clock.sleep(0)
    assert before.tzinfo is UTC
    assert datetime(2026, 1, 1, tzinfo=UTC) < before <= clock.now()
    assert clock.monotonic() >= started
