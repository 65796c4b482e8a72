"""A tenant of Microsoft Entra for scripts that run as processes, with the Azure CLI on the path."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulator.azure import Azure
from simulator.entra.directory import Application
from simulator.world import Exchange
from simulator_tests.az.stage import Stage, administrator
from tests.parts import ROOT
from tests.programs import run


@dataclass
class Tenant:
    """What a script finds, and what it leaves. Everything from before this tenant is forgotten."""

    stage: Stage
    script: str
    _before: int = field(init=False)

    def __post_init__(self) -> None:
        directory, deployer = self.world.directory, administrator(self.world)
        directory.applications = {deployer.app_id: deployer}
        directory.assignments.clear()
        # Lists come in pages.
        directory.page_size = 2
        self._before = len(self.world.exchanges)

    @property
    def world(self) -> Azure:
        return self.stage.world

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Take the permissions from who is signed in, whom tests of other files share."""
        deployer, held = administrator(self.world).principal, self.world.identities.app_roles
        assert deployer
        permissions = held.pop(deployer.oid)
        try:
            yield
        finally:
            held[deployer.oid] = permissions

    @property
    def registrations(self) -> list[Application]:
        return [app for app in self.world.directory.applications.values() if app.unique_name]

    @property
    def assignments(self) -> list[tuple[str, str, str]]:
        entries = self.world.directory.assignments
        return [
            (entry["principalId"], entry["appRoleId"], entry["resourceId"]) for entry in entries
        ]

    @property
    def state(self) -> Any:
        """Everything that a script can leave, to compare."""
        applications = self.world.directory.applications.values()
        written = [
            (
                app.app_id,
                dict(app.properties),
                dict(app.trusts),
                dict(app.principal_properties),
                set(app.owners),
            )
            for app in applications
        ]
        return written, list(self.world.directory.assignments)

    @property
    def calls(self) -> list[Exchange]:
        """What was asked of Microsoft Graph since this tenant was made."""
        graph = self.world.domains.graph
        return [
            exchange
            for exchange in self.world.exchanges[self._before :]
            if exchange.request.host == graph
        ]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        script = ROOT / "scripts" / self.script
        return run(sys.executable, script, *arguments, env=self.stage.az.environment)
