"""Who is written into the audit record as the caller."""

from __future__ import annotations

import pytest

from cloud.callers import BY_KEY, caller

HEADER = {"x-ms-client-principal-name": "ops@example.com"}


@pytest.mark.parametrize("switch", ["true", "True", "TRUE"])
def test_the_platforms_header_is_believed_where_the_platform_authenticates(switch: str) -> None:
    assert caller(HEADER, {"WEBSITE_AUTH_ENABLED": switch}) == "ops@example.com"


@pytest.mark.parametrize(
    "env", [{}, {"WEBSITE_AUTH_ENABLED": ""}, {"WEBSITE_AUTH_ENABLED": "false"}, {"WEBSITE_AUTH_ENABLED": "1"}]
)
def test_elsewhere_anybody_could_have_sent_it(env: dict[str, str]) -> None:
    assert caller(HEADER, env) == BY_KEY


def test_without_a_name_it_is_whoever_holds_the_key() -> None:
    assert caller({}, {"WEBSITE_AUTH_ENABLED": "true"}) == BY_KEY


def test_a_long_name_is_cut() -> None:
    assert len(caller({"x-ms-client-principal-name": "x" * 5000}, {"WEBSITE_AUTH_ENABLED": "true"})) == 100
