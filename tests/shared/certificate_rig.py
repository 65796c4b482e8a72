"""One application whose certificate the app rotates: the whole product, or its rotator alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache

from cloud.azure import Azure
from engine.secret import Sensitive
from rotators.service_principal_certificate import ServicePrincipalCertificate
from rotators.shared.certificate import parse
from simulator.certificates import KeyPair, self_signed
from simulator.entra.directory import KeyCredential
from simulator.keyvault.state import SecretVersion
from simulator.wire import Request
from tests.shared.application_rig import ApplicationRig
from tests.shared.rig import RigClock

NAME = "app-certificate"
CERTIFICATE_ACTIONS = (
    "Microsoft.KeyVault/vaults/certificates/create/action",
    "Microsoft.KeyVault/vaults/certificates/read",
)


@dataclass
class CertificateRig(ApplicationRig[ServicePrincipalCertificate, KeyCredential]):
    """An application with a certificate.

    The vault holds PEM, which is read much faster than PKCS #12.
    """

    pair: KeyPair = field(init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.world.grant(self.identity, CERTIFICATE_ACTIONS, self.vault.resource_id)
        self.pair, self.first = self.by_hand("CN by hand")
        self.clock.advance(3600)

    def built(self, azure: Azure, clock: RigClock) -> ServicePrincipalCertificate:
        return ServicePrincipalCertificate(azure, clock)

    @property
    def source(self) -> str:
        return f"{self.app.app_id}/certificates"

    @property
    def held(self) -> str:
        return self.pair.pem

    def by_hand(self, name: str) -> tuple[KeyPair, KeyCredential]:
        """Let somebody add a certificate of a year to the application."""
        start = self.clock.now().replace(microsecond=0)
        pair = self_signed(name, start, start + timedelta(days=365))
        lifetime = (start, start + timedelta(days=365))
        return pair, self.directory.add_certificate(self.app, pair.der, lifetime, name)

    def managed(
        self, *, tags: Mapping[str, str | None] | None = None, value: str | None = None
    ) -> SecretVersion:
        """Put the application's first certificate under management."""
        held = self.held if value is None else value
        own = {"Rotator": "service-principal-certificate", **(tags or {})}
        return self.put(NAME, held, "application/x-pem-file", own)

    def alive(self) -> list[KeyCredential]:
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

    def short(self, request: Request) -> str:
        """Name what is asked of Graph, of the sign-in endpoint, and of the vault's certificates."""
        if request.host == "graph.microsoft.com":
            return {"GET": "read", "PATCH": "replace"}.get(request.method, request.method)
        if request.host == "login.microsoftonline.com":
            return "sign-in"
        if "/certificates/" in request.path:
            return request.path.rpartition("/")[2] or "certificate"
        return ""
