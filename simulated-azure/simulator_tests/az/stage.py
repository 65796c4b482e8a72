"""A simulated Azure on loopback, and the Azure CLI signed in to it as an administrator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulator.azure import SUBSCRIPTION, Azure
from simulator.entra.directory import Application
from simulator.identity import HOME_TENANT
from simulator.reach.server import Running, start_in_thread
from simulator.world import Domains
from simulator_tests.az.program import AzureCli

ADMINISTRATOR = "deployer"
PERMISSIONS = ("Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All")
CLOUD = "AzureUSGovernment"
"""A cloud that the Azure CLI knows by name, with the simulator's addresses in place of its own."""


@dataclass(frozen=True)
class Stage:
    """A world, and `az` signed in to it."""

    running: Running[Azure]
    az: AzureCli

    @property
    def world(self) -> Azure:
        """What `az` acts on."""
        return self.running.world


def build(domains: Domains) -> Azure:
    """Return a world with one administrator."""
    azure = Azure(domains=domains)
    azure.add_group()
    administrator = azure.add_application(ADMINISTRATOR)
    assert administrator.principal
    azure.directory.grant(administrator.principal, *PERMISSIONS)
    azure.grant(administrator.principal, ["*"], f"/subscriptions/{SUBSCRIPTION}")
    return azure


def administrator(azure: Azure) -> Application:
    """Return the application that deploys."""
    return next(app for app in azure.directory.applications.values() if app.name == ADMINISTRATOR)


@contextlib.contextmanager
def signed_in(az: AzureCli, folder: Path) -> Iterator[Stage]:
    """Serve a world and sign in with a secret, as a pipeline does."""
    with start_in_thread(build) as cloud:
        user = az.user(folder / "config", cloud.running.environment)
        manager = f"https://{cloud.world.domains.arm}"
        user.answer("cloud", "update", "--name", CLOUD, "--endpoint-resource-manager", manager)
        user.answer("cloud", "set", "--name", CLOUD)
        deployer = administrator(cloud.world)
        secret = cloud.world.directory.add_password(deployer).secret
        user.answer(
            *("login", "--service-principal", "--tenant", HOME_TENANT),
            *("--username", deployer.app_id, "--password", secret),
        )
        yield Stage(cloud.running, user)
