"""The promises, as checks on the simulated world.

Some hold at every instant, some once all is done.
"""

from __future__ import annotations

import base64
import logging
import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from engine.state.tags import OPERATION, RETIRE, STATE, Pending
from simulator.keyvault.state import SecretVersion
from simulator.storage.accounts import StorageAccount
from tests.shared.rig import Rig


class Broken(AssertionError):
    """A promise was broken; the message names it."""


@dataclass(frozen=True)
class Place:
    """A world with one secret, and what the promises ask about its source."""

    rig: Rig
    name: str
    accepts: Callable[[SecretVersion], bool]
    """Does the source accept what this version holds, now?"""
    planted: Callable[[], set[str]]
    """Every credential that the source holds or has held: none may leak."""
    single: bool = False
    compromised: bool = False
    """It is rotated since somebody may know the credential: no overlap is left to it."""

    @classmethod
    def of_account(cls, rig: Rig, name: str, account: StorageAccount) -> Place:
        """Return the place of a storage account's key."""

        def accepts(version: SecretVersion) -> bool:
            return holds(version, {key.value for key in account.accepted_keys()})

        return cls(rig, name, accepts, lambda: {key.value for key in account.keys.values()})

    def versions(self) -> list[SecretVersion]:
        """Return all versions, the current one last."""
        return self.rig.vault.versions(self.name)


@dataclass
class Promises:
    """Watches one secret.

    `instant` is called after every call, the others when nothing is left to do.
    """

    place: Place
    lapse_allowed: bool = False
    """Somebody else broke the current version by hand, so P1 holds only at the end."""
    known: set[str] = field(default_factory=set)
    planted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.known = {version.version for version in self.place.versions()}
        self.instant()

    def instant(self) -> None:
        """Check what must hold at every moment."""
        versions = self.place.versions()
        self.planted |= self.place.planted()
        if not versions[-1].enabled:
            raise Broken("P1: the latest version is disabled")
        lapse_allowed = self.lapse_allowed or self.place.single
        if not (lapse_allowed or self.place.accepts(versions[-1])):
            raise Broken("P1: the current version is not accepted")
        for version in versions:
            if version.version not in self.known and not self.place.accepts(version):
                raise Broken("P3: a version was published that the source does not accept")
        self.known |= {version.version for version in versions}
        if not self.place.compromised:
            self._nothing_cut_off({version.version: version for version in versions})

    def _nothing_cut_off(self, by_id: Mapping[str, SecretVersion]) -> None:
        for version in by_id.values():
            if RETIRE in (version.tags or {}):
                pending = Pending.parse((version.tags or {})[RETIRE])
                old = by_id[pending.version]
                if self.place.rig.clock.now() < pending.at and not (
                    self.place.accepts(old) and old.enabled
                ):
                    raise Broken("P4: a credential was cut off inside its overlap")

    def finally_(self, count: int = 2) -> None:
        """Check what must hold once no work is left: so many versions, the current one accepted."""
        self.lapse_allowed = False
        self.instant()
        versions = self.place.versions()
        if not self.place.accepts(versions[-1]):
            raise Broken("P1: the current version is not accepted in the end")
        if len(versions) != count:
            raise Broken(f"P2: {len(versions)} versions instead of {count}")

    def nothing_left(self) -> None:
        """Check that after the overlap only the current credential and version are alive."""
        *old, current = self.place.versions()
        if any(self.place.accepts(version) for version in old):
            raise Broken("P5: a superseded credential is alive")
        if not self.place.single and any(version.enabled for version in old):
            raise Broken("P5: a version whose credential was retired is still enabled")
        if RETIRE in (current.tags or {}):
            raise Broken("P5: something is still to be retired")

    def settled(self) -> None:
        """Check that one rotation is over, its overlap too.

        It checks, too, that the secret is shown as done.
        """
        self.finally_()
        self.nothing_left()
        tags = self.place.versions()[-1].tags or {}
        if STATE in tags or OPERATION not in tags:
            raise Broken("P8: the secret is shown as parked")


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
    """Write all that an exception carries.

    Its chain, the suppressed part too, with arguments and attributes.
    """
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
            parts += [_decoded(match) for match in re.findall(r"<MessageText>([^<]+)<", text)]
    return "\n".join(parts)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode(errors="replace")
