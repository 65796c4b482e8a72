"""What a record remembers of changes that are unfinished, and of versions that are over."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from engine.contract import LATE, LONGEST_CHANGE
from engine.errors import NeedsHuman
from engine.secret import Sensitive
from engine.state.record import (
    LONGEST_REST,
    LONGEST_SPACING,
    MOST_UNPUBLISHED,
    RECHECKED_FOR,
    SETTLE,
    SPACING,
    Record,
    Stale,
)
from engine.state.record_parts import (
    MOST_REPLACED,
    Announced,
    Change,
    Compromised,
    History,
    Past,
    Verified,
    Write,
)
from engine.state.request import operation_id
from engine.state.tags import CREDENTIAL, OPERATION, Pending
from tests.engine.state.test_record import (
    NEW,
    NOW,
    OLD,
    OTHER,
    SECOND,
    announced,
    announced_write,
    secret,
)
from tests.shared.builders import REF
from tests.shared.records import knowing

THEIRS = Sensitive("theirs")
HOUR = timedelta(hours=1)
WRITE = announced_write(announced())


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record(change=Change(open_since=NOW)), True),
        (Record(change=Change(uncertain_until=NOW)), True),
        (Record(unpublished=announced().unpublished), True),
        (announced().lose(), False),
        (Record(), False),
    ],
)
def test_a_password_is_unknown_only_while_a_blind_change_is_unfinished(
    record: Record, *, expected: bool
) -> None:
    blind = replace(record.change, password_unknown=True)
    assert replace(record, change=blind).is_unknown is expected
    assert not record.is_unknown


@pytest.mark.parametrize(
    ("touched", "earlier", "announced", "expected"),
    [
        (OLD, (NEW,), NEW, [operation_id(REF, OLD)]),
        (OLD, (), OLD, ["a former owner's"]),
        (OLD, (), NEW, [operation_id(REF, OLD)]),
        (OLD, (OLD,), OLD, []),
        ("", (OLD,), OLD, []),
    ],
)
def test_what_was_made_for_a_version_that_was_never_replaced_is_abandoned(
    touched: str, earlier: tuple[str, ...], announced: str, expected: list[str]
) -> None:
    """The operation that asked for it says so itself, if what it made was announced."""
    write = Announced("a former owner's", "key1", "digest", announced, NOW, lost=True)
    known = Record(owner=str(REF).lower(), change=Change(version=touched), unpublished=(write,))
    assert [*replace(known, history=History(earlier)).abandoned] == expected
    older = replace(write, operation="an earlier owner's")
    both = replace(known, unpublished=(write, older), history=History(earlier))
    assert [*both.abandoned] == expected


def _asked(**changes: Any) -> Record:
    request = {"version": OLD, "requested_at": NOW, "uncertain_until": NOW + HOUR}
    return Record(owner=str(REF).lower(), change=Change(**{**request, **changes}))


@pytest.mark.parametrize("version", [NEW, ""])
@pytest.mark.parametrize("end", [{}, {"open_since": NOW, "uncertain_until": None}])
def test_what_may_still_come_is_known_when_another_change_is_begun(
    version: str, end: dict[str, Any]
) -> None:
    record = _asked(**end).put_aside(version)
    record = replace(record, change=record.change.begun(NEW, NOW, asks=False))
    assert operation_id(REF, OLD) in record.abandoned
    assert not record.fits(record.unpublished[0], Sensitive("secret"))
    ahead = replace(WRITE, replaces=OTHER)
    lost = (replace(ahead, lost=True),) * (MOST_UNPUBLISHED - 1)
    full = replace(_asked(**end), unpublished=(ahead, *lost))
    assert full.put_aside(version).unpublished == (ahead, *record.unpublished, *lost[1:])


@pytest.mark.parametrize(
    ("record", "version"),
    [
        pytest.param(_asked(), OLD, id="it is asked for once more"),
        pytest.param(_asked(uncertain_until=None), NEW, id="it can come no more"),
        pytest.param(_asked(requested_at=None), NEW, id="nothing was asked for"),
        pytest.param(replace(_asked(), history=History((OLD,))), NEW, id="it has come"),
        pytest.param(_asked().put_aside(NEW), NEW, id="it is known already"),
    ],
)
def test_nothing_is_put_aside_that_cannot_come_unseen(record: Record, version: str) -> None:
    assert record.put_aside(version) == record


def test_what_was_announced_and_could_not_be_removed_is_known_when_another_change_is_begun() -> (
    None
):
    """Under the operation that has made it, which may be a former owner's; once, and as it was."""
    write = replace(WRITE, operation="a former owner's", replaces=OLD, lost=True)
    known = replace(_asked(), unpublished=(write,)).unremoved()
    assert known.unpublished[0] == write
    assert known.unremoved() == known
    begun = replace(known, change=known.change.begun(NEW, NOW, asks=False))
    assert "a former owner's" in begun.abandoned
    assert "a former owner's" not in replace(begun, unpublished=(write,)).abandoned
    assert _asked().unremoved() == _asked()
    elsewhere = replace(_asked(), unpublished=(replace(write, replaces=OTHER),))
    assert elsewhere.unremoved() == elsewhere
    awaited = replace(known, unpublished=(replace(write, lost=False),)).unremoved()
    assert [it.lost for it in awaited.unpublished] == [False, True]


def test_a_request_that_may_still_come_is_known_to_the_next_owner() -> None:
    passed = _asked().passed("https://sample-kv.vault.azure.net/secrets/next", secret(NEW))
    assert operation_id(REF, OLD) in passed.abandoned


@pytest.mark.parametrize(("is_unknown", "version"), [(True, NEW), (False, OLD)])
def test_what_may_have_replaced_an_only_password_is_about_the_next_owners_version(
    *, is_unknown: bool, version: str
) -> None:
    """Where the source refuses that, Rekey repairs it although a person wrote it."""
    change = Change(NOW, NOW, version=OLD, password_unknown=is_unknown)
    passed = Record(owner="one", change=change).passed("other", secret(NEW))
    assert passed.change.version == version


def test_revoked_are_the_credentials_of_those_versions_that_are_gone() -> None:
    past = (Past(OLD, "key1", "a digest"), Past(OTHER, "key2", "another"))
    assert Record(
        history=History(credentials=past), compromised=Compromised(revoked={OLD: ""})
    ).revoked_ids == {"key1"}
    assert Record(history=History(credentials=past)).revoked_ids == frozenset()


def test_so_many_credentials_of_replaced_versions_are_known() -> None:
    past = tuple(Past(f"{number:032}", "key1", "a digest") for number in range(MOST_REPLACED))
    newest = Past(OLD, "key2", "another")
    assert History(credentials=past).knowing(newest).credentials == (newest, *past[:-1])


@pytest.mark.parametrize(
    ("changes", "unused", "twins"),
    [
        ({}, ("x",), {OLD: "first"}),
        ({"dead": True}, (OLD, "first", "x"), {OLD: "first"}),
        ({"original": OTHER}, ("x",), {NEW: OTHER, OLD: "first"}),
    ],
)
def test_what_landed_says_which_versions_go_with_it(
    changes: dict[str, Any], unused: tuple[str, ...], twins: dict[str, str]
) -> None:
    """A version with a dead value is disabled; a restored one goes with that which it repeats."""
    record = replace(announced(), stale=("x",), history=History(copies={OLD: "first"}))
    write = replace(announced_write(record), **changes)
    landed = replace(record, unpublished=(write,)).landed(secret(NEW))
    assert (landed.stale, dict(landed.history.copies)) == (unused, twins)


def test_of_restored_versions_the_newest_are_remembered() -> None:
    """A record that grows with each restore would one day be too large to be read."""
    older = {f"{number:032}": OLD for number in range(MOST_REPLACED)}
    restored = replace(announced_write(announced()), original=OTHER).landed(NEW, NOW)
    copies = History(copies=older).after(restored).copies
    assert list(copies.items()) == [(NEW, OTHER), *older.items()][:MOST_REPLACED]


def test_of_restored_versions_in_an_earlier_record_the_newest_are_remembered_too() -> None:
    """It named them in the order in which they came."""
    replaced = tuple(f"{number:032}" for number in reversed(range(MOST_REPLACED + 2)))
    older = dict.fromkeys(reversed(replaced), OLD)
    restored = replace(announced_write(announced()), replaces=replaced[0], original=OTHER)
    history = History(replaced=replaced[:MOST_REPLACED], copies=older)
    copies = history.after(restored.landed(NEW, NOW)).copies
    assert list(copies) == [NEW, *replaced[: MOST_REPLACED - 1]]


def test_versions_with_dead_values_are_remembered_once_and_an_empty_id_is_none() -> None:
    record = Record().discarded(OLD).discarded(NEW, OLD, "")
    assert record.stale == (NEW, OLD)


def test_an_overtaken_write_is_awaited_until_a_minute_after_it_was_announced() -> None:
    with pytest.raises(Stale) as caught:
        announced().seen(secret(OLD), NOW + 10 * SECOND)
    assert caught.value.retry_after == (SETTLE - 10 * SECOND).total_seconds()


def test_a_write_that_a_clock_announced_which_was_ahead_is_awaited_no_longer() -> None:
    record = announced()
    assert record.seen(secret(OLD), NOW - SETTLE).change.uncertain_until == NOW + LATE
    with pytest.raises(Stale) as caught:
        record.seen(secret(OLD), NOW - SETTLE + SECOND)
    assert caught.value.retry_after == (2 * SETTLE - SECOND).total_seconds()


@pytest.mark.parametrize("least", [SPACING, timedelta()])
def test_a_change_that_a_clock_sent_which_was_ahead_leaves_no_source_alone(
    least: timedelta,
) -> None:
    change = Change(open_since=NOW, started_at=NOW, requested_at=NOW - HOUR)
    span, record = Record(change=change).rest(NOW, least), Record(change=change)
    assert span > timedelta()
    assert record.rest(NOW - span, least) == 2 * span
    assert record.rest(NOW - span - SECOND, least) == timedelta()
    proven = Record(change=replace(change, open_since=None))
    assert (record.vain_for, proven.vain_for) == (HOUR, timedelta())
    assert proven.rest(NOW, least) == timedelta()


@pytest.mark.parametrize(
    ("vain", "single", "other"),
    [
        (timedelta(), SPACING, timedelta()),
        (60 * SECOND, SPACING, 30 * SECOND),
        (450 * SECOND, SPACING, 225 * SECOND),
        (600 * SECOND, 60 * SECOND, LONGEST_REST),
        (1199 * SECOND, 119.9 * SECOND, LONGEST_REST),
        (HOUR, LONGEST_SPACING, LONGEST_REST),
    ],
)
def test_a_source_is_left_alone_longer_the_longer_no_change_can_be_proven(
    vain: timedelta, single: timedelta, other: timedelta
) -> None:
    """Within the five minutes in which what leaked is cut off, the timer's three among them."""
    assert (SPACING, LONGEST_SPACING, LONGEST_REST) == (45 * SECOND, 120 * SECOND, 240 * SECOND)
    change = Change(open_since=NOW, started_at=NOW, requested_at=NOW - vain)
    record = Record(change=change)
    assert (record.rest(NOW), record.rest(NOW, timedelta())) == (single, other)


AGES_AGO = NOW - 2 * RECHECKED_FOR


@pytest.mark.parametrize(
    ("facts", "until"),
    [
        ({"open_since": NOW}, NOW + LATE),
        ({"open_since": NOW - HOUR, "started_at": NOW - HOUR}, NOW),
        ({"open_since": NOW, "uncertain_until": NOW + HOUR}, NOW + HOUR),
        ({"uncertain_until": NOW + SECOND}, NOW + SECOND),
        ({"uncertain_until": NOW}, None),
        ({"uncertain_until": NOW - RECHECKED_FOR, "started_at": AGES_AGO}, None),
        (
            {"uncertain_until": NOW - RECHECKED_FOR + SECOND, "started_at": AGES_AGO},
            NOW - RECHECKED_FOR + SECOND,
        ),
        ({}, None),
    ],
)
def test_a_recheck_notes_until_when_what_was_begun_may_take_effect_and_tries_for_a_week(
    facts: dict[str, Any], until: datetime | None
) -> None:
    """Nothing was sent where no start is noted, so nothing takes effect there later."""
    change = Record(change=Change(recheck_at=NOW, **facts)).rechecked(NOW).change
    assert (change.open_since, change.uncertain_until) == (None, until)


@pytest.mark.parametrize(("age", "until"), [(LATE - SECOND, NOW + SECOND), (LATE, None)])
def test_a_recheck_awaits_an_announced_write_as_long_as_it_may_be_late(
    age: timedelta, until: datetime | None
) -> None:
    record = Record(unpublished=(replace(WRITE, at=NOW - age),)).rechecked(NOW)
    assert record.change.uncertain_until == until


def test_a_version_was_accepted_by_its_source_if_any_part_of_the_record_says_so() -> None:
    record = Record(
        published=WRITE.landed(NEW, NOW),
        history=History(credentials=(Past(OLD, "key1", "a digest"),)),
        verified=Verified("seen"),
        to_retire=(Pending(NOW, OTHER, "key3"),),
    )
    for version in (NEW, OLD, "seen", OTHER, "another"):
        assert record.has_proven(version) is (version in {NEW, OLD, "seen"})
        assert record.has_accepted(version) is record.knows(version) is (version != "another")


@pytest.mark.parametrize(
    "record",
    [
        Record(history=History(replaced=(OLD,))),
        Record(history=History(prints={f"https://prod.vault.azure.net/secrets/former/{OLD}": ""})),
        Record(compromised=Compromised((OLD,))),
        Record(compromised=Compromised(revoked={OLD: ""})),
    ],
    ids=["replaced", "a former owner's", "leaked", "refused"],
)
def test_a_source_knows_a_version_that_it_may_never_have_accepted(record: Record) -> None:
    assert record.knows(OLD)
    assert not record.knows(NEW)
    assert not record.has_accepted(OLD)


def test_what_is_open_longer_than_a_late_write_stays_open() -> None:
    record = replace(announced(), change=Change(uncertain_until=NOW + LATE + HOUR))
    assert record.seen(secret(OLD), NOW + SETTLE).change.uncertain_until == NOW + LATE + HOUR


@pytest.mark.parametrize("open_until", [None, NOW, NOW + 2 * LONGEST_CHANGE])
def test_a_version_written_while_its_source_is_at_a_change_is_looked_at_until_that_must_have_come(
    open_until: Any,
) -> None:
    record = Record(
        change=Change(
            in_progress_since=NOW,
            marker="x",
            recheck_at=NOW,
            version=OLD,
            uncertain_until=open_until,
        )
    )
    seen = record.seen(secret(NEW, THEIRS), NOW + SECOND)
    assert (seen.change.in_progress_since, seen.change.marker, seen.change.recheck_at) == (
        None,
        "",
        None,
    )
    assert seen.change.uncertain_until == max(open_until or NOW, NOW + LONGEST_CHANGE)


def test_a_version_without_an_id_was_written_by_nobody_that_is_known() -> None:
    record = announced().landed(secret(NEW))
    assert not record.wrote(replace(secret(NEW), version=None))
    assert not Record().wrote(secret(NEW))


def test_what_was_published_last_says_nothing_of_another_version() -> None:
    record = announced().landed(secret(NEW))
    tags = record.believed(replace(secret(OTHER), tags={CREDENTIAL: "key7"})).tags
    assert tags[CREDENTIAL] == "key7"
    assert OPERATION not in tags


@pytest.mark.parametrize(
    ("name", "write"),
    [("published", WRITE.landed(NEW, NOW)), ("ahead", replace(WRITE, retire=None))],
)
def test_a_record_of_an_earlier_rekey_has_the_defaults_of_what_it_does_not_say(
    name: str, write: Write
) -> None:
    fields = json.loads(knowing(Record(), **{name: write}).to_json())
    for later in ("dead", "held"):
        del fields[name][later]
    del fields["past"], fields["untold"]
    assert Record.from_json(json.dumps(fields), "here") == knowing(Record(), **{name: write})


OF_A_WRITE = {
    *("operation", "credential_id", "digest", "replaces", "at", "retire", "version", "created"),
    *("born", "original", "dead", "held"),
}
"""What earlier workers read of each write, announced or published."""


def test_every_write_stands_in_the_text_as_earlier_workers_read_it() -> None:
    whole, held = replace(WRITE, dead=True), Past(OLD, "key1", "a digest")
    record = Record(
        published=WRITE.landed(NEW, NOW),
        unpublished=(whole, replace(whole, lost=True)),
        history=History(credentials=(Past(OTHER, "key2", "another"), held)),
    )
    text = json.loads(record.to_json())
    for write in (text["published"], text["ahead"], *text["lost"]):
        assert write.keys() - {"template"} == OF_A_WRITE
        assert write["held"] == (None if write == text["published"] else asdict(held))
    # An earlier worker kept with what is published what followed once it was.
    text["published"] |= {name: text["ahead"][name] for name in ("retire", "dead", "held")}
    assert Record.from_json(json.dumps(text), "here") == record


@pytest.mark.parametrize("name", ["ahead", "lost"])
def test_what_is_being_replaced_is_known_where_an_earlier_rekey_noted_it_with_the_write(
    name: str,
) -> None:
    held, older = Past(OLD, "key1", "a digest"), Past(OTHER, "key2", "another")
    known = History(credentials=(older, held))
    record = Record(unpublished=(replace(WRITE, lost=name == "lost"),), history=known)
    text = json.loads(record.to_json())
    text["past"] = [asdict(older)]
    assert Record.from_json(json.dumps(text), "here") == record


def test_what_is_refused_stands_in_the_text_as_earlier_workers_read_it() -> None:
    """In a list, the newest first, with the proofs that are known beside it; an earlier record has none."""
    record = Record(compromised=Compromised(revoked={NEW: "noon tried", OLD: ""}))
    text = json.loads(record.to_json())
    assert (text["gone"], text["proofs"]) == ([NEW, OLD], {NEW: "noon tried"})
    assert Record.from_json(json.dumps(text), "here") == record
    del text["proofs"]
    assert [*Record.from_json(json.dumps(text), "here").compromised.revoked] == [NEW, OLD]


@pytest.mark.parametrize("gone", [OLD, [None], {OLD: ""}])
def test_a_record_in_which_no_list_says_what_is_refused_is_damaged(gone: object) -> None:
    with pytest.raises(NeedsHuman, match="damaged"):
        Record.from_json(json.dumps({"format": 1, "gone": gone}), "here")


@pytest.mark.parametrize(
    ("proof", "after", "is_refused"),
    [
        (f"{NOW:%Y-%m-%dT%H:%M:%SZ} tried", -SECOND, True),
        (f"{NOW:%Y-%m-%dT%H:%M:%SZ} tried", 0 * SECOND, True),
        (f"{NOW:%Y-%m-%dT%H:%M:%SZ} tried", SECOND, False),
        ("", SECOND, True),
    ],
)
def test_a_version_that_is_reported_after_its_proof_is_proven_anew(
    proof: str, after: timedelta, *, is_refused: bool
) -> None:
    """Of a record of an earlier Rekey nobody knows when that was: it is refused."""
    assert Compromised(revoked={OLD: proof}).is_refused(OLD, NOW + after) is is_refused


@pytest.mark.parametrize(
    ("facts", "is_the_same"),
    [
        ({"open_since": NOW - LATE + SECOND}, True),
        ({"open_since": NOW - LATE}, False),
        ({"uncertain_until": NOW + SECOND}, True),
        ({"uncertain_until": NOW}, False),
        ({"in_progress_since": NOW - HOUR, "marker": "x"}, True),
        ({"open_since": NOW - SECOND, "version": OTHER}, False),
        ({}, False),
    ],
)
def test_a_request_is_as_old_as_its_first_try_that_may_still_take_effect(
    facts: dict[str, Any], *, is_the_same: bool
) -> None:
    """Who takes a later try for the first takes what that one made for somebody else's."""
    asked = {"version": OLD, "requested_at": NOW - HOUR, "password_unknown": True}
    before = Change(**{**asked, **facts})
    begun = before.begun(OLD, NOW, asks=True)
    assert begun.requested_at == (NOW - HOUR if is_the_same else NOW)
    assert begun.open_since == (before.open_since or NOW)
    assert begun.marker == before.marker
    assert (begun.started_at, begun.password_unknown) == (NOW, False)
    assert before.begun(OLD, NOW, asks=False).requested_at is None


def test_a_recheck_that_was_noted_for_what_has_come_falls_away_with_it() -> None:
    noted = Change(recheck_at=NOW)
    assert noted.arrived() == noted
    assert replace(noted, in_progress_since=NOW, marker="x").arrived() == Change()


def test_a_change_has_come_once_what_it_was_to_revoke_is_proven_to_be_refused() -> None:
    """Otherwise a person would hear a day later that it has no end."""
    goes_on = Record(change=Change(in_progress_since=NOW, marker="x", recheck_at=NOW))
    assert goes_on.without(OLD, "tried").change == Change()


def test_a_change_that_was_never_sent_leaves_all_as_it_was() -> None:
    for is_unknown in (False, True):
        before = Change(NOW, NOW, NOW, version=OLD, password_unknown=is_unknown)
        begun = before.begun(NEW, NOW + SECOND, asks=True)
        begun = replace(begun, password_unknown=not is_unknown)
        assert begun.taken_back(before) == before


def test_a_recheck_that_was_noted_for_what_is_settled_falls_away_with_it() -> None:
    """Otherwise what is noted next would wait for it."""
    assert Change(uncertain_until=NOW, recheck_at=NOW + HOUR).settled() == Change()


def test_people_are_still_to_hear_of_each_retirement_but_those_that_they_have_heard_of() -> None:
    record = Record().retired(Pending(NOW, OLD, "key1")).retired(Pending(NOW, NEW, "key2"))
    assert record.reported(["key2"]).unreported_ids == ("key1",)


def test_a_record_with_a_key_and_an_owner_alone_is_blank() -> None:
    record = Record("/source", "owner").keyed()
    assert record.is_blank
    assert not replace(record, stale=(OLD,)).is_blank


@pytest.mark.parametrize(
    ("prints", "expected"), [({}, False), ({OLD: ""}, False), ({OLD: "one"}, True)]
)
def test_a_version_is_printed_if_its_print_is_known(
    prints: dict[str, str], *, expected: bool
) -> None:
    """A former owner's version may be known without one."""
    record = Record(owner="one", history=History(published=(OLD,), prints=prints))
    assert record.is_printed is expected


def test_a_new_print_of_a_version_stands_in_place_of_the_earlier_one() -> None:
    history = History(prints={OLD: "one", OTHER: "three"}).printed({OLD: "two", NEW: ""})
    assert history.prints == {OLD: "two", OTHER: "three"}
