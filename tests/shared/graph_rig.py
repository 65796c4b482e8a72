"""One application whose secret the app rotates.

The whole product, or its rotator alone, on a simulated Azure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from cloud.azure import Azure
from rotators.service_principal_secret import ServicePrincipalSecret
from simulator.entra.directory import Password
from simulator.keyvault.state import SecretVersion
from simulator.wire import Request
from tests.shared.application_rig import ApplicationRig
from tests.shared.rig import RigClock

NAME = "app-secret"


@dataclass
class GraphRig(ApplicationRig[ServicePrincipalSecret, Password]):
    """An application with a secret."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.first = self.directory.add_password(self.app, "by hand")
        self.clock.advance(3600)

    def built(self, azure: Azure, clock: RigClock) -> ServicePrincipalSecret:
        return ServicePrincipalSecret(azure, clock)

    @property
    def source(self) -> str:
        return self.app.app_id

    @property
    def held(self) -> str:
        return self.first.secret

    def managed(
        self, *, tags: Mapping[str, str | None] | None = None, value: str | None = None
    ) -> SecretVersion:
        """Put the application's first secret under management."""
        return self.put(NAME, value or self.held, "text/plain", tags or {})

    def alive(self) -> list[Password]:
        """Return the secrets that the application holds now."""
        return self.app.passwords(self.clock.now())

    def short(self, request: Request) -> str:
        """Name what is asked of Graph and of the sign-in endpoint."""
        if request.host == "graph.microsoft.com":
            return request.path.rpartition("/")[2] if request.method == "POST" else _read(request)
        return "sign-in" if request.host == "login.microsoftonline.com" else ""


def _read(request: Request) -> str:
    return "owners" if request.path.endswith("/owners") else "read"


def days(count: float) -> timedelta:
    return timedelta(days=count)


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)
