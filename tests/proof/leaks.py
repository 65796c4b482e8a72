"""P6: whether a text holds a value, or a digest from which a value could be guessed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from tests.proof.sources import MARK, credential_in

SHORT, LONG = 8, 12
"""Characters of a digest that are compared: fewer would be of no use to who guesses. Where a text
has more, so many: digests of other things share eight by chance, once in some 100,000 schedules."""
ENDS = re.compile(r"[^0-9A-Za-z]")
WORD = re.compile(r"[0-9A-Za-z+/_=-]{8,}")
ALGORITHMS = ("md5", "sha1", "sha256", "sha512", "blake2b")
NAMES = ("", "key1", "key2", "admin", "app_a", "app_b", "id1", "id2", "id3", "id4")


@lru_cache(maxsize=4096)
def digests(value: str) -> frozenset[str]:
    """Return the beginnings of every digest of a value that can be computed from what tags say."""
    texts = [value, *(f"{name}{between}{value}" for name in NAMES for between in ("\n", ":", ""))]
    return frozenset(beginning for text in texts for beginning in _digests_of(text.encode()))


def _digests_of(text: bytes) -> Iterable[str]:
    for algorithm in ALGORITHMS:
        digest = hashlib.new(algorithm, text, usedforsecurity=False).digest()
        yield digest.hex()[:LONG]
        yield base64.b64encode(digest).decode()[:LONG]
    yield base64.b64encode(text).decode()[:LONG]


@lru_cache(maxsize=4096)
def _known(values: frozenset[str]) -> frozenset[str]:
    """Return every beginning of a digest, from SHORT to LONG characters."""
    whole = frozenset[str]().union(*(digests(value) for value in values))
    return frozenset(text[:length] for text in whole for length in range(SHORT, LONG + 1))


def leak(texts: Iterable[str], values: Iterable[str]) -> str | None:
    """Return the first text that shows a value, or helps to guess one; None where none does."""
    bare = {credential_in(value) for value in values}
    known = _known(frozenset(value for value in bare if value))
    for text in texts:
        if MARK in text:
            return text
        for word in WORD.findall(text):
            starts = {0, *(word.find(sign) + 1 for sign in "=-_/")}
            if any(_begins(word[at : at + LONG], known) for at in starts):
                return text
    return None


def _begins(word: str, known: frozenset[str]) -> bool:
    """Return whether a word is, or begins with, what is known, up to its end or a sign."""
    return word in known or ENDS.split(word)[0] in known
