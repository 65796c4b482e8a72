"""A storage account, the secret that holds its key, and what that key signs for other secrets."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from engine.contract import Job, Parent, Rotator
from engine.secret import Sensitive
from rotators.event_hubs_key import EventHubsKey
from rotators.event_hubs_sas import EventHubsSas
from rotators.service_bus_key import ServiceBusKey
from rotators.service_bus_sas import ServiceBusSas
from rotators.shared import sas_signing
from rotators.shared.rule_sas import RuleSas
from rotators.shared.sas_extent import Extent
from rotators.storage_sas import StorageSas
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Intercept
from simulator.storage.blobs import BlobService
from simulator.storage.service import Call
from simulator.wire import Request
from tests.rotators.key_scenes import FAMILY, KeyScene, Member
from tests.shared.promises import Place
from tests.shared.rig import Rig

KEY, SAS = "app-key", "uploads"
EXTENT = "sas/container/uploads/rl"


def tokens(rig: Rig) -> set[str]:
    """Return every signature that the vault has held, and what alone makes it work."""
    held = {version.value for version in rig.vault.versions(SAS)}
    bare = {part for value in held for part in re.findall(r"sig=([^&;]{20,})", value)}
    return held | bare | {unquote(part) for part in bare}


class SasScene:
    """An account whose key the vault holds as `app-key`, and what it signs as `uploads`."""

    def __init__(self, extent: str = EXTENT, rig: Rig | None = None) -> None:
        self.rig = rig or Rig()
        self.account = self.rig.account("appdata")
        self.address = f"{self.account.resource_id}/{extent}"
        source = StorageSas.canonical(self.address, {})
        assert source
        self.source, self.source_name = source, self.account.resource_id.lower()
        self._add_container()
        self._signs = "key1"
        self._held = self.signed("key1", self.rig.clock.now() + timedelta(days=10))

    def _add_container(self) -> None:
        blobs = next(
            service for service in self.rig.world.services if isinstance(service, BlobService)
        )
        request = Request("PUT", "https://appdata.blob.core.windows.net/uploads", {}, b"")
        blobs.containers.create(Call(request, self.account, "uploads", self.rig.clock.now()), {})

    def signed(
        self,
        key: str,
        ends: datetime | str,
        permissions: str = "rl",
        starts: datetime | None = None,
    ) -> str:
        """Return a signature of the container as Microsoft's own package makes it."""
        return generate_container_sas(
            "appdata",
            "uploads",
            account_key=self.account.keys[key].value,
            permission=ContainerSasPermissions.from_string(permissions),
            expiry=ends,
            start=starts,
        )

    def manage(
        self,
        *,
        days_left: float = 10,
        key_days_left: float = 80,
        consent: str | None = f"{SAS}={EXTENT}",
        tags: Mapping[str, str | None] | None = None,
        key_tags: Mapping[str, str | None] | None = None,
    ) -> None:
        """Put both secrets under management."""
        consenting = {"MayDerive": consent, **(key_tags or {})}
        self.rig.secret(KEY, self.account, days_left=key_days_left, tags=consenting)
        expires = self.rig.clock.now() + timedelta(days=days_left)
        usual = {
            "ProviderAddress": self.address,
            "ValidityPeriodDays": "60",
            "DerivedFrom": f"{self.rig.vault.url}/secrets/{KEY}",
            **(tags or {}),
        }
        kept = {tag: text for tag, text in usual.items() if text is not None}
        value = self.signed("key1", expires)
        self.rig.vault.put(SAS, value, expires=expires, tags=kept, content_type="text/plain")

    def works(self, version: SecretVersion) -> bool:
        """Return whether the account accepts what a version holds, now."""
        return (
            any(self.made_by(version.value, key) for key in self.account.keys)
            and (sas_signing.ends_of(self._fields(version.value)) or self.rig.clock.now())
            > self.rig.clock.now()
        )

    def made_by(self, value: str, key: str) -> bool:
        """Return whether this key of the account, as it is now, made a signature."""
        current = Sensitive(self.account.keys[key].value)
        return sas_signing.is_made_from(Extent.read(self.source), Sensitive(value), current)

    def _fields(self, value: str) -> dict[str, str]:
        return sas_signing.read(Extent.read(self.source), Sensitive(value)) or {}

    def place(self) -> Place:
        """Return what the promises ask about the signature."""
        return Place(self.rig, SAS, self.works, self.planted)

    def planted(self) -> set[str]:
        """Return every value that may not leak: the keys, and what stands in the vault."""
        return tokens(self.rig) | {key.value for key in self.account.keys.values()}

    # As a Scene of the contract suite.

    def rotator(self, intercept: Intercept | None = None) -> Rotator:
        return self.rig.alone(StorageSas, intercept)

    def job(self) -> Job:
        expires = self.rig.clock.now() + timedelta(days=90)
        key = Sensitive(self.account.keys[self._signs].value)
        parent = Parent(self.source_name, self._signs, key, expires)
        return self.rig.job_of(self.source, "key1/2026", self._held, parent=parent)

    def live(self) -> set[str]:
        return {self._held}

    def value(self, credential_id: str) -> str:
        del credential_id
        return self._held

    def spread_slowly(self, seconds: float) -> None:
        """Let the key that signs be one that the account learns of only now."""
        self.account.propagation = timedelta(seconds=seconds)
        self.account.regenerate("key2")
        self._signs = "key2"

    def vanish(self) -> None:
        self.rig.world.remove_account("appdata")


def managed(**options: Any) -> SasScene:
    """Return a scene whose two secrets are under management."""
    scene = SasScene()
    scene.manage(**options)
    return scene


@dataclass(frozen=True)
class RuleSigned:
    """One kind of signature of a rule, and the rule whose key makes it."""

    kind: type[RuleSas]
    member: Member


RULES = (
    RuleSigned(ServiceBusSas, next(member for member in FAMILY if member.kind is ServiceBusKey)),
    RuleSigned(EventHubsSas, next(member for member in FAMILY if member.kind is EventHubsKey)),
)


class RuleScene(KeyScene):
    """A rule whose key the vault holds as `app-key`, and what it signs as `uploads`."""

    def __init__(self, signed: RuleSigned) -> None:
        super().__init__(signed.member)
        self._kind, self._key = signed.kind, self.member.slot
        source = signed.kind.canonical(f"{self.member.address}/sas", {})
        assert source
        self.key_source, self.source = self.source, source
        self._held = self.signed(self.member.slot, self.rig.clock.now() + timedelta(days=10))

    def signed(self, slot: str, ends: datetime) -> str:
        """Return a signature as Microsoft's page on Service Bus describes it."""
        entity = self.ring.entity.lower()
        target = quote(f"https://{self.account.host}/{entity}", safe="")
        text = f"{target}\n{int(ends.timestamp())}"
        mac = hmac.digest(self.ring.keys[slot].value.encode(), text.encode(), "sha256")
        signature = quote(base64.b64encode(mac).decode(), safe="")
        end, rule = int(ends.timestamp()), self.ring.rule
        return f"SharedAccessSignature sr={target}&sig={signature}&se={end}&skn={rule}"

    def manage(self, name: str = SAS, days_left: float = 10) -> None:
        """Put both secrets under management: the key is good for a year."""
        super().manage(KEY, days_left)
        key = self.rig.latest(KEY)
        consenting = {**self.rig.tags(KEY), "MayDerive": f"{name}=sas"}
        self.rig.vault.amend(key, tags=consenting, expires=self.after(days=400))
        tags = {
            "ProviderAddress": f"{self.member.address}/sas",
            "DerivedFrom": f"{self.rig.vault.url}/secrets/{KEY}",
            "ValidityPeriodDays": "60",
        }
        due = self.rig.clock.now() + timedelta(days=days_left)
        self.rig.vault.put(name, self._held, expires=due, tags=tags, content_type="text/plain")

    def works(self, version: SecretVersion) -> bool:
        """Return whether the rule accepts what a version holds, now."""
        value = Sensitive(version.value)
        now = self.rig.clock.now()
        usable = (key.value for key in self.ring.usable(now))
        made = any(self._kind.is_made_from(self.source, value, Sensitive(key)) for key in usable)
        ends = re.search(r"&se=(\d+)&", version.value)
        return bool(made and ends and int(ends[1]) > now.timestamp())

    def after(self, days: float) -> int:
        """Return a time as a vault keeps it."""
        return int((self.rig.clock.now() + timedelta(days=days)).timestamp())

    def place(self) -> Place:
        """Return what the promises ask about the signature."""

        def planted() -> set[str]:
            return tokens(self.rig) | {key.value for key in self.ring.keys.values()}

        return Place(self.rig, SAS, self.works, planted)

    # As a Scene of the contract suite.

    def rotator(self, intercept: Intercept | None = None) -> Rotator:
        return self.rig.alone(self._kind, intercept)

    def job(self) -> Job:
        expires = self.rig.clock.now() + timedelta(days=90)
        key = Sensitive(self.ring.keys[self._key].value)
        parent = Parent(self.key_source, self._key, key, expires)
        return self.rig.job_of(self.source, "primaryKey/2026", self._held, parent=parent)

    def live(self) -> set[str]:
        return {self._held}

    def value(self, credential_id: str) -> str:
        return self._held if "/" in credential_id else super().value(credential_id)

    def spread_slowly(self, seconds: float) -> None:
        """Let the key that signs be one that the namespace learns of only now."""
        super().spread_slowly(seconds)
        self._key = "secondaryKey"
        self.account.replace(self.ring, self._key)
