"""Passwords for SQL logins, from the operating system's randomness.

Azure SQL asks for 8 to 128 characters, three of four classes and nothing of the login's name:
https://learn.microsoft.com/sql/relational-databases/security/password-policy
"""

from __future__ import annotations

import secrets
import string

from engine.secret import Sensitive

LENGTH = 40
ALPHABET = string.ascii_letters + string.digits + "-_"
"""64 characters (240 bits in all) that need no escaping in ADO.NET, ODBC, JDBC and URL connection
strings, nor in T-SQL,
a shell or XML."""


def fresh_password(name: str) -> Sensitive:
    """Return a new password for the login of this name; it begins with a letter."""
    while True:
        text = secrets.choice(string.ascii_letters) + "".join(
            secrets.choice(ALPHABET) for _ in range(LENGTH - 1)
        )
        if acceptable(text, name):
            return Sensitive(text)


def acceptable(text: str, name: str) -> bool:
    """Return whether Azure SQL takes this password for the login.

    It looks at length, classes of characters, and whether the login's name is part of it.
    """
    classes = (str.isupper, str.islower, str.isdigit, lambda character: not character.isalnum())
    present = sum(any(test(character) for character in text) for test in classes)
    return 8 <= len(text) <= 128 and present >= 3 and name.casefold() not in text.casefold()  # noqa: PLR2004
