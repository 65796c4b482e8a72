"""Words of the command line that the app defines elsewhere.

They are written here a second time because their own modules take longer to import than `rekey
--help` may take
altogether. A test holds both together.
"""

from __future__ import annotations

STATES = ("ok", "due", "overdue", "parked", "drifted", "dropped", "disabled", "unmanaged")
ATTENTION = "attention"
VERBS = ("rotate", "retire", "restore", "unpark")
TEMPLATE_KINDS = (
    "storage-key",
    "storage-sas",
    "service-bus-sas",
    "event-hubs-sas",
    "sql-admin-password",
    "sql-login-password",
    "service-principal-secret",
    "service-principal-certificate",
    "service-bus-key",
    "event-hubs-key",
    "ai-services-key",
    "search-admin-key",
    "app-configuration-key",
    "container-registry-password",
    "batch-key",
    "communication-key",
    "maps-key",
    "signalr-key",
    "web-pubsub-key",
    "cosmos-db-key",
    "relay-key",
    "notification-hubs-key",
    "event-grid-key",
    "api-management-key",
    "redis-key",
    "postgresql-admin-password",
    "postgresql-role-password",
    "mysql-admin-password",
    "mysql-user-password",
)
"""The kinds that the template gives rights for: infra/types.bicep."""
MOST_WAIT = 120
MAX_REASON = 200
STAMP = "%Y-%m-%dT%H:%M:%SZ"
OUTPUTS = ("table", "json", "tsv", "csv")
SHELLS = ("bash", "zsh", "fish")
