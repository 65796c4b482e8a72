"""A credential is found in whatever it was written into."""

from __future__ import annotations

import html
import json
import time
from urllib.parse import quote

import pytest

from leaks.reading import MOST_PARTS, MOST_TEXT, read

KEY = "c2VjcmV0/K2V5+K2V5IHdpdGggcGFkZGluZw=="


@pytest.mark.parametrize(
    ("text", "credential", "resource"),
    [
        (KEY, KEY, ""),
        (f"  {KEY}\n", KEY, ""),
        (f"{KEY}\n", f"{KEY}\n", ""),
        (
            (
                "DefaultEndpointsProtocol=https;AccountName=Prod1;"
                f"AccountKey={KEY};EndpointSuffix=core.windows.net"
            ),
            KEY,
            "prod1",
        ),
        (
            (
                "Endpoint=sb://bus.servicebus.windows.net/;SharedAccessKeyName=r;"
                f"SharedAccessKey={KEY}"
            ),
            KEY,
            "bus",
        ),
        ("Server=tcp:db1.database.windows.net,1433;User ID=app;Password=s3cret=word;", "s3cret=word", "db1"),
        ("postgresql://app:pa%40ssword@db2.postgres.database.azure.com/x", "pa@ssword", "db2"),
        ("cache.redis.cache.windows.net:6380,password=topsecret99,ssl=True", "topsecret99", ""),
        (f'{{"key": "{KEY}", "other": 1}}', KEY, ""),
        (f"STORAGE_KEY='{KEY}' # do not commit", KEY, ""),
        ("password: correct horse 9\n", "correct horse 9", ""),
        ("\ufeffpass wörd;9", "pass wörd;9", ""),
        (f"HostName=hub1.azure-devices.net;SharedAccessKey={KEY}", KEY, "hub1"),
        (
            "https://prod1.blob.core.windows.net/c/b?sv=2022-11-02&sr=b&sp=r&sig=abc%2Fdef%3D",
            "sv=2022-11-02&sr=b&sp=r&sig=abc%2Fdef%3D",
            "prod1",
        ),
    ],
)  # fmt: skip
def test_a_credential_is_found_in_its_surroundings(
    text: str, credential: str, resource: str
) -> None:
    reported = read(text)
    assert credential in reported.parts
    assert reported.resource == resource


ODD = """aB3$x;y'z"w&q p"""


@pytest.mark.parametrize(
    ("text", "credential"),
    [
        (json.dumps({"key": KEY}).replace("+", "\\u002B"), KEY),
        (json.dumps({"key": KEY}).replace("/", "\\/"), KEY),
        (json.dumps({"env": f"A=1\nKEY={KEY}\nB=2\n"}), KEY),
        (json.dumps({"settings": json.dumps({"key": KEY})}), KEY),
        (json.dumps([json.dumps({"in": json.dumps({"key": f"AccountKey={KEY};"})})]), KEY),
        (json.dumps({"password": ODD}), ODD),
        (json.dumps([json.dumps([json.dumps({"password": ODD})])]), ODD),
        (f"<add value='AccountKey={KEY.replace('+', '&#43;')}' />", KEY),
        (f'<add value="{html.escape(ODD)}" />', ODD),
        (f"https://x.example/api?key={quote(KEY, safe='')}", KEY),
        (f"https://x.example/?next={quote(f'/a?k={quote(KEY, safe="")}', safe='')}", KEY),
        (f"https://u:{KEY}@x.example/", KEY),
        (f"curl -u user:{KEY} https://x.example", KEY),
        ("curl -u user:pa55-word/x https://x.example", "pa55-word/x"),
        (f"\ufeff{KEY}", KEY),
        (f"{KEY[:9]}\u200b{KEY[9:]}\0", KEY),
        (f"echo -e '{KEY}\\n'", KEY),
        (f"the key is {KEY}.", KEY),
        (f"Bearer_{KEY}_x|b", KEY),
        ("a|abc8Q~defghijklmnopqrstuvwxyz.01234567|b", "abc8Q~defghijklmnopqrstuvwxyz.01234567"),
    ],
)
def test_a_credential_is_found_however_it_is_written(text: str, credential: str) -> None:
    assert credential in read(text).parts


@pytest.mark.parametrize(
    "text", ['"\\', '\\"', 'x"y\\"', "\\u005c", "&amp;amp;x", "%2525", "a" * 19 + "-", "a:", "?"]
)
def test_a_crafted_text_takes_no_time_that_matters(text: str) -> None:
    began = time.process_time()
    assert len(read(text * MOST_TEXT).parts) <= MOST_PARTS
    assert time.process_time() - began < 2


def test_what_no_digest_can_be_made_of_is_read_as_well() -> None:
    parts = read(f"\udcff {KEY} \ud800").parts
    assert KEY in parts
    assert all(part.encode() for part in parts)


def test_what_is_short_enough_to_be_guessed_is_no_part() -> None:
    assert "8letters" in read("PIN=8letters").parts
    assert "7letter" not in read("PIN=7letter").parts
    assert read("1234567").parts == ()


def test_a_report_shows_no_value() -> None:
    assert KEY not in repr(read(KEY))


def test_a_huge_report_is_bounded_and_takes_no_time_that_matters() -> None:
    reported = read("a=b;" * MOST_TEXT + "://" * MOST_TEXT)
    assert len(reported.parts) <= MOST_PARTS
    assert max(map(len, reported.parts)) <= MOST_TEXT
    read(" " * MOST_TEXT + "=" * MOST_TEXT)
    read("a@" * MOST_TEXT)
    assert len(read(" ".join(f"word{n:06}" for n in range(2000))).parts) == MOST_PARTS
