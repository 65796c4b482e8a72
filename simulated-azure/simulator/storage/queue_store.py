"""Queues and messages as the queue service stores them; all times are the world's."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from simulator.storage.blob_store import check_name
from simulator.storage.wire import StorageError

NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The expiry of a message that never expires."""

BEING_DELETED = timedelta(seconds=40)
"""How long, at least, the name of a deleted queue stays reserved."""


@dataclass
class Message:
    """One message. The last reader or the sender deletes or updates it with `receipt`."""

    id: str
    body: str
    inserted: datetime
    expires: datetime
    visible: datetime
    receipt: str
    dequeued: int = 0


@dataclass
class Queue:
    """One queue and its messages, in the order of their arrival."""

    metadata: Mapping[str, str]
    messages: list[Message] = field(default_factory=list)

    def alive(self, now: datetime) -> list[Message]:
        """Return all unexpired messages, including hidden ones; forget the expired ones."""
        self.messages = [message for message in self.messages if message.expires > now]
        return self.messages

    def visible(self, now: datetime, limit: int) -> list[Message]:
        """Return up to `limit` readable messages, in the order in which they became visible."""
        readable = [message for message in self.alive(now) if message.visible <= now]
        return sorted(readable, key=lambda message: message.visible)[:limit]

    def held(self, message_id: str, receipt: str, now: datetime) -> Message:
        """Return a message that the caller holds; refuse it if somebody has read it since."""
        match = next((message for message in self.alive(now) if message.id == message_id), None)
        if match is None:
            raise StorageError(404, "MessageNotFound", "The specified message does not exist.")
        if match.receipt != receipt:
            message = (
                "The specified pop receipt did not match the pop receipt for a dequeued message."
            )
            raise StorageError(400, "PopReceiptMismatch", message)
        return match


class Queues:
    """The queues of all accounts."""

    def __init__(self) -> None:
        self._queues: dict[tuple[str, str], Queue] = {}
        self._deleted: dict[tuple[str, str], datetime] = {}
        self._receipts: Iterator[int] = itertools.count(1)

    def new_receipt(self) -> str:
        """Return a new, unique pop receipt."""
        return base64.b64encode(next(self._receipts).to_bytes(8, "little")).decode()

    def names(self, account: str) -> list[str]:
        """Return the names of an account's queues."""
        return [name for owner, name in self._queues if owner == account]

    def create(self, account: str, name: str, metadata: Mapping[str, str], now: datetime) -> bool:
        """Create a queue and return True; return False if it exists with the same metadata."""
        check_name(name)
        existing = self._queues.get((account, name))
        if existing:
            if existing.metadata == metadata:
                return False
            raise StorageError(409, "QueueAlreadyExists", "The specified queue already exists.")
        if now < self._deleted.get((account, name), now):
            raise StorageError(409, "QueueBeingDeleted", "The specified queue is being deleted.")
        self._queues[account, name] = Queue(metadata)
        return True

    def find(self, account: str, name: str) -> Queue:
        """Return one queue."""
        queue = self._queues.get((account, name))
        if queue is None:
            raise StorageError(404, "QueueNotFound", "The specified queue does not exist.")
        return queue

    def delete(self, account: str, name: str, now: datetime) -> None:
        """Delete a queue with all its messages."""
        self.find(account, name)
        del self._queues[account, name]
        self._deleted[account, name] = now + BEING_DELETED
