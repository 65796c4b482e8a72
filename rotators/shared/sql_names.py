"""Names of servers, databases and logins, and the statements that carry them.

ALTER LOGIN and ALTER USER take no parameters, so names and passwords stand in the text: identifiers
in brackets with ]]
for ], literals as N'…' with '' for '. A backslash is refused, since the server drops one that ends
a line inside a literal.
Source: https://learn.microsoft.com/sql/t-sql/statements/alter-login-transact-sql and
alter-user-transact-sql
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

from engine.errors import NeedsHuman
from engine.secret import Sensitive

ADDRESS = re.compile(
    r"(?P<server_id>/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.sql/servers/(?P<server>[a-z0-9-]{1,63}))"
    r"(?:/databases/(?P<database>[^/]{1,128}))?(?:/logins/(?P<logins>[^/]+))?"
)
SERVER = "Microsoft.Sql/servers"
"""The type of a server."""
MASTER = "master"
MAX_NAME = 128


@dataclass(frozen=True, slots=True)
class SqlPlace:
    """Where a login lives: a server, and the database for a contained user."""

    server_id: str
    subscription: str
    group: str
    server: str
    database: str | None
    logins: str | None

    @classmethod
    def parse(cls, source: str) -> SqlPlace | None:
        """Read an ARM id, or what a rotator made of it.

        None where it is no server's and no database's.
        """
        match = ADDRESS.fullmatch(source.strip().rstrip("/").lower())
        return cls(**match.groupdict()) if match else None

    @classmethod
    def of(cls, source: str) -> SqlPlace:
        """Read a source; NeedsHuman where it is none."""
        place = cls.parse(source)
        if place is None:
            raise NeedsHuman(
                f"{source[:120]!r} is not a SQL server's id", fix="correct the tag ProviderAddress"
            )
        return place

    @property
    def opened(self) -> str:
        """The database in which the login is altered and signs in."""
        return self.database or MASTER


def segment(*names: str) -> str:
    """Return one path segment for one or several logins, whatever their names and order.

    Case does not tell them apart.
    """
    return "+".join(sorted(quote(name.casefold(), safe="").lower() for name in names)) or "*"


def checked(name: str) -> str:
    """Return a login's name if a statement can carry it; NeedsHuman otherwise."""
    if not name or _unfit(name):
        raise NeedsHuman(
            (
                f"the login {name[:40]!r} cannot be rotated: its name must have 1 to {MAX_NAME} "
                "visible characters and no backslash"
            ),
            fix="correct the tag CredentialId or Logins, or rename the login",
        )
    return name


_UNSEEN = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of surrogate pairs, line and paragraph separators."""


def _unfit(text: str) -> bool:
    # The server counts UTF-16 units, as sysname and LOGIN7 do.
    units = sum(2 if ord(character) > 0xFFFF else 1 for character in text)  # noqa: PLR2004
    return (
        units > MAX_NAME
        or "\\" in text
        or any(unicodedata.category(character) in _UNSEEN for character in text)
    )


def alter(place: SqlPlace, name: str, password: Sensitive) -> Sensitive:
    """Return the one statement that gives a login, or a contained user, a password."""
    secret = password.reveal()
    if _unfit(secret):
        raise NeedsHuman(
            "the password is too long, or holds characters that a statement cannot carry safely",
            where=place.server_id,
            fix="write a version with another password, then rotate",
        )
    kind = "USER" if place.database else "LOGIN"
    return Sensitive(f"ALTER {kind} {identifier(checked(name))} WITH PASSWORD = {literal(secret)}")


def standing(place: SqlPlace, name: str) -> Sensitive:
    """Return the query for two numbers.

    May the app alter logins here, and how many have this name, but for its case.
    """
    itself = _is_named(checked(name))
    if place.database:
        permitted = "COALESCE(HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'ALTER ANY USER'), 0)"
        named = f"sys.database_principals WHERE authentication_type = 2 AND {itself}"
    else:
        ways = (
            "HAS_PERMS_BY_NAME(NULL, NULL, N'ALTER ANY LOGIN'), "
            "IS_ROLEMEMBER(N'loginmanager'), IS_ROLEMEMBER(N'db_owner')"
        )
        permitted = f"CASE WHEN 1 IN ({ways}) THEN 1 ELSE 0 END"
        named = f"sys.sql_logins WHERE {itself}"
    # The name passes literal().
    return Sensitive(f"SELECT {permitted}, (SELECT COUNT(*) FROM {named})")  # noqa: S608


def _is_named(name: str) -> str:
    """Return the condition that a name is this one, as the server and as `segment` tell names apart.

    The server takes more spellings for one name, such as one of full width. Each would be a source
    of its own here, and have another owner.
    """
    text, by_letter = literal(name), "COLLATE Latin1_General_100_BIN2"
    return f"name = {text} AND LOWER(name {by_letter}) = LOWER({text} {by_letter})"


def identifier(name: str) -> str:
    """Quote an identifier."""
    return f"[{name.replace(']', ']]')}]"


def literal(text: str) -> str:
    """Quote a Unicode literal."""
    quoted = text.replace("'", "''")
    return f"N'{quoted}'"
