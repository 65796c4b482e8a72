"""Operations on a queue's messages: put, get, peek, update, delete, clear."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from simulator.storage.queue_store import NEVER, Message
from simulator.storage.wire import (
    XML,
    StorageError,
    document,
    element,
    http_date,
    query_refused,
    text,
    whole_number,
)
from simulator.wire import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from simulator.storage.queue_store import Queue, Queues
    from simulator.storage.service import Call
    from simulator.wire import Request

WEEK = 7 * 24 * 3600
BATCH = range(1, 33)
FOREVER = -1
MAX_BYTES = 64 * 1024


class MessageOperations:
    """The queue service's operations on messages. Clients encode a message's text themselves."""

    def __init__(self, queues: Queues, entropy: Callable[[int], bytes]) -> None:
        self._queues = queues
        self._entropy = entropy

    def put(self, call: Call) -> Response:
        """Put Message: append one; it may be hidden at first."""
        queue, body = self._queue(call), _message_text(call.request)
        delay = whole_number(call.request, "visibilitytimeout", 0, range(WEEK + 1))
        expires = _expiry(call, delay)
        message_id = str(uuid.UUID(bytes=self._entropy(16), version=4))
        visible = call.now + timedelta(seconds=delay)
        message = Message(message_id, body, call.now, expires, visible, self._queues.new_receipt())
        queue.messages.append(message)
        return _messages(201, [_described(message, held=True)])

    def get(self, call: Call) -> Response:
        """Get Messages: hide and count them; with peekonly=true (Peek Messages), do neither."""
        limit = whole_number(call.request, "numofmessages", 1, BATCH)
        if call.request.query.get("peekonly") == "true":
            messages = self._queue(call).visible(call.now, limit)
            return _messages(200, [_described(message, count=True) for message in messages])
        hidden = whole_number(call.request, "visibilitytimeout", 30, range(1, WEEK + 1))
        messages = self._queue(call).visible(call.now, limit)
        for message in messages:
            message.visible = call.now + timedelta(seconds=hidden)
            message.receipt = self._queues.new_receipt()
            message.dequeued += 1
        return _messages(200, [_described(message, held=True, count=True) for message in messages])

    def update(self, call: Call) -> Response:
        """Update Message: hide it again, and replace its text if the request has one."""
        _required(call.request, "visibilitytimeout")
        hidden = whole_number(call.request, "visibilitytimeout", 0, range(WEEK + 1))
        message = self._held(call)
        if call.request.body:
            message.body = _message_text(call.request)
        message.visible = call.now + timedelta(seconds=hidden)
        message.receipt = self._queues.new_receipt()
        return Response(
            204,
            {
                "x-ms-popreceipt": message.receipt,
                "x-ms-time-next-visible": http_date(message.visible),
            },
        )

    def delete(self, call: Call) -> Response:
        """Delete Message."""
        message = self._held(call)
        self._queue(call).messages.remove(message)
        return Response(204)

    def clear(self, call: Call) -> Response:
        """Clear Messages: delete all of them, including hidden ones."""
        self._queue(call).messages.clear()
        return Response(204)

    def _queue(self, call: Call) -> Queue:
        return self._queues.find(call.account.name, call.container)

    def _held(self, call: Call) -> Message:
        receipt = _required(call.request, "popreceipt")
        return self._queue(call).held(call.rest.partition("/")[2], receipt, call.now)


def _required(request: Request, name: str) -> str:
    value = request.query.get(name, "")
    if not value:
        message = "A query parameter that's mandatory for this request is not specified."
        raise StorageError(
            400, "MissingRequiredQueryParameter", message, {"QueryParameterName": name}
        )
    return value


def _expiry(call: Call, delay: int) -> datetime:
    text = call.request.query.get("messagettl", "")
    life = whole_number(call.request, "messagettl", WEEK, range(FOREVER, 2**31))
    if life == 0:
        reason = "Value must be greater than or equal to 1, or -1 to indicate an infinite TTL."
        raise query_refused("messagettl", text, reason)
    if life == FOREVER:
        return NEVER
    if delay >= life:
        reason = "messagettl must be greater than visibilitytimeout."
        raise query_refused("visibilitytimeout", str(delay), reason)
    return call.now + timedelta(seconds=life)


def _message_text(request: Request) -> str:
    try:
        root = ET.fromstring(request.body)  # noqa: S314 - only our own code sends this
    except ET.ParseError:
        raise StorageError(
            400, "InvalidXmlDocument", "XML specified is not syntactically valid."
        ) from None
    body = root.findtext("MessageText")
    if root.tag != "QueueMessage" or body is None:
        raise StorageError(400, "InvalidXmlDocument", "XML specified is not syntactically valid.")
    if len(body.encode()) > MAX_BYTES:
        message = "The request body is too large and exceeds the maximum permissible limit."
        raise StorageError(413, "RequestBodyTooLarge", message, {"MaxLimit": str(MAX_BYTES)})
    return body


def _described(message: Message, *, held: bool = False, count: bool = False) -> str:
    """Return one message in XML.

    `held` adds the receipt, for the holder; `count` adds count and text, for readers.
    """
    known: list[tuple[str, object]] = [
        ("MessageId", message.id),
        ("InsertionTime", http_date(message.inserted)),
        ("ExpirationTime", http_date(message.expires)),
    ]
    if held:
        known += [("PopReceipt", message.receipt), ("TimeNextVisible", http_date(message.visible))]
    if count:
        known += [("DequeueCount", message.dequeued), ("MessageText", message.body)]
    return element("QueueMessage", *(text(name, value) for name, value in known))


def _messages(status: int, described: Iterable[str]) -> Response:
    return Response(status, XML, document(element("QueueMessagesList", *described)))
