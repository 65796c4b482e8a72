"""The Azure CLI on the simulated Azure.

What an operator does by hand, and what Rekey then finds.
"""

from __future__ import annotations

import pytest

from simulator.keyvault.state import Vault
from tests.az.stage import Stage

VAULT = "by-hand"
SECRET = ("keyvault", "secret")


@pytest.fixture(scope="module")
def vault(stage: Stage) -> Vault:
    return stage.world.add_vault(VAULT)


def named(name: str) -> tuple[str, ...]:
    return ("--vault-name", VAULT, "--name", name)


def test_a_secret_is_set_shown_changed_and_listed(stage: Stage, vault: Vault) -> None:
    az = stage.az
    az.answer(*SECRET, "set", *named("key"), "--value", "first", "--tags", "CredentialId=key1")
    az.answer(
        *SECRET, "set", *named("key"), "--value", "second", "--expires", "2027-01-01T00:00:00Z"
    )
    assert az.answer(*SECRET, "show", *named("key"))["value"] == "second"
    versions = az.answer(*SECRET, "list-versions", *named("key"))
    assert sorted(version["attributes"]["expires"] or "" for version in versions) == [
        "",
        "2027-01-01T00:00:00+00:00",
    ]
    assert [secret["name"] for secret in az.answer(*SECRET, "list", "--vault-name", VAULT)] == [
        "key"
    ]
    newest = vault.latest("key")
    assert newest
    assert newest.value == "second"


def test_a_version_written_by_hand_has_no_tag_of_the_one_before(stage: Stage, vault: Vault) -> None:
    """Key Vault copies none, and the Azure CLI adds one of its own."""
    az = stage.az
    az.answer(*SECRET, "set", *named("copied"), "--value", "first", "--tags", "CredentialId=key1")
    az.answer(*SECRET, "set", *named("copied"), "--value", "second")
    newest = vault.latest("copied")
    assert newest
    assert newest.tags == {"file-encoding": "utf-8"}


def test_setting_tags_replaces_all_that_were_there(stage: Stage, vault: Vault) -> None:
    az = stage.az
    az.answer(
        *SECRET,
        "set",
        *named("tagged"),
        "--value",
        "v",
        "--tags",
        "CredentialId=key1",
        "Owner=team",
    )
    az.answer(*SECRET, "set-attributes", *named("tagged"), "--tags", "CredentialId=key2")
    newest = vault.latest("tagged")
    assert newest
    assert newest.tags == {"CredentialId": "key2"}


@pytest.mark.usefixtures("vault")
def test_who_has_no_role_is_refused_with_the_action_that_is_missing(stage: Stage) -> None:
    held = list(stage.world.roles.assignments)
    stage.world.roles.assignments.clear()
    try:
        done = stage.az(*SECRET, "show", *named("key"))
    finally:
        stage.world.roles.assignments.extend(held)
    assert done.returncode == 1
    assert "ForbiddenByRbac" in done.stderr
    assert "Microsoft.KeyVault/vaults/secrets/getSecret/action" in done.stderr


@pytest.mark.usefixtures("vault")
def test_a_version_that_is_switched_off_is_not_shown(stage: Stage) -> None:
    stage.az.answer(*SECRET, "set", *named("off"), "--value", "v")
    stage.az.answer(*SECRET, "set-attributes", *named("off"), "--enabled", "false")
    done = stage.az(*SECRET, "show", *named("off"))
    assert done.returncode == 1
    assert "Operation get is not allowed on a disabled secret" in done.stderr


def test_keys_of_an_account_are_listed_and_made_anew(stage: Stage) -> None:
    account = stage.world.add_account("handmade")
    group = ("--resource-group", "production", "--account-name", "handmade")
    before = [key.value for key in account.keys.values()]
    assert [
        key["value"] for key in stage.az.answer("storage", "account", "keys", "list", *group)
    ] == before
    renewed = stage.az.answer("storage", "account", "keys", "renew", *group, "--key", "primary")
    assert renewed[0]["value"] == account.keys["key1"].value != before[0]
    assert renewed[1]["value"] == before[1]


def test_an_application_gets_its_service_principal(stage: Stage) -> None:
    """As the reason of a secret says whose application nobody can sign in as."""
    application = stage.world.add_application("without-principal", service_principal=False)
    made = stage.az.answer("ad", "sp", "create", "--id", application.app_id)
    assert application.principal
    assert made["id"] == application.principal.oid
