"""The one door to what the engine decides: secrets, items and policies at one moment, and answers.

What stands behind it may be built anew. Then this file changes, and no test of a decision does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.contract import Issued
from engine.kinds import Kinds
from engine.planning.decision import Case, Tagged, crowded, decided
from engine.planning.inventory import Inventory
from engine.planning.plan import AT_FIRST, Turn, plan
from engine.rotation.publish import new_version
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive
from engine.state.decision import (
    Acting,
    Confirm,
    Decision,
    Park,
    Restore,
    Retire,
    Rotate,
    Skip,
    Wait,
)
from engine.state.entry import Entry
from engine.state.index import Listed
from engine.state.policy import Policy
from engine.state.record import Record
from engine.state.request import WorkItem
from engine.state.tags import Managed, Pending, parse
from rotators.storage_key import StorageKey
from tests.shared.items import work_item

__all__ = [
    "AT_FIRST",
    "Acting",
    "Confirm",
    "Decision",
    "Kinds",
    "Park",
    "Restore",
    "Retire",
    "Rotate",
    "Skip",
    "Turn",
    "Wait",
    "crowded",
    "plan",
]  # fmt: skip
"""What may be decided."""

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
VAULT = "https://prod.vault.azure.net"
GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourcegroups/production"
ACCOUNT = f"{GROUP}/providers/microsoft.storage/storageaccounts/appdata"
REF = SecretRef(VAULT, "app-key")


def kinds_of(*classes: Any) -> Kinds:
    """Return the kinds of these classes, none of them connected to anything."""
    return Kinds({kind.kind: object.__new__(kind) for kind in classes})


KINDS = kinds_of(StorageKey)
POLICY = Policy({VAULT: (GROUP,)})
V1, V2, V3 = "1" * 32, "2" * 32, "3" * 32
SECOND = timedelta(seconds=1)
ISSUED = Issued("key2", {"key": Sensitive("fresh")}, supersedes="key1")
USUAL = {"ProviderAddress": ACCOUNT, "CredentialId": "key1", "ValidityPeriodDays": "90"}


def tags(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Return the usual tags with some changed; None takes one away."""
    return {tag: text for tag, text in {**USUAL, **(changes or {})}.items() if text is not None}


def version(
    *,
    left: timedelta | None = timedelta(days=10),
    age: timedelta = timedelta(days=1),
    enabled: bool = True,
    version: str | None = V1,
    changes: Mapping[str, str | None] | None = None,
) -> SecretVersion:
    """Return a version that expires in `left` and is `age` old, seen from NOW."""
    return SecretVersion(
        REF,
        version,
        value=Sensitive("value") if version else None,
        enabled=enabled,
        created=NOW - age,
        expires=None if left is None else NOW + left,
        content_type="text/plain",
        tags=tags(changes),
    )


def pending(
    until: timedelta, credential_id: str = "key2", version: str = V2
) -> dict[str, str | None]:
    """Return the tag that asks for a credential to be retired, `until` from NOW."""
    return {"RekeyRetire": str(Pending(NOW + until, version, credential_id))}


def item(**fields: Any) -> WorkItem:
    """Return a work item about the usual secret."""
    return work_item(REF, **{"trigger": "event", **fields})


def judge(
    secret: SecretVersion,
    request: WorkItem | None = None,
    policy: Policy = POLICY,
    kinds: Kinds = KINDS,
) -> Decision:
    """Decide at NOW."""
    request = request or item(version=secret.version)
    return decided(Case(Tagged.of(secret, policy, kinds), request, policy, NOW))


def decides[D: Decision](
    kind: type[D],
    secret: SecretVersion,
    request: WorkItem | None = None,
    policy: Policy = POLICY,
) -> D:
    """Decide at NOW, and demand that it comes to this."""
    decision = judge(secret, request, policy)
    assert isinstance(decision, kind), decision
    return decision


class OneSlot(StorageKey):
    """A kind whose new credential replaces the live one at once."""

    @staticmethod
    def single_slot(tags: Mapping[str, str]) -> bool:
        del tags
        return True


def turn_of(
    secret: SecretVersion,
    request: WorkItem,
    record: Record,
    *,
    is_single: bool = False,
    is_derived: bool = False,
    is_first: bool = False,
    **known: Any,
) -> Turn:
    """Return what a worker knows at NOW that holds the lease of the usual account."""
    tagged = Tagged.of(record.believed(secret), POLICY, KINDS)
    decision = decided(Case(tagged, request, POLICY, NOW))
    if isinstance(decision, Acting):
        managed = replace(decision.managed, rotator=OneSlot if is_single else StorageKey)
        derived_from = REF if is_derived else None
        decision = replace(decision, managed=replace(managed, derived_from=derived_from))
    usual = {
        "work": request,
        "item": request,
        "here": tagged.managed,
        "decision": decision,
        "now": NOW,
        "is_bound": True,
        "has_value": True,
        "is_accepted": known.pop("proven", None) == secret.version,
        "needless": "",
        "was_owner": True,
    }
    others = dict.fromkeys(("has_done", "recheck_follows", "resumes", "carries_on"), False)
    taken = frozenset[str]() if is_first else AT_FIRST
    return Turn(secret=tagged.held, record=record, taken=taken, **{**usual, **others, **known})


def stands(
    secret: SecretVersion,
    known: Sequence[Listed] = (),
    policy: Policy = POLICY,
    kinds: Kinds = KINDS,
) -> Entry:
    """Return how a secret stands at NOW, with what the records say of it."""
    return Inventory(policy, kinds, NOW).entry(secret, known)


def drafted(
    secret: SecretVersion,
    issued: Issued = ISSUED,
    now: datetime = NOW,
    overlap: timedelta = timedelta(hours=1),
    policy: Policy = POLICY,
    **words: str,
) -> Draft:
    """Compose what replaces a secret that is due."""
    managed = parse(policy.applied(secret).tags, policy, KINDS)
    assert isinstance(managed, Managed)
    return new_version(secret, managed, issued, now, overlap, **words)
