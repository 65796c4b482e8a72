"""`rekey show` and `rekey history`: one secret, what has happened to it, and what happens next."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from api import listing
from cli.codes import Exit
from cli.naming import expected
from cli.session import Session
from cli.terminal import Terminal, distance, iso, moment
from engine.secret import SecretRef, Version
from engine.state.entry import NEEDS_A_PERSON, Scheduled
from engine.state.history import events

AHEAD = timedelta(days=366)
"""How far `show` looks ahead for what comes next."""
LATEST, SCHEDULED = 3, 3
"""How many versions and events ahead `show` names."""
HEADS = ("written", "version", "by", "credential", "expires", "cause")
TIMES = (
    *("created", "expires", "due", "parked_since"),
    *("under_way_since", "overlap_until", "next_check"),
)


async def show(session: Session, args: Namespace) -> int:
    """Show how one secret stands, its latest versions, and what happens next."""
    engine, ref = await session.ready(), session.secret(args.secret)
    async with expected(engine, ref):
        stands = dict((await listing.show(engine, ref)).body)
        current = (await _versions(session, ref))[0]
    now = engine.clock.now()
    index = await listing.index_of(engine)
    scheduled = engine.inventory.plan([current], now + AHEAD, index)[:SCHEDULED]
    if not session.terminal.data({**stands, "next": [_ahead(event) for event in scheduled]}):
        _show(session.terminal, stands, now, scheduled)
    return Exit.FOUND if stands["state"] in NEEDS_A_PERSON else Exit.FINE


async def history(session: Session, args: Namespace) -> int:
    """List every version of one secret, newest first."""
    engine, ref = await session.ready(), session.secret(args.secret)
    async with expected(engine, ref):
        await listing.show(engine, ref)
        past = events(await _versions(session, ref))
    if not session.terminal.data(
        {"vault": ref.vault_name, "secret": ref.name, "versions": past}, "versions"
    ):
        session.terminal.table(HEADS, _rows(past))
    return Exit.FINE


async def _versions(session: Session, ref: SecretRef) -> list[Version]:
    return await session.service.engine.versions(ref)


def _show(
    terminal: Terminal, stands: Mapping[str, Any], now: datetime, scheduled: Sequence[Scheduled]
) -> None:
    terminal.fields(
        {name: _written(name, value, now) for name, value in stands.items() if name != "history"}
    )
    if scheduled:
        terminal.line()
        rows = [_coming_row(event, now) for event in scheduled]
        terminal.table(("next", "when", "", "why"), rows, spare=("",))
    terminal.line()
    terminal.table(HEADS, _rows(stands["history"][:LATEST]))


def _coming_row(event: Scheduled, now: datetime) -> tuple[str, ...]:
    return event.what, moment(event.at), distance(event.at, now), event.reason


def _written(name: str, value: Any, now: datetime) -> Any:
    if name not in TIMES or not value:
        return value
    time = datetime.fromisoformat(value)
    return f"{moment(time)} ({distance(time, now)})"


def _rows(past: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            _moment(version["created"]),
            str(version["version"]) + ("" if version["enabled"] else " (disabled)"),
            str(version["written_by"]),
            str(version["credential"] or ""),
            _moment(version["expires"]),
            str(version["cause"] or ""),
        )
        for version in past
    ]


def _moment(text: str | None) -> str:
    return moment(datetime.fromisoformat(text)) if text else "never"


def _ahead(event: Scheduled) -> dict[str, str | None]:
    return {"at": iso(event.at), "what": event.what, "reason": event.reason, "fix": event.fix}
