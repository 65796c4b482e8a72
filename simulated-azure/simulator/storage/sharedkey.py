"""Shared Key: the signature over a request to the blob and queue services.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import groupby
from urllib.parse import unquote, urlsplit

from simulator.storage.wire import StorageError
from simulator.wire import Request

SKEW = timedelta(minutes=15)
"""The largest difference between a request's date and the service's clock."""

SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)

CREDENTIAL = re.compile(r"SharedKey (?P<account>[a-z0-9]{3,24}):(?P<signature>[A-Za-z0-9+/]+=*)")


def string_to_sign(request: Request, account: str) -> str:
    """Return the text that is signed: verb, standard headers, x-ms- headers, resource."""
    standard = [_standard_header(request, name) for name in SIGNED_HEADERS]
    return "\n".join(
        [
            request.method,
            *standard,
            *_canonical_headers(request),
            _canonical_resource(request, account),
        ]
    )


def _standard_header(request: Request, name: str) -> str:
    value = request.header(name)
    # Since version 2015-02-21 an empty body is signed as an empty length. x-ms-date replaces Date.
    absent = (name == "content-length" and value == "0") or (
        name == "date" and request.header("x-ms-date")
    )
    return "" if absent else value


def _canonical_headers(request: Request) -> list[str]:
    names = sorted(
        (name for name in request.headers if name.startswith("x-ms-")), key=_culture_order
    )
    return [f"{name}:{re.sub(r'\s+', ' ', request.headers[name].strip())}" for name in names]


def _culture_order(name: str) -> tuple[str, str]:
    # The service sorts by culture: a hyphen is ignored, and an underscore comes before a digit.
    # Microsoft's SDKs do the same (azure.storage.blob._shared.authentication).
    return name.replace("-", "").replace("_", " "), name


def _canonical_resource(request: Request, account: str) -> str:
    url = urlsplit(request.url)
    pairs = sorted(_pair(part) for part in url.query.split("&") if part)
    values = {
        name: ",".join(value for _, value in group)
        for name, group in groupby(pairs, key=lambda pair: pair[0])
    }
    return "\n".join(
        [f"/{account}{url.path or '/'}", *(f"{name}:{value}" for name, value in values.items())]
    )


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote(name).lower(), unquote(value)


def signature(key: str, signed: str) -> str:
    """Return the signature of a text with an account key in base64."""
    return base64.b64encode(
        hmac.digest(base64.b64decode(key), signed.encode(), hashlib.sha256)
    ).decode()


def check_signature(request: Request, account: str, keys: Iterable[str], now: datetime) -> None:
    """Refuse a request whose Authorization header is not a fresh signature by one of `keys`."""
    match = CREDENTIAL.fullmatch(request.header("authorization"))
    if match is None:
        message = (
            "Authentication information is not given in the correct format. Check the value of "
            "Authorization header."
        )
        raise StorageError(400, "InvalidAuthenticationInfo", message)
    _check_date(request, now)
    signed = string_to_sign(request, account)
    valid = any(hmac.compare_digest(match["signature"], signature(key, signed)) for key in keys)
    if not valid or match["account"] != account:
        detail = (
            f"The MAC signature found in the HTTP request '{match['signature']}' is not the "
            "same as any computed signature."
        )
        raise authentication_failed(f"{detail} Server used following string to sign: '{signed}'.")


def _check_date(request: Request, now: datetime) -> None:
    date = request.header("x-ms-date") or request.header("date")
    try:
        sent = parsedate_to_datetime(date)
    except ValueError:
        raise authentication_failed(
            f"The Date header in the request is incorrect: '{date}'"
        ) from None
    if sent.tzinfo is None or sent < now - SKEW:
        raise authentication_failed(f"Request date header too old: '{date}'")
    if sent > now + SKEW:
        raise authentication_failed(f"Request date header not valid: '{date}'")


def authentication_failed(detail: str) -> StorageError:
    """Return the error for a caller that is not authenticated."""
    message = (
        "Server failed to authenticate the request. "
        "Make sure the value of Authorization header is formed correctly including the signature."
    )
    return StorageError(403, "AuthenticationFailed", message, {"AuthenticationErrorDetail": detail})
