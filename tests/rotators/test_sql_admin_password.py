"""The administrator's password, through the real SDK over the simulated Resource Manager."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest

from cloud.sql.errors import ENTRA_ONLY
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    PermanentError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.shared.sql_operation import ENTRA_ONLY_CODE
from rotators.sql_admin_password import SqlAdminPassword
from rotators.sql_login_password import SqlLoginPassword
from simulator.faults import Fault
from simulator.reach.transport import Call
from simulator.sql.servers import Failure
from simulator.wire import Request, Response, json_response
from simulator.world import Domains
from tests.shared.sql_rig import (
    ADMIN,
    FIRST,
    SQL_ACTIONS,
    TEMPLATE,
    SqlRig,
    may_watch,
    password_of,
)

SERVER = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Sql/servers/Orders"
DATABASE = f"{SERVER}/databases/Shop"


async def rotate(rig: SqlRig, *, proven: bool = True, held: str | None = FIRST, **tags: str) -> str:
    """Issue and verify, as the engine does; return the new password."""
    rotator, usual = rig.admin(), rig.tags(**tags)
    job = rig.job(rotator, usual, held, proven=proven)
    issued = await rotator.issue(job)
    await rotator.verify(job.source, issued.credential_id, issued.fields["password"])
    return password_of(issued)


def polls(request: Request) -> bool:
    return "serverAzureAsyncOperation" in request.path


async def test_the_first_time_the_name_is_read_from_the_server_and_all_is_checked(
    rig: SqlRig,
) -> None:
    job = rig.job(rig.admin(), rig.tags(), "not-the-password")
    issued = await rig.admin().issue(job)
    assert issued.credential_id == ADMIN
    assert issued.supersedes is None
    assert rig.calls()["SIGN-IN"] == 1


async def test_a_template_gets_server_database_user_and_password(rig: SqlRig) -> None:
    tags = rig.tags(Database="shop")
    issued = await rig.admin().issue(rig.job(rig.admin(), tags, FIRST))
    texts = {name: value.reveal() for name, value in issued.fields.items()}
    assert texts == {
        "server": "orders.database.windows.net",
        "database": "shop",
        "user": ADMIN,
        "password": password_of(issued),
    }


async def test_a_tag_that_names_another_administrator_changes_nothing(rig: SqlRig) -> None:
    with pytest.raises(NeedsHuman, match="administrator is 'sqladmin'"):
        await rotate(rig, proven=False, CredentialId="app")
    with pytest.raises(PermanentError):
        await rotate(rig, proven=True, CredentialId="app")
    assert rig.accepts(ADMIN, FIRST)


@pytest.mark.parametrize("proven", [False, True])
async def test_with_entra_only_authentication_on_nothing_is_changed_and_nobody_signs_in(
    rig: SqlRig, *, proven: bool
) -> None:
    rig.server.entra_only = True
    with pytest.raises(NeedsHuman) as caught:
        await rotate(rig, proven=proven, CredentialId=ADMIN)
    assert caught.value.code == ENTRA_ONLY
    assert rig.server.administrator.newest == FIRST
    assert "SIGN-IN" not in rig.calls()


async def test_entra_only_authentication_is_told_from_a_refused_password(rig: SqlRig) -> None:
    job = rig.job(rig.admin(), rig.tags(CredentialId=ADMIN), FIRST, proven=True)
    issued = await rig.admin().issue(job)
    rig.server.entra_only = True
    with pytest.raises(NeedsHuman):
        await rig.admin().verify(job.source, ADMIN, issued.fields["password"])


async def test_a_change_that_fails_late_as_passwords_were_turned_off_is_for_a_human(
    rig: SqlRig,
) -> None:
    may_watch(rig.world, rig.identity, rig.server)
    rig.server.next_failure = Failure(ENTRA_ONLY_CODE, "Why it failed.")
    with pytest.raises(NeedsHuman) as caught:
        await rotate(rig, CredentialId=ADMIN)
    assert caught.value.code == ENTRA_ONLY


async def test_a_server_that_never_had_the_setting_takes_passwords(rig: SqlRig) -> None:
    missing = json_response(404, {"error": {"code": "ResourceNotFound", "message": "none"}})
    rig.world.faults.append(Fault(lambda request: "azureADOnly" in request.path, missing))
    assert rig.accepts(ADMIN, await rotate(rig, proven=False))


async def test_a_server_that_does_not_tell_how_one_signs_in_is_asked_again(rig: SqlRig) -> None:
    busy = json_response(409, {"error": {"code": "Conflict", "message": "later"}})
    rig.world.faults.append(Fault(lambda request: "azureADOnly" in request.path, busy))
    with pytest.raises(TransientError, match="reading how one signs in"):
        await rotate(rig, proven=False)
    assert rig.server.administrator.newest == FIRST


async def test_servers_of_two_subscriptions_are_each_changed_in_their_own(rig: SqlRig) -> None:
    other = rig.world.sql.add_server("billing", ADMIN, FIRST, subscription=str(UUID(int=2)))
    rig.world.grant(rig.identity, SQL_ACTIONS, other.resource_id.partition("/providers/")[0])
    rotator = rig.admin()
    for server in (rig.server, other):
        tags = {"ProviderAddress": server.resource_id, "CredentialId": ADMIN}
        issued = await rotator.issue(rig.job(rotator, tags, FIRST, proven=True))
        assert server.administrator.newest == password_of(issued)


async def test_a_change_that_never_ends_is_tried_again(rig: SqlRig) -> None:
    may_watch(rig.world, rig.identity, rig.server)
    rig.server.operation_time = timedelta(hours=1)
    with pytest.raises(TransientError, match="still"):
        await rotate(rig, CredentialId=ADMIN)


async def test_a_second_change_while_one_runs_is_tried_again(rig: SqlRig) -> None:
    job = rig.job(rig.admin(), rig.tags(CredentialId=ADMIN), FIRST, proven=True)
    rig.server.operation_time = timedelta(seconds=30)
    await rig.admin().issue(job)
    with pytest.raises(TransientError, match="UpsertLogicalServerRequestAlreadyInProgress"):
        await rig.admin().issue(job)


@pytest.mark.parametrize("body", [b"<html>a proxy</html>", b"[]", b'"done"', b"\xff\xfe"])
async def test_a_poll_that_is_answered_with_nonsense_is_repeated(rig: SqlRig, body: bytes) -> None:
    nonsense = Response(200, {"Content-Type": "application/json"}, body)
    rig.world.faults.append(Fault(polls, nonsense, times=2))
    assert rig.accepts(ADMIN, await rotate(rig, CredentialId=ADMIN))


@pytest.mark.parametrize("error", ["text", ["a", "list"], None])
async def test_a_change_that_fails_without_a_proper_reason_is_no_success(
    rig: SqlRig, error: object
) -> None:
    rig.world.faults.append(Fault(polls, json_response(200, {"status": "Failed", "error": error})))
    with pytest.raises(PermanentError, match="ended it as failed: failed"):
        await rotate(rig, CredentialId=ADMIN)


@pytest.mark.parametrize("status", ["Failed", "Canceled", "Cancelled"])
async def test_a_change_that_was_ended_is_not_waited_for(rig: SqlRig, status: str) -> None:
    rig.world.faults.append(Fault(polls, json_response(200, {"status": status})))
    with pytest.raises(PermanentError, match=f"ended it as {status.lower()}"):
        await rotate(rig, CredentialId=ADMIN)


async def test_who_may_not_watch_the_change_proves_it_by_signing_in(rig: SqlRig) -> None:
    rig.server.operation_time = timedelta(seconds=5)
    rig.world.faults.append(
        Fault(polls, json_response(403, {"error": {"code": "AuthorizationFailed"}}), times=99)
    )
    assert rig.accepts(ADMIN, await rotate(rig, CredentialId=ADMIN))
    assert rig.calls()["GET"] == 1


async def test_the_apps_token_never_follows_a_link_out_of_resource_manager() -> None:
    async def misled(_: Request, call: Call) -> Response:
        response = await call()
        link = {"Azure-AsyncOperation": "https://management.azure.com.example/operation"}
        return Response(response.status, {**response.headers, **link}, response.body)

    rig = SqlRig(misled)
    assert rig.accepts(ADMIN, await rotate(rig, CredentialId=ADMIN))
    assert rig.calls()["GET"] == 0


async def test_without_the_role_the_error_names_identity_and_role(rig: SqlRig) -> None:
    rig.world.roles.assignments.clear()
    with pytest.raises(AccessDenied) as caught:
        await rotate(rig, CredentialId=ADMIN)
    assert rig.identity.appid in caught.value.what
    assert "SQL Server Contributor" in caught.value.fix


async def test_a_firewall_stops_the_first_rotation_before_anything_is_changed(rig: SqlRig) -> None:
    rig.server.firewalled = True
    with pytest.raises(AccessDenied, match="firewall"):
        await rotate(rig, proven=False)
    assert rig.server.administrator.newest == FIRST


@pytest.mark.parametrize(
    "held",
    ["Server=a;Password=b", "mssql+pyodbc://u:p@host/db", "jdbc:sqlserver://h;pwd = x", None],
)
async def test_a_connection_string_is_never_replaced_by_a_bare_password(
    rig: SqlRig, held: str | None
) -> None:
    with pytest.raises(NeedsHuman, match="ValueTemplate"):
        await rotate(rig, proven=False, held=held)
    assert rig.server.administrator.newest == FIRST


async def test_a_database_name_that_needs_escaping_belongs_into_the_template(rig: SqlRig) -> None:
    with pytest.raises(NeedsHuman, match="escaped"):
        await rotate(rig, CredentialId=ADMIN, Database="a;b", ValueTemplate=TEMPLATE)
    assert rig.server.administrator.newest == FIRST


async def test_in_another_cloud_the_servers_name_is_read_once() -> None:
    rig = SqlRig(domains=Domains(arm="arm.localhost:8443"))
    rig.server.fqdn = "localhost,14330"
    rotator, tags = rig.admin(), rig.tags(CredentialId=ADMIN)
    for _ in range(2):
        job = rig.job(rotator, tags, FIRST, proven=True)
        issued = await rotator.issue(job)
        await rotator.verify(job.source, ADMIN, issued.fields["password"])
    reads = [
        exchange
        for exchange in rig.world.exchanges
        if exchange.request.path.endswith("/servers/orders") and exchange.request.method == "GET"
    ]
    assert len(reads) == 1
    assert issued.fields["server"].reveal() == "localhost,14330"


async def test_in_another_cloud_a_server_without_a_name_needs_a_person() -> None:
    rig = SqlRig(domains=Domains(arm="arm.localhost:8443"))
    rig.server.fqdn = ""
    with pytest.raises(NeedsHuman, match="no host name"):
        await rotate(rig, CredentialId=ADMIN)
    assert rig.server.administrator.newest == FIRST


@pytest.mark.parametrize("held", ["", "x" * 129])
async def test_what_no_server_takes_is_not_even_sent(rig: SqlRig, held: str) -> None:
    rotator = rig.admin()
    with pytest.raises(VerificationFailed):
        await rotator.verify(rig.server.resource_id, ADMIN, Sensitive(held))
    assert rig.calls() == Counter()


@pytest.mark.parametrize(
    ("address", "tags", "kind"),
    [
        (SERVER, {}, "admin"),
        (f"  {SERVER}/ ", {}, "admin"),
        (SERVER.upper(), {}, "admin"),
        (SERVER, {"CredentialId": "app"}, "admin"),
        (SERVER, {"Logins": "a,b"}, "login"),
        (SERVER, {"Rotator": "sql-login-password"}, "login"),
        (SERVER, {"Rotator": "sql-admin-password", "Logins": "a,b"}, "admin"),
        (DATABASE, {}, "login"),
        (DATABASE, {"Rotator": "sql-admin-password"}, None),
        (SERVER, {"Rotator": "storage-key"}, None),
        (DATABASE, {"Rotator": "storage-key"}, None),
        (f"{SERVER}/logins/app", {}, None),
        (f"{SERVER}/elasticPools/p", {}, None),
        (SERVER.replace("Microsoft.Sql", "Microsoft.Storage"), {}, None),
        ("", {}, None),
    ],
)
def test_an_address_belongs_to_one_kind_at_most(
    address: str, tags: dict[str, str], kind: str | None
) -> None:
    admin, login = (
        SqlAdminPassword.canonical(address, tags),
        SqlLoginPassword.canonical(address, tags),
    )
    assert (admin is not None, login is not None) == (kind == "admin", kind == "login")
    assert admin in (None, SERVER.lower())


@pytest.mark.parametrize("name", ["orders-2026", "o" * 63])
@pytest.mark.parametrize("database", ["Shop 2026", "d" * 128])
def test_any_name_that_azure_gives_is_one_of_a_server_and_of_a_database(
    name: str, database: str
) -> None:
    server = SERVER.replace("Orders", name)
    assert SqlAdminPassword.canonical(server, {}) == server.lower()
    login = SqlLoginPassword.canonical(f"{server}/databases/{database}", {"CredentialId": "app"})
    assert login == f"{server}/databases/{database}/logins/app".lower()


# How long a change is followed that its server goes on with.


@pytest.mark.parametrize(("pause", "waited"), [(None, 10.5), (1, 11), (12, 12), (13, 0), (40, 0)])
async def test_the_call_that_began_it_waits_for_no_look_that_comes_too_late(
    rig: SqlRig, pause: int | None, waited: float
) -> None:
    """It may last 20 seconds, and follows the change for twelve of them."""
    may_watch(rig.world, rig.identity, rig.server)
    rig.server.operation_time, rig.server.retry_after = timedelta(seconds=60), pause
    rotator, began = rig.admin(), rig.clock.now()
    await rotator.issue(rig.job(rotator, rig.tags(CredentialId=ADMIN), FIRST, proven=True))
    assert rig.clock.now() - began == timedelta(seconds=waited)


async def test_the_end_of_one_change_is_not_taken_for_that_of_the_next(rig: SqlRig) -> None:
    may_watch(rig.world, rig.identity, rig.server)
    rotator = rig.admin()
    job = rig.job(rotator, rig.tags(CredentialId=ADMIN), FIRST, proven=True)
    rig.server.operation_time = timedelta(seconds=60)
    rig.server.next_failure = Failure("ServerDisabled", "Server is disabled.")
    await rotator.issue(job)
    rig.clock.advance(60)
    rig.server.operation_time = timedelta(0)
    issued = await rotator.issue(job)
    await rotator.verify(job.source, ADMIN, issued.fields["password"])
    assert rig.accepts(ADMIN, password_of(issued))


@pytest.mark.parametrize(
    "answer",
    [
        json_response(429, {"error": {"code": "TooManyRequests"}}),
        json_response(503, {"error": {"code": "ServiceUnavailable"}}),
        json_response(200, {"status": "InProgress"}),
        Response(202),
        Response(302, {"Location": "https://management.azure.com/elsewhere"}),
        Response(200),
        Response(204),
        json_response(200, {}),
        json_response(200, {"status": None}),
    ],
    ids=lambda answer: f"{answer.status}{answer.body.decode()}",
)
async def test_a_look_that_shows_no_end_is_followed_by_another(
    rig: SqlRig, answer: Response
) -> None:
    """The change takes longer than a password is tried that has not spread."""
    may_watch(rig.world, rig.identity, rig.server)
    rig.server.operation_time = timedelta(seconds=80)
    rig.world.faults.append(Fault(polls, answer, times=2))
    assert rig.accepts(ADMIN, await rotate(rig, CredentialId=ADMIN))


@pytest.mark.parametrize("answer", [Response(200), Response(204), json_response(200, {})])
async def test_an_answer_without_a_status_is_the_end_where_only_a_location_is_named(
    answer: Response,
) -> None:
    looks: list[str] = []

    async def located(request: Request, call: Call) -> Response:
        if "serverOperationResults" in request.path:
            looks.append(request.path)
            return answer
        response = await call()
        headers = {name: text for name, text in response.headers.items() if "Async" not in name}
        return Response(response.status, headers, response.body)

    rig = SqlRig(located)
    assert rig.accepts(ADMIN, await rotate(rig, CredentialId=ADMIN))
    assert len(looks) == 1
