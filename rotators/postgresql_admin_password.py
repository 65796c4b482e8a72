"""The password of a PostgreSQL Flexible Server's administrator.

Source: https://learn.microsoft.com/rest/api/postgresql/flexibleserver/servers/update
"""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.database_admin import DatabaseAdmin
from rotators.shared.database_engine import POSTGRESQL
from rotators.shared.lingering import POSTGRESQL_SESSIONS


class PostgresqlAdminPassword(DatabaseAdmin):
    """Rotates the passwords of PostgreSQL servers' administrators."""

    kind: ClassVar[str] = "postgresql-admin-password"
    lingers = POSTGRESQL_SESSIONS
    login_kind: ClassVar[str] = POSTGRESQL.login_kind
    engine = POSTGRESQL
