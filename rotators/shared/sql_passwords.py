"""Passwords for SQL logins, from the operating system's randomness.

Azure SQL asks for 8 to 128 characters, three of four classes and nothing of the login's name:
https://learn.microsoft.com/sql/relational-databases/security/password-policy. MySQL's policy MEDIUM
asks for all four: https://dev.mysql.com/doc/refman/8.4/en/validate-password.html
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
CLASSES = (str.isupper, str.islower, str.isdigit, lambda character: not character.isalnum())
"""Tests of a character: capital and small letters, digits, whatever is neither."""


def fresh_password(name: str) -> Sensitive:
    """Return a new password for the login of this name, of all classes; it begins with a letter."""
    while True:
        text = secrets.choice(string.ascii_letters) + "".join(
            secrets.choice(ALPHABET) for _ in range(LENGTH - 1)
        )
        if _classes(text) == len(CLASSES) and acceptable(text, name):
            return Sensitive(text)


def acceptable(text: str, name: str) -> bool:
    """Return whether Azure SQL takes this password for the login.

    It looks at length, classes of characters, and whether the login's name is part of it.
    """
    return 8 <= len(text) <= 128 and _classes(text) >= 3 and name.casefold() not in text.casefold()  # noqa: PLR2004


def _classes(text: str) -> int:
    return sum(any(test(character) for character in text) for test in CLASSES)
