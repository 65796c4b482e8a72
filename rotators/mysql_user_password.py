"""Passwords of MySQL users, set by ALTER USER: one user, or two that alternate.

Source: https://dev.mysql.com/doc/refman/8.4/en/alter-user.html
"""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.database_engine import MYSQL
from rotators.shared.database_login import DatabaseLogin
from rotators.shared.lingering import MYSQL_SESSIONS


class MysqlUserPassword(DatabaseLogin):
    """Rotates the passwords of MySQL users."""

    kind: ClassVar[str] = "mysql-user-password"
    lingers = MYSQL_SESSIONS
    engine = MYSQL
