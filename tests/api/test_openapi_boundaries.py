"""What is at the boundary of what the OpenAPI document allows, in each parameter and body in turn.

These are some thousand requests, so `make test` does without them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from schemathesis import Case

from tests.api.test_openapi import CHECKS, FUZZ, PAGES, NotServed, carry, schema
from tests.shared.scene import NAME, scene

pytest_plugins = "schemathesis.pytest.plugin"


@schema.parametrize()
@FUZZ
def test_every_call_holds_what_its_document_says_whatever_is_sent(case: Case[Any]) -> None:
    with suppress(NotServed):
        case.validate_response(carry(case, scene()), checks=CHECKS)


@schema.include(path_regex="{name}").parametrize()
@FUZZ
def test_so_does_every_call_about_a_secret_that_is_there(case: Case[Any]) -> None:
    case.path_parameters |= {"vault": "prod", "name": NAME}
    with suppress(NotServed):
        case.validate_response(carry(case, scene()), checks=CHECKS)


@schema.include(path=[*PAGES]).parametrize()
@FUZZ
def test_so_does_every_page_in_a_browser(case: Case[Any]) -> None:
    """A problem is a page there, too."""
    case.headers["Accept"] = "text/html"
    with suppress(NotServed):
        case.validate_response(carry(case, scene()), checks=CHECKS)
