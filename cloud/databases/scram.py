"""What PostgreSQL keeps of a password: a SCRAM-SHA-256 verifier, computed here.

A server stores a verifier as it comes, so the password itself never stands in a statement, and
therefore in no log of statements. Sources: RFC 5802, RFC 7677, RFC 4013, and
https://www.postgresql.org/docs/current/sql-alterrole.html.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stringprep
import unicodedata

from engine.secret import Sensitive

ITERATIONS = 4096
"""PostgreSQL's own number; a sign-in computes as many."""
SALT_BYTES = 16
_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def verifier(password: Sensitive, salt: bytes | None = None) -> Sensitive:
    """Return the verifier of a password, with a fresh salt if none is given."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password.reveal()), salt, ITERATIONS)
    stored_key = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    keys = f"{_base64(stored_key)}:{_base64(_mac(salted, b'Server Key'))}"
    return Sensitive(f"SCRAM-SHA-256${ITERATIONS}:{_base64(salt)}${keys}")


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _prepared(password: str) -> bytes:
    """Apply SASLprep; like PostgreSQL, take a password that it forbids as it is."""
    if password.isascii():
        return password.encode()
    # U+200B is in both tables. It becomes a space, as PostgreSQL itself has it.
    mapped = "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in password
        if stringprep.in_table_c12(character) or not stringprep.in_table_b1(character)
    )
    text = unicodedata.normalize("NFKC", mapped)
    return (text if _is_allowed(text) else password).encode()


def _is_allowed(text: str) -> bool:
    if not text or any(check(character) for character in text for check in _PROHIBITED):
        return False
    if not any(map(stringprep.in_table_d1, text)):
        return True
    # Text that runs from right to left begins and ends so, and holds nothing of the other way.
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(map(stringprep.in_table_d2, text))
