"""`rekey wait`: until a secret is in a state, or an operation has come to its end."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from datetime import timedelta
from typing import Any

from api import listing
from api.answers import BadRequest
from api.operations import Operation
from api.requests import stamp
from cli.acting import ended
from cli.codes import Exit
from cli.naming import expected, request_for
from cli.session import Session
from cli.words import STATES
from engine.secret import SecretRef

READ_AGAIN_SECONDS = 5.0
RECENTLY = timedelta(hours=1)
"""How long ago an operation was requested at most, where nobody says when."""


async def wait(session: Session, args: Namespace) -> int:
    """Wait; the exit code says whether it came to that in time."""
    if args.operation:
        return await _operation(session, args)
    states = _states(args.state)
    engine, ref = await session.ready(), session.secret(args.secret)
    ends = engine.clock.monotonic() + args.timeout
    while True:
        stands = await _stands(session, ref)
        left = ends - engine.clock.monotonic()
        if stands["state"] in states or left <= 0:
            break
        session.terminal.progress(f"{stands['state']}: {stands['reason']}")
        await engine.clock.sleep(min(READ_AGAIN_SECONDS, left))
    session.terminal.progress("")
    shown = {
        name: stands[name] for name in ("vault", "secret", "version", "state", "reason", "fix")
    }
    if not session.terminal.data(shown):
        session.terminal.fields(shown)
    return Exit.FINE if stands["state"] in states else Exit.RUNNING


async def _stands(session: Session, ref: SecretRef) -> dict[str, Any]:
    engine = await session.ready()
    async with expected(engine, ref):
        return dict((await listing.show(engine, ref)).body)


def _states(text: str) -> list[str]:
    states = [word.strip().lower() for word in text.split(",")]
    if unknown := [word for word in states if word not in STATES]:
        raise BadRequest(
            f"--state: there is no {unknown[0][:40]!r}", fix=f"write some of {', '.join(STATES)}"
        )
    return states


async def _operation(session: Session, args: Namespace) -> int:
    engine = await session.ready()
    since = args.since or stamp(engine.clock.now() - RECENTLY)
    flags = {name: "true" for name in ("force", "compromised") if getattr(args, name)}
    request = request_for(
        session.deployed, args.secret, {"action": args.action, "since": since, **flags}
    )
    request = replace(request, path={**request.path, "operation": args.operation})
    session.terminal.progress(f"operation {args.operation} is followed")
    async with expected(engine, request.secret(session.deployed)):
        return await ended(session, Operation.of(engine, request), args.timeout)
