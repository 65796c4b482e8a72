"""Tags that cannot be followed: each is parked with a reason that names the tag and the way out."""

from __future__ import annotations

import pytest

from engine.state.tags import Malformed, Managed, parse
from rotators.own.plugin_spec import refused
from rotators.storage_key import StorageKey
from rotators.storage_sas import StorageSas
from tests.shared.builders import (
    ACCOUNT,
    POLICY,
    VAULT,
    Park,
    Rotate,
    Skip,
    decides,
    judge,
    kinds_of,
    tags,
    version,
)

DERIVING = kinds_of(StorageKey, StorageSas)
FOREIGN = "https://foreign.vault.azure.net/secrets/x"
LONG = "x" * 300
V = "2" * 32
DAYS = ("0", "sixty", "-1", "1.5", "1e2", "3651", "99999", "100000", "٣", "9 0", "0x5", "")
WRONG: dict[tuple[str, str], tuple[str, ...]] = {
    ("ValidityPeriodDays", "is {!r}: set it to whole days, 1 to 3650"): DAYS,
    ("RotateBeforeDays", "is {!r}: set it to whole days, 1 to 3650"): DAYS,
    ("OverlapHours", "is {!r}: set it to whole hours, 0 to 8760"): ("-1", "8761", "a week", "1.5", ""),
    ("ValueTemplate", "has no {{key}}"): ("AccountName={account}", "", "KEY={KEY}"),
    ("ValueTemplate", "uses {{password}}; known here: account, key, suffix"): ("{key}{password}",),
    ("Rotator", "is {!r}: set it to one of storage-key"): ("storage-keys",),
    ("RotationWindow", ""): (
        "Someday 01:00-02:00 UTC", "Mon 25:00-26:00 UTC", "Mon 01:00-01:00 UTC", "Mon",
        "Mon 01:00-02:00 Mars/Base",
    ),
    ("Replicas", ""): (
        "prod", "https://[prod/secrets/x", FOREIGN, "http://prod.vault.azure.net/secrets/x",
    ),
    # A version that is not spelled as Key Vault spells it could be taken for the latest one.
    ("RekeyRetire", ""): (
        "", "tomorrow", "2026-11-02T09:00:00Z", f"2026-11-02T09:00:00Z {V}", f"2026-11-02 {V} key2",
        "2026-11-02T09:00:00Z  key2", "2026-11-02T09:00:00Z ../other key2",
        f"2026-11-02T09:00:00Z {V[:-1]}A key2", f"2026-11-02T09:00:00Z {V} ",
        f"2026-02-30T09:00:00Z {V} key2",
    ),
}  # fmt: skip
"""By tag, and by what is said of it, texts that cannot be followed."""


@pytest.mark.parametrize(
    ("tag", "text", "reason"),
    [(tag, text, reason) for (tag, reason), texts in WRONG.items() for text in texts],
)
def test_a_tag_that_cannot_be_followed_is_named_with_what_it_should_say(
    tag: str, text: str, reason: str
) -> None:
    decision = decides(Park, version(changes={tag: text}))
    assert f"{tag} {reason.format(text)}" in decision.reason
    assert decision.fix


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ValidityPeriodDays": None}, "ValidityPeriodDays is missing"),
        ({"ValidityPeriodDays": "10", "OverlapHours": "240"}, "tag OverlapHours spans the whole"),
        ({"ValidityPeriodDays": "10", "RotateBeforeDays": "10"}, "tag RotateBeforeDays spans the"),
        # Where the validity cannot be read, other spans are judged against ninety days.
        ({"ValidityPeriodDays": "sixty", "OverlapHours": "2160"}, "OverlapHours spans the whole"),
        ({"OverlapHours": LONG}, f"tag OverlapHours is {LONG[:40]!r}: set it to "),
        ({"Rotator": LONG}, f"tag Rotator is {LONG[:40]!r}: set it to "),
        ({"RotationWindow": LONG}, f"tag RotationWindow is {LONG[:40]!r}: set it to "),
    ],
)
def test_what_is_missing_spans_too_much_or_is_long_is_said_so(
    changes: dict[str, str | None], reason: str
) -> None:
    decision = decides(Park, version(changes=changes))
    assert reason in decision.reason


@pytest.mark.parametrize(
    "changes",
    [
        *({"ValidityPeriodDays": text} for text in ("1", "3650", " 90 ", "0090")),
        {"ValidityPeriodDays": "10", "OverlapHours": "239"},
        {"ValidityPeriodDays": "10", "RotateBeforeDays": "9"},
        {"ValidityPeriodDays": "366", "OverlapHours": "8760"},
        {"OverlapHours": "0"},
        {"Rotator": " storage-key "},
    ],
)
def test_what_is_just_inside_its_bounds_is_followed(changes: dict[str, str | None]) -> None:
    assert isinstance(judge(version(changes=changes)), Rotate | Skip)


@pytest.mark.parametrize(
    ("text", "credential"), [(" key2 ", "key2"), ("key2", "key2"), (" ", None), (None, None)]
)
def test_a_credential_is_named_without_the_blanks_around_it(
    text: str | None, credential: str | None
) -> None:
    read = parse(tags({"CredentialId": text}), POLICY, kinds_of(StorageKey))
    assert isinstance(read, Managed)
    assert read.credential_id == credential


def test_a_span_inside_ninety_days_is_not_the_problem_of_a_validity_that_cannot_be_read() -> None:
    decision = decides(
        Park, version(changes={"ValidityPeriodDays": "sixty", "OverlapHours": "2159"})
    )
    assert "OverlapHours" not in decision.reason


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "appdata", "https://appdata.blob.core.windows.net", LONG,
        "/subscriptions/x/resourceGroups/y", ACCOUNT.replace("appdata", "no"),
        ACCOUNT.replace("/resourcegroups/", "//resourcegroups/"), f"{ACCOUNT}/blobServices/default",
        ACCOUNT.replace("storageaccounts", "others"), ACCOUNT.replace("appdata", "with-dash"),
    ],
)  # fmt: skip
def test_an_address_that_is_no_id_is_quoted_and_parked(address: str) -> None:
    decision = decides(Park, version(changes={"ProviderAddress": address}))
    assert f"tag ProviderAddress is {address.strip()[:120]!r}" in decision.reason
    assert len(decision.reason) < 400


@pytest.mark.parametrize(
    "address",
    [ACCOUNT.upper(), f"  {ACCOUNT}/ ", f"{ACCOUNT}\n", ACCOUNT.replace("groups", "Groups")],
)
def test_an_address_is_read_whatever_its_case_and_blanks(address: str) -> None:
    decision = decides(Rotate, version(changes={"ProviderAddress": address}))
    assert decision.managed.source == ACCOUNT


@pytest.mark.parametrize(
    ("parent", "problem"),
    [
        (None, "tag DerivedFrom is missing: set it to the URL of the secret with the key"),
        ("app-key", "tag DerivedFrom is 'app-key': set it to the URL of the secret with the key"),
        (FOREIGN, f"tag DerivedFrom names a vault that is not served: {FOREIGN}"),
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
    kinds = kinds_of(StorageKey, type(refused("acme-token", "it is broken", "mend it")))
    acme: dict[str, str | None] = {"ProviderAddress": "acme", "Rotator": "acme-token"}
    assert parse(tags(acme), POLICY, kinds) == Malformed(("it is broken. Fix: mend it",))
    decision = judge(version(changes=acme), kinds=kinds)
    assert decision == Park("it is broken. Fix: mend it", "correct the tags")


def test_every_problem_is_told_at_once() -> None:
    wrong: dict[str, str | None] = {
        "ProviderAddress": "nowhere", "ValidityPeriodDays": "sixty", "OverlapHours": "-3",
        "ValueTemplate": "{password}",
    }  # fmt: skip
    decision = decides(Park, version(changes=wrong))
    for tag in ("ProviderAddress", "ValidityPeriodDays", "OverlapHours", "{password}", "{key}"):
        assert tag in decision.reason
