"""What a reader fills into the documented commands, by the name that stands in for it."""

from uuid import NAMESPACE_DNS, uuid5

from simulator.azure import SUBSCRIPTION
from simulator.entra.directory import GRAPH_OBJECT_ID
from simulator.identity import HOME_TENANT

VAULT, SECRET, STORAGE, EVENTS = "prod", "app-key", "rekeyhost", "rekeyevents"
DEMO = "shop"
"""The demo's vault."""
DEAD_LETTERS, RECORDS = "dead-letters", "rekey-leases"
GROUP = "rekey"
QUEUES = {
    STORAGE: ("sweeps-poison", "vault-events", "vault-events-poison"),
    EVENTS: ("vault-events",),
}
BLOB = "event.json"
APPLICATION = str(uuid5(NAMESPACE_DNS, "appid.shop"))
"""As the world derives it from the application's name."""
IDENTITY = "aaaaaaaa-0000-0000-0000-000000000001"
IN_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
SITE = f"{IN_GROUP}/Microsoft.Web/sites/rekey-abc"
SOURCE = f"{IN_GROUP}/Microsoft.Storage/storageAccounts/{STORAGE}"
VAULT_ID = f"{IN_GROUP}/Microsoft.KeyVault/vaults/{VAULT}"

VALUES = {
    # What stands in angle brackets.
    "id": SUBSCRIPTION,
    "group": GROUP,
    "app": "rekey-abc",
    "name": BLOB,
    "account": STORAGE,
    "vault": VAULT,
    "storage": STORAGE,
    "vault id": VAULT_ID,
    "workspace id": f"{IN_GROUP}/Microsoft.OperationalInsights/workspaces/central",
    "in 20 days": "2099-01-01T00:00:00Z",
    "topic": "prod-topic",
    "service": "contoso-gateway",
    "secret": SECRET,
    "scope": SOURCE,
    "source": SOURCE,
    "client id": APPLICATION,
    "client ID": APPLICATION,
    "application id": APPLICATION,
    "object id": IDENTITY,
    "assignment": f"{SOURCE}/providers/Microsoft.Authorization/roleAssignments/{IDENTITY}",
    "identity": IDENTITY,
    "identityPrincipalId": IDENTITY,
    "Graph": GRAPH_OBJECT_ID,
    "tenant": HOME_TENANT,
    # Variables of shell, in pages, scripts and workflows.
    "REKEY_ARM_ENDPOINT": "https://management.azure.com",
    "RG": GROUP,
    "GROUP": GROUP,
    "APP": "rekey-abc",
    "ID": SITE,
    "IDS": SITE,
    "site": SITE,
    "VAULT": VAULT,
    "NAME": SECRET,
    "VAULT_ID": VAULT_ID,
    "KEY": "whsec_aHVzaC1rZXktb2YtdHdlbnR5LWZvdXItYnl0ZXM=",
    "STORAGE": STORAGE,
    "EVENTS": EVENTS,
    "OLD": SOURCE,
    "OWN": SOURCE,
    "OTHER": f"{IN_GROUP}/Microsoft.Storage/storageAccounts/{EVENTS}",
    "PROBE": "cHJvYmU=",
    "PARAMETERS": "infra/main.bicepparam",
    "1": GROUP,
    "2": "rekey-abc",
    "3": "dist/rekey.zip",
}
