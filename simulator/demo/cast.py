"""Who appears in the demo: one vault, some accounts, and secrets in every state that an operator meets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from simulator.azure import GROUP, SUBSCRIPTION, Azure
from simulator.world import Domains

VAULT = "shop"
HOST_ACCOUNT = "rekeyhost"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
TEMPLATE = "DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key};EndpointSuffix={suffix}"
RIGHTS = (
    "Microsoft.KeyVault/vaults/secrets/getSecret/action",
    "Microsoft.KeyVault/vaults/secrets/setSecret/action",
    "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    "Microsoft.KeyVault/vaults/secrets/update/action",
    "Microsoft.Storage/storageAccounts/read",
    "Microsoft.Storage/storageAccounts/listKeys/action",
    "Microsoft.Storage/storageAccounts/regenerateKey/action",
)


@dataclass(frozen=True)
class Part:
    """One secret of the demo, the account that issues its key, and what is going to happen to it."""

    name: str
    account: str
    story: str
    days_left: int | None
    tags: dict[str, str]
    ends: str
    """`rotated`, `retired`, `parked` or `untouched`."""


PARTS = (
    Part("orders-key", "shoporders", "expires in 12 days; Event Grid says so", 12, {}, "rotated"),
    Part("invoices-key", "shopinvoices", "expires in 20 days; its event never came", 20, {}, "rotated"),
    Part(
        "reports-connection", "shopreports", "a connection string, expired", -2, {"ValueTemplate": TEMPLATE}, "rotated"
    ),
    Part("media-key", "shopmedia", "good for 75 days; rotated by hand", 75, {}, "rotated"),
    Part("archive-key", "shoparchive", "good for 80 days", 80, {}, "untouched"),
    Part("backup-key", "shopbackup", "rotated last week; the old key must go now", 83, {}, "retired"),
    Part(
        "legacy-key",
        "shoplegacy",
        "broken on purpose: its validity is a word",
        5,
        {"ValidityPeriodDays": "sixty"},
        "parked",
    ),
)


def stage(domains: Domains) -> Azure:
    """Return the world before the curtain rises."""
    azure = Azure(domains=domains)
    azure.add_account(HOST_ACCOUNT)
    azure.managed_identity.system = azure.add_principal("rekey")
    azure.grant(azure.managed_identity.system, RIGHTS, SCOPE)
    azure.add_vault(VAULT)
    for part in PARTS:
        _enter(azure, part)
    return azure


def _enter(azure: Azure, part: Part) -> None:
    account, vault, now = azure.add_account(part.account), azure.vaults[VAULT], azure.now()
    template = part.tags.get("ValueTemplate", "{key}")

    def value(slot: str) -> str:
        suffix = azure.domains.blob.partition(".")[2]
        return template.format(account=account.name, key=account.keys[slot].value, suffix=suffix)

    tags = {
        "ProviderAddress": account.resource_id,
        "CredentialId": "key1",
        "ValidityPeriodDays": "90",
        "Owner": "shop team",
        **part.tags,
    }
    expires = None if part.days_left is None else now + timedelta(days=part.days_left)
    first = vault.put(part.name, value("key1"), expires=expires, tags=tags, content_type="text/plain")
    if part.ends == "retired":
        pending = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ} {first.version} key1"
        tags |= {
            "CredentialId": "key2",
            "RekeyOperation": "b7f64c1e-0000-5000-8000-000000000000",
            "RekeyRetire": pending,
        }
        vault.put(part.name, value("key2"), expires=expires, tags=tags, content_type="text/plain")
