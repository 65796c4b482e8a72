"""A secret as a row of the inventory. Pure; templates escape what came from tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from api.page.actions import possible
from api.page.sort_key import has_expired, is_incident, sort_key
from api.page.timeline import Line, Moment, line, moments
from engine.state.entry import NEEDS_A_PERSON, Entry
from engine.state.incident import ALL

KEPT_TO_A_SECRET = ("code",)
"""What a link to one secret repeats: the function key of who came with one."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a row shows."""

    key: str
    """Which secret it is, for the script."""
    sort_key: str
    name: str
    texts: Mapping[str, str]
    """What it is sorted by, by column."""
    state: str
    marks: tuple[str, ...]
    reason: str
    fix: str
    moments: tuple[Moment, ...]
    line: Line
    href: str
    in_need: bool
    harmless: str
    """The call that may be made for several at once; empty where there is none."""

    def moment(self, word: str) -> Moment | None:
        """Return the date with this word; None where the secret has none."""
        return next((moment for moment in self.moments if moment.word == word), None)


def row(entry: Entry, now: datetime, query: Mapping[str, str]) -> Row:
    """Return how a secret is shown."""
    secret, ref = entry.secret, entry.secret.ref
    dates = tuple(moments(entry, now))
    known = {moment.word: moment.iso for moment in dates}
    texts = {
        "secret": ref.name,
        "owner": secret.tags.get("Owner", ""),
        "vault": ref.vault_name,
        "kind": kind_of(entry),
        "due": known.get("due", ""),
        "expires": known.get("expires", ""),
    }
    return Row(
        key=str(ref),
        sort_key=sort_key(entry, now),
        name=ref.name,
        texts=texts,
        state=entry.state,
        marks=marks(entry, now),
        reason=entry.reason,
        fix=entry.fix,
        moments=dates,
        line=line(entry, now),
        href=to_secret(ref.vault_name, ref.name, query),
        in_need=entry.state in NEEDS_A_PERSON,
        harmless=harmless(entry),
    )


def harmless(entry: Entry) -> str:
    """Return the call that does no harm to several secrets at once; empty where there is none.

    A parked secret is tried again, and one that is due is rotated as the next sweep would.
    """
    able = {action.key for action in possible(entry)}
    verb = "unpark" if "unpark" in able else "rotate"
    if verb not in able or (verb == "rotate" and entry.state not in ("due", "overdue")):
        return ""
    return f"secrets/{entry.secret.ref.place}/{verb}"


def kind_of(entry: Entry) -> str:
    """Return the kind of credential; empty where it is unmanaged."""
    return entry.managed.rotator.kind if entry.managed else ""


def marks(entry: Entry, now: datetime) -> tuple[str, ...]:
    """Return what is worse than the state alone says."""
    expired = has_expired(entry, now) and entry.secret.enabled
    return (("incident",) if is_incident(entry) else ()) + (("expired",) if expired else ())


def to_secret(vault: str, name: str, query: Mapping[str, str]) -> str:
    """Return a link to the page of one secret, or of a vault; it names no host and so stays here."""
    kept = {field: query[field] for field in KEPT_TO_A_SECRET if query.get(field)}
    named = {} if name == ALL else {"secret": name}
    return "?" + urlencode({"vault": vault, **named, **kept})
