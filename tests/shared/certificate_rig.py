"""One application whose certificate the app rotates: the whole product, or its rotator alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any

from cloud.azure import Azure
from cloud.settings import Settings
from engine.contract import Job
from engine.secret import Sensitive
from rotators.service_principal_certificate import ServicePrincipalCertificate
from rotators.shared.certificate import parse
from simulator.certificates import KeyPair, self_signed
from simulator.entra.directory import Application, Directory, KeyCredential
from simulator.keyvault.state import SecretVersion
from simulator.reach.transport import Intercept, SimulatedCredential, SimulatedTransport
from simulator.wire import Request
from tests.shared.graph_rig import OPERATION, OWNED_BY
from tests.shared.rig import Rig, RigClock

NAME = "app-certificate"
CERTIFICATE_ACTIONS = (
    "Microsoft.KeyVault/vaults/certificates/create/action",
    "Microsoft.KeyVault/vaults/certificates/read",
)


@dataclass
class CertificateRig(Rig):
    """A world with one vault and one application that the app owns, with exactly the rights that it needs.

    The vault holds PEM, which is read much faster than PKCS #12.
    """

    app: Application = field(init=False)
    pair: KeyPair = field(init=False)
    first: KeyCredential = field(init=False)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.app = self.world.add_application("orders", self.identity)
        self.directory.grant(self.identity, OWNED_BY)
        self.world.grant(self.identity, CERTIFICATE_ACTIONS, self.vault.resource_id)
        self.pair, self.first = self.by_hand("CN by hand")
        self.clock.advance(3600)

    @property
    def directory(self) -> Directory:
        return self.world.directory

    @property
    def source(self) -> str:
        """The source as the rotator names it."""
        return f"{self.app.app_id}/certificates"

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

    def by_hand(self, name: str) -> tuple[KeyPair, KeyCredential]:
        """Let somebody add a certificate of a year to the application."""
        start = self.clock.now().replace(microsecond=0)
        pair = self_signed(name, start, start + timedelta(days=365))
        lifetime = (start, start + timedelta(days=365))
        return pair, self.directory.add_certificate(self.app, pair.der, lifetime, name)

    def managed(
        self, *, tags: Mapping[str, str | None] | None = None, value: str | None = None
    ) -> SecretVersion:
        """Put the application's first certificate under management.

        In `tags`, None takes a usual one away.
        """
        usual = {
            "ProviderAddress": self.app.app_id,
            "Rotator": "service-principal-certificate",
            "CredentialId": self.first.key_id,
            "ValidityPeriodDays": "90",
            **(tags or {}),
        }
        kept = {tag: text for tag, text in usual.items() if text is not None}
        expires = self.clock.now() + timedelta(days=10)
        return self.vault.put(
            NAME,
            self.pair.pem if value is None else value,
            expires=expires,
            tags=kept,
            content_type="application/x-pem-file",
        )

    def alive(self) -> list[KeyCredential]:
        """Return the certificates that the application lists now."""
        return self.app.keys(self.clock.now())

    @staticmethod
    @cache
    def holds(value: str) -> bytes:
        """Return the certificate in a vault's value; empty if there is none."""
        pair = parse(Sensitive(value))
        return pair.der if pair else b""

    def accepts(self, value: str) -> bool:
        """Return whether the application lists the certificate in a value."""
        return self.holds(value) in {key.der for key in self.alive()}

    def made(self) -> set[str]:
        """Return the values of all key pairs that there ever were: none may leak."""
        versions = [
            version
            for versions in self.vault.secrets.values()
            for version in versions
            if version.managed
        ]
        return {self.pair.pem, *(version.value for version in versions)}

    def planted(self) -> set[str]:
        """Return a line of every private key: whole, a value would not be found where it is quoted."""
        return {value.splitlines()[5] for value in self.made()}

    def rotator(
        self, intercept: Intercept | None = None, **options: Any
    ) -> ServicePrincipalCertificate:
        """Return the rotator alone, in a fresh process."""
        transport = SimulatedTransport(self.world, intercept)
        credential = SimulatedCredential(self.world, self.identity)
        azure = Azure(credential, options={"transport": transport}, **options)
        return ServicePrincipalCertificate(azure, RigClock(self.clock))

    def job(self, **fields: Any) -> Job:
        """Return a job for a certificate that Rekey wrote itself."""
        usual = Job(
            source=self.source,
            operation=OPERATION,
            held_id=self.first.key_id,
            held=Sensitive(self.pair.pem),
            proven=True,
            in_place=False,
            expires=self.clock.now() + timedelta(days=90),
            vault=self.vault.url,
        )
        return replace(usual, **fields)

    def asked(self) -> list[str]:
        """Return what was asked so far, in short, and forget it."""
        short = [_short(exchange.request) for exchange in self.world.exchanges]
        self.world.exchanges.clear()
        return [name for name in short if name]


def _short(request: Request) -> str:
    if request.host == "graph.microsoft.com":
        return {"GET": "read", "PATCH": "replace"}.get(request.method, request.method)
    if request.host == "login.microsoftonline.com":
        return "sign-in"
    if "/certificates/" in request.path:
        return request.path.rpartition("/")[2] or "certificate"
    return ""
