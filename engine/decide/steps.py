"""Every step that one request leads to: a worker decides again after each step. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from engine.decide.decision import decide
from engine.decide.tagged import Kinds
from engine.model.decision import Decision, Retire, Rotate
from engine.model.policy import Policy
from engine.model.tags import Managed, Pending, unretired
from engine.model.workitem import WorkItem
from engine.secret import SecretVersion


def steps(
    secret: SecretVersion,
    item: WorkItem,
    first: Decision,
    policy: Policy,
    kinds: Kinds,
    now: datetime,
) -> list[Decision]:
    """Return the decisions in turn, beginning with `first`.

    A retirement makes room for the rotation that was waiting for it. A compromised credential
    gets no overlap, so its retirement follows its replacement. A source with a single slot needs
    no retirement: it has already forgotten the old credential.
    """
    follow: list[Decision] = [first]
    if isinstance(first, Retire):
        retired = replace(secret, tags=unretired(secret.tags))
        following = decide(retired, item, policy, kinds, now)
        if isinstance(following, Rotate):
            follow.append(following)
    last = follow[-1]
    if isinstance(last, Rotate) and last.at_once and not _replaces_itself(last.managed):
        credential = last.managed.credential_id or "the credential held now"
        held = Pending(now, secret.version or "", credential)
        follow.append(Retire(last.managed, held, "compromised: it gets no overlap"))
    return follow


def _replaces_itself(managed: Managed) -> bool:
    return managed.rotator.single_slot(managed.settings)
