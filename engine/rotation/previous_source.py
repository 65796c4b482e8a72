"""What would come of a compromised credential whose source is not the one that the tags name.

A worker looks there first, and parks the secret while the credential is accepted. Changes nothing.
"""

from __future__ import annotations

from engine.errors import NeedsHuman
from engine.parts import Parts
from engine.rotation.context import Rotation
from engine.rotation.revoke import Revocation
from engine.rotation.source_lease import SourceLease
from engine.secret import SecretVersion
from engine.state.decision import Acting, Decision, Park
from engine.state.request import WorkItem


async def leaked_at(parts: Parts, secret: SecretVersion, item: WorkItem, left: str) -> str | None:
    """Return the source whose record says that it holds what leaked, whatever the tags say.

    None for `left`: what leaked there has been dealt with.
    """
    if not item.compromised:
        return None
    known = (await parts.ledger()).of(secret.ref)
    sources = [listed.source for listed in known if listed.holds(secret)]
    return next((source for source in sources if source != left), None)


async def foreseen(
    parts: Parts, secret: SecretVersion, item: WorkItem, decision: Decision
) -> Park | None:
    """Return with which reason the secret would be parked; None if it would be acted on."""
    if not isinstance(decision, Acting):
        return None
    source = await leaked_at(parts, secret, item, decision.managed.source)
    if not source or not (record := await parts.leases.peek(source)):
        return None
    rotation = Rotation(SourceLease(parts, source, (), record), item)
    try:
        await Revocation(rotation).foresee(secret, parts.decide(record.believed(secret), item))
    except NeedsHuman as error:
        return Park(f"{error.what} ({error.where})", error.fix)
    return None
