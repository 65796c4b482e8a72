"""Sign-in as it is deployed, and docs/access.md, held against the calls that the app takes."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest

from api.access import BY_KEY, Role, entra
from api.routes import ROUTES
from scripts import app_registration
from tests.infra import deployed
from tests.infra.bicep import ROOT, names, snapshot

PAGE = (ROOT / "docs" / "access.md").read_text()
CONFIG = "Microsoft.Web/sites/config"
CLIENT = "66666666-7777-8888-9999-000000000000"
TENANT = "00000000-0000-0000-0000-0000000000ff"


def sign_in() -> dict[str, Any]:
    config = deployed.only(snapshot("everything-on"), CONFIG)
    # Any other configuration of an app is one as well, and none of them asks for a sign-in.
    assert config["id"].endswith("/config/authsettingsV2")
    properties: dict[str, Any] = config["properties"]
    return properties


def provider() -> dict[str, Any]:
    providers: dict[str, Any] = sign_in()["identityProviders"]
    assert list(providers) == ["azureActiveDirectory"]
    only: dict[str, Any] = providers["azureActiveDirectory"]
    return only


def test_the_page_quotes_what_the_code_says() -> None:
    assert f"`{BY_KEY}`" in PAGE
    assert all(f"`{role.value}`" in PAGE for role in Role)
    assert all(f"`{path}`" in PAGE for path in sign_in()["globalValidation"]["excludedPaths"])


def test_the_script_that_the_page_uses_takes_what_it_is_given() -> None:
    used, known = (
        set(re.findall(r"app_registration\.py (\w+)", text))
        for text in (PAGE, app_registration.__doc__ or "")
    )
    assert used == {"register", "assign"} <= known


def test_sign_in_is_made_only_where_it_is_asked_for() -> None:
    made = [name for name in names() if deployed.of_type(snapshot(name), CONFIG)]
    assert made == ["everything-on"]


def test_nobody_passes_without_a_sign_in() -> None:
    assert sign_in()["platform"]["enabled"] is True
    assert sign_in()["httpSettings"]["requireHttps"] is True
    assert sign_in()["globalValidation"]["requireAuthentication"] is True
    assert sign_in()["globalValidation"]["unauthenticatedClientAction"] == "Return401"


def test_people_can_sign_in() -> None:
    assert provider()["enabled"] is True
    assert sign_in()["globalValidation"]["redirectToProvider"] == "azureactivedirectory"
    assert sign_in()["platform"]["runtimeVersion"] == "~1"
    assert sign_in()["httpSettings"]["forwardProxy"] == {"convention": "NoProxy"}


def test_only_this_tenants_tokens_for_this_app_are_taken() -> None:
    issuer = f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert provider()["registration"]["openIdIssuer"] == issuer
    assert provider()["validation"] == {"allowedAudiences": [CLIENT, f"api://{CLIENT}"]}
    settings = deployed.settings(snapshot("everything-on"))
    assert settings["WEBSITE_AUTH_AAD_ALLOWED_TENANTS"] == TENANT


def test_the_apps_own_identity_vouches_and_no_secret_is_kept() -> None:
    setting = provider()["registration"]["clientSecretSettingName"]
    settings = deployed.settings(snapshot("everything-on"))
    assert settings[setting] == settings["AZURE_CLIENT_ID"]
    assert sign_in()["login"]["tokenStore"] == {"enabled": False}


def test_what_is_open_without_a_sign_in_leads_to_no_call_that_believes_the_callers_name() -> None:
    excluded = sign_in()["globalValidation"]["excludedPaths"]
    sandboxed = [f"/api/{route.path}" for route in ROUTES if route.role]
    assert not [(path, call) for path in excluded for call in sandboxed if call.startswith(path)]
    unguarded = {f"/api/{route.path}" for route in ROUTES if not route.role}
    assert set(excluded) - unguarded == {"/runtime/webhooks/eventgrid"}
    assert unguarded <= set(excluded)
    assert not [path for path in excluded if "*" in path]


@pytest.mark.parametrize("name", names())
def test_no_setting_of_the_template_makes_the_app_take_callers_as_signed_in(name: str) -> None:
    assert not entra({key.upper(): "true" for key in deployed.settings(snapshot(name))})


RUN_BY_HAND = sorted(
    {
        *re.findall(r"python3 (scripts/\w+\.py)", PAGE),
        *re.findall(r"python3 (scripts/\w+\.py)", (ROOT / "docs" / "deploy.md").read_text()),
        *re.findall(r"python3 (scripts/\w+\.py)", (ROOT / "Makefile").read_text()),
        "scripts/az.py",
    }
)


@pytest.mark.parametrize("script", RUN_BY_HAND)
def test_a_script_that_is_run_with_any_python3_is_one_for_3_9(script: str) -> None:
    """A Mac has no newer one. Whoever deploys by the portal's button has no uv either."""
    tree = ast.parse((ROOT / script).read_text(), feature_version=(3, 9))
    assert "__future__" in ast.unparse(tree)
