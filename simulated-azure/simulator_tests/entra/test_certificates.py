"""Certificates of applications: one list that is replaced as a whole, and assertions signed by them."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from msal.oauth2cli.assertion import JwtAssertionCreator  # type: ignore[import-untyped]

from simulator.certificates import KeyPair, self_signed
from simulator.entra.assertions import TYPE
from simulator.entra.shapes import moment
from simulator.wire import Request, Response
from simulator_tests.caller import Caller, body_of, error_of
from simulator_tests.entra.registered import Registered

GRAPH = "https://graph.microsoft.com/v1.0/applications"
PROPERTIES = {
    *("customKeyIdentifier", "displayName", "endDateTime", "key"),
    *("keyId", "startDateTime", "type", "usage"),
}
"""https://learn.microsoft.com/graph/api/resources/keycredential."""


@pytest.fixture
def rig() -> Registered:
    """A world with one application."""
    return Registered()


def graph(rig: Registered, method: str, query: str = "", body: Any = None) -> Response:
    url = f"{GRAPH}(appId='{rig.app.app_id}'){query}"
    token = rig.world.identities.token_for("https://graph.microsoft.com", rig.identity)
    return Caller(rig.world).send(method, url, body, token=token)


def listed(rig: Registered) -> list[dict[str, Any]]:
    answer = body_of(graph(rig, "GET", "?$select=id,keyCredentials"))
    return list(answer["keyCredentials"])


def put(rig: Registered, *entries: dict[str, Any]) -> Response:
    return graph(rig, "PATCH", body={"keyCredentials": list(entries)})


def another(rig: Registered) -> KeyPair:
    start = rig.clock.now().replace(microsecond=0)
    return self_signed("another", start, start + timedelta(days=30))


def entry(pair: KeyPair, **changes: Any) -> dict[str, Any]:
    return {
        "displayName": "another",
        "key": base64.b64encode(pair.der).decode(),
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        **changes,
    }


def test_a_list_replaces_the_one_before(rig: Registered) -> None:
    pair = another(rig)
    assert put(rig, *listed(rig), entry(pair, keyId="0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90")).status
    rig.clock.advance(1)
    first, second = listed(rig)
    assert set(first) == set(second) == PROPERTIES
    assert (first["keyId"], first["displayName"]) == (rig.first.key_id, rig.first.name)
    assert second["keyId"] == "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90"
    assert second["endDateTime"] == moment(pair.certificate.not_valid_after_utc)
    assert put(rig, second).status == 204
    assert [key.der for key in rig.alive()] == [pair.der]


def test_a_public_part_is_shown_only_to_who_selects_it_of_one_application(
    rig: Registered,
) -> None:
    assert listed(rig)[0]["key"] == base64.b64encode(rig.pair.der).decode()
    assert body_of(graph(rig, "GET"))["keyCredentials"][0]["key"] is None


def test_an_entry_that_is_sent_back_without_its_public_part_stays(rig: Registered) -> None:
    assert put(rig, listed(rig)[0] | {"key": None}).status == 204
    assert [key.der for key in rig.alive()] == [rig.pair.der]


@pytest.mark.parametrize("changes", [{"key": "none"}, {"type": "Symmetric"}, {"colour": "red"}])
def test_an_entry_that_graph_does_not_know_is_refused(
    rig: Registered, changes: dict[str, Any]
) -> None:
    answer = put(rig, entry(another(rig), **changes))
    assert error_of(answer) == (400, "Request_BadRequest")
    assert rig.alive() == [rig.first]


def test_an_entry_may_not_outlive_its_certificate(rig: Registered) -> None:
    answer = put(rig, entry(another(rig), endDateTime="2030-01-01T00:00:00Z"))
    assert error_of(answer) == (400, "KeyCredentialsInvalidEndDate")


def test_who_does_not_own_the_application_may_not_change_its_list(rig: Registered) -> None:
    rig.app.owners.clear()
    assert put(rig).status == 403
    assert rig.alive() == [rig.first]


def test_a_change_right_after_another_one_is_refused(rig: Registered) -> None:
    rig.directory.settle = timedelta(seconds=5)
    assert put(rig, *listed(rig)).status == 204
    put(rig, *listed(rig), entry(another(rig)))
    assert put(rig, *listed(rig)).status == 409


def assertion(rig: Registered, pair: KeyPair, way: str = "PS256", **changes: Any) -> str:
    """Return what Microsoft's own library makes, at the world's time."""
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    digest = hashes.SHA256() if way == "PS256" else hashes.SHA1()  # noqa: S303 - as it does
    name = "sha256_thumbprint" if way == "PS256" else "sha1_thumbprint"
    thumbprint = pair.certificate.fingerprint(digest).hex()
    now = rig.clock.now().timestamp()
    usual = {
        "audience": f"https://login.microsoftonline.com/{rig.app.tenant}/oauth2/v2.0/token",
        "issuer": rig.app.app_id,
        "issued_at": now,
        "expires_at": now + 600,
    }
    creator = JwtAssertionCreator(key, algorithm=way, **{name: thumbprint})
    return bytes(creator.create_normal_assertion(**(usual | changes))).decode()


def sign_in(rig: Registered, text: str) -> Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": rig.app.app_id,
        "client_assertion_type": TYPE,
        "client_assertion": text,
        "scope": "https://graph.microsoft.com/.default",
    }
    url = f"https://login.microsoftonline.com/{rig.app.tenant}/oauth2/v2.0/token"
    return rig.world.handle(Request("POST", url, {}, urlencode(form).encode()))


@pytest.mark.parametrize("way", ["PS256", "RS256"])
def test_an_assertion_of_microsofts_own_library_is_accepted(rig: Registered, way: str) -> None:
    assert sign_in(rig, assertion(rig, rig.pair, way)).status == 200


def test_an_assertion_by_a_certificate_that_is_not_listed_is_refused(rig: Registered) -> None:
    answer = sign_in(rig, assertion(rig, another(rig)))
    body = body_of(answer)
    assert (answer.status, body["error_codes"]) == (401, [700027])
    assert "The key was not found." in body["error_description"]


def test_an_assertion_signed_by_another_key_than_its_certificates_is_refused(
    rig: Registered,
) -> None:
    forged = KeyPair(another(rig).key, rig.pair.certificate)
    body = body_of(sign_in(rig, assertion(rig, forged)))
    assert body["error_codes"] == [700027]
    assert "verify the signature failed" in body["error_description"]


def test_a_certificate_is_accepted_no_longer_than_its_entry_says(rig: Registered) -> None:
    pair, soon = another(rig), rig.clock.now() + timedelta(days=1)
    assert put(rig, *listed(rig), entry(pair, endDateTime=moment(soon))).status == 204
    rig.clock.advance(timedelta(days=2).total_seconds())
    body = body_of(sign_in(rig, assertion(rig, pair)))
    assert body["error_codes"] == [700027]
    assert "The key used is expired." in body["error_description"]


@pytest.mark.parametrize("after", [timedelta(seconds=-1), timedelta(0)])
def test_a_certificate_is_accepted_no_longer_than_it_says_itself(
    rig: Registered, after: timedelta
) -> None:
    ends = rig.pair.certificate.not_valid_after_utc
    rig.clock.advance((ends + after - rig.clock.now()).total_seconds())
    codes = body_of(sign_in(rig, assertion(rig, rig.pair))).get("error_codes")
    assert codes == (None if after else [1000502])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"audience": "https://login.microsoftonline.com/common"}, 700023),
        ({"issuer": "0b6d3c1e-7a4f-4c55-9a51-2f6f5d1c8e90"}, 700021),
        ({"expires_at": 1}, 700024),
    ],
)
def test_an_assertion_for_another_place_application_or_time_is_refused(
    rig: Registered, changes: dict[str, Any], code: int
) -> None:
    answer = sign_in(rig, assertion(rig, rig.pair, **changes))
    assert body_of(answer)["error_codes"] == [code]


def test_what_is_no_assertion_is_refused(rig: Registered) -> None:
    assert body_of(sign_in(rig, "nonsense"))["error_codes"] == [50027]
