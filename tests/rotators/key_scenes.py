"""Resources with two keys as the contract suite, the stories and the crash tests want them.

A world each, made from facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from cloud.azure import Azure
from engine.contract import Job, Rotator
from engine.secret import Sensitive
from rotators.ai_services_key import AiServicesKey
from rotators.api_management_key import ApiManagementKey
from rotators.app_configuration_key import AppConfigurationKey
from rotators.batch_key import BatchKey
from rotators.communication_key import CommunicationKey
from rotators.container_registry_password import ContainerRegistryPassword
from rotators.cosmos_db_key import CosmosDbKey
from rotators.event_grid_key import EventGridKey
from rotators.event_hubs_key import EventHubsKey
from rotators.maps_key import MapsKey
from rotators.notification_hubs_key import NotificationHubsKey
from rotators.redis_key import RedisKey
from rotators.relay_key import RelayKey
from rotators.search_admin_key import SearchAdminKey
from rotators.service_bus_key import ServiceBusKey
from rotators.shared.two_keys import TwoKeys
from rotators.signalr_key import SignalRKey
from rotators.web_pubsub_key import WebPubSubKey
from simulator.azure import GROUP, SUBSCRIPTION
from simulator.keys.accounts import KeyedAccount, KeyRing
from simulator.keys.contracts import BY_KIND
from simulator.keys.shapes import keys_body
from simulator.reach.transport import Intercept, SimulatedCredential, SimulatedTransport
from tests.shared.rig import Rig, RigClock
from tests.shared.simulated_databases import SimulatedRedis

OPERATION = "6f1c1f64-3c3a-5b52-9c1e-2d1f6a9f3b11"
BASE64_32 = "A" * 43 + "="
BASE64_64 = "A" * 86 + "=="


@dataclass(frozen=True)
class Member:
    """One way of one kind of the family: which resource, and which of its keys the vault holds."""

    kind: type[TwoKeys]
    wrong: str
    """A value of the right form that no source accepts."""
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

    @property
    def switched(self) -> bool:
        """Whether keys of this resource can be switched off."""
        return bool(BY_KIND[self.type.lower()].switch)

    @property
    def reads_below(self) -> bool:
        """Whether it takes a look below the resource, too, to know where to prove a key."""
        return BY_KIND[self.type.lower()].switched_below

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


def connection(secret: str) -> str:
    """Return a connection string of App Configuration."""
    return f"Endpoint=https://shop1.azconfig.io;Id=0011223344556677;Secret={secret}"


FAMILY = (
    Member(
        ServiceBusKey,
        BASE64_32,
        "queues/Orders/authorizationRules/Send",
        strategy="of a queue",
        rights=("Send",),
    ),
    Member(ServiceBusKey, BASE64_32, "authorizationRules/RootManage", strategy="of a namespace"),
    Member(
        EventHubsKey, BASE64_32, "eventhubs/clicks/authorizationRules/listen", strategy="of a hub"
    ),
    Member(AiServicesKey, "A" * 84),
    Member(SearchAdminKey, "A" * 52),
    Member(AppConfigurationKey, connection(BASE64_32)),
    Member(
        AppConfigurationKey,
        connection(BASE64_32),
        held="Secondary Read Only",
        strategy="that only reads",
    ),
    Member(ContainerRegistryPassword, "A" * 52),
    Member(BatchKey, BASE64_64, name="shop1"),
    Member(CommunicationKey, BASE64_64),
    Member(MapsKey, "A" * 84),
    Member(SignalRKey, BASE64_32),
    Member(WebPubSubKey, BASE64_32),
    Member(CosmosDbKey, BASE64_64),
    Member(CosmosDbKey, BASE64_64, held="secondaryReadonlyMasterKey", strategy="that only reads"),
    Member(RelayKey, BASE64_32, "authorizationRules/listen", rights=("Listen",)),
    Member(
        NotificationHubsKey,
        BASE64_32,
        "notificationHubs/phones/authorizationRules/Full",
        strategy="of a hub",
    ),
    Member(NotificationHubsKey, BASE64_32, "authorizationRules/Root", strategy="of a namespace"),
    Member(ApiManagementKey, "a" * 32, "subscriptions/partner"),
    Member(RedisKey, BASE64_32, strategy="of a cache"),
    Member(RedisKey, BASE64_32, "databases/default", strategy="of a database", top=1),
    Member(EventGridKey, BASE64_32, strategy="of a topic"),
    Member(EventGridKey, BASE64_32, strategy="of a domain", top=1),
    Member(EventGridKey, BASE64_32, strategy="of a namespace", top=2),
)
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
        transport = SimulatedTransport(self.rig.world, intercept)
        identity = SimulatedCredential(self.rig.world, self.rig.identity)
        redis = SimulatedRedis(self.rig.world, intercept)
        azure = Azure(identity, options={"transport": transport}, redis=redis)
        return self.member.kind(azure, RigClock(self.rig.clock))

    def job(self) -> Job:
        return Job(
            source=self.source,
            operation=OPERATION,
            held_id=self.member.slot,
            held=Sensitive(self.value(self.member.slot)),
            proven=True,
            in_place=False,
            expires=self.rig.clock.now() + timedelta(days=90),
        )

    def live(self) -> set[str]:
        pair = self.member.kind.facts.place(self.source).pair
        return {self.value(slot.name) for slot in pair.slots}

    def value(self, credential_id: str) -> str:
        return value_of(self.account, self.ring, credential_id)

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
