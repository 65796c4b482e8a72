"""`rekey status`: how every secret stands, what needs a person first."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from dataclasses import replace
from typing import Any

from api.listing import EXPIRES_WITHIN, chosen, every, shown
from api.requests import Request
from cli.board import ORDER, Board
from cli.codes import Exit
from cli.gathering import Gathered, gather, records, remember
from cli.session import Session
from engine.state.entry import NEEDS_A_PERSON, STATES, Entry


async def status(session: Session, args: Namespace) -> int:
    """List the secrets with their state."""
    engine = await session.ready()
    query = {name: getattr(args, name) or "" for name in ("state", "rotator", "owner", "name")}
    if args.expires_within is not None:
        query[EXPIRES_WITHIN] = str(args.expires_within)
    request = Request("GET", "status", query=query)
    request.choice("rotator", tuple(engine.kinds))  # a wrong word is wrong usage
    selection = chosen(engine, request)
    board, seen = Board(session.terminal, engine.clock), Counter[str]()

    def take(entry: Entry) -> None:
        seen["all"] += 1
        if selection.lets_pass(entry):
            board.add(entry)
        board.answered(seen["all"])

    vaults = session.vaults(args.vault)
    index, lacking = await records(session, engine)
    listed = await gather(session, vaults, lambda vault: every(engine, [vault], index), seen=take)
    remember(session, vaults, listed)
    listed = replace(listed, unread=[*listed.unread, *lacking])
    _show(session, board, listed)
    waiting = any(entry.state in NEEDS_A_PERSON for entry in board.entries)
    return listed.worst(Exit.FOUND if waiting else Exit.FINE)


def _show(session: Session, board: Board, listed: Gathered[Entry]) -> None:
    counts = Counter(entry.state for entry in board.entries)
    entries = sorted(board.entries, key=lambda entry: str(entry.secret.ref))
    result: dict[str, Any] = {
        "counts": {state: counts[state] for state in STATES},
        "secrets": [shown(entry) for entry in entries],
        "unread": listed.to_json(),
    }
    if session.terminal.data(result, "secrets"):
        return
    words = ", ".join(f"{counts[state]} {state}" for state in ORDER if counts[state])
    unread = ", ".join(missing["vault"] for missing in result["unread"])
    missing = f"; could not be read: {unread}" if unread else ""
    board.end(f"secrets: {len(entries)}" + (f" ({words})" if words else "") + missing)
