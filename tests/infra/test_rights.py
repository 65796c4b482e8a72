"""Who may do what, where: docs/permissions.md, the template and the code's messages agree."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotators.shared.database_engine import MYSQL, POSTGRESQL
from rotators.storage_key import StorageKey
from scripts.generate import rights as rights_of_kinds
from scripts.generate import types
from tests.infra import deployed, permissions
from tests.infra.bicep import ROOT, SUBSCRIPTION, names, snapshot

BUILT_IN = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Reader": "19e7f393-937e-4f77-808e-94535e297925",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "EventGrid Data Sender": "d5a91429-5739-47e2-a06b-3470a27159e7",
}
"""Ids of https://learn.microsoft.com/azure/role-based-access-control/built-in-roles."""
BROAD = re.compile(r"\*|delete|purge", re.IGNORECASE)
WILD = {"Microsoft.Web/sites/config/*/action", "Microsoft.Web/sites/slots/config/*/action"}
"""The only wildcards: Azure lists no action for refreshing references, and refuses a role that
names one it does not list."""


GROUPS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
RIGHTS = rights_of_kinds()
TOPS = [top for top in types() if top not in StorageKey.facts.tops]
"""The types of resource at which the kinds have roles, in the order of the snapshot's scopes."""


def test_with_everything_on_the_rights_are_those_of_the_page_and_no_others() -> None:
    rights = {
        (right.who, right.place, right.role) for right in deployed.rights(snapshot("everything-on"))
    }
    assert rights == {(row.who, row.place, row.role) for row in permissions.rows()}


@pytest.mark.parametrize("name", names())
def test_no_deployment_gives_a_right_that_the_page_does_not_list(name: str) -> None:
    rights = {(right.who, right.place, right.role) for right in deployed.rights(snapshot(name))}
    assert rights <= {(row.who, row.place, row.role) for row in permissions.rows()}


@pytest.mark.parametrize("name", names())
def test_a_custom_role_permits_what_its_row_lists_and_nothing_that_deletes(name: str) -> None:
    listed = {row.role: row for row in permissions.rows() if row.actions}
    assert listed.keys() >= {row.role for row in permissions.rows() if not row.title}
    for role, actions, data_actions, left_out in deployed.custom_roles(snapshot(name)):
        permitted = [*actions, *data_actions]
        assert sorted(permitted) == sorted(listed[role].actions)
        assert sorted(left_out) == sorted(listed[role].exceptions)
        assert not [action for action in permitted if action not in WILD and BROAD.search(action)]


def test_a_role_of_a_kind_permits_exactly_what_the_kind_asks_for() -> None:
    roles = {
        role: actions for role, actions, _, _ in deployed.custom_roles(snapshot("everything-on"))
    }
    for kind, own in RIGHTS.items():
        permitted = roles.get(f"{kind}s", ())
        assert sorted(permitted) == sorted(own.actions), "run make snapshots"


def test_the_page_names_every_built_in_role_by_its_own_id() -> None:
    named = {row.title: row.role for row in permissions.rows() if row.title}
    assert named == BUILT_IN


def test_a_right_at_a_source_is_given_at_the_listed_scope_and_nowhere_above_it() -> None:
    rights = set(deployed.given("everything-on", "sources"))
    keyed = {
        (scope, f"{kind}s")
        for kind, own in RIGHTS.items()
        for top in own.types
        if top in TOPS
        for scope in (f"{GROUPS}/keys/providers/{top}/contoso{TOPS.index(top)}", f"{GROUPS}/shared")
    }
    data = f"{GROUPS}/data/providers/Microsoft."
    assert rights - keyed == {
        (f"{data}Storage/storageAccounts/contosodata", "storage-keys"),
        (f"{data}Sql/servers/contoso-sql", "sql-administrator"),
        (f"{GROUPS}/shared", "storage-keys"),
        (f"{GROUPS}/shared", "sql-administrator"),
    }
    assert keyed < rights


def test_a_right_at_a_consumer_is_given_only_where_a_vault_lists_it() -> None:
    shop = f"{GROUPS}/shop/providers/Microsoft."
    assert set(deployed.given("everything-on", "consumers")) == {
        (f"{shop}Web/sites/contoso-shop", "web-references"),
        (f"{shop}App/containerApps/worker", "container-revisions"),
    }
    others = {*names()} - {"everything-on"}
    assert not [right for name in others for right in deployed.given(name, "consumers")]


def test_three_vaults_get_their_rights_where_they_are_and_a_shared_scope_gets_one() -> None:
    first, two, three = (f"/subscriptions/{d * 8}-{d * 4}-{d * 4}-{d * 4}-{d * 12}" for d in "123")
    account = "Microsoft.Storage/storageAccounts/contosotwo"
    assert sorted(deployed.given("three-subscriptions", "sources")) == [
        (f"{first}/resourceGroups/data", "storage-keys"),
        (f"{two}/resourceGroups/data/providers/{account}", "storage-keys"),
        (three, "sql-administrator"),
        (three, "storage-keys"),
    ]
    assert {scope for scope, _ in deployed.given("three-subscriptions", "each vault")} == {
        f"{place}/resourceGroups/secrets/providers/Microsoft.KeyVault/vaults/contoso-{name}"
        for place, name in ((first, "one"), (two, "two"), (three, "three"))
    }


@pytest.mark.parametrize("name", names())
def test_a_custom_role_can_be_given_only_where_needed_and_its_name_is_its_own(name: str) -> None:
    definitions = deployed.of_type(snapshot(name), deployed.DEFINITION)
    titles = [definition["properties"]["roleName"] for definition in definitions]
    assert len(set(titles)) == len(titles)
    for definition in definitions:
        (scope,) = definition["properties"]["assignableScopes"]
        assert scope == definition["id"].partition("/providers/")[0]


def roles_in_the_code() -> Iterator[tuple[Path, str]]:
    """Yield the roles that messages name: ROLE and PERMISSION of a module, and role="…" in a call."""
    for path in [*(ROOT / "cloud").rglob("*.py"), *(ROOT / "rotators").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Assign) and {
                getattr(target, "id", "") for target in node.targets
            } & {"ROLE", "PERMISSION"}
            as_role = isinstance(node, ast.keyword) and node.arg == "role"
            if (
                (named or as_role)
                and isinstance(value := getattr(node, "value", None), ast.Constant)
                and value.value
            ):
                yield path, str(value.value).partition(",")[0]


def test_every_role_that_a_message_tells_to_grant_is_on_the_page() -> None:
    roles = {role: path for path, role in roles_in_the_code()}
    assert {"Key Vault Secrets Officer", "Reader", "Storage Blob Data Owner"} <= set(roles)
    assert "SQL Server Contributor" in roles
    page = permissions.PAGE.read_text()
    assert {role: path.name for role, path in roles.items() if role not in page} == {}


def test_every_statement_that_a_message_tells_to_run_in_a_database_is_on_the_page() -> None:
    code = (ROOT / "rotators" / "sql_login_password.py").read_text()
    page = permissions.PAGE.read_text()
    for words in ("loginmanager", "ALTER ANY USER", "FROM EXTERNAL PROVIDER"):
        assert words in code
        assert words in page
    for engine in (POSTGRESQL, MYSQL):
        for statement in engine.grants("<identity>", "<role>").split("; "):
            assert statement in page
