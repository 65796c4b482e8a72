"""A print finds a value, and tells nothing without its key."""

from __future__ import annotations

from engine.model.prints import Prints
from engine.model.record import MOST_PRINTS, Record

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
    record = Record(owner="x")
    for number in range(MOST_PRINTS + 5):
        record = record.printed({f"v{number}": OLD.of(f"value-{number}")})
    assert next(iter(record.prints)) == f"v{MOST_PRINTS + 4}"
    assert len(record.prints) == MOST_PRINTS
    assert record.printed({"v24": record.prints["v24"]}) is record
    assert record.printed({"v24": ""}) is record
    assert record.is_blank
    assert Record.from_json(record.to_json(), "here").prints == record.prints
