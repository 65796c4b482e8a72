"""A SQL server's errors: numbers and texts.

Sources:
https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
and, for a server that takes Entra identities only,
https://github.com/confluentinc/kafka-connect-jdbc/issues/1221.
"""

from __future__ import annotations

BY_TOKEN = "<token-identified principal>"


class SqlError(Exception):
    """An error's number and text; `more` are the errors that the server sends after it."""

    def __init__(self, number: int, text: str, *more: SqlError, severity: int = 14) -> None:
        super().__init__(text)
        self.number = number
        self.text = text
        self.more = more
        self.severity = severity

    def all(self) -> tuple[SqlError, ...]:
        """Return this error and those that follow it."""
        return (self, *self.more)


def login_failed(name: str) -> SqlError:
    """Return the answer to a wrong password or an unknown principal."""
    return SqlError(18456, f"Login failed for user '{name}'.")


def entra_only(name: str) -> SqlError:
    """Return the answer to any password, on a server that takes Entra identities only."""
    reason = (
        "Azure Active Directory only authentication is enabled. Please contact your system "
        "administrator."
    )
    return SqlError(18456, f"Login failed for user '{name}'. Reason: {reason}")


def disabled(name: str) -> SqlError:
    """Return the answer to a login that is disabled."""
    return SqlError(18470, f"Login failed for user '{name}'. Reason: The account is disabled.")


def no_database(database: str, name: str) -> SqlError:
    """Return the answer to a known caller that has no access to the database."""
    text = f'Cannot open database "{database}" requested by the login. The login failed.'
    return SqlError(4060, text, login_failed(name), severity=11)


def no_user(database: str, name: str) -> SqlError:
    """Return the answer of master to a login without a user in it."""
    text = (
        f'The server principal "{name}" is not able to access the database "{database}" under '
        "the current security context."
    )
    default = SqlError(4064, "Cannot open user default database. Login failed.", severity=11)
    return SqlError(916, text, default, login_failed(name))


def firewalled(server: str) -> SqlError:
    """Return the answer to an address that no firewall rule lets in."""
    text = (
        f"Cannot open server '{server}' requested by the login. Client with IP address "
        "'203.0.113.7' is not allowed to access "
        "the server. To enable access, use the Azure Management Portal or run "
        "sp_set_firewall_rule on the master database to "
        "create a firewall rule for this IP address or address range. It may take up to five "
        "minutes for this change to take "
        "effect."
    )
    return SqlError(40615, text)


def unknown_or_forbidden(kind: str, name: str) -> SqlError:
    """Return the single answer to an ALTER of a missing or forbidden name."""
    return SqlError(
        15151,
        (
            f"Cannot alter the {kind} '{name}', because it does not exist or you do not have "
            "permission."
        ),
        severity=16,
    )


def weak_password() -> SqlError:
    """Return the answer to a password that the policy forbids."""
    text = (
        "Password validation failed. The password does not meet policy requirements because it "
        "is not complex enough."
    )
    return SqlError(40632, text, severity=16)


def wrong_place(statement: str) -> SqlError:
    """Return the answer to a statement about logins outside master."""
    return SqlError(5001, f"User must be in the master database. ({statement})", severity=16)


def syntax(near: str) -> SqlError:
    """Return the answer to text that is not T-SQL, or not known to this server."""
    return SqlError(102, f"Incorrect syntax near '{near}'.", severity=15)
