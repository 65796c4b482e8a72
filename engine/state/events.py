"""Parse what Event Grid says about Key Vault, in either envelope and with its known quirks.

Schema: Azure/azure-rest-api-specs, specification/eventgrid/data-plane/Microsoft.KeyVault.
Microsoft's own samples have keys with a trailing blank, a version with a leading one, and EXP as
a string.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from engine.errors import NeedsHuman
from engine.secret import VERSION_ID, SecretRef

ROTATING = frozenset({"microsoft.keyvault.secretnearexpiry", "microsoft.keyvault.secretexpired"})
"""The event types that ask for a rotation, in lower case. All others are ignored."""


KEY_VAULTS = "microsoft.keyvault."
"""The prefix of every event type of Key Vault."""
SHOWN = 100
"""How many characters of an event's own text are shown at most."""


@dataclass(frozen=True, slots=True)
class VaultEvent:
    """A secret is about to expire, or has expired."""

    event_id: str
    kind: str
    ref: SecretRef
    version: str | None


@dataclass(frozen=True, slots=True)
class OtherEvent:
    """An event that asks for nothing: its type is another one, or cannot be read."""

    event_id: str
    kind: str

    @property
    def is_key_vaults(self) -> bool:
        """Return whether this is a type of Key Vault's. Any other was delivered by mistake."""
        return self.kind.lower().startswith(KEY_VAULTS)


def parse_event(text: str | bytes) -> VaultEvent | OtherEvent:
    """Parse one event in either envelope; raises NeedsHuman, naming the event, if it cannot."""
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError):
        raise _unfit("the event is not JSON") from None
    if not isinstance(envelope, dict):
        raise _unfit("the event is not one JSON object")
    fields = _tidy(envelope)
    kind = str(fields.get("eventtype") or fields.get("type") or "")
    event_id = _shown(fields.get("id"))
    if kind.lower() not in ROTATING:
        return OtherEvent(event_id, _shown(kind))
    data = fields.get("data")
    if not isinstance(data, dict):
        raise _unfit(f"event {event_id} ({kind}) has no data")
    return _event(event_id, kind, _tidy(data))


def _unfit(what: str) -> NeedsHuman:
    return NeedsHuman(
        what,
        where="vault-events",
        fix="see who posts to this queue: only Event Grid may, with events of a vault",
    )


def _shown(text: object) -> str:
    """Return the printable start of an event's own text, which anybody may have written."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:SHOWN]


def _event(event_id: str, kind: str, data: Mapping[str, Any]) -> VaultEvent:
    url = data.get("id")
    if not isinstance(url, str):
        raise _unfit(f"event {event_id} ({kind}) names no secret: data.Id is missing")
    try:
        ref = SecretRef.parse(url)
    except NeedsHuman as error:
        raise _unfit(f"event {event_id} ({kind}): {error.what}") from None
    steps = url.split("/")
    # https://host/secrets/name/version
    version = steps[5] if len(steps) > 5 and steps[5] else data.get("version")  # noqa: PLR2004
    known = isinstance(version, str) and VERSION_ID.fullmatch(version.lower())
    return VaultEvent(event_id, kind, ref, known[0] if known else None)


def _tidy(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key.strip().lower(): value.strip() if isinstance(value, str) else value
        for key, value in fields.items()
    }


class DecodedEvent(Protocol):
    """An event as the Functions worker hands it over, whichever envelope it came in."""

    @property
    def id(self) -> str:
        """The event's id."""

    def get_json(self) -> Any:
        """Return the event's data."""


def to_json(event: DecodedEvent) -> str:
    """Write a decoded event as the one object that `parse_event` reads.

    func.EventGridEvent calls the event's type `event_type`, func.CloudEvent calls it `type`.
    """
    kind = getattr(event, "event_type", None) or getattr(event, "type", None)
    return json.dumps({"id": event.id, "type": kind, "data": event.get_json()})
