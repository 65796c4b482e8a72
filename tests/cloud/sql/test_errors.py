"""What servers say, in their own words, and what a person is told."""

from __future__ import annotations

import pytest

from cloud.azure import NO_ANSWER
from cloud.databases.problems import REFUSED, UNTRUSTED
from cloud.sql.errors import ENTRA_ONLY, NO_DATABASE, NO_PRINCIPAL, explain
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.shared.sql_identity import described

SERVER = "Driver Error: x; DDBC Error: [Microsoft][SQL Server]"
DRIVER = "Driver Error: Client unable to establish connection; DDBC Error: [Microsoft]"
SAID: list[tuple[str, type[RekeyError], str]] = [
    ("Login failed for user 'app'.", VerificationFailed, REFUSED),
    ((
        "Login failed for user 'app'. Reason: Azure Active Directory only authentication is "
        "enabled. Please contact your system administrator."
    ), NeedsHuman, ENTRA_ONLY),
    ("Login failed for user 'app'. Reason: The account is disabled.", NeedsHuman, "LoginDisabled"),
    ((
        "Login failed for user 'app' because the account is currently locked out. The system "
        "administrator can unlock it."
    ), NeedsHuman, "LoginDisabled"),
    ((
        "Login failed for user 'app'.  Reason: The password of the account "
        "has expired."
    ), NeedsHuman, "LoginDisabled"),
    ((
        "Login failed for user 'app'.  Reason: The password of the account must "
        "be changed."
    ), NeedsHuman, "LoginDisabled"),
    ((
        'Cannot open database "shop" requested by the login. The '
        'login failed.'
    ), NeedsHuman, NO_DATABASE),
    ((
        'The server principal "app" is not able to access the database "master" under the '
        'current security context.'
    ), NeedsHuman, NO_DATABASE),
    ((
        "Cannot open server 'orders' requested by the login. Client with IP address "
        "'203.0.113.7' is not allowed to access the server."
    ), AccessDenied, "Firewall"),
    ((
        "Reason: An instance-specific error occurred while establishing a connection to SQL "
        "Server. Connection was denied since Deny Public Network Access is set to Yes"
    ), AccessDenied, "Firewall"),
    ('Cannot open server "orders" requested by the login. The login failed.', NotFound, "40532"),
    ((
        "Database 'shop' on server 'orders' is not currently available. Please retry the "
        "connection later."
    ), TransientError, "Busy"),
    ((
        "The service has encountered an error processing your request. Please try again. Error "
        "code 40143."
    ), TransientError, "Busy"),
    ((
        "The service is currently busy. Retry the request after 10 seconds. "
        "Incident ID: 0."
    ), TransientError, "Busy"),
    ((
        "Cannot process create or update request. Too many create or update operations in "
        "progress for subscription. Query sys.dm_operation_status. Too many operations in progress."
    ), TransientError, "Busy"),
    ((
        "Cannot alter the login 'app', because it does not exist or you do not have "
        "permission."
    ), NeedsHuman, NO_PRINCIPAL),
    ((
        "Password validation failed. The password does not meet policy requirements because it "
        "is not complex enough."
    ), NeedsHuman, "PasswordPolicy"),
    ("Incorrect syntax near 'ALTER'.", PermanentError, ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "code"), SAID)
def test_what_a_server_says_has_one_meaning(text: str, kind: type[RekeyError], code: str) -> None:
    error = explain(SERVER + text, "orders, database shop", "app", "secret")
    assert (type(error), error.code, error.where) == (kind, code, "orders, database shop")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "TLS Error: error:0A000086:SSL routines:certificate verify failed: (Hostname mismatch)",
            UNTRUSTED,
        ),
        ("TLS Error: certificate verify failed: (certificate has expired)", UNTRUSTED),
        (
            "TLS Error: certificate verify failed: (self-signed certificate in certificate chain)",
            UNTRUSTED,
        ),
        ("IO error: Connection refused (os error 111)", NO_ANSWER),
        ("Login timeout expired", NO_ANSWER),
        ("Connection closed by server while reading TDS packet header", NO_ANSWER),
    ],
)
def test_what_the_driver_says_by_itself_may_pass(text: str, code: str) -> None:
    error = explain(DRIVER + text, "orders", "app", "secret")
    assert isinstance(error, TransientError)
    assert error.code == code


def test_an_identity_that_the_server_does_not_know_is_told_what_to_do() -> None:
    error = explain(
        SERVER + "Login failed for user '<token-identified principal>'.",
        "orders",
        None,
        "ALTER LOGIN",
    )
    assert isinstance(error, AccessDenied)
    assert "EXTERNAL PROVIDER" in error.fix


@pytest.mark.parametrize("start", [0, 7, 23])
def test_a_text_that_holds_a_piece_of_the_secret_is_withheld(start: int) -> None:
    secret = "Pl4nted-password-nobody-kn0ws"
    for prefix in (SERVER, DRIVER):
        error = explain(
            f"{prefix}Incorrect syntax near '{secret[start : start + 6]}'.", "orders", "app", secret
        )
        assert secret[start : start + 6] not in str(error)
        assert "withheld" in str(error)
        assert "near" in str(
            explain(f"{prefix}Incorrect syntax near 'else'.", "orders", "app", secret)
        )


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.e30.c", "a.bnVsbA.c", "a.WzFd.c"])
def test_a_token_that_cannot_be_read_names_nobody(token: str) -> None:
    assert described(Sensitive(token)) == "the app's identity"
