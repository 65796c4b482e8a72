"""What Resource Manager and Graph list: by scope, page by page, and to whom."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.azure import SUBSCRIPTION, Azure
from simulator.identity import Principal
from simulator.wire import Request
from simulator_tests import specs
from simulator_tests.caller import Caller, body_of, error_of
from simulator_tests.contracts import exercised

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production"
APART = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/apart"
ACCOUNTS, SERVERS = "providers/Microsoft.Storage/storageAccounts", "providers/Microsoft.Sql/servers"
READ = ("Microsoft.Storage/storageAccounts/read", "Microsoft.Sql/servers/read")
VERSIONS = {ACCOUNTS: "2026-09-01", SERVERS: "2025-01-01"}
GRAPH = "https://graph.microsoft.com/v1.0"


@pytest.fixture
def reader(azure: Azure) -> Caller:
    """Somebody who may read everything in one of two groups that hold five accounts and servers each."""
    for group in ("production", "apart"):
        for number in range(5):
            azure.add_account(f"{group}{number}", group=group)
            azure.sql.add_server(
                f"{group}{number}", "sqladmin", "F1rst-password", group=group, entra_admin="1"
            )
    principal = azure.add_principal("reader")
    azure.grant(principal, READ, GROUP)
    return Caller(azure, principal)


def listed(caller: Caller, scope: str, kind: str, query: str = "") -> list[dict[str, Any]]:
    """Follow a list to its end."""
    url, rows = (
        f"https://management.azure.com{scope}/{kind}?api-version={VERSIONS[kind]}{query}",
        [],
    )
    while url:
        body = body_of(caller.send("GET", url))
        rows += body["value"]
        url = body.get("nextLink", "")
    return rows


@pytest.mark.parametrize("kind", [ACCOUNTS, SERVERS])
@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_a_group_is_listed_page_by_page(azure: Azure, reader: Caller, kind: str, size: int) -> None:
    for provider in azure.arm.providers.values():
        provider.page_size = size  # type: ignore[attr-defined]
    names = [
        row["name"] for row in listed(reader, GROUP, kind) if row["name"].startswith("production")
    ]
    assert names == [f"production{number}" for number in range(5)]


@pytest.mark.parametrize("kind", [ACCOUNTS, SERVERS])
def test_a_subscription_shows_what_the_caller_may_read_and_says_nothing_of_the_rest(
    reader: Caller, kind: str
) -> None:
    names = {row["name"] for row in listed(reader, f"/subscriptions/{SUBSCRIPTION}", kind)}
    assert names >= {"production0", "production4"}
    assert not {name for name in names if name.startswith("apart")}


@pytest.mark.parametrize("kind", [ACCOUNTS, SERVERS])
def test_who_may_read_nothing_of_a_scope_is_refused(
    azure: Azure, reader: Caller, kind: str
) -> None:
    url = f"https://management.azure.com{APART}/{kind}?api-version={VERSIONS[kind]}"
    assert error_of(reader.send("GET", url)) == (403, "AuthorizationFailed")
    assert reader.principal
    azure.grant(reader.principal, READ, f"/subscriptions/{SUBSCRIPTION}")
    missing = url.replace("/apart/", "/missing/")
    assert error_of(reader.send("GET", missing)) == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize("kind", [ACCOUNTS, SERVERS])
def test_a_token_for_a_page_that_nobody_gave_out_is_refused(reader: Caller, kind: str) -> None:
    url = f"https://management.azure.com{GROUP}/{kind}?api-version={VERSIONS[kind]}&$skiptoken=x"
    assert reader.send("GET", url).status == 400


def test_the_list_of_accounts_is_held_against_the_published_document(
    azure: Azure, reader: Caller
) -> None:
    """That of a group holds the same accounts in the same words."""
    azure.arm.providers["microsoft.storage"].page_size = 2  # type: ignore[attr-defined]
    whole = listed(reader, f"/subscriptions/{SUBSCRIPTION}", ACCOUNTS)
    assert listed(reader, GROUP, ACCOUNTS) == [row for row in whole if row["id"].startswith(GROUP)]
    assert ("StorageAccounts_List", 200) in exercised(azure, specs.require())


def test_a_servers_entra_administrator_is_shown_to_who_asks_for_it(reader: Caller) -> None:
    (first, *_) = listed(reader, GROUP, SERVERS, "&$expand=administrators/activedirectory")
    assert first["properties"]["administrators"]["azureADOnlyAuthentication"] is False
    (first, *_) = listed(reader, GROUP, SERVERS)
    assert "administrators" not in first["properties"]


def owned(azure: Azure, caller: Principal, whose: str) -> Any:
    """Ask for what somebody owns, following the pages; the first error ends it."""
    url, rows = f"{GRAPH}/{whose}/ownedObjects", []
    while url:
        token = azure.identities.token_for("https://graph.microsoft.com", caller)
        answer = azure.handle(Request("GET", url, {"authorization": f"Bearer {token}"}, b""))
        if answer.status != 200:
            return error_of(answer)
        rows += body_of(answer)["value"]
        url = body_of(answer).get("@odata.nextLink", "")
    return [row["displayName"] for row in rows]


def test_people_and_applications_are_shown_what_they_own(azure: Azure) -> None:
    ada, app = (
        azure.add_person("ada@northwind.example", "Application.Read.All"),
        azure.add_principal("app"),
    )
    azure.directory.grant(app, "Application.ReadWrite.OwnedBy")
    for number in range(5):
        azure.add_application(f"adas{number}", ada)
        azure.add_application(f"apps{number}", app)
    azure.directory.page_size = 2
    assert owned(azure, ada, "me") == [f"adas{number}" for number in range(5)]
    assert owned(azure, app, f"servicePrincipals/{app.oid}") == [
        f"apps{number}" for number in range(5)
    ]
    assert owned(azure, app, "me") == (400, "BadRequest")
    assert owned(azure, ada, "servicePrincipals/nobody") == (404, "Request_ResourceNotFound")


def test_who_may_not_read_applications_is_refused(azure: Azure) -> None:
    assert owned(azure, azure.add_person("eve", "User.Read"), "me") == (
        403,
        "Authorization_RequestDenied",
    )
    assert owned(azure, azure.add_principal("app"), "me") == (403, "Authorization_RequestDenied")
