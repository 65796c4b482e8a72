"""Which kind of Azure credential a text is, told offline by Microsoft's published key signatures.

A newer key carries four letters that name its provider. Most carry a Marvin32 checksum too, seeded
by the kind of key. Source: github.com/microsoft/security-utilities at 638ad20 (12 November 2025),
GeneratedRegexPatterns/PreciselyClassifiedSecurityKeys.json for the forms,
src/Microsoft.Security.Utilities.Core/IdentifiableMetadata.cs for the seeds, and IdentifiableSecrets.cs
for the checksum. What a text looks like decides nothing: it only tells people where to look.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of credential that a text can be recognised as."""

    title: str
    form: re.Pattern[str]
    types: tuple[str, ...] = ()
    """The resource types (lower case) that issue it; empty where Resource Graph lists none."""
    seeds: tuple[int, ...] = ()
    """The seeds of its checksum; empty where the form alone is published."""


def _key(title: str, length: int, mark: str, end: str, kind: str = "", *seeds: int) -> Kind:
    """Return a kind of base64 key: so many letters, the provider's mark, and an end."""
    form = re.compile(rf"[A-Za-z0-9+/]{{{length}}}{re.escape(mark)}{end}")
    return Kind(title, form, (kind,) if kind else (), seeds)


def _cask(title: str, mark: str, *types: str) -> Kind:
    """Return a kind of common annotated security key, whose mark stands at a fixed place."""
    form = re.compile(
        rf"[A-Za-z0-9]{{52}}JQQJ9[9DH][A-Za-z0-9][A-L][A-Za-z0-9]{{12}}{mark}[A-Za-z0-9]{{4}}"
        "(?:[A-Za-z0-9]{2}==)?"
    )
    return Kind(title, form, types)


LONG, SHORT, BARE = "[A-Za-z0-9+/]{5}[AQgw]==", "[A-P][A-Za-z0-9+/]{5}=", "[A-D][A-Za-z0-9+/]{5}"
"""How keys of 64, 32 and 39 bytes end: with their checksum."""
MESSAGING = (0x53656E6430303030, 0x4C697374656E3030, 0x4D616E6167653030)
KINDS: Sequence[Kind] = (
    _key("storage account key", 76, "+ASt", LONG, "microsoft.storage/storageaccounts", 0x44656661756C7430),
    _key(
        "Cosmos DB key", 76, "ACDb", LONG, "microsoft.documentdb/databaseaccounts",
        0x4D617374524F3030, 0x4D61737452573030,
    ),
    _key("Batch key", 76, "+ABa", LONG, "microsoft.batch/batchaccounts", 0x4162416363743030),
    _key(
        "API Management key", 76, "APIM", LONG, "microsoft.apimanagement/service",
        0x54656E616E743030, 0x496F544875623030, 0x4761746577793030, 0x4769744B65793030,
    ),
    _key("Service Bus key", 33, "+ASb", SHORT, "microsoft.servicebus/namespaces", *MESSAGING),
    _key("Event Hubs key", 33, "+AEh", SHORT, "microsoft.eventhub/namespaces", *MESSAGING),
    _key("Relay key", 33, "+ARm", SHORT, "microsoft.relay/namespaces", *MESSAGING),
    _key("Redis key", 33, "AzCa", SHORT, "microsoft.cache/redis", 0x4163636573733030),
    _key("Event Grid key", 33, "AZEG", SHORT, "microsoft.eventgrid/topics"),
    _key(
        "container registry password", 42, "+ACR", BARE, "microsoft.containerregistry/registries",
        0x41435244666C7430,
    ),
    _key(
        "AI Search key", 42, "AzSe", BARE, "microsoft.search/searchservices",
        0x5175657279303030, 0x5041646D696E3030,
    ),
    _cask("App Configuration key", "AAAAAZAC", "microsoft.appconfiguration/configurationstores"),
    _cask("Event Grid key", "AAAAAZEG", "microsoft.eventgrid/topics"),
    _cask("Azure Maps key", "AAAAAZMP", "microsoft.maps/accounts"),
    _cask("Communication Services key", "AAAAAZCS", "microsoft.communication/communicationservices"),
    _cask("AI services key", "AAA[A-Za-z0-9]ACOG", "microsoft.cognitiveservices/accounts"),
    _cask("common annotated key", "[A-Za-z0-9]{4}[A-Za-z][A-Za-z0-9]{3}"),
    Kind("Entra client secret", re.compile(r"[\w.~-]{3}[78]Q~[\w.~-]{31,34}", re.ASCII)),
)  # fmt: skip
"""Every kind, the more exact ones first."""


def kind_of(text: str) -> Kind | None:
    """Return the kind of a text that is one credential and nothing else; None if it is unknown."""
    return next(
        (kind for kind in KINDS if kind.form.fullmatch(text) and _is_sealed(kind, text)), None
    )


def _is_sealed(kind: Kind, text: str) -> bool:
    """Return whether a key ends with its checksum; True where no checksum is published."""
    if not kind.seeds:
        return True
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return any(checksum(key[:-4], seed) == key[-4:] for seed in kind.seeds)


def checksum(data: bytes, seed: int) -> bytes:
    """Return the last four bytes of a key that starts with `data`."""
    high, low = divmod(marvin(data, seed), 1 << 32)
    return (high ^ low).to_bytes(4, "little")


def marvin(data: bytes, seed: int) -> int:
    """Return the Marvin hash of 64 bits: src/Microsoft.Security.Utilities.Core/Marvin.Net5.cs."""
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
