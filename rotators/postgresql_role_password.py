"""Passwords of PostgreSQL roles, set by ALTER ROLE: one role, or two that alternate.

Source: https://www.postgresql.org/docs/current/sql-alterrole.html
"""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.database_engine import POSTGRESQL
from rotators.shared.database_login import DatabaseLogin
from rotators.shared.lingering import POSTGRESQL_SESSIONS


class PostgresqlRolePassword(DatabaseLogin):
    """Rotates the passwords of PostgreSQL roles."""

    kind: ClassVar[str] = "postgresql-role-password"
    lingers = POSTGRESQL_SESSIONS
    engine = POSTGRESQL
