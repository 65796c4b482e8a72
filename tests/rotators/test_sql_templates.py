"""The connection strings on the page, with a fresh password in them, mean what they say."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.secret import Sensitive
from engine.state import template
from engine.state.tags import MAX_TAG_LENGTH
from rotators.shared.sql_passwords import fresh_password
from rotators.sql_admin_password import SqlAdminPassword

PAGE = Path(__file__).parents[2] / "docs/rotators/sql-admin-password.md"
SHAPES = dict(
    re.findall(r"^    (ADO\.NET|ODBC|JDBC|SQLAlchemy) +(\S.*)$", PAGE.read_text(), re.MULTILINE)
)


def rendered(shape: str) -> tuple[str, str]:
    """Return a connection string and the password in it."""
    password = fresh_password("app")
    texts = {"server": "orders.database.windows.net", "database": "shop", "user": "app"}
    fields = {name: Sensitive(text) for name, text in texts.items()} | {"password": password}
    return template.render(shape, fields).reveal(), password.reveal()


def test_the_page_shows_all_four() -> None:
    assert set(SHAPES) == {"ADO.NET", "ODBC", "JDBC", "SQLAlchemy"}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shown_template_is_one_that_the_kind_takes(name: str) -> None:
    assert template.problems(SHAPES[name], SqlAdminPassword.template_fields, "password") == []
    assert len(SHAPES[name]) <= MAX_TAG_LENGTH


@pytest.mark.parametrize(
    ("name", "user", "password"),
    [("ADO.NET", "User ID", "Password"), ("ODBC", "UID", "PWD"), ("JDBC", "user", "password")],
)
def test_a_string_of_pairs_gives_user_and_password_back(
    name: str, user: str, password: str
) -> None:
    text, secret = rendered(SHAPES[name])
    pairs = dict(pair.split("=", 1) for pair in text.split(";") if "=" in pair)
    assert (pairs[user], pairs[password]) == ("app", secret)


def test_a_url_gives_user_and_password_back() -> None:
    text, secret = rendered(SHAPES["SQLAlchemy"])
    url = urlsplit(text)
    assert (url.username, url.password, url.hostname, url.path) == (
        "app",
        secret,
        "orders.database.windows.net",
        "/shop",
    )


@pytest.mark.parametrize("name", SHAPES)
def test_the_password_is_found_again_in_the_value(name: str) -> None:
    text, secret = rendered(SHAPES[name])
    fields = template.extract(SHAPES[name], Sensitive(text))
    assert fields is not None
    assert fields["password"].reveal() == secret
