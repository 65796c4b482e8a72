"""What a secret's versions tell about its past: the vault alone is enough, no log is needed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.model.tags import CAUSE, OPERATION, REASON, RETIRE, STATE
from engine.model.workitem import operation_id
from engine.secret import SecretVersion

PUSHED_BY, PUSHED_WHY = "PolicyBy", "PolicyReason"
"""Tags of a version of the policy document: who pushed it, and why."""


def newest_first(versions: Sequence[SecretVersion]) -> list[SecretVersion]:
    """Put versions into order: Key Vault lists them in none, and knows their times to the second only.

    Those of one second are told apart by which of them Rekey wrote in place of which.
    """
    replaced_by = {operation_id(one.ref, one.version): one for one in versions if one.version}

    def age(one: SecretVersion) -> int:
        steps, earlier = 0, replaced_by.get(one.tags.get(OPERATION, ""))
        while earlier and earlier.created == one.created and steps < len(versions):
            steps, earlier = steps + 1, replaced_by.get(earlier.tags.get(OPERATION, ""))
        return steps

    return sorted(versions, key=lambda one: (one.created, age(one)), reverse=True)


def events(versions: Sequence[SecretVersion], *, policy: bool = False) -> list[dict[str, Any]]:
    """Return what versions, newest first, say about themselves, for people and programs.

    Tags can be copied onto a version by hand: only the oldest with an operation's id is Rekey's, and only in place of
    another. The secret of the `policy` document has no operations: who pushed a version through Rekey is named on it.
    """
    if policy:
        return [{**_event(one, ours=PUSHED_BY in one.tags), "cause": _pushed(one)} for one in versions]
    replaced = {operation_id(one.ref, one.version) for one in versions if one.version}
    first = {one.tags[OPERATION]: one.version for one in versions if one.tags.get(OPERATION) in replaced}
    return [_event(one, ours=first.get(one.tags.get(OPERATION, "")) == one.version) for one in versions]


def _pushed(version: SecretVersion) -> str | None:
    who, why = version.tags.get(PUSHED_BY), version.tags.get(PUSHED_WHY)
    return f"policy pushed by {who}: {why}" if who else None


def _event(version: SecretVersion, *, ours: bool) -> dict[str, Any]:
    return {
        "version": version.version,
        "created": version.created.isoformat(),
        "expires": version.expires.isoformat() if version.expires else None,
        "enabled": version.enabled,
        "written_by": "Rekey" if ours else "somebody else",
        "operation": version.tags.get(OPERATION) if ours else None,
        "cause": version.tags.get(CAUSE) if ours else None,
        "credential": version.tags.get("CredentialId"),
        "to_retire": version.tags.get(RETIRE),
        "state": version.tags.get(STATE),
        "reason": version.tags.get(REASON),
    }
