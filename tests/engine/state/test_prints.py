"""A print finds a value, and tells nothing without its key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.state.record import Record
from engine.state.record_parts import (
    MOST_PRINTS,
    MOST_REPLACED,
    Announced,
    Compromised,
    History,
    Past,
    Prints,
)
from engine.state.tags import Pending
from tests.shared.builders import NOW

OLD, NEW = Prints({"aaaa1": b"a" * 32}), Prints({"bbbb1": b"b" * 32, "aaaa1": b"a" * 32})


def test_a_print_tells_nothing_without_its_key() -> None:
    made = OLD.of("hunter2-hunter2")
    assert made != NEW.of("hunter2-hunter2")
    assert Prints().of("hunter2-hunter2") == ""
    assert not Prints({"cccc1": b"c" * 32}).knows(made)
    assert "hunter2" not in made + repr(OLD)


def test_what_an_earlier_key_made_is_found_as_long_as_that_is_there() -> None:
    made = OLD.of("hunter2-hunter2")
    assert NEW.knows(made)
    assert made in NEW.each("hunter2-hunter2")


def test_a_record_keeps_the_prints_of_its_newest_versions() -> None:
    history = History()
    for number in range(MOST_PRINTS + 5):
        history = history.printed({f"v{number}": OLD.of(f"value-{number}")})
    assert next(iter(history.prints)) == f"v{MOST_PRINTS + 4}"
    assert len(history.prints) == MOST_PRINTS
    assert history.printed({"v24": history.prints["v24"]}) is history
    assert history.printed({"v24": ""}) is history
    assert [*History().printed({"earlier": "a print", "shown": "another"}).prints] == [
        "shown",
        "earlier",
    ], "a version that was seen later is newer"
    record = Record(owner="x", history=history)
    assert record.is_blank
    assert Record.from_json(record.to_json(), "here").history.prints == history.prints


def test_the_latest_of_many_known_credentials_are_to_have_a_print() -> None:
    past = tuple(Past(f"v{number}", "key1", "a digest") for number in range(MOST_REPLACED))
    prints = {known.version: "a print" for known in past[: MOST_PRINTS // 2]}
    assert Record(history=History(credentials=past, prints=prints)).is_printed
    assert not Record(history=History(credentials=past[1:], prints=prints)).is_printed


WRITE = Announced("operation", "key2", "digest", "v1", NOW)


@pytest.mark.parametrize(
    ("facts", "is_enough"),
    [
        ({"published": WRITE.landed("v9", NOW)}, True),
        ({"to_retire": (Pending(NOW, "v9", "key1"),)}, True),
        ({"to_retire": (Pending(NOW, "v1", "key1"), Pending(NOW, "v9", "key2"))}, True),
        ({"compromised": Compromised(("v9",))}, True),
        # Nobody knows yet which version holds it.
        ({"unpublished": (WRITE,)}, False),
        ({"unpublished": (replace(WRITE, lost=True),)}, False),
    ],
)
def test_all_that_may_work_is_to_have_a_print(facts: dict[str, Any], *, is_enough: bool) -> None:
    """Otherwise what was reported is looked for in the vault, too."""
    record = Record(history=History(prints={"v1": "a print"}), **facts)
    assert not record.is_printed
    theirs = {"v1": "a print", "https://a.vault.azure.net/secrets/x/v9": "another"}
    assert replace(record, history=History(prints=theirs)).is_printed is is_enough


def test_what_a_person_had_replaced_is_to_have_a_print() -> None:
    """Nobody has revoked it. What Rekey has replaced itself is refused."""
    record = Record(history=History(published=("v9", "v1"), prints={"v1": "a print"}))
    assert not record.is_printed
    assert replace(record, history=replace(record.history, replaced=("v9",))).is_printed


def test_a_print_stands_under_the_secret_that_had_its_version_however_often_its_source_passed_on() -> (
    None
):
    first, second = "https://a.vault.azure.net/secrets/x", "https://b.vault.azure.net/secrets/y"
    history = History(prints={"v1": "a print"}).passed(first).printed({"v2": "another"})
    history = history.passed(second)
    assert (history.place_of("v1"), history.place_of("v2")) == (first, second)
    assert [Record(history=history).knows(version) for version in ("v1", "v3")] == [True, False]
