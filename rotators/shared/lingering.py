"""What still works for a while although its credential is cut off, where several kinds share it."""

from __future__ import annotations

from engine.contract import Lingering

_SESSIONS = "sessions that are open stay open until their client or an administrator ends them"
_LINKS = "connections that are open work until their token ends, and their client chose when"
SQL_SESSIONS = Lingering(
    _SESSIONS, "https://learn.microsoft.com/sql/t-sql/statements/alter-login-transact-sql"
)
POSTGRESQL_SESSIONS = Lingering(
    _SESSIONS, "https://www.postgresql.org/docs/current/client-authentication.html"
)
MYSQL_SESSIONS = Lingering(
    _SESSIONS, "https://dev.mysql.com/doc/refman/8.4/en/connection-access.html"
)
SERVICE_BUS_LINKS = Lingering(
    _LINKS, "https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas"
)
EVENT_HUBS_LINKS = Lingering(
    _LINKS,
    "https://learn.microsoft.com/azure/event-hubs/authorize-access-shared-access-signature",
)
RELAY_LISTENERS = Lingering(
    _LINKS, "https://learn.microsoft.com/azure/azure-relay/relay-hybrid-connections-protocol"
)
