"""Which kind of Azure credential a text is, told offline by Microsoft's published key signatures.

A newer key carries letters that name its provider, and a checksum. Source:
github.com/microsoft/security-utilities at 638ad20 (12 November 2025):
GeneratedRegexPatterns/PreciselyClassifiedSecurityKeys.json for the forms, and
src/Microsoft.Security.Utilities.Core for the seeds (IdentifiableMetadata.cs, and the file of each
rule). What a text looks like decides nothing: it only tells people where to look.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from engine.leak.checksums import ends_with_checksum, is_annotated, is_client_secret

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
    seal = partial(_ends, seeds) if seeds else _unsealed
    return Kind(rule, title, form, (f"microsoft.{kind}",), seal)


def _ends(seeds: Sequence[str], text: str) -> bool:
    return ends_with_checksum(text, *seeds)


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
        ("microsoft.web/sites",), partial(_ends, ("Functi00", "Master00", "System00")),
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
