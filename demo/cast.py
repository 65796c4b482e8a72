"""The demo's secrets: a shop's vault, with secrets in every state that an operator meets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from demo import servers
from demo.keyed import rights
from demo.sources import (
    Account,
    AlternatingLogins,
    Application,
    Certified,
    Signature,
    Source,
    SqlAdministrator,
)
from simulator.azure import GROUP, SUBSCRIPTION, Azure
from simulator.keys.contracts import CONTRACTS
from simulator.storage.queues import QueueService
from simulator.wire import Request
from simulator.world import Domains

VAULT = "shop"
APP = "rekey"
HOST_ACCOUNT = "rekeyhost"
EVENTS_ACCOUNT = "rekeyevents"
WORKSPACE, SITE = "shop-logs", "Microsoft.Web/sites"
READ = ("orders-key", "archive-key")
"""What an app has read before the demo begins."""
FEW = ("orders-key", "invoices-key", "sql-app", "crm-client", "archive-key", "legacy-key")
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
IDENTITY_ID = f"{GROUP_ID}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{APP}"
ELSEWHERE = "legacy"
ELSEWHERE_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{ELSEWHERE}"
CONNECTION = (
    "DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key};EndpointSuffix={suffix}"
)
RIGHTS = (
    "Microsoft.KeyVault/vaults/secrets/getSecret/action",
    "Microsoft.KeyVault/vaults/secrets/setSecret/action",
    "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    "Microsoft.KeyVault/vaults/secrets/update/action",
    "Microsoft.KeyVault/vaults/certificates/create/action",
    "Microsoft.KeyVault/vaults/certificates/read",
    "Microsoft.Sql/servers/read",
    "Microsoft.Sql/servers/write",
    "Microsoft.Sql/servers/azureADOnlyAuthentications/read",
    "Microsoft.Sql/locations/*/read",
    *(right for contract in CONTRACTS for right in rights(contract)),
    *servers.RIGHTS,
    "Microsoft.OperationalInsights/workspaces/query/*",
)
OF_ACCOUNTS = (
    "Microsoft.Storage/storageAccounts/read",
    "Microsoft.Storage/storageAccounts/listKeys/action",
    "Microsoft.Storage/storageAccounts/regenerateKey/action",
)
"""What the app may do with storage accounts, but those of another group."""


@dataclass(frozen=True)
class Part:
    """One secret of the demo, its credential source, and its expected outcome."""

    name: str
    source: Source
    story: str
    days_left: int
    ends: str
    """`rotated`, `replaced` (in place), `retired`, `restored`, `parked`, `under way`, `untouched`."""
    tags: dict[str, str] = field(default_factory=dict)
    vault: str = VAULT


def cast() -> tuple[Part, ...]:
    """Return the secrets, each with a new source."""
    return (*_keys(), *_logins(), *_exceptions())


def few() -> tuple[Part, ...]:
    """Return the secrets of the main job: one by an event, one broken, the others by a sweep."""
    parts = {part.name: part for part in cast()}
    # Nothing is derived from it here.
    parts["orders-key"] = replace(parts["orders-key"], tags={})
    return tuple(parts[name] for name in FEW)


def _keys() -> tuple[Part, ...]:
    """Return keys that are rotated: by an event, by a sweep, after their expiry, and by hand."""
    return (
        Part(
            "orders-key",
            Account("shoporders"),
            "expires in 12 days; Event Grid says so",
            12,
            "rotated",
            {"MayDerive": f"orders-sas={Signature.extent}"},
        ),
        Part(
            "orders-sas",
            Signature("shoporders", VAULT, "orders-key"),
            "a signature (SAS) that orders-key makes; it follows its key",
            50,
            "rotated",
        ),
        Part(
            "invoices-key",
            Account("shopinvoices"),
            "expires in 20 days; its event never came",
            20,
            "rotated",
        ),
        Part(
            "reports-connection",
            Account("shopreports", CONNECTION),
            "a connection string, expired",
            -2,
            "rotated",
        ),
        Part("media-key", Account("shopmedia"), "good for 75 days; rotated by hand", 75, "rotated"),
    )


def _logins() -> tuple[Part, ...]:
    """Return what signs in to a database or to Entra."""
    return (
        Part(
            "sql-admin",
            SqlAdministrator("shopsql"),
            "a SQL administrator's password, 3 days left",
            3,
            "rotated",
        ),
        Part(
            "sql-app",
            AlternatingLogins("shopdb"),
            "two SQL logins that alternate, 8 days left",
            8,
            "rotated",
        ),
        Part(
            "crm-client",
            Application("shop crm"),
            "an Entra application's secret, 9 days left",
            9,
            "rotated",
        ),
        Part(
            "erp-certificate",
            Certified("shop erp"),
            "an Entra application's certificate, 9 days left",
            9,
            "rotated",
        ),
    )


def _exceptions() -> tuple[Part, ...]:
    """Return what is left alone, what is retired at once, and what is parked."""
    return (
        Part("archive-key", Account("shoparchive"), "good for 80 days", 80, "untouched"),
        Part(
            "backup-key",
            Account("shopbackup"),
            "4 days left, and no overlap: the old key goes at once",
            4,
            "retired",
            {"OverlapHours": "0"},
        ),
        Part(
            "legacy-key",
            Account("shoplegacy", group=ELSEWHERE),
            "broken on purpose: Rekey has no right at its account",
            5,
            "parked",
        ),
    )


def stage(domains: Domains, parts: tuple[Part, ...]) -> Azure:
    """Return the world at the start of the demo."""
    azure = Azure(domains=domains)
    azure.add_account(HOST_ACCOUNT)
    azure.add_account(EVENTS_ACCOUNT)
    _add_queue(azure, EVENTS_ACCOUNT, "vault-events")
    azure.managed_identity.system = azure.identities.add(APP, resource=IDENTITY_ID)
    azure.grant(azure.managed_identity.system, RIGHTS, f"/subscriptions/{SUBSCRIPTION}")
    permit(azure, GROUP_ID)
    for vault in vaults(parts):
        azure.add_vault(vault)
    for part in parts:
        _enter(azure, part)
    if VAULT in azure.vaults:
        _log(azure)
    return azure


def _log(azure: Azure) -> None:
    """Let a workspace have the vault's audit log, and an app have read a secret before."""
    workspace, vault = azure.add_log_workspace(WORKSPACE), azure.vaults[VAULT]
    vault.audit = workspace.audited.setdefault("AZKVAuditLogs", [])
    web = azure.identities.add("shop-web", resource=f"{GROUP_ID}/providers/{SITE}/shop-web")
    azure.grant(web, RIGHTS[:1], vault.resource_id)
    token = azure.identities.token_for(f"https://{azure.domains.vault}", web)
    for name in READ:
        url = f"{vault.url}/secrets/{name}/?api-version=7.4"
        azure.handle(Request("GET", url, {"authorization": f"Bearer {token}"}))


def permit(azure: Azure, scope: str) -> None:
    """Let the app rotate the keys of the storage accounts in a scope."""
    app = azure.managed_identity.system
    assert app  # noqa: S101 - the stage has added it
    azure.grant(app, OF_ACCOUNTS, scope)


def _add_queue(azure: Azure, account: str, name: str) -> None:
    """Add what the template adds; the app makes the other queues when it starts."""
    (service,) = (known for known in azure.services if isinstance(known, QueueService))
    service.queues.create(account, name, {}, azure.now())


def _enter(azure: Azure, part: Part) -> None:
    vault, now = azure.vaults[part.vault], azure.now()
    named, values = part.source.enter(azure)
    tags = {**named, "ValidityPeriodDays": "90", "Owner": "shop", **part.tags}
    whole = ("key", "sas", "secret", "password", "certificate")
    if part.source.template.strip("{}") not in whole:
        tags["ValueTemplate"] = part.source.template
    expires = now + timedelta(days=part.days_left)
    vault.put(part.name, values[0], expires=expires, tags=tags, content_type="text/plain")


def vaults(parts: tuple[Part, ...]) -> list[str]:
    """Return the names of the secrets' vaults."""
    return list(dict.fromkeys(part.vault for part in parts))


def scopes(parts: tuple[Part, ...]) -> list[str]:
    """Return the rotation scopes: the resource groups, and each application by its client id."""
    return [
        GROUP_ID,
        ELSEWHERE_ID,
        *(part.source.client_id for part in parts if isinstance(part.source, Application)),
    ]
