"""States that have been played to their end already.

Whoever comes to one again need not play it once more.

A state is everything on which the rest of a schedule depends, compared exactly: the vaults, the
sources, the records and their leases, the messages, what the checks remember, the time, and the
faults that are still to strike. A time counts only as far as something compares itself with it: see
`_claim`, `_granted`, and `Schedule._when`. A state is taken only where nobody is under way and every
service answers, so that one state has one continuation. What came of that was good; a continuation
that broke a promise is never remembered. The random key of a record's digests is a constant here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from engine.secret import SecretRef
from engine.state.codec import NAMES
from engine.state.record import Record
from tests.proof import announcing, ending
from tests.proof.excuses import Excuse
from tests.proof.kernel import EPOCH
from tests.proof.sources import LIST_LAGS, Entry, Listing, Signatures, Slots
from tests.proof.world import BACK_SECONDS, World
from tests.shared.records import fact

if TYPE_CHECKING:
    from datetime import datetime

    from engine.secret import SecretVersion
    from engine.state.request import Outcome
    from tests.proof.model_leases import Claim
    from tests.proof.watch import Watch

_FIELDS = tuple(name for name in NAMES if name not in ("look_at", "audited"))
DAY = 86_400.0
type Seen = dict[int, frozenset[Excuse]]
"""By the fingerprint of each state the excuses that its continuation used."""


def fingerprint(
    name: str, world: World, position: Hashable, when: float | None = None
) -> int | None:
    """Return the fingerprint of a world in which a scenario has come to a position.

    `when`: the time, as far as it matters. None where somebody is under way.
    """
    if world.workers or is_failing(world):
        return None
    moment = world.kernel.time() if when is None else when
    return hash((name, position, moment, _outside(world), _counts(world), _watch(world.watch)))


def is_failing(world: World) -> bool:
    """Return whether a service is away, a fault is still to strike, or something is under way to it."""
    now = world.kernel.time()
    away = world.copy_until > now or any(until > now for until in world.down.values())
    away |= world.applies_and_fails > now or world.deadly > 0 or world.cuts_off > 0
    return away or bool(world.spoils or world.unseen or world.in_flight)


def _outside(world: World) -> Hashable:
    """Return what the vaults, the sources, the app's storage and the apps hold."""
    messages = (
        (message.what, message.text, message.visible, message.tries, message.deployment)
        for message in world.messages
    )
    claims = [*world.claims.items(), *world.far.items()]
    return (
        tuple(messages),
        tuple((*name, *kept, world.promised[name]) for name, kept in world.requests.items()),
        tuple((ref, tuple(map(_version, versions))) for ref, versions in world.vault.items()),
        tuple((ref, tuple(map(_version, versions))) for ref, versions in world.deleted.items()),
        frozenset(world.purged),
        tuple((source, held_by(world, source)) for source in world.sources),
        tuple((source, _claim(claim, world.kernel.now())) for source, claim in claims),
        frozenset(world.by_hand),
        frozenset(world.hidden),
        frozenset(world.stuck),
        world.back() if world.back() + BACK_SECONDS > world.kernel.time() else 0.0,
        frozenset(world.apps.items()),
        frozenset(world.known.items()),
    )


def _counts(world: World) -> Hashable:
    """Return what is counted, as far as it is bounded, or decides something."""
    return (
        _much(world.posted - world.swept, ending.MOST_MESSAGES),
        _much(world.waits, ending.MOST_WAITING),
        world.returns,
        world.mint.made,
        world.started % 2 if world.skew else 0,
        _much(world.deliveries, ending.MOST_DELIVERIES),
        _much(ending.told_again(world.watch), ending.MOST_TOLD),
        world.away,
    )


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


def held_by(world: World, name: str) -> Hashable:
    """Return what a source holds."""
    source = world.sources[name]
    if isinstance(source, Slots):
        held, born = frozenset(source.held.items()), frozenset(source.born.items())
        return (held, born, _lasting(source))
    if isinstance(source, Signatures):
        return None
    entries = _entries(source.entries)
    lags = source.changed + LIST_LAGS > world.kernel.time()
    before = (source.changed, _entries(source.before)) if lags else None
    pairs = frozenset(source.pairs.items()) if isinstance(source, Listing) else None
    return (entries, pairs, before)


def _entries(entries: Mapping[str, Entry]) -> Hashable:
    return tuple((key, entry.name, entry.secret, entry.known_at) for key, entry in entries.items())


def _lasting(source: Slots) -> Hashable:
    lasting = source.lasting
    if lasting is None:
        return None
    change = lasting.change
    # Another pair of the same account says which of its keys it is.
    mine = change and (
        change.slots is source,
        change.slot,
        change.ends,
        change.fails,
        change.asker,
    )
    asked = (lasting.names, lasting.asked_at, _much(lasting.early, ending.MOST_EARLY))
    return (lasting.takes, lasting.failing, mine, asked if change else None)


def _claim(claim: Claim, now: datetime) -> Hashable:
    record = claim.record
    values = (fact(record, name) for name in _FIELDS)
    known = (frozenset(value.items()) if isinstance(value, dict) else value for value in values)
    # A look that was due is not waited for any more, nor is a lease that has ended.
    recheck_at = record.change.recheck_at
    look = recheck_at if recheck_at and recheck_at > now else recheck_at is not None
    ends = (now - EPOCH).total_seconds()
    held = claim.until if claim.holder and claim.until > ends else None
    return (*known, _audit(record), look, held)


@cache
def second_of_the_day(ref: SecretRef) -> int:
    """Return at which second of the day a secret is audited: see engine.state.sweep_order."""
    return int.from_bytes(hashlib.sha256(str(ref).lower().encode()).digest()[:4]) % int(DAY)


def _audit(record: Record) -> Hashable:
    """Return the day of the audit by which the owner of a record was proven last.

    Which audit is due next is all that its time decides.
    """
    if record.verified.at is None or not record.owner:
        return record.verified.at
    since = (record.verified.at - EPOCH).total_seconds() + EPOCH.hour * 3600
    return (since - second_of_the_day(SecretRef.parse(record.owner))) // DAY


def _watch(watch: Watch) -> Hashable:
    sets: tuple[Callable[[], Hashable], ...] = (
        lambda: frozenset(watch.proved),
        lambda: tuple(
            (it.credential, it.source, it.until, it.version)
            for it in watch.protected
            if it.until > watch.world.kernel.time() and it.source not in watch.cut
        ),
        lambda: frozenset(watch.late.items()),
        lambda: frozenset(watch.compromised.items()),
        lambda: frozenset(watch.cut | watch.off | watch.enabled_again | watch.incidents),
        lambda: frozenset(
            watch.disowned | watch.orphaned | watch.foreign | watch.untouchable | watch.revoked
        ),
        lambda: frozenset(
            _parked(outcome) for outcome in watch.outcomes if outcome.result == "parked"
        ),
        lambda: frozenset(watch.refused.items()),
        lambda: _granted(watch),
        lambda: (
            _disturbed(watch),
            watch.struck,
            watch.leapt,
            len(watch.outcomes) > watch.verdicts,
        ),
        lambda: (frozenset(watch.alive_before), frozenset(watch.ended), frozenset(watch.over)),
        lambda: tuple(
            (name, strand.slot, strand.unknown, strand.look, strand.vain)
            for name, strand in watch.strands.items()
        ),
        lambda: (frozenset(watch.longest.items()), frozenset(watch.shortest.items())),
        lambda: (
            frozenset(it.version for it in announcing.silent(watch)),
            frozenset(watch.handed_over),
        ),
        lambda: frozenset(watch.superseded.items()) if watch.handed_over else None,
    )
    return tuple(part() for part in sets)


def _granted(watch: Watch) -> Hashable:
    """Return the excuses, and until when they hold; of one that has ended, that it was granted."""
    now = watch.world.kernel.time()
    granted = watch.excuses.granted.items()
    return frozenset((key, until if until >= now else 0.0) for key, until in granted)


def _parked(outcome: Outcome) -> Hashable:
    # What cannot be read is enabled by a person in the end: the reason says which version.
    unread = outcome.reason if "cannot be read" in outcome.reason else ""
    return (outcome.item.ref, unread)


def _disturbed(watch: Watch) -> float:
    """Return when something was disturbed last, as far as that matters.

    To what is refused since before, or in future.
    """
    matters = watch.refused or watch.disturbed > watch.world.kernel.time()
    return watch.disturbed if matters else 0.0


def _much(number: int, most: int) -> int:
    """Return by how much a number is over half of what it must not pass.

    Fewer cannot grow to that in what follows.
    """
    return max(0, number - most // 2)
