"""Whose a source is: one worker at a time changes it, and only for the secret that owns it.

A source that is several logins at once is held and owned login by login, so that a secret that names only one of them
meets it there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.decide.decision import Kinds, Park
from engine.errors import NotFound
from engine.ports import Lease, Leases
from engine.secret import SecretRef

if TYPE_CHECKING:
    from engine.rotate.engine import Engine


NOBODY = "-"
"""Owner of a part whose record was made before all parts of its source had been looked at."""


@dataclass(frozen=True, slots=True)
class Hold:
    """The leases on all parts of one source."""

    source: str
    leases: tuple[Lease, ...]

    async def ensure(self, seconds: float) -> None:
        """Make sure that all of them last this long from now; LeaseUnavailable if one is lost."""
        # Twice, since renewing one takes time from another.
        for lease in (*self.leases, *self.leases):
            await lease.ensure(seconds)


@asynccontextmanager
async def hold(leases: Leases, source: str, owner: SecretRef) -> AsyncIterator[Hold]:
    """Hold every part of a source; LeaseUnavailable if another worker has one."""
    names = parts(source)
    # Whoever makes a record owns it, and of several parts another may yet turn out to be somebody else's.
    first = str(owner) if len(names) == 1 else NOBODY
    async with AsyncExitStack() as stack:
        held = [await stack.enter_async_context(leases.hold(part, first)) for part in names]
        yield Hold(source, tuple(held))


def parts(source: str) -> tuple[str, ...]:
    """Return what must not be shared of a source: its last segment may join several names with `+`."""
    head, slash, names = source.rpartition("/")
    return tuple(f"{head}{slash}{name}" for name in names.split("+"))


async def other_owner(engine: Engine, held: Hold, ref: SecretRef) -> Park | None:
    """Refuse a source of which another secret owns a part: the first keeps it while it still claims it. Else claim it all."""
    mine = str(ref).lower()
    others = [lease for lease in held.leases if lease.owner != mine]
    for lease in others:
        owner = lease.owner
        if owner and owner != NOBODY and await _still_claims(engine, held.source, SecretRef.parse(owner)):
            return Park(
                f"{held.source} belongs to the secret {owner}",
                f"keep one secret a source: remove the tag ProviderAddress here, or there (or delete that secret, or, if "
                f"its vault is not served any more, the record {lease.record})",
            )
    # Only now: a secret that is refused one part must not keep the others from their owners.
    for lease in others:
        await lease.claim(mine)
    return None


async def _still_claims(engine: Engine, source: str, other: SecretRef) -> bool:
    """Tell whether another secret is still tagged for a part of this source; where that cannot be seen, it is."""
    if not engine.policy.manages(other.vault):
        return True
    try:
        secret = engine.policy.applied(await engine.vaults.read(other))
    except NotFound:
        return False
    return not secret.enabled or bool(claimed(secret.tags, engine.kinds) & set(parts(source)))


def claimed(tags: Mapping[str, str], kinds: Kinds) -> set[str]:
    """Return the parts of every source that tags may mean, whatever else is wrong with them."""
    address = tags.get("ProviderAddress", "")
    sources = (kind.canonical(address, tags) for kind in kinds.values())
    return {part for source in sources if source for part in parts(source)}
