"""What distinguishes PostgreSQL's Flexible Servers from MySQL's, as far as their passwords go."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from cloud.databases.mysql import account
from cloud.databases.postgresql import MAINTENANCE, identifier
from engine.errors import NeedsHuman
from rotators.shared.rights import Rights

SUFFIXES = {
    "https://management.azure.com": "database.azure.com",
    "https://management.usgovcloudapi.net": "database.usgovcloudapi.net",
    "https://management.chinacloudapi.cn": "database.chinacloudapi.cn",
}
"""How a server's name ends in each cloud, after the engine's part; of any other, the server is
asked."""
MAX_BYTES, MAX_USER, MAX_HOST = 63, 32, 255
"""PostgreSQL cuts names at 63 bytes; MySQL takes 32 characters of a user, 255 of a host."""
_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters (NUL among them), halves of surrogate pairs, line and paragraph separators."""


@dataclass(frozen=True)
class DatabaseEngine:
    """One engine. The api-version is the newest stable one that every cloud of Azure has had for long."""

    name: str
    provider: str
    version: str
    domain: str
    """The part of a server's host name that names the engine."""
    opened: str
    """The database that a login signs in to; none where the engine needs none."""
    shown: str
    """The placeholder {database}, if the tag Database is missing."""
    way_off: str
    """What switches passwords off at a server, so that Entra identities alone sign in."""
    admin_kind: str
    login_kind: str
    grants: Callable[[str, str], str]
    """Statements that give the app's user, the first name, the right to set a login's password."""
    user_and_host: Callable[[str], tuple[str, str]]
    """Splits a login; the second part is empty where logins have no host."""
    limits: Callable[[str, str], bool]
    """Whether user and host are short enough."""
    reads: tuple[str, ...] = ("read",)
    """What of a server must be read to know whether it runs and takes passwords."""

    def rights(self, *further: str) -> Rights:
        """Return what it takes to look at a server, and further rights there."""
        return Rights(
            (self.provider,),
            tuple(f"{self.provider}/{action}" for action in (*self.reads, *further)),
        )

    @cached_property
    def address(self) -> re.Pattern[str]:
        """The id of a server, perhaps with the logins' segment."""
        return re.compile(
            r"(?P<server_id>/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
            rf"/providers/{re.escape(self.provider.lower())}/(?P<server>[a-z0-9-]{{1,63}}))"
            r"(?:/logins/(?P<logins>[^/]+))?"
        )

    def key(self, login: str) -> str:
        """Return the one spelling of a login: upper and lower case differ, but in a host."""
        user, host = self.user_and_host(login)
        return f"{user}@{host.lower()}" if host else user

    def segment(self, logins: Iterable[str]) -> str:
        """Return one path segment for logins, in lower case although names differ by case."""
        return "+".join(sorted(_encoded(self.key(login)) for login in logins)) or "*"

    def checked(self, login: str) -> str:
        """Return a login if a statement can carry it; NeedsHuman otherwise."""
        user, host = self.user_and_host(login)
        unseen = any(unicodedata.category(character) in _UNSEEN for character in login)
        if not user or unseen or not self.limits(user, host):
            raise NeedsHuman(
                f"the login {login[:40]!r} cannot be rotated: it is empty, too long or holds"
                " control characters",
                fix="correct the tag CredentialId or Logins, or rename the login",
            )
        return login


def _encoded(text: str) -> str:
    """Escape whatever is not plain, capital letters included; urllib's unquote reverses it."""
    plain = "abcdefghijklmnopqrstuvwxyz0123456789-_."
    return "".join(chr(byte) if chr(byte) in plain else f"%{byte:02x}" for byte in text.encode())


def _literal(name: str) -> str:
    """Quote a name for MySQL, as its usual sql_mode reads it."""
    escaped = name.replace("\\", r"\\").replace("'", "''")
    return f"'{escaped}'"


POSTGRESQL = DatabaseEngine(
    name="postgresql",
    provider="Microsoft.DBforPostgreSQL/flexibleServers",
    version="2024-08-01",
    domain="postgres",
    opened=MAINTENANCE,
    shown=MAINTENANCE,
    way_off="passwordAuth=Disabled",
    admin_kind="postgresql-admin-password",
    login_kind="postgresql-role-password",
    grants=lambda app, login: (
        f"ALTER ROLE {identifier(app)} CREATEROLE; "
        f"GRANT {identifier(login)} TO {identifier(app)} WITH ADMIN OPTION"
    ),
    user_and_host=lambda login: (login, ""),
    limits=lambda user, _: len(user.encode()) <= MAX_BYTES,
)
MYSQL = DatabaseEngine(
    name="mysql",
    provider="Microsoft.DBforMySQL/flexibleServers",
    version="2024-12-30",
    domain="mysql",
    opened="",
    shown="information_schema",
    way_off="aad_auth_only=ON",
    admin_kind="mysql-admin-password",
    login_kind="mysql-user-password",
    grants=lambda app, _: "; ".join(
        f"GRANT {right} TO {_literal(app)}@'%'"
        for right in ("CREATE USER ON *.*", "SELECT ON mysql.user")
    ),
    user_and_host=account,
    limits=lambda user, host: len(user) <= MAX_USER and len(host) <= MAX_HOST,
    reads=("read", "configurations/read"),
)
