"""Shared access signatures of storage accounts: made from a key, and recognised by it. Pure.

The text that is signed is that of version 2020-12-06 and later, with an account key; what leaked
may be of an earlier one, down to 2015-04-05:
https://learn.microsoft.com/rest/api/storageservices/create-account-sas#construct-the-signature-string
and create-service-sas#construct-the-signature-string. Microsoft's own packages sign with the
newest version that they know, and offer no way to find out which key made a signature, so they
serve as the measure in the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from urllib.parse import parse_qsl, quote, unquote

from engine.errors import VerificationFailed
from engine.secret import Sensitive
from rotators.shared.key_signing import decoded, split
from rotators.shared.sas_extent import PATHS, Extent

VERSION = "2022-11-02"
OLDEST = "2020-12-06"
"""The first version with this text to sign: the earlier ones have no encryption scope."""
SNAPSHOTS = "2018-11-09"
"""The first version that signs the kind of resource, and the time of a snapshot."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}(:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?)?Z)?")
"""https://learn.microsoft.com/rest/api/storageservices/formatting-datetime-values."""
RESOURCE_OF: Mapping[str, str] = {"container": "c", "blob": "b", "share": "s", "file": "f"}
OF_BLOBS: Mapping[str, str] = {"bs": "blob", "bv": "blob", "d": "blob"}
"""A snapshot, a version, and a directory: not made here, and recognised where one has leaked."""
TIMES: Mapping[str, str] = {"bs": "snapshot", "bv": "versionid"}
"""What a URL calls the time that such a signature is for."""
SERVICES = frozenset({"blob", "dfs", "file", "queue", "table", "web"})
"""What the host of an endpoint says after the account."""
DEPTH = re.compile(r"[0-9]{1,3}")
COMMON = ("st", "se", "sip", "spr", "sv", "sp", "sig")
OVERRIDES = ("rscc", "rscd", "rsce", "rscl", "rsct")
FIELDS: Mapping[str, frozenset[str]] = {
    "account": frozenset((*COMMON, "ss", "srt", "ses")),
    "container": frozenset((*COMMON, "sr", "si", "ses", *OVERRIDES)),
    "blob": frozenset((*COMMON, "sr", "si", "ses", *OVERRIDES)),
    "queue": frozenset((*COMMON, "si")),
    "table": frozenset((*COMMON, "si", "tn")),
    "share": frozenset((*COMMON, "sr", "si", *OVERRIDES)),
    "file": frozenset((*COMMON, "sr", "si", *OVERRIDES)),
}
"""What a token may say. Anything else is not one that this module can judge."""


def made(extent: Extent, key: Sensitive, ends: datetime) -> Sensitive:
    """Return a token that ends at `ends`, for HTTPS alone.

    Raises VerificationFailed if the key is none.
    """
    fields = {
        "sv": VERSION,
        **({"tn": extent.path[0]} if extent.what == "table" else {}),
        **_scope(extent),
        "sp": extent.permissions,
        "se": ends.astimezone(UTC).strftime(STAMP),
        "spr": "https",
    }
    return token({**fields, "sig": signature(extent, fields, key)})


def token(fields: Mapping[str, str]) -> Sensitive:
    """Return fields as the query that a client appends to a URL."""
    return Sensitive("&".join(f"{name}={quote(text, safe='')}" for name, text in fields.items()))


def signature(extent: Extent, fields: Mapping[str, str], key: Sensitive) -> str:
    """Return the signature of a token's fields, in base64."""
    text = "\n".join(_signed(extent, fields))
    digest = hmac.digest(decoded(key.reveal()), text.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


def read(extent: Extent, credential: Sensitive) -> dict[str, str] | None:
    """Return a token's fields; None if it is no token for this extent."""
    fields = _parsed(credential.reveal())
    if not fields.keys() <= FIELDS[extent.what]:
        return None
    scope = {**_scope(extent), "sp": extent.permissions}
    fits = all(set(fields.get(name, "")) == set(letters) for name, letters in scope.items())
    fits &= extent.what != "table" or fields.get("tn", "").lower() == extent.path[0]
    known = fields.get("sv", "") >= OLDEST and ends_of(fields) is not None and "sig" in fields
    return fields if fits and known else None


def is_token(text: str) -> bool:
    """Return whether a text is a bare token, of whatever extent."""
    fields = _parsed(text)
    return "sig" in fields and fields.keys() <= frozenset().union(*FIELDS.values())


def _parsed(text: str) -> dict[str, str]:
    """Return a token's fields; empty if it is malformed or says one of them twice."""
    try:
        pairs = parse_qsl(text.removeprefix("?"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return {}
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else {}


def is_made_from(extent: Extent, credential: Sensitive, key: Sensitive) -> bool:
    """Return whether this key made a token for exactly this extent."""
    fields = read(extent, credential)
    if fields is None:
        return False
    try:
        expected = signature(extent, fields, key)
    except VerificationFailed:
        return False
    return hmac.compare_digest(expected.encode(), fields["sig"].encode())


def signed_text(text: str) -> tuple[str, str, dict[str, str]]:
    """Return the host, the path and the fields of a signature in a URL, or of a bare one."""
    url, mark, query = text.partition("?")
    parts = split(url if mark else "")
    fields = _parsed(query if mark else text)
    known = "sig" in fields and "sv" in fields
    return parts.netloc.lower(), unquote(parts.path).strip("/"), fields if known else {}


def extent_of(text: str, account_id: str) -> Extent | None:
    """Return what a signature in a text permits; None if the text does not say what it is for."""
    host, path, fields = signed_text(text)
    service, names = _service_of(host), tuple(path.split("/"))
    letters = fields.get("sp", "")
    if "ss" in fields:
        return Extent(account_id, "account", (fields["ss"], fields.get("srt", "")), letters)
    if "tn" in fields:
        return Extent(account_id, "table", (fields["tn"].lower(),), letters)
    kinds = {**{sign: what for what, sign in RESOURCE_OF.items()}, **OF_BLOBS}
    what = kinds.get(fields.get("sr", ""), service)
    if not fields or not path or what not in FIELDS:
        return None
    if fields.get("sr") == "d":
        # So many levels below its container is the directory whose path was signed.
        depth = DEPTH.fullmatch(fields.get("sdd", ""))
        names = names[: 1 + int(depth[0])] if depth else ()
    return Extent(account_id, what, names if what in PATHS else names[:1], letters)


def account_in(host: str) -> str:
    """Return the account in the host of a URL; empty for a domain of its owner's, and for none."""
    return host.partition(".")[0].removesuffix("-secondary") if _service_of(host) else ""


def _service_of(host: str) -> str:
    """Return the service in the host of a URL; empty if it names none.

    An account in a DNS zone has that before it: `acc1.z01.queue.storage.azure.net`.
    """
    pairs = pairwise(host.split(".")[1:])
    return next((it for it, after in pairs if it in SERVICES and after in ("core", "storage")), "")


def ends_of(fields: Mapping[str, str]) -> datetime | None:
    """Return when a token ends; None if it does not say so in a form that Azure takes."""
    return time_of(fields, "se")


def time_of(fields: Mapping[str, str], name: str) -> datetime | None:
    """Return the time that a field names; None if it names none in a form that Azure takes."""
    text = fields.get(name, "")
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if TIME.fullmatch(text) else None
    except ValueError:
        return None


def _scope(extent: Extent) -> dict[str, str]:
    if extent.what == "account":
        return {"ss": extent.path[0], "srt": extent.path[1]}
    return {"sr": RESOURCE_OF[extent.what]} if extent.what in RESOURCE_OF else {}


def _signed(extent: Extent, fields: Mapping[str, str]) -> list[str]:
    """Return the lines of the text that is signed. The order is the documents'."""

    def texts(*names: str) -> list[str]:
        return [fields.get(name, "") for name in names]

    version = fields.get("sv", "")
    scope = texts("ses") if version >= OLDEST else []
    if extent.what == "account":
        named = texts("sp", "ss", "srt", "st", "se", "sip", "spr", "sv")
        return [extent.account, *named, *scope, ""]
    head = [*texts("sp", "st", "se"), extent.resource, *texts("si", "sip", "spr", "sv")]
    if extent.what == "queue":
        return head
    if extent.what == "table":
        # The bounds of partition and row keys: what is made here has none.
        return [*head, *texts("spk", "srk", "epk", "erk")]
    if extent.service == "file" or version < SNAPSHOTS:
        return [*head, *texts(*OVERRIDES)]
    # The time of a snapshot, or of a version: what is made here is of neither.
    when = texts(TIMES.get(fields.get("sr", ""), ""))
    return [*head, *texts("sr"), *when, *scope, *texts(*OVERRIDES)]
