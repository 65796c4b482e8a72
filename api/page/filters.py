"""What a reader chose to see: filters, and how rows are grouped."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from api import readers
from api.listing import ATTENTION, EXPIRES_WITHIN, Cursor, Filter, Page, ending, page
from api.page.actions import KEYS
from api.page.columns import SORTS
from api.requests import Request
from engine.engine import Engine
from engine.state.entry import NEEDS_A_PERSON, STATES, Entry

FIRST_ROWS, MOST_ROWS = 100, 1000
GROUPS = ("none", "owner", "rotator", "vault")
FILTERS = ("state", "vault", "rotator", "owner", EXPIRES_WITHIN, "search", "group", "sort")
MOST_TEXT = 127


@dataclass(frozen=True, slots=True)
class Sieve(Filter):
    """A filter that also counts what it would let pass if no state were chosen."""

    search: str = ""
    owners: set[str] = field(default_factory=set, compare=False)
    """The owners of everything that it was asked about, whoever was chosen."""
    counted: list[Entry] = field(default_factory=list, compare=False)
    passed: list[Entry] = field(default_factory=list, compare=False)

    def lets_pass(self, entry: Entry) -> bool:
        """Return whether a secret is shown."""
        self.owners.add(entry.secret.tags.get("Owner", ""))
        anywhere = Filter("", self.rotator, self.owner, expired_by=self.expired_by)
        if not (anywhere.lets_pass(entry) and _mentions(entry, self.search)):
            return False
        self.counted.append(entry)
        if not Filter(self.state).lets_pass(entry):
            return False
        self.passed.append(entry)
        return True


@dataclass(frozen=True, slots=True)
class Shown:
    """What one answer shows, and how many secrets there are of each state, whatever state was chosen."""

    entries: list[Entry]
    counted: list[Entry]
    rest: Cursor | None
    owners: list[str]
    obstacle: str | None

    @property
    def counts(self) -> Counter[str]:
        """Return how many secrets are in each state."""
        return Counter(entry.state for entry in self.counted)

    @property
    def in_need(self) -> int:
        """Return how many secrets need a person."""
        return sum(entry.state in NEEDS_A_PERSON for entry in self.counted)


def check(request: Request, now: datetime) -> None:
    """Raise BadRequest for a choice that there is not, whichever page is asked for."""
    request.number("limit", FIRST_ROWS, MOST_ROWS, least=1)
    ending(request, now)
    request.choice("state", (*STATES, ATTENTION))
    request.choice("group", GROUPS)
    request.choice("sort", SORTS)
    request.choice("try", KEYS)
    request.number("days", readers.DAYS, readers.MOST_DAYS, least=1)


async def gathered(engine: Engine, request: Request, now: datetime) -> Shown:
    """Gather what a request asks for; raises BadRequest or NotFound for what it cannot mean."""
    query = request.query
    limit = request.number("limit", FIRST_ROWS, MOST_ROWS, least=1)
    state = request.choice("state", (*STATES, ATTENTION))
    rotator = request.kind(engine.kinds)
    only = request.vault(engine.policy, query["vault"]) if query.get("vault") else ""
    cursor = query.get("cursor", "")
    sieve = Sieve(
        state,
        rotator,
        text(request, "owner"),
        expired_by=ending(request, now),
        search=text(request, "search").lower(),
    )
    part = await page(engine, Cursor.read(cursor) if cursor else None, sieve, limit, only)
    return _shown(sieve, part)


def text(request: Request, name: str) -> str:
    """Return what was typed into a field."""
    return request.query.get(name, "").strip()[:MOST_TEXT]


def _shown(sieve: Sieve, part: Page) -> Shown:
    # The first secret that no longer fits is looked at now and again for the next page. It counts
    # there.
    overlooked = len(sieve.passed) > len(part.entries)
    counted = sieve.counted[:-1] if overlooked else sieve.counted
    owners = sorted(filter(None, {*sieve.owners, sieve.owner}), key=str.lower)
    return Shown(part.entries, counted, part.rest, owners, part.obstacle)


def _mentions(entry: Entry, words: str) -> bool:
    """Return whether a secret fits what was typed.

    A pattern of its name, or a part of what its row says.
    """
    name = entry.secret.ref.name.lower()
    if not words:
        return True
    if set(words) & set("*?["):
        return fnmatchcase(name, words)
    tags = entry.secret.tags
    texts = (name, tags.get("Owner", ""), tags.get("ProviderAddress", ""), entry.reason)
    return any(words in text.lower() for text in texts)
