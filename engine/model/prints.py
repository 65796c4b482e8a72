"""Prints of credentials: keyed digests by which a reported value is found among all records. Pure.

The key is a secret in Key Vault, and the same for all records. So one digest of a reported value is
looked up, where a record's own key would need one digest for each record and credential. A print
decides nothing: what it leads to is compared with the vault, or with the record's own digest. But
the prints of two versions tell, where one of them cannot be read, that both hold the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ID, BYTES = 4, 12
"""Letters of the key's version that begin a print, and bytes of the digest that follow.

With 96 bits, a million prints meet by chance once in 10^16 deployments.
"""
SEPARATOR = "."


@dataclass(frozen=True, slots=True)
class Prints:
    """Makes prints."""

    keys: Mapping[str, bytes] = field(default_factory=dict)
    """The keys by the id of their version, the newest first; empty where the policy names none."""

    def __repr__(self) -> str:
        return f"Prints({len(self.keys)} keys)"

    def of(self, *texts: str) -> str:
        """Return the prints of these texts under the newest key; empty if there is no key."""
        newest = next(iter(self.keys), "")
        return SEPARATOR.join(self._print(newest, text) for text in texts) if newest else ""

    def each(self, text: str) -> Iterator[str]:
        """Yield the print of a text under each key."""
        return (self._print(version, text) for version in self.keys)

    def knows(self, prints: str) -> bool:
        """Return whether a key is there under which these prints were made."""
        return any(prints[:ID] == version[:ID] for version in self.keys)

    def _print(self, version: str, text: str) -> str:
        digest = hmac.digest(self.keys[version], text.encode(), hashlib.sha256)
        return version[:ID] + base64.urlsafe_b64encode(digest[:BYTES]).decode()
