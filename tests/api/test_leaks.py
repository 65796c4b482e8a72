"""A value that has leaked is found, judged and cut off, and no value is left anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from api.answers import Answer
from api.app import Api
from engine.contract import Lingers
from engine.errors import TransientError
from engine.kinds import Kinds
from engine.state.policy import LeakRule, Leaks
from engine.state.record_parts import SEPARATOR, Published
from engine.state.tags import Pending
from leaks.index import Index
from leaks.reading import read
from leaks.verdict import Verdict, acts, judge
from simulator.reach.transport import Call
from simulator.wire import Request, Response
from tests.api.test_access import SIGNED_IN, principal
from tests.api.test_incidents import begin, reported
from tests.api.test_incidents import progress as followed
from tests.engine.rotation.held import NOBODY
from tests.proof.places import PLACES
from tests.rotators.sas_scenes import KEY, SAS, SasScene
from tests.shared.delivery import Delivery
from tests.shared.policies import EMPTY, PolicyRig
from tests.shared.rig import CONNECTION_STRING
from tests.shared.scene import refuse, send

KEYED = "leaks:\n  keySecret: leak-key\n"
TRUSTED = f"{KEYED}  trusted: [api]\n"
IN_ITS_PLACE = "a later version holds the same value, and is cut off in its place"
WITHOUT = "leaks:\n  trusted: [api]\n"
CUT_OFF = "{action: cut off, feed: api}"


def leaky(document: str = TRUSTED) -> PolicyRig:
    """Return a rig with one secret, a policy for leaks, and the key of prints."""
    rig = PolicyRig()
    rig.vault.put("leak-key", "k" * 40)
    rig.push(EMPTY + document)
    rig.secret("app-key", rig.account("appdata"), days_left=80, tags={"Owner": "orders"})
    rig.secret("other", rig.account("otherdata"), days_left=80, template=CONNECTION_STRING)
    rig.clock.advance(60)
    return rig


async def leak(api: Api, value: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    body = json.dumps({"value": value, **more}).encode()
    return await send(api, "http_leak", body=body, headers=headers or {})


async def rotate(rig: PolicyRig, name: str = "app-key", **more: Any) -> None:
    await rig.service().rotate(rig.item(name, force=True, **more).to_json(), 1)
    rig.clock.advance(120)


async def audit(rig: PolicyRig, *names: str) -> None:
    for name in names:
        await rig.service().rotate(rig.item(name, action="audit").to_json(), 1)


async def settle(rig: PolicyRig) -> None:
    await Delivery(rig, rig.service).run(within=timedelta(hours=1))


async def progress(api: Api, answer: Answer) -> str:
    return str((await followed(api, answer))["status"])


async def passed_on(rig: PolicyRig) -> None:
    """Have the secret `heir` take over the source of `app-key`, with its value of now."""
    own = {tag: text for tag, text in rig.tags("app-key").items() if "Rekey" not in tag}
    rig.vault.put("heir", rig.latest("app-key").value, tags=own)
    rig.vault.amend(rig.latest("app-key"), tags={})
    rig.clock.advance(60)
    await audit(rig, "heir")


@pytest.fixture
def rig() -> PolicyRig:
    return leaky()


@pytest.mark.parametrize("document", [TRUSTED, WITHOUT], ids=["keyed", "unkeyed"])
@pytest.mark.parametrize("audited", [True, False], ids=["seen", "never seen"])
async def test_a_key_is_found_and_refused_by_its_account(document: str, audited: bool) -> None:
    rig = leaky(document)
    if audited:
        await audit(rig, "app-key", "other")
    api, leaked = rig.api(), rig.latest("app-key").value
    answer = await leak(api, f"KEY={leaked}", location="https://github.com/x/y/blob/main/.env#L3")
    assert (answer.status, answer.body["status"]) == (202, "alive")
    known = [answer.body[name] for name in ("secret", "owner", "accepted")]
    assert known == ["app-key", "orders", True]
    assert answer.body["reason"] == "its source accepts it", "it is named once"
    assert await progress(api, answer) == "running"
    await settle(rig)
    assert leaked not in {key.value for key in rig.world.accounts["appdata"].keys.values()}
    assert await progress(api, answer) == "ended"
    again = await leak(rig.api(), leaked)
    assert (again.status, again.body["status"]) == (200, "refused")
    assert again.body["refused"]
    assert "tried at its source" in again.body["proof"]


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_key_of_prints_that_was_rotated_or_lost_leads_to_no_wrong_answer(
    rig: PolicyRig,
    enabled: bool,
) -> None:
    await audit(rig, "app-key", "other")
    rig.vault.amend(rig.latest("leak-key"), enabled=enabled)
    rig.clock.advance(1)
    rig.vault.put("leak-key", "n" * 40)
    answer = await leak(rig.api(), rig.latest("other").value)
    assert (answer.status, answer.body["secret"]) == (202, "other")


async def test_a_former_value_whose_print_is_under_a_lost_key_is_found(rig: PolicyRig) -> None:
    """The newer version has a print under the present key, and nobody has printed that one anew."""
    await audit(rig, "app-key", "other")
    former, source = rig.latest("app-key"), rig.tags("app-key")["ProviderAddress"].lower()
    lost = (await rig.known(source)).history.prints
    rig.vault.amend(rig.latest("leak-key"), enabled=False)
    rig.clock.advance(1)
    rig.vault.put("leak-key", "n" * 40)
    await rotate(rig)
    prints = (await rig.known(source)).history.prints
    await rig.note(source, "app-key", prints={**prints, **lost})
    answer = await leak(rig.api(), former.value)
    assert (answer.body["status"], answer.body["version"]) == ("alive", former.version)


async def test_a_source_that_is_being_claimed_leads_to_no_wrong_answer(rig: PolicyRig) -> None:
    async with rig.service().engine.leases.hold("/claimed/by/nobody/yet", NOBODY):
        answer = await leak(rig.api(), "none-of-ours-at-all")
    assert (answer.status, answer.body["status"]) == (200, "unknown")


async def test_an_older_index_in_memory_leads_to_no_wrong_answer(rig: PolicyRig) -> None:
    await audit(rig, "app-key", "other")
    api = rig.api()
    await leak(api, "none-of-ours-at-all")
    rig.clock.advance(10)
    rig.vault.put(
        "app-key", rig.world.accounts["appdata"].keys["key2"].value, tags=rig.tags("app-key")
    )
    too_soon = await leak(api, rig.latest("app-key").value)
    assert too_soon.body["status"] == "unknown"
    assert "is seen a minute later" in too_soon.body["reason"]
    rig.clock.advance(50)
    by_hand = await leak(api, rig.latest("app-key").value)
    assert by_hand.body["secret"] == "app-key"
    await rotate(rig, "other")
    assert (await leak(api, rig.latest("other").value)).body["secret"] == "other"


async def test_what_is_written_while_vaults_are_listed_is_seen_a_minute_after_that_began(
    rig: PolicyRig,
) -> None:
    lists = list[str]()

    async def slow(request: Request, call: Call) -> Response:
        response = await call()
        if request.path == "/secrets":
            lists.append(request.url)
            rig.clock.advance(50)
            if len(lists) == 1:
                rig.write("app-key", rig.world.accounts["appdata"].keys["key2"].value)
        return response

    await audit(rig, "app-key", "other")
    api = rig.api(slow)
    await leak(api, "none-of-ours-at-all")
    rig.clock.advance(10)
    answer = await leak(api, rig.latest("app-key").value)
    assert (answer.body["status"], len(lists)) == ("alive", 2)


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_whole_value_is_found_in_which_nothing_tells_where_its_credential_begins(
    *, deleted: bool
) -> None:
    """Its own print leads to it, beside that of the credential alone."""
    rig = leaky()
    rig.secret("odd", rig.account("odddata"), days_left=80, template="of{key}shop")
    rig.clock.advance(60)
    await audit(rig, "odd")
    text, version = rig.latest("odd").value, rig.latest("odd").version
    if deleted:
        rig.vault.delete("odd")
    answer = await leak(rig.api(), text)
    assert (answer.body["secret"], answer.body["version"]) == ("odd", version)


async def test_an_owner_is_told_of_a_value_once_a_day_however_often_it_is_reported() -> None:
    rig = leaky(KEYED)
    leaked = rig.latest("app-key").value
    places = ("x" * 3_000, "b", "c")
    answers = [await leak(rig.api(), leaked, location=place) for place in places]
    assert {answer.body["status"] for answer in answers} == {"alive"}
    (message,) = rig.messages("rotations")
    assert (message["action"], len(message["reason"]) < 500) == ("tell", True)
    rig.clock.advance(86_400)
    await leak(rig.api(), leaked)
    assert len(rig.messages("rotations")) == 2


@pytest.mark.parametrize(
    ("document", "more", "acts"),
    [
        (KEYED, {}, False),
        (KEYED, {"act": True}, True),
        (TRUSTED, {}, True),
        (f"{TRUSTED}  rules: [{{action: ask, owner: orders}}]\n", {}, False),
        (f"{TRUSTED}  rules: [{{action: ask, owner: Orders}}]\n", {}, False),
        (f"{TRUSTED}  rules: [{{action: ask, owner: others}}]\n", {}, True),
        (f"{KEYED}  rules: [{{action: cut off, rotator: storage-key, feed: api}}]\n", {}, True),
        (f"{KEYED}  rules: [{{action: cut off, match: {{secret: other}}}}]\n", {}, False),
        (f"{KEYED}  rules: [{{action: cut off, match: {{secret: app-*}}}}]\n", {}, True),
        (f"{KEYED}  rules: [{{action: cut off, accepted: true}}]\n", {}, True),
        (f"{KEYED}  rules: [{{action: ask, owner: orders}}, {CUT_OFF}]\n", {}, False),
        (f"{KEYED}  rules: [{CUT_OFF}, {{action: ask, owner: orders}}]\n", {}, True),
        (f"{TRUSTED}  rules: [{{action: ask, owner: x}}]\ndefaults: {{owner: x}}\n", {}, False),
    ],
)
async def test_the_policy_says_what_is_cut_off_before_a_person_is_asked(
    document: str, more: dict[str, Any], acts: bool
) -> None:
    rig = leaky(document)
    answer = await leak(rig.api(), rig.latest("app-key").value, **more)
    (message,) = rig.messages("rotations")
    assert (answer.status == 202, message["action"] == "rotate") == (acts, acts)
    if not acts:
        assert message["action"] == "tell"
        assert answer.body["command"] in message["reason"]


def put_back(rig: PolicyRig, leaked: str) -> str:
    """Let the account accept again what it had refused; returns the slot."""
    keys = rig.world.accounts["appdata"].keys
    (slot,) = [name for name, key in keys.items() if key.value != rig.latest("app-key").value]
    keys[slot] = replace(keys[slot], value=leaked)
    rig.clock.advance(60)
    return slot


def works(rig: PolicyRig, value: str) -> bool:
    return value in {key.value for key in rig.world.accounts["appdata"].accepted_keys()}


@pytest.mark.parametrize("act", [True, False])
async def test_what_was_put_back_at_its_source_is_cut_off_once_more(act: bool) -> None:
    rig = leaky()
    await rotate(rig)
    leaked, first = rig.latest("app-key").value, await leak(rig.api(), rig.latest("app-key").value)
    await settle(rig)
    put_back(rig, leaked)
    answers = [await leak(rig.api(), leaked, act=act) for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202]
    assert "accepts it again, which had refused it before" in answers[0].body["reason"]
    again, same = (answer.body["incident"] for answer in answers)
    assert again == same != first.body["incident"]
    assert (works(rig, leaked), await progress(rig.api(), answers[0])) == (True, "running")
    (shown,) = (await reported(rig.api(), answers[0]))["secrets"]
    assert (shown["refused"], shown["cut_off"][0]["proof"]) == (None, None)
    await settle(rig)
    assert not works(rig, leaked)
    assert works(rig, rig.latest("app-key").value)
    ended = [(await reported(rig.api(), answer))["ended"] for answer in (first, answers[0])]
    assert ended[0] <= ended[1]
    assert await progress(rig.api(), answers[0]) == "ended"


@pytest.mark.parametrize(("late", "sent"), [(-1, 0), (0, 1)])
async def test_a_report_hastens_what_leaked_once_nobody_has_tried_it_for_a_quarter_of_an_hour(
    rig: PolicyRig, late: float, sent: int
) -> None:
    """It is tried by itself: until it is overdue, one more message would only tell its owner again."""
    await audit(rig, "app-key", "other")
    leaked, source = rig.latest("app-key").value, rig.world.accounts["appdata"].resource_id.lower()
    replaces = lambda request: "regeneratekey" in request.path.lower()  # noqa: E731
    refuse(rig, 403, "AuthorizationFailed", replaces, times=99)
    await leak(rig.api(), leaked)
    await settle(rig)
    record = await rig.service().engine.leases.peek(source)
    assert record
    assert record.compromised.versions
    assert record.next_check
    rig.queue("rotations").clear()
    overdue = record.next_check + timedelta(minutes=15, seconds=late)
    rig.clock.advance((overdue - rig.clock.now()).total_seconds())
    assert (await leak(rig.api(), leaked)).status == 202
    assert len(rig.messages("rotations")) == sent


async def test_what_was_put_back_and_cannot_be_read_is_left_to_a_person(rig: PolicyRig) -> None:
    """The record has forgotten which key it was, and its version is disabled."""
    leaked = rig.latest("app-key")
    await leak(rig.api(), leaked.value)
    await settle(rig)
    await rig.note(rig.tags("app-key")["ProviderAddress"].lower(), "app-key", past=())
    put_back(rig, leaked.value)
    answer = await leak(rig.api(), leaked.value)
    await settle(rig)
    assert works(rig, leaked.value)
    assert await progress(rig.api(), answer) == "needs a person"
    (old,) = [it for it in rig.vault.versions("app-key") if it.version == leaked.version]
    rig.vault.amend(old, enabled=True)
    await audit(rig, "app-key")
    assert not works(rig, leaked.value)
    assert await progress(rig.api(), answer) == "ended"


@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("document", [TRUSTED, ""], ids=["keyed", "unkeyed"])
async def test_an_incident_of_a_version_that_was_put_into_use_again_cuts_off_what_is_in_use(
    document: str, rotated: bool
) -> None:
    rig = leaky(document)
    if rotated:
        await rotate(rig)
    leaked = rig.latest("app-key")
    scope: dict[str, Any] = {"vault": "prod", "name": "app-key", "version": leaked.version}
    await begin(rig.api(), **scope)
    await settle(rig)
    assert not works(rig, leaked.value)
    own = {tag: text for tag, text in rig.tags("app-key").items() if "Rekey" not in tag}
    slot = put_back(rig, leaked.value)
    rig.vault.put("app-key", leaked.value, tags={**own, "CredentialId": slot})
    rig.clock.advance(60)
    answer = await begin(rig.api(), key="two", **scope)
    assert await progress(rig.api(), answer) == "running"
    await settle(rig)
    assert not works(rig, leaked.value)
    assert works(rig, rig.latest("app-key").value)
    assert await progress(rig.api(), answer) == "ended"


async def test_what_is_cut_off_in_place_of_a_version_is_part_of_its_incident() -> None:
    """Noted, and not done: the version that leaked is not refused before the one that holds it."""
    rig = leaky()
    leaked = rig.latest("app-key")
    answer = await leak(rig.api(), leaked.value)
    await settle(rig)
    source = rig.tags("app-key")["ProviderAddress"].lower()
    proof = f"{rig.clock.now():%Y-%m-%dT%H:%M:%SZ} {IN_ITS_PLACE}"
    current = str(rig.latest("app-key").version)
    await rig.note(source, "app-key", compromised=(current,), gone={leaked.version: proof})
    assert await progress(rig.api(), answer) == "running"
    await rig.note(source, "app-key", compromised=())
    assert await progress(rig.api(), answer) == "ended"


@pytest.mark.parametrize("role", ["Rekey.Reporter", "Rekey.Operator"])
async def test_who_may_not_start_incidents_learns_nothing_and_reports_all_the_same(
    rig: PolicyRig,
    role: str,
) -> None:

    async def slow(_: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        rig.clock.advance(0.1)
        return await call()

    operator, api = principal(role), rig.api(slow, env=SIGNED_IN)
    answers, times = list[Answer](), list[float]()
    await leak(api, "so that the policy is read", headers=operator)
    for value in (rig.latest("app-key").value, "none-of-ours-at-all"):
        begun = rig.clock.now()
        answers.append(await leak(api, value, headers=operator))
        times.append((rig.clock.now() - begun).total_seconds())
    assert [answer.status for answer in answers] == [202, 202]
    assert answers[0].body == answers[1].body
    # What is read and posted for a hit takes its time, too.
    assert [round(seconds % 5, 3) for seconds in times] == [0, 0]
    assert len(rig.messages("rotations")) == 1
    assert (await leak(api, "x" * 9, headers=operator, act=True)).status == 403
    assert (await leak(api, "x" * 9, headers=principal("Rekey.Reader"))).status == 403


async def test_who_may_only_report_is_told_no_name_where_something_cannot_be_read() -> None:
    rig = leaky(WITHOUT)
    refuse(rig, 403, "Forbidden", lambda request: request.path.startswith("/secrets/app-key/"))
    reporter, begun = principal("Rekey.Reporter"), rig.clock.now()
    answer = await leak(rig.api(env=SIGNED_IN), "none-of-ours-at-all", headers=reporter)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "120")
    assert "app-key" not in answer.text()
    assert "prod" not in answer.text()
    assert (rig.clock.now() - begun).total_seconds() % 5 == 0


async def test_a_flood_of_one_reporter_keeps_out_nobody_elses_report(rig: PolicyRig) -> None:
    api = rig.api(env=SIGNED_IN)
    spam = principal("Rekey.Reporter", oid="spammer")
    # The first answer of them comes after five seconds, and none later than a minute.
    reports = [leak(api, f"false-report-{n:04}", headers=spam) for n in range(40)]
    assert 429 in [answer.status for answer in await asyncio.gather(*reports)]
    other = principal("Rekey.Reporter", oid="scanner")
    assert (await leak(api, rig.latest("app-key").value, headers=other)).status == 202
    assert len(rig.messages("rotations")) == 1


async def test_who_reports_too_much_is_never_told_to_come_back_at_once(rig: PolicyRig) -> None:
    api = rig.api()
    for n in range(31):
        answer = await leak(api, f"false-report-{n:04}")
        rig.clock.advance(1.98)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


async def test_a_text_of_which_no_digest_can_be_made_is_looked_up_as_well() -> None:
    body = b'{"value": "\\ud800 none-of-ours-at-all"}'
    answer = await send(leaky().api(), "http_leak", body=body)
    assert (answer.status, answer.body["status"]) == (200, "unknown")


@pytest.mark.parametrize(
    "body",
    [
        b'{"planted-value": 1}',
        b'{"value": ["planted-value"]}',
        b'{"value": "planted-value", "x": "planted-value"}',
        b'{"value": "planted-value"',
        b'"planted-value"',
    ],
)
async def test_what_is_wrong_with_a_body_is_told_without_a_word_of_it(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await send(leaky().api(), "http_leak", body=body)
    assert answer.status == 400
    assert "planted" not in answer.text() + caplog.text


async def test_no_value_is_left_in_a_message_a_record_a_log_or_an_answer(
    rig: PolicyRig,
    caplog: pytest.LogCaptureFixture,
) -> None:
    value = rig.latest("app-key").value
    answer = await leak(
        rig.api(),
        value,
        location=f"line {value} or ?k={quote(value, safe='')}",
        headers={"idempotency-key": "one"},
    )
    await settle(rig)
    again = await leak(rig.api(), value, headers={"idempotency-key": "one"})
    assert value not in answer.text() + again.text() + caplog.text
    sent = [
        exchange.request for exchange in rig.world.exchanges if "rekeyhost" in exchange.request.host
    ]
    plain = hashlib.sha256(value.encode()).hexdigest()
    forms = [text.encode() for text in (value, quote(value, safe=""), plain)]
    assert not [request for request in sent if any(form in request.body for form in forms)]


@pytest.mark.parametrize(("kind", "named"), [("storage-key", "storage-key"), ("", "of its secret")])
async def test_a_kind_that_is_not_known_any_more_cannot_be_tried(kind: str, named: str) -> None:
    """Whoever took a kind of their own away is asked, where its record outlives it."""
    rig = leaky()
    await rotate(rig)
    leaked = rig.latest("app-key")
    rig.vault.amend(leaked, tags={})
    source = rig.world.accounts["appdata"].resource_id.lower()
    async with rig.service().engine.leases.hold(source, f"{rig.vault.url}/secrets/app-key") as held:
        await held.write(replace(held.record, kind=kind))
    engine = await rig.service().ready()
    known = {name: it for name, it in engine.rotators.items() if name != "storage-key"}
    (verdict,), _ = await judge(replace(engine, kinds=Kinds(known)), Index(), leaked.value)
    assert (verdict.status, verdict.is_accepted) == ("alive", False)
    assert verdict.untried == f"the kind {named} is not known here"
    assert not acts(Leaks(trusted=frozenset({"api"})), verdict, "api", asked=False)
    for accepted in (True, False):
        rules = (LeakRule(acts=True, accepted=accepted),)
        assert acts(Leaks(rules=rules), verdict, "api", asked=False) is not accepted


def test_no_policy_acts_on_what_is_nobodys() -> None:
    everything = Leaks(rules=(LeakRule(acts=True),))
    verdict = Verdict("unknown", read("hunter2-hunter2"))
    assert acts(everything, verdict, "api", asked=False) is False


async def test_what_may_not_be_read_is_never_answered_as_unknown() -> None:
    rig = leaky(WITHOUT)
    first = rig.latest("app-key")
    for path in ("/secrets/app-key/", f"/secrets/app-key/{first.version}"):
        refuse(rig, 403, "Forbidden", lambda request, path=path: request.path.startswith(path))  # type: ignore[misc]
        assert (await leak(rig.api(), first.value)).status >= 400
        assert (await leak(rig.api(), first.value)).body["secret"] == "app-key"
        await rotate(rig)


@pytest.mark.parametrize(
    ("breaks", "reason"),
    [
        pytest.param(lambda rig: rig.world.accounts["appdata"].regenerate("key1"), "it is in use"),
        pytest.param(lambda rig: refuse(rig, 403, "x", at_its_source, times=99), "403 x"),
        pytest.param(lambda rig: rig.world.remove_account("appdata"), "got no answer"),
    ],
    ids=["refused", "out of reach", "gone"],
)
async def test_what_is_in_use_counts_as_alive_until_its_source_has_accepted_or_replaced_it(
    rig: PolicyRig, breaks: Callable[[PolicyRig], None], reason: str
) -> None:
    value = rig.latest("app-key").value
    breaks(rig)
    answer = await leak(rig.api(), value)
    assert (answer.body["status"], answer.body["accepted"]) == ("alive", False)
    assert reason in answer.body["reason"]
    (told,) = rig.messages("rotations")
    assert told["action"] == "tell", "no feed is trusted with what was not accepted"


async def test_what_is_in_use_counts_as_alive_though_it_was_cut_off_once(rig: PolicyRig) -> None:
    """Somebody has restored its secret from a backup."""
    await audit(rig, "app-key")
    held, source = rig.latest("app-key"), rig.tags("app-key")["ProviderAddress"].lower()
    await rig.note(source, "app-key", gone={held.version: "tried"})
    rig.world.accounts["appdata"].regenerate("key1")
    answer = await leak(rig.api(), held.value)
    assert (answer.body["status"], answer.body["accepted"]) == ("alive", False)


def at_its_source(request: Request) -> bool:
    return request.host.startswith("appdata.")


async def test_what_is_in_use_once_more_is_told_as_the_version_in_use(rig: PolicyRig) -> None:
    """Its source may refuse it for now, and Rekey heals that."""
    await audit(rig, "app-key")
    rig.write("app-key", rig.latest("app-key").value)
    rig.clock.advance(120)
    answer = await leak(rig.api(), rig.latest("app-key").value)
    assert answer.body["version"] == rig.latest("app-key").version


@pytest.mark.parametrize("audited", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_value_that_ends_in_a_line_break_is_tried_without_it(
    rig: PolicyRig, end: str, *, audited: bool
) -> None:
    rig.write("app-key", rig.latest("app-key").value + end)
    rig.clock.advance(120)
    if audited:
        await audit(rig, "app-key")
    answer = await leak(rig.api(), rig.latest("app-key").value)
    assert (answer.status, answer.body["accepted"]) == (202, True)


@pytest.mark.parametrize("document", [TRUSTED, WITHOUT], ids=["keyed", "unkeyed"])
async def test_what_a_person_wrote_is_found_after_rekey_has_superseded_it(document: str) -> None:
    rig = leaky(document)
    first = rig.latest("app-key")
    await rotate(rig)
    answer = await leak(rig.api(), first.value)
    assert (answer.body["status"], answer.body["version"]) == ("alive", first.version)
    await settle(rig)
    accepted = rig.world.accounts["appdata"].accepted_keys()
    assert first.value not in {key.value for key in accepted}


async def test_a_value_is_found_whole_in_whatever_form_it_is_by_a_process_that_remembers() -> None:
    rig = leaky()
    rig.secret("odd", rig.account("odddata"), days_left=80, template="~{key}~")
    await audit(rig, "odd")
    api, value = rig.api(), rig.latest("odd").value
    for _ in range(2):
        answer = await leak(api, value)
        assert (answer.body["status"], answer.body["secret"]) == ("alive", "odd")


async def test_what_a_person_has_revoked_is_refused_as_of_now(rig: PolicyRig) -> None:
    first = rig.latest("app-key")
    await rotate(rig)
    rig.world.accounts["appdata"].regenerate("key1")
    answer = await leak(rig.api(), first.value)
    now = f"{rig.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    assert (answer.body["status"], answer.body["refused"]) == ("refused", now)
    assert answer.body["proof"].startswith("tried at its source")


@pytest.mark.parametrize("superseded", [False, True])
async def test_a_leaked_signature_is_cut_off_with_the_key_that_made_it(*, superseded: bool) -> None:
    rig = PolicyRig()
    rig.push(EMPTY + WITHOUT)
    scene = SasScene(rig=rig)
    scene.manage()
    rig.clock.advance(60)
    leaked, key = rig.latest(SAS), rig.latest(KEY).version
    if superseded:
        await rotate(rig, KEY)
    answer = await leak(rig.api(), leaked.value)
    found = (answer.body["status"], answer.body["secret"], answer.body["version"])
    assert found == ("alive", KEY, key)
    await settle(rig)
    assert not scene.works(leaked)
    assert scene.works(rig.latest(SAS))


@pytest.mark.parametrize(
    "text",
    [
        "SharedAccessSignature sr=https%3A%2F%2F%5Bx&sig=a&se=1&skn=b",
        "https://[x?sv=2022-11-02&sig=abc",
    ],
)
async def test_a_malformed_url_keeps_no_report_from_being_judged(text: str) -> None:
    rig = leaky()
    answer = await leak(rig.api(), text)
    assert (answer.status, answer.body["status"]) == (200, "unknown")
    answer = await leak(rig.api(), f"# see {text}\nKEY={rig.latest('app-key').value}")
    assert answer.body["status"] == "alive"


@pytest.mark.parametrize("kind", ["service-principal-secret", "storage-key"])
async def test_who_reports_and_who_follows_hear_what_outlives_the_refusal(kind: str) -> None:
    place = PLACES[kind]()
    api, rotator = place.rig.api(), place.rig.service().engine.rotators[kind]
    expected = rotator.lingers.what if isinstance(rotator, Lingers) else None
    answer = await leak(api, place.rig.latest(place.name).value, act=True)
    path = {"incident": str(answer.body["incident"])}
    await Delivery(place.rig, place.rig.service).run(within=timedelta(hours=1))
    ongoing = (await send(api, "http_incident_progress", path)).body
    (secret,) = (await send(api, "http_incident_report", path)).body["secrets"]
    assert (answer.body["lingers"], secret["lingers"]) == (expected, expected)
    assert secret["replaced_by"] == place.rig.latest(place.name).version
    assert ongoing["lingers"] == ([{"kind": kind, "what": expected}] if expected else [])


async def test_what_a_replica_holds_before_its_primary_is_published_is_never_answered_as_unknown(
    rig: PolicyRig,
) -> None:
    own = {"ReplicaOf": f"{rig.vault.url}/secrets/app-key"}
    rig.vault.put("copy", "none yet", tags=own)
    copies = {"Replicas": f"{rig.vault.url}/secrets/copy"}
    rig.vault.amend(rig.latest("app-key"), tags={**rig.tags("app-key"), **copies})
    await audit(rig, "app-key", "other")
    writing = lambda request: request.method == "PUT" and "/app-key" in request.path  # noqa: E731
    refuse(rig, 503, "ServerBusy", writing)
    api = rig.api()
    await leak(api, "what the process has listed a moment ago")
    with contextlib.suppress(TransientError):
        await rotate(rig)
    assert rig.latest("copy").value != rig.latest("app-key").value
    answer = await leak(api, rig.latest("copy").value)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "120")
    assert "in progress" in answer.body["detail"]


async def test_a_whole_value_that_is_announced_is_read_as_its_secret_was_before_it_was_disabled() -> (
    None
):
    rig = leaky(WITHOUT)
    rig.secret("odd", rig.account("odddata"), days_left=80, template="of{key}shop")
    rig.clock.advance(60)
    refuse(rig, 503, "Busy", lambda sent: sent.method == "PUT" and "/odd" in sent.path, times=9)
    keys = rig.world.accounts["odddata"].keys
    before = {key.value for key in keys.values()}
    with contextlib.suppress(TransientError):
        await rotate(rig, "odd")
    (made,) = {key.value for key in keys.values()} - before
    rig.vault.amend(rig.latest("odd"), enabled=False)
    matches = await Index().find(await rig.service().ready(), [f"of{made}shop"])
    assert [(it.version, it.credential.reveal()) for it in matches] == [("", made)]


async def test_a_match_names_the_credential_as_the_record_does(rig: PolicyRig) -> None:
    first = rig.latest("app-key")
    await rotate(rig)
    engine, current = await rig.service().ready(), rig.latest("app-key")
    for leaked, known in ((first, ("key1", False)), (current, ("key2", True))):
        (match,) = await Index().find(engine, [leaked.value])
        assert (match.version, match.credential_id, match.is_current) == (leaked.version, *known)


async def test_a_match_of_a_secret_that_no_record_knows_names_the_credential_as_its_tag_does(
    rig: PolicyRig,
) -> None:
    leaked, engine = rig.latest("app-key"), await rig.service().ready()
    (match,) = await Index().find(engine, [leaked.value])
    assert (match.version, match.credential_id, match.is_current) == (leaked.version, "key1", True)


async def test_a_hit_in_memory_lists_nothing(rig: PolicyRig) -> None:
    await audit(rig, "app-key", "other")
    index, engine = Index(), await rig.service().ready()
    await index.find(engine, ["none-of-ours-at-all"])
    rig.calls()
    assert await index.find(engine, [rig.latest("app-key").value])
    assert rig.calls() == {"vault": 2, "host blob": 1}


async def test_a_miss_reads_each_secret_that_has_no_print_and_none_that_is_not_managed() -> None:
    rig = leaky(WITHOUT)
    rig.vault.put("plain", "x", tags={})
    await audit(rig, "app-key")
    engine = await rig.service().ready()
    rig.calls()
    assert not await Index().find(engine, ["none-of-ours-at-all"])
    paths = [it.request.path for it in rig.world.exchanges if it.request.host == rig.vault.host]
    read = Counter(path.split("/")[2] for path in paths if path != "/secrets")
    assert read == {"app-key": 2, "other": 1}, "once more for its record"


FIRST_DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "facts",
    [
        {"created": FIRST_DAY},
        {"pending": Pending(FIRST_DAY, "1" * 32, "key2")},
        {"prints": {"1" * 32: "lost"}},
        {
            "published": Published(
                "", "key2", "", "", FIRST_DAY, version="1" * 32, created=FIRST_DAY
            )
        },
    ],
    ids=lambda facts: next(iter(facts)),
)
async def test_a_secret_is_read_where_a_source_that_it_has_left_knows_what_has_no_print(
    rig: PolicyRig, facts: dict[str, Any]
) -> None:
    await audit(rig, "app-key", "other")
    await rig.note(rig.account("elsewhere").resource_id.lower(), "app-key", **facts)
    engine = await rig.service().ready()
    rig.calls()
    assert not await Index().find(engine, ["none-of-ours-at-all"])
    assert "/secrets/app-key/" in [it.request.path for it in rig.world.exchanges]


async def test_what_is_released_while_it_is_looked_for_keeps_no_report_from_an_answer() -> None:
    rig = leaky(WITHOUT)
    await audit(rig, "app-key")
    source = rig.tags("app-key")["ProviderAddress"].lower()

    async def meanwhile(request: Request, call: Call) -> Response:
        if request.path == "/secrets":
            await rig.note(source, "app-key", owner="")
        return await call()

    answer = await leak(rig.api(meanwhile), "none-of-ours-at-all")
    assert (answer.status, answer.body["status"]) == (200, "unknown")


async def test_what_is_written_again_for_another_source_is_named_at_the_first_as_its_record_does(
    rig: PolicyRig,
) -> None:
    await rotate(rig)
    made, elsewhere = rig.latest("app-key"), rig.account("elsewhere").resource_id
    source = rig.tags("app-key")["ProviderAddress"].lower()
    rig.write("app-key", made.value, ProviderAddress=elsewhere)
    (match,) = await Index().find(await rig.service().ready(), [made.value])
    assert (match.source, match.version, match.is_current) == (source, made.version, False)


async def test_what_is_deleted_is_looked_for_though_its_record_knows_no_version_yet(
    rig: PolicyRig,
) -> None:
    """Something may have been announced."""
    await audit(rig, "app-key", "other")
    await rig.note(rig.account("elsewhere").resource_id.lower(), "deleted")
    engine = await rig.service().ready()
    rig.calls()
    assert not await Index().find(engine, ["none-of-ours-at-all"])
    assert "/secrets/deleted/" in [it.request.path for it in rig.world.exchanges]


async def test_who_waited_for_a_look_that_failed_takes_one_of_its_own(rig: PolicyRig) -> None:
    async def slow(_: Request, call: Call) -> Response:
        await asyncio.sleep(0)
        return await call()

    await audit(rig, "app-key", "other")
    index, engine = Index(), await rig.service(slow).ready()
    refuse(rig, 503, "ServerBusy", lambda sent: sent.query.get("comp") == "list", times=2)
    looks = (index.find(engine, [f"false-report-{number}"]) for number in range(3))
    answers = await asyncio.gather(*looks, return_exceptions=True)
    assert [type(it) for it in answers] == [TransientError, TransientError, list]


@pytest.mark.parametrize("document", [TRUSTED, WITHOUT], ids=["keyed", "unkeyed"])
async def test_a_vault_that_is_served_no_more_keeps_no_report_from_an_answer(document: str) -> None:
    """Its records alone tell what it held."""
    rig = leaky(document)
    await rotate(rig)
    made, source = rig.latest("app-key"), rig.tags("app-key")["ProviderAddress"].lower()
    rig.vault.amend(made, tags={})
    await rig.note(source, "app-key", owner="https://gone.vault.azure.net/secrets/app-key")
    answers = [await leak(rig.api(), value) for value in (made.value, "none-of-ours-at-all")]
    known = [(answer.status, answer.body["status"], answer.body["vault"]) for answer in answers]
    assert known == [(202, "alive", "gone"), (200, "unknown", None)]


async def test_what_is_superseded_while_it_is_looked_for_is_found(rig: PolicyRig) -> None:
    first = rig.latest("app-key")

    async def meanwhile(request: Request, call: Call) -> Response:
        if request.path == "/secrets" and rig.latest("app-key") is first:
            await rotate(rig)
        return await call()

    answer = await leak(rig.api(meanwhile), first.value)
    assert (answer.body["status"], answer.body["version"]) == ("alive", first.version)


@pytest.mark.parametrize("is_last", [False, True])
async def test_of_a_purged_secret_its_record_alone_tells_what_rekey_made(*, is_last: bool) -> None:
    rig = leaky(WITHOUT)
    await rotate(rig)
    made = rig.latest("app-key")
    if not is_last:
        rig.clock.advance(8 * 86_400)
        await rig.service().rotate(rig.item("app-key", action="retire").to_json(), 1)
        await rotate(rig)
    rig.vault.delete("app-key")
    rig.vault.deleted.clear()
    answer = await leak(rig.api(), made.value)
    assert (answer.body["status"], answer.body["version"]) == ("alive", made.version)


@pytest.mark.parametrize("credential", ["none-of-ours-at-all", "nobody knows it any more"])
async def test_a_print_that_the_vault_denies_leads_to_no_version(credential: str) -> None:
    rig, nobodys = leaky(), "none-of-ours-at-all"
    await audit(rig, "app-key", "other")
    source = rig.tags("app-key")["ProviderAddress"].lower()
    engine = await rig.service().ready()
    prints = SEPARATOR.join(next(engine.prints.each(text)) for text in (credential, nobodys))
    await rig.note(source, "app-key", prints={rig.latest("app-key").version: prints})
    assert (await leak(rig.api(), nobodys)).body["status"] == "unknown"


@pytest.mark.parametrize("gone", [None, "deleted", "purged"])
@pytest.mark.parametrize("by_value", [True, False])
@pytest.mark.parametrize("heir", [True, False])
async def test_what_was_refused_is_told_once_its_source_has_passed_on_or_its_secret_is_gone(
    rig: PolicyRig, gone: str | None, by_value: bool, heir: bool
) -> None:
    await audit(rig, "app-key")
    leaked = rig.latest("app-key")
    if by_value:
        answer = await leak(rig.api(), leaked.value)
    else:
        answer = await begin(rig.api(), vault="prod", name="app-key", version=leaked.version)
    await settle(rig)
    before = await reported(rig.api(), answer)
    if heir:
        await passed_on(rig)
    if gone:
        rig.vault.delete("app-key")
    if gone == "purged":
        rig.vault.deleted.clear()
    assert await progress(rig.api(), answer) == "ended"
    after = await reported(rig.api(), answer)
    assert before["ended"] == after["ended"] is not None
    (secret,), (known,) = after["secrets"], before["secrets"]
    assert (secret["secret"], secret["status"]) == ("app-key", "refused")
    assert secret["cut_off"][0]["proof"] == known["cut_off"][0]["proof"]


async def test_a_report_names_what_an_incident_means_and_no_version_that_its_secret_never_had(
    rig: PolicyRig,
) -> None:
    await rotate(rig)
    answer = await begin(rig.api(), vault="prod", name="app-key")
    leaked = rig.latest("app-key").version
    (before,) = (await reported(rig.api(), answer))["secrets"]
    assert [row["version"] for row in before["cut_off"]] == [leaked]
    (sweep,) = rig.messages("sweeps")
    await rig.service().sweep_vault(json.dumps(sweep))
    await settle(rig)
    source = rig.tags("app-key")["ProviderAddress"].lower()
    proofs = (await rig.known(source)).compromised.revoked
    await rig.note(source, "app-key", gone={**proofs, "f" * 32: proofs[leaked]})
    (after,) = (await reported(rig.api(), answer))["secrets"]
    assert after["cut_off"][0]["version"] == leaked
    assert "f" * 32 not in [row["version"] for row in after["cut_off"]]


@pytest.mark.parametrize("document", [TRUSTED, WITHOUT], ids=["keyed", "unkeyed"])
async def test_a_whole_value_is_read_by_the_template_of_its_own_version(document: str) -> None:
    """Somebody has written a newer version since, which holds the key alone."""
    rig, shape = leaky(document), "shop|{account}|{key}"
    keys = rig.world.accounts["appdata"].keys
    rig.write("app-key", f"shop|appdata|{keys['key1'].value}", ValueTemplate=shape)
    rig.clock.advance(60)
    await rotate(rig, "app-key")
    reported = rig.latest("app-key").value
    rig.clock.advance(8 * 86_400)
    await rig.service().rotate(rig.item("app-key", action="retire").to_json(), 1)
    bare = {"ValueTemplate": None, "CredentialId": "key1"}
    bare |= {"RekeyRetire": None, "RekeyOperation": None}
    rig.write("app-key", keys["key1"].value, **bare)
    rig.clock.advance(60)
    await audit(rig, "app-key")
    rig.clock.advance(120)
    answer = await leak(rig.api(), reported, act=True)
    assert (answer.status, answer.body["status"]) == (202, "alive")
