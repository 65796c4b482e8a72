"""P6: whether a text holds a value, or a digest from which a value could be guessed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache

from tests.proof.sources import MARK, credential_in

SHORT = 8
"""Characters of a digest that are compared: fewer would be of no use to who guesses."""
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
        yield digest.hex()[:SHORT]
        yield base64.b64encode(digest).decode()[:SHORT]
    yield base64.b64encode(text).decode()[:SHORT]


@lru_cache(maxsize=4096)
def _known(values: frozenset[str]) -> frozenset[str]:
    return frozenset().union(*(digests(value) for value in values))


def leak(texts: Iterable[str], values: Iterable[str]) -> str | None:
    """Return the first text that shows a value, or helps to guess one; None where none does."""
    bare = {credential_in(value) for value in values}
    known = _known(frozenset(value for value in bare if value))
    for text in texts:
        if MARK in text:
            return text
        for word in WORD.findall(text):
            if any(
                word[at : at + SHORT] in known
                for at in {0, *(word.find(sign) + 1 for sign in "=-_/")}
            ):
                return text
    return None
