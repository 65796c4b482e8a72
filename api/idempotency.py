"""A request that is sent twice with the same Idempotency-Key acts once.

What is remembered is the answer and the messages behind it, and then that those are posted. Until
that is noted, a repetition posts them again before it repeats the answer, however late it comes:
nothing is said to be queued that is not, and a message that comes twice does no harm, since it
names the version that it is about. Header:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from api.access import Caller
from api.answers import Answer, BadRequest, Flaw
from api.errors import KeyMissing, KeyReused
from api.requests import KEY_PARAMETER, Request, stamp
from engine.engine import Engine
from engine.ports import Memory
from engine.state.incident import USUAL, Danger, Incident
from engine.state.request import WorkItem
from engine.state.sweep_order import SweepOrder
from leaks.verdict import Seen

HEADER = "idempotency-key"
BESIDE = (KEY_PARAMETER, "wait")
"""Parameters that say nothing of what is to be done: a repetition may wait longer."""


@dataclass(frozen=True, slots=True)
class Queued:
    """What a request by hand comes to.

    Messages for the queues, and the answer once they are there.
    """

    messages: tuple[WorkItem | SweepOrder, ...]
    answer: Answer
    incident: Incident | None = None
    """What it reports, where it is one."""
    danger: Danger = USUAL
    """What is more dangerous goes first, where many are posted at once."""
    further: tuple[Queued, ...] = ()
    """What else the request comes to: a value that has leaked may be in several secrets."""
    seen: Seen = field(default_factory=Seen)
    """What was looked at for it, where it is a report of a leak."""

    async def post(self, engine: Engine, delay: float = 0.0) -> Answer:
        """Store the incident and what is to be done, then post it: it is due in `delay` seconds."""
        if self.incident and engine.incidents:
            await engine.incidents.keep(self.incident)
        for message in self.messages:
            await engine.accept(message, delay)
        for other in self.further:
            await other.post(engine, delay)
        return self.answer

    def to_json(self, fingerprint: str, now: datetime) -> str:
        """Write it down, with what tells a repetition from another request."""
        answer = {
            "status": self.answer.status,
            "body": self.answer.body,
            "headers": dict(self.answer.headers),
        }
        items = [message.to_json() for message in self.messages if isinstance(message, WorkItem)]
        orders = [message.to_json() for message in self.messages if isinstance(message, SweepOrder)]
        data = {
            # Earlier versions read it.
            "at": now.isoformat(),
            "request": fingerprint,
            "answer": answer,
            "items": items,
            "orders": orders,
        }
        if self.incident:
            data["incident"] = {**self.incident.to_dict(), "vaults": list(self.incident.vaults)}
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str, fingerprints: Collection[str], now: datetime) -> Queued:
        """Read what was written; raises KeyReused where it was another request."""
        data = json.loads(text)
        if data["request"] not in fingerprints:
            raise KeyReused(
                "this Idempotency-Key was sent with another request", fix="send a new key"
            )
        items = [WorkItem.from_json(item) for item in data["items"]]
        orders = [SweepOrder.from_json(order, now) for order in data["orders"]]
        incident = Incident.from_dict(data["incident"]) if "incident" in data else None
        return cls((*items, *orders), Answer(**data["answer"]), incident)


def need_key(request: Request, why: str) -> None:
    """Refuse a request without an Idempotency-Key."""
    if not request.headers.get(HEADER):
        fix = "send a new UUID, and the same one if you must send this again"
        raise KeyMissing(
            f"Idempotency-Key is missing: {why}", fix=fix, flaws=[Flaw(why, header=HEADER)]
        )


async def once(
    memory: Memory,
    engine: Engine,
    request: Request,
    caller: Caller,
    consider: Callable[[], Awaitable[Queued | Answer]],
    note: Callable[[Answer], None],
) -> Answer:
    """Carry a request out, or repeat the answer that the same request was given before.

    `note` writes the audit record, before anything is posted.
    """
    key = request.headers.get(HEADER, "")
    if not key:
        if isinstance(considered := await consider(), Answer):
            return considered
        note(considered.answer)
        return await considered.post(engine)
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        fix = "send 1 to 255 letters, digits and signs, such as a UUID"
        raise BadRequest(
            "Idempotency-Key is malformed",
            fix=fix,
            flaws=[Flaw("it is malformed", header=HEADER)],
        )
    digest = _digest(caller.id, request.url, key)
    fingerprints = _fingerprints(request)
    if (earlier := await memory.recall(digest)) is None:
        if isinstance(considered := await consider(), Answer):
            return considered
        written = considered.to_json(fingerprints[0], engine.clock.now())
        earlier = await memory.remember(digest, written)
    queued = Queued.from_json(earlier, fingerprints, engine.clock.now())
    posted = _digest("posted", digest)
    if await memory.recall(posted) is None:
        # A repetition that posts is the act: the request before it may be recorded as declined.
        note(queued.answer)
        await queued.post(engine)
        await memory.remember(posted, stamp(engine.clock.now()))
    return queued.answer


def _fingerprints(request: Request) -> tuple[str, str]:
    """Return what tells a repetition from another request, as this version and as 0.2.0 wrote it.

    0.2.0 counted every parameter. A request whose answer an upgrade cut off is sent again to this
    version, and a new key would make another request of it.
    """
    every = sorted(request.query.items())
    query = [(name, text) for name, text in every if name not in BESIDE]
    now, before = (
        _digest(request.method, json.dumps(terms), request.body.hex()) for terms in (query, every)
    )
    return now, before


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode(errors="surrogatepass")).hexdigest()
