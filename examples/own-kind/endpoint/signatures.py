"""Checks that Rekey signed a request, just now, and that it is new: RFC 9421, RFC 9530."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from threading import Lock

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
        self._lock = Lock()

    def refuses(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
        """Return why a request is refused; empty if it is Rekey's. `headers` are in lower case."""
        label, _, params = headers.get("signature-input", "").partition("=")
        match = PARAMS.fullmatch(params)
        if label != "rekey" or match is None:
            return "not signed as expected"
        if not self.fits_digest(headers, body):
            return "another body than the signed one"
        if not self.fits_key(match["keyid"], _base(method, path, headers, params), headers):
            return "signed with another key"
        if not self.is_of_now(int(match["created"]), int(match["expires"])):
            return "signed at another time"
        return "" if self.is_new(match["nonce"], int(match["expires"])) else "seen before"

    def fits_digest(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether it is the body whose digest is signed."""
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        return headers.get("content-digest") == f"sha-256=:{digest}:"

    def fits_key(self, keyid: str, base: bytes, headers: Mapping[str, str]) -> bool:
        """Return whether the key that `keyid` names made the signature."""
        key = self._keys.get(keyid)
        made = base64.b64encode(hmac.digest(key or b"", base, "sha256")).decode()
        shown = headers.get("signature", "").encode()
        return key is not None and hmac.compare_digest(f"rekey=:{made}:".encode(), shown)

    def is_of_now(self, created: int, expires: int) -> bool:
        """Return whether the signature was made about now."""
        return created - SKEW <= self._now() <= expires + SKEW

    def is_new(self, nonce: str, expires: int) -> bool:
        """Return whether the nonce is new, and remember it as long as its signature counts."""
        with self._lock:
            now = self._now()
            self._seen = {old: ends for old, ends in self._seen.items() if ends >= now}
            new = nonce not in self._seen
            self._seen.setdefault(nonce, expires + SKEW)
            return new


def _base(method: str, path: str, headers: Mapping[str, str], params: str) -> bytes:
    """Return what is signed: RFC 9421, section 2.5."""
    components = {
        "@method": method,
        "@authority": headers.get("host", "").lower().removesuffix(":443"),
        "@path": path,
        "content-type": headers.get("content-type", ""),
        "content-digest": headers.get("content-digest", ""),
    }
    lines = [f'"{name}": {value}' for name, value in components.items()]
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()
