"""What issues credentials, as plain state.

Two slots, one slot, two logins, or any number of secrets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

MARK = "!c"
"""How every credential in the model begins, so that a leak is found by looking for it."""


@dataclass
class Mint:
    """Makes credentials that tell themselves apart."""

    made: int = 0
    """So many so far."""
    time: Callable[[], float] = lambda: 0.0
    """What time it is at the source, in seconds."""

    def __call__(self) -> str:
        self.made += 1
        return f"{MARK}{self.made - 1}!"


def credential_in(value: str) -> str:
    """Return the credential inside a rendered value; empty where there is none."""
    start = value.find(MARK)
    return value[start : value.index("!", start + 1) + 1] if start >= 0 else ""


@dataclass
class Slots:
    """A source with named places for one credential each.

    Two keys, one password, or two logins with a password each.
    """

    mint: Mint
    held: dict[str, str]
    born: dict[str, float] = field(default_factory=dict)
    """When each slot was filled last."""

    def refill(self, slot: str) -> str:
        """Replace what a slot holds and return it."""
        self.held[slot], self.born[slot] = self.mint(), self.mint.time()
        return self.held[slot]

    def accepts(self, credential: str) -> bool:
        """Return whether this credential opens the source."""
        return credential in self.held.values()

    def alive(self) -> set[str]:
        """Return every credential that opens the source."""
        return set(self.held.values())

    def revoke(self, credential: str) -> None:
        """Replace a credential by one that nobody is told."""
        for slot in [slot for slot, held in self.held.items() if held == credential]:
            self.refill(slot)


@dataclass
class Entry:
    """One secret among many."""

    name: str
    secret: str
    known_at: float = 0.0
    """When every replica knows it, in seconds."""


@dataclass
class Many:
    """A source that holds any number of secrets, each under a key id and a display name."""

    mint: Mint
    entries: dict[str, Entry] = field(default_factory=dict)
    added: int = 0

    def add(self, name: str, known_at: float = 0.0) -> tuple[str, str]:
        """Add a secret; returns its key id and text."""
        self.added += 1
        key = f"id{self.added}"
        self.entries[key] = Entry(name, self.mint(), known_at)
        return key, self.entries[key].secret

    def accepts(self, credential: str) -> bool:
        """Return whether this credential opens the source, once it has spread."""
        return any(entry.secret == credential for entry in self.entries.values())

    def alive(self) -> set[str]:
        """Return every credential that opens the source."""
        return {entry.secret for entry in self.entries.values()}

    def revoke(self, credential: str) -> None:
        """Remove a credential."""
        for key in [key for key, entry in self.entries.items() if entry.secret == credential]:
            del self.entries[key]
