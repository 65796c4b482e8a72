"""`rekey status`: how every secret stands, what needs a person first."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from api.listing import chosen
from api.requests import Request
from cli.codes import Exit
from cli.gathering import inventory
from cli.session import Session
from cli.terminal import Terminal, distance, moment
from engine.model.entry import NEEDS_A_PERSON, STATES, Entry, State

ORDER: tuple[State, ...] = ("parked", "drifted", "overdue", "due", "ok", "disabled", "unmanaged")
HEADS = ("state", "secret", "rotator", "owner", "expires", "due")


async def status(session: Session, args: Namespace) -> int:
    """List the secrets with their state."""
    engine = await session.ready()
    asked = {name: getattr(args, name) or "" for name in ("state", "rotator", "owner", "name")}
    wanted = chosen(engine, Request("GET", "status", query=asked))
    listed = await inventory(session, engine, session.vaults(args.vault))
    entries = [one for one in listed.found if wanted.lets_pass(one)]
    _show(session.terminal, entries, engine.clock.now())
    waiting = any(one.state in NEEDS_A_PERSON for one in entries)
    return listed.worst(Exit.FOUND if waiting else Exit.FINE)


def _show(terminal: Terminal, entries: Sequence[Entry], now: datetime) -> None:
    counts = Counter(one.state for one in entries)
    if terminal.as_json:
        states = {state: counts[state] for state in STATES}
        terminal.result({"counts": states, "secrets": [one.to_json() for one in entries]})
        return
    words = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    terminal.line(f"secrets: {len(entries)}" + (f" ({words})" if words else ""))
    needy = [one for one in _ordered(entries) if one.state in NEEDS_A_PERSON]
    for one in needy:
        terminal.line()
        terminal.line(f"{one.state}: {place(one)}", "31")
        terminal.fields({"  why": one.reason, "  fix": one.fix})
    if entries:
        terminal.line()
        terminal.table(HEADS, [_row(one, now) for one in _ordered(entries)])


def place(one: Entry) -> str:
    """Name a secret as the command line takes it."""
    return f"{one.secret.ref.vault_name}/{one.secret.ref.name}"


def _ordered(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda one: (ORDER.index(one.state), one.due is None, one.due, str(one.secret.ref)))


def _row(one: Entry, now: datetime) -> tuple[str, ...]:
    kind = one.managed.rotator.kind if one.managed else ""
    owner = one.secret.tags.get("Owner", "")
    due = moment(one.due) if one.due else ""
    return one.state, place(one), kind, owner, distance(one.secret.expires, now), due
