"""What issues credentials, as plain state.

Two slots, one slot, two logins, or any number of secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.errors import UnderWay

MARK = "!c"
"""How every credential in the model begins, so that a leak is found by looking for it."""


@dataclass
class Mint:
    """Makes credentials that tell themselves apart."""

    made: int = 0
    """So many so far."""
    time: Callable[[], float] = lambda: 0.0
    """What time it is at the source, in seconds."""
    padding: str = ""
    """What makes each as long as a real one, where that matters."""

    def __call__(self) -> str:
        self.made += 1
        return f"{MARK}{self.made - 1}{self.padding}!"


NAMED = ("/one-login", "/two-pairs")
"""Addresses with several sources: the tag CredentialId names one, and may number its slot."""


def address_of(source: str) -> str:
    """Return the address that a secret of a source names."""
    address = source.rpartition("/")[0]
    return address if address in NAMED else source


def source_named(tags: Mapping[str, str]) -> str:
    """Return the source that a secret's tags name; empty if they name none."""
    address = tags.get("ProviderAddress", "")
    name = tags.get("CredentialId", "").rstrip("12")
    return f"{address}/{name}" if address in NAMED else address


def credential_in(value: str) -> str:
    """Return the credential inside a rendered value; empty where there is none."""
    start = value.find(MARK)
    return value[start : value.index("!", start + 1) + 1] if start >= 0 else ""


@dataclass
class Change:
    """A change that an account has accepted and goes on with."""

    slots: Slots
    slot: str
    ends: float
    """When it comes to its end, in seconds."""
    fails: bool
    """It changes nothing in the end."""
    asker: int
    """The worker that asked for it, until it has noted that; 0 from then on.

    What no record says comes like a request that arrives late.
    """

    def answered(self, worker: int) -> None:
        """Count it as noted, if this worker asked for it."""
        self.asker = 0 if worker == self.asker else self.asker

    def come(self) -> None:
        """Take effect, unless it fails."""
        if not self.fails:
            self.slots.refill(self.slot)


@dataclass
class Lasting:
    """The changes of one account, which go on after its answer, one at a time.

    An account with several pairs of keys changes one key of all of them at a time.
    """

    takes: float
    """How long each goes on, in seconds."""
    failing: int = 0
    """So many of the next ones fail in the end."""
    change: Change | None = None
    names: float = 60.0
    """After how many seconds it is to be asked again, as it says."""
    asked_at: float = 0.0
    early: int = 0
    """How often it was asked again long before that."""

    def begin(self, slots: Slots, slot: str, now: float, asker: int) -> None:
        """Accept a change that a worker asks for; raises UnderWay while another one goes on."""
        asked_at, self.asked_at = self.asked_at, now
        if self.change:
            self.early += now < asked_at + self.names / 2
            raise UnderWay("another change is under way", code="Conflict", retry_after=self.names)
        self.change = Change(slots, slot, now + self.takes, self.failing > 0, asker)
        self.failing = max(0, self.failing - 1)

    def end(self) -> None:
        """Let the change come that goes on."""
        change, self.change = self.change, None
        if change:
            change.come()


@dataclass
class Slots:
    """A source with named places for one credential each.

    Two keys, one password, or two logins with a password each.
    """

    mint: Mint
    held: dict[str, str]
    born: dict[str, float] = field(default_factory=dict)
    """When each slot was filled last."""
    lasting: Lasting | None = None
    """What is under way at its account; None where a change is done with its answer."""

    def refill(self, slot: str, credential: str = "") -> str:
        """Replace what a slot holds, by this if it is given, and return it."""
        self.held[slot], self.born[slot] = credential or self.mint(), self.mint.time()
        return self.held[slot]

    def accepts(self, credential: str) -> bool:
        """Return whether this credential opens the source."""
        return credential in self.held.values()

    def replaces(self, credential: str) -> bool:
        """Return whether a change goes on that will end this credential."""
        change = self.lasting.change if self.lasting else None
        return bool(change and change.slots is self and self.held[change.slot] == credential)

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


LIST_LAGS = 30.0
"""Seconds for which a listing may still show what was there before."""


@dataclass
class Many:
    """A source that holds any number of secrets, each under a key id and a display name."""

    mint: Mint
    entries: dict[str, Entry] = field(default_factory=dict)
    added: int = 0
    changed: float = -LIST_LAGS
    before: dict[str, Entry] = field(default_factory=dict)
    """What was there before the latest change."""

    def change(self) -> dict[str, Entry]:
        """Note what is there before a change; return what is to be changed."""
        self.changed, self.before = self.mint.time(), dict(self.entries)
        return self.entries

    def stale(self) -> dict[str, Entry]:
        """Return what a replica that lags may show."""
        lags = self.mint.time() - self.changed < LIST_LAGS
        return dict(self.before if lags else self.entries)

    def add(self, name: str, known_at: float = 0.0) -> tuple[str, str]:
        """Add a secret; returns its key id and text."""
        self.added += 1
        key = f"id{self.added}"
        self.change()[key] = Entry(name, self.mint(), known_at)
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
            del self.change()[key]


@dataclass
class Listing(Many):
    """A list that can only be replaced as a whole, by whoever read it a moment ago.

    What Rekey adds to it is made in a vault first, once for each operation.
    """

    pairs: dict[str, str] = field(default_factory=dict)
    """By operation, what was made for it."""

    def pair(self, operation: str) -> str:
        """Return what is made for an operation: the same at every try."""
        if operation not in self.pairs:
            self.pairs[operation] = self.mint()
        return self.pairs[operation]

    def replace(self, entries: dict[str, Entry]) -> None:
        """Put another list in its place, whatever somebody has changed meanwhile."""
        self.change()
        self.entries = dict(entries)


SIGNATURE = re.compile(rf"({MARK}\d+)s(\d+)!")
"""A signature names the key that made it, and when it ends, in seconds."""


def signature(key: str, ends: float) -> str:
    """Return what a key signs: the same text for the same key and end."""
    return f"{key[:-1]}s{int(ends)}!"


def signed(credential: str) -> tuple[str, float]:
    """Return the key that made a signature, and when that ends; an empty key for anything else."""
    match = SIGNATURE.fullmatch(credential)
    return (f"{match[1]}!", float(match[2])) if match else ("", 0.0)


ENDS_WITH_KEY = "a signature ends with its key"


@dataclass
class Signatures:
    """What the keys of another source sign. It has no state of its own."""

    keys: Slots

    def accepts(self, credential: str) -> bool:
        """Return whether a key that lives has made it, and it has not ended."""
        key, ends = signed(credential)
        return self.keys.accepts(key) and ends > self.keys.mint.time()

    def alive(self) -> set[str]:
        """Return nothing: how many there are nobody knows. They live and die with their keys."""
        return set()

    def revoke(self, credential: str) -> None:
        """Do nothing: only the end of its key revokes a signature."""


type Source = Slots | Many | Signatures
