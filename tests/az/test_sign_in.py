"""A client that nobody here wrote signs in to the simulated Azure and is refused as by the real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.azure import SUBSCRIPTION, Azure
from simulator.identity import HOME_TENANT
from simulator.reach.server import Running, start_in_thread
from simulator.world import Domains
from tests.az.program import AzureCli
from tests.az.stage import administrator, build

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
    assert (
        cloud.world.identities.principal_of(token, "https://management.core.windows.net/")
        == deployer.principal
    )
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
    cloud.world.grant(
        identity,
        ["Microsoft.Storage/storageAccounts/read"],
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/production",
    )
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
