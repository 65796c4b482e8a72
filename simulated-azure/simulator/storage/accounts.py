"""Storage accounts: the management plane changes them, and the data plane reads them."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from simulator.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

KEY_NAMES = ("key1", "key2")


@dataclass(frozen=True)
class Key:
    """One access key: 64 bytes in base64, its creation, and when the data plane accepts it."""

    value: str
    created: datetime
    usable_from: datetime


@dataclass
class StorageAccount:
    """One storage account.

    `propagation` is how long the data plane takes to learn a regenerated key. A regenerated key's
    old value stops working at once; only the new value is delayed.
    """

    name: str
    subscription: str
    group: str
    location: str = "westeurope"
    kind: str = "StorageV2"
    sku: str = "Standard_LRS"
    allow_shared_key_access: bool = True
    network_default_action: str = "Allow"
    tags: dict[str, str] = field(default_factory=dict)
    propagation: timedelta = timedelta(0)
    now: Callable[[], datetime] = utc_now
    entropy: Callable[[int], bytes] = os.urandom
    created: datetime = field(init=False)
    keys: dict[str, Key] = field(init=False)

    def __post_init__(self) -> None:
        self.created = self.now()
        self.keys = {name: self._new_key(timedelta(0)) for name in KEY_NAMES}

    @property
    def resource_id(self) -> str:
        """The account's ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.Storage/storageAccounts/{self.name}"
        )

    def regenerate(self, key_name: str) -> Key:
        """Replace one key and return the new one; raise KeyError for an unknown key name."""
        if key_name not in self.keys:
            raise KeyError(key_name)
        self.keys[key_name] = self._new_key(self.propagation)
        return self.keys[key_name]

    def accepted_keys(self) -> tuple[Key, ...]:
        """Return the keys that the data plane accepts now; `allow_shared_key_access` is ignored."""
        now = self.now()
        return tuple(key for key in self.keys.values() if key.usable_from <= now)

    def _new_key(self, delay: timedelta) -> Key:
        now = self.now()
        return Key(base64.b64encode(self.entropy(64)).decode(), now, now + delay)
