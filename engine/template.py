"""Values that hold more than the bare credential: a connection string around `{key}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from engine.secret import Sensitive

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
"""Only lower-case words are placeholders, so that `Driver={ODBC Driver 18 for SQL Server}` stays as it is."""


def problems(template: str, known: AbstractSet[str], needed: str) -> list[str]:
    """Tell what is wrong with a template: unknown placeholders, or the one without which it holds no credential."""
    used = set(PLACEHOLDER.findall(template))
    found = [f"ValueTemplate uses {{{name}}}; known here: {', '.join(sorted(known))}" for name in sorted(used - known)]
    if needed not in used:
        found.append(f"ValueTemplate has no {{{needed}}}: the new value would hold no credential")
    return found


def render(template: str, fields: Mapping[str, Sensitive]) -> Sensitive:
    """Fill in the template's placeholders; every one of them must be in `fields`."""
    return Sensitive(PLACEHOLDER.sub(lambda match: fields[match[1]].reveal(), template))


def extract(template: str, value: Sensitive, wanted: str) -> Sensitive | None:
    """Find the `wanted` field inside a rendered value; None where the value does not come from this template."""
    pattern, end = "", 0
    for match in PLACEHOLDER.finditer(template):
        group = f"(?P<{wanted}>.+)" if match[1] == wanted and f"?P<{wanted}>" not in pattern else ".*"
        pattern += re.escape(template[end : match.start()]) + group
        end = match.end()
    found = re.fullmatch(pattern + re.escape(template[end:]), value.reveal(), re.DOTALL)
    return Sensitive(found[wanted]) if found else None
