"""GET /api/inventory: every secret as one page that needs nothing else, the most urgent first.

It reads no value. Without the script, links lead from page to page. The script follows them and
puts all rows on one page, so that a row is written in one place only.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from api.access import Caller, Role
from api.answers import Answer
from api.listing import ATTENTION, EXPIRES_WITHIN
from api.page import actions, incidents, look, schedule, sweeps
from api.page.columns import heads
from api.page.filters import FILTERS, GROUPS, Shown, gathered, text
from api.page.groups import groups
from api.page.timeline import ticks
from api.requests import Request
from api.route import Desk
from engine.secret import SecretRef
from engine.state.entry import STATES

NARROWING = ("state", "vault", "rotator", "owner", EXPIRES_WITHIN, "search")
"""What leaves secrets out."""
KEPT = (*FILTERS, "code")
"""What a link to the next rows repeats: the filter, and the function key of who came with one."""


async def inventory(at: Desk, request: Request, caller: Caller) -> Answer:
    """Answer with the page, or with those of its rows that a cursor asks for."""
    engine, query, now = at.engine, request.query, at.engine.clock.now()
    shown = await gathered(engine, request, now)
    group, sort = text(request, "group").lower(), text(request, "sort").lower()
    vaults = sorted(SecretRef(url, "").vault_name for url in engine.policy.scopes)
    first = not query.get("cursor")
    return look.drawn(
        "inventory.html",
        title="inventory",
        home=_address({"code": query.get("code", "")}),
        now=now,
        code=query.get("code", ""),
        chosen={name: text(request, name) for name in FILTERS},
        narrowed=any(map(query.get, NARROWING)),
        states=(ATTENTION, *STATES),
        vaults=vaults,
        kinds=sorted(engine.kinds),
        owners=shown.owners,
        by=GROUPS,
        counts=shown.counts,
        in_need=shown.in_need,
        total=len(shown.counted),
        links={state: _address({**query, "state": state}) for state in ("", ATTENTION, *STATES)},
        summary=_summary(shown),
        obstacle=shown.obstacle,
        ticks=ticks(),
        groups=groups(shown.entries, now, query, group, sort),
        heads=heads({name: query[name] for name in KEPT if query.get(name)}, sort),
        acts=actions.may_act(caller),
        cuts=caller.may(Role.ADMIN),
        days=schedule.days(engine, shown.entries, now, query),
        runbook=at.runbook,
        sweeps=await sweeps.seen(at.watch, now) if first else [],
        board=await incidents.board(engine, now, query) if first else incidents.Board(),
        start="" if first else _address(query),
        next=_address(query, shown.rest.cursor()) if shown.rest else "",
    )


def _summary(shown: Shown) -> str:
    total, rows = len(shown.counted), len(shown.entries)
    if not total and not shown.rest:
        return ""
    amount = f"{rows} shown" if rows == total else f"{rows} of {total} shown"
    return amount + ("; there are more." if shown.rest else ".")


def _address(query: Mapping[str, str], cursor: str = "") -> str:
    """Return a link to this page with another query; it names no host and so stays here."""
    kept = {name: query[name] for name in KEPT if query.get(name)}
    return "?" + urlencode({**kept, "cursor": cursor} if cursor else kept)
