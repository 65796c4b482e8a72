"""The state of resources with two keys: what Resource Manager changes and the address obeys."""

from __future__ import annotations

import base64
import string
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.keys.contracts import Contract, Form

ALPHABETS = {"letters": string.ascii_letters + string.digits, "hex": string.digits + "abcdef"}


@dataclass(frozen=True)
class Key:
    """One key. `identity` is what App Configuration calls its id."""

    value: str
    created: datetime
    usable_from: datetime
    identity: str


@dataclass
class Pending:
    """A replacement that was accepted and goes on."""

    slot: str
    ends: datetime


@dataclass
class KeyRing:
    """The keys of one resource, or of one rule below it. `rights` are what a rule may do."""

    path: str
    """Below the resource, such as queues/orders/authorizationRules/send; empty where it is the
    resource itself."""
    keys: dict[str, Key]
    rights: tuple[str, ...] = ("Manage", "Send", "Listen")
    api: str = ""
    """The one API that a subscription of API Management is good for; empty for every one."""

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.path.rpartition("/")[2]

    @property
    def entity(self) -> str:
        """The queue, topic or hub that a rule belongs to; empty for one of the namespace."""
        parts = self.path.split("/")
        return parts[1].replace("~", "/") if parts[2:] and parts[2] == "authorizationRules" else ""

    def usable(self, now: datetime) -> tuple[Key, ...]:
        """Return the keys that are accepted now."""
        return tuple(key for key in self.keys.values() if key.usable_from <= now)


@dataclass
class KeyedAccount:
    """A resource with keys. Every switch says what a test may change.

    `propagation` is how long a new key is not known yet; the old one is refused at once. `duration`
    is how long a replacement
    goes on that is answered with 202, `fails` lets it end without any effect.
    """

    contract: Contract
    resource_id: str
    host: str
    now: Callable[[], datetime]
    entropy: Callable[[int], bytes]
    takes_keys: bool = True
    open_network: bool = True
    flavour: str = ""
    propagation: timedelta = timedelta(0)
    duration: timedelta = field(init=False)
    fails: bool = False
    rings: dict[str, KeyRing] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    published: list[object] = field(default_factory=list)
    """Events that somebody sent, or requests that reached a listener or a backend."""
    state: str = "Succeeded"
    """Of its provisioning."""
    apis: dict[str, str] = field(default_factory=lambda: {"echo": "echo/v1", "rekey": ""})
    """The paths of an API Management service's APIs, by id."""
    operations: dict[str, bool] = field(
        default_factory=lambda: {"/rekey-proof": True, "/echo/v1/rekey-proof": True}
    )
    """Its operations that answer by themselves, each with whether it wants a key."""

    def __post_init__(self) -> None:
        self.duration = timedelta(seconds=self.contract.takes)

    @property
    def endpoint(self) -> str:
        """Where its keys are used: its host, with a port where that is not for HTTPS."""
        return f"{self.host}:{self.contract.port}" if self.contract.port else self.host

    @property
    def name(self) -> str:
        """The resource's name."""
        return self.resource_id.rpartition("/")[2]

    def has(self, entity: str) -> bool:
        """Return whether a rule's queue, topic or hub has this name, or the service itself."""
        names = {ring.entity.lower() for ring in self.rings.values()} - {""}
        return entity.startswith("$") or entity.lower() in names

    def add_ring(
        self, path: str = "", rights: tuple[str, ...] = ("Manage", "Send", "Listen")
    ) -> KeyRing:
        """Add two keys: those of the resource, or of a rule below it."""
        keys = {slot: self._new_key(timedelta(0)) for slot in self.contract.slots}
        self.rings[path.lower()] = KeyRing(path, keys, rights)
        return self.rings[path.lower()]

    def ring(self, path: str) -> KeyRing | None:
        """Return a ring as it is now, once what has ended meanwhile has taken effect."""
        ring, pending = self.rings.get(path.lower()), self.pending.get(path.lower())
        if ring and pending and pending.ends <= self.now():
            del self.pending[path.lower()]
            if not self.fails:
                ring.keys[pending.slot] = self._new_key(self.propagation, pending.ends)
        return ring

    def replace(self, ring: KeyRing, slot: str) -> Key | None:
        """Replace a key and return the new one; None where that goes on."""
        if self.contract.replies == "nothing":
            self.pending[ring.path.lower()] = Pending(slot, self.now() + self.duration)
            return None
        ring.keys[slot] = self._new_key(self.propagation)
        return ring.keys[slot]

    def _new_key(self, delay: timedelta, made: datetime | None = None) -> Key:
        now = made or self.now()
        text = text_of(self.contract.form, self.contract.length, self.entropy)
        return Key(text, now, now + delay, self.entropy(8).hex().upper())


def text_of(form: Form, length: int, entropy: Callable[[int], bytes]) -> str:
    """Return a key of a form."""
    if form == "base64":
        return base64.b64encode(entropy(length)).decode()
    alphabet = ALPHABETS[form]
    return "".join(alphabet[byte % len(alphabet)] for byte in entropy(length))
