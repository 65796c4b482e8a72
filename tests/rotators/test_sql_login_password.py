"""Logins and contained users, one or two that alternate, over the simulated servers."""

from __future__ import annotations

import pytest

from engine.contract import Issued
from engine.errors import AccessDenied, NeedsHuman, NotFound, PermanentError, TransientError
from engine.secret import Sensitive
from rotators.shared.sql_server import database_scope
from rotators.sql_login_password import SqlLoginPassword
from simulator.faults import Fault
from simulator.world import Domains
from tests.shared.sql_rig import FIRST, SECOND, TEMPLATE, SqlRig, password_of, rotated

KIND = "sql-login-password"


@pytest.fixture
def one_login(rig: SqlRig) -> dict[str, str]:
    """Tags for a login that has a user in `shop` alone."""
    return rotated(rig.server, "login").tags


@pytest.fixture
def user(rig: SqlRig) -> dict[str, str]:
    """Tags for a user contained in `shop`."""
    return rotated(rig.server, "user").tags


@pytest.fixture
def two(rig: SqlRig) -> dict[str, str]:
    """Tags for two logins, of which the vault holds the first."""
    return rotated(rig.server, "two logins").tags


async def rotate(
    rig: SqlRig,
    tags: dict[str, str],
    held: str | None = FIRST,
    *,
    proven: bool = True,
    in_place: bool = False,
) -> Issued:
    """Issue and verify, as the engine does."""
    rotator = rig.login()
    job = rig.job(rotator, tags, held, proven=proven, in_place=in_place)
    issued = await rotator.issue(job)
    await rotator.verify(job.source, issued.credential_id, issued.fields["password"])
    return issued


async def retire(rig: SqlRig, tags: dict[str, str], name: str, held: str | None) -> None:
    source = SqlLoginPassword.canonical(tags["ProviderAddress"], tags) or ""
    await rig.login().retire(source, name, Sensitive(held) if held is not None else None)


@pytest.mark.parametrize(
    ("held", "tagged", "expected"),
    [
        (FIRST, "app_a", "app_b"),
        (FIRST, "app_b", "app_b"),
        (SECOND, "app_a", "app_a"),
        (SECOND, None, "app_a"),
        ("neither", "app_a", "app_b"),
        ("neither", "APP_B", "app_a"),
    ],
)
async def test_the_first_time_the_value_tells_which_login_is_held_and_the_tag_where_it_does_not(
    rig: SqlRig, two: dict[str, str], held: str, tagged: str | None, expected: str
) -> None:
    tags = {name: text for name, text in two.items() if name != "CredentialId"}
    issued = await rotate(
        rig, tags | ({"CredentialId": tagged} if tagged else {}), held, proven=False
    )
    assert issued.credential_id == expected


@pytest.mark.parametrize("tagged", [None, "somebody"])
async def test_where_neither_value_nor_tag_tells_nothing_is_changed(
    rig: SqlRig, two: dict[str, str], tagged: str | None
) -> None:
    tags = {name: text for name, text in two.items() if name != "CredentialId"}
    with pytest.raises(NeedsHuman) as caught:
        await rotate(
            rig, tags | ({"CredentialId": tagged} if tagged else {}), "neither", proven=False
        )
    assert tagged or caught.value.where == rig.server.resource_id.lower()
    assert rig.accepts("app_a", FIRST)
    assert rig.accepts("app_b", SECOND)


async def test_a_login_that_cannot_open_the_database_of_the_value_is_not_published(
    rig: SqlRig, two: dict[str, str]
) -> None:
    """It is forgotten easily: CREATE LOGIN in master, and no CREATE USER in the database."""
    rig.server.databases["shop"].login_users.remove("app_b")
    with pytest.raises(PermanentError, match="'app_b' may not open the database") as caught:
        await rotate(rig, two)
    assert not isinstance(caught.value, NeedsHuman), "its password has been changed"
    assert rig.accepts("app_a", FIRST)
    no_tag = {name: text for name, text in two.items() if name != "Database"}
    for tags in ({**two, "ValueTemplate": "{user}:{password}"}, no_tag):
        issued = await rotate(rig, tags)
        assert issued.credential_id == "app_b", "no database is named"


async def test_the_only_login_is_published_whatever_it_may_open(
    rig: SqlRig, one_login: dict[str, str]
) -> None:
    """Its old password is gone."""
    rig.server.databases["shop"].login_users.remove("app")
    issued = await rotate(rig, {**one_login, "ValueTemplate": TEMPLATE, "Database": "shop"})
    assert rig.accepts("app", password_of(issued))


async def test_in_place_the_held_login_is_mended_and_the_other_is_left_alone(
    rig: SqlRig, two: dict[str, str]
) -> None:
    issued = await rotate(rig, two, "refused", in_place=True)
    assert (issued.credential_id, issued.supersedes) == ("app_a", None)
    assert rig.accepts("app_a", password_of(issued))
    assert rig.accepts("app_b", SECOND)


async def test_a_login_that_is_gone_is_retired_already(rig: SqlRig, two: dict[str, str]) -> None:
    del rig.server.logins["app_a"]
    await retire(rig, two, "app_a", SECOND)
    assert rig.accepts("app_b", SECOND)


async def test_who_cannot_be_asked_is_not_retired(rig: SqlRig, two: dict[str, str]) -> None:
    rig.server.firewalled = True
    with pytest.raises(AccessDenied):
        await retire(rig, two, "app_a", SECOND)


@pytest.mark.parametrize("proven", [False, True])
async def test_a_missing_login_is_named(rig: SqlRig, proven: bool) -> None:
    with pytest.raises(NotFound, match="no login is called 'ghost' in master"):
        await rotate(rig, rig.tags(CredentialId="ghost", Rotator=KIND), proven=proven)


async def test_a_login_is_no_contained_user(rig: SqlRig, user: dict[str, str]) -> None:
    rig.server.add_login("mapped", FIRST, "shop")
    with pytest.raises(NotFound, match="no contained user"):
        await rotate(rig, {**user, "CredentialId": "mapped"})


@pytest.mark.parametrize("proven", [False, True])
async def test_a_contained_user_is_published_with_no_database_but_its_own(
    rig: SqlRig, user: dict[str, str], proven: bool
) -> None:
    for named in ("", "Shop"):
        tags = {**user, "Database": named, "ValueTemplate": TEMPLATE}
        issued = await rotate(rig, tags, rig.server.databases["shop"].contained["app"].newest)
        assert issued.fields["database"].reveal().lower() == "shop"
    live = rig.server.databases["shop"].contained["app"].newest
    with pytest.raises(NeedsHuman, match="'warehouse'"):
        await rotate(rig, {**tags, "Database": "warehouse"}, live, proven=proven)
    assert rig.server.databases["shop"].contained["app"].newest == live


async def test_the_tag_database_matters_only_where_the_value_shows_a_database(
    rig: SqlRig, user: dict[str, str]
) -> None:
    assert await rotate(rig, {**user, "Database": "warehouse"})


async def test_a_slash_behind_a_database_is_no_part_of_its_name(
    rig: SqlRig, user: dict[str, str]
) -> None:
    address = f"{user['ProviderAddress']}/"
    tags = {**user, "ProviderAddress": address, "ValueTemplate": TEMPLATE}
    assert (await rotate(rig, tags)).fields["database"].reveal() == "shop"


@pytest.mark.parametrize("proven", [False, True])
async def test_without_the_right_the_error_names_identity_and_role(
    rig: SqlRig, one_login: dict[str, str], proven: bool
) -> None:
    rig.server.databases["master"].granted = {rig.identity.oid: {"public"}}
    with pytest.raises(AccessDenied) as caught:
        await rotate(rig, one_login, proven=proven)
    assert "the app may not alter 'app', or does not see it" in caught.value.what
    assert rig.identity.appid in caught.value.what
    assert rig.identity.oid in caught.value.what
    assert "loginmanager" in caught.value.fix
    assert rig.accepts("app", FIRST)


async def test_a_firewall_is_not_taken_for_a_missing_right(
    rig: SqlRig, one_login: dict[str, str]
) -> None:
    rig.server.firewalled = True
    with pytest.raises(AccessDenied, match="firewall") as caught:
        await rotate(rig, one_login, proven=False)
    assert "loginmanager" not in caught.value.fix


@pytest.mark.parametrize("proven", [False, True])
async def test_an_identity_that_the_database_does_not_know_is_told_what_to_grant(
    rig: SqlRig, user: dict[str, str], proven: bool
) -> None:
    rig.server.databases["shop"].granted.clear()
    with pytest.raises(AccessDenied) as caught:
        await rotate(rig, user, proven=proven)
    assert rig.identity.appid in caught.value.what
    assert "ALTER ANY USER" in caught.value.fix


async def test_the_entra_administrator_needs_no_further_right(
    rig: SqlRig, one_login: dict[str, str], user: dict[str, str]
) -> None:
    for database in rig.server.databases.values():
        database.granted.clear()
    rig.server.entra_admin = rig.identity.oid
    for tags in (one_login, user):
        await rotate(rig, tags, proven=False)


@pytest.mark.parametrize("proven", [False, True])
async def test_with_entra_only_authentication_on_a_person_is_needed(
    rig: SqlRig, one_login: dict[str, str], proven: bool
) -> None:
    rig.server.entra_only = True
    with pytest.raises(NeedsHuman, match="Entra identities only"):
        await rotate(rig, one_login, proven=proven)
    assert proven or rig.server.logins["app"].newest == FIRST


@pytest.mark.parametrize(
    "tags",
    [
        {"Logins": "app_a"},
        {"Logins": "app_a,app_b,app_c"},
        {"Logins": "app_a,APP_A"},
        {"ValueTemplate": "{password}"},
        {"Logins": "app_a,app\\b"},
    ],
)
@pytest.mark.parametrize("proven", [False, True])
async def test_tags_that_cannot_be_followed_change_nothing(
    rig: SqlRig, two: dict[str, str], tags: dict[str, str], proven: bool
) -> None:
    with pytest.raises(NeedsHuman):
        await rotate(rig, {**two, **tags}, proven=proven)
    assert rig.accepts("app_a", FIRST)
    assert rig.accepts("app_b", SECOND)


async def test_without_a_login_nothing_is_changed(rig: SqlRig) -> None:
    with pytest.raises(NeedsHuman, match="the secret names no login"):
        await rotate(rig, rig.tags(Rotator=KIND))


@pytest.mark.parametrize("name", ["app;x", "app x", " app", "app=x", "app'x", "app@x", "äpp"])
async def test_a_name_that_needs_escaping_belongs_into_the_template(rig: SqlRig, name: str) -> None:
    rig.server.add_login(name, FIRST, "shop")
    tags = rig.tags(CredentialId=name, Rotator=KIND)
    with pytest.raises(NeedsHuman, match="escaped"):
        await rotate(rig, {**tags, "ValueTemplate": TEMPLATE})
    await rotate(rig, {**tags, "ValueTemplate": "User ID=escaped;Password={password}"})


def test_two_logins_of_one_server_are_two_sources_and_spelling_makes_no_third() -> None:
    server = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/orders"

    def source(**tags: str) -> str | None:
        return SqlLoginPassword.canonical(server, {"Rotator": KIND, **tags})

    assert source(CredentialId="app") == f"{server.lower()}/logins/app"
    assert source(CredentialId="APP ") == source(CredentialId="app") != source(CredentialId="app2")
    assert source(Logins="b,a") == source(Logins="a, B", CredentialId="a") != source(Logins="a,c")
    assert source(CredentialId="a+b") != source(Logins="a,b")
    assert source(CredentialId="a/b") == f"{server.lower()}/logins/a%2fb"
    assert source() == f"{server.lower()}/logins/*"


@pytest.mark.parametrize(
    ("endpoint", "scope"),
    [
        ("https://management.azure.com", "https://database.windows.net/.default"),
        ("https://management.usgovcloudapi.net", "https://database.usgovcloudapi.net/.default"),
        ("https://management.chinacloudapi.cn", "https://database.chinacloudapi.cn/.default"),
        ("https://arm.localhost:8443", "https://database.localhost:8443/.default"),
    ],
)
def test_each_cloud_has_its_own_audience_for_database_tokens(endpoint: str, scope: str) -> None:
    assert database_scope(endpoint) == scope


async def test_in_another_cloud_name_and_audience_are_that_clouds() -> None:
    rig = SqlRig(domains=Domains(arm="arm.localhost:8443"))
    rig.server.fqdn = "localhost,14330"
    rig.server.add_login("app", FIRST, "master")
    issued = await rotate(rig, rig.tags(CredentialId="app", Rotator=KIND), proven=False)
    assert issued.fields["server"].reveal() == "localhost,14330"


async def test_a_server_that_gives_no_answer_is_tried_again(
    rig: SqlRig, one_login: dict[str, str]
) -> None:
    rig.server.fqdn = "elsewhere.database.windows.net"
    with pytest.raises(TransientError):
        await rotate(rig, one_login)


async def test_a_password_whose_answer_was_lost_is_told_as_one_that_may_have_been_set(
    rig: SqlRig, one_login: dict[str, str]
) -> None:
    rig.world.faults.append(Fault(lambda request: b"ALTER " in request.body, after=True))
    issued = await rotate(rig, one_login)
    assert isinstance(issued.doubt, TransientError)


@pytest.mark.parametrize("name", ["\uff41\uff50\uff50", "\u24d0pp"])
async def test_a_login_in_another_spelling_than_its_own_is_not_changed(
    rig: SqlRig, name: str
) -> None:
    """The server takes it for the same login, but a source of that name has an owner of its own."""
    rig.server.add_login("app", FIRST, "master")
    with pytest.raises(NotFound, match="no login is called"):
        await rotate(rig, rig.tags(CredentialId=name, Rotator=KIND), proven=False)
    assert rig.accepts("app", FIRST)
    await rotate(rig, rig.tags(CredentialId="APP", Rotator=KIND), proven=False)
    assert not rig.accepts("app", FIRST)


async def test_a_login_of_somebody_else_is_not_retired(rig: SqlRig) -> None:
    """The tag RekeyRetire can be edited by whoever may tag the secret.

    It gives no power over other logins.
    """
    for name in ("app_a", "app_b", "payroll"):
        rig.server.add_login(name, FIRST)
    source = SqlLoginPassword.canonical(rig.server.resource_id, {"Logins": "app_a,app_b"}) or ""
    with pytest.raises(NeedsHuman, match="neither Logins nor CredentialId names it"):
        await rig.login().retire(source, "payroll", Sensitive("Held-password-1"))
    assert rig.accepts("payroll", FIRST)
