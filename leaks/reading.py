"""Take a reported text apart: a connection string, a URL, JSON or a line of code. Pure.

What a text says of itself decides nothing. Each part is only compared with what is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from leaks.signatures import Kind, kind_of

MOST_TEXT = 16 * 1024
"""How many characters of a report are looked at."""
MOST_PARTS = 500
LEAST = 8
"""A shorter part is no credential that Rekey manages, and could be guessed."""
FIELD = re.compile(r"""[\w.-]{1,40}["']?\s{0,3}[=:]\s{0,3}["']?([^;&\n"']+)""")
"""A field of a connection string, of a query, or of JSON. Its value may hold `=`.

Each repetition is bounded, so that no crafted text takes long.
"""
USERINFO = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s/@:]*:([^\s/@]+)@", re.IGNORECASE)
"""The password of a URL, such as amqps://user:password@host."""
QUERY = re.compile(r"\?([^\s\"'<>]+)")
SPLIT = re.compile(r"[\s\"'`,;<>(){}\[\]]+")
NAMES = (
    re.compile(
        r"(?:AccountName|Endpoint|Server|Data Source|Host(?:Name)?) ?= ?([^;]+)", re.IGNORECASE
    ),
    re.compile(r"[a-z]{2,20}://(?:[^\s/@]{0,500}@)?([^\s/?#;\"']+)", re.IGNORECASE),
)
RESOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,62}")


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report holds. Nothing of it is kept longer than one call."""

    parts: tuple[str, ...]
    """The text, and every part of it that may be a credential."""
    kind: Kind | None
    """The kind of the first part that is a key by its form."""
    resource: str
    """The name of the resource that the text names, in lower case; empty if it names none."""
    is_cut: bool = False
    """It is longer, or has more parts, than is looked at."""

    def __repr__(self) -> str:
        return f"Reported({len(self.parts)} parts)"


def read(text: str) -> Reported:
    """Take a text apart. Half of a surrogate pair is in no credential, and has no digest."""
    is_cut = len(text) > MOST_TEXT
    text = text[:MOST_TEXT].encode(errors="replace").decode()
    distinct = dict.fromkeys(part for part in _parts(text) if len(part) >= LEAST)
    parts = tuple(distinct)[:MOST_PARTS]
    kind = next(filter(None, map(kind_of, parts)), None)
    return Reported(parts, kind, _resource(text), is_cut or len(distinct) > MOST_PARTS)


def _parts(text: str) -> Iterator[str]:
    yield text
    yield text.strip()
    for pattern in (FIELD, USERINFO, QUERY):
        for match in pattern.finditer(text):
            yield match[1].strip()
            yield unquote(match[1].strip())
    for word in SPLIT.split(text):
        yield word
        yield word.partition("=")[2]
        yield unquote(word)


def _resource(text: str) -> str:
    for pattern in NAMES:
        if match := pattern.search(text):
            host = match[1].partition("://")[2] or match[1]
            label = host.removeprefix("tcp:").partition(".")[0].partition(":")[0].strip("/ ")
            if RESOURCE_NAME.fullmatch(label):
                return label.lower()
    return ""
