"""How far incidents have come, counted from vaults and records, and what they do not reach.

That is what is deleted, or in a vault that is not served any more, as far as records know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.engine import Engine
from engine.model.entry import Entry
from engine.model.incident import Incident, Progress
from engine.model.ledger import Ledger
from engine.secret import SecretRef
from engine.sweep.cut_off import CutOff
from engine.sweep.unlisted import unlisted


async def counted(engine: Engine, incidents: Sequence[Incident]) -> list[Progress]:
    """Count how far each incident has come; each vault is listed once."""
    works = [(CutOff(engine, incident), Progress()) for incident in incidents]
    ledger = await engine.ledger()
    for vault in sorted({vault for incident in incidents for vault in incident.vaults}):
        if engine.policy.manages(vault):
            await _count_vault(engine, vault, works, ledger)
            continue
        for ref in unlisted(vault, set(), ledger):
            for work, progress in works:
                await work.count_unserved(ref, ledger, progress)
    for work, progress in works:
        if not progress.secrets:
            await work.count_passed_on(progress)
    return [progress for _, progress in works]


async def of_secret(engine: Engine, incident: Incident, current: Entry, ledger: Ledger) -> Progress:
    """Count how far an incident has come with one secret; nothing where it does not cover it."""
    progress = Progress()
    await CutOff(engine, incident).count(current, ledger, progress)
    return progress


async def _count_vault(
    engine: Engine, vault: str, works: Sequence[tuple[CutOff, Progress]], ledger: Ledger
) -> None:
    listed = set[SecretRef]()
    async for secret in engine.vaults.list(vault):
        listed.add(secret.ref)
        for work, progress in works:
            await work.count(engine.entry(secret), ledger, progress)
    for ref in unlisted(vault, listed, ledger):
        for work, progress in works:
            await work.count_deleted(ref, ledger, progress)


async def unreached(engine: Engine, incident: Incident) -> Sequence[Mapping[str, str]]:
    """Name each deleted secret, with where its credential may still work.

    A vault is listed only if there are records of secrets in the scope.
    """
    ledger, progress, work = await engine.ledger(), Progress(), CutOff(engine, incident)
    for vault in filter(engine.policy.manages, incident.vaults):
        if not _covered(incident, vault, ledger):
            continue
        listed = {secret.ref async for secret in engine.vaults.list(vault)}
        for ref in unlisted(vault, listed, ledger):
            await work.count_deleted(ref, ledger, progress)
    return progress.named


def _covered(incident: Incident, vault: str, ledger: Ledger) -> bool:
    refs = unlisted(vault, set(), ledger)
    return any(incident.covers_deleted(ref, ledger.of(ref)) for ref in refs)
