"""What an incident does not reach: the deleted secrets in its scope, as far as records know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.decide.ledger import Ledger
from engine.model.incident import Incident, Progress
from engine.rotate.engine import Engine
from engine.sweep.cut_off import CutOff
from engine.sweep.unlisted import unlisted


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
