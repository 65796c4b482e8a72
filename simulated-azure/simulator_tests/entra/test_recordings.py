"""The simulated Graph against recorded traffic and Microsoft's own metadata."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.entra.directory import Application
from simulator.identity import Principal
from simulator.wire import Response
from simulator_tests import specs
from simulator_tests.caller import Caller
from simulator_tests.recordings import moment, pairs

FILE = "graph_add_remove_password.json"
PRESENT = ("request-id", "x-ms-ags-diagnostic", "x-ms-resource-unit", "date")
COMPARED = (
    "cache-control",
    "content-type",
    "odata-version",
    "strict-transport-security",
    "vary",
    "location",
)
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?")
FREE = {
    "hint": r".{3}",
    "secretText": r"\S{16,64}|REDACTED",
    "publisherDomain": r"\S+",
    "displayName": r".*",
}
EDM: dict[str, Callable[[Any], object]] = {
    "Edm.Guid": uuid.UUID,
    "Edm.DateTimeOffset": datetime.fromisoformat,
    "Edm.String": str,
}
NAMESPACE = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.fixture
def recorded() -> dict[str, Any]:
    """The recorded pairs."""
    return pairs(FILE)


@pytest.fixture
def clock(recorded: dict[str, Any]) -> VirtualClock:
    """A clock at the time of the first recorded pair."""
    return VirtualClock(moment(recorded["add_password_1"]))


@pytest.fixture
def azure(clock: VirtualClock) -> Azure:
    """A world with the recorded application in it."""
    return build_world(clock)


@pytest.fixture
def operator(azure: Azure) -> Principal:
    """Somebody who may change every application."""
    principal = azure.add_principal("operator")
    azure.directory.grant(principal, "Application.ReadWrite.All")
    return principal


@pytest.fixture
def app(azure: Azure) -> Application:
    """The recorded application, without secrets."""
    app = azure.add_application("azure-cli-test000001")
    app.audience = "AzureADandPersonalMicrosoftAccount"
    return app


def play(
    azure: Azure, caller: Principal, app: Application, pair: dict[str, Any], body: Any = None
) -> Response:
    request = pair["request"]
    path = GUID.sub(app.object_id, request["path"])
    url = f"https://{request['host']}{path}"
    token = azure.identities.token_for("https://graph.microsoft.com", caller)
    response = Caller(azure).send(request["method"], url, body or request["body"], token=token)
    compare(pair["response"], response)
    return response


def compare(recorded: dict[str, Any], response: Response) -> None:
    headers = {name.lower(): value for name, value in response.headers.items()}
    assert response.status == recorded["status"]
    assert {name: headers.get(name) for name in COMPARED} == {
        name: recorded["headers"].get(name) for name in COMPARED
    }
    assert [name for name in PRESENT if name in recorded["headers"] and name not in headers] == []
    assert formed(response.json() if response.body else "") == formed(recorded["body"])


def formed(value: Any, name: str = "") -> Any:
    """Return a body in which ids, times and texts of one recording are replaced by their form."""
    match value:
        case dict():
            return {key: formed(inner, key) for key, inner in value.items()}
        case list():
            return [formed(inner) for inner in value]
        case str() if name in FREE and re.fullmatch(FREE[name], value):
            return f"<{name}>"
        case str():
            return TIME.sub("<time>", GUID.sub("<id>", value))
        case _:
            return value


def test_the_recorded_additions_removal_and_reading_are_answered_alike(
    recorded: dict[str, Any],
    azure: Azure,
    clock: VirtualClock,
    operator: Principal,
    app: Application,
) -> None:
    added = play(azure, operator, app, recorded["add_password_1"])
    first = added.json()
    assert isinstance(first, dict)
    clock.advance(15)
    play(azure, operator, app, recorded["remove_password"], {"keyId": first["keyId"]})
    clock.advance(1)
    play(azure, operator, app, recorded["add_password_2"])
    clock.advance(2)
    read = play(azure, operator, app, recorded["get_application_after"])
    assert isinstance(read.json(), dict)
    assert first["secretText"].encode() not in read.body
    assert [password.name for password in app.passwords(clock())] == [None]


def test_a_caller_without_permission_is_refused_as_recorded(
    recorded: dict[str, Any], azure: Azure, app: Application
) -> None:
    play(azure, azure.add_principal("nobody"), app, recorded["forbidden_403"])


def test_every_recorded_exchange_is_played(recorded: dict[str, Any]) -> None:
    assert set(recorded) == {
        *(
            "add_password_1",
            "remove_password",
            "add_password_2",
            "get_application_after",
            "forbidden_403",
        )
    }


def described(kind: str, name: str) -> dict[str, ET.Element]:
    """Return the properties of a type in Microsoft's metadata, by name."""
    root = ET.fromstring((specs.require() / "graph/v1.0-excerpt.csdl.xml").read_text())  # noqa: S314 - our own file
    type_ = next(
        element for element in root.iter(f"{NAMESPACE}{kind}") if element.get("Name") == name
    )
    return {str(element.get("Name")): element for element in type_.iter(f"{NAMESPACE}Property")}


def problems(body: dict[str, Any], properties: dict[str, ET.Element]) -> list[str]:
    """Return every way in which a body breaks the metadata."""
    problems = []
    for name, value in body.items():
        if name.startswith("@odata.") or name in ("id", "deletedDateTime"):
            continue
        if name not in properties:
            problems.append(f"{name} is no property")
        elif value is None and properties[name].get("Nullable") == "false":
            problems.append(f"{name} is null")
        elif value is not None:
            EDM.get(str(properties[name].get("Type")), str)(value)
    return problems


def test_answers_follow_the_metadata(
    recorded: dict[str, Any], azure: Azure, operator: Principal, app: Application
) -> None:
    added = play(azure, operator, app, recorded["add_password_1"]).json()
    password = described("ComplexType", "passwordCredential")
    assert isinstance(added, dict)
    assert problems(added, password) == []
    assert set(added) - {"@odata.context"} == set(password)
    token = azure.identities.token_for("https://graph.microsoft.com", operator)
    url = f"https://graph.microsoft.com/v1.0/applications/{app.object_id}"
    read = Caller(azure).send("GET", url, token=token).json()
    assert isinstance(read, dict)
    assert problems(read, described("EntityType", "application")) == []
    assert problems(read["passwordCredentials"][0], password) == []


def test_the_actions_take_the_parameters_of_the_metadata() -> None:
    root = ET.fromstring((specs.require() / "graph/v1.0-excerpt.csdl.xml").read_text())  # noqa: S314 - our own file
    bound = [
        action
        for action in root.iter(f"{NAMESPACE}Action")
        if "graph.application" in ET.tostring(action, "unicode")
    ]
    parameters = {
        str(action.get("Name")): [
            parameter.get("Name") for parameter in action.iter(f"{NAMESPACE}Parameter")
        ][1:]
        for action in bound
    }
    assert parameters == {"addPassword": ["passwordCredential"], "removePassword": ["keyId"]}
