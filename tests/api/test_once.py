"""A request that is sent twice with the same key acts once, whatever dies in between."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from api.access import Role
from api.answers import Answer
from engine.ports import Memory
from simulator.reach.sabotage import Died
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.test_access import SIGNED_IN, principal
from tests.shared.delivery import Delivery
from tests.shared.due import stored
from tests.shared.rig import Rig
from tests.shared.scene import NAME, ask, scene
from tests.unchanged import unchanged

KEY = {"idempotency-key": "6f1c1f5e-1"}
FORCE = {"force": True, "reason": "a drill"}


async def work_off(rig: Rig) -> None:
    await Delivery(rig, rig.service).run()


async def keyed(
    rig: Rig, body: object = FORCE, key: dict[str, str] = KEY, **request: str
) -> Answer:
    return await ask(rig.api(), body, headers=key, **request)  # type: ignore[arg-type]


async def test_the_second_request_gets_the_first_ones_answer() -> None:
    rig = scene(days_left=80)
    first = await keyed(rig)
    await work_off(rig)
    version = rig.latest(NAME).version
    second = await keyed(rig)
    assert (second.status, second.body, second.headers) == (first.status, first.body, first.headers)
    await work_off(rig)
    assert rig.latest(NAME).version == version


async def test_a_repetition_long_after_posts_nothing_again() -> None:
    """What was written since is none of its business."""
    rig = scene(days_left=80)
    first = await keyed(rig)
    rig.queue("rotations").clear()
    rig.clock.advance(86_460)
    assert (await keyed(rig)).body == first.body
    assert rig.messages("rotations") == []


async def test_with_another_key_each_a_forced_rotation_is_one_more_each_time() -> None:
    """What the key is for: the same steps as above, with a new one each time."""
    rig = scene(days_left=80, tags={"OverlapHours": "0"})
    versions = set()
    for _ in range(2):
        assert (await ask(rig.api(), {"force": True})).status == 202
        await work_off(rig)
        versions.add(rig.latest(NAME).version)
    assert len(versions) == 2


async def test_a_repetition_may_wait_longer_and_come_with_another_function_key() -> None:
    rig = scene(days_left=80)
    first = await keyed(rig, wait="1", code="old")
    assert (await keyed(rig, wait="2", code="new")).body == first.body
    assert len(rig.messages("rotations")) == 1


async def test_a_repetition_of_what_was_sent_to_0_2_gets_the_answer_to_that() -> None:
    """It counted all parameters; the upgrade itself may have cut its answer off."""
    rig = scene(days_left=80)
    first = await keyed(rig, wait="1", code="a")
    (memory,) = [
        blob for blob in stored(rig.world, rig.host.name, "requests/") if b"items" in blob.content
    ]
    terms = ("POST", json.dumps([("code", "a"), ("wait", "1")]), json.dumps(FORCE).encode().hex())
    of_0_2 = hashlib.sha256("\n".join(terms).encode()).hexdigest()
    memory.content = json.dumps(json.loads(memory.content) | {"request": of_0_2}).encode()
    again = await keyed(rig, wait="1", code="a")
    assert (again.status, again.body) == (first.status, first.body)
    assert (await keyed(rig, wait="1", code="b")).status == 422


@pytest.mark.parametrize(
    ("body", "query"), [({"force": True, "reason": "another"}, {}), (FORCE, {"dry_run": "true"})]
)
async def test_a_key_that_was_sent_with_another_request_is_a_422_and_does_nothing(
    body: object, query: dict[str, str]
) -> None:
    """Whoever only wants to see what would happen must not set it going."""
    rig = scene(days_left=80)
    await keyed(rig)
    rig.queue("rotations").clear()
    with unchanged(rig):
        answer = await keyed(rig, body, KEY, **query)
    assert answer.status == 422
    assert "new key" in answer.body["fix"]


async def test_the_same_key_for_another_secret_is_another_request() -> None:
    """Its answer would tell of a rotation that nobody has asked for."""
    rig = scene(days_left=80)
    rig.secret("other", rig.account("others"), days_left=80)
    assert (await keyed(rig)).body["secret"] == NAME
    assert (await keyed(rig, name="other")).body["secret"] == "other"


async def test_the_same_key_of_another_caller_is_another_request() -> None:
    """Two pipelines may count from one. Neither is told what the other has done."""
    rig, api = scene(days_left=80), Role.OPERATOR.value
    answers = []
    for caller in ("joe", "jim"):
        headers = KEY | principal(api, oid=caller)
        answers.append(await ask(rig.api(env=SIGNED_IN), FORCE, headers=headers))
        rig.clock.advance(60)
    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].body["since"] != answers[1].body["since"]


class Late:
    """A memory that shows nothing yet of what another instance is about to remember."""

    def __init__(self, memory: Memory) -> None:
        self.remember = memory.remember

    async def recall(self, key: str) -> None:
        del key


async def test_of_two_at_once_both_get_the_answer_to_the_first() -> None:
    rig = scene(days_left=80)
    first = await keyed(rig)
    rig.clock.advance(60)
    api = rig.api()
    answer = await ask(replace(api, memory=Late(api.memory)), FORCE, headers=KEY)
    assert (answer.status, answer.body) == (first.status, first.body)


async def test_a_refusal_is_not_remembered() -> None:
    rig = scene(days_left=80)
    assert (await keyed(rig, {})).status == 409
    rig.clock.advance(60 * 86_400)
    assert (await keyed(rig, {})).status == 202


async def test_a_dry_run_is_not_remembered() -> None:
    rig = scene()
    assert (await keyed(rig, dry_run="true")).status == 200
    assert (await keyed(rig)).status == 202


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "x" * 256, "a\nb"])
async def test_a_key_that_is_none_is_a_400_or_as_good_as_absent(key: str) -> None:
    answer = await keyed(scene(), {"reason": "it is due"}, key={"idempotency-key": key})
    assert answer.status == (202 if key == "" else 400)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(12))
async def test_a_process_that_dies_at_any_call_leaves_nothing_that_the_repetition_does_not_mend(
    at: int, after: bool
) -> None:
    rig = scene(days_left=80)
    before = rig.latest(NAME).version
    count = 0

    async def die(_: Request, call: Call) -> Response:
        nonlocal count
        mine, count = count, count + 1
        if mine != at:
            return await call()
        if after:
            await call()
        raise Died

    try:
        await ask(rig.api(die), FORCE, headers=KEY)
    except Died:
        await work_off(rig)
    answer = await keyed(rig)
    assert answer.status == 202
    await work_off(rig)
    assert rig.latest(NAME).version != before
    assert len(rig.vault.versions(NAME)) == 2


async def test_a_path_that_is_no_text_is_not_found_with_a_key_as_without_one() -> None:
    rig = scene()
    for headers in ({}, {"idempotency-key": "one"}):
        answer = await ask(rig.api(), vault="\ud800", headers=headers)
        assert answer.status == 404
