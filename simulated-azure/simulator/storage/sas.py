"""Shared access signatures: the account SAS, and the service SAS of what an account holds.

The texts that are signed, and what each permission allows, are from
https://learn.microsoft.com/rest/api/storageservices/create-account-sas and create-service-sas, for
version 2020-12-06 and later; the codes of a refusal from
https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes. From memory: the
order of the checks, and the words of a refusal. Not simulated: stored access policies, directories,
snapshots, versions, user delegation. They are refused.
"""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from simulator.storage.sharedkey import authentication_failed, signature
from simulator.storage.wire import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.storage.accounts import StorageAccount
    from simulator.wire import Request

OLDEST = "2020-12-06"
NEWEST = "2026-12-31"
CALLER = "203.0.113.7"
"""The address from which every simulated request comes."""
OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")
FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d")
READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class _Need:
    """What a request asks for: the part of the service, and the permissions of which one suffices."""

    level: str
    """s, c or o: the service, a container or queue, an object in it."""
    permissions: str
    service_sas: bool = True
    """Whether a service SAS may permit it at all."""


def check_sas(
    request: Request, account: StorageAccount, service: str, domain: str, now: datetime
) -> None:
    """Raise StorageError unless the request's own query permits it."""
    pairs = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    fields = dict(pairs)
    path = unquote(urlsplit(request.url).path).strip("/")
    if request.host == domain:
        path = path.partition("/")[2]
    if not OLDEST <= fields.get("sv", "") <= NEWEST:
        raise authentication_failed("sv is not a version that is known here")
    is_account = "ss" in fields
    keys = [key.value for key in account.accepted_keys()]
    if signed_by(account.name, service, path, fields, keys) is None:
        candidates = _texts(account.name, service, path, fields)
        text = candidates[0] if candidates else ""
        raise authentication_failed(f"Signature did not match. String to sign used was {text}")
    _check_time(fields, now)
    _check_place(request, fields)
    _check_extent(_need_of(request, service, path), service, fields, is_account=is_account)


def signed_by(
    account: str, service: str, path: str, fields: dict[str, str], keys: Iterable[str]
) -> str | None:
    """Return which of these keys has signed what a query says; None where none has."""
    texts, sig = _texts(account, service, path, fields), fields.get("sig", "").encode()
    signers = (
        key
        for key in keys
        for text in texts
        if hmac.compare_digest(signature(key, text).encode(), sig)
    )
    return next(signers, None)


def _texts(account: str, service: str, path: str, fields: dict[str, str]) -> list[str]:
    if "ss" in fields:
        return [_account_text(account, fields)]
    return _service_texts(account, service, path, fields)


def _account_text(account: str, fields: dict[str, str]) -> str:
    names = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
    return "".join(f"{line}\n" for line in (account, *(fields.get(name, "") for name in names)))


def _service_texts(account: str, service: str, path: str, fields: dict[str, str]) -> list[str]:
    """Return the texts that the token may have signed, for the resource that the request names."""
    first = path.partition("/")[0]
    if service == "queue":
        return ["\n".join(_common(f"/queue/{account}/{first}", fields))]
    if service == "table":
        table = first.partition("(")[0].lower()
        bounds = [fields.get(name, "") for name in ("spk", "srk", "epk", "erk")]
        return ["\n".join([*_common(f"/table/{account}/{table}", fields), *bounds])]
    if service == "file":
        file = {"s": f"/file/{account}/{first}", "f": f"/file/{account}/{path}"}
        named = file.get(fields.get("sr", ""))
        tail = [fields.get(name, "") for name in OVERRIDES]
        return ["\n".join([*_common(named, fields), *tail])] if named else []
    resource = {"c": f"/blob/{account}/{first}", "b": f"/blob/{account}/{path}"}.get(
        fields.get("sr", "")
    )
    if resource is None:
        return []
    tail = [fields["sr"], "", *(fields.get(name, "") for name in ("ses", *OVERRIDES))]
    return ["\n".join([*_common(resource, fields), *tail])]


def _common(resource: str, fields: dict[str, str]) -> list[str]:
    before, after = ("sp", "st", "se"), ("si", "sip", "spr", "sv")
    return [
        *(fields.get(name, "") for name in before),
        resource,
        *(fields.get(name, "") for name in after),
    ]


def _check_time(fields: dict[str, str], now: datetime) -> None:
    starts, ends = _moment(fields.get("st", "")), _moment(fields.get("se", ""))
    if "si" in fields or ends is None or (fields.get("st") and starts is None):
        raise authentication_failed("se or st is missing or malformed, or si is not known")
    if now >= ends or (starts and now < starts):
        span = f"Start [{starts}] - Expiry [{ends}] - Current [{now}]"
        raise authentication_failed(f"Signature not valid in the specified time frame: {span}")


def _moment(text: str) -> datetime | None:
    for form in FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def _check_place(request: Request, fields: dict[str, str]) -> None:
    if fields.get("spr", "https,http") == "https" and not request.url.startswith("https:"):
        raise _mismatch("Protocol", "protocol")
    if "sip" in fields:
        first, _, last = fields["sip"].partition("-")
        low, high = ipaddress.ip_address(first), ipaddress.ip_address(last or first)
        if not int(low) <= int(ipaddress.ip_address(CALLER)) <= int(high):
            raise _mismatch("SourceIP", "source IP")


def _check_extent(need: _Need, service: str, fields: dict[str, str], *, is_account: bool) -> None:
    if is_account and service[0] not in fields["ss"]:
        raise _mismatch("Service", "service")
    if is_account and need.level not in fields.get("srt", ""):
        raise _mismatch("ResourceType", "resource type")
    permitted = set(need.permissions) & set(fields.get("sp", ""))
    if not permitted or not (is_account or need.service_sas):
        raise _mismatch("Permission", "permission")


def _mismatch(code: str, word: str) -> StorageError:
    return StorageError(
        403,
        f"Authorization{code}Mismatch",
        f"This request is not authorized to perform this operation using this {word}.",
    )


def _need_of(request: Request, service: str, path: str) -> _Need:
    if service == "queue":
        return _of_queue(request, path)
    reading, comp = request.method in READING, request.query.get("comp", "")
    if not path:
        return _Need("s", "l" if comp == "list" else "r" if reading else "w", service_sas=False)
    if service in ("table", "file"):
        return _Need("c" if comp == "list" else "o", "l" if comp == "list" else "r")
    if request.query.get("restype") == "container":
        if comp == "list":
            return _Need("c", "l")
        letters = "r" if reading else {"PUT": "cw", "DELETE": "d"}[request.method]
        return _Need("c", letters, service_sas=False)
    writing = "w" if comp else "cw"
    return _Need("o", "r" if reading else {"PUT": writing, "DELETE": "d"}.get(request.method, "w"))


def _of_queue(request: Request, path: str) -> _Need:
    reading, comp = request.method in READING, request.query.get("comp", "")
    if not path:
        return _Need("s", "l" if comp == "list" else "r" if reading else "w", service_sas=False)
    if "/" not in path:
        letters = "r" if reading else {"PUT": "w" if comp else "cw", "DELETE": "d"}[request.method]
        return _Need("c", letters, service_sas=reading)
    if request.method == "GET":
        return _Need("o", "r" if request.query.get("peekonly") == "true" else "p")
    # One message is deleted by who may process it; all of them by an account SAS alone.
    is_one = path.count("/") > 1
    letters = {"POST": "a", "PUT": "u"}.get(request.method, "p" if is_one else "d")
    return _Need("o", letters, service_sas=request.method != "DELETE" or is_one)
