"""The password of a MySQL Flexible Server's administrator.

Source: https://learn.microsoft.com/rest/api/mysql/flexibleserver/servers/update
"""

from __future__ import annotations

from typing import ClassVar

from rotators.shared.database_admin import DatabaseAdmin
from rotators.shared.database_engine import MYSQL
from rotators.shared.lingering import MYSQL_SESSIONS


class MysqlAdminPassword(DatabaseAdmin):
    """Rotates the passwords of MySQL servers' administrators."""

    kind: ClassVar[str] = "mysql-admin-password"
    lingers = MYSQL_SESSIONS
    login_kind: ClassVar[str] = MYSQL.login_kind
    engine = MYSQL
