"""While nobody may know a single slot's password: who looks, who waits, and what is told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from engine.contract import LATE
from engine.engine import Engine
from engine.errors import TransientError
from engine.state.policy import Document, Webhook
from engine.state.record import RECHECK
from engine.state.record_parts import Announced
from engine.state.tags import REASON, STATE
from simulator.faults import Fault
from simulator.wire import Request
from tests.engine.rotation.plain_kind import Plain, rotating
from tests.shared.graph_rig import NAME as SECRET
from tests.shared.graph_rig import GraphRig
from tests.shared.heard import LOST, heard
from tests.shared.rig import Rig
from tests.shared.scene import refuse, struck, to_vault
from tests.shared.sql_product import NAME, SqlProduct, sql
from tests.shared.sql_rig import FIRST

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEFT = "the secret has left that source"
PROMISED, FOLLOWS = "a recheck of the source follows", "another recheck of the source follows"


async def uncertain(kind: str = "a login") -> SqlProduct:
    """Return a server that set a password whose answer was lost, a minute ago."""
    rig = sql(kind)
    rig.world.faults.append(Fault(lambda request: b"ALTER " in request.body, after=True))
    with pytest.raises(TransientError):
        await rig.handle(NAME, trigger="event")
    rig.clock.advance(MINUTE.total_seconds())
    return rig


async def source_of(rig: Rig) -> str:
    """Return the only source of which anything is known."""
    [source] = [listed.source async for listed in rig.service().engine.leases.index()]
    return source


def with_a_chat(rig: Rig) -> Engine:
    """Return an engine whose policy names a chat for everybody."""
    engine = rig.service().engine
    chat = Document(webhooks=(Webhook(None, "teams", "chat"),))
    return replace(engine, policy=engine.policy.under(chat))


@pytest.mark.parametrize(
    ("fields", "is_left"),
    [
        pytest.param({"trigger": "event"}, True, id="a duplicate"),
        pytest.param({"trigger": "sweep", "action": "audit"}, True, id="an audit"),
        pytest.param({"trigger": "manual"}, False, id="an operator"),
        pytest.param({"trigger": "event", "compromised": True}, False, id="an incident"),
        pytest.param({"trigger": "sweep", "recheck": True}, False, id="the look"),
    ],
)
async def test_a_password_that_is_uncertain_is_left_to_the_look_that_follows(
    fields: dict[str, Any], *, is_left: bool
) -> None:
    rig = await uncertain()
    look_at = rig.clock.now() + (-MINUTE if fields.get("recheck") else 2 * MINUTE)
    await rig.note(await source_of(rig), NAME, look_at=look_at)
    version, passwords = rig.latest(NAME).version, rig.passwords()
    outcome = await rig.handle(NAME, **fields)
    assert (outcome.reason == PROMISED) is is_left
    assert (rig.latest(NAME).version == version) is is_left
    assert (rig.passwords() == passwords) is is_left


@pytest.mark.parametrize("is_named", [False, True])
async def test_who_waited_for_a_proof_in_vain_leaves_its_source_to_the_next_look(
    *, is_named: bool
) -> None:
    """A proof lasts longer than the pause between two looks: the next one counts from its end.

    Where Azure has named a time, it is due then.
    """
    rig = await uncertain()
    source, reads = await source_of(rig), count()

    def after_a_proof(request: Request) -> bool:
        read = next(reads) if to_vault()(request) else 0
        rig.clock.advance(MINUTE.total_seconds() if read == 1 else 0.0)
        return read > 0

    named = {"Retry_After": "7"} if is_named else {}
    refuse(rig, 429 if is_named else 503, "Busy", after_a_proof, 20, **named)
    look = {"action": "audit", "trigger": "sweep", "recheck": True, "source": source}
    outcome = await rig.handle(NAME, **look)
    assert outcome.result == "skipped"
    rig.world.faults.clear()
    next_check = (await rig.known(source)).next_check
    assert next_check == rig.clock.now() + timedelta(seconds=7 if is_named else 30)
    assert (FOLLOWS in (await rig.handle(NAME, **look)).reason) is not is_named


@pytest.mark.parametrize(
    ("minutes", "wait", "tries", "reports"),
    [
        pytest.param(0.5, None, 1, 0, id="it may still be proven"),
        pytest.param(3, None, 1, 1, id="for minutes"),
        pytest.param(3, None, 2, 1, id="once, however often it fails"),
        pytest.param(3, "7", 1, 0, id="Azure has asked to wait, and a mark takes a call"),
    ],
)
async def test_a_person_hears_of_a_password_that_nobody_knows_while_rekey_goes_on_trying(
    minutes: float, wait: str | None, tries: int, reports: int
) -> None:
    """A server that answers no change is looked at for days: meanwhile no application signs in."""
    rig = await uncertain()
    engine, source = with_a_chat(rig), await source_of(rig)
    told = heard(engine.reporter)
    rig.clock.advance(60 * minutes)
    for _ in range(tries):
        if wait:
            refuse(rig, 429, "Busy", to_vault("GET"), 1, Retry_After=wait)
        else:
            rig.world.faults.append(Fault(lambda request: b"ALTER " in request.body))
        item = rig.item(NAME, action="audit", trigger="sweep", recheck=True, source=source)
        with suppress(TransientError):
            assert "another recheck of the source follows" in (await engine.handle(item)).reason
        rig.clock.advance(5 * MINUTE.total_seconds())
    parked = [outcome.reason for outcome in told if outcome.result == "parked"]
    assert len(parked) == reports
    assert all(reason.endswith(f"{LOST}, and Rekey goes on trying") for reason in parked)
    assert all(reason.count(LOST) == 1 for reason in parked)
    assert ("RekeyState" in rig.tags(NAME)) is bool(reports)
    notices = [task["reason"] for task in rig.messages("rotations") if task["action"] == "tell"]
    assert [text.partition(". Fix: ")[0] for text in notices] == parked


async def test_why_nobody_knows_a_password_is_told_although_its_vault_takes_no_mark_just_then() -> (
    None
):
    rig = await uncertain()
    engine, source = rig.service().engine, await source_of(rig)
    rig.clock.advance(3 * MINUTE.total_seconds())
    rig.world.faults.append(Fault(lambda request: b"ALTER " in request.body))
    refuse(rig, 503, "Busy", to_vault("PATCH"), 20)
    look = rig.item(NAME, action="audit", trigger="sweep", recheck=True, source=source)
    reason = (await engine.handle(look)).reason
    assert reason == f"the server gave no answer: 500; {FOLLOWS}"


async def test_a_source_is_left_alone_for_as_long_as_the_vault_asks_that_takes_no_mark() -> None:
    rig = await uncertain()
    engine, source = rig.service().engine, await source_of(rig)
    rig.clock.advance(3 * MINUTE.total_seconds())
    rig.world.faults.append(Fault(lambda request: b"ALTER " in request.body))
    refuse(rig, 429, "Busy", to_vault("PATCH"), 1, Retry_After="700")
    look = rig.item(NAME, action="audit", trigger="sweep", recheck=True, source=source)
    assert (await engine.handle(look)).result == "skipped"
    next_check = (await rig.known(source)).next_check
    assert next_check == rig.clock.now() + timedelta(seconds=700)


async def test_a_warning_that_cannot_be_noted_does_not_replace_what_it_is_about() -> None:
    """The run would end for good, for another reason, and say no more of the password."""
    rig = await uncertain()
    engine, source = rig.service().engine, await source_of(rig)
    outcomes = heard(engine.reporter)
    rig.clock.advance(3 * MINUTE.total_seconds())
    rig.world.faults.append(Fault(lambda request: b"ALTER " in request.body))

    def after_the_mark(request: Request) -> bool:
        is_note = request.method == "PUT" and "/sources/" in request.url
        return is_note and STATE in rig.tags(NAME)

    refuse(rig, 403, "Forbidden", after_the_mark, 1)
    look = rig.item(NAME, action="audit", trigger="sweep", recheck=True, source=source)
    reason = (await engine.handle(look)).reason
    assert reason == f"the server gave no answer: 500; {FOLLOWS}"
    assert [LOST in outcome.reason for outcome in outcomes if outcome.result == "parked"] == [True]


async def test_a_person_hears_once_a_day_of_an_unknown_password_whose_secret_takes_no_mark() -> (
    None
):
    rig = await uncertain()
    engine, source = with_a_chat(rig), await source_of(rig)
    told = heard(engine.reporter)
    rig.tag(NAME, **{f"further-{place}": "x" for place in range(15 - len(rig.tags(NAME)))})
    rig.world.faults.append(Fault(lambda request: b"ALTER " in request.body, times=20))
    for _ in range(9):
        rig.clock.advance(6 * HOUR.total_seconds())
        await engine.handle(
            rig.item(NAME, action="audit", trigger="sweep", recheck=True, source=source)
        )
    assert [outcome.result for outcome in told if LOST in outcome.reason].count("parked") == 3


@pytest.mark.parametrize(
    ("later", "is_soon"),
    [
        pytest.param(HOUR / 2, True, id="refused lately"),
        pytest.param(3 * HOUR, True, id="refused after an outage of hours"),
        pytest.param(25 * HOUR, False, id="refused for long"),
    ],
)
@pytest.mark.parametrize("asked", [None, "2026-11-01T00:00:00+00:00"])
async def test_a_refusal_does_not_put_off_the_next_look_for_a_day(
    later: timedelta, asked: str | None, *, is_soon: bool
) -> None:
    """Whether the current version was proven since a change, or it was first asked for days ago."""
    rig = await uncertain()
    refuse(rig, 403, "Forbidden", to_vault("GET"), 20)
    assert await looked_at_soon(rig, later, asked=asked) is is_soon


async def test_a_refusal_after_the_current_version_was_proven_is_no_hurry() -> None:
    rig = await uncertain()
    assert (await rig.handle(NAME, trigger="manual", force=True)).result == "rotated"
    rig.tag(NAME, Replicas=f"{rig.vault.url}/secrets/none")
    assert not await looked_at_soon(rig, HOUR / 2, blind=True)


async def test_a_refusal_that_bears_its_mark_does_not_put_off_the_next_look_either() -> None:
    """Two refusals in a row would leave what the vault holds refused for a quarter of an hour."""
    rig = await uncertain()
    rig.write(NAME, "what-nobody-has-set")
    assert await looked_at_soon(rig, HOUR / 2)
    assert await looked_at_soon(rig, MINUTE)


async def test_who_looks_at_a_disabled_secret_looks_seldom() -> None:
    """What a person must end would be asked for every three minutes, for ever."""
    rig = await uncertain()
    rig.vault.amend(rig.latest(NAME), enabled=False)
    assert not await looked_at_soon(rig, HOUR / 2)


async def looked_at_soon(rig: SqlProduct, later: timedelta, **noted: Any) -> bool:
    """Let time pass until nothing takes effect any more; return whether a look in vain is soon made good."""
    source = await source_of(rig)
    rig.clock.advance(later.total_seconds())
    await rig.note(source, NAME, open_until=rig.clock.now() - MINUTE, changing=None, **noted)
    look = {"action": "audit", "trigger": "sweep", "recheck": True, "source": source}
    assert (await rig.handle(NAME, **look)).result in ("parked", "waiting")
    next_check = (await rig.known(source)).next_check
    return next_check is not None and next_check < rig.clock.now() + 5 * MINUTE


async def test_nothing_is_left_to_a_look_where_there_is_another_login() -> None:
    rig = await uncertain("two logins")
    assert (await rig.handle(NAME, trigger="event")).result == "rotated"


async def test_a_secret_that_is_not_to_be_rotated_waits_for_no_look() -> None:
    rig = await uncertain()
    rig.clock.advance(1)
    rig.write(NAME, FIRST, Manual="true")
    outcome = await rig.handle(NAME, trigger="event")
    assert "only a person rotates it" in outcome.reason


async def test_a_change_under_way_is_left_to_no_look() -> None:
    """The message that looks for its end comes by itself."""
    rig = await uncertain()
    await rig.note(await source_of(rig), NAME, waiting=rig.clock.now() - HOUR)
    assert (await rig.handle(NAME, trigger="event")).reason != PROMISED


@pytest.mark.parametrize(
    ("is_unknown", "fields", "result"),
    [
        (True, {"recheck": True}, "confirmed"),
        (True, {"recheck": True, "force": True}, "confirmed"),
        (True, {"recheck": True, "compromised": True}, "confirmed"),
        (True, {}, "skipped"),
        # What was set back may still be replaced.
        (False, {"recheck": True}, "confirmed"),
        (False, {}, "skipped"),
    ],
)
async def test_a_look_at_an_unknown_password_proves_the_current_one_whatever_its_item_asked_for(
    fields: dict[str, Any], result: str, *, is_unknown: bool
) -> None:
    """A newer version has replaced the one that it names."""
    rig = sql()
    older, source = rig.latest(NAME).version, f"{rig.server.resource_id}/logins/app".lower()
    rig.clock.advance(1)
    rig.write(NAME, FIRST)
    later = rig.clock.now() + HOUR
    begun = rig.clock.now() - HOUR
    await rig.note(source, NAME, blind=is_unknown, open_until=later, gone={older: ""}, begun=begun)
    passwords = rig.passwords()
    outcome = await rig.handle(NAME, version=older, trigger="event", source=source, **fields)
    assert outcome.result == result
    assert rig.passwords() == passwords


@pytest.mark.parametrize(
    ("tags", "facts", "is_kept"),
    [
        pytest.param({}, {}, True, id="set back"),
        pytest.param({}, {"open_until": LATE}, True, id="set back just now"),
        pytest.param({STATE: None}, {}, False, id="not parked"),
        pytest.param({}, {"blind": True}, False, id="unknown"),
        pytest.param({}, {"compromised": True}, False, id="leaked"),
    ],
)
async def test_a_look_at_a_password_that_was_set_back_proves_it_and_sets_no_other_one(
    tags: dict[str, str | None], facts: dict[str, Any], *, is_kept: bool
) -> None:
    """It is due, and parked since it could not be replaced."""
    rig, now = sql(), Rig().clock.now()
    version = rig.latest(NAME)
    marks = {STATE: f"parked {rig.clock.now():%Y-%m-%dT%H:%M:%SZ} 0", REASON: "it was set back"}
    rig.tag(NAME, **(marks | tags))
    if facts.pop("compromised", False):
        facts["compromised"] = (version.version,)
    before, passwords = rig.tags(NAME), rig.passwords()
    source = f"{rig.server.resource_id}/logins/app".lower()
    until = now + facts.pop("open_until", 10 * MINUTE)
    known = {"open_until": until, "begun": now - HOUR, **facts}
    await rig.note(source, NAME, **known)
    look = {"source": source, "action": "audit", "recheck": True, "trigger": "sweep"}
    outcome = await rig.handle(NAME, **look)
    assert (rig.passwords() == passwords) is is_kept
    assert (rig.tags(NAME) == before) is is_kept
    if is_kept and until < now + LATE:
        assert outcome.result == "confirmed"
        assert outcome.reason == "the source accepts the current version"
    elif is_kept:
        assert outcome.result == "waiting"
        assert outcome.reason == "what the vault holds was set back, and may still come"


async def test_a_look_that_its_record_has_forgotten_proves_the_current_version_in_any_case() -> (
    None
):
    """A failover has lost what was begun, and the look names a version that was replaced since."""
    rig = sql()
    older, source = rig.latest(NAME).version, f"{rig.server.resource_id}/logins/app".lower()
    rig.clock.advance(1)
    rig.write(NAME, FIRST)
    await rig.note(source, NAME)
    outcome = await rig.handle(NAME, version=older, trigger="event", source=source, recheck=True)
    assert outcome.result == "confirmed"


async def test_a_look_proves_what_has_no_room_for_the_tags_of_a_new_version() -> None:
    rig = sql()
    crowd = {f"team-{number}": "x" for number in range(12)}
    rig.vault.amend(rig.latest(NAME), tags={**rig.tags(NAME), **crowd})
    source, now = f"{rig.server.resource_id}/logins/app".lower(), rig.clock.now()
    await rig.note(source, NAME, blind=True, open_until=now + HOUR, begun=now - HOUR)
    look = {"source": source, "action": "audit", "recheck": True, "trigger": "sweep"}
    outcome = await rig.handle(NAME, **look)
    assert (outcome.result, outcome.reason) == (
        "confirmed",
        "the source accepts the current version",
    )


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"enabled": False}, "enable the current version, then rotate it by hand"),
        ({"tags": {}}, "set the tag ProviderAddress to what issues the credential"),
    ],
)
async def test_a_look_that_finds_nothing_to_prove_says_that_nobody_knows_the_password(
    changes: dict[str, Any], fix: str
) -> None:
    rig = await uncertain()
    source = await source_of(rig)
    rig.vault.amend(rig.latest(NAME), **changes)
    await rig.note(source, NAME, look_at=None)
    outcome = await rig.handle(NAME, source=source, action="audit", recheck=True, trigger="sweep")
    assert (outcome.result, LOST in outcome.reason) == ("parked", True)
    assert outcome.fix.startswith(fix)
    assert outcome.fix.endswith(", then rotate it by hand")


@pytest.mark.parametrize(("is_recheck", "is_notified"), [(True, True), (False, False)])
async def test_a_login_that_was_left_while_its_password_was_uncertain_is_told_of_by_its_look(
    *, is_recheck: bool, is_notified: bool
) -> None:
    rig = await uncertain()
    source = await source_of(rig)
    rig.server.add_login("other", "0ther-password-nobody-uses", "shop")
    rig.clock.advance(1)
    rig.write(NAME, "0ther-password-nobody-uses", CredentialId="other")
    await rig.note(source, NAME, changing=None, open_until=rig.clock.now(), look_at=None)
    fields: dict[str, Any] = {"action": "audit", "trigger": "sweep", "recheck": is_recheck}
    outcome = await rig.handle(NAME, source=source, **fields)
    assert (outcome.result == "parked") is is_notified
    assert (LOST in outcome.reason) is is_notified
    assert (outcome.source == source.replace("/app", "/other")) is not is_notified


async def test_a_change_of_unknown_effect_is_not_forgotten_where_the_next_look_fails() -> None:
    rig = await uncertain()
    source = await source_of(rig)
    await rig.note(source, NAME, look_at=None)
    rig.queue("rotations").clear()
    refuse(rig, 403, "Forbidden", to_vault(), times=1)
    outcome = await rig.handle(NAME, source=source, action="audit", recheck=True, trigger="sweep")
    assert outcome.result == "parked"
    known = await rig.known(await source_of(rig))
    assert known.is_unknown
    assert known.next_check == rig.clock.now() + RECHECK


def _with_leftover() -> tuple[GraphRig, str]:
    """Return an application with a secret that was made for a version, and never published."""
    rig = GraphRig()
    version = rig.managed().version
    operation = rig.item(SECRET, version=version).operation
    rig.directory.add_password(rig.app, f"rekey {operation}")
    rig.tag(SECRET, Manual="true")
    return rig, version


@pytest.mark.parametrize(
    ("changes", "is_removed"),
    [
        pytest.param({}, True, id="called off"),
        pytest.param({"open_until": None, "unused": ("x" * 32,)}, False, id="settled"),
        pytest.param({"touched": ""}, False, id="never asked for"),
        pytest.param({"ahead": True}, False, id="announced, so that it may yet be published"),
        pytest.param({"bound": False}, False, id="at a source that the vault is not bound to"),
    ],
)
async def test_what_was_made_for_a_rotation_that_was_called_off_is_removed(
    changes: dict[str, Any], *, is_removed: bool
) -> None:
    rig, version = _with_leftover()
    now = rig.clock.now()
    write = Announced("operation", "id", "00" * 32, version, now - HOUR)
    changes = {**changes, **({"ahead": write} if "ahead" in changes else {})}
    open_until, engine = now + HOUR, rig.service().engine
    if not changes.pop("bound", True):
        policy = replace(engine.policy, scopes={rig.vault.url: ("/subscriptions/another",)})
        engine = replace(engine, policy=policy)
    known = {"touched": version, "open_until": open_until, "kind": "service-principal-secret"}
    await rig.note(rig.app.app_id, SECRET, **{**known, **changes})
    before = rig.alive()
    look = rig.item(SECRET, action="audit", recheck=True, trigger="sweep", source=rig.app.app_id)
    await engine.handle(look)
    assert rig.alive() == (before[:1] if is_removed else before)


@pytest.mark.parametrize(
    ("tag", "text", "reason"),
    [
        ("Rotator", "none", f"; {LOST}"),
        ("ProviderAddress", "{}s", f"the secret has another source; {LOST}; {LEFT}"),
    ],
)
async def test_who_parks_a_secret_after_its_password_was_set_says_that_nobody_knows_it(
    tag: str, text: str, reason: str
) -> None:
    """Its owner edits a tag in the middle of a repair, and what the vault holds was refused before."""
    rig = sql()
    await rig.handle(NAME, trigger="event")
    rig.clock.advance(HOUR.total_seconds())
    rig.server.set_password(rig.server.logins["app"], "By-hand-0nly-they-know-1")
    tags = {tag: text.format(rig.server.resource_id)}
    edit = struck(rig, lambda sent: b"ALTER " in sent.body, lambda: rig.tag(NAME, **tags))
    item = rig.item(NAME, action="audit", trigger="manual", version=None)
    outcome = await rig.service(edit).engine.handle(item)
    assert (outcome.result, len(rig.vault.versions(NAME))) == ("parked", 2)
    assert outcome.reason.endswith(reason)


@pytest.mark.parametrize(
    ("compromised", "why"),
    [(False, "a newer version has replaced the requested one"), (True, "may still land")],
)
async def test_a_password_lost_at_a_source_that_its_secret_has_left_is_told_of_without_a_mark(
    why: str, *, compromised: bool
) -> None:
    """A mark would keep the present source waiting, which has lost nothing."""
    rig = sql()
    elsewhere = rig.server.resource_id.replace("orders", "elsewhere")
    edit = struck(
        *(rig, lambda sent: b"ALTER " in sent.body),
        lambda: rig.write(NAME, "0ther-password-nobody-uses", ProviderAddress=elsewhere),
    )
    item = rig.item(NAME, trigger="manual", force=True, compromised=compromised)
    outcome = await rig.service(edit).engine.handle(item)
    assert outcome.result == "parked"
    assert outcome.reason.endswith(f"{why}; {LOST}; {LEFT}")
    assert outcome.fix == "set a password there by hand"
    assert "RekeyState" not in (rig.latest(NAME).tags or {})


async def test_a_password_that_was_lost_is_rechecked_although_its_error_was_definite() -> None:
    async with rotating(Plain(works=False), {"Single": "true"}, force=True) as work:
        _, outcome = await work.run()
        assert (outcome.result, LOST in outcome.reason) == ("parked", True)
        assert work.at.noted.is_unknown
        assert work.at.noted.next_check
