"""One application whose credential the app rotates: what its secrets and certificates share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from cloud.azure import Azure
from cloud.settings import Settings
from engine.contract import Job
from simulator.entra.directory import Application, Directory, KeyCredential, Password
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Intercept
from simulator.wire import Request
from tests.shared.rig import Rig, RigClock

OWNED_BY = "Application.ReadWrite.OwnedBy"


@dataclass
class ApplicationRig[R, C: (Password, KeyCredential)](Rig, ABC):
    """A world with one vault and one application that the app owns, and just the rights it needs.

    R is the rotator, C what the application holds; `first` was added by hand.
    """

    app: Application = field(init=False)
    first: C = field(init=False)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.app = self.world.add_application("orders", self.identity)
        self.directory.grant(self.identity, OWNED_BY)

    @abstractmethod
    def built(self, azure: Azure, clock: RigClock) -> R:
        """Return a rotator."""

    @abstractmethod
    def short(self, request: Request) -> str:
        """Return a request in short; empty for one that is of no interest."""

    @property
    @abstractmethod
    def source(self) -> str:
        """The source as the rotator names it."""

    @property
    @abstractmethod
    def held(self) -> str:
        """What the vault holds of the first credential."""

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

    def rotator(self, intercept: Intercept | None = None, **options: Any) -> R:
        """Return the rotator alone, in a fresh process."""
        return self.alone(self.built, intercept, **options)

    def job(self, **fields: Any) -> Job:
        """Return a job for a credential that Rekey wrote itself."""
        usual = self.job_of(self.source, self.first.key_id, self.held, vault=self.vault.url)
        return replace(usual, **fields)

    def put(
        self, name: str, value: str, content_type: str, tags: Mapping[str, str | None]
    ) -> SecretVersion:
        """Put a secret of the application under management.

        In `tags`, None takes a usual one away.
        """
        usual = {
            "ProviderAddress": self.app.app_id,
            "CredentialId": self.first.key_id,
            "ValidityPeriodDays": "90",
            **tags,
        }
        kept = {tag: text for tag, text in usual.items() if text is not None}
        expires = self.clock.now() + timedelta(days=10)
        return self.vault.put(name, value, expires=expires, tags=kept, content_type=content_type)

    def asked(self) -> list[str]:
        """Return what was asked so far, in short, and forget it."""
        short = [self.short(exchange.request) for exchange in self.world.exchanges]
        self.world.exchanges.clear()
        return [name for name in short if name]
