"""How a page is made: its template, its one style and script, and its headers.

Jinja2 is loaded by the first page, not at the app's start:
most instances never draw one.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.answers import HTML, Answer
from api.page import states
from engine.state.entry import STATES

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
SCRIPTS = ("shared.js", "inventory.js", "leak.js", "secret.js")
"""The files of the one script, in order."""


def drawn(template: str, status: int = 200, **values: Any) -> Answer:
    """Return a page; every value is escaped as it is written."""
    style, script = _parts()
    page = environment().get_template(template)
    return Answer(status, page.render(style=style, script=script, **values), HTML, headers())


@cache
def environment() -> Environment:
    """Return what reads the templates.

    Everything is escaped, and a name that is not there is an error.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"STATES": STATES, "meanings": states.MEANINGS, "section": states.section}
    return made


@cache
def _parts() -> tuple[str, str]:
    """Return style and script as they stand in their files.

    Nothing in them comes from elsewhere.
    """
    from markupsafe import Markup

    style = (HERE / "page.css").read_text(encoding="utf-8")
    scripts = ((HERE / "script" / name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = "\n".join(scripts)
    return Markup(style), Markup(script)  # noqa: S704 - files of this app


@cache
def headers() -> dict[str, str]:
    """Return what the page may do.

    Its own style and script, calls to its own host, no frame, no copy kept.
    """
    style, script = (_source(part) for part in _parts())
    policy = (
        f"default-src 'none'; style-src {style}; script-src {script}; connect-src 'self'; "
        "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _source(text: str) -> str:
    """Name an inline style or script by its hash.

    Https://www.w3.org/TR/CSP3/#grammardef-hash-source.
    """
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
