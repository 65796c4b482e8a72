"""A key names its kind; the checksum is Microsoft's."""

from __future__ import annotations

import base64

import pytest

from engine.leak.signatures import KINDS, MESSAGING, checksum, kind_of, marvin

VECTORS = (
    (0xD53CD9CECD0893B7, b"abc", 0x22C74339492769BF),
    (0xDDDDEEEEFFFF000, b"abcdefghijklmnopqrstuvwxyz", 0xA128EB7E7260ACA2),
    (0x804FB61A001BDBCC, b"", 0x10A9D5D3996FD65D),
    (0x804FB61A001BDBCC, b"\x37\xf4\x95", 0xE1F2DFA6E5131408),
    (0x804FB61A801BDBCC, b"\x00\xff\x00\xff\x00\xff\x00", 0x71876F2EFB1B0EE8),
)
"""github.com/microsoft/security-utilities at 638ad20: marvin_tests.rs and MarvinShared.cs."""


def made(length: int, mark: str, seed: int) -> str:
    """Return a key of so many bytes with a mark and a checksum, as its provider makes it."""
    letters = (length + 2) // 3 * 4
    padding = (3 - length % 3) % 3
    text = "a" * (letters - padding - 6 - len(mark)) + mark + "A" * 6 + "=" * padding
    body = base64.b64decode(text)[:-4]
    return base64.b64encode(body + checksum(body, seed)).decode()


@pytest.mark.parametrize(("seed", "data", "expected"), VECTORS)
def test_the_hash_is_that_of_microsofts_own_vectors(seed: int, data: bytes, expected: int) -> None:
    assert marvin(data, seed) == expected


@pytest.mark.parametrize(
    ("key", "title"),
    [
        (made(64, "+ASt", 0x44656661756C7430), "storage account key"),
        (made(64, "ACDb", 0x4D61737452573030), "Cosmos DB key"),
        (made(32, "+ASb", MESSAGING[2]), "Service Bus key"),
        (made(32, "AzCa", 0x4163636573733030), "Redis key"),
        (made(39, "+ACR", 0x41435244666C7430), "container registry password"),
        ("b" * 52 + "JQQJ99" + "1A" + "c" * 12 + "AAAAACOG" + "d" * 4, "AI services key"),
        ("b" * 52 + "JQQJ99" + "1A" + "c" * 12 + "AAAAAZXX" + "d" * 4, "common annotated key"),
        ("abc8Q~" + "x" * 34, "Entra client secret"),
    ],
)
def test_a_key_names_its_kind(key: str, title: str) -> None:
    kind = kind_of(key)
    assert kind is not None
    assert kind.title == title


def test_a_key_of_another_form_or_with_a_wrong_checksum_is_of_no_kind() -> None:
    key = made(64, "+ASt", 0x44656661756C7430)
    forged = base64.b64encode(base64.b64decode(key)[:-1] + b"\0").decode()
    assert [kind_of(text) for text in (forged, key[1:], key + " ", "hunter2", "")] == [None] * 5


def test_each_kind_with_a_checksum_is_one_that_resource_graph_lists() -> None:
    assert all(kind.types for kind in KINDS if kind.seeds)
