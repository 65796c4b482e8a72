"""Signatures of webhooks in the form of Standard Webhooks, version 1.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md:
HMAC-SHA256 over `id.timestamp.body`, with the id, the time of sending and the signatures as headers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

from engine.errors import NeedsHuman
from engine.state.request import Event

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64
"""How many bytes a key has, by the specification."""
FIX = "write whsec_ and then 24 to 64 random bytes in base64 there: see the page on notifications"


def body(event: Event) -> bytes:
    """Return the text that is signed and sent."""
    shown = {"type": event.type, "timestamp": event.timestamp, "data": event.data}
    return json.dumps(shown, separators=(",", ":")).encode()


def headers(event: Event, content: bytes, where: str) -> dict[str, str]:
    """Return the headers that sign a text; one signature for each key, so that keys can change.

    Raises NeedsHuman, which shows no key, for what is no key.
    """
    sent = str(int(event.sent.timestamp()))
    signed = f"{event.id}.{sent}.".encode() + content
    signatures = [
        "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        for key in _keys(event.key.reveal(), where)
    ]
    return {
        "webhook-id": event.id,
        "webhook-timestamp": sent,
        "webhook-signature": " ".join(signatures),
    }


def _keys(text: str, where: str) -> Iterator[bytes]:
    for part in text.split() or [""]:
        try:
            key = base64.b64decode(part.removeprefix(PREFIX), validate=True)
        except ValueError:
            key = b""
        if not part.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
            raise NeedsHuman("the signing secret holds no key", where=where, fix=FIX) from None
        yield key
