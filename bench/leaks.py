"""What a report of a leak costs: the look-up, and the time until its source refuses the value."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from engine.leak.index import sources_of
from engine.leak.reading import read
from engine.model.ledger import Ledger
from engine.model.listed import Listed
from engine.model.prints import Prints
from simulator.wire import Request, Response
from tests.api.test_leaks import leak
from tests.proof.places import PLACES
from tests.shared.delivery import Delivery

LATENCY = 0.1
"""Seconds that every call takes, those to records and queues included."""
SECRETS, VERSIONS = 10_000, 10


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
    sources = sources_of(Ledger(records))
    built = time.perf_counter()
    for held in values[:100]:
        text = f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={held[-1]}"
        matches = [sources.get(text) for part in read(text).parts for text in prints.each(part)]
        assert any(matches)
    return built - began, (time.perf_counter() - built) / 100


async def to_refusal(kind: str) -> float | None:
    """Return the virtual seconds from a report to its source's refusal; None if that is not seen.

    The queue delivers at once: on Azure it adds up to ten seconds.
    """
    place = PLACES[kind]()
    rig, leaked = place.rig, place.rig.latest(place.name)
    rig.vault.creation_delay = timedelta()
    refused: list[datetime] = []

    async def slow(request: Request, call: Callable[[], Awaitable[Response]]) -> Response:
        del request
        rig.clock.advance(LATENCY)
        response = await call()
        if not refused and not place.accepts(leaked):
            refused.append(rig.clock.now())
        return response

    began = rig.clock.now()
    answer = await leak(rig.api(slow), leaked.value, act=True)
    assert "incident" in answer.body, (kind, answer.body)
    await Delivery(rig, lambda: rig.service(slow)).run(within=timedelta(minutes=30))
    return (refused[0] - began).total_seconds() if refused else None


async def report() -> None:
    """Print one line for the look-up, and one for each kind."""
    built, one = look_up()
    print(
        f"leaks, {SECRETS} secrets with {VERSIONS} versions: the index is built in {built:.2f} s, a"
        f" report is looked up in {one * 1000:.2f} ms"
    )
    for kind in PLACES:
        seconds = await to_refusal(kind)
        told = f"{seconds:.1f} s" if seconds is not None else "not within half an hour"
        print(f"{kind}, from report to refusal at 100 ms a call, virtual time: {told}")
