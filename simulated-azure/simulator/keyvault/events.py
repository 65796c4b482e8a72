"""Key Vault's events in Event Grid's two schemas, with the quirks of Microsoft's own samples.

Source of the shapes: Azure/azure-rest-api-specs,
specification/eventgrid/data-plane/Microsoft.KeyVault/stable/2018-01-01.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, Protocol

type Kind = Literal["SecretNearExpiry", "SecretExpired", "SecretNewVersionCreated"]
type Schema = Literal["eventgrid", "cloudevents"]
type Quirk = Literal[
    "numeric-times", "stray-blanks", "lower-case-id", "lower-case-keys", "null-times"
]
"""How real events differ: times as numbers (as in the schema; the examples have strings), a blank
after a key and before a version, `id` for `Id`, all keys in lower case, times that are null
although they are set."""


class Sender(Protocol):
    """The event's data about the vault that sends it."""

    name: str

    @property
    def url(self) -> str:
        """The vault's address."""
        ...

    @property
    def resource_id(self) -> str:
        """The vault's ARM id."""
        ...

    @property
    def now(self) -> Callable[[], datetime]:
        """The vault's clock."""
        ...

    @property
    def entropy(self) -> Callable[[int], bytes]:
        """The source of random bytes for the event's id."""
        ...


class Subject(Protocol):
    """The event's data about the secret version."""

    @property
    def name(self) -> str:
        """The secret's name."""
        ...

    @property
    def version(self) -> str:
        """The version's id."""
        ...

    @property
    def expires(self) -> int | None:
        """When the version expires, in Unix seconds."""
        ...

    @property
    def not_before(self) -> int | None:
        """When the version becomes valid, in Unix seconds."""
        ...


def build(
    vault: Sender, version: Subject, kind: Kind, schema: Schema, quirk: Quirk | None
) -> dict[str, Any]:
    """Return one event about one version of a secret."""
    data = _quirky(_data(vault, version), quirk)
    event_id = str(uuid.UUID(bytes=vault.entropy(16), version=4))
    # Seven decimals of a second, as .NET writes them.
    time = f"{vault.now():%Y-%m-%dT%H:%M:%S.%f}0Z"
    event_type = f"Microsoft.KeyVault.{kind}"
    if schema == "cloudevents":
        return {
            "source": vault.resource_id,
            "subject": version.name,
            "type": event_type,
            "time": time,
            "id": event_id,
            "data": data,
            "specversion": "1.0",
        }
    return {
        "id": event_id,
        "topic": vault.resource_id,
        "subject": version.name,
        "eventType": event_type,
        "eventTime": time,
        "data": data,
        "dataVersion": "1",
        "metadataVersion": "1",
    }


def _data(vault: Sender, version: Subject) -> dict[str, Any]:
    return {
        "Id": f"{vault.url}/secrets/{version.name}/{version.version}",
        "VaultName": vault.name,
        "ObjectType": "Secret",
        "ObjectName": version.name,
        "Version": version.version,
        "NBF": _text(version.not_before),
        "EXP": _text(version.expires),
    }


def _text(seconds: int | None) -> str | None:
    return None if seconds is None else str(seconds)


def _quirky(data: dict[str, Any], quirk: Quirk | None) -> dict[str, Any]:
    match quirk:
        case "numeric-times":
            return {
                key: int(value) if key in {"NBF", "EXP"} and value else value
                for key, value in data.items()
            }
        case "null-times":
            return {**data, "NBF": None, "EXP": None}
        case "stray-blanks":
            renamed = {"ObjectName ": data["ObjectName"], "Version": f" {data['Version']}"}
            return {**{key: value for key, value in data.items() if key != "ObjectName"}, **renamed}
        case "lower-case-id":
            return {key if key != "Id" else "id": value for key, value in data.items()}
        case "lower-case-keys":
            return {key.lower(): value for key, value in data.items()}
        case None:
            return data
