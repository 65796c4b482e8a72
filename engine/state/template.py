"""Values that contain more than the bare credential: a connection string around `{key}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from engine.secret import Sensitive

TAG = "ValueTemplate"
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
"""Only lower-case words are placeholders.

So `Driver={ODBC Driver 18 for SQL Server}` keeps its braces.
"""


def problems(template: str, known: AbstractSet[str], needed: str) -> list[str]:
    """Return what is wrong with a template: unknown placeholders, or none for the credential.

    Two placeholders without a text between them could not be told apart in a value.
    """
    used, listed = fields(template), ", ".join(sorted(known))
    wrong = [
        f"ValueTemplate uses {{{name}}}; known here: {listed}" for name in sorted(used - known)
    ]
    if "" in PLACEHOLDER.split(template)[2:-1:2]:
        wrong.append("ValueTemplate has placeholders side by side: put a text between them")
    if needed not in used:
        wrong.append(f"ValueTemplate has no {{{needed}}}: the new value would hold no credential")
    return wrong


def fields(template: str) -> set[str]:
    """Return the names of a template's placeholders."""
    return set(PLACEHOLDER.findall(template))


def render(template: str, values: Mapping[str, Sensitive]) -> Sensitive:
    """Fill in the template's placeholders. `values` must contain every one of them."""
    return Sensitive(PLACEHOLDER.sub(lambda match: values[match[1]].reveal(), template))


def extract(template: str, value: Sensitive | None) -> dict[str, Sensitive] | None:
    """Read the fields back out of a rendered value; None if it does not match the template.

    A field ends where the text behind it in the template begins for the first time.
    """
    if value is None:
        return None
    match = re.fullmatch(_pattern(template), value.reveal(), re.DOTALL)
    return {name: Sensitive(text) for name, text in match.groupdict().items()} if match else None


def is_read_back(template: str, value: Sensitive, values: Mapping[str, Sensitive]) -> bool:
    """Return whether a rendered value holds what it was filled in with, as it will be read."""
    read = extract(template, value)
    return read is not None and all(read[name] == values[name] for name in read)


def _pattern(template: str) -> str:
    """Return a pattern without backtracking, so no crafted value can stall other rotations."""
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
