"""`rekey plan`: what will happen in the days to come."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from datetime import timedelta

from cli.codes import Exit
from cli.gathering import gather, records
from cli.session import Session
from cli.terminal import distance, iso, moment
from engine.state.entry import Scheduled


async def plan(session: Session, args: Namespace) -> int:
    """Tell what the sweeps of the next days will do, and what will expire all the same."""
    engine = await session.ready()
    # All secrets, since what becomes of a replica depends on its primary; the choice is made at the
    # end.
    index, lacking = await records(session, engine)
    listed = await gather(session, engine.policy.scopes, engine.vaults.list)
    listed = replace(listed, unread=[*listed.unread, *lacking])
    now, terminal = engine.clock.now(), session.terminal
    only = set(session.vaults(args.vault))
    until = now + timedelta(days=args.days)
    everything = engine.inventory.plan(listed.found, until, index)
    scheduled = [event for event in everything if event.secret.ref.vault in only]
    lost = sum(event.what == "expire" for event in scheduled)
    result = {
        "until": iso(until),
        "coming": [_json(event) for event in scheduled],
        "unread": listed.to_json(),
    }
    if not terminal.data(result, "coming"):
        terminal.line(
            f"until {moment(until)} to come: {len(scheduled) - lost}, expiries that nothing will "
            f"prevent: {lost}"
        )
        if scheduled:
            terminal.line()
            rows = [
                (
                    event.what,
                    moment(event.at),
                    distance(event.at, now),
                    event.secret.ref.place,
                    event.reason,
                )
                for event in scheduled
            ]
            # An expiry without its reason would leave a person with nothing to do about it.
            spare = ("",) if lost else ("", "why")
            terminal.table(("what", "when", "", "secret", "why"), rows, spare=spare)
    return listed.worst(Exit.FOUND if lost else Exit.FINE)


def _json(event: Scheduled) -> dict[str, str]:
    ref = event.secret.ref
    return {
        "at": str(iso(event.at)),
        "what": event.what,
        "vault": ref.vault_name,
        "secret": ref.name,
        "reason": event.reason,
        "fix": event.fix,
    }
