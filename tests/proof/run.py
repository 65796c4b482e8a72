"""Play many cases on several cores: a progress line while it runs, a table at the end."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched, chain, islice
from multiprocessing.pool import IMapIterator
from pathlib import Path
from types import SimpleNamespace

from engine.state import record
from tests.proof import campaign, case, findings, guided, real
from tests.proof.excuses import Excuse
from tests.proof.kept import Kept
from tests.proof.places import PAIRED, STORIES
from tests.proof.scenarios import SCENARIOS
from tests.proof.seen import Seen

SEEDED = "model: seeded schedules"
ORDERS = "orders:"
"""How a job begins that plays so many orders of a scenario, each found by playing the one
before."""
SEARCH, A_SEARCH = "search:", 5000
"""How a job begins that is a search, each of whose schedules is found by playing those before; and
how many one has."""
LOOK_SECONDS = 10.0
"""How long to wait for a result before it is seen whether all workers live."""
NEIGHBOURS = 1000
"""So many cases that follow each other go to one core: they come to the same states."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of what has no end, or takes too long whole, is played."""

    orders: int
    """Orders of workers and people for each scenario."""
    seeds: int
    searched: int
    """Schedules near those that have met something new."""
    own: int
    """Through the SDKs: so many of the six faults at each call to a kind's source."""
    shared: int
    """The same at calls to a vault or to the app's storage, which all kinds make alike."""
    every: int
    """At one in so many of those calls."""
    stride: int
    """Through the SDKs: one pair of faults in so many."""


USUAL = Size(orders=80, seeds=10_000, searched=10_000, own=1, shared=1, every=2, stride=600)
"""What two cores play in about three quarters of an hour: 1.6 million schedules."""
LONG = Size(orders=600, seeds=100_000, searched=100_000, own=6, shared=3, every=1, stride=60)
"""What a night has time for."""


@dataclass
class Part:
    """One part of the proof: its cases, and what came of them."""

    name: str
    cases: Iterable[str]
    chunk: int = 50
    """So many cases go to a core at a time."""
    played: int = 0
    """So many, those included that were left unfinished."""
    unfinished: int = 0
    """So many of them are the same as another one, or came to a state that had been seen."""
    violations: list[tuple[str, str]] = field(default_factory=list)
    excuses: Counter[Excuse] = field(default_factory=Counter)
    """How many schedules used each excuse."""
    seconds: float = 0.0

    @property
    def known(self) -> Counter[str]:
        """How many violations each open finding explains."""
        return Counter(
            finding.text
            for name, problem in self.violations
            if (finding := findings.known(name, problem))
        )

    def add(self, result: Result) -> None:
        """Count one schedule."""
        self.played += 1
        self.unfinished += result.same
        self.excuses.update(result.excuses)
        if result.problem:
            self.violations.append((result.text, result.problem))


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one schedule."""

    text: str
    problem: str | None
    excuses: frozenset[Excuse] = frozenset()
    same: bool = False


def play(text: str) -> tuple[str | None, Sequence[str]]:
    """Play one case by its name, traced; returns which promise was broken, or None."""
    if text.startswith(real.PREFIX):
        return real.play(real.RealCase.parse(text))
    return case.play(case.Case.parse(text), traced=True)


def result(text: str, seen: Seen | None = None) -> Result:
    """Play one case by its name; an error of the proof's own counts as a violation, too."""
    try:
        if text.startswith(real.PREFIX):
            return Result(text, real.play(real.RealCase.parse(text))[0])
        played = case.played(case.Case.parse(text), seen=seen)
        return Result(text, played.problem, played.excuses, played.same)
    except Exception as error:  # noqa: BLE001 - whatever it is, the case did not prove anything
        return Result(text, f"the proof itself failed: {error!r}")


def written(text: str, folder: Path) -> Result:
    """Play one case by its name to its end, and write what happened into a folder.

    Of a case without a witness nothing is written.
    """
    if text.startswith(real.PREFIX) and not real.is_witnessed(text):
        return result(text)
    problem, lines, excuses = told(text)
    (folder / file_of(text)).write_text("".join(f"{line}\n" for line in lines))
    return Result(text, problem, excuses)


def told(text: str) -> tuple[str | None, list[str], frozenset[Excuse]]:
    """Play one case by its name to its end; returns what it broke, its history, its excuses."""
    if text.startswith(real.PREFIX):
        return *real.history(real.RealCase.parse(text)), frozenset()
    witness = case.witnessed(case.Case.parse(text))
    excuses = frozenset(witness.world.watch.excuses.used)
    return next(iter(witness.broken), None), witness.lines, excuses


def file_of(text: str) -> str:
    """Return the name of the file with the history of a case."""
    return re.sub(r"[^\w.#@!~+=-]", "_", text) + ".jsonl"


def fresh(first: int, number: int) -> Part:
    """Return the seeded schedules from a seed on, of all scenarios in turn."""
    return Part(SEEDED, map(str, campaign.seeds(first, number)))


def searched(first: int, number: int) -> Part:
    """Return schedules near those that have met something new, in searches with a seed each."""
    begin = range(0, number, A_SEARCH)
    jobs = (f"{SEARCH}{min(A_SEARCH, number - at)}:{first + at}" for at in begin)
    return Part("model: schedules near what was new", jobs, chunk=1)


def parts(size: Size = USUAL, share: float = 1.0, first: int = 0) -> list[Part]:
    """Return the parts of the proof; of pairs, orders and seeds so much as `share` says.

    `first` is the first of the seeds.
    """
    stride = max(1, round(1 / share))
    most = max(1, int(size.orders * share))
    pairs = chain.from_iterable(real.pairs(place) for place in PAIRED)
    singles = chain.from_iterable(
        real.singles(place, size.own, size.shared, size.every) for place in STORIES
    )
    return [
        Part("model: every fault at every call", map(str, campaign.singles()), NEIGHBOURS),
        Part(
            "model: pairs of faults",
            map(str, islice(campaign.pairs(), 0, None, stride)),
            NEIGHBOURS,
        ),
        Part(
            "model: interleavings of workers and people",
            (f"{ORDERS}{most}:{name}" for name in SCENARIOS),
            chunk=1,
        ),
        fresh(first, int(size.seeds * share)),
        searched(first, int(size.searched * share)),
        Part("SDKs: faults at every call", map(str, singles)),
        Part("SDKs: pairs of faults", map(str, islice(pairs, 0, None, size.stride * stride))),
    ]


def run(
    chosen: Sequence[Part],
    say: Iterator[None],
    kept: Kept | None = None,
    cores: int | None = None,
    histories: Path | None = None,
) -> None:
    """Play all parts, but what an earlier start has; `say` is advanced after each chunk.

    `histories`: where what happens in each case is written, where there is a witness for it.
    """
    context, kept = multiprocessing.get_context("fork"), kept or Kept()
    FOLDERS[:] = [histories] if histories else []
    with context.Pool(cores or os.cpu_count(), _quiet) as pool:
        workers = {child.pid for child in multiprocessing.active_children()}
        for part in chosen:
            began = time.perf_counter()
            kept.recall(part)
            chunks = enumerate(batched(part.cases, part.chunk, strict=False))
            left = ((at, texts) for at, texts in chunks if (part.name, at) not in kept.done)
            for at, results in _each(pool.imap_unordered(_chunk, left), workers):
                for result in results:
                    part.add(result)
                kept.note(part, at, results)
                part.seconds = time.perf_counter() - began
                next(say)


ONE_KEY = SimpleNamespace(token_hex=lambda size: "5e" * size)
"""In place of a random key for the digests of each record, so that equal states are equal."""
FOLDERS: list[Path] = []
"""Where histories are written; empty where none are."""
SEEN: Seen = {}
"""The states that this process has played to a good end."""


def _chunk(numbered: tuple[int, Sequence[str]]) -> tuple[int, list[Result]]:
    at, texts = numbered
    results = [result for text in texts for result in _job(text)]
    gc.collect()
    return at, results


def _job(text: str) -> Iterator[Result]:
    if text.startswith(ORDERS):
        most, _, name = text.removeprefix(ORDERS).partition(":")
        many = campaign.interleavings(name, int(most))
    elif text.startswith(SEARCH):
        number, _, seed = text.removeprefix(SEARCH).partition(":")
        many = guided.search(int(seed), int(number), SEEN)
    else:
        yield written(text, FOLDERS[0]) if FOLDERS else result(text, SEEN)
        return
    for case_, came in many:
        whole = Result(str(case_), came.problem, came.excuses, came.same)
        yield written(str(case_), FOLDERS[0]) if FOLDERS else whole


def _each[T](results: IMapIterator[T], workers: set[int | None]) -> Iterator[T]:
    """Yield results as they come; raises RuntimeError if a worker has died.

    Its chunk would never come: the pool starts another worker, and forgets what the first one had.
    """
    while True:
        try:
            yield results.next(timeout=LOOK_SECONDS)
        except StopIteration:
            return
        except multiprocessing.TimeoutError:
            if not workers <= {child.pid for child in multiprocessing.active_children()}:
                what = "a worker of the proof was killed: is there too little memory?"
                raise RuntimeError(what) from None


def _quiet() -> None:
    """Keep the engine's own log out of the way; the tests listen to it.

    A record's key is the same everywhere here.
    """
    logging.disable(logging.CRITICAL)
    record.secrets = ONE_KEY  # type: ignore[assignment, attr-defined]
    gc.freeze()
    gc.disable()
