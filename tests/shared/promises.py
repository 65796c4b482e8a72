"""The promises, as checks on the simulated world: some hold at every instant, some once all is done."""

from __future__ import annotations

import base64
import logging
import re
import traceback
from dataclasses import dataclass, field

from engine.model.tags import RETIRE, Pending
from simulator.keyvault.state import SecretVersion
from simulator.storage.accounts import StorageAccount
from tests.shared.rig import Rig


class Broken(AssertionError):
    """A promise was broken; the message names it."""


@dataclass
class Promises:
    """Watches one secret and its account. `instant` is called after every call, `finally_` at the end."""

    rig: Rig
    name: str
    account: StorageAccount
    compromised: bool = False
    lapse_allowed: bool = False
    """Somebody else broke the current version by hand, so P1 holds only at the end."""
    known: set[str] = field(default_factory=set)
    planted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.known = {version.version for version in self.rig.vault.versions(self.name)}
        self.instant()

    def live(self) -> set[str]:
        """Return the keys that the account holds now."""
        keys = {key.value for key in self.account.keys.values()}
        self.planted |= keys
        return keys

    def instant(self) -> None:
        """Check what must hold at every moment."""
        live = self.live()
        versions = self.rig.vault.versions(self.name)
        if not self.lapse_allowed and not holds(versions[-1], live):
            raise Broken("P1: the current version is not a key of the account")
        for version in versions:
            if version.version not in self.known:
                self.known.add(version.version)
                accepted = {key.value for key in self.account.accepted_keys()}
                if not holds(version, accepted):
                    raise Broken("P3: a version was published that the account does not accept")
        if not self.compromised:
            self._nothing_cut_off(versions, live)
        if not versions[-1].enabled:
            raise Broken("the latest version is disabled")

    def _nothing_cut_off(self, versions: list[SecretVersion], live: set[str]) -> None:
        by_id = {version.version: version for version in versions}
        for version in versions:
            if RETIRE in (version.tags or {}):
                pending = Pending.parse((version.tags or {})[RETIRE])
                old = by_id[pending.version]
                if self.rig.clock.now() < pending.at and not (holds(old, live) and old.enabled):
                    raise Broken("P4: a credential was cut off inside its overlap")

    def finally_(self, versions: int) -> None:
        """Check what must hold once nothing is left to do: so many versions, the current one sound."""
        self.lapse_allowed = False
        self.instant()
        found = self.rig.vault.versions(self.name)
        if len(found) != versions:
            raise Broken(f"P2: {len(found)} versions instead of {versions}")

    def nothing_left(self) -> None:
        """Check, after the overlap, that only the current credential is alive and only its version enabled."""
        *old, current = self.rig.vault.versions(self.name)
        others = self.live() - {key for key in self.live() if key in current.value}
        if any(holds(version, others) for version in old):
            raise Broken("P5: a superseded credential is alive")
        if any(version.enabled for version in old):
            raise Broken("P5: a version whose credential was retired is still enabled")
        if RETIRE in (current.tags or {}):
            raise Broken("P5: something is still to be retired")


def holds(version: SecretVersion, keys: set[str]) -> bool:
    """Tell whether a version's value is, or contains, one of these keys."""
    return any(key in version.value for key in keys)


class Ear(logging.Handler):
    """Hears every log record of every logger, at DEBUG, with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(f"{record.getMessage()} {record.__dict__!r}")
        if record.exc_info and record.exc_info[1]:
            self.heard.append(everything(record.exc_info[1]))


def everything(error: BaseException | None) -> str:
    """Write all that an exception carries: its chain, the suppressed part too, with arguments and attributes."""
    parts, seen = [], set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts += [
            repr(error),
            str(error),
            repr(vars(error)),
            "".join(traceback.format_exception(error)),
        ]
        error = error.__cause__ or error.__context__
    return "\n".join(parts)


def emitted_to_host_storage(rig: Rig) -> str:
    """Return all that the app wrote to its own storage account, messages decoded."""
    parts = []
    for exchange in rig.world.exchanges:
        if exchange.request.host.startswith("rekeyhost."):
            text = exchange.request.body.decode(errors="replace")
            parts += [exchange.request.url, repr(exchange.request.headers), text]
            parts += [_decoded(each) for each in re.findall(r"<MessageText>([^<]+)<", text)]
    return "\n".join(parts)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
