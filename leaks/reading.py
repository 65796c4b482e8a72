"""Take a reported text apart: a connection string, a URL, JSON or a line of code. Pure.

What a text says of itself decides nothing. Each part is only compared with what is known.
"""

from __future__ import annotations

import html
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
FIELD = re.compile(r"""[\w.-]{1,40}["']?\s{0,3}(?:=|:(?!//))\s{0,3}["']?([^;&\n"']+)""")
"""A field of a connection string, of a query, or of JSON. Its value may hold `=`.

A URL's scheme is none. Each repetition is bounded, so that no crafted text takes long.
"""
QUOTED = re.compile(r'"((?:[^"\\\n]|\\.){8,500}+)"')
"""A text of JSON or of code. It may hold what separates fields elsewhere, and quotes of its own."""
KEY = re.compile(r"([A-Za-z0-9+/]{20,500}={0,2})")
CLIENT_SECRET = re.compile(r"([\w.~-]{30,500})", re.ASCII)
"""What a key, or a secret of Entra, is made of, whatever stands beside it."""
USERINFO = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[^\s/@:]*:([^\s/@]+)@", re.IGNORECASE)
"""The password of a URL, such as amqps://user:password@host."""
QUERY = re.compile(r"\?([^\s\"'<>]+)")
WRITTEN = re.compile(
    r"\\u([0-9A-Fa-f]{4})|\\x([0-9A-Fa-f]{2})|\\.|[\ufeff\u200b-\u200d\u2060\0]"
    r"|&(?:#[0-9]{1,6}|#[xX][0-9A-Fa-f]{1,5}|amp|lt|gt|quot|apos);",
    re.DOTALL,
)
"""A sign as JSON, code or HTML writes it, and what nobody sees."""
CONTROL = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "0": ""}
DEEP = 3
"""So many times one form is undone within another: JSON may hold JSON."""
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


def plain(text: str) -> Iterator[str]:
    """Yield a text, then as it is once its escapes are undone, and those within them."""
    for _ in range(DEEP + 1):
        yield text
        before, text = text, WRITTEN.sub(_sign, text).encode(errors="replace").decode()
        if text == before:
            return


def _sign(written: re.Match[str]) -> str:
    text, number = written[0], written[1] or written[2]
    if number or text[0] == "&":
        return chr(int(number, 16)) if number else html.unescape(text)
    return CONTROL.get(text[1], text[1]) if text[0] == "\\" else ""


def _parts(text: str) -> Iterator[str]:
    forms = dict.fromkeys(form for it in _unquoted(text) for form in plain(it))
    for form in forms:
        yield from (form, form.strip())
    for form in forms:
        yield from _cut(form)


def _cut(text: str) -> Iterator[str]:
    for pattern in (FIELD, USERINFO, QUERY, QUOTED, KEY, CLIENT_SECRET):
        for match in pattern.finditer(text):
            for form in plain(match[1].strip()):
                yield from _unquoted(form)
    for word in SPLIT.split(text):
        yield from _unquoted(word)
        yield word.partition("=")[2]
        yield word.partition(":")[2]


def _unquoted(text: str) -> Iterator[str]:
    """Yield a text, and what it is of where it is quoted, once or twice."""
    once = unquote(text)
    yield from (text, once, unquote(once))


def _resource(text: str) -> str:
    for pattern in NAMES:
        if match := pattern.search(text):
            host = match[1].partition("://")[2] or match[1]
            label = host.removeprefix("tcp:").partition(".")[0].partition(":")[0].strip("/ ")
            if RESOURCE_NAME.fullmatch(label):
                return label.lower()
    return ""
