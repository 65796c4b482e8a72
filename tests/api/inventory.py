"""Worlds for the inventory page: secrets in every state, in two vaults, and thousands of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from cloud.settings import Settings
from engine.secret import SecretRef
from engine.secret import Version as Seen
from engine.state.tags import REASON, STATE, Pending, fingerprint
from simulator.keyvault.state import Vault
from tests.shared.rig import VAULT_ACTIONS, Rig

DAY = timedelta(days=1)
DRIFTED = "the source no longer accepts the published credential: it was changed there"
PARKED = "the app's identity lacks regenerateKey on the account (AuthorizationFailed)"


@dataclass
class Inventory(Rig):
    """A rig with a second vault."""

    shared: Vault = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.shared = self.world.add_vault("shared")
        self.world.grant(self.identity, VAULT_ACTIONS, self.shared.resource_id)
        self.source = self.account("orders")

    @property
    def settings(self) -> Settings:
        settings = super().settings
        return replace(
            settings,
            scopes=dict.fromkeys((self.vault.url, self.shared.url), *settings.scopes.values()),
        )

    def add(
        self,
        name: str,
        *,
        vault: Vault | None = None,
        age: float = 20,
        left: float | None = 70,
        enabled: bool = True,
        marked: tuple[str, str] | None = None,
        **tags: str | None,
    ) -> None:
        """Add a secret of this age in days, with so many days left; `marked` two days ago."""
        vault, now = vault or self.vault, self.clock.now()
        usual = {
            "ProviderAddress": self.source.resource_id,
            "CredentialId": "key1",
            "ValidityPeriodDays": "90",
        }
        every = {**usual, "Owner": "platform", **tags}
        kept = {tag: text for tag, text in every.items() if text is not None}
        expires = None if left is None else now + left * DAY
        seen = Seen(SecretRef(vault.url, name), None, enabled, now - age * DAY, expires, None, kept)
        if marked:
            word, reason = marked
            kept |= {
                STATE: f"{word} {now - 2 * DAY:%Y-%m-%dT%H:%M:%SZ} {fingerprint(seen)}",
                REASON: reason,
            }
        vault.put(
            name,
            f"value of {name}",
            expires=expires,
            tags=kept,
            created=seen.created,
            enabled=enabled,
        )


IN_NEED = ["partner-api", "reports-storage", "warehouse-sql", "mail-relay", "invoices-app"]
"""What needs a person in the varied world, the most urgent first."""


def varied() -> Inventory:
    """Return a world with every state in it."""
    rig = Inventory()
    rig.add("billing-storage", age=12, left=78)
    rig.add("orders-storage", age=31, left=59)
    rig.add("search-index", age=61, left=29.5)
    superseded = Pending(rig.clock.now() + 6 * DAY, "a" * 32, "key2")
    rig.add("checkout-sql", age=1, left=89, RekeyRetire=str(superseded))
    rig.add("invoices-app", age=83, left=7, Owner="finance@contoso.example")
    rig.add("partner-api", age=100, left=-2.5, Owner="integration")
    rig.add("reports-storage", age=85, left=5, marked=("drifted", DRIFTED), Owner="analytics")
    rig.add("warehouse-sql", age=70, left=20, marked=("parked", PARKED), Owner="data platform")
    rig.add("mail-relay", age=40, left=50, ValidityPeriodDays="quarterly")
    rig.add("yearly-licence", vault=rig.shared, age=200, left=340, ValidityPeriodDays="540")
    rig.add("legacy-ftp", vault=rig.shared, age=900, left=None, ProviderAddress=None, Owner=None)
    rig.add("retired-job", vault=rig.shared, age=400, left=-30, enabled=False)
    return rig


def many(count: int) -> Inventory:
    """Return a world with so many secrets, some of every hundred of them in need of a person."""
    rig = Inventory()
    for number in range(count):
        name, age = f"app-{number:05}", number * 7 % 55
        vault = rig.vault if number < count * 3 // 5 else rig.shared
        late = number % 50 == 49
        rig.add(name, vault=vault, age=95 if late else age, left=-3 if late else 90 - age)
    return rig
