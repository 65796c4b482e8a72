"""Which kind of Azure credential a text is, told offline by Microsoft's published key signatures.

A newer key carries letters that name its provider, and a checksum. Source:
github.com/microsoft/security-utilities at 638ad20 (12 November 2025):
GeneratedRegexPatterns/PreciselyClassifiedSecurityKeys.json for the forms; and of
src/Microsoft.Security.Utilities.Core for the checksums: Marvin.Net5.cs, IdentifiableSecrets.cs
(ValidateChecksum, TryValidateCommonAnnotatedKey, GetBase62ChecksumBytes) and
IdentifiableMetadata.cs (IsAzureAadClientAppIdentifiableSecret, and the seeds with the file of each
rule). What a text looks like decides nothing: it only tells people where to look.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

ANNOTATED = "Default0"
"""The seed of every common annotated security key."""
SUMMED = 80
"""How many letters of such a key its checksum is about; the rest is the checksum."""
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
CLIENT_SECRET = "AadPwd00"  # noqa: S105 - a published seed
CLIENT_LETTERS = string.ascii_lowercase + string.ascii_uppercase + "1234567890.-_~"


def ends_with_checksum(seeds: Sequence[str], text: str) -> bool:
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
    number = int.from_bytes(checksum(text[:-3].encode(), CLIENT_SECRET), "little")
    return text.endswith(_digits(number, CLIENT_LETTERS).rjust(6, CLIENT_LETTERS[0])[:3])


def _digits(number: int, letters: str) -> str:
    """Return a number in the base whose digits are these letters."""
    left, digit = divmod(number, len(letters))
    return (_digits(left, letters) if left else "") + letters[digit]


def _base64(seal: bytes) -> str:
    return base64.b64encode(seal).decode().rstrip("=")


def _base62(seal: bytes) -> str:
    """Return a checksum in base 62, as six letters that are valid base 64 too."""
    zeros = "0" * (len(seal) - len(seal.lstrip(b"\0")))
    letters = zeros + _digits(int.from_bytes(seal, "big"), BASE62)
    return _base64(base64.b64decode(letters.ljust(6, "0") + "=="))


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


type Seal = Callable[[str], bool]


def _unsealed(text: str) -> bool:
    """Return True: no checksum is published that all such keys hold."""
    return bool(text)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of credential that a text can be recognised as."""

    rule: str
    """The number of the rule in Microsoft's list."""
    title: str
    form: re.Pattern[str]
    types: tuple[str, ...] = ()
    """The resource types (lower case) that issue it; empty where Resource Graph lists none."""
    is_sealed: Seal = _unsealed
    """Whether a text of this form ends with its checksum."""


LONG, SHORT, BARE = "[A-Za-z0-9+/]{5}[AQgw]==", "[A-P][A-Za-z0-9+/]{5}=", "[A-D][A-Za-z0-9+/]{5}"
"""How keys of 64, 32 and 39 bytes end: with their checksum."""


def _key(rule: str, title: str, length: int, mark: str, end: str, kind: str, *seeds: str) -> Kind:
    """Return a kind of base64 key: so many letters, the provider's mark, and an end."""
    form = re.compile(rf"[A-Za-z0-9+/]{{{length}}}{re.escape(mark)}{end}")
    seal = partial(ends_with_checksum, seeds) if seeds else _unsealed
    return Kind(rule, title, form, (f"microsoft.{kind}",), seal)


def _cask(rule: str, title: str, mark: str, *types: str, seal: Seal = is_annotated) -> Kind:
    """Return a kind of common annotated security key, whose mark stands at a fixed place."""
    form = re.compile(
        rf"[A-Za-z0-9]{{52}}JQQJ9[9DH][A-Za-z0-9][A-L][A-Za-z0-9]{{12}}{mark}[A-Za-z0-9]{{4}}"
        "(?:[A-Za-z0-9]{2}==)?"
    )
    return Kind(rule, title, form, tuple(f"microsoft.{kind}" for kind in types), seal)


ANY = "[A-Za-z0-9]{4}[A-Za-z][A-Za-z0-9]{3}"
UNSEALED = "text in the form of a common annotated key, without its checksum"
MESSAGING = ("Send0000", "Listen00", "Manage00")
COSMOS = ("MastRO00", "MastRW00", "SysAll00", "Resour00", "SystRO00", "SystRW00", "Encryp00")
KINDS: Sequence[Kind] = (
    _key("152", "storage account key", 76, "+ASt", LONG, "storage/storageaccounts", "Default0"),
    _key("160", "Cosmos DB key", 76, "ACDb", LONG, "documentdb/databaseaccounts", *COSMOS),
    _key("163", "Batch key", 76, "+ABa", LONG, "batch/batchaccounts", "AbAcct00"),
    _key("170", "Machine Learning key", 76, "+AMC", LONG, "machinelearning/webservices", "Classic0"),
    _key(
        "181", "API Management key", 76, "APIM", LONG, "apimanagement/service",
        "Tenant00", "IoTHub00", "Gatewy00", "GitKey00",
    ),
    _key("171", "Service Bus key", 33, "+ASb", SHORT, "servicebus/namespaces", *MESSAGING),
    _key("172", "Event Hubs key", 33, "+AEh", SHORT, "eventhub/namespaces", *MESSAGING),
    _key("173", "Relay key", 33, "+ARm", SHORT, "relay/namespaces", *MESSAGING),
    # Redis replaces + and / in its keys, so that most of them do not fit their checksum any more.
    _key("154", "Redis key", 33, "AzCa", SHORT, "cache/redis"),
    _key("178", "IoT Hub key", 33, "AIoT", SHORT, "devices/iothubs", "IoTHub00", "Device00"),
    _key(
        "179", "IoT provisioning key", 33, "AIoT", SHORT, "devices/provisioningservices", "DpsKey00"
    ),
    # Of these, a sample in identifiable_scans.rs does not hold the checksum of the published seed.
    _key("199", "Event Grid key", 33, "AZEG", SHORT, "eventgrid/topics"),
    _key(
        "176", "container registry password", 42, "+ACR", BARE, "containerregistry/registries",
        "ACRDflt0",
    ),
    _key("166", "AI Search key", 42, "AzSe", BARE, "search/searchservices", "Query000", "PAdmin00"),
    Kind(
        "158", "Functions key", re.compile(r"[\w-]{44}AzFu[\w-]{5}[AQgw]==", re.ASCII),
        ("microsoft.web/sites",), partial(ends_with_checksum, ("Functi00", "Master00", "System00")),
    ),
    _cask("197", "App Configuration key", "AAAAAZAC", "appconfiguration/configurationstores"),
    _cask("198", "Fluid Relay key", "AAAAAZFR", "fluidrelay/fluidrelayservers"),
    _cask("199", "Event Grid key", "AAAAAZEG", "eventgrid/topics"),
    _cask("201", "Azure DevOps token", "AAAAAZDO"),
    _cask("202", "Mixed Reality key", "AAAAAZMR"),
    _cask("203", "Azure Maps key", "AAAAAZMP", "maps/accounts"),
    _cask("204", "Communication Services key", "AAAAAZCS", "communication/communicationservices"),
    _cask("205", "AI services key", "AAA[A-Za-z0-9]ACOG", "cognitiveservices/accounts"),
    _cask("200", "common annotated key", ANY),
    # Until May 2024 whoever made such a key chose the seed: Microsoft's own samples hold that of 1.
    _cask("200", UNSEALED, ANY, seal=_unsealed),
    Kind(
        "156", "Entra client secret",
        re.compile(r"[\w.~-]{3}(?:7Q~[\w.~-]{31}|8Q~[\w.~-]{34})", re.ASCII), (), is_client_secret,
    ),
)  # fmt: skip
"""Every kind, the more exact ones first. `SEC101/` stands before each rule's number."""


def kind_of(text: str) -> Kind | None:
    """Return the kind of a text that is one credential and nothing else; None if it is unknown."""
    return next(
        (kind for kind in KINDS if kind.form.fullmatch(text) and kind.is_sealed(text)), None
    )
