"""Values around a credential."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.secret import Sensitive
from engine.state import template

CONNECTION = (
    "DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key};EndpointSuffix={suffix}"
)
KEY = "a+b/c" * 17 + "a=="
VALUES = {
    "account": Sensitive("appdata"),
    "key": Sensitive(KEY),
    "suffix": Sensitive("core.windows.net"),
}
KNOWN = frozenset(VALUES)


def revealed(shape: str, value: str) -> dict[str, str] | None:
    """Extract the fields and show them."""
    fields = template.extract(shape, Sensitive(value))
    return None if fields is None else {name: text.reveal() for name, text in fields.items()}


def test_a_connection_string_is_filled_in_and_read_back() -> None:
    rendered = template.render(CONNECTION, VALUES)
    assert f";AccountName=appdata;AccountKey={KEY};EndpointSuffix=core." in rendered.reveal()
    assert template.extract(CONNECTION, rendered) == VALUES


def test_a_bare_credential_is_the_whole_value() -> None:
    assert revealed("{key}", KEY) == {"key": KEY}
    assert revealed("{key}", "two\nlines") == {"key": "two\nlines"}
    assert revealed("{key}", "") is revealed("Key={key}", "Key=") is None


@pytest.mark.parametrize(
    "value",
    ["", KEY, "AccountKey=" + KEY, CONNECTION.format(account="x", key="", suffix="y")],
)
def test_a_value_from_elsewhere_is_not_read(value: str) -> None:
    assert revealed(CONNECTION, value) is None


def test_without_a_value_nothing_is_read() -> None:
    assert template.extract("{key}", None) is None


def test_a_field_that_occurs_twice_must_say_the_same_twice() -> None:
    shape = "BlobEndpoint=https://{account}.blob.x;TableEndpoint=https://{account}.table.x;AccountKey={key}"
    value = "BlobEndpoint=https://a.blob.x;TableEndpoint=https://{}.table.x;AccountKey=k"
    assert revealed(shape, value.format("a")) == {"account": "a", "key": "k"}
    assert revealed(shape, value.format("b")) is None


def test_braces_of_a_driver_are_no_placeholder() -> None:
    shape = "Driver={ODBC Driver 18 for SQL Server};Pwd={{key}};App={Key}"
    assert template.fields(shape) == {"key"}
    assert (
        template.render(shape, VALUES).reveal()
        == f"Driver={{ODBC Driver 18 for SQL Server}};Pwd={{{KEY}}};App={{Key}}"
    )
    assert revealed(shape, template.render(shape, VALUES).reveal()) == {"key": KEY}


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ("{key}", 0),
        (CONNECTION, 0),
        ("{account}", 1),
        ("", 1),
        ("{key}{nope}", 2),
        ("{a}{b}", 4),
        ("{key};{key}", 0),
    ],
)
def test_each_problem_of_a_template_is_told(shape: str, count: int) -> None:
    assert len(template.problems(shape, KNOWN, "key")) == count


@pytest.mark.parametrize(("key", "is_read"), [("a+b", True), ("a/b", False)])
def test_a_part_that_holds_what_ends_it_is_not_read_back(key: str, is_read: bool) -> None:
    values = {"account": Sensitive("appdata"), "key": Sensitive(key)}
    rendered = template.render("{key}/{account}", values)
    assert template.is_read_back("{key}/{account}", rendered, values) is is_read


def test_text_that_looks_like_a_pattern_is_taken_as_it_is() -> None:
    shape = r"^(.*)\1[{key}]$"
    assert revealed(shape, template.render(shape, VALUES).reveal()) == {"key": KEY}


def test_a_hostile_template_and_value_cost_no_more_than_their_length() -> None:
    """Whoever may tag one secret must not be able to hold up the rotation of all others."""
    shape = "{account}x{key}x{suffix}y"
    assert revealed(shape, "x" * 25_000) is None


literals = st.text(alphabet=";=,AB .^$()[]\\", max_size=6)
contents = st.text(alphabet="abcdef0123456789+/", min_size=1, max_size=20)


@given(literals, literals, literals, contents, contents)
def test_whatever_a_template_renders_it_reads_back(
    before: str, between: str, after: str, account: str, key: str
) -> None:
    shape = f"{before}{{account}};{between}{{key}}{after}"
    rendered = template.render(shape, {"account": Sensitive(account), "key": Sensitive(key)})
    assert revealed(shape, rendered.reveal()) == {"account": account, "key": key}


def test_a_value_is_not_read_back_if_only_one_of_its_parts_is() -> None:
    shape, values = "{key}/{account};{suffix}", {**VALUES, "key": Sensitive("a/b")}
    assert not template.is_read_back(shape, template.render(shape, values), values)
