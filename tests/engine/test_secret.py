"""A value shows itself only to who asks for it by name."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from engine.contract import Issued, Job
from engine.errors import NeedsHuman
from engine.secret import Draft, SecretRef, Sensitive
from tests.shared.builders import NOW, REF, VAULT, version

PLANTED = "planted-value-7f3a"
VALUE = Sensitive(PLANTED)


@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        format,
        "{}".format,
        "{!r}".format,
        "{!s:>40}".format,
        lambda value: f"{value} {value!r} {value=}",
        lambda value: "%s %r" % (value, value),  # noqa: UP031 - how logging does it
        lambda value: json.dumps({"value": value}, default=str),
        lambda value: repr([value, {"value": value}]),
        lambda value: repr(dir(value)),
        lambda value: str(replace(version(), value=value)),
        lambda value: repr(Draft(value, NOW, "text/plain", {})),
        lambda value: repr(Issued("key1", {"key": value}, None)),
        lambda value: repr(
            Job("/source", "op", "key1", value, proven=True, in_place=False, expires=NOW)
        ),
        lambda value: repr(getattr(value, "__dict__", None)),
        lambda value: logging.LogRecord(
            "rekey", logging.INFO, "", 0, "%s", (value,), None
        ).getMessage(),
    ],
)
def test_nothing_that_writes_an_object_shows_the_value(show: Callable[[Sensitive], str]) -> None:
    assert PLANTED not in show(VALUE)


@pytest.mark.parametrize(
    "duplicate",
    [pickle.dumps, copy.copy, copy.deepcopy, lambda value: asdict(replace(version(), value=value))],
)
def test_a_value_is_neither_pickled_nor_copied(duplicate: Callable[[Sensitive], object]) -> None:
    with pytest.raises(TypeError, match="never pickled") as caught:
        duplicate(VALUE)
    assert PLANTED not in str(caught.value)


def test_a_value_is_not_written_as_json() -> None:
    with pytest.raises(TypeError):
        json.dumps(VALUE)


def test_a_traceback_with_local_variables_does_not_show_it() -> None:
    def fail(value: Sensitive) -> None:
        raise RuntimeError(f"failed with {value}")

    with pytest.raises(RuntimeError) as caught:
        fail(VALUE)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert PLANTED not in "".join(shown.format())


def test_values_are_compared_by_what_they_hold() -> None:
    same, other = Sensitive("planted-value-" + "7f3a"), Sensitive("another")
    assert same == VALUE
    assert other != VALUE
    assert VALUE != PLANTED
    assert (VALUE == PLANTED) is False
    assert len({VALUE, same, other}) == 2
    assert VALUE.reveal() == PLANTED
    assert Sensitive("ü") == Sensitive("ü")


@pytest.mark.parametrize(
    "url",
    [
        f"{VAULT}/secrets/app-key",
        f"{VAULT}/secrets/app-key/",
        f"{VAULT}/secrets/app-key/{'1' * 32}",
        f" {VAULT.upper()}/secrets/app-key",
    ],
)
def test_a_secrets_url_is_read_with_or_without_its_version(url: str) -> None:
    assert SecretRef.parse(url) == REF


@pytest.mark.parametrize(
    "url",
    [
        "", "app-key", "http://prod.vault.azure.net/secrets/app-key", f"{VAULT}/keys/app-key",
        f"{VAULT}/secrets/", f"{VAULT}/secrets/a_b", "https:///secrets/x", "https://[x/secrets/y",
        "https://user@prod.vault.azure.net/secrets/x", f"{VAULT}/secrets/x?y=z",
    ],
)  # fmt: skip
def test_anything_else_is_no_secrets_url(url: str) -> None:
    with pytest.raises(NeedsHuman, match="not the URL of a secret"):
        SecretRef.parse(url)


@pytest.mark.parametrize(
    ("value", "is_inside"),
    [("abc", True), ("Key=abc;Id=x", True), ("ab", False), (None, False)],
)
def test_a_value_contains_a_credential_alone_or_inside_of_other_text(
    value: str | None, *, is_inside: bool
) -> None:
    held = replace(version(), value=None if value is None else Sensitive(value))
    assert held.contains(Sensitive("abc")) is is_inside
    assert not held.contains(None)


def test_a_secret_names_itself_by_its_url() -> None:
    assert str(REF) == f"{VAULT}/secrets/app-key"
    assert REF.vault_name == "prod"
