"""Take a secret out of management for good: its tags go, and the records forget it.

Both happen under the leases of its sources, so no rotation is in between. The tags go first: a
secret without them is rotated by nobody, and whoever dies before the records are written releases
it again. A record that still named the secret would later call it dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from engine.parts import Parts
from engine.rotation.reporting import report_before_it_passes
from engine.rotation.source_lease import NOBODY, hold
from engine.rotation.vault_writer import Overtaken
from engine.secret import SecretRef
from engine.state.index import Ledger, Owned
from engine.state.record import Record
from engine.state.tags import Managed


async def owned(parts: Parts, ref: SecretRef) -> Owned:
    """Look at a secret and at the records that name it as their owner, without a lease."""
    known = (await Ledger.read(parts.leases.index())).of(ref)
    records = [await parts.leases.peek(listed.source) for listed in known]
    return Owned(await parts.vaults.read(ref), [record for record in records if record])


async def release(
    parts: Parts,
    ref: SecretRef,
    managed: Managed | None,
    kept: Mapping[str, str],
    check: Callable[[Owned], None],
) -> None:
    """Leave the secret with the tags `kept` alone, and the records without it.

    `check` raises where the secret, as it is under the leases, is not to be released. Raises
    SourceBusy while another worker holds a lease, and Overtaken if somebody wrote a version.
    """
    before = await owned(parts, ref)
    sources = dict.fromkeys(record.source for record in before.records)
    sources |= {managed.source: None} if managed else {}
    mine = (str(ref).lower(), NOBODY)
    async with AsyncExitStack() as stack:
        under = [await stack.enter_async_context(hold(parts, source, ref)) for source in sources]
        leases = [part for lease in under for part in lease.leases if part.record.owner in mine]
        fresh = await parts.vaults.read(ref)
        if fresh.version != before.secret.version:
            raise Overtaken("somebody has written a version in the meantime", where=str(ref))
        check(Owned(fresh, [lease.record for lease in leases]))
        if dict(fresh.tags) != dict(kept):
            await parts.vaults.retag(fresh, kept)
        for lease in leases:
            await report_before_it_passes(parts, lease.record)
            await lease.write(Record(source=lease.record.source, key=lease.record.key))
