"""The HTTPS endpoints that the settings name as kinds, with every problem and its fix."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from engine.secret import URL as SECRET_URL
from engine.secret import SecretRef

type Strategy = Literal["two-slots", "single-slot", "many"]
STRATEGIES: tuple[str, ...] = get_args(Strategy.__value__)
SETTING = "REKEY_ENDPOINTS"
LABEL = "[0-9a-z]([0-9a-z-]{0,61}[0-9a-z])?"
ADDRESS = re.compile(
    rf"https://(?P<host>{LABEL}(\.{LABEL})*)(:(?P<port>[0-9]{{1,5}}))?(/[A-Za-z0-9._~-]+)*/?",
    re.ASCII,
)
"""The address of an endpoint: https alone, no user, no query."""
MOST_HOST, PORTS = 253, range(1, 65_536)
"""Characters of a host, and its ports. Whatever connects to others fails with an odd error."""
PLACEHOLDER = re.compile(r"[a-z][a-z0-9_]{0,39}")
SLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MEMBERS = frozenset({"url", "key", "strategy", "slots", "fields"})
SLOTS: Mapping[str, int] = {"two-slots": 2, "single-slot": 1, "many": 0}
SHAPE = (
    '{"acme-token": {"url": "https://rotate.acme.example/rekey", "strategy": "two-slots",'
    ' "slots": ["first", "second"], "fields": ["token"],'
    ' "key": "https://prod.vault.azure.net/secrets/acme-signing"}}'
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One kind of credential that an HTTPS endpoint looks after."""

    kind: str
    url: str
    """Without a slash at its end."""
    key: SecretRef
    """The secret with the key that signs the requests."""
    strategy: Strategy
    slots: tuple[str, ...]
    """The ids of the credentials: two for two slots, one for a single one, none for many."""
    fields: tuple[str, ...]
    """What a ValueTemplate may use; the first is the credential itself."""


def read(text: str, vaults: Collection[str], problems: list[str]) -> tuple[Endpoint, ...]:
    """Read the setting; adds what is wrong to `problems`."""
    try:
        data = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        problems.append(f"{SETTING} is not a JSON object: write {SHAPE}")
        return ()
    wrong = [
        f"{SETTING}, {kind[:60]!r}: {flaw}"
        for kind, entry in data.items()
        for flaw in flaws(entry, vaults)
    ]
    problems += wrong
    return () if wrong else tuple(endpoint(kind, entry) for kind, entry in data.items())


def endpoint(kind: str, entry: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint that an entry without flaws describes."""
    return Endpoint(
        kind,
        entry["url"].rstrip("/"),
        SecretRef.parse(entry["key"]),
        entry["strategy"],
        tuple(_slots(entry)),
        tuple(_fields(entry)),
    )


def flaws(entry: object, vaults: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with an entry, each with its fix."""
    if not isinstance(entry, dict):
        yield f"is not a JSON object: write {SHAPE}"
        return
    for name in sorted(set(entry) - MEMBERS):
        yield f"has no use for {name[:60]!r}: write {', '.join(sorted(MEMBERS))}"
    if not is_address(entry.get("url")):
        yield "url must be https://<host>/<path>, without a user and a query"
    if entry.get("strategy") not in STRATEGIES:
        yield f"strategy must be one of {', '.join(STRATEGIES)}"
    else:
        yield from _wrong_slots(entry)
    if not _are(PLACEHOLDER, _fields(entry)):
        yield "fields must list placeholders, small letters, the credential's own first"
    yield from _wrong_key(entry.get("key"), vaults)


def _wrong_slots(entry: dict[str, Any]) -> Iterator[str]:
    count, slots = SLOTS[entry["strategy"]], _slots(entry)
    fits = slots == [] if count == 0 else _are(SLOT, slots) and len(slots) == count
    if not fits:
        yield f"slots must list {count} ids of credentials for {entry['strategy']}"


def _slots(entry: Mapping[str, Any]) -> Any:
    """Return the slots of an entry. Null is as good as left out: the template passes it on."""
    slots = entry.get("slots")
    return ["credential"] * (SLOTS[entry["strategy"]] == 1) if slots is None else slots


def _fields(entry: Mapping[str, Any]) -> Any:
    fields = entry.get("fields")
    return ["credential"] if fields is None else fields


def _wrong_key(key: object, vaults: Collection[str]) -> Iterator[str]:
    match = SECRET_URL.fullmatch(key) if isinstance(key, str) else None
    if match is None or (match[3] or "/") != "/":
        yield "key must be a secret's id without a version: https://<vault>/secrets/<name>"
    elif SecretRef.parse(match[0]).vault not in vaults:
        yield f"key is in {SecretRef.parse(match[0]).vault}: add that vault to REKEY_VAULTS"


def is_address(url: object) -> bool:
    """Return whether it is the address of something that answers by https."""
    match = ADDRESS.fullmatch(url) if isinstance(url, str) else None
    if match is None:
        return False
    return len(match["host"]) <= MOST_HOST and int(match["port"] or 443) in PORTS


def _is(pattern: re.Pattern[str], text: object) -> bool:
    return isinstance(text, str) and bool(pattern.fullmatch(text))


def _are(pattern: re.Pattern[str], texts: object) -> bool:
    """Return whether it is a list of one or more texts of this form, none twice."""
    return (
        isinstance(texts, list)
        and bool(texts)
        and all(_is(pattern, text) for text in texts)
        and len(set(texts)) == len(texts)
    )
