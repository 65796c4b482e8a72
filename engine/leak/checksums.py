"""The checksums in Microsoft's keys, by which a key is told from a text that only looks like one.

Source: github.com/microsoft/security-utilities at 638ad20 (12 November 2025), in
src/Microsoft.Security.Utilities.Core: Marvin.Net5.cs, IdentifiableSecrets.cs (ValidateChecksum,
TryValidateCommonAnnotatedKey, GetBase62ChecksumBytes) and IdentifiableMetadata.cs
(IsAzureAadClientAppIdentifiableSecret).
"""

from __future__ import annotations

import base64
import string

ANNOTATED = "Default0"
"""The seed of every common annotated security key."""
SUMMED = 80
"""How many letters of such a key its checksum is about; the rest is the checksum."""
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
CLIENT_SECRET = "AadPwd00"  # noqa: S105 - a published seed
CLIENT_LETTERS = string.ascii_lowercase + string.ascii_uppercase + "1234567890.-_~"


def ends_with_checksum(text: str, *seeds: str) -> bool:
    """Return whether the last four bytes of a base64 key are the checksum of all before."""
    key = base64.b64decode(text, altchars="-_")
    return any(checksum(key[:-4], seed) == key[-4:] for seed in seeds)


def is_annotated(text: str) -> bool:
    """Return whether a common annotated security key ends with its checksum.

    Some are written in base 64, some in base 62; the short form holds the first four letters.
    """
    ending = text[SUMMED:].rstrip("=")
    seal = checksum(base64.b64decode(text[:SUMMED]), ANNOTATED)
    return any(written.startswith(ending) for written in (_base64(seal), _base62(seal)))


def is_client_secret(text: str) -> bool:
    """Return whether an Entra client secret ends with three letters of its checksum.

    Older ones, with `7Q~`, have none.
    """
    if text[3] == "7":
        return True
    left = int.from_bytes(checksum(text[:-3].encode(), CLIENT_SECRET), "little")
    letters = ""
    for _ in range(6):
        left, digit = divmod(left, len(CLIENT_LETTERS))
        letters = CLIENT_LETTERS[digit] + letters
    return text.endswith(letters[:3])


def _base64(seal: bytes) -> str:
    return base64.b64encode(seal).decode().rstrip("=")


def _base62(seal: bytes) -> str:
    """Return a checksum in base 62, as six letters that are valid base 64 too."""
    left, letters = int.from_bytes(seal, "big"), ""
    while left:
        left, digit = divmod(left, len(BASE62))
        letters = BASE62[digit] + letters
    zeros = "0" * (len(seal) - len(seal.lstrip(b"\0")))
    return _base64(base64.b64decode(f"{zeros}{letters}".ljust(6, "0") + "=="))


def checksum(data: bytes, seed: str) -> bytes:
    """Return the four bytes that seal data; a seed is eight letters that name the kind of key."""
    high, low = divmod(marvin(data, int.from_bytes(seed.encode(), "big")), 1 << 32)
    return (high ^ low).to_bytes(4, "little")


def marvin(data: bytes, seed: int) -> int:
    """Return the Marvin hash of 64 bits."""
    high, low = divmod(seed, 1 << 32)
    padded = data + b"\x80" + b"\0" * (3 - len(data) % 4)
    words = (
        int.from_bytes(padded[place : place + 4], "little") for place in range(0, len(padded), 4)
    )
    for word in (*words, 0):
        low = (low + word) % (1 << 32)
        high ^= low
        low = (_turned(low, 20) + high) % (1 << 32)
        high = _turned(high, 9) ^ low
        low = (_turned(low, 27) + high) % (1 << 32)
        high = _turned(high, 19)
    return (high << 32) | low


def _turned(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) % (1 << 32)
