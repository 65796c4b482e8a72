"""The Azure CLI on the simulated Azure.

A client that nobody here wrote signs in as to the real one, does by hand what an operator does,
and is refused in Azure's words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.azure import SUBSCRIPTION, Azure
from simulator.identity import HOME_TENANT
from simulator.keyvault.state import Vault
from simulator.reach.server import Running, start_in_thread
from simulator.world import Domains
from simulator_tests.az.program import AzureCli
from simulator_tests.az.stage import Stage, administrator, build

VAULT = "by-hand"
SECRET = ("keyvault", "secret")


@pytest.fixture(scope="module")
def vault(stage: Stage) -> Vault:
    return stage.world.add_vault(VAULT)


def named(name: str) -> tuple[str, ...]:
    return ("--vault-name", VAULT, "--name", name)


def write(stage: Stage, name: str, value: str, *more: str) -> None:
    stage.az.answer(*SECRET, "set", *named(name), "--value", value, *more)


def test_a_secret_is_set_shown_changed_and_listed(stage: Stage, vault: Vault) -> None:
    az = stage.az
    write(stage, "key", "first", "--tags", "CredentialId=key1")
    write(stage, "key", "second", "--expires", "2027-01-01T00:00:00Z")
    assert az.answer(*SECRET, "show", *named("key"))["value"] == "second"
    versions = az.answer(*SECRET, "list-versions", *named("key"))
    ends = {version["attributes"]["expires"] for version in versions}
    assert ends == {None, "2027-01-01T00:00:00+00:00"}
    secrets = az.answer(*SECRET, "list", "--vault-name", VAULT)
    assert [secret["name"] for secret in secrets] == ["key"]
    assert vault.versions("key")[-1].value == "second"


def test_a_version_written_by_hand_has_no_tag_of_the_one_before(stage: Stage, vault: Vault) -> None:
    """Key Vault copies none, and the Azure CLI adds one of its own."""
    write(stage, "copied", "first", "--tags", "CredentialId=key1")
    write(stage, "copied", "second")
    assert vault.versions("copied")[-1].tags == {"file-encoding": "utf-8"}


def test_setting_tags_replaces_all_that_were_there(stage: Stage, vault: Vault) -> None:
    write(stage, "tagged", "v", "--tags", "CredentialId=key1", "Owner=team")
    stage.az.answer(*SECRET, "set-attributes", *named("tagged"), "--tags", "CredentialId=key2")
    assert vault.versions("tagged")[-1].tags == {"CredentialId": "key2"}


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
    write(stage, "off", "v")
    stage.az.answer(*SECRET, "set-attributes", *named("off"), "--enabled", "false")
    done = stage.az(*SECRET, "show", *named("off"))
    assert done.returncode == 1
    assert "Operation get is not allowed on a disabled secret" in done.stderr


def test_keys_of_an_account_are_listed_and_made_anew(stage: Stage) -> None:
    account = stage.world.add_account("handmade")
    group = ("--resource-group", "production", "--account-name", "handmade")
    before = [key.value for key in account.keys.values()]
    listed = stage.az.answer("storage", "account", "keys", "list", *group)
    assert [key["value"] for key in listed] == before
    renewed = stage.az.answer("storage", "account", "keys", "renew", *group, "--key", "primary")
    assert renewed[0]["value"] == account.keys["key1"].value != before[0]
    assert renewed[1]["value"] == before[1]


def test_an_application_gets_its_service_principal(stage: Stage) -> None:
    application = stage.world.add_application("without-principal", service_principal=False)
    made = stage.az.answer("ad", "sp", "create", "--id", application.app_id)
    assert application.principal
    assert made["id"] == application.principal.oid


SERVICE = ("login", "--service-principal", "--tenant", HOME_TENANT)


def with_identity(domains: Domains) -> Azure:
    """Return a world whose app has an identity, without any role yet."""
    azure = build(domains)
    azure.managed_identity.system = azure.add_principal("rekey")
    return azure


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running[Azure]]:
    with start_in_thread(with_identity) as background:
        yield background.running


@pytest.fixture
def az(cloud: Running[Azure], azure_cli: AzureCli, tmp_path: Path) -> AzureCli:
    """Return the Azure CLI of somebody who registered the cloud by the address of its Resource Manager alone."""
    user = azure_cli.user(tmp_path / "config", cloud.environment)
    manager = f"https://{cloud.world.domains.arm}"
    user.answer("cloud", "register", "--name", "Simulated", "--endpoint-resource-manager", manager)
    user.answer("cloud", "set", "--name", "Simulated")
    return user


def test_a_service_principal_signs_in_with_its_secret_until_it_signs_out(
    az: AzureCli, cloud: Running[Azure]
) -> None:
    deployer = administrator(cloud.world)
    secret = cloud.world.directory.add_password(deployer).secret
    (account,) = az.answer(*SERVICE, "--username", deployer.app_id, "--password", secret)
    assert (account["id"], account["tenantId"]) == (SUBSCRIPTION, HOME_TENANT)
    assert account["user"] == {"name": deployer.app_id, "type": "servicePrincipal"}
    token = az.answer("account", "get-access-token")["accessToken"]
    audience = "https://management.core.windows.net/"
    assert cloud.world.identities.principal_of(token, audience) == deployer.principal
    az.answer("logout")
    assert "az login" in az("account", "show").stderr


def test_a_secret_that_is_wrong_is_refused_in_entras_words(
    az: AzureCli, cloud: Running[Azure]
) -> None:
    done = az(*SERVICE, "--username", administrator(cloud.world).app_id, "--password", "wrong")
    assert done.returncode == 1
    assert "AADSTS7000215: Invalid client secret provided." in done.stderr


def test_an_identity_signs_in_and_sees_the_subscription_once_it_has_a_role_in_it(
    az: AzureCli, cloud: Running[Azure]
) -> None:
    refused = az("login", "--identity")
    assert refused.returncode == 1
    assert "no subscriptions were found" in refused.stderr
    identity = cloud.world.managed_identity.system
    assert identity
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production"
    cloud.world.grant(identity, ["Microsoft.Storage/storageAccounts/read"], group)
    (account,) = az.answer("login", "--identity")
    assert account["id"] == SUBSCRIPTION
    assert account["user"]["assignedIdentityInfo"] == "MSI"


def test_a_cloud_is_known_by_its_resource_manager_alone(
    az: AzureCli, cloud: Running[Azure]
) -> None:
    shown, domains = az.answer("cloud", "show"), cloud.world.domains
    assert shown["endpoints"]["activeDirectory"] == f"https://{domains.login}/"
    assert shown["endpoints"]["microsoftGraphResourceId"] == f"https://{domains.graph}/"
    assert shown["suffixes"]["keyvaultDns"] == f".{domains.vault}"
    assert f"blob.{shown['suffixes']['storageEndpoint']}" == domains.blob
