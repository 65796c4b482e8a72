"""Checks what a client signed with a key, as each service does: one function for each scheme."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from simulator.keys.accounts import Key
    from simulator.wire import Request

SKEW = timedelta(minutes=15)
HMAC = re.compile(
    r"HMAC-SHA256 (Credential=(?P<id>[^&]*)&)?SignedHeaders=(?P<headers>[^&]*)&Signature=(?P<signature>.*)"
)
SHARED_KEY = re.compile(r"SharedKey (?P<account>[^:]*):(?P<signature>.*)")
BATCH_HEADERS = (
    *(
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-type",
        "date",
    ),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)


def signs_headers(request: Request, key: Key, now: datetime, *, named: bool) -> bool:
    """Check HMAC-SHA256 as App Configuration and Communication Services want it.

    `named` is whether the request tells the key's id.
    """
    match = HMAC.fullmatch(request.header("authorization"))
    digest = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
    if (
        match is None
        or request.header("x-ms-content-sha256") != digest
        or not _fresh(request.header("x-ms-date"), now)
    ):
        return False
    if (match["id"] if named else key.identity) != key.identity:
        return False
    names = match["headers"].split(";")
    if set(names) != {"x-ms-date", "host", "x-ms-content-sha256"}:
        return False
    values = ";".join(request.host if name == "host" else request.header(name) for name in names)
    parts = urlsplit(request.url)
    text = f"{request.method}\n{parts.path}?{parts.query}\n{values}"
    return _equal(match["signature"], _mac(base64.b64decode(key.value), text))


def signs_batch(request: Request, account: str, key: Key, now: datetime) -> bool:
    """Check a SharedKey of Batch."""
    match = SHARED_KEY.fullmatch(request.header("authorization"))
    if match is None or match["account"] != account or not _fresh(request.header("ocp-date"), now):
        return False
    headers = "\n".join(
        "" if name == "content-length" and not request.body else request.header(name)
        for name in BATCH_HEADERS
    )
    query = "".join(f"\n{name}:{value}" for name, value in sorted(request.query.items()))
    dated = f"{headers}\nocp-date:{request.header('ocp-date')}"
    text = f"{request.method}\n{dated}\n/{account}{request.path}{query}"
    return _equal(match["signature"], _mac(base64.b64decode(key.value), text))


def signs_token(request: Request, key: Key, now: datetime, *, whole: bool = True) -> bool:
    """Check a JSON web token for exactly this URL; `whole` is whether with its query."""
    scheme, _, token = request.header("authorization").partition(" ")
    parts = token.split(".")
    if scheme != "Bearer" or len(parts) != len(("head", "claims", "signature")):
        return False
    head, claims = (_json(part) for part in parts[:2])
    signed = hmac.digest(key.value.encode(), f"{parts[0]}.{parts[1]}".encode(), hashlib.sha256)
    fits = _equal(parts[2], base64.urlsafe_b64encode(signed).rstrip(b"=").decode())
    return (
        fits
        and head.get("alg") == "HS256"
        and claims.get("aud") == (request.url if whole else request.url.partition("?")[0])
        and claims.get("exp", 0) > now.timestamp()
    )


def signs_feed(request: Request, key: Key, now: datetime) -> bool:
    """Check a master key's signature of a feed at the top, such as GET /dbs."""
    fields = dict(
        part.partition("=")[::2] for part in unquote(request.header("authorization")).split("&")
    )
    date = request.header("x-ms-date")
    if (fields.get("type"), fields.get("ver")) != ("master", "1.0") or not _fresh(date, now):
        return False
    kind = request.path.strip("/").lower()
    text = f"{request.method.lower()}\n{kind}\n\n{date.lower()}\n\n"
    return bool(request.header("x-ms-version")) and _equal(
        fields.get("sig", ""), _mac(base64.b64decode(key.value), text)
    )


def knows(request: Request, account: str, key: Key, now: datetime) -> bool:
    """Check whether a request shows the key or is signed with it, in any of the usual ways.

    For services whose own way is not written down here.
    """
    basic = base64.b64encode(f"{account}:{key.value}".encode()).decode()
    shown = {key.value, f"Bearer {key.value}", f"SharedAccessKey {key.value}", f"Basic {basic}"}
    return (
        not shown.isdisjoint({*request.headers.values(), *request.query.values()})
        or signs_headers(request, key, now, named=False)
        or signs_batch(request, account, key, now)
        or signs_token(request, key, now)
    )


def sas_fields(request: Request) -> dict[str, str] | None:
    """Return the decoded fields of a shared access signature, and `target`, which was signed.

    None where there is none.
    """
    scheme, _, rest = request.header("authorization").partition(" ")
    if scheme != "SharedAccessSignature":
        return None
    raw = dict(part.partition("=")[::2] for part in rest.split("&"))
    return {name: unquote(value) for name, value in raw.items()} | {"target": raw.get("sr", "")}


def signs_sas(fields: dict[str, str], key: Key) -> bool:
    """Check a shared access signature."""
    text = f"{fields['target']}\n{fields.get('se', '')}"
    return _equal(fields.get("sig", ""), _mac(key.value.encode(), text))


def _mac(key: bytes, text: str) -> str:
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def _equal(left: str, other: str) -> bool:
    return hmac.compare_digest(left.encode(), other.encode())


def _fresh(date: str, now: datetime) -> bool:
    try:
        return abs(parsedate_to_datetime(date) - now) <= SKEW
    except ValueError:
        return False


def _json(part: str) -> dict[str, Any]:
    try:
        content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
