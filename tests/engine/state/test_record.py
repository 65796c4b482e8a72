"""What is believed of a source, and when the vault is taken to show less than is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.contract import LATE
from engine.errors import NeedsHuman
from engine.secret import SecretRef, SecretVersion, Sensitive
from engine.state.codec import FORMAT
from engine.state.index import Listed
from engine.state.record import (
    MOST_UNPUBLISHED,
    RARELY,
    RECHECK,
    SELDOM,
    SETTLE,
    Record,
    Stale,
    covers,
)
from engine.state.record_parts import (
    MOST_REPLACED,
    Announced,
    Change,
    Compromised,
    History,
    Past,
    Published,
    Verified,
)
from engine.state.request import operation_id
from engine.state.tags import CREDENTIAL, OPERATION, RETIRE, STATE, Pending

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
OLD, NEW, OTHER = "a" * 32, "b" * 32, "c" * 32
VALUE, OTHER_VALUE = Sensitive("fresh"), Sensitive("newer")

moments = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2999, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=2))]),
)
words = st.text(max_size=20)
keys = st.binary(max_size=20).map(bytes.hex)
pendings = st.builds(Pending, moments, words, words)
pasts = st.builds(Past, words, words, words)
held = st.lists(pasts, max_size=2, unique_by=lambda past: past.version).map(tuple)
written = (words, words, words, words, moments, st.none() | moments, words)
publications = st.builds(Published, *written, version=words, created=st.none() | moments)
further = (st.none() | pendings, st.booleans(), words)
expected = st.builds(Announced, *written, *further)
lost = st.builds(Announced, *written, *further, lost=st.just(value=True))
texts = st.lists(words, max_size=3).map(tuple)
maybe = st.none() | moments
many = st.dictionaries(words, words, max_size=3)
records = st.builds(
    Record,
    words,
    words,
    words,
    keys,
    st.none() | publications,
    st.tuples(expected, lost) | st.lists(lost, max_size=2).map(tuple),
    st.builds(Change, maybe, maybe, maybe, maybe, maybe, words, words, st.booleans(), maybe),
    st.lists(pendings, max_size=2).map(tuple),
    st.builds(Compromised, texts, maybe, many, maybe),
    texts,
    st.builds(Verified, words, maybe, maybe, many, maybe, templates=texts),
    st.builds(History, texts, texts, held, many, many),
    st.booleans(),
    texts,
)


def secret(
    version: str, value: Sensitive = VALUE, created: datetime = NOW, **tags: str
) -> SecretVersion:
    ref = SecretRef("https://prod.vault.azure.net", "app")
    return SecretVersion(
        ref,
        version,
        value=value,
        enabled=True,
        created=created,
        expires=None,
        content_type=None,
        tags=tags,
    )


def announced() -> Record:
    """Return a record that announces key2 in place of the old version."""
    record = Record("/source", "owner").keyed()
    retire = Pending(NOW + timedelta(days=7), OLD, "key1")
    operation = operation_id(secret(OLD).ref, OLD)
    write = Announced(operation, "key2", record.digest("key2", VALUE), OLD, NOW, retire=retire)
    return record.announced(write, "storage-key")


@given(records)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    assert Record.from_json(record.to_json(), "here") == record


@given(records)
def test_a_record_with_a_part_cut_off_is_damaged(record: Record) -> None:
    text = record.to_json()
    with pytest.raises(NeedsHuman, match="damaged"):
        Record.from_json(text[: len(text) // 2], "here")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "7",
        "[" * 100_000,
        '{"format": "1"}',
        '{"format": true}',
        '{"format": 1, "gone": 3}',
    ],
)
def test_what_is_no_record_is_damaged_and_says_where_it_is(text: str) -> None:
    with pytest.raises(NeedsHuman, match="damaged") as caught:
        Record.from_json(text, "the blob")
    assert caught.value.where == "the blob"
    assert "The record of a source" in caught.value.fix


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("owner", None),
        ("key", "no digits"),
        ("compromised", "a version"),
        ("earlier", [OLD, None]),
        ("untold", "no"),
        ("tags", {"Owner": 7}),
        ("tags", "none"),
        ("ahead", [7]),
        ("begun", "2026-11-02T09:00:00"),
        ("begun", 7),
        ("touched", "\ud800"),
        ("tags", {"\ud800": "x"}),
        ("begun", "9999-12-31T23:59:59Z"),
        ("pending", {"at": "2026-11-02T09:00:00", "version": OLD, "credential_id": "key1"}),
        ("pending", {"at": "2026-11-02T09:00:00Z", "version": None, "credential_id": "key1"}),
    ],
)
def test_a_record_with_a_field_of_another_kind_is_damaged(name: str, value: object) -> None:
    """Else whoever works with it fails without a sentence, again and again."""
    data = {**json.loads(announced().to_json()), name: value}
    with pytest.raises(NeedsHuman, match="damaged"):
        Record.from_json(json.dumps(data), "here")


def test_a_record_of_a_newer_rekey_is_not_read_but_left_to_it() -> None:
    with pytest.raises(NeedsHuman, match=f"newer Rekey \\(format {FORMAT + 1}\\)"):
        Record.from_json(json.dumps({"format": FORMAT + 1, "owner": {"new": "shape"}}), "here")
    with pytest.raises(NeedsHuman, match=f"newer Rekey \\(format {'9' * 20}\\)"):
        Record.from_json(json.dumps({"format": int("9" * 40)}), "here")


PROGRESS = Change(in_progress_since=NOW, marker="of the rotator")


@pytest.mark.parametrize(
    ("record", "layout"),
    [
        (Record(to_retire=(Pending(NOW, OLD, "key1"),)), 1),
        (Record(to_retire=(Pending(NOW, OLD, "id1"), Pending(NOW, OTHER, "id2"))), 2),
        (Record(change=Change(open_since=NOW, requested_at=NOW)), 1),
        (Record(change=PROGRESS), 2),
        (Record(change=PROGRESS.arrived()), 1),
        (Record(stale=(OLD,)), 1),
        (Record(stale=("https://prod.vault.azure.net/secrets/copy/",)), 2),
    ],
)
def test_what_rekey_0_2_would_forget_is_written_for_none_so_old(
    record: Record, layout: int
) -> None:
    """It rewrites what it reads without what it does not know. It leaves a newer text alone."""
    text = record.to_json()
    assert json.loads(text)["format"] == layout
    assert Record.from_json(text, "here") == record


@pytest.mark.parametrize(
    ("waiting", "resume_at", "expected"),
    [(True, True, 60), (True, False, 240), (False, True, 240), (False, False, 240)],
)
def test_a_record_of_an_earlier_version_says_when_its_source_is_looked_at(
    expected: int, *, waiting: bool, resume_at: bool
) -> None:
    """It noted by itself when the end of a change in progress was to be looked for."""
    facts = {
        "format": 1,
        "source": "/source",
        "changing": NOW.isoformat(),
        "look_at": (NOW + 240 * SECOND).isoformat(),
        "waiting": NOW.isoformat() if waiting else None,
        "resume_at": (NOW + 60 * SECOND).isoformat() if resume_at else None,
    }
    record = Record.from_json(json.dumps(facts), "the record")
    assert record.next_check == NOW + expected * SECOND


def test_an_earlier_version_finds_no_message_promised_that_nobody_has_posted() -> None:
    """It posts one of its own then, which is one too many, and never one too few."""
    change = Change(in_progress_since=NOW, recheck_at=NOW + 60 * SECOND)
    written = json.loads(Record(change=change).to_json())
    assert "resume_at" not in written
    assert written["look_at"] == (NOW + 60 * SECOND).isoformat()


def test_a_value_fits_only_with_its_credential_and_its_key() -> None:
    record = announced()
    write = announced_write(record)
    assert record.fits(write, VALUE)
    assert not record.fits(replace(write, credential_id="key1"), VALUE)
    assert not record.fits(write, Sensitive("other"))
    assert not record.fits(write, None)
    assert not replace(record, key="00" * 32).fits(write, VALUE)


def test_no_record_holds_a_value() -> None:
    assert VALUE.reveal() not in announced().to_json()


def test_a_key_is_made_once() -> None:
    record = Record().keyed()
    assert record.keyed().key == record.key
    assert len(record.key) == 64
    assert Record().keyed().key != record.key


def test_what_was_announced_and_is_seen_has_landed() -> None:
    record = announced().seen(
        secret(NEW, created=NOW + SECOND, Owner="me", RekeyRetire="forged"), NOW + SECOND
    )
    assert (record.pending_write, record.kind) == (None, "storage-key")
    assert record.published == announced_write(record).landed(NEW, NOW + SECOND)
    assert record.retirement == Pending(NOW + timedelta(days=7) + SECOND, OLD, "key1")
    assert (record.history.replaced, dict(record.verified.tags), record.unreported) == (
        (OLD,),
        {"Owner": "me"},
        True,
    )
    assert record.wrote(secret(NEW))
    assert record.change.uncertain_until == NOW + SECOND, "a recheck proves it once"


def test_what_is_announced_and_then_lands_ends_the_change_that_has_made_it() -> None:
    """Its recheck stays until then: the worker may die before it has published anything."""
    change = Change(NOW, requested_at=NOW, in_progress_since=NOW, marker="x", recheck_at=NOW)
    record = Record(change=change).announced(announced_write(announced()), "storage-key")
    assert record.change == Change(requested_at=NOW, recheck_at=NOW)
    assert record.landed(secret(NEW)).change == Change()


@pytest.mark.parametrize(
    ("original", "repaired_at", "result"),
    [
        ("", None, "rotated"),
        ("", NOW - HOUR, "rotated"),
        ("", NOW, "healed"),
        (OTHER, NOW - HOUR, "restored"),
    ],
)
def test_the_record_tells_what_the_work_was_that_published_a_version(
    original: str, repaired_at: datetime | None, result: str
) -> None:
    """Its worker may have died before it could say so: the next one reports it."""
    landed = replace(announced_write(announced()), original=original).landed(NEW, NOW)
    record = Record(published=landed, verified=Verified(repaired_at=repaired_at))
    assert record.published_as == result


@pytest.mark.parametrize(
    ("facts", "is_asked_anew"),
    [
        ({}, True),
        ({"requested_at": NOW + SECOND}, False),
        ({"in_progress_since": None}, False),
        ({"password_unknown": True}, False),
    ],
)
def test_an_incident_has_what_goes_on_since_before_it_asked_for_anew(
    facts: dict[str, Any], *, is_asked_anew: bool
) -> None:
    """The only password has no other place to come to."""
    change = Change(in_progress_since=NOW, requested_at=NOW, marker="x")
    change = replace(change, **facts)
    anew = replace(change, requested_at=None, marker="")
    assert change.under(NOW + SECOND) == (anew if is_asked_anew else change)
    assert change.under(None) == change


@pytest.mark.parametrize(
    ("before", "shown", "kept"),
    [
        ({"ProviderAddress": "/source", "Owner": "me"}, {"Owner": "her"}, "me"),
        ({"ProviderAddress": "/source"}, {"ProviderAddress": "/other", "Owner": "her"}, "her"),
        # A policy names its source.
        ({"Owner": "me"}, {"Owner": "her"}, "her"),
    ],
)
def test_who_takes_an_address_away_leaves_what_says_how_to_pay_what_is_owed_there(
    before: dict[str, str], shown: dict[str, Any], kept: str
) -> None:
    """The version was seen late: a worker died once it had been published."""
    record = replace(announced(), verified=Verified(tags=before))
    assert record.seen(secret(NEW, **shown), NOW + SECOND).verified.tags["Owner"] == kept


def test_the_first_owner_is_known_by_its_tags_before_it_has_published_anything() -> None:
    """They were taken away before anybody saw the version that a dead worker had published."""
    mine: dict[str, Any] = {"ProviderAddress": "/source", "Owner": "me", RETIRE: "forged"}
    claimed = Record("/source", "-").passed("owner", secret(OLD, **mine))
    assert claimed.is_blank
    assert claimed.verified.tags == {"ProviderAddress": "/source", "Owner": "me"}
    record = claimed.keyed()
    write = Announced("operation", "key2", record.digest("key2", VALUE), OLD, NOW)
    landed = record.announced(write, "storage-key").seen(secret(NEW), NOW + SECOND)
    assert landed.verified.tags["Owner"] == "me"
    assert landed.passed("next", secret(OTHER, Owner="her")).verified.tags["Owner"] == "me"


def announced_write(record: Record) -> Announced:
    """Return the announcement with the digest of this record's key."""
    write = announced().pending_write
    assert write
    return replace(write, digest=record.digest("key2", VALUE))


def test_what_is_to_be_retired_next_follows_where_a_version_takes_the_slot_of_the_first() -> None:
    """It was never retired: what it waited for had gone."""
    later = Pending(NOW, OTHER, "id7")
    record = replace(announced(), to_retire=(Pending(NOW, OLD, "key2"), later))
    write = replace(announced_write(record), retire=None)
    landed = replace(record, unpublished=(write,)).landed(secret(NEW))
    assert Record.from_json(landed.to_json(), "here").retirement == later
    assert record.landed(secret(NEW)).to_retire == (announced_write(record).retire, later)


def test_only_so_many_replaced_versions_are_remembered_and_each_once() -> None:
    earlier = tuple(f"{n:032}" for n in range(MOST_REPLACED))
    record = replace(
        announced(), history=History(replaced=(*earlier, OLD), published=(OLD, *earlier))
    )
    landed = record.landed(secret(NEW))
    assert landed.history.published == (NEW, OLD, *earlier)[:MOST_REPLACED]
    assert landed.history.replaced[0] == OLD
    assert len(landed.history.replaced) == len(set(landed.history.replaced)) == MOST_REPLACED


def test_what_a_replaced_version_held_is_remembered_once_and_beside_what_others_held() -> None:
    held, before = Past(OLD, "key1", "a digest"), Past(OTHER, "key2", "another")
    history = History(credentials=(before, replace(held, digest="x")))
    record = replace(announced(), history=history)
    record = record.announced(announced_write(record), "storage-key", held)
    for known in (record, record.landed(secret(NEW))):
        assert known.history.credentials == (held, before)
        assert known.history.credential_of(OTHER) == before


def test_the_version_replaced_is_stale_until_the_write_has_settled() -> None:
    for left in (SECOND, SECOND / 10):
        with pytest.raises(Stale) as caught:
            announced().seen(secret(OLD), NOW + SETTLE - left)
        assert (caught.value.retry_after, caught.value.code) == (1.0, "Stale")


def test_a_write_that_did_not_land_keeps_the_source_open_and_announced() -> None:
    record = announced().seen(secret(OLD), NOW + SETTLE)
    assert record.pending_write == announced_write(record)
    assert record.change.uncertain_until == NOW + LATE
    assert record.is_open


def test_a_write_that_never_came_keeps_the_source_open_until_a_recheck_has_seen_that() -> None:
    """It may have been of an only password. Where its kind is lacking just then, nothing is seen."""
    before = announced()
    record = replace(before, change=replace(before.change, password_unknown=True)).overdue()
    assert (record.pending_write, record.unpublished) == (None, before.lose().unpublished)
    assert record.change.uncertain_until == announced_write(before).at + LATE
    assert record.is_unknown
    assert record.overdue() == record


def test_a_write_that_was_given_up_is_recognised_when_it_comes_at_last() -> None:
    before = announced()
    newer = replace(
        announced_write(before), digest=before.digest("key1", OTHER_VALUE), credential_id="key1"
    )
    record = before.announced(newer, "storage-key").landed(secret(OTHER, OTHER_VALUE, NOW + SECOND))
    assert record.unpublished == before.lose().unpublished
    late = record.seen(secret(NEW, created=NOW + 2 * SECOND), NOW + LATE)
    assert (late.published, late.unpublished) == (
        announced_write(before).landed(NEW, NOW + 2 * SECOND),
        (),
    )


def test_a_lost_write_is_recognised_although_its_source_is_at_another_change() -> None:
    change = Change(in_progress_since=NOW, version=OLD)
    record = replace(announced().lose(), change=change).seen(secret(NEW), NOW + SECOND)
    assert record.wrote(secret(NEW))
    assert record.change.in_progress_since is None


def test_a_lost_write_that_comes_leaves_what_is_announced_to_be_recognised() -> None:
    lost = announced().lose()
    ahead = replace(announced_write(lost), digest=lost.digest("key2", OTHER_VALUE))
    record = replace(lost, unpublished=(ahead, *lost.unpublished)).seen(secret(NEW), NOW + SECOND)
    assert record.wrote(secret(NEW))
    assert record.unpublished == (replace(ahead, lost=True),)


def test_what_has_landed_is_not_taken_for_an_earlier_write_of_the_same_value() -> None:
    """It would be reported once more."""
    before, shown = announced(), secret(NEW)
    twice = replace(before, unpublished=(announced_write(before), *before.lose().unpublished))
    record = twice.seen(shown, NOW + SECOND)
    assert record.unpublished == before.lose().unpublished
    assert record.seen(shown, NOW + 2 * SECOND) == record


def test_only_so_many_announced_writes_are_remembered() -> None:
    record = announced()
    for day in range(MOST_UNPUBLISHED + 2):
        record = record.announced(
            replace(announced_write(record), at=NOW + timedelta(days=day)), "storage-key"
        )
    days = [(write.at - NOW).days for write in record.unpublished]
    assert days == [*range(MOST_UNPUBLISHED + 1, 1, -1)], "the newest comes first"
    assert [write.lost for write in record.unpublished] == [False, *[True] * (len(days) - 1)]


THEIRS = Sensitive("theirs")


@pytest.mark.parametrize(
    ("record", "shown", "at"),
    [
        pytest.param(announced(), secret(OLD), LATE, id="an announcement is long over"),
        pytest.param(announced(), secret(OTHER, THEIRS), SECOND, id="a person wrote instead"),
        pytest.param(
            announced().landed(secret(NEW)),
            secret(OTHER, THEIRS, NOW + SECOND),
            SETTLE,
            id="a younger version has another value: it is not stale",
        ),
        # The vault's times are whole seconds, so it need not be older.
        pytest.param(
            announced().landed(secret(NEW)),
            secret(OTHER, THEIRS),
            timedelta(hours=1),
            id="one of the very second of the last one is a person's",
        ),
        pytest.param(
            announced(), replace(secret(OLD), enabled=False), 0 * SECOND, id="it is disabled"
        ),
        pytest.param(
            Record(change=Change(in_progress_since=NOW, marker="x", version=OLD)),
            secret(OLD, THEIRS),
            SECOND,
            id="a change goes on that replaces it",
        ),
    ],
)
def test_what_is_seen_says_nothing_new(record: Record, shown: SecretVersion, at: timedelta) -> None:
    assert record.seen(shown, NOW + at) == record


@pytest.mark.parametrize("version", [OLD, OTHER])
def test_a_vault_that_shows_less_than_was_published_is_asked_again(version: str) -> None:
    record = announced().landed(secret(NEW))
    with pytest.raises(Stale):
        record.seen(secret(version, Sensitive("old"), NOW - SECOND), NOW + SETTLE * 2)


@pytest.mark.parametrize(
    ("later", "wait"),
    [
        pytest.param(LATE - SECOND, SETTLE, id="the vault may lag"),
        pytest.param(LATE, SELDOM, id="somebody may have restored the secret from a backup"),
    ],
)
@pytest.mark.parametrize("version", [OLD, OTHER])
def test_a_vault_that_goes_on_showing_less_is_asked_seldom(
    version: str, later: timedelta, wait: timedelta
) -> None:
    record = announced().landed(secret(NEW))
    with pytest.raises(Stale) as caught:
        record.seen(secret(version, Sensitive("old"), NOW - SECOND), NOW + later)
    assert caught.value.retry_after == wait.total_seconds()


def test_a_replaced_version_is_stale_although_it_holds_what_is_being_restored() -> None:
    record = announced().landed(secret(NEW, OTHER_VALUE))
    record = replace(record, unpublished=(replace(announced_write(record), replaces=NEW),))
    with pytest.raises(Stale):
        record.seen(secret(OLD, VALUE, NOW - SECOND), NOW + SETTLE * 2)


def test_the_published_value_in_another_version_is_that_one_from_now_on() -> None:
    record = announced().landed(secret(NEW)).seen(secret(OTHER, created=NOW + SECOND), NOW + SETTLE)
    assert record.wrote(secret(OTHER))
    assert record.history.replaced == (OLD,)
    assert record.verified.created == NOW, "a copy without tags would not be seen to have none"
    assert Listed.of(record).holds(secret(OTHER, created=NOW + SECOND)), "as a listing shows it"
    assert Listed.of(record).created == NOW


@pytest.mark.parametrize("how", ["proven", "landed", "tried"])
def test_who_takes_the_address_away_leaves_the_tags_from_before(how: str) -> None:
    before, bare = {"ProviderAddress": "/here", "Owner": "a"}, secret(NEW, Owner="b")
    record = replace(announced(), verified=Verified(tags=before))
    known: dict[str, Callable[[SecretVersion], Record]] = {
        "proven": partial(record.proven, now=NOW, shape="{key}"),
        "landed": record.landed,
        "tried": partial(record.following, shape="{key}"),
    }
    assert known[how](bare).verified.tags == before
    moved = secret(NEW, ProviderAddress="/there", Owner="b")
    assert known[how](moved).verified.tags == {"ProviderAddress": "/there", "Owner": "b"}


def test_the_templates_that_versions_followed_are_remembered_the_present_one_first() -> None:
    """Whoever edits the tag means the next version; what leaked is read by its own template."""
    record = announced()
    for number in range(6):
        edited = secret(f"{number}" * 32, ValueTemplate="other {key}")
        record = record.proven(edited, NOW, f"{number}{{key}}")
        assert record.verified.tags["ValueTemplate"] == "other {key}"
    assert record.verified.templates == ("5{key}", "4{key}", "3{key}", "2{key}")
    again = record.proven(secret(OLD, ValueTemplate="other {key}"), NOW, "4{key}")
    assert again.verified.templates == ("4{key}", "5{key}", "3{key}", "2{key}")


@pytest.mark.parametrize("known", ["{key}", ""], ids=["known", "announced by an earlier Rekey"])
def test_a_write_that_lands_tells_the_template_of_its_version(known: str) -> None:
    record = announced().proven(secret(OLD), NOW, "Key={key}")
    record = replace(record, unpublished=(replace(announced_write(record), template=known),))
    for seen in (record.landed(secret(NEW)), record.seen(secret(NEW), NOW)):
        assert seen.verified.version == NEW
        assert seen.verified.templates == (known, "Key={key}")


def test_the_tag_in_a_record_of_an_earlier_rekey_may_have_been_followed() -> None:
    """A policy document may have overridden it, so it never comes first."""
    record = replace(announced(), verified=Verified(tags={"ValueTemplate": "Key={key}"}))
    assert record.following(secret(NEW), "{key}").verified.templates == ("{key}", "Key={key}")
    assert record.following(secret(NEW), "").verified.templates == ("", "Key={key}")


def test_templates_that_a_build_between_releases_noted_are_not_taken_for_the_present_one() -> None:
    """It noted those of earlier versions alone, under a name of their own."""
    text = json.dumps({"format": 1, "proven": NEW, "templates": ["Key={key}"]})
    assert Record.from_json(text, "here").verified == Verified(NEW)


def test_what_is_owed_passes_on_with_the_source() -> None:
    due = Pending(NOW, OLD, "key1")
    landed = announced().landed(secret(NEW))
    record = replace(landed, to_retire=(due,), compromised=Compromised((NEW, OLD)), stale=(OLD,))
    record = replace(record, unreported_ids=("key2",))
    record = record.proven(secret(NEW), NOW, "{key}").scheduled(NOW)
    assert record.verified.at
    assert record.change.recheck_at
    passed = record.passed("next", secret(OTHER, OTHER_VALUE))
    assert (passed.owner, passed.retirement, passed.compromised.versions) == (
        "next",
        due,
        (NEW, OLD),
    )
    assert (passed.stale, passed.unreported, passed.unreported_ids) == ((), False, ())
    # When the former owner's version was seen, or proven, says nothing of the next one's.
    assert (passed.verified.at, passed.verified.created) == (None, None)
    assert passed.change.recheck_at is None, "who takes it over looks at once"
    # Its own version may be older than what the former owner published: it is not stale.
    older = secret(OTHER, OTHER_VALUE, NOW - timedelta(days=9))
    assert passed.seen(older, NOW + SETTLE) == passed


def test_what_leaked_is_cut_off_in_the_version_that_the_next_owner_has_of_it() -> None:
    """Which one that is stays known of the former owner's version, and is no proof for a report."""
    landed = announced().landed(secret(NEW))
    record = replace(landed, compromised=Compromised((OLD, NEW)))
    known = record.passed("next", secret(OTHER)).compromised
    assert known.versions == (OLD, OTHER)
    assert known.revoked[NEW].endswith(f"is cut off in its place: {OTHER}")
    assert not known.is_refused(NEW, NOW + timedelta(seconds=1))
    assert record.passed("next", secret(OTHER, OTHER_VALUE)).compromised == record.compromised
    back = record.passed("next", secret(OTHER)).passed("owner", secret(NEW)).compromised
    assert (back.versions, back.knows(NEW)) == ((OLD, OTHER), False)
    proofs = Compromised((NEW,), revoked={OTHER: "an earlier proof"})
    assert [
        *replace(landed, compromised=proofs).passed("next", secret(OTHER)).compromised.revoked
    ] == [NEW]


def test_a_former_owners_prints_pass_on_under_its_url_behind_that_of_the_next_owners_version() -> (
    None
):
    """A value that both hold is found in the version that the next owner has."""
    owner = "https://prod.vault.azure.net/secrets/app"
    record = Record("/source", owner, history=History(published=(OLD,), prints={OLD: "one"}))
    passed = record.passed(f"{owner}-2", secret(NEW), "two").history
    assert [*passed.prints.items()] == [(NEW, "two"), (f"{owner}/{OLD}", "one")]
    known = record.history.passed(owner, [OLD])
    assert known.prints == {f"{owner}/{OLD}": "one"}, "what has a print is not known twice"
    assert History().passed("nobody's", [OLD]).prints == {}
    assert passed.published == (OLD,), "a person may have replaced it, and nobody has revoked it"


@pytest.mark.parametrize(("value", "published"), [(VALUE, ("left",)), (OTHER_VALUE, (NEW, "left"))])
def test_what_a_former_owner_has_left_alive_passes_on_with_the_source(
    value: Sensitive, published: tuple[str, ...]
) -> None:
    """For what was published last, the next owner's version stands if it holds the same."""
    owner = "https://prod.vault.azure.net/secrets/before"
    landed = replace(announced().landed(secret(NEW)), owner=owner)
    history = replace(landed.history, published=(NEW, "left"))
    passed = replace(landed, history=history).passed("next", secret(OTHER, value))
    assert passed.history.published == published
    assert passed.left_alive == ["left"]
    assert passed.history.place_of("left") == owner
    assert "left" in passed.alive_before(NOW + timedelta(days=1), secret(OTHER, value), ())


def test_of_its_own_versions_only_those_may_be_alive_that_are_older_than_the_incident() -> None:
    record = Record(owner="one", history=History(published=(NEW, OLD)))
    assert record.alive_before(NOW, secret(OTHER), {OLD, OTHER}) == [OLD]


def test_what_was_seen_and_told_of_a_former_owner_says_nothing_of_the_next_one() -> None:
    """People hear of what needs them there although the former owner had the same need."""
    seen = Verified(at=NOW, created=NOW, notified_at=NOW, notified_of="digest")
    assert Record(owner="one", verified=seen).passed("other", secret(NEW)).verified == Verified()


def test_what_a_former_owner_announced_is_no_news_in_the_next_owners_version() -> None:
    """Somebody has brought it there. What it superseded is retired all the same."""
    passed = announced().passed("next", secret(OTHER))
    theirs = replace(secret(OTHER), ref=SecretRef("https://prod.vault.azure.net", "next"))
    seen = passed.seen(theirs, NOW + SETTLE)
    assert seen.wrote(theirs)
    assert seen.published
    assert (seen.published.operation, seen.unreported) == ("", False)
    assert seen.retirement == Pending(NOW + timedelta(days=7), OLD, "key1")


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_value_that_is_restored_is_known_by_the_operation_that_wrote_it(*, is_ours: bool) -> None:
    """Others know it, too, and may write it again just then."""
    before = announced()
    write = replace(announced_write(before), original=OTHER)
    record = replace(before, unpublished=(write,))
    tags = {OPERATION: write.operation} if is_ours else {}
    shown = replace(secret(NEW), tags=tags)
    assert record.seen(shown, NOW + SECOND).wrote(shown) is is_ours


def test_what_leaked_and_is_held_by_the_next_owner_has_leaked_there() -> None:
    owner = "https://prod.vault.azure.net/secrets/before"
    landed = replace(announced().landed(secret(NEW)), owner=owner)
    record = replace(landed, compromised=Compromised((NEW, OLD)))
    passed = record.passed("next", secret(OTHER))
    assert passed.compromised.versions == (OTHER, OLD)
    assert [passed.history.place_of(it) for it in (NEW, OLD, OTHER)] == [owner, owner, ""]
    seen = passed.seen(secret(OTHER), NOW + SETTLE)
    assert seen.wrote(secret(OTHER))
    assert OPERATION not in seen.believed(secret(OTHER)).tags


@pytest.mark.parametrize(
    ("version", "same"), [(OLD, True), (NEW, False), (OTHER, False), ("unknown", False)]
)
def test_two_versions_hold_the_same_if_the_prints_of_their_credentials_are(
    version: str, *, same: bool
) -> None:
    """Whatever is around these: a former owner's template may be another one."""
    theirs = f"https://prod.vault.azure.net/secrets/before/{OLD}"
    history = History(prints={theirs: "one.inside", NEW: "two", OTHER: "one.elsewhere"})
    assert history.hold_the_same(version, OTHER) is same


def test_tags_that_claim_what_the_record_does_not_know_are_not_believed() -> None:
    forged = replace(
        secret(OTHER),
        tags={OPERATION: "forged", RETIRE: "forged", CREDENTIAL: "key1", STATE: "compromised 2026"},
    )
    assert dict(Record().believed(forged).tags) == {CREDENTIAL: "key1", STATE: "parked 2026"}


def test_what_the_record_knows_stands_in_place_of_tags() -> None:
    record = announced().landed(secret(NEW))
    tags = record.believed(replace(secret(NEW), tags={CREDENTIAL: "key1"})).tags
    assert dict(tags) == {
        CREDENTIAL: "key2",
        OPERATION: operation_id(secret(OLD).ref, OLD),
        RETIRE: str(record.retirement),
    }


def test_a_credential_proven_refused_is_compromised_no_longer() -> None:
    record = Record(compromised=Compromised((OLD, NEW))).without(OLD).without(OLD)
    assert (record.compromised.versions, record.compromised.revoked) == ((NEW,), {OLD: ""})


def test_a_proof_is_kept_as_long_as_its_version_is_known_and_outlives_a_second_one() -> None:
    record = Record().without(OLD, "noon tried").without(OLD)
    assert record.compromised.revoked == {OLD: "noon tried"}
    for number in range(MOST_REPLACED):
        record = record.without(f"{number}", "later tried")
    assert OLD not in record.compromised.revoked
    assert len(record.compromised.revoked) == MOST_REPLACED


@pytest.mark.parametrize(
    ("born", "older", "same", "later"),
    [
        pytest.param(None, True, False, False, id="made when it was written"),
        pytest.param(NOW - SECOND, True, False, False, id="restored"),
        pytest.param(NOW + 60 * SECOND, True, True, False, id="under an incident dated ahead"),
    ],
)
def test_what_an_incident_has_published_is_no_older_than_itself_whatever_clocks_say(
    born: datetime | None, *, older: bool, same: bool, later: bool
) -> None:
    write = Published("operation", "key2", "digest", OLD, NOW, born, version=NEW, created=NOW)
    listed = Listed.of(Record(published=write))
    for made_since in (write.made_since, listed.made_since):
        assert made_since(NOW - 60 * SECOND) is older
        assert made_since(NOW + 60 * SECOND) is same
        assert made_since(NOW + 30 * SECOND) is later
        assert made_since(NOW) is (born is None or born > NOW)


def test_a_listing_shows_when_something_is_due() -> None:
    record = announced().landed(secret(NEW))
    assert record.retirement
    shown = Listed(
        "/source", "owner", record.retirement, is_open=True, created=NOW, published=NOW, made=NOW
    )
    assert Listed.of(record) == shown, "what is open is due as long as no time is noted"
    assert Listed.of(record.scheduled(NOW)).next_check == NOW + RECHECK
    assert Listed.of(replace(record, unreported=False)).next_check == record.retirement.at


DUE = Pending(NOW - HOUR, OLD, "key1")


@pytest.mark.parametrize(
    ("record", "pause"),
    [
        (Record(), None),
        (announced(), RECHECK),
        (Record(change=Change(uncertain_until=NOW + HOUR)), RECHECK),
        (Record(change=Change(uncertain_until=NOW - HOUR)), SELDOM),
        (Record(change=Change(open_since=NOW - 25 * HOUR)), RECHECK),
        (Record(change=Change(in_progress_since=NOW - HOUR, recheck_at=NOW + HOUR / 2)), HOUR / 2),
        (Record(to_retire=(DUE,)), RARELY),
        (Record(to_retire=(replace(DUE, at=NOW + HOUR),)), HOUR),
        (Record(to_retire=(DUE,), unreported=True), SELDOM),
        (Record(to_retire=(DUE,), compromised=Compromised((OLD,))), SELDOM),
        (Record(to_retire=(DUE,), change=Change(uncertain_until=NOW + HOUR)), RECHECK),
        (Record(to_retire=(DUE,), change=Change(in_progress_since=NOW - 25 * HOUR)), SELDOM),
    ],
)
def test_what_a_look_could_not_end_is_looked_at_seldom_unless_it_may_take_effect(
    record: Record, pause: timedelta | None
) -> None:
    """Every sweep asks for a retirement that is due, so the timer does so once a day."""
    assert record.after_recheck(NOW).next_check == (NOW + pause if pause else None)


def test_what_is_begun_beside_a_retirement_that_was_left_to_the_sweeps_is_looked_at_soon() -> None:
    left = Record(to_retire=(DUE,)).scheduled(NOW).after_recheck(NOW)
    assert left.scheduled(NOW + HOUR).next_check == NOW + RARELY
    for begun in (replace(left, unreported=True), left.discarded(OTHER)):
        assert begun.scheduled(NOW + HOUR).next_check == NOW + HOUR + RECHECK


def test_a_retirement_that_becomes_due_is_tried_at_once() -> None:
    assert Record(to_retire=(DUE,)).owes(DUE.at)
    assert Record(to_retire=(DUE,)).next_check == DUE.at
    assert Record(to_retire=(DUE,)).scheduled(NOW).next_check == NOW + RECHECK


@pytest.mark.parametrize(
    ("planned", "noted"),
    [
        (timedelta(0), RECHECK),
        (SECOND, SECOND),
        (2 * SELDOM, 2 * SELDOM),
        (2 * SELDOM + SECOND, RECHECK),
        (-HOUR, RECHECK),
    ],
)
def test_a_look_that_is_still_to_come_soon_stays_as_it_is_planned(
    planned: timedelta, noted: timedelta
) -> None:
    record = Record(stale=(OLD,), change=Change(recheck_at=NOW + planned))
    assert record.scheduled(NOW).next_check == NOW + noted


def test_a_source_that_asks_for_hours_until_its_change_has_come_is_not_asked_before() -> None:
    """A kind of one's own may name any time."""
    change = Change(in_progress_since=NOW, uncertain_until=NOW + HOUR, recheck_at=NOW + 3 * HOUR)
    assert Record(change=change).scheduled(NOW).next_check == NOW + 3 * HOUR
    assert Record(stale=(OLD,), change=change).after_recheck(NOW).next_check == NOW + 3 * HOUR


@pytest.mark.parametrize(
    ("place", "follows"),
    [
        pytest.param("id7", True, id="an entry of its own"),
        pytest.param("key2", False, id="the slot of what was published last"),
        pytest.param("key1", False, id="the slot of what came over it"),
    ],
)
def test_what_was_to_be_retired_before_follows_what_is_superseded_now(
    place: str, follows: bool
) -> None:
    """A slot that is in use holds nothing else, so nothing more is retired there."""
    owed = Pending(NOW, OTHER, place)
    record = replace(announced().landed(secret(NEW)), to_retire=(owed,))
    assert record.published
    last = replace(record.published, version=OLD, credential_id="key2")
    record = replace(record, published=replace(record.published, credential_id="key1"))
    overtaken = record.owing(Pending(NOW + HOUR, last.version, last.credential_id))
    overtaken = Record.from_json(overtaken.to_json(), "here")
    assert overtaken.retirement == Pending(NOW + HOUR, OLD, "key2")
    first, *_ = overtaken.to_retire
    assert overtaken.retired(first).retirement == (owed if follows else None)
    assert overtaken.retired(first).retired(owed).retirement is None


@pytest.mark.parametrize(
    ("known", "asked", "whole"),
    [
        ("/s/a+b", "/s/a", "/s/a+b"),
        ("/s/a+b", "/s/a+c", "/s/a+b+c"),
        ("/s/a+b", "/s/a+b", "/s/a+b"),
        ("/s/a", "/s/a+b", "/s/a+b"),
        ("/s/a+b+c", "/s/a+c", "/s/a+b+c"),
        ("/s/a+c", "/s/a+b+c", "/s/a+b+c"),
        # Its record is stored elsewhere.
        ("/s/a+b", "/s/b", "/s/b"),
        ("", "/s/a", "/s/a"),
    ],
)
def test_a_source_keeps_the_logins_that_no_tag_names_while_something_is_owed_there(
    known: str, asked: str, whole: str
) -> None:
    debts: list[dict[str, Any]] = [
        {"to_retire": (Pending(NOW, OLD, "b"),)},
        {"to_retire": (Pending(NOW, OTHER, "c"), Pending(NOW, OLD, "b"))},
        {"compromised": Compromised((OLD,))},
        {"change": Change(open_since=NOW)},
        {"change": Change(in_progress_since=NOW)},
    ]
    for owed in debts:
        assert Record(known, **owed).whole(asked) == whole
    assert Record(known, unreported=True).whole(asked) == asked
    assert covers(whole, asked)


@pytest.mark.parametrize(
    ("login", "history", "source", "name"),
    [
        ("B", History(), "/s/a", "/s/a+b"),
        ("A", History(), "/s/a", "/s/a"),
        ("a", History(published=(NEW, OLD)), "/s/a", "/s/a+b"),
        ("a", History(published=(NEW, OLD), replaced=(OLD,)), "/s/a", "/s/a"),
        ("b", History(), "/s/a+c", "/s/a+b+c"),
        ("a", History(), "/s/b", "/s/b"),
    ],
)
def test_a_record_names_a_former_login_while_what_rekey_made_there_may_work(
    login: str, history: History, source: str, name: str
) -> None:
    """A person has replaced it. What Rekey has replaced itself, it revokes."""
    last = Published("", login, "", "", NOW, version=NEW)
    record = Record("/s/a+b", published=last, history=history)
    assert record.named(source) == name
    assert record.whole(source) == source, "nothing is owed there"


@pytest.mark.parametrize(
    ("whole", "source", "is_covered"),
    [
        ("/s/a+b", "/s/a", True),
        ("/s/a+b", "/s/a+b", True),
        ("/s/a", "/s/a+b", False),
        ("/s/a+b", "/s/b", False),
        ("/s/a+b", "/t/a", False),
        ("/s/a", None, False),
    ],
)
def test_a_record_is_that_of_fewer_logins_if_the_first_is_among_them(
    whole: str, source: str | None, *, is_covered: bool
) -> None:
    assert covers(whole, source) is is_covered


@pytest.mark.parametrize(
    ("late", "counted"),
    [
        (timedelta(0), timedelta(0)),
        (SECOND, SECOND),
        (LATE, LATE),
        (LATE + HOUR, LATE),
        (-HOUR, timedelta(0)),
    ],
)
def test_an_overlap_begins_with_its_version_within_the_time_that_a_write_may_take(
    late: timedelta, counted: timedelta
) -> None:
    """The vault's clock may be hours ahead: what was superseded lives on no longer for that."""
    record = announced().landed(secret(NEW, created=NOW + late))
    assert record.retirement
    assert record.retirement.at == NOW + timedelta(days=7) + counted


@pytest.mark.parametrize(
    ("at", "replaces", "is_over"),
    [
        pytest.param(NOW - SECOND, OTHER, True, id="announced before the last one"),
        pytest.param(NOW + HOUR, OLD, True, id="by a clock that is ahead"),
        pytest.param(NOW + HOUR, OTHER, False, id="a later one"),
    ],
)
def test_an_earlier_write_is_known_by_what_it_was_to_replace_whatever_clocks_say(
    at: datetime, replaces: str, *, is_over: bool
) -> None:
    """What was published last is still to be retired, where another worker's write came over it."""
    last = announced().landed(secret(NEW))
    assert last.published
    came = replace(last.published, version=OTHER, at=at, replaces=replaces)
    overtaken = last.overtaken(replace(last, published=came))
    assert overtaken == (last.published if is_over else None)
    assert last.overtaken(last) is None


def test_a_digest_that_is_none_fits_no_value() -> None:
    """Whoever compares it goes on, as with any other that does not fit."""
    write = announced().pending_write
    assert write
    assert not announced().fits(replace(write, digest="é"), VALUE)
