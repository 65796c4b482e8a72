"""The simulated token endpoint, asked by hand and by Microsoft's own credential."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import ClientSecretCredential

from simulator.reach.transport import SimulatedTransport
from simulator.wire import Request, Response
from simulator_tests.caller import body_of
from simulator_tests.entra.registered import Registered

SCOPE = "https://graph.microsoft.com/.default"


@pytest.fixture
def rig() -> Registered:
    """A world with one application."""
    return Registered()


def ask(rig: Registered, tenant: str = "", **changed: str | None) -> Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": rig.app.app_id,
        "client_secret": rig.secret.secret,
        "scope": SCOPE,
        **changed,
    }
    sent = urlencode({name: value for name, value in form.items() if value is not None})
    url = f"https://login.microsoftonline.com/{tenant or rig.app.tenant}/oauth2/v2.0/token"
    return rig.world.handle(Request("POST", url, {}, sent.encode()))


def credential(rig: Registered, secret: str) -> ClientSecretCredential:
    transport: Any = SimulatedTransport(rig.world)
    return ClientSecretCredential(rig.app.tenant, rig.app.app_id, secret, transport=transport)


async def test_microsofts_own_credential_gets_a_token_that_graph_takes(rig: Registered) -> None:
    async with credential(rig, rig.secret.secret) as signing_in:
        token = await signing_in.get_token(SCOPE)
    assert rig.app.principal is not None
    assert (
        rig.world.identities.principal_of(token.token, "https://graph.microsoft.com")
        == rig.app.principal
    )


async def test_microsofts_own_credential_understands_the_refusal(rig: Registered) -> None:
    async with credential(rig, "wrong") as signing_in:
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            await signing_in.get_token(SCOPE)


def test_a_token_lives_as_long_as_it_says(rig: Registered) -> None:
    answer = body_of(ask(rig))
    assert answer["token_type"] == "Bearer"
    rig.clock.advance(answer["expires_in"] - 1)
    assert rig.world.identities.principal_of(answer["access_token"], "https://graph.microsoft.com")
    rig.clock.advance(1)
    assert (
        rig.world.identities.principal_of(answer["access_token"], "https://graph.microsoft.com")
        is None
    )


@pytest.mark.parametrize(
    ("changed", "status", "error", "code"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"}, 400, "unauthorized_client", 700016),
        ({"tenant": "0a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d"}, 400, "invalid_request", 90002),
        ({"client_secret": None}, 400, "invalid_request", 900144),
        ({"scope": "User.Read"}, 400, "invalid_scope", 1002012),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_refusals_have_entras_shape(
    rig: Registered, changed: dict[str, Any], status: int, error: str, code: int
) -> None:
    answer = ask(rig, **changed)
    body = body_of(answer)
    assert (answer.status, body["error"], body["error_codes"]) == (status, error, [code])
    assert body["error_description"].startswith(f"AADSTS{code}: ")
    assert set(body) == {
        *(
            "error",
            "error_description",
            "error_codes",
            "timestamp",
            "trace_id",
            "correlation_id",
            "error_uri",
        )
    }


def test_an_expired_secret_says_so(rig: Registered) -> None:
    short = rig.directory.add_password(rig.app, end=rig.clock.now() + timedelta(seconds=5))
    assert ask(rig, client_secret=short.secret).status == 200
    rig.clock.advance(5)
    assert body_of(ask(rig, client_secret=short.secret))["error_codes"] == [7000222]


def test_a_disabled_application_and_one_without_a_service_principal_say_so(rig: Registered) -> None:
    rig.app.principal = None
    assert body_of(ask(rig))["error_codes"] == [7000229]
    rig.app.disabled = True
    assert body_of(ask(rig))["error_codes"] == [7000112]


def test_each_replica_knows_additions_and_removals_in_its_own_time(rig: Registered) -> None:
    rig.directory.lags = (timedelta(seconds=0), timedelta(seconds=10))
    added = rig.directory.add_password(rig.app)
    assert [ask(rig, client_secret=added.secret).status for _ in range(4)] == [200, 401, 200, 401]
    rig.clock.advance(10)
    assert [ask(rig, client_secret=added.secret).status for _ in range(2)] == [200, 200]
    rig.directory.remove_password(rig.app, added)
    assert [ask(rig, client_secret=added.secret).status for _ in range(2)] == [401, 200]
