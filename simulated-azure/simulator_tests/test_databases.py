"""Flexible Servers.

What Resource Manager answers, and what the stand-in for their drivers refuses.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.databases.servers import EngineName
from simulator.sql.servers import Failure
from simulator.wire import Request, Response

VERSION = {"postgresql": "2024-08-01", "mysql": "2024-12-30"}
NAMESPACE = {"postgresql": "Microsoft.DBforPostgreSQL", "mysql": "Microsoft.DBforMySQL"}
PROPERTIES = {
    # The models Server of azure-mgmt-postgresqlflexibleservers 3 and azure-mgmt-mysqlflexibleservers 1.
    "postgresql": {
        *("administratorLogin", "version", "minorVersion", "state", "fullyQualifiedDomainName"),
        *("storage", "authConfig", "dataEncryption", "backup", "network", "highAvailability"),
        *("maintenanceWindow", "sourceServerResourceId", "availabilityZone", "replicationRole"),
        *("replicaCapacity", "replica", "privateEndpointConnections", "cluster"),
    },
    "mysql": {
        *("administratorLogin", "version", "availabilityZone", "sourceServerResourceId"),
        *("replicationRole", "replicaCapacity", "dataEncryption", "state", "storage", "backup"),
        *("fullyQualifiedDomainName", "highAvailability", "network", "maintenanceWindow"),
        *(
            "privateEndpointConnections",
            "importSourceProperties",
            "fullVersion",
            "databasePort",
            "maintenancePolicy",
        ),
    },
}
ROLES = {
    "postgresql": {"None", "Primary", "AsyncReplica", "GeoAsyncReplica"},
    "mysql": {"None", "Source", "Replica"},
}
every_engine = pytest.mark.parametrize("engine", ["postgresql", "mysql"])


def body(response: Response) -> Any:
    return response.json()


class Caller:
    """Somebody with every right at one server."""

    def __init__(self, engine: EngineName) -> None:
        self.clock = VirtualClock()
        self.world: Azure = build_world(self.clock.now)
        self.server = self.world.databases.add_server(engine, "orders", "dbadmin", "F1rst-password")
        self.who = self.world.add_principal("operator")
        self.world.grant(self.who, ["*"], f"/subscriptions/{self.server.subscription}")
        self.version = VERSION[engine]

    def send(self, method: str, path: str, document: Any = None, version: str = "") -> Response:
        token = self.world.identities.token_for("https://management.azure.com/.default", self.who)
        separator = "&" if "?" in path else "?"
        url = path if path.startswith("https://") else f"https://management.azure.com{path}"
        if "api-version" not in url:
            url += f"{separator}api-version={version or self.version}"
        return self.world.handle(
            Request(
                method,
                url,
                {"authorization": f"Bearer {token}", "content-type": "application/json"},
                json.dumps(document).encode(),
            )
        )

    def change(self, password: str = "N3w-password-of-it") -> Response:
        document = {"properties": {"administratorLoginPassword": password}}
        return self.send("PATCH", self.server.resource_id, document)


@every_engine
@pytest.mark.parametrize("replica", [False, True])
def test_a_server_is_described_by_published_properties_and_never_with_a_password(
    engine: EngineName, replica: bool
) -> None:
    caller = Caller(engine)
    caller.server.is_replica = replica
    answer = caller.send("GET", caller.server.resource_id)
    properties = body(answer)["properties"]
    assert set(properties) <= PROPERTIES[engine]
    assert properties["replicationRole"] in ROLES[engine]
    assert b"F1rst" not in answer.body
    listed = caller.send("GET", caller.server.resource_id.rpartition("/")[0])
    assert body(listed)["value"] == [body(answer)]


@every_engine
def test_a_change_is_accepted_first_and_carried_out_later(engine: EngineName) -> None:
    caller = Caller(engine)
    answer = caller.change()
    assert (answer.status, answer.body) == (202, b"")
    location = f"/providers/{NAMESPACE[engine]}/locations/westeurope"
    for header, kind in (
        ("Azure-AsyncOperation", "azureAsyncOperation"),
        ("Location", "operationResults"),
    ):
        assert f"{location}/{kind}/" in answer.headers[header]
    link = answer.headers["Azure-AsyncOperation"]
    assert body(caller.send("GET", link))["status"] == "InProgress"
    assert caller.server.administrator.accepts("F1rst-password", caller.clock.now())
    assert caller.send("GET", answer.headers["Location"]).status == 202
    caller.clock.advance(2)
    assert body(caller.send("GET", link))["status"] == "Succeeded"
    assert caller.server.administrator.accepts("N3w-password-of-it", caller.clock.now())
    assert caller.send("GET", answer.headers["Location"]).status == 200


@every_engine
def test_a_change_may_fail_at_its_end_and_changes_nothing_then(engine: EngineName) -> None:
    caller = Caller(engine)
    caller.server.next_failure = Failure("InternalServerError", "It failed.")
    link = caller.change().headers["Azure-AsyncOperation"]
    caller.clock.advance(2)
    assert body(caller.send("GET", link))["error"]["code"] == "InternalServerError"
    assert caller.server.administrator.newest == "F1rst-password"


@every_engine
def test_a_server_makes_one_change_at_a_time(engine: EngineName) -> None:
    caller = Caller(engine)
    caller.server.operation_time = timedelta(seconds=30)
    caller.change()
    again = caller.change()
    assert (again.status, body(again)["error"]["code"]) == (409, "ServerIsBusy")


@every_engine
@pytest.mark.parametrize("state", ["stopped", "replica", "weak"])
def test_a_change_that_cannot_be_made_is_refused_at_once(engine: EngineName, state: str) -> None:
    caller = Caller(engine)
    caller.server.state = "Stopped" if state == "stopped" else "Ready"
    caller.server.is_replica = state == "replica"
    assert caller.change("weak" if state == "weak" else "N3w-password-of-it").status == 400
    assert caller.server.administrator.newest == "F1rst-password"


def test_postgresql_without_passwords_takes_none() -> None:
    caller = Caller("postgresql")
    caller.server.password_auth = False
    read = body(caller.send("GET", caller.server.resource_id))["properties"]
    assert read["authConfig"]["passwordAuth"] == "Disabled"
    assert caller.change().status == 400


def test_mysql_says_by_a_parameter_whether_it_takes_passwords() -> None:
    caller = Caller("mysql")
    path = f"{caller.server.resource_id}/configurations/aad_auth_only"
    assert body(caller.send("GET", path))["properties"]["value"] == "OFF"
    caller.server.password_auth = False
    assert body(caller.send("GET", path))["properties"]["value"] == "ON"


@every_engine
def test_a_version_that_there_is_not_and_a_caller_without_a_right_are_refused(
    engine: EngineName,
) -> None:
    caller = Caller(engine)
    assert caller.send("GET", caller.server.resource_id, version="2017-12-01").status == 400
    caller.world.roles.assignments.clear()
    assert caller.send("GET", caller.server.resource_id).status == 403
    assert caller.change().status == 403
