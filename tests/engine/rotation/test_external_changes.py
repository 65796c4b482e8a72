"""What other people and deployments do to a credential is left alone, and not fought over."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engine.errors import NeedsHuman, TransientError
from engine.state.tags import BY, RETIRE, Pending
from simulator.wire import Request
from tests.engine.rotation.held import held, is_external, refuse_to_fight, refused_external, was_hit
from tests.engine.rotation.plain_kind import NEW, Plain, working
from tests.shared.builders import SECOND, V2
from tests.shared.heard import LOST
from tests.shared.rig import Rig
from tests.shared.scene import NAME, keys_of, refuse, scene
from tests.shared.sql_product import NAME as SQL
from tests.shared.sql_product import sql
from tests.shared.sql_rig import SECOND as SECOND_PASSWORD
from tests.shared.sql_rig import TEMPLATE

MADE_UP = "A" * 86 + "=="
"""A value of the right form that no account accepts."""
LEFT_ALONE, COOL_DOWN = timedelta(days=1), timedelta(days=7)
"""For how long a version is left to whoever wrote it, and a credential not fought over."""
WRITTEN = "the source refuses the value that somebody wrote"


@pytest.mark.parametrize(
    ("age", "fields", "is_respected"),
    [
        pytest.param(timedelta(hours=1), {}, True, id="within a day"),
        pytest.param(LEFT_ALONE - SECOND, {}, True, id="just within a day"),
        pytest.param(LEFT_ALONE, {}, False, id="a day ago"),
        pytest.param(timedelta(hours=1), {"force": True}, False, id="forced"),
        pytest.param(timedelta(hours=1), {"compromised": True}, False, id="in an incident"),
    ],
)
async def test_a_value_that_somebody_just_wrote_and_the_source_refuses_is_not_superseded(
    rig: Rig, age: timedelta, fields: dict[str, Any], *, is_respected: bool
) -> None:
    written = rig.write(NAME, MADE_UP, 10)
    rig.clock.advance(age.total_seconds())
    outcome = await rig.handle(NAME, version=written.version, **fields)
    assert outcome.reason.startswith(WRITTEN) is is_respected
    assert (rig.latest(NAME).version == written.version) is is_respected
    assert LOST not in outcome.reason


@pytest.mark.parametrize("leaked", [(), (V2,)])
async def test_an_incident_that_was_noted_does_not_wait_for_who_wrote_what_is_refused(
    leaked: tuple[str, ...],
) -> None:
    async with working(Plain(accepted=set()), {}) as work:
        work.at.know(compromised=leaked)
        if leaked:
            await work.rotate(work.secret, "due", at_once=True)
        else:
            assert (await work.fails(NeedsHuman)).what.startswith(WRITTEN)
        assert (work.latest.value == NEW) is bool(leaked)


async def test_a_source_that_gives_no_answer_about_a_written_value_is_asked_for_a_new_one() -> None:
    """Whatever keeps it from answering makes the change fail, too, with its reason."""
    rig = scene()
    written = rig.write(NAME, MADE_UP, 10)

    def is_proof(request: Request) -> bool:
        return request.host.startswith("appdata.")

    refuse(rig, 503, "ServerBusy", is_proof, retry_after="600")
    with pytest.raises(TransientError):
        await rig.handle(NAME, version=written.version)
    assert rig.latest(NAME).version == written.version, "Azure has named a time"
    refuse(rig, 500, "Broken", is_proof)
    outcome = await rig.handle(NAME, version=written.version)
    assert outcome.result == "rotated"


@pytest.mark.parametrize(
    ("age", "result"),
    [(timedelta(hours=1), "parked"), (LEFT_ALONE, "healed"), (COOL_DOWN, "healed")],
)
async def test_a_version_that_no_source_has_accepted_is_left_to_whoever_wrote_it_for_a_day(
    age: timedelta, result: str
) -> None:
    rig = scene(days_left=80)
    rig.write(NAME, MADE_UP)
    rig.clock.advance(age.total_seconds())
    outcome = await rig.handle(NAME, action="audit", trigger="sweep")
    assert outcome.result == result
    assert outcome.reason.startswith(WRITTEN) is (result == "parked")
    assert LOST not in outcome.reason


async def test_a_password_that_somebody_wrote_is_left_alone_however_long_ago_that_was() -> None:
    """Healing would undo what they have set at the server."""
    rig = sql()
    rig.write(SQL, "Written-by-hand-1")
    rig.clock.advance(9 * 86_400)
    outcome = await rig.handle(SQL, action="audit", trigger="sweep")
    assert (outcome.result, len(rig.vault.versions(SQL))) == ("parked", 2)
    assert outcome.reason.startswith(WRITTEN)


async def test_the_password_of_the_other_login_is_no_password_of_the_one_that_is_named() -> None:
    rig = sql("two logins")
    names = {"server": rig.server.fqdn, "database": "shop", "user": "app_a"}
    rig.write(SQL, TEMPLATE.format(**names, password=SECOND_PASSWORD), 10)
    before = rig.passwords()
    outcome = await rig.handle(SQL)
    assert outcome.reason.startswith(WRITTEN)
    assert rig.passwords() == before


@pytest.mark.parametrize(
    ("facts", "is_theirs"),
    [
        pytest.param({}, True, id="of which nothing is known"),
        pytest.param({"published": "this"}, False, id="that Rekey published"),
        pytest.param({"proven": "this"}, False, id="that a source has accepted"),
        pytest.param({"touched": "this"}, False, id="that a change by Rekey may have made useless"),
        pytest.param({"proven": V2, "touched": V2}, True, id="in place of another"),
        pytest.param({"proven": V2, "compromised": (V2,)}, False, id="where another has leaked"),
        pytest.param({"compromised": (V2,)}, True, id="where another one's has leaked"),
    ],
)
async def test_a_recent_version_is_theirs_unless_rekey_wrote_proved_or_touched_it(
    facts: dict[str, str], *, is_theirs: bool
) -> None:
    async with held(scene()) as at:
        if "published" in facts:
            at.published()
        this = str(at.secret.version)
        known = {name: this if text == "this" else text for name, text in facts.items()}
        at.know(**{name: text for name, text in known.items() if name != "published"})
        assert is_external(at.rotation, at.secret) is is_theirs


@pytest.mark.parametrize(
    ("place", "ends", "is_theirs"),
    [
        pytest.param("key1", SECOND, True, id="inside the overlap"),
        pytest.param("key1", -SECOND, False, id="after it"),
        pytest.param("key2", SECOND, False, id="the other one's place"),
    ],
)
async def test_an_older_version_is_theirs_while_it_names_what_is_inside_its_overlap(
    place: str, ends: timedelta, *, is_theirs: bool
) -> None:
    """It would be healed in that place, and cut off what apps may still use."""
    rig = scene()
    rig.clock.advance(2 * LEFT_ALONE.total_seconds())
    async with held(rig) as at:
        at.know(pending=Pending(at.now + ends, V2, place))
        assert is_external(at.rotation, at.secret) is is_theirs
        first = Pending(at.now + SECOND, V2, "another")
        at.know(to_retire=(first, *at.record.to_retire))
        assert is_external(at.rotation, at.secret) is is_theirs, "whatever is to be retired first"
        refusal = refused_external(at.rotation, at.secret)
    # No force ends an overlap, and its answer says what does help.
    assert ("kept until" in refusal.what) is is_theirs
    assert ("restore the secret" in refusal.fix) is is_theirs
    assert ("send force" in refusal.fix) is not is_theirs


async def test_a_restore_ends_what_no_force_does_where_a_refused_version_names_a_kept_slot() -> (
    None
):
    """As the reason advises: it is days old, so nobody waits for whoever wrote it."""
    rig = scene()
    before = rig.latest(NAME).value
    await rig.work(NAME)
    rig.write(NAME, MADE_UP, 80, CredentialId="key1")
    rig.clock.advance(2 * LEFT_ALONE.total_seconds())
    refused = await rig.handle(NAME, action="audit")
    assert refused.result == "parked"
    assert "key1, kept until" in refused.reason
    assert refused.fix.endswith("restore the secret")
    assert (await rig.handle(NAME, force=True)).result == "waiting"
    assert (await rig.handle(NAME, action="restore")).result == "restored"
    assert rig.latest(NAME).value == before


async def test_what_was_published_last_is_not_cut_off_where_nonsense_names_its_login() -> None:
    """Apps that have read it use it on. The other login is taken, once its overlap has passed."""
    rig = sql("two logins")
    await rig.work(SQL)
    last = rig.latest(SQL)
    names = {"server": rig.server.fqdn, "database": "shop", "user": "app_b"}
    rig.write(SQL, TEMPLATE.format(**names, password="N0nsense-of-a-pipeline"), 80)
    rig.clock.advance(2 * LEFT_ALONE.total_seconds())
    refused = await rig.handle(SQL, action="audit")
    assert refused.result == "parked"
    assert "apps may use app_a, kept until" in refused.reason
    assert refused.fix.endswith("restore the secret")
    rig.clock.advance(timedelta(days=6).total_seconds())
    assert (await rig.handle(SQL, action="audit")).result == "healed"
    new = rig.latest(SQL)
    assert rig.accepted(last)
    assert rig.accepted(new)
    assert rig.tags(SQL)["CredentialId"] == "app_a"
    assert rig.tags(SQL)[RETIRE].split()[1:] == [last.version, "app_b"]


async def test_a_key_that_its_source_shows_is_published_again_where_nonsense_names_it() -> None:
    rig = scene()
    await rig.work(NAME)
    rig.clock.advance(timedelta(days=8).total_seconds())
    await rig.work(NAME, action="retire", trigger="sweep")
    before, last = keys_of(rig), rig.latest(NAME)
    rig.write(NAME, MADE_UP, 80)
    rig.clock.advance(LEFT_ALONE.total_seconds())
    assert (await rig.handle(NAME, action="audit")).result == "healed"
    assert (rig.latest(NAME).value, keys_of(rig)) == (last.value, before)


@pytest.mark.parametrize("look", ["recheck", "follows"])
@pytest.mark.parametrize("names", [False, True])
async def test_a_recent_version_is_theirs_unless_a_look_names_it(look: str, *, names: bool) -> None:
    async with held(scene()) as at:
        version = at.secret.version if names else None
        rotation = at.steps(version=version, **{look: True}).rotation
        at.know(open_until=at.now + SECOND)
        await rotation.observe()
        assert is_external(rotation, at.secret) is not names


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_another_deployment_wrote_is_theirs_unless_a_late_change_of_ours_may_have_hit_it(
    *, is_late: bool
) -> None:
    async with held(scene(tags={BY: "east"})) as at:
        at.parts = replace(at.parts, policy=replace(at.parts.policy, deployment="west"))
        at.know(open_until=at.now + SECOND if is_late else None)
        rotation = at.rotation
        await rotation.observed.observe()
        assert is_external(rotation, at.secret) is not is_late


@pytest.mark.parametrize(
    ("value", "facts", "is_hit"),
    [
        pytest.param(None, {"open_until": SECOND}, True, id="the same value"),
        pytest.param(MADE_UP, {"open_until": SECOND}, False, id="another value"),
        pytest.param(None, {"open_until": None}, False, id="nothing can come late"),
        pytest.param(None, {"open_until": SECOND, "touched": ""}, False, id="nothing was sent"),
        pytest.param(None, {"open_until": SECOND, "touched": V2}, False, id="it is gone"),
    ],
)
async def test_a_late_change_has_hit_what_it_was_to_replace_where_somebody_writes_it_again(
    value: str | None, facts: dict[str, Any], *, is_hit: bool
) -> None:
    rig = scene()
    before = rig.vault.versions(NAME)[-1]
    async with held(rig) as at:
        at.know(**at.times({"touched": before.version, **facts}))
        rig.write(NAME, value or before.value)
        assert await was_hit(at.rotation, await at.rotation.observed.observe()) is is_hit


@pytest.mark.parametrize("is_open", [False, True])
async def test_the_refusal_warns_of_a_password_that_a_change_has_left_unknown(
    *, is_open: bool
) -> None:
    async with held(scene()) as at:
        at.know(blind=True, open_until=at.now if is_open else None)
        reason = at.rotation.warned(refused_external(at.rotation, at.secret).what)
    assert reason.startswith(WRITTEN)
    assert (LOST in reason) is is_open


@pytest.mark.parametrize(
    ("facts", "ours", "is_refused"),
    [
        pytest.param({"healed": SECOND - COOL_DOWN}, True, True, id="again within a week"),
        pytest.param({"healed": -COOL_DOWN}, True, False, id="again after a week"),
        pytest.param({}, True, False, id="for the first time"),
        pytest.param({"healed": -SECOND}, False, False, id="of their version"),
        pytest.param({"healed": -SECOND, "open_until": SECOND}, True, False, id="by a late change"),
    ],
)
async def test_what_is_changed_at_its_source_again_and_again_is_not_fought_over(
    facts: dict[str, timedelta], *, ours: bool, is_refused: bool
) -> None:
    async with held(scene()) as at:
        if ours:
            at.published()
        at.know(**at.times(facts))
        fights = pytest.raises(NeedsHuman, match="changes this credential at its source, too")
        with fights if is_refused else nullcontext():
            refuse_to_fight(at.rotation, at.secret)
