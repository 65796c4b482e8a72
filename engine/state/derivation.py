"""The consent of a key's owner: which secrets may hold what is made from the key, and what that is.

The tag `MayDerive` of the secret with the key lists entries, separated by commas, such as
`uploads=sas/container/uploads/rl`: a secret (by its name where it is in the same vault, otherwise
by its URL), and what may be made for it. Whoever may edit the derived secret alone can widen
neither. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import NeedsHuman
from engine.secret import SECRET_NAME, SecretRef

EXPECTED = "entries such as <secret>=sas/container/<name>/r, comma-separated"


@dataclass(frozen=True, slots=True)
class Consent:
    """One secret, and what may be made for it."""

    secret: str
    """A name in the vault of the key, or a URL."""
    extent: str
    """What follows the key's source in the source of the derived secret."""

    def ref(self, vault: str) -> SecretRef:
        """Return the secret, named by the owner of a key in this vault."""
        if SECRET_NAME.fullmatch(self.secret):
            return SecretRef(vault, self.secret)
        return SecretRef.parse(self.secret)

    def covers(self, key: SecretRef, derived: SecretRef, extent: str) -> bool:
        """Return whether the owner of `key` lets `derived` hold this."""
        named = str(self.ref(key.vault)).lower()
        return named == str(derived).lower() and self.extent == extent


def consents(text: str) -> tuple[Consent, ...]:
    """Read the tag; raises ValueError."""
    return tuple(_consent(entry) for entry in text.split(","))


def _consent(text: str) -> Consent:
    secret, _, extent = (part.strip() for part in text.partition("="))
    if not extent or not _is_secret(secret):
        raise ValueError(text)
    return Consent(secret, extent.strip("/"))


def _is_secret(text: str) -> bool:
    try:
        return bool(SECRET_NAME.fullmatch(text) or SecretRef.parse(text))
    except NeedsHuman:
        return False
