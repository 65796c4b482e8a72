"""The verifier that PostgreSQL gets in place of a password."""

from __future__ import annotations

import base64

import pytest

from cloud.databases.scram import _prepared, verifier
from engine.secret import Sensitive


def test_a_verifier_is_the_one_that_the_standard_computes() -> None:
    # RFC 7677, section 3: password "pencil", this salt, 4096 rounds. The keys are what any
    # implementation of it derives; PostgreSQL itself judges them in test_postgresql.py.
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    assert verifier(Sensitive("pencil"), salt).reveal() == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )


def test_each_verifier_has_a_salt_of_its_own() -> None:
    assert verifier(Sensitive("pencil")) != verifier(Sensitive("pencil"))


@pytest.mark.parametrize(
    ("written", "prepared"),
    [
        ("plain", "plain"),
        ("I\u00adX", "IX"),  # RFC 4013, section 3
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("a\u200bb", "a b"),  # in both tables; PostgreSQL looks for spaces first
        ("\u06271", "\u06271"),  # forbidden by the rule for two directions: taken as it is
        ("a\u0007\u00fc", "a\u0007\u00fc"),  # a control character, likewise
        *((f"{sign}\u00aa",) * 2 for sign in "\u0080\ue000\ufdd0\ufff9\u2ff0\U000e0001\u0221"),
    ],
)
def test_a_password_is_prepared_as_the_standard_says(written: str, prepared: str) -> None:
    assert _prepared(written) == prepared.encode()
