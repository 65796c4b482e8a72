"""What Rekey believes of a secret: the vault's current version beside the record of its source."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.contract import LATE, Derived
from engine.errors import AccessDenied, LeaseUnavailable, NotFound
from engine.kinds import Kinds
from engine.state.record import SELDOM, SETTLE, Record
from engine.state.request import DAY, OFTEN, UNMARKED, Outcome, Result
from engine.state.tags import CREDENTIAL, OPERATION, RETIRE, STATE, Pending
from tests.engine.rotation.held import EARLY, Held, held
from tests.shared.heard import LOST, heard
from tests.shared.scene import NAME, refuse, scene

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
LATER = 2 * SELDOM
V1, V2 = "1" * 32, "2" * 32
SOMEBODY = "https://prod.vault.azure.net/secrets/another"


@pytest.fixture
async def at() -> AsyncIterator[Held]:
    """The source of a key, some time after it was written."""
    rig = scene(tags={"team": "a"})
    rig.clock.advance(HOUR.total_seconds())
    async with held(rig) as held_:
        yield held_


async def test_the_record_of_a_source_that_another_secret_owns_says_nothing_of_this_one(
    at: Held,
) -> None:
    before = at.know(owner=SOMEBODY, changing=at.now, pending=Pending(at.now, V1, "key2"))
    observed = at.observed(action="audit", recheck=True)
    assert await observed.observe() == observed.shown == at.secret
    assert observed.record == Record()
    assert observed.needless == ""
    await observed.note_reported()
    assert (at.record, at.posted()) == (before, [])


async def test_a_secret_is_believed_to_be_what_its_record_says_of_it(at: Held) -> None:
    at.published(pending=Pending(at.now, V1, "key2"))
    observed = at.observed()
    believed = await observed.observe()
    expected = {OPERATION: "op", RETIRE: str(at.record.retirement), CREDENTIAL: "key2"}
    assert believed.tags == {**at.secret.tags, **expected}
    assert observed.shown == at.secret
    assert observed.record.wrote(believed)
    marked = replace(at.secret, tags={STATE: "parked"})
    assert observed.retagged(marked).tags == {STATE: "parked", **expected}
    assert observed.shown == marked


@pytest.mark.parametrize(
    ("facts", "is_ours", "reads"),
    [
        pytest.param({}, True, 0, id="published last, and all is done"),
        pytest.param({"compromised": (V1,)}, True, 1, id="something is left to do"),
        pytest.param({}, False, 1, id="not known to the record"),
    ],
)
async def test_what_found_the_source_is_read_again_where_more_may_have_happened(
    at: Held, facts: dict[str, Any], *, is_ours: bool, reads: int
) -> None:
    if is_ours:
        at.published(**facts)
    before = at.secret
    at.rig.tag(NAME, team="b")
    observed = at.steps(before=before).observed
    await observed.observe()
    assert observed.shown.tags["team"] == ("b" if reads else "a")
    await observed.observe()
    assert observed.shown.tags["team"] == "b", "a second look is one"


@pytest.mark.parametrize(
    ("item", "facts", "needless"),
    [
        ({"recheck": True}, {"look_at": LATER, "changing": -MINUTE}, "another recheck"),
        ({"recheck": True}, {"look_at": LATER, "open_until": HOUR}, "another recheck"),
        ({"recheck": True}, {"look_at": LATER, "ahead": True}, "another recheck"),
        ({"recheck": True}, {"look_at": LATER + SECOND, "changing": -MINUTE}, ""),
        ({"recheck": True}, {"look_at": -HOUR, "changing": -MINUTE}, ""),
        ({"recheck": True}, {"changing": -MINUTE}, ""),
        ({"recheck": True}, {"look_at": EARLY, "changing": -MINUTE}, ""),
        ({}, {"look_at": LATER, "changing": -MINUTE}, ""),
        ({"recheck": True, "action": "audit"}, {}, "an earlier recheck has settled it"),
        (
            {"recheck": True, "action": "audit"},
            {"look_at": HOUR},
            "an earlier recheck has settled it",
        ),
        ({"recheck": True, "action": "audit"}, {"unused": (V1,)}, ""),
        ({"recheck": True, "action": "audit"}, {"waiting": -HOUR}, ""),
        ({"recheck": True, "action": "rotate"}, {}, ""),
        ({"action": "audit"}, {}, ""),
    ],
)
async def test_a_look_is_needless_where_another_one_follows_or_has_settled_it(
    at: Held, item: dict[str, Any], facts: dict[str, Any], needless: str
) -> None:
    if facts.get("ahead"):
        facts = {**facts, "ahead": at.announced(2 * MINUTE)}
    before = at.know(begun=at.now - HOUR, **at.times(facts))
    observed = at.observed(**item)
    await observed.observe()
    assert observed.needless.startswith(needless)
    assert bool(observed.needless) is bool(needless)
    follows = facts.get("look_at") == LATER and len(facts) > 1
    assert observed.recheck_follows is follows
    if needless.startswith("another"):
        assert (at.record, at.posted()) == (before, []), "a look too many changes nothing"


async def test_a_look_that_the_record_has_forgotten_looks(at: Held) -> None:
    """A look tells of a change that the record does not know: it is older, or was lost."""
    observed = at.observed(action="audit", recheck=True)
    await observed.observe()
    assert observed.is_forgotten
    assert observed.needless == ""
    assert not at.observed(action="audit").is_forgotten
    at.know(begun=at.now)
    assert not observed.is_forgotten
    at.know(begun=None)
    at.published()
    assert not observed.is_forgotten
    at.know(published=None, kind="storage-sas")
    assert not observed.is_forgotten, "a derived secret's record knows nothing else"


async def test_an_announced_version_that_the_vault_shows_is_published_and_its_outcome_untold(
    at: Held,
) -> None:
    at.announce("new", 10 * MINUTE)
    at.rig.vault.put(NAME, "new", tags={"team": "b", OPERATION: "op"})
    observed = at.observed()
    assert (await observed.observe()).tags[CREDENTIAL] == "key2"
    assert at.record.unreported
    assert at.record.pending_write is None
    assert at.record.published
    assert at.record.published.version == at.rig.latest(NAME).version


@pytest.mark.parametrize(
    ("result", "of_it", "is_notified"),
    [
        *((result, True, True) for result in ("rotated", "healed", "restored")),
        *((result, True, False) for result in ("parked", "confirmed", "skipped", "waiting")),
        ("rotated", False, False),
    ],
)
async def test_a_version_is_untold_until_an_outcome_that_announces_it_has_been_reported(
    at: Held, result: Result, *, of_it: bool, is_notified: bool
) -> None:
    at.published(untold=True)
    observed = at.observed()
    await observed.observe()
    version = str(at.secret.version) if of_it else V1
    observed.reported(Outcome(at.rig.item(NAME), result, "", new_version=version))
    await observed.note_reported()
    assert at.record.unreported is not is_notified


@pytest.mark.parametrize(
    ("look", "reason", "ago", "result"),
    [
        (True, f"no; {UNMARKED}", DAY - SECOND, "waiting"),
        (True, "no", DAY - SECOND, "waiting"),
        (True, "no", DAY, "parked"),
        (False, "no", SECOND, "parked"),
        (True, "no, for another reason", SECOND, "parked"),
    ],
)
async def test_a_look_tells_people_once_a_day_of_what_needs_them(
    at: Held, reason: str, ago: timedelta, result: Result, *, look: bool
) -> None:
    observed = at.observed(action="audit", recheck=look)
    at.know(begun=at.now)
    await observed.observe()
    parked = Outcome(observed.item, "parked", reason)
    assert observed.unrepeated(parked).result == "parked"
    is_unmarked = UNMARKED in reason
    observed.reported(replace(parked, reason=f"no; {UNMARKED}" if is_unmarked else "no"))
    await observed.note_reported()
    if not is_unmarked:
        observed.retagged(replace(observed.shown, tags={**observed.shown.tags, STATE: "parked"}))
    at.rig.clock.advance(ago.total_seconds())
    assert observed.unrepeated(parked).result == result
    assert observed.unrepeated(replace(parked, result="skipped")).result == "skipped"
    at.know(compromised=(V1,))
    assert observed.unrepeated(parked).result == "parked", "that it leaks is told of, too"
    at.know(compromised=())
    observed.reported(replace(parked, result="confirmed"))
    assert observed.unrepeated(parked).result == "parked"


@pytest.mark.parametrize(
    ("age", "leaked", "ago", "result"),
    [
        (SECOND, (V1,), OFTEN - SECOND, "waiting"),
        (SECOND, (V1,), OFTEN, "parked"),
        (SECOND, (), OFTEN, "waiting"),
        (DAY, (V1,), OFTEN, "waiting"),
        (DAY, (V1,), DAY, "parked"),
        (None, (V1,), OFTEN, "waiting"),
    ],
)
async def test_of_a_new_incident_people_are_notified_every_two_hours(
    at: Held, age: timedelta | None, leaked: tuple[str, ...], ago: timedelta, result: Result
) -> None:
    """Once what leaked is refused, it is a day again."""
    observed = at.observed(action="audit", recheck=True)
    at.know(begun=at.now, compromised=leaked, incident=age and at.now - age)
    await observed.observe()
    parked = Outcome(observed.item, "parked", f"no; {UNMARKED}")
    observed.reported(parked)
    at.rig.clock.advance(ago.total_seconds())
    assert observed.unrepeated(parked).result == result


async def test_who_takes_a_mark_off_tells_nobody_again_what_it_said(at: Held) -> None:
    at.know(begun=at.now)
    at.rig.tag(NAME, **{STATE: "parked"})
    observed = at.observed(action="audit", recheck=True)
    await observed.observe()
    parked = Outcome(observed.item, "parked", "it needs a person")
    observed.reported(parked)
    at.rig.tag(NAME, **{STATE: None})
    await observed.observe()
    assert observed.unrepeated(parked).result == "waiting"


async def test_of_a_disabled_secret_no_mark_says_anything(at: Held) -> None:
    at.rig.vault.amend(at.rig.latest(NAME), enabled=False)
    observed = at.observed(action="audit", recheck=True)
    at.know(begun=at.now)
    await observed.observe()
    parked = Outcome(observed.item, "parked", "it needs a person")
    observed.reported(parked)
    assert observed.unrepeated(parked).result == "waiting"


async def test_an_announced_version_that_the_vault_does_not_show_yet_is_waited_for(
    at: Held,
) -> None:
    announced = at.announce("new", SETTLE + SECOND)
    observed = at.observed()
    await observed.observe()
    assert at.record.pending_write == announced
    assert at.record.change.uncertain_until == announced.at + LATE
    assert not at.record.unreported


async def test_while_the_current_version_is_disabled_an_announced_one_is_not_given_up(
    at: Held,
) -> None:
    announced = at.announce("new", 10 * MINUTE)
    at.rig.vault.amend(at.rig.latest(NAME), enabled=False)
    await at.observed().observe()
    assert at.record.pending_write == announced


@pytest.mark.parametrize(
    ("seconds", "is_tagged", "is_ours"), [(1, False, True), (0, True, True), (0, False, False)]
)
async def test_an_announced_version_beneath_one_that_somebody_wrote_is_recognised(
    at: Held, seconds: int, *, is_tagged: bool, is_ours: bool
) -> None:
    """It came after the version that it replaces; within one second its operation tells."""
    announced = at.announce("new", timedelta())
    tags = {OPERATION: announced.operation} if is_tagged else {"team": "b"}
    beneath = at.rig.vault.put(NAME, "new", tags=tags)
    versions = at.rig.vault.secrets[NAME]
    created = int(at.secret.created.timestamp()) + seconds
    versions[-1] = replace(versions[-1], created=created)
    at.rig.clock.advance(60)
    by_hand = at.rig.vault.put(NAME, "by hand", tags={})
    observed = at.observed()
    assert (await observed.observe()).version == by_hand.version
    assert at.record.pending_write is None
    published = at.record.published
    assert at.record.unreported is is_ours
    assert (published and published.version) == (beneath.version if is_ours else None)
    assert [write.lost for write in at.record.unpublished] == ([] if is_ours else [True])


async def test_what_an_announced_write_restores_is_not_taken_for_that_write(at: Held) -> None:
    """An earlier version holds the very same value."""
    at.rig.vault.put(NAME, "later", tags={})
    at.secret = await at.parts.vaults.read(at.secret.ref)
    at.rig.clock.advance(HOUR.total_seconds())
    assert at.rig.vault.versions(NAME)[0].value
    at.announce(at.rig.vault.versions(NAME)[0].value, 10 * MINUTE)
    at.rig.vault.put(NAME, "by hand", tags={})
    await at.observed().observe()
    assert at.record.published is None
    assert [write.lost for write in at.record.unpublished] == [True]


async def test_a_value_that_was_to_be_restored_and_that_somebody_wrote_is_theirs(at: Held) -> None:
    """It is known in the vault, so only its tag would tell that Rekey wrote it."""
    at.announce("earlier", 10 * MINUTE, original=V1)
    at.rig.clock.advance(1)
    at.rig.vault.put(NAME, "earlier", tags={})
    await at.observed().observe()
    assert at.record.published is None
    assert [write.lost for write in at.record.unpublished] == [True]


async def test_a_version_that_somebody_disabled_keeps_no_look_from_ending(at: Held) -> None:
    at.announce("new", 10 * MINUTE)
    beneath = at.rig.vault.put(NAME, "new", tags={})
    at.rig.vault.put(NAME, "by hand", tags={})
    at.rig.vault.amend(beneath, enabled=False)
    await at.observed().observe()
    assert at.record.published is None
    assert at.record.pending_write is None


async def test_who_may_not_read_a_version_for_a_moment_gives_no_announced_one_up(at: Held) -> None:
    """It would be in use, and nobody would ever be told of it."""
    announced = at.announce("new", timedelta())
    at.rig.clock.advance(1)
    beneath = at.rig.vault.put(NAME, "new", tags={})
    at.rig.vault.put(NAME, "by hand", tags={})
    read = lambda request: request.path.endswith(f"/{beneath.version}")  # noqa: E731
    refuse(at.rig, 403, "ForbiddenByRbac", read)
    with pytest.raises(AccessDenied):
        await at.observed().observe()
    assert at.record.pending_write == announced
    await at.observed().observe()
    published = at.record.published
    assert (published and published.version) == beneath.version


@pytest.mark.parametrize("tags", [{}, {"ValidityPeriodDays": "soon"}, {"OverlapHours": "1"}])
@pytest.mark.parametrize("place", ["key1", "key2"])
@pytest.mark.parametrize("replaced", ["9" * 32, V1], ids=["another's", "the same's"])
async def test_what_was_published_last_is_retired_where_an_earlier_write_comes_over_it(
    at: Held, replaced: str, place: str, tags: dict[str, str]
) -> None:
    """Where both are in one place, the earlier one has overwritten it: what was owed before is."""
    owed = Pending(at.now + HOUR, "3" * 32, "key3")
    late = at.announce("late", 10 * MINUTE, retire=replace(owed, version=replaced))
    at.published(place, ahead=None, lost=(replace(late, replaces=replaced),), pending=owed)
    at.know(earlier=(replaced,))
    at.rig.vault.put(NAME, "late", tags={**at.rig.tags(NAME), **tags})
    await at.observed().observe()
    ends = at.now + (HOUR if "OverlapHours" in tags else at.managed.overlap) + SECOND
    superseded = Pending(ends, str(at.secret.version), place)
    assert at.record.retirement == (owed if place == "key2" else superseded)
    assert at.record.published
    assert at.record.published.version == at.rig.latest(NAME).version


@pytest.mark.parametrize("is_reported", [False, True])
async def test_what_nobody_has_reported_is_reported_where_an_earlier_write_comes_over_it(
    at: Held, *, is_reported: bool
) -> None:
    """The record tells of one version alone, so it would be forgotten."""
    late = at.announce("late", 10 * MINUTE)
    at.published("key1", ahead=None, lost=(replace(late, replaces=V1),))
    at.know(earlier=(V1,), untold=not is_reported)
    at.know(untold_ids=() if is_reported else ("key3",))
    at.rig.vault.put(NAME, "late", tags=at.rig.tags(NAME))
    outcomes = heard(at.parts.reporter)
    await at.observed().observe()
    reported = [(outcome.new_version, outcome.retired) for outcome in outcomes]
    assert reported == ([] if is_reported else [(str(at.secret.version), ("key3",))])
    assert at.record.unreported_ids == (), "nobody hears of it twice"


async def test_a_signature_is_not_retired_where_an_earlier_write_comes_over_it(at: Held) -> None:
    """Only its key ends it, so whoever retires it would wait for a person."""
    assert isinstance(at.parts.rotators["storage-sas"], Derived)
    late = at.announce("late", 10 * MINUTE)
    at.published("key1", ahead=None, lost=(replace(late, replaces=V1),))
    at.know(earlier=(V1,), kind="storage-sas")
    at.rig.vault.put(NAME, "late", tags=at.rig.tags(NAME))
    await at.observed().observe()
    assert at.record.published
    assert at.record.published.version == at.rig.latest(NAME).version
    assert at.record.to_retire == ()


async def test_a_version_in_a_vault_that_is_served_no_more_counts_as_one_that_nobody_can_read(
    at: Held,
) -> None:
    """What its record knows of it is revoked all the same."""
    at.know(prints={f"https://other.vault.azure.net/secrets/former/{V1}": "a print"})
    with pytest.raises(NotFound):
        await at.observed().read_version(V1)


class Tidied:
    """A kind whose source holds many credentials."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str | None]] = []

    async def tidy(self, source: str, operation: str, keep: str | None) -> None:
        self.calls.append((source, operation, keep))


@pytest.mark.parametrize("blind", [False, True])
async def test_a_write_that_somebody_forestalled_may_still_come(at: Held, *, blind: bool) -> None:
    """What was made for it is removed by a later look: this one may be an incident's."""
    kind: Any = Tidied()
    at.parts = replace(at.parts, kinds=Kinds({**at.parts.rotators, "many": kind}))
    announced = at.announce("new", 10 * MINUTE)
    at.know(kind="many", blind=blind)
    at.rig.vault.put(NAME, "by hand", tags={CREDENTIAL: "theirs"})
    await at.observed().observe()
    assert kind.calls == []
    assert at.record.unpublished == (replace(announced, lost=True),)
    assert at.record.change.uncertain_until == announced.at + LATE


async def test_who_has_lost_the_lease_removes_nothing(at: Held) -> None:
    """Whoever holds it now may have published what would be removed."""
    kind: Any = Tidied()
    kinds = Kinds({**at.parts.rotators, at.managed.rotator.kind: kind})
    at.parts = replace(at.parts, kinds=kinds)
    rotation = at.rotation
    rotation.here = at.managed
    at.rig.clock.advance(45)
    lost = "LeaseIdMismatchWithLeaseOperation"
    refuse(at.rig, 409, lost, lambda request: "comp=lease" in request.url, times=9)
    with pytest.raises(LeaseUnavailable):
        await rotation.tidy("op", keep=None)
    assert kind.calls == []


async def test_what_was_just_published_is_believed_before_it_is_written_down(at: Held) -> None:
    at.announce("new", 10 * MINUTE)
    at.rig.vault.put(NAME, "new", tags={"team": "b"})
    version = replace(await at.parts.vaults.read(at.secret.ref), value=None)
    observed = at.observed()
    ours = {CREDENTIAL: "key2", OPERATION: at.operation}
    assert observed.landed(version, "").tags == {"team": "b", **ours}
    assert observed.shown == version
    assert at.record.unreported
    assert at.record.published
    assert at.noted.published is None
    await observed.note_reported()
    assert at.noted.published == at.record.published


@pytest.mark.parametrize(
    ("made", "wrote", "expected"),
    [(-SECOND, True, True), (0 * SECOND, True, False), (-SECOND, False, False)],
)
async def test_a_credential_is_older_than_an_incident_if_rekey_made_it_before(
    at: Held, made: timedelta, *, wrote: bool, expected: bool
) -> None:
    at.published()
    assert at.record.published
    at.know(published=replace(at.record.published, born=at.now + made))
    secret = at.secret if wrote else replace(at.secret, version=V2)
    assert (at.record.wrote(secret) and at.record.is_older(secret, at.now)) is expected


@pytest.mark.parametrize("name", ["published", "ahead"])
async def test_an_incident_may_name_what_was_made_for_it_as_soon_as_that_is_announced(
    at: Held, name: str
) -> None:
    """Whoever dies once it is in the vault has noted no more than that."""
    since = at.now + MINUTE
    assert not at.observed(since=since.isoformat()).may_be_under(at.rig.item(NAME))
    at.know(published=at.announced(), ahead=at.announced())
    at.know(**{name: at.announced(born=since)})
    for moment, expected in ((since, True), (since + SECOND, False)):
        item = at.rig.item(NAME, since=moment.isoformat(), compromised=True)
        assert at.observed().may_be_under(item) is expected


@pytest.mark.parametrize(
    ("before", "began", "compromised", "noted"),
    [
        (None, 0, True, 0),
        (0, None, True, 0),
        (0, 1, True, 1),
        (0, 1, False, 0),
    ],
)
async def test_the_date_of_the_incident_that_was_noted_last_is_kept(
    at: Held, before: int | None, began: int | None, *, compromised: bool, noted: int
) -> None:
    dates = [at.now + MINUTE, at.now + 2 * MINUTE]
    at.know(incident=None if before is None else dates[before])
    since = "" if began is None else dates[began].isoformat()
    await at.observed(compromised=compromised, since=since).note_compromised(V2)
    assert (at.record.compromised.versions, at.record.compromised.incident) == ((V2,), dates[noted])


@pytest.mark.parametrize(
    ("known", "reported", "since", "expected"),
    [
        (None, 0, "", 0),
        (None, 1, "", 1),
        (0, 1, "", 1),
        (1, 0, "", 1),
        (0, 1, 2, 2),
        (1, 2, 0, 1),
        (1, None, "", 1),
    ],
)
async def test_until_when_what_was_made_may_have_leaked_is_as_late_as_the_latest_report_says(
    at: Held, known: int | None, reported: int | None, since: int | str, expected: int
) -> None:
    """It is noted of a version that leaks once more, too, and no message that comes again moves it."""
    dates = [at.now - 2 * MINUTE, at.now - MINUTE, at.now + MINUTE]
    at.know(compromised=(V2,), suspect=None if known is None else dates[known])
    report = "" if reported is None else dates[reported].isoformat()
    began = dates[since].isoformat() if isinstance(since, int) else since
    await at.observed(compromised=True, reported=report, since=began).note_compromised(V2)
    noted = at.record.compromised
    assert (noted.versions, noted.leaked_before) == ((V2,), dates[expected])


@pytest.mark.parametrize(
    ("noted", "since", "expected"),
    [((V2,), None, -1), ((V2,), -2, -2), ((), None, None), ((), -2, -2)],
    ids=["the record's", "the item's", "none any more", "one that no record notes"],
)
async def test_an_incident_has_the_date_of_its_item_or_of_the_record_until_it_is_over(
    at: Held, noted: tuple[str, ...], since: int | None, expected: int | None
) -> None:
    """What was announced before that date is published by nobody, whoever goes on with it."""
    at.know(compromised=noted, incident=at.now - MINUTE)
    item = (
        {}
        if since is None
        else {"compromised": True, "since": (at.now + since * MINUTE).isoformat()}
    )
    incident = at.steps(**item).rotation.incident
    assert incident == (None if expected is None else at.now + expected * MINUTE)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"suspect": -HOUR, "incident": -MINUTE}, -HOUR),
        ({"incident": -MINUTE}, -MINUTE),
        ({}, 0 * SECOND),
    ],
    ids=["as it says", "its date", "neither"],
)
async def test_until_when_what_was_made_may_have_leaked_follows_from_the_incidents_date_if_unsaid(
    at: Held, known: dict[str, timedelta], expected: timedelta
) -> None:
    """An earlier Rekey did not note it."""
    at.know(**{"compromised": (V2,), "suspect": None, **at.times(known)})
    assert at.steps().rotation.leaked_before == at.now + expected


@pytest.mark.parametrize(("leaked", "action"), [(V1, "rotate"), (V2, "restore")])
async def test_an_incident_lets_a_credential_be_restored_that_has_not_leaked_itself(
    at: Held, leaked: str, action: str
) -> None:
    at.know(compromised=(leaked,), pending=Pending(at.now + HOUR, V1, "key1"))
    item = at.steps(action="restore").rotation.effective_item()
    assert (item.action, item.version, item.compromised) == (action, leaked, True)


@pytest.mark.parametrize(
    ("is_lost", "result", "reason", "warns"),
    [
        (True, None, "it failed", True),
        (True, None, f"it failed, and {LOST}", False),
        (True, "rotated", "it failed", False),
        (False, None, "it failed", False),
    ],
    ids=["once", "not twice", "published since", "nothing is lost"],
)
async def test_a_reason_warns_of_a_password_that_this_run_has_left_unknown(
    at: Held, result: Result | None, reason: str, *, is_lost: bool, warns: bool
) -> None:
    steps = at.steps()
    at.lease.is_lost, steps.progress.result = is_lost, result
    assert steps.rotation.warned(reason) == (f"{reason}; {LOST}" if warns else reason)


@pytest.mark.parametrize("proven", [None, V1], ids=["unknown", "proven"])
async def test_a_reason_warns_of_a_password_that_an_earlier_run_has_left_unknown(
    at: Held, proven: str | None
) -> None:
    at.know(blind=True, open_until=at.now)
    steps = at.steps()
    steps.progress.proven = proven
    assert (LOST in steps.rotation.warned("it failed")) is (proven is None)


async def test_a_recheck_that_is_left_to_the_next_one_is_no_incident_although_its_record_is(
    at: Held,
) -> None:
    facts = {"look_at": LATER, "changing": -MINUTE}
    at.know(begun=at.now - HOUR, compromised=(V1,), **at.times(facts))
    trace, outcome = await at.steps(action="audit", trigger="sweep", recheck=True).run()
    assert trace == "leave to recheck"
    assert (outcome.item.action, outcome.item.compromised) == ("audit", False)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"reported": -1}, -1),
        ({"reported": -1, "since": 1}, 1),
        ({"reported": 1, "since": -1}, -1),
        ({}, 0),
    ],
    ids=["its report", "its date", "its date, before the report", "neither"],
)
async def test_what_was_made_before_an_incidents_date_does_not_serve_although_no_record_notes_it(
    at: Held, item: dict[str, int], expected: int
) -> None:
    """Its source has no owner yet, or what was named is refused already."""
    dates = {name: (at.now + minutes * MINUTE).isoformat() for name, minutes in item.items()}
    job = at.steps(compromised=True, **dates).rotation.job(at.secret)
    assert job.not_before == at.now + expected * MINUTE
    assert at.steps(**dates).rotation.job(at.secret).not_before is None


@pytest.mark.parametrize(
    ("item", "is_skipped"),
    [
        ({"action": "audit", "trigger": "manual"}, True),
        ({"action": "audit", "trigger": "manual", "recheck": True}, False),
        ({"action": "audit", "trigger": "sweep"}, False),
        ({"action": "rotate", "trigger": "manual"}, False),
        ({"action": "rotate", "trigger": "sweep", "compromised": True}, True),
    ],
    ids=["a person unparks", "a recheck", "a sweep", "a person rotates", "an incident"],
)
async def test_the_pause_after_a_change_by_somebody_else_is_skipped_for_who_unparks_and_a_leak(
    at: Held, item: dict[str, Any], *, is_skipped: bool
) -> None:
    begun = at.now - MINUTE
    at.published(begun=begun)
    assert at.steps(**item).rotation.job(at.secret).changed == (None if is_skipped else begun)


@pytest.mark.parametrize(
    ("facts", "stays"),
    [({}, False), ({"unused": (V1,)}, True), ({"waiting": -MINUTE}, True), ({"begun": None}, True)],
    ids=["nothing", "a version to disable", "a change in progress", "what was forgotten"],
)
async def test_a_recheck_is_an_audit_like_any_other_once_nothing_is_owed(
    at: Held, facts: dict[str, Any], *, stays: bool
) -> None:
    at.know(**{"begun": at.now - HOUR, **at.times(facts)})
    steps = at.steps(action="audit", trigger="sweep", recheck=True)
    await steps.rotation.observe()
    assert steps.progress.item.recheck is stays


async def test_only_what_replicas_are_owed_is_forgotten_of_a_secret_that_is_not_rotated_here() -> (
    None
):
    """Its own version holds a dead credential all the same, and is still to be disabled."""
    rig = scene(days_left=80, tags={"Manual": "true"})
    async with held(rig) as at:
        at.published(unused=(V1, f"{SOMEBODY}/{V2}"))
        look = {"action": "audit", "trigger": "sweep", "recheck": True}
        trace, _ = await at.steps(**look).run()
        assert "clean up" in trace.split(", ")
        assert at.noted.stale == (V1,)


async def test_nothing_is_older_than_an_incident_of_which_nothing_was_published(at: Held) -> None:
    latest = datetime.max.replace(tzinfo=at.now.tzinfo)
    assert not (at.record.wrote(at.secret) and at.record.is_older(at.secret, latest))


async def test_a_proof_ends_both_what_may_take_effect_and_what_was_requested_for_an_only_password(
    at: Held,
) -> None:
    at.published()
    at.know(open_until=at.now, asked=at.now - HOUR, begun=at.now - HOUR, blind=True)
    observed = at.observed(action="audit")
    await observed.observe()
    observed.audited = "{key}"
    await observed.note_reported()
    change = at.noted.change
    assert (change.uncertain_until, change.requested_at) == (None, None)


async def test_a_run_that_has_settled_nothing_still_has_not_once_it_reads_the_secret_again(
    at: Held,
) -> None:
    """What a replica has missed is looked at soon, and not as what only a person can end."""
    at.published()
    observed = at.observed(recheck=True, action="audit")
    observed.settles_nothing = True
    await observed.observe()
    assert observed.settles_nothing
