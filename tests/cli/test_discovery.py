"""`rekey discover` finds credentials that nobody looks after, and says what cannot be told."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from cli.discovery import UNLISTED
from cloud.rest.client import next_page
from engine.errors import PermanentError
from rotators.shared.database_engine import MYSQL, POSTGRESQL
from simulator.faults import Fault
from simulator.keys.contracts import CONTRACTS
from simulator.storage.accounts import StorageAccount
from simulator.wire import json_response
from tests.cli.desk import Desk, Ran
from tests.rotators.key_scenes import FAMILY, Member
from tests.shared.scene import refuse, to_arm

DAY = 86_400


def a_desk(days: float = 100) -> Desk:
    """Return a desk whose group holds nothing young, and one of whose two accounts is managed."""
    desk = Desk()
    desk.account("olddata")
    desk.secret("kept", desk.account("keptdata"), days_left=300, tags={"ValidityPeriodDays": "365"})
    desk.clock.advance(days * DAY)
    return desk


def old(desk: Desk) -> StorageAccount:
    """Return the account that nobody looks after."""
    return desk.world.accounts["olddata"]


def sources(ran: Ran) -> list[str]:
    """Return the last part of each source that was found."""
    return [row["source"].rpartition("/")[2] for row in ran.json["uncovered"]]


def discover(desk: Desk, *arguments: str) -> Ran:
    return desk.run("discover", "--json", *arguments)


@pytest.fixture
def desk() -> Desk:
    return a_desk()


def test_what_a_managed_secret_covers_is_left_out_and_all_else_is_found(desk: Desk) -> None:
    desk.account("newdata")
    assert sources(discover(desk)) == ["olddata"]
    assert sources(discover(desk, "--older-than-days", "0")) == ["olddata", "newdata"]


@pytest.mark.parametrize(
    "setting",
    ["AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "RekeyEvents__accountName"],
)
def test_the_storage_accounts_of_the_app_itself_are_not_recommended(setting: str) -> None:
    desk = a_desk()
    env = desk.env
    if not setting.endswith("Storage"):
        desk.account("rekeyevents")
        own = "rekeyevents" if "Events" in setting else "rekeyhost"
        env = {**env, "AzureWebJobsStorage__accountName": "rekeyhost", setting: own}
        del env["AzureWebJobsStorage"]
    assert desk.host.name == "rekeyhost"
    ran = desk.run("discover", "--older-than-days", "0", env=env)
    assert "rekeyhost" not in ran.out
    assert ("rekeyevents" in ran.out) is (setting == "AzureWebJobsStorage__accountName")


@pytest.mark.parametrize(("days", "count"), [(90, 1), (89.99, 0)])
def test_what_is_younger_than_asked_for_is_left_out(days: float, count: int) -> None:
    ran = discover(a_desk(days))
    assert (len(ran.json["uncovered"]), ran.code) == (count, 1 if count else 0)


def test_the_age_of_a_source_is_that_of_its_oldest_credential(desk: Desk) -> None:
    old(desk).regenerate("key1")
    (account,) = discover(desk).json["uncovered"]
    assert account["credential"] == "key2"
    old(desk).regenerate("key2")
    assert discover(desk).json["uncovered"] == []


def test_an_account_that_takes_no_keys_has_none_to_look_after(desk: Desk) -> None:
    old(desk).allow_shared_key_access = False
    assert discover(desk).json["uncovered"] == []


def test_the_age_of_a_sql_password_is_said_to_be_unknown(desk: Desk) -> None:
    desk.world.sql.add_server("Orders", "sqladmin", "F1rst-password-nobody-uses")
    sql = discover(desk).json["uncovered"][-1]
    assert (sql["kind"], sql["credential"]) == ("sql-admin-password", "sqladmin")
    assert sql["created"] is None
    assert sql["source"].endswith("/servers/orders")
    assert "unknown" in desk.run("discover").out


def test_a_server_that_takes_entra_identities_only_has_no_password(desk: Desk) -> None:
    desk.world.sql.add_server(
        "orders", "sqladmin", "F1rst-password-nobody-uses", entra_only=True, entra_admin="1"
    )
    desk.world.sql.add_server("mixed", "sqladmin", "F1rst-password-nobody-uses", entra_admin="1")
    assert sources(discover(desk)) == ["olddata", "mixed"]


def test_a_source_is_covered_by_a_secret_whose_tags_cannot_be_followed(desk: Desk) -> None:
    desk.secret("odd", old(desk), tags={"ValidityPeriodDays": "sixty"})
    assert sources(discover(desk)) == []


def test_applications_come_from_the_scopes_and_from_whom_the_operator_owns_each_once() -> None:
    desk = Desk()
    add, directory = desk.world.add_application, desk.world.directory
    owned, both = add("owned", desk.ada), add("both", desk.ada)
    bound, foreign = add("bound"), add("foreign")
    for app in (owned, bound, both, foreign):
        directory.add_password(app, "old")
    add("empty", desk.ada)
    desk.bound += [bound.app_id, both.app_id]
    desk.clock.advance(100 * DAY)
    shown = {row["source"]: row for row in discover(desk).json["uncovered"]}
    assert {bound.app_id, both.app_id, owned.app_id} == set(shown)
    assert shown[bound.app_id]["adopt"] == f"rekey adopt prod/NAME --provider {bound.app_id}"
    assert shown[owned.app_id]["vault"] is None
    assert f"first bind {owned.app_id} to a vault in REKEY_SCOPES" in desk.run("discover").out


def test_an_applications_certificates_are_shown_beside_its_secrets() -> None:
    desk = Desk()
    app = desk.world.add_application("owned", desk.ada)
    start = desk.clock.now()
    lifetime = (start, start + timedelta(days=365))
    key = desk.world.directory.add_certificate(app, b"public part", lifetime, "old")
    desk.world.directory.add_password(app, "old")
    desk.bound.append(app.app_id)
    desk.clock.advance(100 * DAY)
    shown = {row["kind"]: row for row in discover(desk).json["uncovered"]}
    certificate = shown["service-principal-certificate"]
    assert certificate["credential"] == key.key_id
    assert certificate["adopt"] == (
        f"rekey adopt prod/NAME --provider {app.app_id} --rotator service-principal-certificate"
    )
    assert "--rotator" not in shown["service-principal-secret"]["adopt"]
    tags = {"ProviderAddress": app.app_id, "Rotator": "service-principal-certificate"}
    desk.vault.put("certificate", "x", tags={**tags, "ValidityPeriodDays": "90"})
    assert sources(discover(desk)) == [app.app_id]


def test_a_service_principal_is_asked_for_what_it_owns_itself() -> None:
    desk = Desk()
    app = desk.world.add_application("owned", desk.identity)
    desk.world.directory.add_password(app, "old")
    desk.world.directory.grant(desk.identity, "Application.ReadWrite.OwnedBy")
    desk.world.grant(desk.identity, ("*/read",), desk.group)
    desk.ada = desk.identity
    desk.clock.advance(100 * DAY)
    assert app.app_id in sources(discover(desk))


def test_every_page_of_every_list_is_read(desk: Desk) -> None:
    for number in range(7):
        desk.world.add_account(f"data{number}")
        desk.world.sql.add_server(f"server{number}", "sqladmin", "F1rst-password-nobody-uses")
        desk.world.directory.add_password(
            desk.world.add_application(f"app{number}", desk.ada), "old"
        )
    expected = sorted(sources(discover(desk, "--older-than-days", "0")))
    for provider in desk.world.arm.providers.values():
        provider.page_size = 2  # type: ignore[attr-defined]
    desk.world.directory.page_size = 2
    assert sorted(sources(discover(desk, "--older-than-days", "0"))) == expected
    assert len(expected) == 22


def test_a_scope_of_a_whole_subscription_is_listed_at_once_and_shows_what_may_be_read() -> None:
    desk = a_desk()
    subscription = desk.group.split("/resourceGroups/")[0]
    desk.world.add_account("apart", group="apart")
    desk.bound.append(subscription.lower())
    desk.world.exchanges.clear()
    assert sources(discover(desk)) == ["olddata"]
    requests = [exchange.request for exchange in desk.world.exchanges]
    lists = [request.path for request in requests if request.host == "management.azure.com"]
    kinds = [contract.kind for contract in CONTRACTS]
    kinds += [POSTGRESQL.provider, MYSQL.provider]
    kinds += ["Microsoft.Storage/storageAccounts", "Microsoft.Sql/servers"]
    assert sorted(lists) == sorted(f"{subscription.lower()}/providers/{kind}" for kind in kinds)


def test_a_scope_of_one_resource_shows_nothing_beside_it(desk: Desk) -> None:
    other = f"{desk.group}/providers/microsoft.storage/storageaccounts/other"
    env = {**desk.env, "REKEY_SCOPES": json.dumps({desk.vault.url: [other]})}
    assert desk.run("discover", "--json", env=env).json["uncovered"] == []


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("/storageAccounts", "listing storage accounts"),
        ("/servers", "listing SQL servers"),
        ("/ownedObjects", "listing the applications"),
    ],
)
def test_what_cannot_be_listed_is_told_and_hides_nothing_else(path: str, complaint: str) -> None:
    desk = a_desk()
    desk.world.sql.add_server("orders", "sqladmin", "F1rst-password-nobody-uses")
    desk.world.directory.add_password(desk.world.add_application("app", desk.ada), "old")
    desk.clock.advance(100 * DAY)
    everything = len(sources(discover(desk)))
    refuse(desk, 403, "AuthorizationFailed", lambda request: request.path.endswith(path))
    ran = discover(desk).ends(4, complaint)
    assert len(sources(ran)) == everything - 1


def test_a_scope_that_may_not_be_read_is_one_problem_which_names_what_is_missing(
    desk: Desk,
) -> None:
    desk.bound += [
        desk.group.replace("production", "secret"),
        "/subscriptions/99999999-2222-4333-8444-555555555555",
    ]
    ran = discover(desk)
    problems = [json.loads(text) for text in re.split(r"(?<=\n}\n)", ran.err) if text]
    assert (ran.code, ran.json["problems"]) == (4, 2)
    assert [problem["exit"] for problem in problems] == [4, 4]
    assert [problem["where"] for problem in problems] == [scope.lower() for scope in desk.bound]
    missing = "; kinds that are missing: storage-key, sql-admin-password, "
    assert all(missing in problem["problem"] for problem in problems)
    assert "scopes that could not be read: 2\n" in desk.run("discover").out


def owned(desk: Desk, body: object) -> None:
    """Answer once with this, where it is asked what the operator owns."""
    desk.world.faults.append(Fault(to_arm("/ownedObjects"), json_response(200, body), 1))


def test_a_next_page_that_leads_elsewhere_gets_no_token(desk: Desk) -> None:
    elsewhere: dict[str, Any] = {"value": [], "@odata.nextLink": "https://evil.example/v1.0/x"}
    owned(desk, elsewhere)
    ran = discover(desk)
    assert "leads to another host" in ran.err
    assert not [exchange for exchange in desk.world.exchanges if "evil" in exchange.request.host]


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("https://arm.example/a?b=1", "/a?b=1"),
        ("https://arm.example:443/a", "/a"),
        (None, ""),
    ],
)
def test_a_next_page_may_name_the_port_of_https(link: str | None, path: str) -> None:
    assert next_page(link, "https://arm.example", "here") == path


@pytest.mark.parametrize(
    "link",
    ["https://arm.example:444/a", "https://arm.example:443@evil.example/", "http://arm.example/"],
)
def test_a_next_page_at_another_port_leads_elsewhere(link: str) -> None:
    with pytest.raises(PermanentError, match="another host"):
        next_page(link, "https://arm.example", "here")


def test_applications_that_may_not_be_read_are_a_problem(desk: Desk) -> None:
    limited = {"value": [{"@odata.type": "#microsoft.graph.application", "id": "1", "appId": None}]}
    owned(desk, limited)
    discover(desk).ends(4, "Application.Read.All")


@pytest.mark.parametrize("member", FAMILY, ids=str)
def test_every_kind_with_two_keys_is_found_with_the_line_that_adopts_it(member: Member) -> None:
    desk = a_desk()
    account = desk.keyed(member.kind, member.name, member.path, member.type)
    (keyed,) = [
        row for row in discover(desk).json["uncovered"] if row["kind"] == member.kind.kind
    ] or [None]
    if "/authorizationrules/" in member.path.lower():
        assert keyed is None, "the rules of entities are not listed"
        return
    assert keyed
    assert keyed["source"] == member.kind.canonical(member.address, {})
    assert keyed["credential"] == member.kind.facts.pairs[0].first.name
    assert keyed["source"] in keyed["adopt"]
    switch = account.contract.switch
    assert (keyed["switch_off"] or "").startswith("" if switch in ("", "state") else switch)
    assert bool(keyed["switch_off"]) is (switch not in ("", "state"))
    account.takes_keys = False
    still = member.kind.kind in [row["kind"] for row in discover(desk).json["uncovered"]]
    assert still is not member.switched


def test_a_database_server_is_found_where_its_administrator_has_a_password(desk: Desk) -> None:
    servers = desk.world.databases
    for engine in ("postgresql", "mysql"):
        servers.add_server(engine, "orders", "dbadmin", "F1rst-password")
        servers.add_server(engine, "reports", "dbadmin", "F1rst-password", is_replica=True)
    servers.add_server("postgresql", "keyless", "dbadmin", "F1rst-password", password_auth=False)
    rows = [row for row in discover(desk).json["uncovered"] if "-admin-password" in row["kind"]]
    assert {row["credential"] for row in rows} == {"dbadmin"}
    assert {(row["kind"], row["source"]) for row in rows} == {
        (f"{engine}-admin-password", servers.servers[engine, "orders"].resource_id.lower())
        for engine in ("mysql", "postgresql")
    }


def test_what_is_covered_is_said_by_kind_and_with_its_secret(desk: Desk) -> None:
    ran = discover(desk)
    (covered,) = ran.json["covered"]
    assert (covered["kind"], covered["vault"], covered["secret"]) == ("storage-key", "prod", "kept")
    assert covered["source"].endswith("/keptdata")
    assert "covered: storage-key 1" in desk.run("discover").out


def test_a_secret_in_a_vault_that_may_not_rotate_a_source_covers_nothing(desk: Desk) -> None:
    other = desk.world.add_vault("other")
    tags = {"ProviderAddress": old(desk).resource_id, "ValidityPeriodDays": "90"}
    other.put("claims", "x", tags=tags)
    elsewhere = desk.group.replace("production", "elsewhere")
    scopes = json.dumps({desk.vault.url: [desk.group], other.url: [elsewhere]})
    env = {**desk.beside(other), "REKEY_SCOPES": scopes}
    ran = desk.run("discover", "--json", env=env)
    assert sources(ran) == ["olddata"]
    assert [row["secret"] for row in ran.json["covered"]] == ["kept"]


def test_what_could_be_switched_off_instead_is_counted_and_named() -> None:
    counted = "sources that no secret covers: 1, of which can be switched off instead: 1"
    a_desk().run("discover").ends(1, counted, "allowSharedKeyAccess=false")


def test_kinds_that_nobody_can_list_are_named_with_the_reason(desk: Desk) -> None:
    endpoint = {
        "acme-token": {
            "url": "https://rotate.acme.example/rekey",
            "key": f"{desk.vault.url}/secrets/acme-signing",
            "strategy": "single-slot",
            "slots": ["token"],
        }
    }
    env = {**desk.env, "REKEY_ENDPOINTS": json.dumps(endpoint)}
    ran = desk.run("discover", "--json", env=env)
    reasons = {row["kind"]: row["reason"] for row in ran.json["not_listed"]}
    assert "a kind of your own" in reasons["acme-token"]
    assert set(UNLISTED) < set(reasons)
    assert "not listed: acme-token" in desk.run("discover", env=env).out
