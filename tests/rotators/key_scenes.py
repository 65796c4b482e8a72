"""Resources with two keys as the contract suite, the stories and the crash tests want them.

A world each, made from facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from engine.contract import Job, Rotator
from rotators.api_management_key import ApiManagementKey
from rotators.app_configuration_key import AppConfigurationKey
from rotators.batch_key import BatchKey
from rotators.cosmos_db_key import CosmosDbKey
from rotators.event_hubs_key import EventHubsKey
from rotators.notification_hubs_key import NotificationHubsKey
from rotators.redis_key import RedisKey
from rotators.registry import ROTATORS
from rotators.relay_key import RelayKey
from rotators.service_bus_key import ServiceBusKey
from rotators.shared.two_keys import TwoKeys
from rotators.storage_key import StorageKey
from simulator.azure import GROUP, SUBSCRIPTION
from simulator.keys.accounts import KeyedAccount, KeyRing, text_of
from simulator.keys.contracts import BY_KIND, Contract
from simulator.keys.shapes import keys_body
from simulator.reach.transport import Intercept
from tests.shared.rig import Rig


@dataclass(frozen=True)
class Member:
    """One way of one kind of the family: which resource, and which of its keys the vault holds."""

    kind: type[TwoKeys]
    path: str = ""
    """The rule below the resource, where it has such."""
    held: str = ""
    """The key that the vault holds; the first of the first pair if left out."""
    strategy: str = ""
    name: str = "Shop1"
    rights: tuple[str, ...] = ("Manage", "Send", "Listen")
    """What a rule may do."""

    def __str__(self) -> str:
        return f"{self.kind.kind} {self.strategy}".strip()

    top: int = 0
    """Which of the kind's types at the top."""

    reads_below: bool = False
    """Whether it takes a look below the resource, too, to know where to prove a key."""

    @property
    def contract(self) -> Contract:
        """What the simulated Azure knows of its type."""
        return BY_KIND[self.type.lower()]

    @property
    def switched(self) -> bool:
        """Whether keys of this resource can be switched off."""
        return bool(self.contract.switch and self.kind.facts.switches)

    @property
    def wrong(self) -> str:
        """A value of the right form that no source accepts."""
        secret = text_of(self.contract.form, self.contract.length, bytes)
        connection = f"Endpoint=https://shop1.azconfig.io;Id=0011223344556677;Secret={secret}"
        return connection if self.contract.asks == "id" else secret

    @property
    def type(self) -> str:
        """The type of the resource at the top."""
        return self.kind.facts.tops[self.top]

    @property
    def slot(self) -> str:
        """The key that the vault holds."""
        return self.held or self.kind.facts.pairs[0].first.name

    @property
    def address(self) -> str:
        """The ProviderAddress as the portal shows it."""
        group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
        return f"{group}/providers/{self.type}/{self.name}{f'/{self.path}' if self.path else ''}"


VARIANTS = (
    Member(
        ServiceBusKey, "queues/Orders/authorizationRules/Send", "", "of a queue", rights=("Send",)
    ),
    Member(ServiceBusKey, "authorizationRules/RootManage", "", "of a namespace"),
    Member(EventHubsKey, "eventhubs/clicks/authorizationRules/listen", "", "of a hub"),
    Member(AppConfigurationKey),
    Member(AppConfigurationKey, "", "Secondary Read Only", "that only reads"),
    Member(CosmosDbKey),
    Member(CosmosDbKey, "", "secondaryReadonlyMasterKey", "that only reads"),
    Member(RelayKey, "authorizationRules/listen", rights=("Listen",)),
    Member(NotificationHubsKey, "notificationHubs/phones/authorizationRules/Full", "", "of a hub"),
    Member(NotificationHubsKey, "authorizationRules/Root", "", "of a namespace"),
    Member(ApiManagementKey, "subscriptions/partner", reads_below=True),
    Member(BatchKey, name="shop1"),
    Member(RedisKey, "", "", "of a cache"),
    Member(RedisKey, "databases/default", "", "of a database", top=1, reads_below=True),
)
"""Kinds of which there is more to know than their facts say."""


def members(kind: type[TwoKeys]) -> tuple[Member, ...]:
    """Return the ways of a kind: those above, or one for each of its types at the top."""
    tops = kind.facts.tops
    words = [f"of a {top.rpartition('/')[2].removesuffix('s')}" for top in tops]
    return tuple(member for member in VARIANTS if member.kind is kind) or tuple(
        Member(kind, _below(top), strategy=words[at] if tops[1:] else "", top=at)
        for at, top in enumerate(tops)
    )


def _below(top: str) -> str:
    """Return a path to what has the keys below a resource; empty where it has them itself."""
    child, *_ = (*BY_KIND[top.lower()].children, "")
    return "/".join(f"{part}/one" for part in child.split("/") if part)


FAMILY = tuple(
    member
    for kind in ROTATORS
    if isinstance(kind, type) and issubclass(kind, TwoKeys) and kind is not StorageKey
    for member in members(kind)
)
BY_NAME = {str(member): member for member in FAMILY}
WITHOUT_ENTITY = tuple(
    member
    for member in FAMILY
    if member.path.startswith("authorizationRules/") and "entity" in member.kind.template_fields
)
"""Rules to which a field of a template has no value."""


class KeyScene:
    """A resource of which the vault holds one of two keys."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.rig = Rig()
        self.account: KeyedAccount = self.rig.keyed(
            member.kind, member.name, member.path, member.type
        )
        self.ring.rights = member.rights
        source = member.kind.canonical(member.address, {"CredentialId": member.slot})
        assert source
        self.source = source
        self.source_name = self.account.resource_id.lower()

    def manage(self, name: str, days_left: float = 10) -> None:
        """Put the key that the vault holds under management; it is due with 30 days left."""
        tags = {
            "ProviderAddress": self.member.address,
            "CredentialId": self.member.slot,
            "ValidityPeriodDays": "90",
        }
        expires = self.rig.clock.now() + timedelta(days=days_left)
        self.rig.vault.put(
            name,
            self.value(self.member.slot),
            expires=expires,
            tags=tags,
            content_type="text/plain",
        )

    @property
    def ring(self) -> KeyRing:
        """The keys."""
        ring = self.account.ring(self.member.path)
        assert ring
        return ring

    def rotator(self, intercept: Intercept | None = None) -> Rotator:
        return self.rig.alone(self.member.kind, intercept)

    def job(self) -> Job:
        slot = self.member.slot
        return self.rig.job_of(self.source, slot, self.value(slot))

    def live(self) -> set[str]:
        pair = self.member.kind.facts.place(self.source).pair
        return {self.value(slot.name) for slot in pair.slots}

    def value(self, credential_id: str) -> str:
        return value_of(self.account, self.ring, credential_id)

    def regenerations(self) -> list[int]:
        """Return how the source answered each request for a new key."""
        return [
            exchange.response.status
            for exchange in self.rig.world.exchanges
            if "regeneratekey" in exchange.request.path.lower()
        ]

    def spread_slowly(self, seconds: float) -> None:
        self.account.propagation = timedelta(seconds=seconds)

    def vanish(self) -> None:
        self.rig.world.keyed.clear()


def value_of(account: KeyedAccount, ring: KeyRing, slot: str) -> str:
    """Return what a consumer holds: the key, or the string that it stands in."""
    if account.contract.asks == "id":
        rows = keys_body(account, ring)["value"]
        return next((str(row["connectionString"]) for row in rows if row["name"] == slot), "")
    return ring.keys[slot].value
