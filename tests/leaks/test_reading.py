"""A credential is found in whatever it was written into."""

from __future__ import annotations

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


def test_what_no_digest_can_be_made_of_is_read_as_well() -> None:
    parts = read(f"\udcff {KEY} \ud800").parts
    assert KEY in parts
    assert all(part.encode() for part in parts)


def test_a_report_shows_no_value() -> None:
    assert KEY not in repr(read(KEY))


def test_a_huge_report_is_bounded_and_takes_no_time_that_matters() -> None:
    reported = read("a=b;" * MOST_TEXT + "://" * MOST_TEXT)
    assert len(reported.parts) <= MOST_PARTS
    assert max(map(len, reported.parts)) <= MOST_TEXT
    read(" " * MOST_TEXT + "=" * MOST_TEXT)
    read("a@" * MOST_TEXT)
    assert len(read(" ".join(f"word{n:06}" for n in range(2000))).parts) == MOST_PARTS
