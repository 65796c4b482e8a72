"""Reports say who asked for what and what came of it, hold no value, and never fail a rotation."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta
from typing import Any, get_args

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    ServiceRequestError,
    ServiceResponseError,
)

from cloud.azure import CHANGING, Azure
from cloud.telemetry.reports import EVENTS, Reports, record, record_of_task
from engine.state.entry import SweepSummary
from engine.state.request import Outcome, Result, TaskOutcome, TaskResult
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from simulator.wire import Request, Response, json_response
from tests.shared.builders import NOW, REF, V1, V2, item
from tests.shared.items import task_of
from tests.shared.rig import Rig

TOPIC = "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"
OUTCOME = Outcome(
    item(
        version=V1,
        trigger="manual",
        requested_by="ops@example.com",
        reason="incident 7",
        force=True,
        compromised=True,
    ),
    "rotated",
    "compromised",
    rotator="storage-key",
    source="/subscriptions/x",
    old_version=V1,
    new_version=V2,
    credential_id="key2",
    next_due=NOW + timedelta(days=60),
    retired=("key1",),
)

ENDS = tuple(dict.fromkeys((*get_args(Result), *get_args(TaskResult))))


async def told(reports: Reports, result: Any) -> None:
    """Report that something has ended so, with a version and a reason."""
    if result in get_args(Result):
        await reports.concluded(Outcome(item(version=V1), result, "why"))
    else:
        task = task_of(REF, "refresh", version=V1, trigger="event", reason="a new version")
        await reports.followed(TaskOutcome(task, result, "why", version=V2))


class Topic:
    """What stands at the topic's address: keeps what arrives, and answers as told."""

    def __init__(self, answer: Response | Exception | None = None) -> None:
        self.rig = Rig()
        self.requests: list[Request] = []
        self.answer = answer or Response(200)

    async def __call__(self, request: Request, call: object) -> Response:
        del call
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def azure(self) -> Azure:
        transport = SimulatedTransport(self.rig.world, self)
        credential = SimulatedCredential(self.rig.world, self.rig.identity)
        return Azure(credential, options={"transport": transport})

    def reports(self, topic: str | None = TOPIC) -> Reports:
        return Reports(self.azure(), topic)


def test_a_record_says_who_what_why_and_what_came_of_it() -> None:
    entry = record(OUTCOME)
    assert entry == {
        "vault": "https://prod.vault.azure.net",
        "secret": "app-key",
        "result": "rotated",
        "reason": "compromised",
        "fix": "",
        "operation": OUTCOME.item.operation,
        "action": "rotate",
        "trigger": "manual",
        "requested_by": "ops@example.com",
        "asked_because": "incident 7",
        "compromised": True,
        "forced": True,
        "rotator": "storage-key",
        "source": "/subscriptions/x",
        "old_version": V1,
        "new_version": V2,
        "credential": "key2",
        "retired": ["key1"],
        "next_due": "2027-01-01T09:00:00+00:00",
    }
    assert json.loads(json.dumps(entry)) == entry


@pytest.mark.parametrize(("source", "shown"), [("/x", "/x"), (None, "")])
def test_a_record_says_the_source_that_was_to_be_looked_at_where_no_more_is_known(
    source: str | None, shown: str
) -> None:
    assert record(Outcome(item(source=source), "parked", "why"))["source"] == shown


@pytest.mark.parametrize(("force", "compromised"), [(True, False), (False, True)])
def test_a_record_tells_what_is_forced_from_what_has_leaked(
    *, force: bool, compromised: bool
) -> None:
    entry = record(Outcome(item(force=force, compromised=compromised), "rotated", "why"))
    assert (entry["forced"], entry["compromised"]) == (force, compromised)


def test_a_record_of_what_follows_has_the_same_fields_and_names_nobody() -> None:
    task = task_of(REF, "refresh", version=V1, trigger="manual", reason="a new version")
    entry = record_of_task(TaskOutcome(task, "unrefreshed", "why", "mend it", version=V2))
    assert entry.keys() == record(OUTCOME).keys()
    assert {name: value for name, value in entry.items() if value} == {
        "vault": "https://prod.vault.azure.net",
        "secret": "app-key",
        "result": "unrefreshed",
        "reason": "why",
        "fix": "mend it",
        "operation": task.operation,
        "action": "refresh",
        "trigger": "manual",
        "requested_by": "rekey",
        "asked_because": "a new version",
        "new_version": V2,
    }


@pytest.mark.parametrize("result", ENDS)
async def test_every_outcome_is_logged_once_and_a_failure_as_a_warning(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    topic = Topic()
    with caplog.at_level(logging.INFO, "rekey"):
        await told(topic.reports(None), result)
    assert topic.requests == [], "without a topic nothing is sent"
    (logged,) = [record for record in caplog.records if record.name == "rekey.audit"]
    assert json.loads(logged.message)["result"] == result
    assert logged.levelno == (
        logging.WARNING if result in ("parked", "unrefreshed", "untold") else logging.INFO
    )


@pytest.mark.parametrize("result", EVENTS)
async def test_what_changed_or_failed_becomes_an_event_on_the_topic_and_no_library_warns(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gives the options of a call to its model of an event, which warned of each."""
    topic = Topic()
    with caplog.at_level(logging.WARNING):
        await told(topic.reports(), result)
    (request,) = topic.requests
    (event,) = json.loads(request.body)
    assert event["type"] == EVENTS[result]
    assert event["source"] == "https://prod.vault.azure.net"
    assert event["subject"] == "app-key"
    assert event["data"]["operation"] == item(version=V1).operation
    assert not [record for record in caplog.records if record.name.startswith("azure")]


async def test_an_event_names_nobody() -> None:
    """Whoever gets a topic's events is not whoever may read the audit log."""
    topic = Topic()
    await topic.reports().concluded(OUTCOME)
    (request,) = topic.requests
    assert b"ops@example.com" not in request.body
    assert b"incident 7" not in request.body


@pytest.mark.parametrize("result", sorted(set(get_args(Result)) - set(EVENTS)))
async def test_what_changed_nothing_is_no_event(result: Any) -> None:
    topic = Topic()
    await told(topic.reports(), result)
    assert topic.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        json_response(401, {"error": {"code": "Unauthorized"}}),
        json_response(403, {"error": {"code": "Forbidden"}}),
        json_response(404, {"error": {"code": "NotFound"}}),
        json_response(413, {"error": {"code": "PayloadTooLarge"}}),
        json_response(429, {"error": {"code": "Throttled"}}, {"Retry-After": "60"}),
        Response(200, {}, b"<html>not json"),
        Response(302, {"Location": "https://elsewhere.example"}),
        ServiceRequestError("no such host"),
        ServiceResponseError("connection reset"),
        ClientAuthenticationError("no token"),
    ],
)
async def test_a_topic_that_fails_is_logged_and_asked_once(
    answer: Response | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    topic = Topic(answer)
    await topic.reports().concluded(OUTCOME)
    assert len(topic.requests) == 1
    if isinstance(answer, Exception) or answer.status != 200:
        assert "could not be sent" in caplog.text


@pytest.mark.parametrize("answer", [Response(500), Response(503, {"Retry-After": "1"})])
async def test_an_event_that_a_busy_topic_refuses_is_sent_again_within_seconds(
    answer: Response, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps its id, so who has it already knows it again."""
    topic = Topic(answer)
    began = topic.rig.clock.now()
    await topic.reports().concluded(OUTCOME)
    assert len(topic.requests) == 4
    assert len({json.loads(request.body)[0]["id"] for request in topic.requests}) == 1
    assert topic.rig.clock.now() - began < timedelta(seconds=6)
    assert "could not be sent" in caplog.text


async def test_a_rotation_stands_although_its_topic_does_not_answer() -> None:
    rig = Rig()
    rig.secret("app-key", rig.account("appdata"))
    service = rig.service()
    silent = Topic(ServiceRequestError("no such host")).reports()
    object.__setattr__(service.engine, "reporter", silent)
    await service.rotate(rig.item("app-key", trigger="event").to_json(), 1)
    assert len(rig.vault.versions("app-key")) == 2


def test_a_step_that_fails_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), Topic().reports().step("issue"):
        raise ZeroDivisionError


@pytest.mark.parametrize(("broken", "level"), [(0, logging.INFO), (2, logging.WARNING)])
async def test_a_sweep_with_broken_secrets_is_a_warning(
    broken: int, level: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rekey"):
        await Topic().reports().swept(SweepSummary("https://prod.vault.azure.net", 60, 3, broken))
    assert caplog.records[-1].levelno == level
    assert json.loads(caplog.records[-1].message)["broken"] == broken


async def test_an_outcome_event_is_a_cloudevent_with_an_id_of_its_own() -> None:
    topic = Topic()
    reports = topic.reports()
    for _ in range(2):
        await reports.concluded(OUTCOME)
    events = [json.loads(request.body)[0] for request in topic.requests]
    assert len({event["id"] for event in events}) == 2
    for event, request in zip(events, topic.requests, strict=True):
        assert set(event) == {"specversion", "id", "source", "type", "subject", "time", "data"}
        assert event["specversion"] == "1.0"
        assert datetime.fromisoformat(event["time"]).tzinfo
        assert request.headers["content-type"].startswith("application/cloudevents-batch+json")


async def test_an_outcome_event_goes_to_the_topic_alone_wherever_its_answer_leads() -> None:
    topic = Topic(Response(307, {"Location": "https://elsewhere.example/api/events"}))
    await topic.reports().concluded(OUTCOME)
    assert [request.url.partition("?")[0] for request in topic.requests] == [TOPIC]


async def test_sending_an_event_is_bounded_although_its_options_are_the_clients() -> None:
    rig = Rig()
    credential = SimulatedCredential(rig.world, rig.identity)
    reports = Reports(Azure(credential), TOPIC)
    transport = reports._client()._client._client._client._pipeline._transport  # type: ignore[attr-defined]
    assert transport.connection_config.timeout == CHANGING["connection_timeout"]
    assert transport.connection_config.read_timeout == CHANGING["read_timeout"]
