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
    used = fields(template)
    found = [f"ValueTemplate uses {{{name}}}; known here: {', '.join(sorted(known))}" for name in sorted(used - known)]
    if needed not in used:
        found.append(f"ValueTemplate has no {{{needed}}}: the new value would hold no credential")
    return found


def fields(template: str) -> set[str]:
    """Name the placeholders of a template."""
    return set(PLACEHOLDER.findall(template))


def render(template: str, values: Mapping[str, Sensitive]) -> Sensitive:
    """Fill in the template's placeholders; every one of them must be in `values`."""
    return Sensitive(PLACEHOLDER.sub(lambda match: values[match[1]].reveal(), template))


def extract(template: str, value: Sensitive | None) -> dict[str, Sensitive] | None:
    """Read the fields back out of a rendered value; None where there is none, or it does not come from this template."""
    if value is None:
        return None
    pattern, end, seen = "", 0, set[str]()
    for match in PLACEHOLDER.finditer(template):
        name = match[1]
        pattern += re.escape(template[end : match.start()]) + (f"(?P={name})" if name in seen else f"(?P<{name}>.+?)")
        seen.add(name)
        end = match.end()
    found = re.fullmatch(pattern + re.escape(template[end:]), value.reveal(), re.DOTALL)
    return {name: Sensitive(text) for name, text in found.groupdict().items()} if found else None
