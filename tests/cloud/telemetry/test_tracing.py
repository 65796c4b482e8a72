"""A span a work item with a child a step, in its event's trace, and the operation's id on all."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from azure_functions_runtime.otel import configure_opentelemetry, update_opentelemetry_status
from opentelemetry import context
from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from engine.errors import RekeyError, TransientError
from engine.service import MAX_TRIES
from tests.api.test_leaks import TRUSTED, leak, leaky
from tests.shared.collected import Collected, attributes, dims
from tests.shared.consuming import SHOP
from tests.shared.rig import Rig
from tests.shared.scene import NAME, refuse, scene, to_arm, to_vault

TRACE, CALL = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALL}-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-01"


@pytest.fixture
def invoked() -> Iterator[None]:
    """Begin a function call as Microsoft's worker does, with the trace context that the host hands it."""
    before = context.attach(context.Context())
    update_opentelemetry_status()
    configure_opentelemetry(
        SimpleNamespace(trace_context=SimpleNamespace(trace_parent=PARENT, trace_state=""))
    )
    yield
    context.detach(before)


def event(rig: Rig) -> str:
    """Return the event that Key Vault sends of the secret."""
    id_ = f"{rig.vault.url}/secrets/{NAME}/{rig.latest(NAME).version}"
    data = {"Id": id_, "VaultName": "prod", "ObjectName": NAME}
    kind = "Microsoft.KeyVault.SecretNearExpiry"
    return json.dumps({"id": "event", "eventType": kind, "subject": NAME, "data": data})


@pytest.mark.usefixtures("invoked")
async def test_the_trace_goes_from_the_event_through_the_queue_to_steps(sent: Collected) -> None:
    rig = scene()
    service = rig.service()
    await service.on_event(event(rig))
    (message,) = rig.messages("rotations")
    assert message["trace"] == PARENT
    await service.rotate(json.dumps(message), 1)
    (rotation,) = sent.named("rekey.rotation")
    assert rotation.parent
    assert format_span_id(rotation.parent.span_id) == CALL
    contexts = [span.context for span in sent.spans if span.context]
    assert {format_trace_id(context.trace_id) for context in contexts} == {TRACE}


@pytest.mark.usefixtures("invoked")
async def test_every_step_of_a_leak_is_in_its_turn_in_its_reports_trace(sent: Collected) -> None:
    rig = leaky(f"{TRUSTED}consumers: [{{match: {{secret: app-key}}, resources: ['{SHOP}'], "
                "graceSeconds: 5}]\n")  # fmt: skip
    await leak(rig.api(), rig.latest("app-key").value)
    (message,) = rig.messages("rotations")
    await rig.service().rotate(json.dumps(message), 1)
    spans = sorted(sent.spans, key=lambda span: span.start_time or 0)
    names = [span.name.removeprefix("rekey.") for span in spans]
    turns = ["match", "prove", "rotation", "issue", "verify", "publish", "refresh", "retire"]
    assert [name for name in dict.fromkeys(names) if name in turns] == turns
    assert names.index("retire") < names.index("disprove")
    assert {format_trace_id(span.context.trace_id) for span in spans if span.context} == {TRACE}


@pytest.mark.usefixtures("invoked")
async def test_a_rotation_in_another_trace_is_linked_to_its_function_call(sent: Collected) -> None:
    rig = scene()
    await rig.service().rotate(rig.item(NAME, trace=OTHER).to_json(), 1)
    (rotation,) = sent.named("rekey.rotation")
    assert rotation.parent
    assert format_trace_id(rotation.parent.trace_id) == "1" * 32
    assert [format_trace_id(link.context.trace_id) for link in rotation.links] == [TRACE]


@pytest.mark.parametrize(
    "trace", [None, 7, "", "nonsense", PARENT.upper(), PARENT + "-00", [PARENT]]
)
@pytest.mark.usefixtures("invoked")
async def test_a_message_without_a_trace_or_with_nonsense_belongs_to_its_function_call(
    trace: object, sent: Collected
) -> None:
    rig = scene()
    await rig.service().rotate(
        json.dumps({**json.loads(rig.item(NAME).to_json()), "trace": trace}), 1
    )
    (rotation,) = sent.named("rekey.rotation")
    assert rotation.parent
    assert format_span_id(rotation.parent.span_id) == CALL
    assert attributes(rotation)["rekey.outcome"] == "rotated"


async def test_what_a_rotation_posts_is_in_its_trace_and_is_a_failed_try(sent: Collected) -> None:
    rig = scene()
    refuse(rig, 429, "Throttled", to_arm("regenerateKey"), Retry_After="60")
    await rig.service().rotate(rig.item(NAME, trigger="event", trace=PARENT).to_json(), 1)
    (message,) = rig.messages("rotations")
    assert message["deferred"] == 1
    assert message["trace"].split("-")[1] == TRACE
    failed = dims(rotator="storage-key", trigger="event", outcome="failed")
    assert sent.metric("rekey.rotations") == {failed: 1}


async def test_an_item_that_waits_for_another_worker_has_not_failed(sent: Collected) -> None:
    rig = scene()
    source = rig.world.accounts["appdata"].resource_id.lower()
    async with rig.service().engine.leases.hold(source, str(rig.item(NAME).ref)):
        await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), 1)
    (rotation,) = sent.named("rekey.rotation")
    assert attributes(rotation)["rekey.outcome"] == "waiting"
    assert rotation.status.is_ok or rotation.status.is_unset


async def test_a_rotation_is_one_span_with_a_child_a_step(sent: Collected) -> None:
    rig = scene()
    await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), 1)
    (rotation,) = sent.named("rekey.rotation")
    children = [span for span in sent.spans if span.parent == rotation.context]
    assert [span.name for span in children] == [
        f"rekey.{step}" for step in ("read", "lease", "read", "issue", "verify", "publish")
    ]
    assert len(sent.spans) == 1 + len(children)
    assert {**attributes(rotation), "rekey.operation": ""} == {
        "rekey.operation": "",
        "rekey.vault": rig.vault.url,
        "rekey.secret": NAME,
        "rekey.action": "rotate",
        "rekey.trigger": "event",
        "rekey.outcome": "rotated",
        "rekey.rotator": "storage-key",
        "rekey.steps": "claim, rotate, claim, report",
    }


async def test_steps_take_their_own_time_and_wait_for_the_operation(sent: Collected) -> None:
    rig = scene()
    source = rig.world.accounts["appdata"].resource_id.lower()
    await rig.service().rotate(rig.item(NAME, trigger="sweep", source=source).to_json(), 1)
    spans = sorted(sent.spans, key=lambda span: span.start_time or 0)[1:]
    for earlier, later in itertools.pairwise(spans):
        assert (earlier.end_time or 0) <= (later.start_time or 0)


@pytest.mark.parametrize("hinted", [True, False])
@pytest.mark.parametrize("pinned", [True, False])
async def test_the_operation_is_on_every_span_every_record_and_the_outcome(
    sent: Collected, *, pinned: bool, hinted: bool
) -> None:
    rig = scene()
    version = rig.latest(NAME).version
    source = rig.world.accounts["appdata"].resource_id.lower()
    item = rig.item(NAME, version=version if pinned else None, source=source if hinted else None)
    await rig.service().rotate(item.to_json(), 1)
    operation = item.about(version).operation
    assert operation
    assert {attributes(span).get("rekey.operation") for span in sent.spans} == {operation}
    assert {(record.log_record.attributes or {}).get("operation") for record in sent.records()} == {
        operation
    }
    assert json.loads(str(sent.records()[-1].log_record.body))["operation"] == operation


async def test_records_of_any_logger_below_carry_the_operation_while_an_item_is_in_hand_and_not_after(
    sent: Collected,
) -> None:
    rig = scene()
    service, item = rig.service(), rig.item(NAME, version=rig.latest(NAME).version)
    with service.engine.reporter.handling(item):
        logging.getLogger("rekey.leases").info("inside")
    logging.getLogger("rekey.leases").info("outside")
    attributes = {
        record.log_record.body: record.log_record.attributes or {} for record in sent.records()
    }
    assert attributes["inside"]["operation"] == item.operation
    assert "operation" not in attributes["outside"]


@pytest.mark.parametrize("tries", [1, MAX_TRIES - 1])
async def test_a_try_that_comes_back_fails_span_and_metric(tries: int, sent: Collected) -> None:
    rig = scene()
    refuse(rig, 503, "Busy", to_vault("PUT"))
    with pytest.raises(TransientError):
        await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), tries)
    (rotation,) = sent.named("rekey.rotation")
    assert attributes(rotation)["rekey.outcome"] == "failed"
    assert attributes(rotation)["rekey.steps"] == "claim, rotate"
    assert rotation.status.status_code is StatusCode.ERROR
    (publish,) = sent.named("rekey.publish")
    assert attributes(publish)["error.type"] == "TransientError"
    failed = dims(rotator="storage-key", trigger="event", outcome="failed")
    assert sent.metric("rekey.rotations") == {failed: 1}


async def test_the_last_try_is_parked_and_not_failed_besides(sent: Collected) -> None:
    rig = scene()
    refuse(rig, 503, "Busy", to_vault("PUT"))
    await rig.service().rotate(rig.item(NAME, trigger="event").to_json(), MAX_TRIES)
    assert sent.metric("rekey.rotations") == {
        dims(rotator="storage-key", trigger="event", outcome="parked"): 1
    }
    assert sent.metric("rekey.parked") == {dims(vault=rig.vault.url, secret=NAME): 1}
    (rotation,) = sent.named("rekey.rotation")
    assert attributes(rotation)["rekey.outcome"] == "parked"


async def test_a_poison_message_is_a_parked_item_with_its_span(sent: Collected) -> None:
    rig = scene()
    await rig.service().park(rig.item(NAME, trigger="event").to_json(), "message")
    (rotation,) = sent.named("rekey.rotation")
    assert attributes(rotation)["rekey.outcome"] == "parked"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 429, 500])
@pytest.mark.parametrize("where", [to_vault("GET"), to_vault("PUT"), to_arm("regenerateKey")])
async def test_whatever_is_refused_no_value_and_no_person_is_in_the_telemetry(
    where: Any, status: int, sent: Collected
) -> None:
    rig = scene()
    values = {key.value for account in rig.world.accounts.values() for key in account.keys.values()}
    refuse(rig, status, "Refused", where)
    who = "someone@example.com"
    item = rig.item(NAME, requested_by=who, reason="asked by Jo")
    for _ in range(2):
        with suppress(RekeyError):
            await rig.service().rotate(item.to_json(), 1)
    values |= {
        key.value for account in rig.world.accounts.values() for key in account.keys.values()
    }
    values |= {version.value for version in rig.vault.versions(NAME)}
    assert sent.named("rekey.rotation")
    assert not [value for value in values if value in sent.everything()]
    assert not [span.name for span in sent.spans if span.events or span.status.description]
    spans = "".join(span.to_json() for span in sent.spans) + repr(sent.points())
    assert who not in spans
    assert "asked by Jo" not in spans
