"""The demo's third act: a secret of every other kind, in a vault of the platform.

The secrets follow from the contracts of the simulator: every type of resource with two keys has
one. Which kind a secret is, its credential and its overlap are what the app says.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from demo.app import App
from demo.cast import Part
from demo.keyed import Keyed, RuleSignature
from demo.lines import wrapped
from demo.servers import ENGINES, DatabaseAdministrator, DatabaseLogins
from simulator.azure import Azure
from simulator.databases.servers import EngineName
from simulator.keys.contracts import CONTRACTS
from simulator.keyvault.state import SecretVersion
from simulator.reach.server import Background

type Row = Mapping[str, Any]

PLATFORM = "platform"
SLOW = {"Microsoft.DocumentDB/databaseAccounts": timedelta(hours=1)}
"""How long a replacement goes on where that is longer than anybody watches a demo."""
SIGNING = ("Microsoft.ServiceBus/namespaces", "Microsoft.EventHub/namespaces")
"""Whose keys make signatures that are secrets of their own."""
ABSENT = {"maps-key": "all keys are proven at atlas.microsoft.com, which is not here"}
"""Kinds that the demo cannot show, each with the reason."""
PATH = f"/api/secrets/{PLATFORM}/{{}}/rotate"
PATIENCE = 60.0
LINE: Callable[..., str] = "{:<28}{:<18}{:<20}{:<10}{}".format


def platform() -> tuple[Part, ...]:
    """Return a secret of every type with two keys that says its address, and what such keys sign.

    Besides, two of each engine of databases.
    """
    keys = [Keyed(contract, SLOW.get(contract.kind)) for contract in CONTRACTS if contract.address]
    databases = tuple(part for engine in ENGINES for part in _of_engine(engine))
    return (*(part for key in keys for part in _of_platform(key)), *databases)


def _of_engine(engine: EngineName) -> tuple[Part, Part]:
    admin, logins = DatabaseAdministrator(engine), DatabaseLogins(engine)
    return (
        Part(admin.name, admin, engine, 75, "replaced", vault=PLATFORM),
        Part(logins.name, logins, engine, 75, "rotated", vault=PLATFORM),
    )


def _of_platform(key: Keyed) -> tuple[Part, ...]:
    """Return a key, and its signature where it makes one.

    All are good for long, but for what takes long: that is due from the start.
    """
    kind = key.contract.kind
    if key.goes_on:
        return (Part(key.name, key, kind, 30, "under way", vault=PLATFORM),)
    if kind not in SIGNING:
        return (Part(key.name, key, kind, 75, "rotated", vault=PLATFORM),)
    signature = RuleSignature(key, PLATFORM)
    consent = {"MayDerive": f"{signature.name}={signature.extent}"}
    return (
        Part(key.name, key, kind, 75, "rotated", consent, PLATFORM),
        Part(signature.name, signature, kind, 75, "rotated", vault=PLATFORM),
    )


@dataclass(frozen=True)
class Kinds:
    """Rotates every secret of the platform by hand, and shows a line for each."""

    cloud: Background[Azure]
    parts: tuple[Part, ...]
    before: Mapping[str, SecretVersion]
    """The versions that the vault holds at first, by the secret's name."""
    app: App
    say: Callable[[str], None]
    patience: float = PATIENCE
    """Seconds to wait for all to end."""

    def begin(self) -> bool:
        """Force a rotation of each that is not due; a signature follows its key by itself."""
        own = [part for part in self.parts if not isinstance(part.source, RuleSignature)]
        forced = [part for part in own if part.ends != "under way"]
        count = len(forced)
        self.say(f"an operator rotates {count} secrets of other kinds by hand, one call each:")
        body = {"force": True, "reason": "demo"}
        self.say(f"  POST {PATH.format('{name}')} {json.dumps(body)}")
        answers = [self.app.post(PATH.format(part.name), body)[0] for part in forced]
        return set(answers) == {HTTPStatus.ACCEPTED}

    def end(self) -> bool:
        """Wait until all have come to their end, and show them; return whether all are well."""
        rows = self._wait()
        types = Counter(row["rotator"] for row in rows.values())
        self.say("every other kind: what its secret holds, and what its source accepts:")
        print("\n" + LINE("kind", "was", "is", "new one", "old one"))
        print("-" * 98)
        well = [self._show(part, rows[part.name], types) for part in self.parts]
        for kind, reason in ABSENT.items():
            print(f"{kind:<28}not shown: {reason}")
        print(flush=True)
        return all(well)

    def _wait(self) -> dict[str, Row]:
        """Return what the app says of each, once each has ended or time is up."""
        deadline = time.monotonic() + self.patience
        while True:
            _, answer = self.app.get(f"/api/secrets?vault={PLATFORM}&limit=1000")
            rows = {row["secret"]: row for row in answer["secrets"]}
            ended = all(_has_ended(part, rows[part.name]) for part in self.parts)
            if ended or time.monotonic() > deadline:
                return rows
            time.sleep(0.5)

    def _show(self, part: Part, row: Row, types: Counter[str]) -> bool:
        world, kind = self.cloud.world, row["rotator"] or part.name
        before = self.before[part.name]
        now = world.vaults[PLATFORM].versions(part.name)[-1]
        new, old = (part.source.opens(world, version.value) for version in (now, before))
        changed = now.version != before.version
        name = f"{kind} ({part.story.rpartition('/')[2]})" if types[kind] > 1 else kind
        is_now = _short(now) if changed else _state(row)
        was = _short(before) or "made by hand"
        new_one = _works(new) if changed else "later"
        print(LINE(name, was, is_now, new_one, _old_one(part, row, old)))
        expected = part.ends != "replaced", part.ends != "under way"
        well = new and (old, changed) == expected and _has_ended(part, row)
        if not well:
            print(wrapped(f"    not as it should be: {row['state']}: {row['reason']}", 4))
        return well


def _has_ended(part: Part, row: Row) -> bool:
    """Return whether a secret has come as far as it comes in the demo."""
    return _state(row) == ("under way" if part.ends == "under way" else "rotated")


def _state(row: Row) -> str:
    """Return how far a secret has come: only a rotation of Rekey's gives a version an operation."""
    if row["under_way_since"]:
        return "under way"
    return "rotated" if row["operation"] else str(row["state"])


def _short(version: SecretVersion) -> str:
    # A signature's id names its key, and when it ends.
    return (version.tags or {}).get("CredentialId", "").partition("/")[0]


def _works(opens: bool) -> str:  # noqa: FBT001 - one word
    return "works" if opens else "REFUSED"


def _old_one(part: Part, row: Row, opens: bool) -> str:  # noqa: FBT001 - as above
    until = row["overlap_until"]
    match part.ends:
        case "replaced":
            return "STILL WORKS" if opens else "replaced in place"
        case "under way":
            return f"{_works(opens)} meanwhile"
        case _:
            return (
                f"{_works(opens)} until {until[:10]}" if until else f"{_works(opens)} with its key"
            )
