"""What a secret's versions say about its past, without any log. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from engine.secret import Version
from engine.state.request import operation_id
from engine.state.tags import CAUSE, OPERATION, REASON, RETIRE, STATE

PUSHED_BY, PUSHED_WHY = "PolicyBy", "PolicyReason"
"""Tags of a version of the policy document: who pushed it, and why."""


def newest_first(versions: Sequence[Version]) -> list[Version]:
    """Return versions from the newest to the oldest.

    Key Vault lists versions unordered and keeps times in whole seconds only. Versions created in
    the same second are ordered by which one replaced which.
    """
    replaced_by = {
        operation_id(version.ref, version.version): version
        for version in versions
        if version.version
    }

    def age(version: Version) -> int:
        steps, earlier = 0, replaced_by.get(version.tags.get(OPERATION, ""))
        while earlier and earlier.created == version.created and steps < len(versions):
            steps, earlier = steps + 1, replaced_by.get(earlier.tags.get(OPERATION, ""))
        return steps

    return sorted(versions, key=lambda version: (version.created, age(version)), reverse=True)


def events(
    versions: Sequence[Version], *, policy: bool = False, written: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return what versions, newest first, say about themselves, for people and programs.

    Rekey wrote the versions that its record lists as `written`, whatever their tags say by now: a
    change with Azure CLI removes them. Of versions older than those the tags tell. Anybody can copy
    tags, so such a version counts as Rekey's only if it is the oldest one with its operation's id,
    and if that operation replaced a known version. The secret of the `policy` document has no operations: a tag names who pushed a version.
    """
    if policy:
        return [
            {**_event(version, ours=PUSHED_BY in version.tags), "cause": _pushed(version)}
            for version in versions
        ]
    replaced = {
        operation_id(version.ref, version.version) for version in versions if version.version
    }
    first = {
        version.tags[OPERATION]: version.version
        for version in versions
        if version.tags.get(OPERATION) in replaced
    }
    tagged = {
        str(version.version)
        for version in versions
        if first.get(version.tags.get(OPERATION, "")) == version.version
    }
    recorded = max(
        (place for place, version in enumerate(versions) if version.version in written), default=-1
    )
    return [
        _event(version, ours=version.version in (written if place <= recorded else tagged))
        for place, version in enumerate(versions)
    ]


def _pushed(version: Version) -> str | None:
    who, why = version.tags.get(PUSHED_BY), version.tags.get(PUSHED_WHY)
    return f"policy pushed by {who}: {why}" if who else None


def _event(version: Version, *, ours: bool) -> dict[str, Any]:
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
