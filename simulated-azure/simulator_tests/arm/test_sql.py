"""Microsoft.Sql as simulated, held against Microsoft's documents and recorded traffic."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.identity import Principal
from simulator.sql.servers import Failure, SqlServer
from simulator.wire import Response
from simulator_tests import schemas, specs
from simulator_tests.caller import Caller, body_of, error_of
from simulator_tests.openapi import Document
from simulator_tests.recordings import COMPARED_HEADERS, moment, pairs

ADMIN = "sqladmin"
FIRST = "F1rst-password-nobody-uses"
RIGHTS = (
    "Microsoft.Sql/servers/read",
    "Microsoft.Sql/servers/write",
    "Microsoft.Sql/servers/azureADOnlyAuthentications/read",
    "Microsoft.Sql/locations/*/read",
)
VERSION = "2025-01-01"
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(?=\"|\?|$|')")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")
TEXT = {"type": "string"}
RESOURCE = {
    "properties": dict.fromkeys(("id", "name", "type"), TEXT),
    "required": ["id", "name", "type"],
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": TEXT, "message": TEXT},
        }
    },
}
COMMON = {"ProxyResource": RESOURCE, "ErrorResponse": ERROR, "ResourceIdentity": {"type": "object"}}
"""Types that the documents take from files which are not at hand, as Azure's common types define
them."""
RECORDED_ALL_THE_SAME = "Servers_Update 202: a body where none is declared"
"""The document gives the 202 no body; the recorded one has one."""


@dataclass
class Place:
    """The server `orders`, and somebody with just the rights that a change of its password takes."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    world: Azure = field(init=False)
    server: SqlServer = field(init=False)
    identity: Principal = field(init=False)

    def __post_init__(self) -> None:
        self.world = build_world(self.clock)
        self.identity = self.world.add_principal("operator")
        self.server = self.world.sql.add_server("orders", ADMIN, FIRST)
        group = self.server.resource_id.partition("/providers/")[0]
        self.world.grant(self.identity, RIGHTS, group)

    def accepts(self, password: str) -> bool:
        """Tell whether the administrator signs in with a password."""
        return self.server.administrator.accepts(password, self.clock.now())


@pytest.fixture
def rig() -> Place:
    return Place()


@pytest.fixture
def checked(rig: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The rig; whatever Resource Manager answers in a test is held against Microsoft's documents, where they are at hand."""
    for name, schema in COMMON.items():
        monkeypatch.setitem(schemas.COMMON_TYPES, name, schema)
    yield rig
    folder = specs.folder()
    if folder is None:
        return
    documents = [
        Document(folder / "sql/Servers.json"),
        Document(folder / "sql/ServerAzureADOnlyAuthentications.json"),
    ]
    problems = [
        problem
        for exchange in rig.world.exchanges
        for document in documents
        if (
            operation := document.operation(
                exchange.request.method, urlsplit(exchange.request.url).path
            )
        )
        for problem in document.problems(operation, exchange.response)
    ]
    assert set(problems) <= {RECORDED_ALL_THE_SAME}
    assert rig.world.exchanges


def ask(
    rig: Place, method: str, path: str = "", body: Any = None, principal: Principal | None = None
) -> Response:
    """Send one request about the server."""
    url = f"https://{rig.world.domains.arm}{rig.server.resource_id}{path}?api-version={VERSION}"
    return Caller(rig.world, principal or rig.identity).send(method, url, body)


def follow(rig: Place, answer: Response, header: str = "Azure-AsyncOperation") -> Response:
    """Poll once where an answer says."""
    return Caller(rig.world, rig.identity).send("GET", answer.headers[header])


def update(rig: Place, password: str = "N3w-password-nobody-uses", **more: str) -> Response:
    return ask(rig, "PATCH", body={"properties": {"administratorLoginPassword": password, **more}})


def test_a_server_is_read_without_its_password(checked: Place) -> None:
    checked.server.tags["owner"] = "shop"

    body = body_of(ask(checked, "GET"))

    assert body["properties"]["administratorLogin"] == ADMIN
    assert FIRST not in str(body)


def test_a_change_is_accepted_first_and_takes_effect_at_its_end(checked: Place) -> None:
    accepted = update(checked)
    running = follow(checked, accepted)
    assert (accepted.status, running.status, body_of(running)["status"]) == (202, 200, "InProgress")
    assert follow(checked, accepted, "Location").status == 202
    assert checked.accepts(FIRST)

    checked.clock.advance(1)

    assert body_of(follow(checked, accepted))["status"] == "Succeeded"
    assert body_of(follow(checked, accepted, "Location"))["name"] == "orders"
    assert checked.accepts("N3w-password-nobody-uses")


def test_a_change_can_fail_late(checked: Place) -> None:
    checked.server.next_failure = Failure(
        "OperationInterrupted", "Interrupted by another operation."
    )

    accepted = update(checked)
    checked.clock.advance(1)

    ended = body_of(follow(checked, accepted))
    assert (accepted.status, ended["status"], ended["error"]["code"]) == (
        202,
        "Failed",
        "OperationInterrupted",
    )
    assert error_of(follow(checked, accepted, "Location")) == (409, "OperationInterrupted")
    assert checked.accepts(FIRST)


def test_polls_are_told_how_long_to_wait_where_the_server_says_so(checked: Place) -> None:
    checked.server.retry_after = 7

    accepted = update(checked)

    assert [answer.headers["Retry-After"] for answer in (accepted, follow(checked, accepted))] == [
        "7",
        "7",
    ]


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("Abcde1-", "PasswordTooShort"),
        ("Aa1-" * 33, "PasswordTooLong"),
        ("abcdefgh1", "PasswordNotComplex"),
        (f"A1-{ADMIN}", "PasswordNotComplex"),
    ],
)
def test_a_weak_password_is_refused_at_once(checked: Place, password: str, code: str) -> None:
    assert error_of(update(checked, password)) == (400, code)


def test_a_server_for_entra_identities_only_takes_no_password(checked: Place) -> None:
    checked.server.entra_only = True

    assert error_of(update(checked)) == (400, "AadOnlyAuthenticationIsEnabled")


def test_the_administrators_name_cannot_be_changed(checked: Place) -> None:
    assert error_of(update(checked, administratorLogin="other")) == (400, "InvalidParameterValue")
    assert update(checked, administratorLogin=ADMIN).status == 202


def test_one_change_at_a_time(checked: Place) -> None:
    update(checked)

    assert error_of(update(checked)) == (409, "UpsertLogicalServerRequestAlreadyInProgress")


@pytest.mark.parametrize("on", [False, True])
def test_whether_a_server_takes_entra_identities_only_can_be_read(checked: Place, on: bool) -> None:
    checked.server.entra_only = on

    setting = body_of(ask(checked, "GET", "/azureADOnlyAuthentications/Default"))
    several = body_of(ask(checked, "GET", "/azureADOnlyAuthentications"))

    assert setting["properties"]["azureADOnlyAuthentication"] is on
    assert several["value"] == [setting]


def test_there_is_one_such_setting_only(checked: Place) -> None:
    answer = ask(checked, "GET", "/azureADOnlyAuthentications/Other")

    assert error_of(answer) == (400, "InvalidServerAADOnlyAuthTypePropertyName")


def test_a_missing_server_and_a_missing_operation_are_not_found(checked: Place) -> None:
    accepted = update(checked)
    checked.world.arm.providers["microsoft.sql"].operations.clear()  # type: ignore[attr-defined]
    assert error_of(follow(checked, accepted)) == (404, "OperationIdNotFound")

    checked.world.sql.servers.clear()
    assert error_of(ask(checked, "GET")) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("PATCH", ""), ("GET", "/azureADOnlyAuthentications/Default")]
)
def test_nobody_reads_or_changes_a_server_without_a_role(
    checked: Place, method: str, path: str
) -> None:
    stranger = checked.world.add_principal("stranger")

    assert error_of(ask(checked, method, path, {"properties": {}}, stranger)) == (
        403,
        "AuthorizationFailed",
    )


def test_nobody_follows_a_change_without_a_role(checked: Place) -> None:
    accepted = update(checked)
    checked.world.roles.assignments.clear()

    assert error_of(follow(checked, accepted)) == (403, "AuthorizationFailed")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"properties": null}'])
def test_a_body_that_cannot_be_read_is_refused(checked: Place, body: bytes) -> None:
    assert error_of(ask(checked, "PATCH", body=body)) == (400, "InvalidRequestContent")


def test_servers_are_not_created_or_deleted_here(checked: Place) -> None:
    assert error_of(ask(checked, "DELETE"))[0] == 404
    assert error_of(ask(checked, "GET", "/databases"))[0] == 404


def test_the_recorded_change_is_answered_alike() -> None:
    recorded = pairs("sql_server_patch_202.json")
    clock = VirtualClock(moment(recorded["patch_202"]))
    world = build_world(clock)
    world.sql.add_server(
        "myserverxpxy", "dummylogin", FIRST, "0" * 8 + "-0000-0000-0000-" + "0" * 12, "rgname"
    )
    world.sql.servers["myserverxpxy"].location = "eastus"
    world.sql.servers["myserverxpxy"].operation_time = timedelta(seconds=1)
    operator = world.add_principal("operator")
    world.grant(
        operator, ["Microsoft.Sql/*"], "/subscriptions/00000000-0000-0000-0000-000000000000"
    )
    caller, operation = Caller(world, operator), ""

    for name in ("patch_202", "poll_succeeded", "final_get"):
        pair = recorded[name]
        clock.advance((moment(pair) - clock()).total_seconds())
        request = pair["request"]
        path = re.sub(r"(?<=serverAzureAsyncOperation/)[^?]+", operation, request["path"])
        properties = {
            "administratorLogin": "dummylogin",
            "administratorLoginPassword": "N3w-password",
        }
        body = {"properties": properties} if request["body"] else None
        answer = caller.send(request["method"], f"https://{request['host']}{path}", body)
        compare(pair["response"], answer)
        operation = (
            operation or answer.headers["Azure-AsyncOperation"].rpartition("/")[2].partition("?")[0]
        )


def test_a_poll_of_what_still_runs_is_answered_as_recorded(rig: Place) -> None:
    compare(
        pairs("sql_server_patch_202.json")["create_poll_in_progress"]["response"],
        follow(rig, update(rig)),
    )


def compare(recorded: dict[str, Any], answer: Response) -> None:
    """Assert that an answer has the recorded status, headers and body, apart from ids and times."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    assert answer.status == recorded["status"]
    assert formed(answer.json()) == formed(recorded["body"])
    for name in (*COMPARED_HEADERS, "azure-asyncoperation", "location", "server", "vary"):
        assert formed(headers.get(name)) == formed(recorded["headers"].get(name)), name


def formed(value: Any) -> Any:
    """Return a body, or a header, with ids and times replaced by what they are."""
    match value:
        case dict():
            return {key: formed(inner) for key, inner in value.items()}
        case str():
            return MOMENT.sub("<time>", GUID.sub("<id>", value))
        case _:
            return value
