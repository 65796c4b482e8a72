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
TLS, UNVERIFIED = "TLS Error:", "certificate verify failed"
NO_SERVER = "Cannot open server 'orders' requested by the login."
REFUSED_LOGIN = "Login failed for user 'app'"
SAID: dict[tuple[type[RekeyError], str], tuple[str, ...]] = {
    (VerificationFailed, REFUSED): (f"{REFUSED_LOGIN}.",),
    (NeedsHuman, ENTRA_ONLY): (
        f"{REFUSED_LOGIN}. Reason: Azure Active Directory only authentication is enabled.",
    ),
    (NeedsHuman, "LoginDisabled"): (
        f"{REFUSED_LOGIN}. Reason: The account is disabled.",
        f"{REFUSED_LOGIN} because the account is currently locked out.",
        f"{REFUSED_LOGIN}.  Reason: The password of the account has expired.",
        f"{REFUSED_LOGIN}.  Reason: The password of the account must be changed.",
    ),
    (NeedsHuman, NO_DATABASE): (
        'Cannot open database "shop" requested by the login. The login failed.',
        'The server principal "app" is not able to access the database "master".',
    ),
    (AccessDenied, "Firewall"): (
        f"{NO_SERVER} Client with IP address '203.0.113.7' is not allowed to access the server.",
        "Connection was denied since Deny Public Network Access is set to Yes",
    ),
    (NotFound, "40532"): (f"{NO_SERVER} The login failed.",),
    (TransientError, "Busy"): (
        "Database 'shop' on server 'orders' is not currently available.",
        "The service has encountered an error processing your request. Please try again.",
        "The service is currently busy.",
        "Too many operations in progress.",
        "Please retry the connection later.",
        "Resource ID : 1. The request limit for the database is 90 and has been reached.",
        "Resource ID : 2. The session limit for the elastic pool is 300 and has been reached.",
        "Transaction (Process ID 52) was chosen as the deadlock victim. Rerun the transaction.",
    ),
    (NeedsHuman, NO_PRINCIPAL): (
        "Cannot alter the login 'app', because it does not exist or you do not have permission.",
    ),
    (NeedsHuman, "PasswordPolicy"): (
        "Password validation failed. The password is not complex enough.",
    ),
    (NeedsHuman, "ReadOnly"): (
        'Failed to update database "shop" because the database is read-only.',
        "The target database ('shop') is currently accessible when the application intent is set to read only.",
    ),
    (PermanentError, ""): ("Incorrect syntax near 'ALTER'.",),
}
"""Each phrase by itself: more of the message could be judged by another one."""


@pytest.mark.parametrize("meant", SAID)
def test_what_a_server_says_has_one_meaning(meant: tuple[type[RekeyError], str]) -> None:
    for text in SAID[meant]:
        error = explain(SERVER + text, "orders, database shop", "app", "secret")
        assert (type(error), error.code, error.where) == (*meant, "orders, database shop"), text


@pytest.mark.parametrize(
    "name", ["retry_worker", "deny public network access", "cannot open server"]
)
def test_a_login_named_like_an_error_is_told_as_missing(name: str) -> None:
    told = SAID[NeedsHuman, NO_PRINCIPAL][0].replace("app", name)
    for text in (told, told.replace("'", '"')):
        error = explain(SERVER + text, "orders", None, "ALTER LOGIN")
        assert (type(error), error.code) == (NeedsHuman, NO_PRINCIPAL)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"{TLS} error:0A000086:SSL routines:{UNVERIFIED}: (Hostname mismatch)", UNTRUSTED),
        (f"{TLS} {UNVERIFIED}: (certificate has expired)", UNTRUSTED),
        (f"{TLS} {UNVERIFIED}: (self-signed certificate in certificate chain)", UNTRUSTED),
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
    text = f"{SERVER}Login failed for user '<token-identified principal>'."
    error = explain(text, "orders", None, "ALTER LOGIN")
    assert isinstance(error, AccessDenied)
    assert "EXTERNAL PROVIDER" in error.fix


@pytest.mark.parametrize("start", [0, 7, 23])
def test_a_text_that_holds_a_piece_of_the_secret_is_withheld(start: int) -> None:
    secret = "Pl4nted-password-nobody-kn0ws"
    piece = secret[start : start + 6]
    for prefix in (SERVER, DRIVER):
        near = f"{prefix}Incorrect syntax near"
        error = str(explain(f"{near} '{piece}'.", "orders", "app", secret))
        assert ("withheld" in error, piece in error) == (True, False)
        assert "near" in str(explain(f"{near} 'else'.", "orders", "app", secret))


@pytest.mark.parametrize("token", ["", "opaque", "a.b.c", "a.e30.c", "a.bnVsbA.c", "a.WzFd.c"])
def test_a_token_that_cannot_be_read_names_nobody(token: str) -> None:
    assert described(Sensitive(token)) == "the app's identity"
