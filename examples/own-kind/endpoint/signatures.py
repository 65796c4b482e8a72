"""Checks that Rekey signed a request, just now, and that it is new: RFC 9421, RFC 9530."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping

COMPONENTS = '("@method" "@authority" "@path" "content-type" "content-digest")'
PARAMS = re.compile(
    re.escape(COMPONENTS) + r";created=(?P<created>\d+);expires=(?P<expires>\d+)"
    r';nonce="(?P<nonce>[\w-]{16,64})";alg="hmac-sha256";keyid="(?P<keyid>[\w-]{1,64})";tag="rekey"'
)
SKEW = 60
"""Seconds by which the two clocks may differ."""


class Signatures:
    """Knows the shared keys by their ids, and the nonces of the last minutes."""

    def __init__(self, keys: Mapping[str, bytes], now: Callable[[], float] = time.time) -> None:
        self._keys, self._now = keys, now
        self._seen: dict[str, float] = {}

    def refuses(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
        """Return why a request is refused; empty if it is Rekey's. `headers` are in lower case."""
        label, _, params = headers.get("signature-input", "").partition("=")
        match = PARAMS.fullmatch(params)
        if label != "rekey" or match is None:
            return "not signed as expected"
        if headers.get("content-digest") != f"sha-256=:{_base64(hashlib.sha256(body).digest())}:":
            return "another body than the signed one"
        components = {
            "@method": method,
            "@authority": headers.get("host", "").lower().removesuffix(":443"),
            "@path": path,
            "content-type": headers.get("content-type", ""),
            "content-digest": headers["content-digest"],
        }
        lines = [f'"{name}": {value}' for name, value in components.items()]
        base = "\n".join([*lines, f'"@signature-params": {params}']).encode()
        key = self._keys.get(match["keyid"])
        expected = f"rekey=:{_base64(hmac.digest(key, base, 'sha256'))}:" if key else ""
        if not key or not hmac.compare_digest(expected, headers.get("signature", "")):
            return "signed with another key"
        return self._replayed(int(match["created"]), int(match["expires"]), match["nonce"])

    def _replayed(self, created: int, expires: int, nonce: str) -> str:
        """A signature counts once, and only around the time at which it was made."""
        now = self._now()
        if not created - SKEW <= now <= expires + SKEW:
            return "signed at another time"
        self._seen = {old: ends for old, ends in self._seen.items() if ends >= now}
        if nonce in self._seen:
            return "seen before"
        self._seen[nonce] = expires + SKEW
        return ""


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
