"""What the owner of a key lets other secrets hold."""

from __future__ import annotations

import pytest

from engine.secret import SecretRef
from engine.state.tag_texts import Consent, consents
from tests.shared.builders import REF, VAULT

EXTENT = "sas/container/uploads/rl"
FAR = SecretRef("https://other.vault.azure.net", "uploads")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"uploads={EXTENT}", [Consent("uploads", EXTENT)]),
        (f" uploads = /{EXTENT}/ ", [Consent("uploads", EXTENT)]),
        (f"{FAR}={EXTENT}", [Consent(str(FAR), EXTENT)]),
        (f"a={EXTENT}, b=sas/x/r", [Consent("a", EXTENT), Consent("b", "sas/x/r")]),
    ],
)
def test_each_entry_names_a_secret_and_what_it_may_hold(text: str, expected: list[Consent]) -> None:
    assert consents(text) == tuple(expected)


@pytest.mark.parametrize(
    "text",
    ["", "uploads", "uploads=", f"={EXTENT}", f"a_b={EXTENT}", f"http://x/y={EXTENT}", "a=b,"],
)
def test_what_is_no_consent_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        consents(text)


@pytest.mark.parametrize(
    ("consent", "derived", "extent", "expected"),
    [
        (Consent("uploads", EXTENT), SecretRef(VAULT, "uploads"), EXTENT, True),
        (Consent("Uploads", EXTENT), SecretRef(VAULT, "UPLOADS"), EXTENT, True),
        (Consent("uploads", EXTENT), SecretRef(VAULT, "uploads2"), EXTENT, False),
        (Consent("uploads", EXTENT), SecretRef(VAULT, "uploads"), f"{EXTENT}w", False),
        (Consent("uploads", EXTENT), FAR, EXTENT, False),
        (Consent(str(FAR), EXTENT), FAR, EXTENT, True),
        (Consent(str(FAR), EXTENT), SecretRef(VAULT, "uploads"), EXTENT, False),
    ],
)
def test_a_consent_covers_one_secret_and_one_extent(
    consent: Consent, derived: SecretRef, extent: str, *, expected: bool
) -> None:
    """A bare name stands for a secret in the vault of the key."""
    assert consent.covers(REF, derived, extent) is expected
