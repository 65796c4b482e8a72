"""Tags that cannot be followed: each is parked with a reason that names the tag and the way out."""

from __future__ import annotations

import pytest

from engine.model.tags import Malformed, parse
from rotators.own.offer import refused
from rotators.storage_sas import StorageSas
from tests.shared.builders import (
    ACCOUNT,
    KINDS,
    POLICY,
    VAULT,
    Kinds,
    Park,
    Rotate,
    Skip,
    judge,
    tags,
    version,
)

DERIVING: Kinds = {**KINDS, StorageSas.kind: StorageSas}
FOREIGN = "https://foreign.vault.azure.net/secrets/x"
LONG = "x" * 300


@pytest.mark.parametrize(
    "text",
    ["0", "sixty", "", " ", "-1", "1.5", "1e2", "3651", "99999", "100000", "٣", "9 0", "0x5"],
)
@pytest.mark.parametrize("tag", ["ValidityPeriodDays", "RotateBeforeDays"])
def test_days_are_whole_and_between_1_and_3650(tag: str, text: str) -> None:
    decision = judge(version(changes={tag: text}))
    assert isinstance(decision, Park)
    assert (
        f"tag {tag} is {text.strip()!r}" in decision.reason
        or f"tag {tag} is {text!r}" in decision.reason
    )
    assert "whole days, 1 to 3650" in decision.reason
    assert decision.fix


@pytest.mark.parametrize("text", ["1", "3650", " 90 ", "0090"])
def test_days_at_their_bounds_are_taken(text: str) -> None:
    assert not isinstance(judge(version(changes={"ValidityPeriodDays": text})), Park)


def test_a_missing_validity_is_named() -> None:
    decision = judge(version(changes={"ValidityPeriodDays": None}))
    assert isinstance(decision, Park)
    assert "ValidityPeriodDays is missing" in decision.reason


@pytest.mark.parametrize("text", ["-1", "8761", "a week", "1.5", ""])
def test_overlap_hours_are_whole_and_at_most_a_year(text: str) -> None:
    decision = judge(version(changes={"OverlapHours": text}))
    assert isinstance(decision, Park)
    assert f"tag OverlapHours is {text!r}: set it to whole hours, 0 to 8760" in decision.reason


@pytest.mark.parametrize(
    ("tag", "inside", "outside"), [("OverlapHours", "239", "240"), ("RotateBeforeDays", "9", "10")]
)
def test_overlap_and_lead_must_be_shorter_than_the_validity(
    tag: str, inside: str, outside: str
) -> None:
    assert isinstance(
        judge(version(changes={"ValidityPeriodDays": "10", tag: inside})), Rotate | Skip
    )
    decision = judge(version(changes={"ValidityPeriodDays": "10", tag: outside}))
    assert isinstance(decision, Park)
    assert f"tag {tag} spans the whole ValidityPeriodDays" in decision.reason


@pytest.mark.parametrize(("hours", "spans"), [("2159", False), ("2160", True)])
def test_where_the_validity_cannot_be_read_other_spans_are_judged_against_ninety_days(
    hours: str, *, spans: bool
) -> None:
    decision = judge(version(changes={"ValidityPeriodDays": "sixty", "OverlapHours": hours}))
    assert isinstance(decision, Park)
    assert ("OverlapHours spans the whole" in decision.reason) is spans


def test_an_overlap_may_last_a_year() -> None:
    decision = judge(version(changes={"ValidityPeriodDays": "366", "OverlapHours": "8760"}))
    assert not isinstance(decision, Park)


@pytest.mark.parametrize("tag", ["OverlapHours", "Rotator", "RotationWindow"])
def test_a_long_text_is_quoted_by_its_start(tag: str) -> None:
    decision = judge(version(changes={tag: LONG}))
    assert isinstance(decision, Park)
    assert f"tag {tag} is {LONG[:40]!r}: set it to " in decision.reason


def test_no_overlap_at_all_may_be_asked_for() -> None:
    decision = judge(version(changes={"OverlapHours": "0"}))
    assert isinstance(decision, Rotate)
    assert not decision.managed.overlap


@pytest.mark.parametrize(
    "address",
    [
        "",
        " ",
        "appdata",
        "https://appdata.blob.core.windows.net",
        "/subscriptions/x/resourceGroups/y",
        "/subscriptions//resourceGroups/y/providers/Microsoft.Storage/storageAccounts/appdata",
        "/subscriptions/x/resourceGroups/y/providers/Microsoft.Compute/virtualMachines/appdata",
        ACCOUNT + "/blobServices/default",
        ACCOUNT + "\n",
        ACCOUNT.replace("appdata", "no"),
        ACCOUNT.replace("appdata", "with-dash"),
        LONG,
    ],
)
def test_an_address_that_is_no_id_is_quoted_and_parked(address: str) -> None:
    decision = judge(version(changes={"ProviderAddress": address}))
    if address.strip().rstrip("/") == ACCOUNT:
        assert isinstance(decision, Rotate)
    else:
        assert isinstance(decision, Park)
        assert f"tag ProviderAddress is {address.strip()[:120]!r}" in decision.reason
        assert len(decision.reason) < 400


@pytest.mark.parametrize(
    "address",
    [ACCOUNT.upper(), f"  {ACCOUNT}/ ", ACCOUNT.replace("resourcegroups", "resourceGroups")],
)
def test_an_address_is_read_whatever_its_case_and_blanks(address: str) -> None:
    decision = judge(version(changes={"ProviderAddress": address}))
    assert isinstance(decision, Rotate)
    assert decision.managed.source == ACCOUNT


def test_an_unknown_kind_is_named_with_those_that_exist() -> None:
    decision = judge(version(changes={"Rotator": "storage-keys"}))
    assert isinstance(decision, Park)
    assert "tag Rotator is 'storage-keys': set it to one of storage-key" in decision.reason


def test_a_known_kind_may_be_named() -> None:
    assert isinstance(judge(version(changes={"Rotator": " storage-key "})), Rotate)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("AccountName={account}", "has no {key}"),
        ("", "has no {key}"),
        ("KEY={KEY}", "has no {key}"),
        ("{key}{password}", "uses {password}; known here: account, key, suffix"),
    ],
)
def test_a_template_that_would_lose_the_credential_or_asks_for_what_nobody_knows_is_parked(
    template: str, reason: str
) -> None:
    decision = judge(version(changes={"ValueTemplate": template}))
    assert isinstance(decision, Park)
    assert reason in decision.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-11-02T09:00:00Z",
        "2026-11-02T09:00:00Z 22222222222222222222222222222222",
        "2026-11-02 22222222222222222222222222222222 key2",
        "2026-11-02T09:00:00Z  key2",
        "2026-11-02T09:00:00Z ../other key2",
        "2026-11-02T09:00:00Z 2222222222222222222222222222222A key2",
        "2026-11-02T09:00:00Z 22222222222222222222222222222222 ",
        "2026-02-30T09:00:00Z 22222222222222222222222222222222 key2",
    ],
)
def test_what_is_to_be_retired_is_never_guessed(text: str) -> None:
    """A version that is not spelled as Key Vault spells it could be taken for the latest one."""
    decision = judge(version(changes={"RekeyRetire": text}))
    assert isinstance(decision, Park)
    assert "tag RekeyRetire" in decision.reason


@pytest.mark.parametrize(
    "text",
    [
        "Someday 01:00-02:00 UTC",
        "Mon 25:00-26:00 UTC",
        "Mon 01:00-01:00 UTC",
        "Mon",
        "Mon 01:00-02:00 Mars/Base",
    ],
)
def test_a_window_that_never_opens_is_parked(text: str) -> None:
    decision = judge(version(changes={"RotationWindow": text}))
    assert isinstance(decision, Park)
    assert "tag RotationWindow" in decision.reason


@pytest.mark.parametrize(
    "text",
    [
        "prod",
        "https://[prod/secrets/x",
        FOREIGN,
        "http://prod.vault.azure.net/secrets/x",
    ],
)
def test_a_replica_must_be_a_secret_of_a_listed_vault(text: str) -> None:
    decision = judge(version(changes={"Replicas": text}))
    assert isinstance(decision, Park)
    assert "tag Replicas" in decision.reason


@pytest.mark.parametrize(
    ("parent", "problem"),
    [
        (None, "tag DerivedFrom is missing: set it to the URL of the secret with the key"),
        ("app-key", "tag DerivedFrom is 'app-key': set it to the URL of the secret with the key"),
        (
            FOREIGN,
            f"tag DerivedFrom names a vault that is not served: {FOREIGN}",
        ),
        (f"{VAULT}/secrets/app-key", None),
    ],
)
def test_what_is_made_from_a_key_names_the_secret_with_the_key(
    parent: str | None, problem: str | None
) -> None:
    address = f"{ACCOUNT}/sas/container/uploads/rl"
    read = parse(tags({"ProviderAddress": address, "DerivedFrom": parent}), POLICY, DERIVING)
    if isinstance(read, Malformed):
        assert read.problems == (problem,)
    else:
        assert problem is None
        assert str(read.derived_from) == parent


def test_a_kind_that_cannot_be_used_says_why_and_nothing_else_is_judged() -> None:
    kinds: Kinds = {**KINDS, "acme-token": type(refused("acme-token", "it is broken", "mend it"))}
    read = parse({"ProviderAddress": "acme", "Rotator": "acme-token"}, POLICY, kinds)
    assert read == Malformed(("it is broken. Fix: mend it",))


def test_every_problem_is_told_at_once() -> None:
    decision = judge(
        version(
            changes={
                "ProviderAddress": "nowhere",
                "ValidityPeriodDays": "sixty",
                "OverlapHours": "-3",
                "ValueTemplate": "{password}",
            }
        )
    )
    assert isinstance(decision, Park)
    for tag in ("ProviderAddress", "ValidityPeriodDays", "OverlapHours", "{password}", "{key}"):
        assert tag in decision.reason
