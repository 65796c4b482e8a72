"""The file that describes an endpoint to be played, with every problem and its fix."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.endpoints import Endpoint, endpoint, flaws
from cloud.rest.signing import LEAST_KEY, SigningKey
from engine.errors import ConfigError
from engine.secret import Sensitive
from rotators.own.endpoint import NAME as SOURCE
from rotators.own.plugin_spec import NAME
from rotators.registry import ROTATORS as REGISTERED

SHAPE = "a JSON object, as docs/write-a-rotator.md shows it"
KEYS: Mapping[str, str] = {
    "source": "the name of a source that may be rotated",
    "held": 'the credential that it accepts now: {"id": …, "value": …}',
    "signingKey": 'the key that it knows: {"id": …, "key": …}',
}


@dataclass(frozen=True)
class Plan:
    """What a file says of an endpoint to be played."""

    endpoint: Endpoint
    source: str
    held_id: str
    held: str = field(repr=False)
    key: SigningKey
    ca_file: str | None

    @classmethod
    def read(cls, kind: str, file: Path) -> Plan:
        """Read the file; raises ConfigError with all that is wrong with it."""
        try:
            data: Any = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(
                [f"{file} cannot be read as JSON: {type(error).__name__}. Fix: write {SHAPE}"]
            ) from None
        wrong = _wrong(kind, data, file.parent)
        if wrong:
            raise ConfigError([f"{file}: {problem}" for problem in wrong])
        own = {name: data[name] for name in data if name not in (*KEYS, "caFile")}
        served = endpoint(kind, {**own, "key": UNUSED})
        held, key = data["held"], data["signingKey"]
        signing = SigningKey(key["id"], Sensitive(key["key"]))
        ca_file = str(file.parent / data["caFile"]) if "caFile" in data else None
        return cls(served, data["source"], held["id"], held["value"], signing, ca_file)


UNUSED = "https://kit.vault.azure.net/secrets/unused"
"""Stands for the secret with the key, which the file itself holds here."""


def _wrong(kind: str, data: Any, folder: Path) -> list[str]:
    if not isinstance(data, dict):
        return ["is not a JSON object"]
    if not NAME.fullmatch(kind) or kind in {made.kind for made in REGISTERED}:  # type: ignore[attr-defined]
        return [f"{kind!r} is not a valid name, or is one of Rekey's own kinds: choose another"]
    own = {name: data[name] for name in data if name not in (*KEYS, "caFile")}
    vault = UNUSED.partition("/secrets/")[0]
    wrong = [*flaws({**own, "key": UNUSED}, (vault,))]
    wrong += [f"{name} is missing: write {what}" for name, what in KEYS.items() if name not in data]
    for name, members in (("held", ("id", "value")), ("signingKey", ("id", "key"))):
        part = data.get(name, {})
        fits = isinstance(part, dict) and all(isinstance(part.get(each), str) for each in members)
        if name in data and not fits:
            wrong.append(f"{name} must be an object with {' and '.join(members)}, both texts")
    return wrong or [*_wrong_texts(data, endpoint(kind, {**own, "key": UNUSED}).slots, folder)]


def _wrong_texts(data: Any, slots: tuple[str, ...], folder: Path) -> Iterator[str]:
    """Yield what is wrong with the texts of a file that has all it must."""
    source, held = data["source"], data["held"]["id"]
    if not (isinstance(source, str) and SOURCE.fullmatch(source.lower())):
        yield "source must be the name of a source, such as orders"
    if slots and held not in slots:
        yield f"held has the id {held!r}: write {' or '.join(slots)}"
    if len(data["signingKey"]["key"]) < LEAST_KEY:
        yield f"signingKey has fewer than {LEAST_KEY} characters: use a longer one"
    if "caFile" in data:
        try:
            ssl.create_default_context(cafile=folder / data["caFile"])
        except (OSError, TypeError, ValueError) as error:
            what = f"caFile {data['caFile']!r} cannot be read ({type(error).__name__})"
            yield f"{what}: write the path of certificates in PEM, as seen from this file"
