"""The promises that must hold once nothing is left to do and every overlap has passed."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from engine.planning.inventory import Inventory
from engine.secret import SecretRef, SecretVersion
from engine.service import MOST_WAITS
from engine.state.codec import NAMES
from engine.state.decision import Confirm
from engine.state.index import Listed
from engine.state.record import RECHECK_EVERY, Record
from engine.state.request import DAY, OFTEN, Cause, WorkItem
from engine.state.tags import OPERATION, REPLICA_OF, RETIRE, STATE
from tests.proof import announcing, descent, leaks
from tests.proof.excuses import Excuse
from tests.proof.sources import MARK, Many, Signatures, Slots, credential_in, signed
from tests.shared.records import fact

if TYPE_CHECKING:
    from tests.proof.watch import Watch

MOST_MESSAGES = 48
"""More messages than any settled schedule of ours needs, sweeps aside: what grows without end
passes it."""

MOST_DELIVERIES = 120
MOST_RETURNS = 12_000
"""More messages of the timer than a month of two incidents and two sources, each every quarter of
an hour: who asks for more in one schedule never ends."""
MOST_ASKED = 4
"""More requests than are open at a time: the timer asks for each of them once in its period."""
MOST_WAITING = 5 * MOST_WAITS
"""More waits for busy sources than any schedule of ours needs: where an order, moves and slow
changes meet, each of several messages waits for proofs that take a minute, a restore among them."""

MOST_EARLY = 12
"""How often a source may be asked for the end of a change long before it has said: faults make it so."""
MOST_CREDENTIALS = 20
MOST_TOLD = 5
"""How often looks may tell people, besides once a day, of what no mark says."""
A_MESSAGE_EACH, A_CREDENTIAL_EACH, A_FRUITLESS_EACH = 15.0, 60.0, 120.0
"""Seconds of an outage for which one more may be posted, or made, or made in vain."""


def settled(watch: Watch, engine: Any, versions: dict[str, int | range]) -> None:
    """Raise Broken where a promise does not hold in the end."""
    for ref, all_ in watch.world.vault.items():
        _secret(watch, engine, ref, all_)
        _counted(watch, all_, versions)
    dropped(watch, engine)
    _no_stray(watch)
    if owed := watch.owed():
        _broken(f"P5: {owed[0][1]} was superseded at {owed[0][0]}, and lives on")
    _one_owner(watch)
    _one_source(watch)
    _ended(watch)
    for text, _ in watch.world.requests.values():
        _broken(f"P8: what was asked for is never done: {text}")
    _bounded(watch)
    if (times := told_again(watch)) > MOST_TOLD + watch.world.kernel.time() / 86_400.0:
        _broken(f"resources: looks have told people {times} times of what no mark says")
    if text := announcing.unannounced(watch) or announcing.unsaid(watch):
        _broken(text)
    no_leak(watch)


def _bounded(watch: Watch) -> None:
    """Check that neither messages nor credentials grow without end.

    An outage that lasts costs more of them.
    """
    world = watch.world
    for source, claim in world.claims.items():
        write = claim.record.pending_write
        if write and claim.record.next_check and write.at < world.kernel.now() - timedelta(days=1):
            _broken(f"resources: {source} is looked at for a write of {write.at} without end")
    posted = world.posted - world.swept - world.waits
    if world.returns > MOST_ASKED * (1 + world.kernel.time() / RECHECK_EVERY.total_seconds()):
        _broken(f"resources: the timer asked for {world.returns} messages in one schedule")
    most = MOST_WAITING + world.returns + world.asked * MOST_WAITS
    if world.waits > most + world.away / A_MESSAGE_EACH:
        _broken(f"resources: {world.waits} waits for a busy source in one schedule")
    if posted > MOST_MESSAGES + world.looks + world.away / A_MESSAGE_EACH:
        _broken(f"resources: {posted} messages for one schedule")
    for source, slots in world.sources.items():
        lasting = slots.lasting if isinstance(slots, Slots) else None
        if lasting and lasting.early > MOST_EARLY:
            _broken(f"resources: {source} is asked {lasting.early} times before it has said")
    undisturbed = not (watch.struck or watch.leapt)
    if undisturbed and world.most_made is not None and world.mint.made > world.most_made:
        _broken(f"resources: {world.mint.made} credentials where nothing went wrong")
    away = world.away - world.fruitless * (1 - A_CREDENTIAL_EACH / A_FRUITLESS_EACH)
    if world.mint.made > MOST_CREDENTIALS + away / A_CREDENTIAL_EACH:
        _broken(f"resources: {world.mint.made} credentials for one schedule")


def told_again(watch: Watch) -> int:
    """Return how often people have heard that one secret needs them, of which they know.

    That is by looks at one source, and of one request more often than on its first day.
    """
    parked = [outcome for outcome in watch.outcomes if outcome.result == "parked"]
    looks = Counter((it.item.ref, it.item.source) for it in parked if it.item.recheck)
    asked = Counter(it.item.request for it in parked if it.item.request)
    return max(*looks.values(), *(times - DAY // OFTEN for times in asked.values()), 0, 0)


def _broken(text: str) -> None:
    from tests.proof.watch import Broken

    raise Broken(text)


def _secret(watch: Watch, engine: Any, ref: SecretRef, versions: list[SecretVersion]) -> None:
    current = versions[-1]
    if watch.source_of(current) is None or current.version in watch.off or ref in watch.bystanders:
        return
    if watch.excuses.cover(Excuse.CLAIM, ref.name, 0.0) or _left_to_its_writer(watch, current):
        return
    if not watch.holds(current):
        _broken(f"P1: {ref.name} holds a credential that its source refuses")
    if REPLICA_OF not in current.tags and engine.policy.manages(ref.vault):
        _nothing_to_do(engine, current)
    _nothing_left(watch, versions)


def _left_to_its_writer(watch: Watch, current: SecretVersion) -> bool:
    """Return whether a person wrote this version, it was never proven, and somebody was told."""
    theirs = current.version in watch.world.by_hand and OPERATION not in current.tags
    left = theirs and STATE in current.tags and not watch.holds(current)
    return left and watch.excuses.cover(
        Excuse.LEFT_ALONE, current.ref.name, watch.world.kernel.time()
    )


def _nothing_to_do(engine: Any, current: SecretVersion) -> None:
    if STATE in current.tags:
        _broken(f"P8: {current.ref.name} is parked for good: {current.tags.get('RekeyReason')}")
    decision = engine.decide(current, WorkItem(current.ref, "audit", cause=Cause("sweep")))
    if not isinstance(decision, Confirm):
        _broken(f"P8: {current.ref.name} still needs {decision}")


def _nothing_left(watch: Watch, versions: list[SecretVersion]) -> None:
    current = versions[-1]
    if RETIRE in current.tags:
        _broken(f"P5: {current.ref.name} still has something to retire")
    mine = [
        claim.record
        for claim in watch.world.claims.values()
        if claim.record.owner == str(current.ref).lower()
    ]
    if any(record.retirement or record.compromised.versions for record in mine):
        _broken(f"P5: the record of {current.ref.name} still has something to retire")
    now = credential_in(current.value.reveal() if current.value else "")
    source = watch.world.sources[str(watch.source_of(current))]
    for old in versions[:-1]:
        held = credential_in(old.value.reveal() if old.value else "")
        if held == now or held in watch.foreign or not source.accepts(held):
            continue
        if isinstance(source, Signatures) and watch.is_current(signed(held)[0]):
            # Only the end of its key, which is in use, or its own revokes it.
            continue
        if not {held, signed(held)[0]} & watch.disowned:
            _broken(f"P5: {held} of {old.ref.name} {old.version} is still alive")
        watch.excuses.used[Excuse.LEFT_ALONE] += 1


def _counted(watch: Watch, versions: list[SecretVersion], expected: dict[str, int | range]) -> None:
    """Check how often a secret was rotated.

    Each change that landed late may have cost a version, and its mending one.
    """
    current = versions[-1]
    name, source = current.ref.name, watch.source_of(current)
    if source is None or REPLICA_OF in current.tags:
        return
    # Where the secret was before, too.
    sources = {at for version in versions if (at := watch.source_of(version))}
    had = {root for at in sources for root in descent.roots(watch, at)} | {*watch.handed_over}
    more = 2 * sum(watch.late[root] for root in had)
    made = Counter(
        version.tags[OPERATION]
        for version in versions
        if OPERATION in version.tags and not _copied(watch, version)
    )
    twice = max(made.values(), default=0) > 1
    bounds = expected.get(name, range(len(versions) + 1))
    least, most = (bounds, bounds) if isinstance(bounds, int) else (bounds[0], bounds[-1])
    if twice and not more:
        _broken(f"P2: {name} was rotated twice by one operation")
    if len(versions) > most + more:
        _broken(f"P2: {name} has {len(versions)} versions instead of {most}")
    if twice or len(versions) > most:
        watch.excuses.used[Excuse.LATE] += 1
    reported = any(
        outcome.result == "parked" and outcome.item.ref == current.ref for outcome in watch.outcomes
    )
    if len(versions) < least and not reported:
        _broken(f"P8: {name} has {len(versions)} versions, and nobody was told why")


def _copied(watch: Watch, version: SecretVersion) -> bool:
    """Return whether a person wrote a version, tags of Rekey's own and all."""
    return version.version in watch.world.by_hand


def dropped(watch: Watch, engine: Any) -> None:
    """Check that who fell out of management is shown, with the way back."""
    world = watch.world
    listed = [Listed.of(claim.record) for claim in world.claims.values()]
    for ref, versions in world.vault.items():
        current = versions[-1]
        known = [entry for entry in listed if entry.owner == str(ref).lower()]
        if not known or "ProviderAddress" in current.tags or not current.enabled:
            continue
        inventory = Inventory(engine.policy, engine.kinds, world.kernel.now())
        shown = inventory.entry(current, known)
        fell = REPLICA_OF not in current.tags and any(
            entry.created and current.created > entry.created for entry in known
        )
        if fell and (shown.state != "dropped" or not shown.fix):
            _broken(f"P8: {ref.name} fell out of management, and is shown as {shown.state}")


def _one_owner(watch: Watch) -> None:
    """Of all secrets that claim one source, at most one has rotated it."""
    from tests.proof.watch import by_rekey

    rotated = Counter(
        watch.source_of(all_[-1]) for all_ in watch.world.vault.values() if by_rekey(all_)
    )
    if any(number > 1 for source, number in rotated.items() if source):
        _broken("P7: two secrets have rotated one source")


def _one_source(watch: Watch) -> None:
    """No source was given what another one accepts."""
    opens = Counter(it for source in watch.world.sources.values() for it in source.alive())
    if shared := next((it for it, times in opens.items() if times > 1), None):
        _broken(f"P6: {shared} opens two sources")


def _no_stray(watch: Watch) -> None:
    vault = watch.world.vault.values()
    known = {credential_in(v[-1].value.reveal()) for v in vault if v[-1].value} | watch.foreign
    for name, source in watch.world.sources.items():
        for entry_ in source.entries.values() if isinstance(source, Many) else ():
            if entry_.secret in known:
                continue
            if entry_.secret not in watch.disowned and entry_.name not in watch.orphaned:
                _broken(f"P5: {entry_.secret} ({entry_.name}) of {name} was left behind")
            watch.excuses.used[Excuse.LEFT_ALONE] += 1


def _ended(watch: Watch) -> None:
    """Check that every incident has ended.

    Who was told in between was told of something that passed.
    """
    for credential in set(watch.compromised) & watch.alive():
        name = watch.compromised[credential]
        if not watch.excuses.cover(Excuse.LEFT_ALONE, name, 0.0):
            _broken(f"P5: {credential} of {name} is compromised and still alive in the end")


def no_leak(watch: Watch) -> None:
    """P6: no value, and no digest of one, in any tag, report or message.

    A record says what its text says.
    """
    world = watch.world
    values = {f"{MARK}{number}!" for number in range(world.mint.made)}
    texts = {
        text for all_ in world.vault.values() for version in all_ for text in version.tags.values()
    }
    texts |= {outcome.reason for outcome in watch.outcomes} | {
        outcome.fix for outcome in watch.outcomes
    }
    if text := leaks.leak(texts, values):
        _broken(f"P6: {text[:80]!r} shows a value, or helps to guess one")
    for claim in world.claims.values():
        _says_the_same(claim.record)


_said: set[int] = set()
"""Records whose text has been looked at: most schedules come to the same ones."""


def _says_the_same(record: Record) -> None:
    values = (fact(record, name) for name in NAMES)
    key = hash(tuple(frozenset(it.items()) if isinstance(it, dict) else it for it in values))
    if key in _said:
        return
    _said.add(key)
    text = record.to_json()
    if MARK in text:
        _broken("P6: a value leaked into the record")
    if Record.from_json(text, "the record") != record:
        _broken("record: its text does not say what it says")
