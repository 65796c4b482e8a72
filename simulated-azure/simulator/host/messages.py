"""A queue message as its function receives it: text or bytes, and the trigger metadata."""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.host.json_times import invariant
from simulator.host.python_worker.proxy_worker.protos import TypedData

NEVER = datetime.min.replace(tzinfo=UTC)


class UndecodableError(ValueError):
    """The message is not base64 although host.json requires it."""


@dataclass(frozen=True)
class Message:
    """A received message. `content` is the text as stored in the queue."""

    id: str
    content: str
    dequeue_count: int
    inserted: datetime
    expires: datetime
    next_visible: datetime
    pop_receipt: str


def decode(content: str, *, is_base64: bool) -> bytes:
    """Return the message's bytes.

    Raises UndecodableError if the text is not base64.
    """
    if not is_base64:
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UndecodableError(f"The message body {content[:20]!r}… is not base64.") from error


def encode(body: bytes, *, is_base64: bool) -> str:
    """Return the text in which the host stores a message."""
    return base64.b64encode(body).decode() if is_base64 else body.decode()


def to_data(body: bytes, data_type: str) -> TypedData:
    """Return the function's input: bytes if its binding says so, otherwise text.

    Raises UnicodeDecodeError if the text is not UTF-8.
    """
    return (
        TypedData(bytes=body) if data_type.lower() == "binary" else TypedData(string=body.decode())
    )


def metadata(message: Message, body: bytes, data: TypedData, function: str) -> dict[str, Any]:
    """Return the trigger metadata, in the order and spelling of Microsoft's listener.

    A JSON message's properties are added and replace entries of the same name, unless the function
    takes bytes.
    """
    text = _text(body)
    entries: dict[str, Any] = {} if text is None else {"QueueTrigger": text}
    entries |= {
        "DequeueCount": message.dequeue_count,
        "ExpirationTime": _time(message.expires),
        "Id": message.id,
        "InsertionTime": _time(message.inserted),
        "NextVisibleTime": _time(message.next_visible),
        "PopReceipt": message.pop_receipt,
        "sys": system_metadata(function),
    }
    if data.WhichOneof("data") == "string":
        for name, value in _properties(data.value).items():
            _overlay(entries, name, value)
    return entries


def _text(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def system_metadata(function: str) -> dict[str, str]:
    """Return the `sys` entry that every invocation's metadata has."""
    now = datetime.now(UTC)
    return {
        "MethodName": function,
        "UtcNow": f"{now:%Y-%m-%dT%H:%M:%S.%f}0Z",
        "RandGuid": str(uuid.uuid4()),
    }


def _overlay(entries: dict[str, Any], name: str, value: Any) -> None:
    # Names are compared without case and keep their first spelling: a message's "id" replaces the
    # metadata's Id.
    known = next((key for key in entries if key.lower() == name.lower()), name)
    entries[known] = value


def _properties(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        properties = json.loads(text)
    except ValueError:
        return {}
    return {
        name: _plain(value)
        for name, value in properties.items()
        if not isinstance(value, list | None)
    }


def _plain(value: Any) -> Any:
    """Return a JSON property as binding data: objects unchanged, other values as .NET text."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):
        return invariant(value)
    return repr(value).removesuffix(".0").upper() if isinstance(value, float) else str(value)


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"
