"""HTTP message signatures with a shared key: RFC 9421, algorithm hmac-sha256.

What is signed: method, host, path, content type and the digest of the body (RFC 9530). The
parameters say when the signature was made, when it ends, and a nonce, so that a receiver can refuse
a request that it has seen already.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from engine.secret import Sensitive

LABEL = "rekey"
"""The name of the signature, and the value of its parameter `tag`."""
SECONDS = 60
"""How long a signature counts."""
JSON = "application/json"
LEAST_KEY = 32
"""Characters of a key: as many bytes as the digest has (RFC 2104, section 3)."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A shared key, and the id under which the receiver knows it."""

    id: str
    key: Sensitive = field(repr=False)


def digest(body: bytes) -> str:
    """Return the header Content-Digest of a body."""
    return f"sha-256=:{_base64(hashlib.sha256(body).digest())}:"


def signed(
    method: str, url: str, body: bytes, key: SigningKey, now: datetime, nonce: str
) -> dict[str, str]:
    """Return the headers of a request with a JSON body."""
    parts = urlsplit(url)
    port = "" if parts.port in (None, 443) else f":{parts.port}"
    components = {
        "@method": method,
        "@authority": f"{(parts.hostname or '').lower()}{port}",
        "@path": parts.path or "/",
        "content-type": JSON,
        "content-digest": digest(body),
    }
    created = int(now.timestamp())
    params = (
        f"({' '.join(f'"{name}"' for name in components)});created={created}"
        f';expires={created + SECONDS};nonce="{nonce}";alg="hmac-sha256";keyid="{key.id}"'
        f';tag="{LABEL}"'
    )
    return {
        "Content-Type": JSON,
        "Content-Digest": components["content-digest"],
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{signature(components, params, key.key.reveal().encode())}:",
    }


def signature(components: Mapping[str, str], params: str, key: bytes) -> str:
    """Return the signature of components and parameters, in base64: RFC 9421, section 2.5."""
    lines = [f'"{name}": {value}' for name, value in components.items()]
    base = "\n".join([*lines, f'"@signature-params": {params}'])
    return _base64(hmac.digest(key, base.encode(), "sha256"))


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()
