"""Situations of a list that is replaced as a whole, and of sources with ways of their own."""

from __future__ import annotations

from tests.proof import circumstances, people
from tests.proof.further import STALE
from tests.proof.kernel import EVERY_FAULT
from tests.proof.sources import Listing, Slots
from tests.proof.staging import (
    Move,
    ask,
    due,
    incident,
    managed,
    remembered,
    rotated,
    scenario,
    source_of,
)
from tests.proof.world import World

KIND = "listed"


def _adds(name: str) -> Move:
    """Return a move in which somebody adds an entry of theirs, and a list that lags lacks it."""

    def move(world: World) -> None:
        listing = world.sources[source_of(KIND)]
        assert isinstance(listing, Listing)
        before = dict(listing.entries)
        world.watch.foreign.add(listing.add(name)[1])
        listing.changed, listing.before = world.kernel.time(), before

    return move


WRITERS = {"adds an entry": _adds("a person's"), "adds another": _adds("another deployment's")}


@scenario("writers/listed", WRITERS, {"app": 2}, faults=EVERY_FAULT)
def _writers(world: World) -> None:
    """Others add entries while one is added, and one is taken away."""
    due(world, KIND)
    ask(world, trigger="event")
    ask(world, trigger="sweep", pinned=False)


@scenario("writers-in-overlap/listed", {**WRITERS, "incident": incident}, workers=1)
def _writers_in_overlap(world: World) -> None:
    """The same while the superseded one is taken away, and the next one added."""
    rotated(world, KIND, hours_left=-1)
    remembered(world, KIND)
    ask(world, action="retire", trigger="sweep")
    ask(world, force=True)


@scenario("lagging-list/listed", {"fails over": circumstances.failover, **WRITERS}, faults=STALE)
def _lagging(world: World) -> None:
    """The vault and the list show what was there before the latest change."""
    rotated(world, KIND, hours_left=-1)
    remembered(world, KIND)
    ask(world, action="retire", trigger="sweep")
    ask(world, force=True)


@scenario(
    "revoked/listed", {**WRITERS, "revokes at the source": people.change_key}, mend=people.mend
)
def _revoked(world: World) -> None:
    """Somebody takes the current entry away, and others are added."""
    due(world, KIND, days_left=80)
    ask(world, action="audit", trigger="sweep")
    ask(world, force=True)


@scenario("pairs/two-slow", versions={"app": 2, "read-only": 2})
def _pairs(world: World) -> None:
    """Two pairs of one account: while a key of one is replaced, the other one's has to wait."""
    due(world, "two-slow")
    held = _second_pair(world)
    tags = managed("two-slow", ProviderAddress=source_of("two-slow", "read-only"))
    world.secret("read-only", held, 10, tags)
    ask(world, trigger="event")
    ask(world, "read-only", trigger="event")


def _second_pair(world: World) -> str:
    """Add the second pair of keys of the account, and return its first key."""
    first = world.sources[source_of("two-slow")]
    assert isinstance(first, Slots)
    assert first.lasting
    first.lasting.takes = 50.0
    second = Slots(world.mint, {}, lasting=first.lasting)
    for slot in first.held:
        second.refill(slot)
    source = source_of("two-slow", "read-only")
    world.sources[source], world.scopes = second, (*world.scopes, source)
    return second.held["key1"]


LISTED = [_writers, _writers_in_overlap, _lagging, _revoked, _pairs]
