"""One application whose secret the app rotates.

The whole product, or its rotator alone, on a simulated Azure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from cloud.azure import Azure
from cloud.settings import Settings
from engine.contract import Job
from engine.secret import Sensitive
from rotators.service_principal_secret import ServicePrincipalSecret
from simulator.entra.directory import Application, Directory, Password
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Intercept, SimulatedCredential, SimulatedTransport
from simulator.wire import Request
from tests.shared.rig import Rig, RigClock

OWNED_BY = "Application.ReadWrite.OwnedBy"
OPERATION = "6f1c1f64-3c3a-5b52-9c1e-2d1f6a9f3b11"
NAME = "app-secret"


@dataclass
class GraphRig(Rig):
    """A world with one vault and one application that the app owns, and just the rights it needs."""

    app: Application = field(init=False)
    first: Password = field(init=False)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.app = self.world.add_application("orders", self.identity)
        self.directory.grant(self.identity, OWNED_BY)
        self.first = self.directory.add_password(self.app, "by hand")
        self.clock.advance(3600)

    @property
    def directory(self) -> Directory:
        return self.world.directory

    @property
    def settings(self) -> Settings:
        key = self.host.keys["key1"].value
        return Settings.read(
            {
                "REKEY_VAULTS": self.vault.url,
                "REKEY_SCOPES": json.dumps({self.vault.url: [self.app.app_id]}),
                "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=rekeyhost;AccountKey={key}",
                **self.environment,
            }
        )

    def managed(
        self, *, tags: Mapping[str, str | None] | None = None, value: str | None = None
    ) -> SecretVersion:
        """Put the application's first secret under management.

        In `tags`, None takes a usual one away.
        """
        usual = {
            "ProviderAddress": self.app.app_id,
            "CredentialId": self.first.key_id,
            "ValidityPeriodDays": "90",
            **(tags or {}),
        }
        kept = {tag: text for tag, text in usual.items() if text is not None}
        expires = self.clock.now() + timedelta(days=10)
        return self.vault.put(
            NAME, value or self.first.secret, expires=expires, tags=kept, content_type="text/plain"
        )

    def alive(self) -> list[Password]:
        """Return the secrets that the application holds now."""
        return self.app.passwords(self.clock.now())

    def rotator(self, intercept: Intercept | None = None, **options: Any) -> ServicePrincipalSecret:
        """Return the rotator alone, in a fresh process."""
        transport = SimulatedTransport(self.world, intercept)
        credential = SimulatedCredential(self.world, self.identity)
        azure = Azure(credential, options={"transport": transport}, **options)
        return ServicePrincipalSecret(azure, RigClock(self.clock))

    def job(self, **fields: Any) -> Job:
        """Return a job for a secret that Rekey wrote itself."""
        usual = Job(
            source=self.app.app_id,
            operation=OPERATION,
            held_id=self.first.key_id,
            held=Sensitive(self.first.secret),
            proven=True,
            in_place=False,
            expires=self.clock.now() + timedelta(days=90),
        )
        return replace(usual, **fields)

    def asked(self) -> list[str]:
        """Return what was asked of Graph and of the sign-in endpoint so far, in short.

        Then forget it.
        """
        short = [_short(exchange.request) for exchange in self.world.exchanges]
        self.world.exchanges.clear()
        return [name for name in short if name]


def _short(request: Request) -> str:
    if request.host == "graph.microsoft.com":
        return request.path.rpartition("/")[2] if request.method == "POST" else _read(request)
    return "sign-in" if request.host == "login.microsoftonline.com" else ""


def _read(request: Request) -> str:
    return "owners" if request.path.endswith("/owners") else "read"


def days(count: float) -> timedelta:
    """Return so many days."""
    return timedelta(days=count)


def seconds(count: float) -> timedelta:
    """Return so many seconds."""
    return timedelta(seconds=count)
