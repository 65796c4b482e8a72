"""The simulated Graph: who may do what, and what it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.entra.app_policy import AppPolicy
from simulator.identity import Principal
from simulator.wire import Response
from simulator_tests.caller import Caller, body_of, error_of

OWNED_BY = "Application.ReadWrite.OwnedBy"
MONTH = timedelta(days=30)
BASE = "https://graph.microsoft.com/v1.0/applications"


@dataclass
class Place:
    """A world with one application, its owner, and calls in the owner's name."""

    clock: VirtualClock
    azure: Azure
    owner: Principal

    def send(
        self, method: str, path: str, body: Any = None, caller: Principal | None = None
    ) -> Response:
        token = self.azure.identities.token_for("https://graph.microsoft.com", caller or self.owner)
        return Caller(self.azure).send(method, f"{BASE}{path}", body, token=token)

    def act(self, action: str, body: Any = None) -> Response:
        return self.send("POST", f"{self.path}/{action}", body)

    @property
    def path(self) -> str:
        return f"(appId='{next(iter(self.azure.directory.applications))}')"


@pytest.fixture
def place() -> Place:
    """A world with one application and its owner."""
    clock = VirtualClock()
    azure = build_world(clock)
    owner = azure.add_principal("owner")
    azure.directory.grant(owner, OWNED_BY)
    azure.add_application("orders", owner)
    return Place(clock, azure, owner)


def test_an_owner_with_the_owned_permission_adds_a_secret_by_either_id(place: Place) -> None:
    app = next(iter(place.azure.directory.applications.values()))
    for path in (f"/{app.object_id}", f"(appId='{app.app_id}')"):
        answer = body_of(
            place.send("POST", f"{path}/addPassword", {"passwordCredential": {"displayName": "x"}})
        )
        assert len(answer["secretText"]) == 40
        assert answer["hint"] == answer["secretText"][:3]


def test_a_secret_without_a_wanted_end_lives_for_two_years(place: Place) -> None:
    assert body_of(place.act("addPassword"))["endDateTime"] == "2028-11-01T09:00:00Z"


def test_the_owned_permission_reads_every_application_and_changes_its_own_only(
    place: Place,
) -> None:
    other = place.azure.add_principal("other")
    place.azure.directory.grant(other, OWNED_BY)
    assert place.send("GET", place.path, caller=other).status == 200
    refused = place.send("POST", f"{place.path}/addPassword", {}, caller=other)
    assert error_of(refused) == (403, "Authorization_RequestDenied")
    place.azure.directory.grant(other, "Application.ReadWrite.All")
    assert place.send("POST", f"{place.path}/addPassword", {}, caller=other).status == 200


def test_nobody_without_a_permission_reads_anything(place: Place) -> None:
    nobody = place.azure.add_principal("nobody")
    assert error_of(place.send("GET", place.path, caller=nobody)) == (
        403,
        "Authorization_RequestDenied",
    )


@pytest.mark.parametrize(
    ("audience", "message"),
    [("", "Access token is empty."), ("https://vault.azure.net", "Invalid audience.")],
)
def test_a_missing_or_foreign_token_gets_a_challenge(
    place: Place, audience: str, message: str
) -> None:
    token = place.azure.identities.token_for(audience, place.owner) if audience else ""
    answer = Caller(place.azure).send("GET", f"{BASE}{place.path}", token=token)
    assert error_of(answer) == (401, "InvalidAuthenticationToken")
    assert body_of(answer)["error"]["message"].endswith(message)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_an_application_that_does_not_exist_answers_404(place: Place) -> None:
    unknown = "(appId='00000000-0000-4000-8000-000000000000')"
    assert error_of(place.send("GET", unknown)) == (404, "Request_ResourceNotFound")


def test_an_application_is_found_by_a_filter_on_its_client_id(place: Place) -> None:
    app_id = next(iter(place.azure.directory.applications))
    answer = body_of(place.send("GET", f"?$filter=appId%20eq%20'{app_id}'&$select=appId"))
    assert answer["value"] == [{"appId": app_id}]
    assert body_of(place.send("GET", "?$filter=appId%20eq%20'other'"))["value"] == []


def test_owners_are_listed_by_their_object_ids(place: Place) -> None:
    listed = body_of(place.send("GET", f"{place.path}/owners?$select=id"))["value"]
    assert [owner["id"] for owner in listed] == [place.owner.oid]


def test_selecting_a_property_that_does_not_exist_is_refused(place: Place) -> None:
    assert error_of(place.send("GET", f"{place.path}?$select=secrets")) == (
        400,
        "Request_BadRequest",
    )


def test_a_removed_secret_cannot_be_removed_again(place: Place) -> None:
    key_id = body_of(place.act("addPassword"))["keyId"]
    assert place.act("removePassword", {"keyId": key_id}).status == 204
    again = place.act("removePassword", {"keyId": key_id})
    assert error_of(again) == (400, "Request_BadRequest")
    assert "No password credential found with keyId" in body_of(again)["error"]["message"]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("addPassword", b"{"),
        ("addPassword", []),
        ("addPassword", {"displayName": "not wrapped"}),
        ("addPassword", {"passwordCredential": {"secretText": "mine"}}),
        ("addPassword", {"passwordCredential": {"endDateTime": "soon"}}),
        ("addPassword", {"passwordCredential": {"endDateTime": "2027-01-01T00:00:00"}}),
        ("addPassword", {"passwordCredential": {"endDateTime": "2020-01-01T00:00:00Z"}}),
        ("removePassword", {"keyId": "key1"}),
        ("removePassword", {}),
    ],
)
def test_a_body_that_breaks_the_rules_is_refused(place: Place, action: str, body: Any) -> None:
    assert error_of(place.act(action, body)) == (400, "Request_BadRequest")


@pytest.mark.parametrize(
    ("method", "rest"), [("DELETE", ""), ("POST", "/explode"), ("GET", "/addPassword")]
)
def test_what_is_not_simulated_is_refused(place: Place, method: str, rest: str) -> None:
    assert error_of(place.send(method, f"{place.path}{rest}")) == (400, "BadRequest")


def test_a_change_right_after_another_is_refused_while_the_directory_settles(place: Place) -> None:
    place.azure.directory.settle = timedelta(seconds=3)
    assert place.act("addPassword").status == 200
    assert error_of(place.act("addPassword")) == (409, "Directory_ConcurrencyViolation")
    place.clock.advance(3)
    assert place.act("addPassword").status == 200


def test_reads_and_removals_lag_behind_where_the_directory_does(place: Place) -> None:
    place.azure.directory.graph_lag = timedelta(seconds=5)
    key_id = body_of(place.act("addPassword"))["keyId"]
    assert body_of(place.send("GET", place.path))["passwordCredentials"] == []
    assert place.act("removePassword", {"keyId": key_id}).status == 400
    place.clock.advance(5)
    assert len(body_of(place.send("GET", place.path))["passwordCredentials"]) == 1
    assert place.act("removePassword", {"keyId": key_id}).status == 204


@pytest.mark.parametrize(
    ("life", "status"),
    [(MONTH - timedelta(seconds=1), 200), (MONTH, 200), (MONTH + timedelta(seconds=1), 400)],
)
def test_a_policy_caps_the_lifetime(place: Place, life: Any, status: int) -> None:
    place.azure.directory.policy = AppPolicy(max_lifetime=MONTH)
    end = (place.clock() + life).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = place.act("addPassword", {"passwordCredential": {"endDateTime": end}})
    assert answer.status == status
    assert status == 200 or error_of(answer)[1] == "CredentialInvalidLifetimeAsPerAppPolicy"


def test_a_policy_forbids_secrets(place: Place) -> None:
    place.azure.directory.policy = AppPolicy(secrets_allowed=False)
    assert error_of(place.act("addPassword")) == (400, "CredentialTypeNotAllowedAsPerAppPolicy")


def test_an_application_name_is_taken_once(place: Place) -> None:
    with pytest.raises(ValueError, match="named orders already"):
        place.azure.add_application("orders")
