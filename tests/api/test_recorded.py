"""Every act by hand stands in the audit log before anything of it is sent, once."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any, NoReturn

import pytest

from api.requests import Request as ApiRequest
from api.routes import route
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_github import deliver, hooked
from tests.api.test_incidents import begin, scattered
from tests.api.test_leaks import KEYED, leak, leaky
from tests.api.test_policies import FIRST, SECOND, put
from tests.shared.heard import Log
from tests.shared.policies import PolicyRig
from tests.shared.scene import NAME, ask, refuse, scene, send


@pytest.fixture(autouse=True)
def heard(caplog: Log) -> None:
    caplog.set_level(logging.INFO, "rekey.audit")


def records(caplog: Log) -> list[dict[str, Any]]:
    """Return the records of calls by hand."""
    texts = [log.message for log in caplog.records if log.name == "rekey.audit"]
    return [entry for text in texts if "status" in (entry := json.loads(text))]


def recorded(caplog: Log) -> list[tuple[str, str, int]]:
    """Return the result, the action and the status of each record of a call by hand."""
    return [(entry["result"], entry["action"], entry["status"]) for entry in records(caplog)]


async def first_sent(caplog: Log, act: str, key: str = "") -> list[tuple[str, str, int]]:
    """Carry an act out, and return what stood in the audit log when something was first sent."""
    seen = list[list[tuple[str, str, int]]]()

    async def watch(request: Request, call: Call) -> Response:
        is_message = ".queue." in request.host and request.path.endswith("rotations/messages")
        is_written = request.method == "PUT" and request.path.startswith("/secrets/")
        if is_message or is_written or (request.method == "PUT" and "/incidents/" in request.path):
            seen.append(recorded(caplog))
        return await call()

    if act == "leak_github":
        await deliver(hooked()[0].api(watch))
    elif act == "leak":
        rig = leaky(KEYED)
        await leak(rig.api(watch), rig.latest("app-key").value, act=True)
    elif act == "leak of a reporter":
        rig = leaky()
        reporter = principal("Rekey.Reporter")
        await leak(rig.api(watch, env=SIGNED_IN), rig.latest("app-key").value, reporter)
    elif act == "rotate":
        await ask(scene().api(watch), headers={"idempotency-key": key} if key else {})
    elif act == "incident":
        await begin(scattered().api(watch), everything=True)
    else:
        body = json.dumps({"document": FIRST, "reason": "change 17"}).encode()
        await send(PolicyRig().api(watch), "http_push_policy", body=body)
    return seen[0]


@pytest.mark.parametrize(
    ("act", "status"),
    [("leak", 202), ("leak of a reporter", 202), ("leak_github", 202), ("push_policy", 200)],
)
async def test_what_a_call_does_by_itself_is_recorded_before_and_once(
    act: str, status: int, caplog: Log
) -> None:
    action, _, _ = act.partition(" ")
    assert await first_sent(caplog, act) == [("asked", action, status)]
    assert recorded(caplog) == [("asked", action, status)]


@pytest.mark.parametrize(("act", "key"), [("rotate", ""), ("rotate", "one"), ("incident", "one")])
async def test_what_a_person_asks_for_is_recorded_before_and_once(
    act: str, key: str, caplog: Log
) -> None:
    """Whoever dies in between leaves no act that nobody is known to have asked for."""
    assert await first_sent(caplog, act, key) == [("asked", act, 202)]
    assert recorded(caplog) == [("asked", act, 202)]


@pytest.mark.parametrize(("text", "status"), [(SECOND, 412), ("overlapHours: x\n", 400)])
async def test_a_push_that_is_refused_is_recorded_as_declined_alone(
    text: str, status: int, caplog: Log
) -> None:
    rig = PolicyRig()
    await put(rig, FIRST)
    caplog.clear()
    assert (await put(rig, text, "1" * 32)).status == status
    assert recorded(caplog) == [("declined", "push_policy", status)]


@pytest.mark.parametrize(("name", "count"), [("http_rotate", 1), ("http_list", 0)])
async def test_an_act_that_fails_as_nobody_foresaw_is_recorded(
    name: str, count: int, caplog: Log
) -> None:
    async def broken(*_: object) -> NoReturn:
        raise ZeroDivisionError("a value may be in here")

    called = route(name)
    place = {"vault": "prod", "name": NAME}
    request = ApiRequest.arrived(called.method, called.path, place, {}, {}, b"")
    answer = await scene().api().answer(replace(called, handler=broken), request)
    assert answer.status == 500
    assert recorded(caplog) == [("declined", "rotate", 500)] * count
    assert "a value" not in caplog.text


async def test_an_incident_that_only_its_repetition_begins_is_recorded_by_that(
    caplog: Log,
) -> None:
    rig = scattered()
    refuse(rig, 503, "ServerBusy", lambda sent: "/accepted" in sent.path, times=9)
    assert (await begin(rig.api(), everything=True)).status == 503
    assert recorded(caplog)[-1] == ("declined", "incident", 503)
    rig.world.faults.clear()
    for count in (1, 0):
        caplog.clear()
        assert (await begin(rig.api(), everything=True)).status == 202
        assert recorded(caplog) == [("asked", "incident", 202)] * count
    assert rig.messages("sweeps")


async def test_of_two_requests_at_once_with_one_key_each_record_names_the_incident_that_is(
    caplog: Log,
) -> None:
    rig, go = scattered(), asyncio.Event()
    held = list[str]()

    async def wait(request: Request, call: Call) -> Response:
        if request.method == "PUT" and ".blob." in request.host and not held:
            held.append(request.path)
            await go.wait()
        return await call()

    api = rig.api(wait)
    first = asyncio.create_task(begin(api, everything=True))
    for _ in range(300):
        await asyncio.sleep(0)
    assert held
    rig.clock.advance(3)
    second = await begin(api, everything=True)
    go.set()
    assert (await first).headers["Location"] == second.headers["Location"]
    assert {entry["location"] for entry in records(caplog)} == {second.headers["Location"]}


async def test_the_record_of_an_incident_says_what_it_covers_and_which_it_is(caplog: Log) -> None:
    rig = scattered()
    begun = await begin(rig.api(), vault="prod", name="app-*")
    await begin(rig.api(), {"dry_run": "true"}, everything=True, source="/kinds/x")
    asked_for, declined = records(caplog)
    assert asked_for["body"] == {"vault": "prod", "name": "app-*"}
    assert asked_for["location"] == begun.headers["Location"]
    assert declined["body"] == {"everything": True, "source": "/kinds/x"}
    assert declined["location"] == ""
    assert [entry["dry_run"] for entry in (asked_for, declined)] == [False, True]


async def test_the_record_of_an_act_leads_to_its_operation_and_says_how_it_was_meant(
    caplog: Log,
) -> None:
    answer = await ask(scene().api(), {"compromised": True, "reason": "a laptop was stolen"})
    (entry,) = records(caplog)
    assert (entry["body"], entry["why"]) == ({"compromised": True}, "a laptop was stolen")
    assert entry["location"] == answer.headers["Location"]


@pytest.mark.parametrize("role", ["Rekey.Reporter", "Rekey.Admin"])
async def test_the_record_of_a_leak_leads_to_its_incident_and_holds_no_word_of_its_body(
    role: str, caplog: Log
) -> None:
    rig = leaky()
    await leak(rig.api(env=SIGNED_IN), rig.latest("app-key").value, principal(role))
    (entry,) = records(caplog)
    assert entry["location"].startswith("/api/incidents/")
    assert entry["body"] == {}


@pytest.mark.parametrize("body", [b"[", b'{"name": "' + b"x" * 99_999 + b'"}', b'{"vault": 1}'])
async def test_a_body_that_cannot_be_read_is_no_part_of_the_record(
    body: bytes, caplog: Log
) -> None:
    await send(scene().api(), "http_incident", body=body)
    (entry,) = records(caplog)
    assert (entry["result"], entry["body"]) == ("declined", {})


async def test_a_text_of_a_body_is_cut_in_the_record(caplog: Log) -> None:
    await begin(scattered().api(), source="/kinds/x/" + "y" * 9_999)
    (entry,) = records(caplog)
    assert entry["body"]["source"].startswith("/kinds/x/y")
    assert len(entry["body"]["source"]) < 1_000


@pytest.mark.parametrize("member", ["vault", "name", "source", "version"])
async def test_a_value_that_was_pasted_into_an_incident_is_neither_recorded_nor_answered(
    member: str, caplog: Log
) -> None:
    rig = leaky()
    value = rig.latest("app-key").value
    answer = await begin(rig.api(), None, **{"vault": "prod", "name": "app-key", member: value})
    assert answer.status in (400, 404)
    (entry,) = records(caplog)
    assert entry["body"][member] == "(unreadable)"
    assert value[:20] not in answer.text() + caplog.text


async def test_a_value_that_was_pasted_into_a_restore_is_neither_recorded_nor_answered(
    caplog: Log,
) -> None:
    rig = leaky()
    value = rig.latest("app-key").value
    answer = await ask(rig.api(), {"version": value}, action="restore")
    (entry,) = records(caplog)
    assert (answer.status, entry["body"]) == (409, {"version": "(unreadable)"})
    assert value[:20] not in answer.text() + caplog.text


async def test_a_source_that_an_incident_takes_is_recorded_however_it_is_spelt(
    caplog: Log,
) -> None:
    source = "/Subscriptions/A/resourceGroups/B/"
    assert (await begin(scattered().api(), source=source, vault="https://PROD/")).status != 400
    (entry,) = records(caplog)
    assert entry["body"] == {"source": source, "vault": "https://PROD/"}


async def test_a_policy_document_is_no_part_of_the_record(caplog: Log) -> None:
    await put(PolicyRig(), FIRST)
    (entry,) = records(caplog)
    assert entry["body"] == {}
