"""What follows an outcome, as it travels on the queue `rotations`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, get_args

import pytest

from engine.errors import NeedsHuman
from engine.state.request import _OF_A_TASK, Cause, Task, WorkItem, operation_id, read
from tests.shared.builders import REF, V1, V2, VAULT, item
from tests.shared.items import task_of

TASK = task_of(
    REF,
    "tell",
    news="parked",
    to="chat-all",
    owner="shop",
    since="2026-11-01T10:00:00+00:00",
    version=V1,
    trigger="manual",
    reason="why",
    deferred=3,
    trace="t",
)


def test_a_task_survives_the_queue_with_every_field_and_its_operation() -> None:
    assert read(TASK.to_json()) == TASK
    by_event = replace(TASK, cause=replace(TASK.cause, trigger="event"))
    assert read(by_event.to_json()) == by_event
    written = json.loads(TASK.to_json())
    assert set(written) == {*_OF_A_TASK, "trace", "vault", "secret", "operation"}
    assert written["operation"] == operation_id(REF, V1)
    assert replace(TASK, version=None).operation is None
    for action in get_args(Task):
        assert read(replace(TASK, action=action).to_json()) == replace(TASK, action=action)


def test_what_asks_for_no_task_is_a_work_item() -> None:
    assert read(item(version=V1).to_json()) == item(version=V1)
    assert read(json.dumps({"vault": VAULT, "secret": "app-key"})) == WorkItem(REF)


def test_a_task_of_an_earlier_version_is_read_and_what_it_has_besides_is_left() -> None:
    earlier = {
        **json.loads(TASK.to_json()),
        "requested_by": "rekey", "force": False, "compromised": False, "follow_up": 0,
        "waited": 0, "tried": 0, "reported": "", "told": "", "source": None, "follows": False,
    }  # fmt: skip
    assert read(json.dumps(earlier)) == TASK


@pytest.mark.parametrize(
    "problem",
    [{"trigger": "hand"}, {"deferred": "2"}, {"version": "../x"}, {"secret": ""}, {"news": 1}],
)
def test_a_malformed_task_is_refused(problem: dict[str, Any]) -> None:
    with pytest.raises(NeedsHuman):
        read(json.dumps({**json.loads(TASK.to_json()), **problem}))


@pytest.mark.parametrize("text", ["", "[]", "null", '{"action": "dance"}', b"\xff"])
def test_what_is_no_message_is_refused(text: str | bytes) -> None:
    with pytest.raises(NeedsHuman, match="malformed"):
        read(text)


def test_a_task_names_the_current_version_where_it_names_none() -> None:
    assert TASK.about(V2) is TASK
    assert replace(TASK, version=None).about(V2).version == V2


@pytest.mark.parametrize(("trigger", "lasts"), [("manual", True), ("event", False)])
def test_only_what_a_person_has_started_does_not_expire(trigger: Any, lasts: bool) -> None:
    assert replace(TASK, cause=Cause(trigger)).lasts is lasts
