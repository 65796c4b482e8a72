"""What a later try knows a key by that is being replaced: it may run in another process."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from engine.secret import Sensitive


@dataclass(frozen=True, slots=True)
class Mark:
    """A key that a source is replacing, without its value."""

    since: float
    """When the source accepted that, in seconds since 1970; 0 where another one's change goes on."""
    key: str
    """The random key (hexadecimal) of the digest."""
    digest: str

    @classmethod
    def of(cls, slot: str, value: Sensitive, since: float = 0.0) -> Mark:
        """Mark what a slot holds now."""
        key = secrets.token_hex(16)
        return cls(since, key, _digest(key, slot, value))

    @classmethod
    def read(cls, text: str) -> Mark | None:
        """Read what `str` wrote; None for anything else."""
        try:
            since, key, digest = text.split(" ")
            bytes.fromhex(key)
            return cls(float(since), key, digest)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{self.since} {self.key} {self.digest}"

    def is_of(self, slot: str, value: Sensitive) -> bool:
        """Return whether a slot still holds what was marked."""
        return hmac.compare_digest(self.digest.encode(), _digest(self.key, slot, value).encode())


def _digest(key: str, slot: str, value: Sensitive) -> str:
    text = f"{slot}\n{value.reveal()}".encode()
    return hmac.new(bytes.fromhex(key), text, hashlib.sha256).hexdigest()
