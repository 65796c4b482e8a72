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
    """Read the fields back out of a rendered value; None where there is none, or it does not come from this template.

    A field ends where the text behind it in the template begins for the first time.
    """
    if value is None:
        return None
    found = re.fullmatch(_pattern(template), value.reveal(), re.DOTALL)
    return {name: Sensitive(text) for name, text in found.groupdict().items()} if found else None


def _pattern(template: str) -> str:
    """Return a pattern that never goes back: else whoever tags one secret could hold up the rotation of all others."""
    before, *rest = PLACEHOLDER.split(template)
    names, texts = rest[::2], [re.escape(text) for text in rest[1::2]]
    pattern = re.escape(before)
    for place, (name, text) in enumerate(zip(names, texts, strict=True)):
        if name in names[:place]:
            pattern += f"(?P={name}){text}"
        elif place == len(names) - 1:
            pattern += f"(?P<{name}>.+){text}"
        else:
            pattern += f"(?>(?P<{name}>.+?){text})"
    return pattern
