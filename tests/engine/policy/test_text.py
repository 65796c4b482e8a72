"""The text of a policy document: read strictly, bounded, and never quoted."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.policy.check import MAX_BYTES, check, load
from tests.shared import policies

LONG = "x" * 300
DECIMAL = "is no decimal number: write it without leading zeros, signs, colons and underscores"
BREAK = "a line ends in a way that editors do not show: remove the character"
BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


def test_yaml_and_json_of_one_document_are_the_same() -> None:
    data, problems = load(policies.example())
    assert not problems
    assert load(json.dumps(data)) == (data, [])
    assert load("\n\t " + json.dumps(data, indent="\t")) == (data, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "version: 1\nversion: 2\n",
            "line 2, column 1: the key 'version' stands twice: remove one of them",
        ),
        ("a: {b: 1, b: 2}\n", "line 1, column 11: the key 'b' stands twice"),
        ('{"a": {"b": 1, "b": 2}}', "the key 'b' stands twice"),
        (BOMB, "line 1, column 4: not YAML: anchors, aliases and tags are not allowed"),
        ("a: !!python/object/apply:os.system [x]", "anchors, aliases and tags are not allowed"),
        ("a: !!int x", "anchors, aliases and tags are not allowed"),
        *(
            (f"a: {number}\n", f"line 1, column 4: {DECIMAL}")
            for number in (
                "010",
                "0100",
                "1:30",
                "1_0",
                "0x10",
                "0b1",
                "+9",
                "-07",
                "1:30.0",
                "1_0.0",
            )
        ),
        *(
            (f"a: 1\n# hours{mark}b: 2\n", f"line 2, column 8: {BREAK}")
            for mark in ("\u2028", "\u2029", "\x85")
        ),
        ("a: 'x\u2028y'\n", f"line 1, column 6: {BREAK}"),
        ("<<: {a: 1}\n", "a key is not text"),
        ("1: x\n", "line 1, column 1: a key is not text: put it in quotes"),
        ("[a]: x\n", "a key is not text"),
        ("a: [1\n", "not YAML"),
        ("a: 1\n--- \nb: 2\n", "not YAML"),
        ("a: 2026-99-99\n", "an invalid character, date or number"),
        (f"a: {'9' * 5000}\n", "an invalid character, date or number"),
        ("a: \x00", "not YAML"),
        ("[" * 5000, "nested too deeply"),
        ("a: 1\nb: 2\nc: \x85", "line 3, column 4: a line ends in a way that editors do not show"),
        ('{"a": ', "line 1, column 7: not JSON, although it starts with {"),
        ('{"a":' * 2500 + "1" + "}" * 2500, "nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "a number is too long"),
        ('{"a": "\\ud800"}', "a: contains a line break or an unprintable character"),
        ('{"\\u0007": 1}', "(a key): contains a line break"),
        (f"{LONG}: 1\n{LONG}: 2\n", f"the key {LONG[:40]!r} stands twice"),
        (f'{{"a": {{"{LONG}": "\\u0007"}}}}', f"a.{LONG[:40]}: contains a line break"),
        ("a:\n  - b: |\n      x\n", "a[0].b: contains a line break"),
        ("x" * (MAX_BYTES + 1), f"longer than the {MAX_BYTES} bytes"),
        ("é" * (MAX_BYTES // 2 + 1), f"longer than the {MAX_BYTES} bytes"),
    ],
)
def test_what_is_wrong_with_a_text_is_said(text: str, problem: str) -> None:
    assert problem in "; ".join(load(text)[1])


def test_a_decimal_number_and_a_quoted_text_are_what_they_say() -> None:
    text = 'a: [0, 7, 90, -3, 90.0, "010", "1:30", 048]\n'
    assert load(text) == ({"a": [0, 7, 90, -3, 90.0, "010", "1:30", "048"]}, [])


def test_as_long_as_a_secret_may_be_is_not_too_long() -> None:
    assert load("x" * MAX_BYTES) == ("x" * MAX_BYTES, [])


def test_every_key_that_stands_twice_is_named_and_the_rest_is_read_on() -> None:
    data, problems = load("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert data == {"a": 2, "b": {"c": 2}}
    assert len(problems) == 2


def test_the_words_of_a_value_are_never_quoted() -> None:
    for text in (
        "a: [planted-value",
        '{"a": "planted-value" x',
        "planted-value: [*planted",
        "a: !planted-value x",
        "!planted!value",
        "%TAG !planted! x\n%TAG !planted! x\n--- a",
    ):
        _, problems = load(text)
        assert problems
        assert "planted" not in "".join(problems)


@pytest.mark.parametrize(
    "text", ["{}: x", "{}:", '{{"{}": 1, "{}": 2}}', '{}: "a\\nb"', "1: {}\n{}: 1"]
)
def test_no_key_is_told_of_what_says_no_version(text: str) -> None:
    """It may be the value of another secret."""
    (problem,) = check(text.format("planted", "planted"), policies.DEPLOYED, policies.ALL)[1]
    assert problem.startswith("version: is missing")


@given(
    st.text(alphabet=st.sampled_from("ab1:-?{}[],&*!|>'\"%@#\n\t \\.~\x00\ud800é=<"), max_size=60)
)
@example("? ")
@example("=")
def test_no_text_whatever_makes_it_fail(text: str) -> None:
    data, problems = load(text)
    assert problems or json.dumps(data, default=str, ensure_ascii=False).encode()
