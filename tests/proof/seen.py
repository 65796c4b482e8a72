"""States that have been played to their end already: whoever comes to one again need not play it once more.

A state is everything on which the rest of a schedule depends, compared exactly, times included: the
vaults, the sources,
the records and their leases, and what the checks remember. It is taken only where nobody is under
way, no message waits,
every service answers, and the director strikes no more, so that one state has one continuation.
What came of that was
good; a continuation that broke a promise is never remembered. The random key of a record's digests
is a constant here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import astuple
from typing import TYPE_CHECKING

from tests.proof.excuses import Excuse
from tests.proof.sources import Slots

if TYPE_CHECKING:
    from engine.secret import SecretVersion
    from tests.proof.model_leases import Claim
    from tests.proof.watch import Watch
    from tests.proof.world import World

type Seen = dict[int, frozenset[Excuse]]
"""By the fingerprint of each state the excuses that its continuation used."""


def fingerprint(name: str, world: World, after: int) -> int | None:
    """Return the fingerprint of a world in which a scenario stands before so many further sweeps; None where it is not at rest."""
    now = world.kernel.time()
    away = world.copy_until > now or any(until > now for until in world.down.values())
    if world.workers or world.messages or world.in_flight or away:
        return None
    state: tuple[Hashable, ...] = (
        name,
        after,
        now,
        tuple((ref, tuple(map(_version, versions))) for ref, versions in world.vault.items()),
        tuple((source, _source(world, source)) for source in world.sources),
        tuple(
            (source, _claim(claim)) for source, claim in [*world.claims.items(), *world.far.items()]
        ),
        (
            world.posted - world.swept,
            world.waits,
            world.mint.made,
            world.started % 2 if world.skew else 0,
            world.deliveries // 10,
        ),
        (
            frozenset(world.by_hand),
            frozenset(world.stuck),
            frozenset(world.apps.items()),
            world.away,
        ),
        _watch(world.watch),
    )
    return hash(state)


def _version(version: SecretVersion) -> Hashable:
    value = version.value.reveal() if version.value else None
    tags = frozenset(version.tags.items())
    return (
        version.version,
        value,
        version.enabled,
        version.created,
        version.expires,
        version.content_type,
        tags,
    )


def _source(world: World, name: str) -> Hashable:
    source = world.sources[name]
    if isinstance(source, Slots):
        return (frozenset(source.held.items()), frozenset(source.born.items()))
    return tuple(
        (key, entry.name, entry.secret, entry.known_at) for key, entry in source.entries.items()
    )


def _claim(claim: Claim) -> Hashable:
    return (claim.record.to_json(), claim.holder and claim.until)


def _watch(watch: Watch) -> Hashable:
    sets: tuple[Callable[[], Hashable], ...] = (
        lambda: frozenset(watch.proved),
        lambda: tuple(astuple(protected) for protected in watch.protected),
        lambda: frozenset(watch.late.items()),
        lambda: frozenset(watch.compromised.items()),
        lambda: frozenset(watch.cut | watch.off | watch.enabled_again),
        lambda: frozenset(
            watch.disowned | watch.orphaned | watch.foreign | watch.untouchable | watch.revoked
        ),
        lambda: frozenset((outcome.result, outcome.item.ref) for outcome in watch.outcomes),
        lambda: frozenset(watch.refused.items()),
        lambda: frozenset(watch.excuses.granted.items()),
        lambda: (watch.disturbed, len(watch.outcomes) > watch.verdicts),
        lambda: tuple(
            (name, strand.slot, strand.unknown, strand.look)
            for name, strand in watch.strands.items()
        ),
        lambda: (frozenset(watch.longest.items()), frozenset(watch.shortest.items())),
    )
    return tuple(part() for part in sets)
