"""What a reported value was found to be."""

from __future__ import annotations

from dataclasses import dataclass

from engine.secret import SecretRef, Sensitive


@dataclass(frozen=True, slots=True)
class Match:
    """A version of a managed secret that holds, or held, a reported credential."""

    ref: SecretRef
    source: str
    kind: str
    """The kind in the tag Rotator; empty if nobody knows it any more."""
    version: str
    """Empty where Rekey is about to publish it."""
    credential_id: str
    credential: Sensitive
    """What its source takes; of a reported signature, the key that made it."""
    owner: str = ""
    is_current: bool = False
    """It is in the current version."""
    former: SecretRef | None = None
    """The secret that held it, where its source has passed on to `ref` since."""
    signs: bool = False
    """A signature was reported, and this is the key that made it."""

    @property
    def held_by(self) -> SecretRef:
        """The secret that the version is of."""
        return self.former or self.ref
