"""What a report of a leak costs: the look-up, the time until its source refuses the value, calls."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from engine.contract import Derived
from engine.service import Service
from engine.state.index import Listed, StateIndex
from engine.state.record_parts import Prints
from leaks.index import sources_of
from leaks.reading import read
from simulator.storage.queue_store import Message
from simulator.wire import Request, Response
from tests.api.test_leaks import leak
from tests.proof.places import PLACES
from tests.shared.delivery import Delivery
from tests.shared.promises import Place

PAGE = Path(__file__).resolve().parents[1] / "docs" / "leaks.md"
TABLE = re.compile(r"(<!-- measured by `make bench` -->\n).*?(<!-- /measured -->)", re.DOTALL)
LATENCY = 0.1
"""Seconds that every call takes, those to records and queues included."""
SECRETS, VERSIONS = 10_000, 10
POLLS = (0.0, 5.0, 10.0)
"""Seconds until the host finds a message: it looks every ten seconds at the latest."""
type Leaked = Literal["by hand", "by Rekey", "superseded"]
LEAKED: tuple[Leaked, ...] = ("by hand", "by Rekey", "superseded")
"""Who wrote the version that leaked; the superseded one is inside its overlap."""


@dataclass(frozen=True)
class Cost:
    """What it takes from the answer to a report until the source refuses the value."""

    seconds: float
    calls: int
    """Calls of report and incident, up to the incident's end."""


@dataclass
class Polled(Delivery):
    """A queue whose host looks only now and then."""

    poll: float = 0.0

    async def _deliver(self, service: Service, message: Message) -> Service:
        self.rig.clock.advance(self.poll)
        return await super()._deliver(service, message)


def look_up() -> tuple[float, float]:
    """Return the seconds that the index of 10,000 secrets takes to build, and one report."""
    prints = Prints({"bench": secrets.token_bytes(32)})
    values = [[secrets.token_hex(32) for _ in range(VERSIONS)] for _ in range(SECRETS)]
    records = {
        f"https://v/secrets/s{number}": (
            Listed(f"/s/{number}", "", prints=tuple(map(prints.of, held)), is_printed=True),
        )
        for number, held in enumerate(values)
    }
    began = time.perf_counter()
    sources = sources_of(StateIndex(records))
    built = time.perf_counter()
    for held in values[:100]:
        text = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={held[-1]}"
        matches = [sources.get(text) for part in read(text).parts for text in prints.each(part)]
        assert any(matches)
    return built - began, (time.perf_counter() - built) / 100


async def _place(kind: str, leaked: Leaked) -> Place | None:
    """Return a secret of a kind; None if a version of that sort cannot leak."""
    place = PLACES[kind]()
    place.rig.vault.creation_delay = timedelta()
    if leaked == "by hand":
        return place
    rotator = place.rig.service().engine.rotators[kind.partition(" ")[0]]
    if leaked == "superseded" and (place.single or isinstance(rotator, Derived)):
        # What a single slot superseded is refused already; a signature goes with its key.
        return None
    await place.rig.service().rotate(place.rig.item(place.name, force=True).to_json(), 1)
    await Delivery(place.rig, place.rig.service).run(within=timedelta(minutes=30))
    place.rig.clock.advance(120)
    return place


async def to_refusal(kind: str, leaked: Leaked = "by hand", poll: float = 0.0) -> Cost | None:
    """Return the cost in virtual time; None if such a version cannot leak."""
    place = await _place(kind, leaked)
    if place is None:
        return None
    rig, versions = place.rig, place.rig.vault.versions(place.name)
    held = versions[-2 if leaked == "superseded" else -1]
    refused, calls = list[datetime](), list[Request]()

    async def slow(request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        rig.clock.advance(LATENCY)
        calls.append(request)
        response = await call()
        if not refused and not place.accepts(held):
            refused.append(rig.clock.now())
        return response

    answer = await leak(rig.api(slow), held.value, act=True)
    accepted = rig.clock.now()
    assert "incident" in answer.body, (kind, leaked, answer.body)
    host = Polled(rig, lambda: rig.service(slow), poll=poll)
    await host.run(within=timedelta(minutes=30))
    assert refused, (kind, leaked)
    return Cost((refused[0] - accepted).total_seconds(), len(calls))


async def costs(kind: str) -> list[Cost]:
    """Return the cost for each version that may leak, and each wait for the host."""
    costs = [await to_refusal(kind, leaked, poll) for leaked in LEAKED for poll in POLLS]
    return [cost for cost in costs if cost]


def row(kind: str, costs: Iterable[Cost]) -> str:
    """Return a row of the page's table."""
    seconds = [cost.seconds for cost in costs]
    p95 = statistics.quantiles(seconds, n=20, method="inclusive")[-1]
    calls = max(cost.calls for cost in costs)
    return f"| {kind} | {statistics.median(seconds):.0f} | {p95:.0f} | {calls} |"


async def report() -> None:
    """Print one line for the look-up, and one for each kind; write those into the page."""
    # A derived secret follows its key after a wait that the log names: it is no figure.
    logging.getLogger("rekey").setLevel(logging.ERROR)
    built, one = look_up()
    print(
        f"leaks, {SECRETS} secrets with {VERSIONS} versions: the index is built in {built:.2f} s, a"
        f" report is looked up in {one * 1000:.2f} ms"
    )
    rows = ["| kind | p50 in s | p95 in s | calls |", "|---|---|---|---|"]
    print("accepted leak → refused by its source, at 100 ms a call, virtual time:")
    for kind in PLACES:
        rows.append(row(kind, await costs(kind)))
        print(rows[-1], flush=True)
    table = "\n".join(["", *rows, "", ""])
    PAGE.write_text(TABLE.sub(lambda match: match[1] + table + match[2], PAGE.read_text()))


if __name__ == "__main__":
    asyncio.run(report())
