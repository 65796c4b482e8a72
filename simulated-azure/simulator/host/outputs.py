"""A function's outputs as queue messages, the way the Functions host writes them."""

from __future__ import annotations

import json
from typing import Any

from simulator.host.python_worker.proxy_worker.protos import TypedData


class OutputError(ValueError):
    """An output cannot be written; the invocation fails because of it."""


def to_messages(value: TypedData) -> list[bytes]:
    """Return an output's messages: JSON-like text is rewritten, an array is one per item.

    Raises OutputError if text that starts and ends like JSON is not JSON.
    """
    if value.WhichOneof("data") == "bytes":
        return [bytes(value.value)]
    if value.WhichOneof("data") == "json":
        return _from_json(json.loads(value.value))
    return _from_text(str(value.value))


def to_wire(value: TypedData) -> Any:
    """Return an output as JSON for Microsoft's listeners.

    It is text, a list, an object or {"base64": …}.
    """
    if value.WhichOneof("data") == "bytes":
        return {"base64": _base64(value.value)}
    return json.loads(value.value) if value.WhichOneof("data") == "json" else value.value


def _base64(value: bytes) -> str:
    import base64

    return base64.b64encode(value).decode()


def _from_text(text: str) -> list[bytes]:
    trimmed = text.strip()
    if not (trimmed.startswith("{") and trimmed.endswith("}")) and not (
        trimmed.startswith("[") and trimmed.endswith("]")
    ):
        return [text.encode()]
    try:
        return _from_json(json.loads(trimmed))
    except ValueError as error:
        raise OutputError(f"An output that looks like JSON is not JSON: {error}") from error


def _from_json(value: Any) -> list[bytes]:
    items = value if isinstance(value, list) else [value]
    return [_item(item).encode() for item in items]


def _item(item: Any) -> str:
    if isinstance(item, dict | list):
        return json.dumps(item, indent=2, ensure_ascii=False)
    return "" if item is None else str(item)
