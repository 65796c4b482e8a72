"""Passwords that Azure SQL takes and no connection string stumbles over."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from engine.errors import NeedsHuman
from rotators.shared.sql_names import checked
from rotators.shared.sql_passwords import ALPHABET, LENGTH, acceptable, fresh_password
from simulator.sql.servers import weakness

NAMES = ["sqladmin", "a", "Ab", "0", "-", "x" * 128, "Łódź"]


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_password_is_long_mixed_and_without_the_name(name: str) -> None:
    for _ in range(200):
        password = fresh_password(name).reveal()
        assert len(password) == LENGTH >= 32
        assert weakness(password, name) is None
        assert set(password) <= set(ALPHABET)
        assert password[0].isalpha()


@pytest.mark.parametrize("character", ["x", "Ł", "\uffff", "\U00010000", "\N{GRINNING FACE}"])
def test_a_name_has_as_many_units_as_the_server_counts(character: str) -> None:
    most = 128 // len(character.encode("utf-16-le")) * 2
    assert checked(character * most)
    with pytest.raises(NeedsHuman, match="1 to 128"):
        checked(character * (most + 1))


def test_no_two_passwords_are_the_same() -> None:
    assert len({fresh_password("app").reveal() for _ in range(1000)}) == 1000


def test_the_alphabet_means_the_same_in_every_kind_of_connection_string() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 64
    assert quote(ALPHABET, safe="") == ALPHABET
    assert not re.search(r"""['"`;{}()\[\]\\\s@:/?#&=+,$%<>|*!^~]""", ALPHABET)


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("Abcdefg1", True),
        ("Abcdef1", False),
        ("a" * 126 + "B1", True),
        ("a" * 127 + "B1", False),
        ("abcdefgh", False),
        ("abcdefg1", False),
        ("abcdefg1-", True),
        ("ABCDEFG1", False),
        ("xxAPPxx1-", False),
        ("xxaPpxx1-", False),
    ],
)
def test_the_rules_hold_at_their_edges(password: str, expected: bool) -> None:
    assert acceptable(password, "app") is expected
