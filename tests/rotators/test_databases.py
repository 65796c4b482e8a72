"""PostgreSQL and MySQL Flexible Servers: what stands in the way, and what each of it is called."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloud.databases import problems
from engine.errors import (
    AccessDenied,
    NeedsHuman,
    NotFound,
    PermanentError,
    RekeyError,
    TransientError,
    VerificationFailed,
)
from engine.secret import Sensitive
from rotators.mysql_user_password import MysqlUserPassword
from rotators.postgresql_admin_password import PostgresqlAdminPassword
from rotators.postgresql_role_password import PostgresqlRolePassword
from rotators.shared.database_engine import MYSQL, POSTGRESQL
from rotators.shared.database_login import DatabaseLogin
from rotators.shared.database_server import DatabasePlace
from simulator.arm.databases import server_body
from simulator.databases.servers import EngineName
from simulator.faults import Fault
from simulator.wire import json_response
from tests.cloud.database_contract import kind_of, problem_of
from tests.rotators.database_scenes import (
    ADMIN,
    FIRST,
    NAME,
    SCENES,
    TEMPLATE,
    WRONG,
    DatabaseScene,
)
from tests.shared.promises import everything

every_kind = pytest.mark.parametrize("name", SCENES)
every_login = pytest.mark.parametrize("name", [name for name in SCENES if "admin" not in name])
every_admin = pytest.mark.parametrize("name", [name for name in SCENES if "admin" in name])
every_engine = pytest.mark.parametrize("engine", ["postgresql", "mysql"])
PASSING = ("Starting", "Stopping", "Restarting")


def scene_of(name: str) -> DatabaseScene:
    return DatabaseScene(*SCENES[name])


@pytest.fixture
def scene(name: str) -> DatabaseScene:
    """A server of which the vault holds a password."""
    return DatabaseScene(*SCENES[name])


async def preflight_problem(scene: DatabaseScene, **changes: object) -> RekeyError:
    """Return what a look before the rotation finds."""
    before = scene.planted()
    problem = await problem_of(scene.rotator().preflight(scene.job(proven=False, **changes)))
    assert scene.planted() == before
    return problem


@every_kind
@pytest.mark.parametrize(
    ("fact", "kind", "code", "fix"),
    [
        ({"state": "Stopped"}, NeedsHuman, "Stopped", "start it"),
        ({"password_auth": False}, NeedsHuman, "EntraOnly", ""),
        ({"is_replica": True}, NeedsHuman, "ReadOnly", ""),
        ({"firewalled": True}, AccessDenied, "Firewall", ""),
        *(({"state": state}, TransientError, None, "") for state in PASSING),
    ],
)
async def test_what_keeps_a_server_from_a_rotation_is_found_before_it(
    name: str, fact: dict[str, object], kind: type[RekeyError], code: str | None, fix: str
) -> None:
    scene = scene_of(name)
    vars(scene.server).update(fact)
    error = await preflight_problem(scene)
    assert isinstance(error, kind)
    assert code in (None, error.code)
    assert fix in error.fix


@every_engine
async def test_the_login_of_a_server_that_is_gone_is_retired_already(engine: EngineName) -> None:
    scene = DatabaseScene(engine, ("app_a", "app_b"))
    scene.server.is_gone = True
    await scene.rotator().retire(scene.job().source, "app_a", Sensitive(FIRST))


@every_login
async def test_a_server_that_stopped_since_is_found_out_when_it_does_not_answer(name: str) -> None:
    scene = scene_of(name)
    scene.server.state = "Stopped"
    assert await kind_of(scene.rotator().issue(scene.job())) == (NeedsHuman, "Stopped")


@every_kind
@pytest.mark.parametrize("action", ["rotate", "audit"])
@pytest.mark.parametrize(
    ("fact", "reason"),
    [
        ({"state": "Stopped"}, "the server is stopped"),
        ({"password_auth": False}, "the server takes Entra identities only"),
    ],
)
async def test_a_good_password_outlives_what_keeps_everybody_out_and_the_reason_is_told(
    name: str, action: str, fact: dict[str, object], reason: str
) -> None:
    scene = scene_of(name)
    scene.manage()
    await scene.rig.handle(NAME)
    live = scene.live()
    vars(scene.server).update(fact)
    scene.rig.clock.advance(85 * 86_400)
    outcome = await scene.rig.handle(NAME, trigger="sweep", action=action)
    assert outcome.result == "parked"
    assert outcome.reason.startswith(reason)
    assert scene.live() == live


@every_kind
async def test_a_server_that_became_a_replica_since_is_named_as_one(name: str) -> None:
    scene = scene_of(name)
    scene.server.is_replica = True
    assert await kind_of(scene.rotator().issue(scene.job())) == (NeedsHuman, "ReadOnly")


@every_kind
async def test_a_replica_is_known_in_whatever_case_its_role_is_written(name: str) -> None:
    """Resource Manager compares such words without regard to case."""
    scene = scene_of(name)
    scene.server.is_replica = True
    body = server_body(scene.server)
    body["properties"]["replicationRole"] = body["properties"]["replicationRole"].upper()
    place = scene.server.resource_id.lower()
    shown = Fault(lambda sent: sent.path.lower() == place, json_response(200, body), times=9)
    scene.rig.world.faults.append(shown)
    assert (await preflight_problem(scene)).code == "ReadOnly"


@every_admin
async def test_a_change_that_is_refused_for_no_known_reason_is_told_as_its_answer(
    name: str,
) -> None:
    scene = scene_of(name)
    refusal = json_response(400, {"error": {"code": "Odd", "message": "no"}})
    scene.rig.world.faults.append(Fault(lambda sent: sent.method == "PATCH", refusal))
    assert await kind_of(scene.rotator().issue(scene.job())) == (PermanentError, "Odd")


async def test_a_server_made_without_an_administrator_takes_no_passwords() -> None:
    scene = scene_of("postgresql-admin-password")
    scene.server.password_auth, scene.server.administrator.name = False, ""
    for held_id in (None, ADMIN):
        error = await preflight_problem(scene, held_id=held_id)
        assert error.code == "EntraOnly"


@every_kind
@pytest.mark.parametrize("password", [FIRST, WRONG])
async def test_a_refusal_while_password_sign_in_is_off_proves_nothing(
    name: str, password: str
) -> None:
    scene = scene_of(name)
    scene.server.password_auth = False
    source, rotator, live = scene.job().source, scene.rotator(), scene.live()
    login = scene.tags["CredentialId"]
    for call in (
        rotator.accepts(source, login, Sensitive(password)),
        rotator.accepts(source, "", Sensitive(password)),
        rotator.verify(source, login, Sensitive(password)),
        *([rotator.retire(source, login, Sensitive(password))] if scene.logins else []),
    ):
        assert await kind_of(call) == (NeedsHuman, "EntraOnly")
    assert scene.live() == live


@every_kind
async def test_a_refusal_proves_nothing_while_nobody_knows_whether_sign_in_is_off(
    scene: DatabaseScene,
) -> None:
    scene.rig.world.roles.assignments.clear()
    source, login = scene.job().source, scene.tags["CredentialId"]
    error = await problem_of(scene.rotator().accepts(source, login, Sensitive(WRONG)))
    assert isinstance(error, AccessDenied)
    assert await scene.rotator().accepts(source, login, Sensitive(FIRST))


@every_login
async def test_a_server_that_is_out_of_reach_though_it_runs_is_asked_again(name: str) -> None:
    scene = scene_of(name)
    scene.server.fqdn = "elsewhere.example"
    assert await kind_of(scene.rotator().issue(scene.job())) == (TransientError, "NotReached")
    scene.rig.world.roles.assignments.clear()
    assert await kind_of(scene.rotator().issue(scene.job())) == (TransientError, "NotReached"), (
        "nobody knows why"
    )


@every_kind
async def test_a_server_under_maintenance_is_rotated(scene: DatabaseScene) -> None:
    scene.server.state = "Updating"
    await scene.rotator().preflight(scene.job(proven=False))


@every_kind
async def test_a_server_that_may_not_be_read_names_the_role(scene: DatabaseScene) -> None:
    scene.rig.world.roles.assignments.clear()
    error = await preflight_problem(scene)
    assert isinstance(error, AccessDenied)
    assert f"{scene.kind.kind}s" in error.fix


@every_login
async def test_a_login_that_does_not_exist_is_missing(scene: DatabaseScene) -> None:
    scene.server.accounts.clear()
    for error in (
        await preflight_problem(scene),
        await problem_of(scene.rotator().issue(scene.job())),
    ):
        assert isinstance(error, NotFound)
        assert "CredentialId" in error.fix


@every_login
async def test_a_missing_right_names_the_identity_and_the_statements(scene: DatabaseScene) -> None:
    scene.server.alterable = set()
    for error in (
        await preflight_problem(scene),
        await problem_of(scene.rotator().issue(scene.job())),
    ):
        assert isinstance(error, AccessDenied)
        assert scene.rig.identity.oid in str(error)
        assert "GRANT" in error.fix
        assert scene.rig.identity.name in error.fix


async def test_the_statements_name_the_role_that_the_app_may_not_alter() -> None:
    scene = scene_of("postgresql-role-password")
    scene.server.alterable = set()
    error = await preflight_problem(scene)
    assert f'GRANT "app" TO "{scene.rig.identity.name}" WITH ADMIN OPTION' in error.fix


def test_the_statements_carry_any_name_as_the_engine_quotes_it() -> None:
    assert POSTGRESQL.grants('the "app"', 'a"; DROP ROLE b; --') == (
        'ALTER ROLE "the ""app""" CREATEROLE; '
        'GRANT "a""; DROP ROLE b; --" TO "the ""app""" WITH ADMIN OPTION'
    )
    assert MYSQL.grants("the 'app' \\", "app") == (
        "GRANT CREATE USER ON *.* TO 'the ''app'' \\\\'@'%'; "
        "GRANT SELECT ON mysql.user TO 'the ''app'' \\\\'@'%'"
    )


async def test_a_mysql_server_without_the_parameter_takes_passwords() -> None:
    scene = scene_of("mysql-user-password")
    missing = json_response(404, {"error": {"code": "ResourceNotFound", "message": "none"}})
    about = lambda request: request.path.endswith("/aad_auth_only")  # noqa: E731
    scene.rig.world.faults.append(Fault(about, missing, times=9))
    await scene.rotator().preflight(scene.job(proven=False))


@every_login
async def test_an_identity_without_a_user_in_the_database_is_denied(scene: DatabaseScene) -> None:
    scene.server.operators.clear()
    error = await preflight_problem(scene)
    assert isinstance(error, AccessDenied)
    assert f"'{scene.rig.identity.name}'" in str(error)


@every_login
async def test_without_the_identitys_name_nothing_is_tried(scene: DatabaseScene) -> None:
    error = await problem_of(scene.rotator(identity_name=None).issue(scene.job()))
    assert isinstance(error, NeedsHuman)
    assert "REKEY_IDENTITY_NAME" in error.fix


@every_login
async def test_a_locked_login_needs_a_person(scene: DatabaseScene) -> None:
    for account in scene.accounts:
        account.enabled = False
    error = await preflight_problem(scene)
    assert (type(error), error.code) == (NeedsHuman, "LoginDisabled")


@every_login
async def test_a_login_that_may_open_no_database_is_proven_by_a_wrong_password(name: str) -> None:
    scene = scene_of(name)
    scene.server.closed_to = set(scene.logins)
    source, rotator = scene.job().source, scene.rotator()
    await rotator.verify(source, scene.logins[0], Sensitive(FIRST))
    assert not await rotator.accepts(source, scene.logins[0], Sensitive("Wr0ng-password"))


@every_engine
async def test_the_shortest_password_that_a_server_may_take_is_tried(engine: EngineName) -> None:
    scene = DatabaseScene(engine, ("app",))
    source, rotator = scene.job().source, scene.rotator()
    assert not await rotator.accepts(source, "app", Sensitive(""))
    scene.server.add_account("app", "x")
    assert await rotator.accepts(source, "app", Sensitive("x"))


class Closed:
    """A server that turns away whoever comes before it looks at a password, or the first one."""

    def __init__(self, *, wavers: bool) -> None:
        self._turns_away, self._wavers = True, wavers

    async def sign_in(self, server: str, *_: object) -> None:
        if self._turns_away:
            self._turns_away = not self._wavers
            raise problems.no_database(server)


@every_login
@pytest.mark.parametrize("wavers", [False, True])
async def test_a_database_that_looks_at_no_password_or_takes_a_made_up_one_proves_nothing(
    name: str, *, wavers: bool
) -> None:
    scene, closed = scene_of(name), Closed(wavers=wavers)
    rotator = scene.rotator(databases={"postgresql": closed, "mysql": closed})
    assert await kind_of(
        rotator.accepts(scene.job().source, scene.logins[0], Sensitive(FIRST))
    ) == (NeedsHuman, "NoDatabase")


@every_kind
async def test_the_password_of_another_shape_is_left_alone(scene: DatabaseScene) -> None:
    template = {"ValueTemplate": TEMPLATE} if len(scene.logins) > 1 else {}
    error = await preflight_problem(scene, held=None, tags=template)
    assert "ValueTemplate" in str(error)


@every_engine
@pytest.mark.parametrize("password", ["", "a\0b", "x" * 300])
async def test_what_no_server_takes_is_no_password(engine: EngineName, password: str) -> None:
    scene = DatabaseScene(engine, ("app",))
    with pytest.raises(VerificationFailed, match="cannot be a password"):
        await scene.rotator().verify(scene.job().source, "app", Sensitive(password))
    assert not scene.rig.world.exchanges, "it is not even sent"


@every_engine
async def test_a_password_with_a_nul_character_is_never_set(engine: EngineName) -> None:
    scene = DatabaseScene(engine, ("app",))
    error = await problem_of(scene.rotator().undo(scene.job(), Sensitive("a\0b")))
    assert isinstance(error, NeedsHuman)
    assert "a\0b" not in everything(error)


@pytest.mark.parametrize(
    ("arm", "server", "scope"),
    [
        ("https://management.azure.com", "database.azure.com", "database.windows.net"),
        (
            "https://management.usgovcloudapi.net",
            "database.usgovcloudapi.net",
            "database.usgovcloudapi.net",
        ),
        (
            "https://management.chinacloudapi.cn",
            "database.chinacloudapi.cn",
            "database.chinacloudapi.cn",
        ),
    ],
)
@every_engine
async def test_servers_and_tokens_have_the_names_of_their_cloud(
    engine: EngineName, arm: str, server: str, scope: str
) -> None:
    scene = DatabaseScene(engine, ("app",))
    requested: list[str] = []

    class Credential:
        async def get_token(self, *scopes: str, **_: object) -> object:
            requested.extend(scopes)
            raise RuntimeError

    rotator = scene.rotator(arm_endpoint=arm, credential=Credential())
    assert isinstance(rotator, DatabaseLogin)
    place = DatabasePlace.of(rotator.engine, scene.job().source)
    fields = await rotator._access.fields(place, {}, "app", Sensitive(FIRST))
    domain = {"postgresql": "postgres", "mysql": "mysql"}[engine]
    assert fields["server"].reveal() == f"orders.{domain}.{server}"
    with pytest.raises(RuntimeError):
        await rotator.issue(scene.job())
    assert requested == [f"https://ossrdbms-aad.{scope}/.default"]


@every_engine
def test_names_that_differ_by_case_are_two_sources_and_their_order_makes_no_third(
    engine: EngineName,
) -> None:
    scene = DatabaseScene(engine, ("app",))
    address, kind = scene.server.resource_id, scene.kind

    def source(logins: str) -> str | None:
        return kind.canonical(address, {"Logins": logins})

    assert source("app_a,app_b") == source(" app_b , app_a ")
    assert source("App_a,app_b") != source("app_a,app_b")
    host = {"postgresql": "", "mysql": "%40%25"}[engine]
    assert (source("A,b") or "").endswith(f"/logins/%41{host}+b{host}")
    assert (source("a+b,c/d") or "").endswith(f"/logins/a%2bb{host}+c%2fd{host}")
    assert source("app_a,app_b") == (source("app_a,app_b") or "").lower()


def test_a_mysql_user_without_a_host_is_the_one_that_signs_in_from_everywhere() -> None:
    address = DatabaseScene("mysql").server.resource_id
    tags = {"Rotator": MysqlUserPassword.kind}

    def source(login: str) -> str | None:
        return MysqlUserPassword.canonical(address, {**tags, "CredentialId": login})

    assert source("app") == source("app@%") != source("app@10.0.%")
    assert source("app@DB.example") == source("app@db.example")


async def test_a_template_gets_a_mysql_user_without_its_host() -> None:
    scene = DatabaseScene("mysql", ("app@%",))
    issued = await scene.rotator().issue(scene.job())
    assert issued.fields["user"].reveal() == "app"


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            POSTGRESQL.checked,
            ("x" * 63, "a@b", 'a"b\\', "\u00e9" * 31),
            ("", "x" * 64, "\u00e9" * 32, "a\nb", "a\0b"),
        ),
        (
            MYSQL.checked,
            ("x" * 32, "a@b@%", "a'b\\"),
            ("", "@%", "x" * 33, "a\0b", "a@" + "h" * 256),
        ),
    ],
)
def test_a_name_is_checked_before_it_stands_in_a_statement(
    check: Callable[[str], str], good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    for name in good:
        assert check(name) == name
    for name in bad:
        with pytest.raises(NeedsHuman):
            check(name)


@pytest.mark.parametrize(
    ("tags", "admin", "role"),
    [
        ({}, True, False),
        ({"CredentialId": "app"}, True, False),
        ({"Logins": "a,b"}, False, True),
        ({"Rotator": "postgresql-role-password"}, False, True),
        ({"Rotator": "postgresql-admin-password", "Logins": "a,b"}, True, False),
        ({"Rotator": "mysql-user-password"}, False, False),
        ({"Rotator": "sql-login-password"}, False, False),
    ],
)
def test_the_tags_say_which_kind_a_servers_address_means(
    tags: dict[str, str], admin: bool, role: bool
) -> None:
    address = DatabaseScene("postgresql").server.resource_id
    assert (PostgresqlAdminPassword.canonical(address, tags) is not None) is admin
    assert (PostgresqlRolePassword.canonical(address, tags) is not None) is role
    assert MysqlUserPassword.canonical(address, tags) is None


@pytest.mark.parametrize("server", ["orders-2026", "o" * 63])
def test_any_name_that_azure_gives_is_one_of_a_server(server: str) -> None:
    for engine in (POSTGRESQL, MYSQL):
        address = f"/subscriptions/S/resourceGroups/G/providers/{engine.provider}/{server}"
        place = DatabasePlace.parse(engine, address)
        assert place
        assert (place.server, place.server_id) == (server, address.lower())


@every_admin
async def test_the_administrator_is_read_from_the_server(scene: DatabaseScene) -> None:
    rotator = scene.rotator()
    known = await rotator.recognise(scene.job(proven=False, held_id=None))
    assert known.credential_id == ADMIN
    error = await problem_of(rotator.recognise(scene.job(proven=False, held_id="app")))
    assert f"Rotator to {scene.kind.engine.login_kind}" in error.fix


@every_engine
async def test_a_superseded_login_that_is_locked_keeps_its_password(engine: EngineName) -> None:
    """The server says that it is locked once the password was right: it may be the one in use."""
    scene = DatabaseScene(engine, ("app_a", "app_b"))
    scene.accounts[0].enabled = False
    assert await kind_of(scene.rotator().retire(scene.job().source, "app_a", Sensitive(FIRST))) == (
        NeedsHuman,
        "LoginDisabled",
    )
    assert FIRST in scene.live()


def refuse_good_passwords(scene: DatabaseScene) -> str:
    """Have the server refuse good passwords in the words of wrong ones; return the code of why."""
    if scene.engine == "postgresql":
        for account in scene.accounts:
            account.expired = True
        return problems.LOGIN_DISABLED
    for login in scene.logins:
        scene.server.add_account(f"{login}@10.0.0.4", "0ther-password")
    return problems.SEVERAL


@every_login
async def test_a_good_password_that_is_refused_as_a_wrong_one_is_has_not_ended(name: str) -> None:
    scene = scene_of(name)
    source, login, live = scene.job().source, scene.logins[0], scene.live()
    rotator, code = scene.rotator(), refuse_good_passwords(scene)
    for call in (
        rotator.accepts(source, "", Sensitive(FIRST)),
        rotator.accepts(source, login, Sensitive(FIRST)),
        rotator.retire(source, login, Sensitive(FIRST)),
        rotator.preflight(scene.job(proven=False)),
        rotator.issue(scene.job(in_place=True)),
    ):
        assert await kind_of(call) == (NeedsHuman, code)
    assert scene.live() == live


@every_login
async def test_the_password_of_a_login_that_is_gone_is_refused(name: str) -> None:
    scene = scene_of(name)
    scene.vanish()
    assert not await scene.rotator().accepts(scene.job().source, "", Sensitive(FIRST))


@every_login
async def test_an_audit_replaces_no_good_password_that_is_refused_as_a_wrong_one_is(
    name: str,
) -> None:
    scene = scene_of(name)
    scene.manage()
    await scene.rig.handle(NAME)
    live = scene.live()
    refuse_good_passwords(scene)
    scene.rig.clock.advance(86_400)
    outcome = await scene.rig.handle(NAME, trigger="sweep", action="audit")
    assert outcome.result == "parked"
    assert scene.live() == live


@pytest.mark.parametrize("name", [name for name in SCENES if "admin" in name])
async def test_a_password_whose_answer_was_lost_is_told_as_one_that_may_have_been_set(
    name: str,
) -> None:
    scene = DatabaseScene(*SCENES[name])
    scene.rig.world.faults.append(Fault(lambda it: it.method in ("PATCH", "PUT"), after=True))
    issued = await scene.rotator().issue(scene.job())
    assert isinstance(issued.doubt, TransientError)
    assert issued.fields["password"].reveal() in scene.live()


@pytest.mark.parametrize("name", [name for name in SCENES if "two" in name])
async def test_a_database_is_not_called_closed_to_a_password_whose_answer_was_lost(
    scene: DatabaseScene,
) -> None:
    """Whether it was set is proven first. The error would say that it certainly was."""
    scene.server.closed_to = {"app_b"}
    job = scene.job(tags={"Database": scene.database})
    error = await problem_of(scene.rotator().issue(job))
    assert "'app_b' may not open the database" in str(error)
    scene.rig.world.faults.append(Fault(lambda it: it.method == "ALTER", after=True))
    issued = await scene.rotator().issue(job)
    assert isinstance(issued.doubt, TransientError)
    assert (issued.credential_id, issued.fields["password"].reveal()) == (
        "app_b",
        scene.value("app_b"),
    )
