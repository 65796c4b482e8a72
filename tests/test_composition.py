"""The parts put together once: nothing is opened, and the platform's identity is taken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential

from cloud.clock import SystemClock
from cloud.rest.graph import Graph
from cloud.telemetry import setup as telemetry
from composition import build, credential
from engine.errors import TransientError
from rotators.registry import ROTATORS
from simulator.reach.transport import Call, SimulatedTransport
from simulator.wire import Request, Response, json_response
from tests.shared.rig import Rig

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
