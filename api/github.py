"""GitHub's webhook of secret scanning: POST /api/leaks/github. Its signature opens the call.

The answer tells nothing of the value, and GitHub shows it to whoever may see the webhook.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from api.answers import Answer, TooMany, Unauthorized
from api.leaks import (
    DOUBTED_SECONDS,
    RECEIVED,
    Finding,
    Reports,
    others,
    taken,
    tell_unseen,
    unjudged,
)
from api.requests import Request, stamp
from engine.engine import Engine
from engine.errors import RekeyError
from engine.secret import SecretRef, Sensitive
from leaks.feeds import alert_of, is_signed

MOST_BODY = 256 * 1024
"""Bytes of a delivery that are looked at."""
MOST = 300
"""How many alerts one instance takes in a minute: GitHub delivers none again by itself.

Each takes three calls, of which GitHub answers 900 a minute
(https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api), and two changes of
its source, of which Resource Manager takes 600.
"""


async def deliver(
    engine: Engine, reports: Reports, request: Request, note: Callable[[Answer], None]
) -> Answer:
    """Take one delivery. One that comes twice, or is replayed, is taken once."""
    leaks = engine.policy.document.leaks
    if not leaks.webhook or engine.alerts is None or engine.policy.own is None:
        fix = "see docs/leaks.md, leaks.github"
        raise Unauthorized("no webhook of GitHub is expected", fix=fix)
    vault, now = engine.policy.own.vault, engine.clock.monotonic()
    # What GitHub signs is the body alone: a replay may call itself another delivery.
    name = hashlib.sha256(b"github " + request.body).hexdigest()
    try:
        hook = SecretRef(vault, leaks.webhook)
        if not _is_signed(request, await reports.kept(now, engine.vaults, hook)):
            _check(request, await reports.kept(now, engine.vaults, hook, DOUBTED_SECONDS))
        alert = alert_of(request.headers.get("x-github-event", ""), request.body)
        if alert is None or (engine.memory and await engine.memory.recall(name)):
            return RECEIVED
        reports.let_in(now, "GitHub", MOST)
        key = await reports.kept(now, engine.vaults, SecretRef(vault, leaks.token))
        value = await engine.alerts.value(alert.repository, alert.number, key, leaks.app)
        finding = Finding(value.reveal(), "github", alert.page, "GitHub")
        queued = await taken(engine, reports, finding)
        note(replace(queued.answer, status=RECEIVED.status))
        await queued.post(engine)
        async for other in others(engine, reports, finding, queued):
            await other.post(engine)
        tell_unseen(queued, finding)
    except (Unauthorized, TooMany):  # Where there are too many, api/app.py counts it.
        raise
    except BaseException as error:
        # GitHub sends none again by itself, and nobody can tell here whether it has sent this one.
        engine.reporter.given_up("leaks")
        if isinstance(error, RekeyError):
            raise unjudged(error, "GitHub") from error
        raise
    if engine.memory:
        # Only now: what failed may be delivered again.
        await engine.memory.remember(name, stamp(engine.clock.now()))
    return RECEIVED


def _is_signed(request: Request, key: Sensitive) -> bool:
    header = request.headers.get("x-hub-signature-256", "")
    return len(request.body) <= MOST_BODY and is_signed(request.body, header, key)


def _check(request: Request, key: Sensitive) -> None:
    if not _is_signed(request, key):
        raise Unauthorized(
            "the delivery is not signed as GitHub signs it",
            fix="write the same text into the webhook and into leaks.github.webhookSecret",
        )
