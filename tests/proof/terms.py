"""On what terms a secret may be rotated: what its owner and the policy have said, in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from engine.errors import NeedsHuman
from engine.secret import SecretRef, SecretVersion
from engine.state.due import is_manual
from engine.state.tags import CREDENTIAL, DERIVED_FROM, MAY_DERIVE, OURS, REPLICA_OF
from tests.proof.kernel import EPOCH
from tests.proof.sources import source_named

if TYPE_CHECKING:
    from tests.proof.world import World


def owner_tags(version: SecretVersion) -> Mapping[str, str]:
    """Return the tags that are neither the rotator's own nor the name of a credential."""
    return {tag: text for tag, text in version.tags.items() if tag not in OURS | {CREDENTIAL}}


def seconds(moment: datetime | None) -> float | None:
    """Return a time of day in seconds since the beginning."""
    return None if moment is None else (moment - EPOCH).total_seconds()


def terms_of(
    world: World, version: SecretVersion, name: Callable[[SecretRef], str]
) -> dict[str, Any]:
    """Return the terms of the secret whose current version this is."""
    policy = world.policy(world.deployments[0])
    if version.ref == world.own:
        return {"by_person_only": True}
    tags = policy.applied(version).tags
    address = source_named(version.tags)
    terms: dict[str, Any] = {
        "source": address if address in world.sources else None,
        "copy_of": _named(version.tags.get(REPLICA_OF), name),
        "made_from": _named(version.tags.get(DERIVED_FROM), name),
        "grants": _grants(version, address, name),
        "by_person_only": is_manual(tags),
        "valid_days": _number(tags.get("ValidityPeriodDays"), 90.0),
        "overlap_hours": _number(tags.get("OverlapHours"), policy.overlap.total_seconds() / 3600),
        "days_before": policy.rotate_before.total_seconds() / 86400,
    }
    return {term: it for term, it in terms.items() if not (it is None or it is False or it == [])}


def _named(url: str | None, name: Callable[[SecretRef], str]) -> str | None:
    try:
        return name(SecretRef.parse(url)) if url else None
    except NeedsHuman:
        return "nobody"


def _grants(
    version: SecretVersion, address: str, name: Callable[[SecretRef], str]
) -> list[dict[str, str]]:
    """Return which secrets may hold what is made from this key, each with the source it is for."""
    granted = [text.partition("=") for text in version.tags.get(MAY_DERIVE, "").split(",") if text]
    return [
        {"secret": name(SecretRef(version.ref.vault, child)), "source": f"{address}/{extent}"}
        for child, _, extent in sorted(granted)
    ]


def _number(text: str | None, usual: float) -> float:
    try:
        return float(text) if text else usual
    except ValueError:
        return usual
