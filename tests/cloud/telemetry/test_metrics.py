"""Counts and gauges: what a sweep saw, what was called, refused and paid."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import nullcontext as _nothing
from contextlib import suppress
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError
from opentelemetry.metrics import CallbackOptions, Observation

from cloud.azure import call
from cloud.databases.servers import Operator
from cloud.meter.metering import PRICES, MeteredDatabases, MeteredSqlServers, price
from cloud.sql.servers import Row
from cloud.telemetry import gauges
from engine.errors import AccessDenied, NeedsHuman, RekeyError, TransientError
from engine.secret import Sensitive
from simulator.wire import Request, Response
from tests.api.test_leaks import leak, leaky
from tests.shared.collected import Collected, Dimensions, dims
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, refuse, scene, to_arm, to_vault

TIMED = "rekey.leak.seconds_to_refusal"
STATES = "ok due overdue parked drifted dropped disabled unmanaged"


async def sweep(rig: Rig) -> None:
    await rig.service().sweep_vault(json.dumps({"vault": rig.vault.url}))


async def rotate(rig: Rig, **fields: Any) -> None:
    """Rotate the secret; what the queue would try again is of no interest here."""
    with suppress(RekeyError):
        await rig.service().rotate(rig.item(NAME, trigger="event", **fields).to_json(), 1)


def states(sent: Collected) -> dict[Any, float]:
    """Return how many secrets are in each state, as the last collection has it."""
    return {
        dict(dimensions)["state"]: value
        for name, dimensions, value in sent.collect()
        if name == "rekey.secrets"
    }


def calls(sent: Collected, **labels: str) -> float:
    """Count the calls with these dimensions."""
    return sum(
        value
        for dimensions, value in sent.metric("rekey.azure.calls").items()
        if set(dims(**labels)) <= set(dimensions)
    )


def varied() -> Rig:
    """Return a vault with secrets in several states."""
    rig = Rig()
    rig.secret("due", rig.account("due"), days_left=29.5)
    rig.secret("fresh", rig.account("fresh"), days_left=80)
    rig.secret("late", rig.account("late"), days_left=-0.5)
    rig.secret("wrong", rig.account("wrong"), tags={"ValidityPeriodDays": "sixty"})
    rig.secret("for-ever", rig.account("forever"), days_left=None)
    rig.secret("off", rig.account("off"), enabled=False)
    rig.vault.put("nobodys", "value")
    return rig


async def test_a_sweep_counts_the_secrets_in_each_state_empty_ones_too(sent: Collected) -> None:
    await sweep(varied())
    counts = states(sent)
    assert counts == dict(zip(STATES.split(), (1, 2, 1, 1, 0, 0, 1, 1), strict=True))


async def test_a_sweep_tells_how_long_each_managed_secret_lasts(sent: Collected) -> None:
    rig = varied()
    await sweep(rig)
    assert sent.metric("rekey.secret.days_to_expiry") == {
        dims(vault=rig.vault.url, secret="due", rotator="storage-key"): 29.5,
        dims(vault=rig.vault.url, secret="fresh", rotator="storage-key"): 80,
        dims(vault=rig.vault.url, secret="late", rotator="storage-key"): -0.5,
        dims(vault=rig.vault.url, secret="wrong", rotator="unknown"): 10,
    }


async def test_what_a_sweep_saw_is_sent_once_and_replaced_by_the_next(sent: Collected) -> None:
    rig = varied()
    await sweep(rig)
    assert states(sent)["unmanaged"] == 1
    assert states(sent) == {}
    del rig.vault.secrets["nobodys"]
    await sweep(rig)
    assert states(sent)["unmanaged"] == 0


async def test_a_sweep_sends_what_it_saw_at_once_and_is_counted(sent: Collected) -> None:
    rig = varied()
    await sweep(rig)
    flushed = {name for name, _, _ in sent.flushed()}
    assert {"rekey.secrets", "rekey.secret.days_to_expiry", "rekey.sweeps"} <= flushed
    assert sent.metric("rekey.sweeps") == {dims(vault=rig.vault.url, outcome="completed"): 1}


async def test_the_gauges_cost_no_call(sent: Collected) -> None:
    rig = scene(days_left=80)
    await sweep(rig)
    rig.calls()
    await sweep(rig)
    assert rig.calls() == {"vault": 1, "host blob": 2}, (
        "the listings, and the record that the sweep came to its end"
    )
    assert states(sent)["ok"] == 1


async def test_a_sweep_that_cannot_list_says_nothing_of_states(sent: Collected) -> None:
    rig = scene()
    refuse(rig, 403, "Forbidden", to_vault("GET"))
    with pytest.raises(AccessDenied):
        await sweep(rig)
    assert not sent.metric("rekey.sweeps")
    assert not sent.metric("rekey.secrets")


@pytest.mark.parametrize("overlapping", [False, True])
async def test_what_leaked_is_timed_from_its_report_until_its_source_refuses_it(
    sent: Collected, overlapping: bool
) -> None:
    rig, name = leaky(), "app-key"
    leaked = rig.latest(name).value
    if overlapping:
        await rig.service().rotate(rig.item(name, force=True).to_json(), 1)
    assert not sent.metric(TIMED)
    await leak(rig.api(), leaked)
    rig.clock.advance(70)
    (message,) = rig.messages("rotations")[-1:]
    await rig.service().rotate(json.dumps(message), 1)
    assert sent.metric(TIMED) == {dims(vault=rig.vault.url, secret=name, rotator="storage-key"): 70}


async def test_each_request_counts_retries_and_refusals_too(sent: Collected) -> None:
    rig = scene(days_left=80)
    refuse(rig, 429, "Throttled", to_vault("GET"), times=2)
    await rotate(rig)
    assert calls(sent, service="keyvault", operation="GetSecret", status="429") == 2
    assert calls(sent, service="keyvault", operation="GetSecret", status="200") == 1


async def test_a_request_without_an_answer_counts_as_failed(sent: Collected) -> None:
    async def unreachable(request: Request, call: Any) -> Response:
        if request.path.endswith("/regenerateKey"):
            raise ServiceRequestError("no such host")
        answer: Response = await call()
        return answer

    rig = scene()
    with pytest.raises(TransientError):
        await rig.service(unreachable).rotate(rig.item(NAME).to_json(), 1)
    assert calls(sent, service="arm", operation="RegenerateKey", status="failed") == 1


async def test_as_many_calls_are_counted_as_are_made_and_cost_what_the_list_prices_say(
    sent: Collected,
) -> None:
    rig = scene()
    await rotate(rig)
    made = rig.calls()
    assert calls(sent, service="keyvault") == made["vault"]
    assert calls(sent, service="arm") == made["arm"]
    assert calls(sent, service="blob") == made["blob"] + made["host blob"]
    expected: dict[Dimensions, float] = {}
    for dimensions, times in sent.metric("rekey.azure.calls").items():
        named: Any = dict(dimensions)
        if paid := price(named["service"], named["operation"]):
            about = dims(service=named["service"])
            expected[about] = expected.get(about, 0) + times * paid
    assert sent.metric("rekey.cost.usd") == pytest.approx(expected)
    assert {dict(labels)["service"] for labels in expected} == {"keyvault", "blob"}


async def test_messages_and_queues_are_counted(sent: Collected) -> None:
    rig = scene()
    await rig.service().engine.queue.post_rotation(rig.item(NAME))
    assert calls(sent, service="queue", operation="PutMessage", status="404") == 1
    assert calls(sent, service="queue", operation="CreateQueue", status="201") == 1
    assert calls(sent, service="queue", operation="PutMessage", status="201") == 1


def test_ten_thousand_reads_cost_three_cents_and_what_has_no_list_price_nothing() -> None:
    assert price("keyvault", "GetSecret") == pytest.approx(0.000003)
    assert all(amount > 0 for prices in PRICES.values() for amount in prices.values())
    assert {price(service, "ListKeys") for service in ("arm", "graph", "login", "sql")} == {None}


@pytest.mark.parametrize(
    ("where", "service"),
    [
        (to_vault("GET"), "keyvault"),
        (to_vault("PUT"), "keyvault"),
        (to_arm("regenerateKey"), "arm"),
        (lambda request: ".queue." in request.host, "queue"),
        (lambda request: request.host.startswith("rekeyhost.blob"), "blob"),
    ],
)
async def test_a_refusal_counts_by_service(where: Any, service: str, sent: Collected) -> None:
    rig = scene()
    refuse(rig, 403, "AuthorizationPermissionMismatch", where)
    await rotate(rig)
    with pytest.raises(RekeyError) if service == "queue" else _nothing():
        await rig.service().engine.queue.post_rotation(rig.item(NAME))
    assert sent.metric("rekey.access.denied") == {dims(where="azure", what=service): 1}


async def test_a_refused_preview_is_counted(sent: Collected) -> None:
    rig = scene()
    refuse(rig, 403, "ForbiddenByRbac", to_vault("GET"))
    assert (await ask(rig.api())).status == 403
    assert sent.metric("rekey.access.denied") == {dims(where="azure", what="keyvault"): 1}


async def test_a_disabled_secret_and_a_dead_key_are_no_denials(sent: Collected) -> None:
    rig = scene(enabled=False)
    await rotate(rig)
    other = scene()
    refuse(
        other, 403, "AuthenticationFailed", lambda request: request.host.startswith("appdata.blob")
    )
    await rotate(other)
    assert calls(sent, status="403") == 2
    assert not sent.metric("rekey.access.denied")


@pytest.mark.parametrize("may_be_refused", [True, False])
async def test_a_refusal_that_a_caller_does_without_is_no_denial(
    sent: Collected, *, may_be_refused: bool
) -> None:
    """The template grants no right to watch a change, and a denial opens an alert."""
    rig = scene()
    refuse(rig, 403, "AuthorizationPermissionMismatch", lambda request: ".blob." in request.host)
    request = rig.settings.storage.blobs(rig.azure()).get_account_information()
    with pytest.raises(AccessDenied):
        await call("following", request, where="there", may_be_refused=may_be_refused)
    assert bool(sent.metric("rekey.access.denied")) is not may_be_refused


def test_a_refused_caller_is_counted_by_route(sent: Collected) -> None:
    scene().service().engine.reporter.denied("caller", "rotate")
    assert sent.metric("rekey.access.denied") == {dims(where="caller", what="rotate"): 1}


class Servers:
    """Database servers of every engine that answer as told."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    async def sign_in(self, *_: object) -> Row:
        if self.error:
            raise self.error
        return (1,)

    execute = rehearse = set_password = sign_in


APP = Operator("rekey", Sensitive("token"))
LOGIN: dict[str, tuple[Any, ...]] = {
    "SignIn": ("server", "shop", "app", Sensitive("password")),
    "Rehearse": ("server", APP, "app"),
    "SetPassword": ("server", APP, "app", Sensitive("password")),
}
CALLS: dict[str, dict[str, tuple[Any, ...]]] = {
    "sql": {
        "SignIn": ("server", "shop", "user", Sensitive("password")),
        "Execute": ("server", "shop", Sensitive("token"), Sensitive("ALTER")),
    },
    "postgresql": LOGIN,
    "mysql": LOGIN,
}


@pytest.mark.parametrize(
    ("error", "status", "denied"),
    [
        (None, "ok", 0),
        (TransientError("busy"), "failed", 0),
        (NeedsHuman("no"), "refused", 0),
        (AccessDenied("no"), "refused", 1),
        (asyncio.CancelledError(), "failed", 0),
    ],
)
@pytest.mark.parametrize("engine", CALLS)
async def test_database_servers_are_counted_under_their_names_by_how_they_answered(
    engine: str, error: BaseException | None, status: str, denied: int, sent: Collected
) -> None:
    inner: Any = Servers(error)
    servers = MeteredSqlServers(inner) if engine == "sql" else MeteredDatabases(inner, engine)
    for operation, arguments in CALLS[engine].items():
        method = re.sub("(?<=.)(?=[A-Z])", "_", operation).lower()
        with pytest.raises(type(error)) if error else _nothing():
            await getattr(servers, method)(*arguments)
    assert sent.metric("rekey.azure.calls") == {
        dims(service=engine, operation=operation, status=status): 1 for operation in CALLS[engine]
    }
    assert sum(sent.metric("rekey.access.denied").values()) == len(CALLS[engine]) * denied


def test_what_is_put_while_a_gauge_is_collected_is_sent_once_too() -> None:
    """The exporter's thread collects: whatever comes meanwhile must neither fail nor get lost."""
    gauge = gauges.OnceGauge("rekey.test", "1", "a test")

    def collected() -> Iterator[float]:
        return (observation.value for observation in gauge._collect(CallbackOptions()))

    for number in range(3):
        gauge.put(f"key {number}", [Observation(number)])
    collecting = collected()
    seen = [next(collecting)]
    gauge.put("key 1", [Observation(11)])
    gauge.put("late", [Observation(4)])
    seen += collecting
    assert sorted([*seen, *collected()]) == [0, 2, 4, 11]
    assert not [*collected()]
