"""Whether a region can run the app is asked before anything is made there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.setup.region import region_problems
from cloud.azure import Azure
from engine.errors import RekeyError
from simulator.account.azure import EmptyAzure
from simulator.account.regions import Region
from simulator.azure import SUBSCRIPTION
from simulator.reach.transport import SimulatedCredential, SimulatedTransport, forget_challenges
from simulator.world import Domains
from simulator_tests.az.program import AzureCli
from tests.first_deployment.person import person, sign_in

HERE = "westeurope"


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> EmptyAzure:
    forget_challenges()
    azure = EmptyAzure(Domains(), tmp_path_factory.getbasetemp())
    azure.add_group(SUBSCRIPTION, "production")
    azure.tenant.register(SUBSCRIPTION, ["Microsoft.Web"])
    return azure


def reached(world: EmptyAzure) -> Azure:
    ada = world.add_principal("ada")
    transport = {"transport": SimulatedTransport(world)}
    return Azure(SimulatedCredential(world, ada), "https://management.azure.com", transport)


@pytest.mark.parametrize(
    ("region", "complaint"),
    [
        (Region("West Europe"), ""),
        (Region("West Europe", ()), "westeurope has no Flex Consumption"),
        (Region("West Europe", ("3.11", "3.12")), "no Python 3.13 (it has 3.11, 3.12)"),
        (Region("West Europe", used=250), "is used up (250 of 250)"),
        (Region("North Europe"), "westeurope has no Flex Consumption"),
    ],
)
async def test_a_region_without_the_plan_the_python_or_quota_is_told(
    region: Region, complaint: str, world: EmptyAzure
) -> None:
    world.regions.known = {region.name: region}
    told = await region_problems(reached(world), SUBSCRIPTION, HERE)
    assert (len(told), complaint in "".join(told)) == (int(bool(complaint)), True)


async def test_a_subscription_that_is_not_registered_is_told_nothing(world: EmptyAzure) -> None:
    world.tenant.registered.clear()
    with pytest.raises(RekeyError, match="MissingSubscriptionRegistration"):
        await region_problems(reached(world), SUBSCRIPTION, HERE)


@pytest.fixture
def az(azure_cli: AzureCli, tmp_path: Path) -> Iterator[AzureCli]:
    with person(azure_cli, tmp_path) as newcomer:
        assert newcomer.type(sign_in(newcomer))[0] == 0
        newcomer.azure.tenant.register(SUBSCRIPTION, ["Microsoft.Web"])
        yield newcomer.az


def test_the_azure_cli_reads_the_same_from_the_simulated_regions(az: AzureCli) -> None:
    listed = az.answer(
        *("functionapp", "list-flexconsumption-locations", "--show-details", "--runtime", "python")
    )
    assert [one["name"] for one in listed] == ["westeurope", "northeurope"]
    details = listed[0]["details"][0]["runtime-details"]
    assert [runtime["version"] for runtime in details] == ["3.11", "3.12", "3.13"]
