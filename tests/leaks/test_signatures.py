"""A key names its kind; the checksums are Microsoft's."""

from __future__ import annotations

import base64
from functools import reduce

import pytest

from leaks.signatures import CLIENT_LETTERS, KINDS, UNSEALED, checksum, kind_of, marvin

VECTORS = (
    (0xD53CD9CECD0893B7, b"abc", 0x22C74339492769BF),
    (0xDDDDEEEEFFFF000, b"abcdefghijklmnopqrstuvwxyz", 0xA128EB7E7260ACA2),
    (0x804FB61A001BDBCC, b"", 0x10A9D5D3996FD65D),
    (0x804FB61A001BDBCC, b"\x37\xf4\x95", 0xE1F2DFA6E5131408),
    (0x804FB61A801BDBCC, b"\x00\xff\x00\xff\x00\xff\x00", 0x71876F2EFB1B0EE8),
)
"""github.com/microsoft/security-utilities at 638ad20: marvin_tests.rs and MarvinShared.cs."""
ZFU = "JQQJ99AEAAAAAAAAAAAAAAAAAZFU"
PUBLISHED = {
    f"{'a' * 76}+ASt5mnCaw==": "storage account key",
    f"{'a' * 76}ACDbOpqrYA==": "Cosmos DB key",
    f"{'a' * 76}+ABa13FZVQ==": "Batch key",
    f"{'a' * 76}+AMCFNqWyA==": "Machine Learning key",
    f"{'a' * 76}APIMHbKhsQ==": "API Management key",
    f"{'a' * 33}+ASbHpHeAI=": "Service Bus key",
    f"{'a' * 33}+AEhG2s/8w=": "Event Hubs key",
    f"{'a' * 33}+ARmD7h+qo=": "Relay key",
    f"{'a' * 33}AIoTOumzco=": "IoT Hub key",
    f"{'b' * 33}AZEGLiQbng=": "Event Grid key",
    f"{'d' * 42}+ACRCUDxQE": "container registry password",
    f"{'e' * 42}+ACRCTB7t/": "container registry password",
    f"{'a' * 42}AzSeCjhzCu": "AI Search key",
    f"{'d' * 44}AzFu182vhA==": "Functions key",
    f"{'A' * 52}{ZFU}5sgS2g==": UNSEALED,
    f"{'0' * 52}{ZFU}2KIb": UNSEALED,
    f"{'7' * 52}{ZFU}SHua5Q==": UNSEALED,
    f"zzz8Q~{'z' * 31}blP": "Entra client secret",
    f"yyy7Q~{'y' * 31}": "Entra client secret",
}
"""Keys of the same commit: identifiable_scans.rs, his2_utf8.bin, SecretMaskerTests.cs and
SEC101_156_AzureClientAppIdentifiableCredentials.cs."""
OF_NO_KIND = (
    f"{'a' * 76}+ASt5mnCag==",
    f"{'b' * 76}+ASt5mnCaw==",
    f"{'a' * 33}+ASbHpHeAM=",
    f"{'A' * 52}{ZFU.lower()}5sgS",
    f"{'d' * 44}AzFu182viA==",
    f"zzz8Q~{'z' * 34}",
    "hunter2",
    "",
)


def made(length: int, mark: str, seed: str) -> str:
    """Return a key of so many bytes with a mark and a checksum, as its provider makes it."""
    letters = (length + 2) // 3 * 4
    padding = (3 - length % 3) % 3
    text = "a" * (letters - padding - 6 - len(mark)) + mark + "A" * 6 + "=" * padding
    body = base64.b64decode(text)[:-4]
    return base64.b64encode(body + checksum(body, seed)).decode()


@pytest.mark.parametrize(("seed", "data", "expected"), VECTORS)
def test_the_hash_is_that_of_microsofts_own_vectors(seed: int, data: bytes, expected: int) -> None:
    assert marvin(data, seed) == expected


def test_each_published_key_names_its_kind() -> None:
    named = {key: kind.title if (kind := kind_of(key)) else None for key in PUBLISHED}
    assert named == PUBLISHED


def test_what_only_looks_like_a_key_is_of_no_kind() -> None:
    cut = [key[1:] for key in PUBLISHED] + [f"{key} " for key in PUBLISHED]
    assert [text for text in (*OF_NO_KIND, *cut) if kind_of(text)] == []


def test_a_checksum_in_base_62_counts_as_well() -> None:
    """IdentifiableSecrets.GenerateCommonAnnotatedTestKey writes it so, cut to whole bytes."""
    key = f"{'A' * 52}JQQJ99AEAAAAAAAAAAAAAAABACOG"
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = reduce(lambda high, low: high * 62 + digits.index(low), "32rfhB", 0)
    assert int.from_bytes(checksum(base64.b64decode(key), "Default0"), "big") == number
    ends = ("32rf", "32rfhA==", "pldb", "pldbMQ==", "33rf", "32rfiA==", "pldbMg==")
    kinds = [kind_of(key + end) for end in ends]
    titles = [*["AI services key"] * 4, *[UNSEALED] * 3]
    assert [kind.title if kind else None for kind in kinds] == titles


def test_a_small_checksum_of_a_client_secret_is_written_in_six_letters() -> None:
    """CustomAlphabetEncoder.cs puts the first letter of its alphabet before it."""
    secret, written = f"fff8Q~{'f' * 31}", "aYIJ_H"
    number = reduce(lambda high, low: high * 66 + CLIENT_LETTERS.index(low), written, 0)
    assert int.from_bytes(checksum(secret.encode(), "AadPwd00"), "little") == number
    kinds = [kind_of(secret + end) for end in (written[:3], written[1:4], "bYI")]
    assert [kind.title if kind else None for kind in kinds] == ["Entra client secret", None, None]


def test_microsofts_samples_of_annotated_keys_hold_the_checksum_of_an_older_seed() -> None:
    """They are of 10 May 2024 (bfa7c36), before IdentifiableSecrets.cs fixed the seed (dd46112)."""
    samples = [key for key, title in PUBLISHED.items() if title == UNSEALED]
    seals = [checksum(base64.b64decode(key[:80]), "\0" * 7 + "\1") for key in samples]
    ends = [base64.b64decode(f"{key[80:].rstrip('='):A<6}==") for key in samples]
    assert [seal[:3] for seal in seals] == [end[:3] for end in ends]


def test_each_rule_of_a_key_with_its_own_type_says_which_resources_have_such_keys() -> None:
    assert {kind.title for kind in KINDS if not kind.types} == {
        "Azure DevOps token",
        "Mixed Reality key",
        "common annotated key",
        "Entra client secret",
        UNSEALED,
    }
