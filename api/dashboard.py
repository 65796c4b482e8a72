"""GET /api/dashboard: the inventory as one page that needs nothing else, what needs a person first. It reads no value.

Without the script, links lead from page to page; the script follows them and puts all rows on one page, so that a row
is written in one place only.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from api.answers import HTML, Answer
from api.dashboard_rows import axis, badge, grid, row
from api.listing import ATTENTION, Filter, Page, Place, page
from api.requests import Request
from engine.model.entry import NEEDS_A_PERSON, STATES
from engine.rotate.engine import Engine
from engine.secret import SecretRef

FIRST_ROWS, MOST_ROWS = 100, 1000
PARTS = ("html", "css", "js")
FILTERS = ("state", "vault", "name")
KEPT = (*FILTERS, "code")
"""What a link to the next rows repeats: the filter, and the function key of who came with one."""


async def dashboard(engine: Engine, request: Request) -> Answer:
    """Answer with the page, or with those of its rows that a cursor asks for."""
    limit = request.number("limit", FIRST_ROWS, MOST_ROWS) or FIRST_ROWS
    state = request.choice("state", (*STATES, ATTENTION))
    only = request.vault(engine.policy, request.query["vault"]) if request.query.get("vault") else ""
    cursor = request.query.get("cursor", "")
    chosen = Filter(state, name=_pattern(request.query.get("name", "")))
    found = await page(engine, Place.read(cursor) if cursor else None, chosen, limit, only)
    vaults = sorted(SecretRef(url, "").vault_name for url in engine.policy.scopes)
    return Answer(200, _page(request.query, vaults, found, engine.clock.now()), HTML, _headers())


def _pattern(name: str) -> str:
    """Read what was typed into the field: a part of the name, or a pattern."""
    name = name.strip()[:125]
    return f"*{name}*" if name and not set(name) & set("*?[") else name


def _page(query: Mapping[str, str], vaults: list[str], found: Page, now: datetime) -> str:
    parts = _parts()
    first, others = _split(found, now)
    return Template(parts["html"]).substitute(
        style=parts["css"],
        script=parts["js"],
        now=f"{now:%Y-%m-%d %H:%M} UTC",
        key=_hidden_key(query.get("code", "")),
        states=_options(query.get("state", "").lower(), (ATTENTION, *STATES), {ATTENTION: "needs a person"}),
        vaults=_options(query.get("vault", "").lower(), vaults, {}),
        name=escape(query.get("name", "")[:127]),
        counts=_counts(Counter(one.state for one in found.entries), query),
        said=f"{len(found.entries)} shown" + ("; there are more." if found.rest else "."),
        grid=grid(),
        axis=axis(),
        first=first,
        others=others,
        start=_link(query, "", "Back to the first page") if query.get("cursor") else "",
        next=_link(query, found.rest.cursor(), "Next page", ' rel="next"') if found.rest else "",
    )


def _split(found: Page, now: datetime) -> tuple[str, str]:
    """Write the rows of those that need a person, and of all others."""
    first = (row(one, now) for one in found.entries if one.state in NEEDS_A_PERSON)
    others = (row(one, now) for one in found.entries if one.state not in NEEDS_A_PERSON)
    return "\n".join(first), "\n".join(others)


def _counts(counts: Counter[str], query: Mapping[str, str]) -> str:
    """Write how many there are of each state, each a link to those."""
    return "".join(
        f'<li><a href="{_address({**query, "state": state}, "")}">{badge(state)}'
        f' <b data-count="{state}">{counts[state]}</b></a></li>'
        for state in STATES
    )


def _options(chosen: str, words: Iterable[str], labels: Mapping[str, str]) -> str:
    return "".join(
        f'<option value="{word}"{" selected" if word == chosen else ""}>{labels.get(word, word)}</option>'
        for word in words
    )


def _hidden_key(code: str) -> str:
    return f'<input type="hidden" name="code" value="{escape(code)}">' if code else ""


def _link(query: Mapping[str, str], cursor: str, text: str, more: str = "") -> str:
    return f'<a href="{_address(query, cursor)}"{more}>{text}</a>'


def _address(query: Mapping[str, str], cursor: str) -> str:
    """Return a link to this page with another query, for an attribute; it names no host and so stays here."""
    kept = {name: query[name] for name in KEPT if query.get(name)}
    return escape("?" + urlencode({**kept, "cursor": cursor} if cursor else kept))


@cache
def _parts() -> dict[str, str]:
    """Return template, style and script, read once."""
    here = Path(__file__)
    return {part: here.with_suffix(f".{part}").read_text(encoding="utf-8") for part in PARTS}


@cache
def _headers() -> dict[str, str]:
    """Return what keeps the page to itself: its own style and script, calls to its own host, no frame, no copy kept."""
    style, script = (_source(_parts()[part]) for part in ("css", "js"))
    policy = (
        f"default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _source(text: str) -> str:
    """Name an inline style or script by its hash: https://www.w3.org/TR/CSP3/#grammardef-hash-source."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
