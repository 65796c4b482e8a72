"""Tokens, the managed-identity endpoint with Microsoft's own credential, and the login service."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ManagedIdentityCredential

from simulator.azure import Azure
from simulator.identity import HOME_TENANT, Rejection, bearer
from simulator.reach.transport import SimulatedTransport
from simulator_tests.caller import Caller, body_of

RESOURCE = "https://vault.azure.net"


@pytest.fixture(autouse=True)
def app_service(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that App Service gives an app with an identity."""
    azure.managed_identity.system = azure.add_principal("app")
    monkeypatch.setenv("IDENTITY_ENDPOINT", azure.managed_identity.endpoint)
    monkeypatch.setenv("IDENTITY_HEADER", azure.managed_identity.identity_header)


@pytest.fixture
async def credential(azure: Azure) -> AsyncIterator[ManagedIdentityCredential]:
    """The app's system-assigned identity."""
    async with ManagedIdentityCredential(
        transport=SimulatedTransport(azure), retry_total=0
    ) as opened:
        yield opened


async def test_the_system_assigned_identity_gets_a_token(
    azure: Azure, credential: ManagedIdentityCredential
) -> None:
    got = await credential.get_token(f"{RESOURCE}/.default")

    assert azure.identities.principal_of(got.token, RESOURCE) == azure.managed_identity.system
    assert got.expires_on == int((azure.now() + azure.identities.life).timestamp())


async def test_a_user_assigned_identity_is_chosen_by_its_client_id(azure: Azure) -> None:
    assigned = azure.add_principal("assigned")
    azure.managed_identity.assigned.append(assigned)
    async with ManagedIdentityCredential(
        client_id=assigned.appid, transport=SimulatedTransport(azure)
    ) as chosen:
        got = await chosen.get_token(f"{RESOURCE}/.default")

    assert azure.identities.principal_of(got.token, RESOURCE) == assigned


async def test_an_identity_that_is_not_assigned_gets_nothing(azure: Azure) -> None:
    unassigned = azure.add_principal("unassigned").appid
    async with ManagedIdentityCredential(
        client_id=unassigned, transport=SimulatedTransport(azure)
    ) as chosen:
        with pytest.raises(ClientAuthenticationError, match="No Managed Identity found"):
            await chosen.get_token(f"{RESOURCE}/.default")


async def test_an_app_without_an_identity_gets_nothing(
    azure: Azure, credential: ManagedIdentityCredential
) -> None:
    azure.managed_identity.system = None

    with pytest.raises(ClientAuthenticationError, match="No Managed Identity found"):
        await credential.get_token(f"{RESOURCE}/.default")


async def test_a_wrong_header_gets_nothing(
    credential: ManagedIdentityCredential, azure: Azure
) -> None:
    azure.managed_identity.identity_header = "changed since the app started"

    with pytest.raises(ClientAuthenticationError):
        await credential.get_token(f"{RESOURCE}/.default")


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("", f"?api-version=2019-08-01&resource={RESOURCE}", 401),
        ("guessed", f"?api-version=2019-08-01&resource={RESOURCE}", 403),
        (None, f"?api-version=2017-09-01&resource={RESOURCE}", 400),
        (None, "?api-version=2019-08-01", 400),
        (None, f"?api-version=2019-08-01&resource={RESOURCE}", 200),
    ],
)
def test_a_request_for_a_token_is_checked(
    azure: Azure, stranger: Caller, header: str | None, query: str, status: int
) -> None:
    sent = azure.managed_identity.identity_header if header is None else header
    headers = {"x-identity-header": sent} if sent else {}

    response = stranger.send("GET", f"{azure.managed_identity.endpoint}{query}", headers=headers)

    assert response.status == status


def test_the_endpoint_has_one_path(azure: Azure, stranger: Caller) -> None:
    headers = {"x-identity-header": azure.managed_identity.identity_header}

    assert (
        stranger.send("GET", f"http://{azure.domains.identity}/elsewhere", headers=headers).status
        == 404
    )


def test_the_answer_names_times_as_text(azure: Azure, stranger: Caller) -> None:
    url = f"{azure.managed_identity.endpoint}?api-version=2019-08-01&resource={RESOURCE}"

    answered = body_of(
        stranger.send(
            "GET", url, headers={"x-identity-header": azure.managed_identity.identity_header}
        )
    )

    assert {type(value) for value in answered.values()} == {str}
    assert (answered["resource"], answered["token_type"]) == (RESOURCE, "Bearer")


def test_a_token_says_what_entras_do(azure: Azure) -> None:
    principal = azure.add_principal("app")

    claims = claims_of(azure.identities.token_for(f"{RESOURCE}/.default", principal))

    assert (claims["aud"], claims["oid"], claims["appid"]) == (
        RESOURCE,
        principal.oid,
        principal.appid,
    )
    assert (claims["tid"], claims["iss"]) == (
        HOME_TENANT,
        f"https://sts.windows.net/{HOME_TENANT}/",
    )
    assert claims["exp"] - claims["iat"] == 86_400


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims


def test_a_principal_keeps_its_ids_from_run_to_run(azure: Azure) -> None:
    assert azure.add_principal("app") == azure.add_principal("app")
    assert azure.add_principal("app") != azure.add_principal("other")


@pytest.mark.parametrize("token", ["", "a", "a.b", "a.b.c", "…"])
def test_what_is_no_token_is_nobodys(azure: Azure, token: str) -> None:
    assert azure.identities.examine(token, RESOURCE) == Rejection("unknown")


def test_a_removed_principals_token_is_worthless(azure: Azure) -> None:
    principal = azure.add_principal("app")
    token = azure.identities.token_for(RESOURCE, principal)
    del azure.identities.principals[principal.oid]

    assert azure.identities.principal_of(token, RESOURCE) is None


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer t", "t"), ("bearer t", "t"), ("Bearer ", None), ("SharedKey t", None), ("", None)],
)
def test_a_bearer_token_is_read_from_the_header(header: str, token: str | None) -> None:
    assert bearer(header) == token


def test_the_login_service_describes_itself(stranger: Caller) -> None:
    host = "https://login.microsoftonline.com"
    description = body_of(
        stranger.send("GET", f"{host}/{HOME_TENANT}/v2.0/.well-known/openid-configuration")
    )
    instance = body_of(
        stranger.send(
            "GET", f"{host}/common/discovery/instance?api-version=1.1&authorization_endpoint=x"
        )
    )

    assert description["token_endpoint"] == f"{host}/{HOME_TENANT}/oauth2/v2.0/token"
    assert instance["metadata"][0]["preferred_network"] == "login.microsoftonline.com"
    assert stranger.send("GET", f"{host}/elsewhere").status == 404
