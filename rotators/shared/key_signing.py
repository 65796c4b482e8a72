"""How services want requests signed with a key. Pure, but for base64 that is none.

Sources: https://learn.microsoft.com/rest/api/eventhub/generate-sas-token,
https://learn.microsoft.com/azure/azure-app-configuration/rest-api-authentication-hmac, and
Microsoft's own clients azure-communication-identity, azure-batch 14 and
azure-messaging-webpubsubservice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from email.utils import format_datetime
from urllib.parse import SplitResult, quote, urlsplit

from cloud.rest.data_plane import Signed
from engine.errors import VerificationFailed

LIFE = timedelta(minutes=5)
"""How long a token is good that is made to prove a key."""
EMPTY = base64.b64encode(hashlib.sha256(b"").digest()).decode()


def sas_token(resource: str, rule: str, key: str, now: datetime) -> str:
    """Return a shared access signature of Service Bus and Event Hubs that lasts minutes."""
    return sas_until(resource, rule, key, now + LIFE)


def sas_until(resource: str, rule: str, key: str, ends: datetime) -> str:
    """Return a shared access signature of Service Bus and Event Hubs that lasts until `ends`.

    The key is used as it is written.
    """
    target, end = quote(resource.lower(), safe=""), int(ends.timestamp())
    signature = quote(rule_signature(target, str(end), key), safe="")
    return f"SharedAccessSignature sr={target}&sig={signature}&se={end}&skn={quote(rule, safe='')}"


def rule_signature(target: str, end: str, key: str) -> str:
    """Return what a rule's key makes of a quoted target and an end, in base64."""
    return _mac(key.encode(), f"{target}\n{end}")


def hmac_request(url: str, key: str, now: datetime, credential: str = "") -> Signed:
    """Return a GET signed with HMAC-SHA256, for App Configuration and Communication Services."""
    parts, date = urlsplit(url), http_date(now)
    text = f"GET\n{parts.path}?{parts.query}\n{date};{parts.netloc};{EMPTY}"
    who = f"Credential={credential}&" if credential else ""
    signature = _mac(decoded(key), text)
    how = f"{who}SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}"
    return Signed(
        url,
        {"x-ms-date": date, "x-ms-content-sha256": EMPTY, "Authorization": f"HMAC-SHA256 {how}"},
    )


def bearer_token(url: str, key: str, now: datetime) -> str:
    """Return a JSON web token for one URL, as SignalR and Web PubSub take it.

    The key is used as it is written.
    """
    claims = {"aud": url, "iat": int(now.timestamp()), "exp": int((now + LIFE).timestamp())}
    text = ".".join(
        _unpadded(json.dumps(part, separators=(",", ":")).encode())
        for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    return f"{text}.{_unpadded(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


def batch_request(url: str, account: str, key: str, now: datetime) -> Signed:
    """Return a GET signed with a SharedKey of Batch; its query must hold the api-version alone."""
    parts, date = urlsplit(url), http_date(now)
    name, _, value = parts.query.partition("=")
    text = f"GET{chr(10) * 12}ocp-date:{date}\n/{account}{parts.path}\n{name}:{value}"
    return Signed(
        url, {"ocp-date": date, "Authorization": f"SharedKey {account}:{_mac(decoded(key), text)}"}
    )


def cosmos_request(url: str, key: str, now: datetime) -> Signed:
    """Return a GET of the feed of databases, signed with a master key of Cosmos DB."""
    date = http_date(now)
    signature = _mac(decoded(key), f"get\ndbs\n\n{date.lower()}\n\n")
    token = quote(f"type=master&ver=1.0&sig={signature}", safe="")
    return Signed(url, {"x-ms-date": date, "x-ms-version": "2018-12-31", "Authorization": token})


def http_date(now: datetime) -> str:
    """Return a time as HTTP headers have it."""
    return format_datetime(now, usegmt=True)


def split(url: str) -> SplitResult:
    """Return a URL's parts, empty ones where it is malformed: somebody else wrote it."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def decoded(key: str) -> bytes:
    """Return a key's bytes; raises VerificationFailed where it is no base64, without showing it."""
    try:
        return base64.b64decode(key, validate=True)
    except ValueError:
        pass
    raise VerificationFailed(
        "the value is not a key: it is not base64",
        fix="write the bare key as the value, or describe the value in the tag ValueTemplate",
    )


def _mac(key: bytes, text: str) -> str:
    return base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()


def _unpadded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
