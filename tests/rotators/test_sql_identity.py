"""Who the app is, as its own token tells."""

from __future__ import annotations

import base64
import json

import pytest

from engine.secret import Sensitive
from rotators.shared.sql_identity import described


@pytest.mark.parametrize("length", range(8))
def test_the_identity_is_named_whatever_the_length_of_its_token(length: int) -> None:
    claims = json.dumps({"appid": "a" * length, "oid": "o"}).encode()
    part = base64.urlsafe_b64encode(claims).decode().rstrip("=")
    assert f"(application {'a' * length}, object o)" in described(Sensitive(f"head.{part}.tail"))


@pytest.mark.parametrize("token", ["", "opaque", "a.b", "a.!.c", "a.bnVsbA.c"])
def test_a_token_that_says_nothing_names_nobody(token: str) -> None:
    assert described(Sensitive(token)) == "the app's identity"
