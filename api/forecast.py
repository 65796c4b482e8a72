"""What a request would do to a secret: every step, as a dry run shows it."""

from __future__ import annotations

from dataclasses import replace

from msgspec import UNSET

from api.models import Forecast, Step, view
from engine.engine import Engine
from engine.errors import PermanentError
from engine.secret import SecretVersion
from engine.state.decision import (
    Confirm,
    Decision,
    Park,
    Restore,
    Retire,
    Rotate,
    Skip,
    Wait,
)
from engine.state.due import due_at
from engine.state.request import WorkItem


async def forecast(
    engine: Engine, secret: SecretVersion, item: WorkItem, first: Decision
) -> Forecast:
    """Return all that would be done in turn, and the step that matters most: a rotation."""
    decisions = await _rehearsed(engine, secret, engine.inventory.steps(secret, item, first))
    foremost = next(
        (decision for decision in decisions if isinstance(decision, Rotate | Park)), first
    )
    would = {
        "operation": item.operation,
        "vault": item.ref.vault_name,
        "secret": item.ref.name,
        "version": secret.version,
        **_step(foremost).body(),
        "steps": [_step(decision).body() for decision in decisions],
    }
    if isinstance(foremost, Rotate | Retire | Restore | Confirm):
        managed = foremost.managed
        would |= {
            "rotator": managed.rotator.kind,
            "source": managed.source,
            "credential": managed.credential_id,
        }
        would["due"] = due_at(secret, managed).isoformat()
    if isinstance(foremost, Restore):
        would["restores"] = foremost.pending.version
    return view(Forecast, would)


async def _rehearsed(
    engine: Engine, secret: SecretVersion, decisions: list[Decision]
) -> list[Decision]:
    """Check a later rotation as a first one has been; what stands in its way ends the steps."""
    checked = decisions[:1]
    for decision in decisions[1:]:
        if not isinstance(decision, Rotate):
            checked.append(decision)
            continue
        try:
            checked.append(
                replace(decision, warning=await engine.rehearse(secret, decision.managed))
            )
        except PermanentError as error:
            return [*checked, Park(str(error), error.fix)]
    return checked


def _step(decision: Decision) -> Step:
    fix = decision.fix if isinstance(decision, Skip | Wait | Park) else ""
    warning = decision.warning if isinstance(decision, Rotate) else ""
    return Step(
        action=type(decision).__name__.lower(),
        reason=decision.reason,
        fix=fix or UNSET,
        warning=warning or UNSET,
        until=decision.until.isoformat() if isinstance(decision, Wait) else UNSET,
        credential=decision.pending.credential_id
        if isinstance(decision, Retire | Restore)
        else UNSET,
    )
