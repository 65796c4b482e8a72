"""One application that somebody owns, with a secret and a certificate of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from simulator.azure import Azure, build_world
from simulator.certificates import KeyPair, self_signed
from simulator.clock import VirtualClock
from simulator.entra.directory import Application, Directory, KeyCredential, Password
from simulator.identity import Principal


@dataclass
class Registered:
    """The application `orders`; its owner may change just what they own."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    world: Azure = field(init=False)
    identity: Principal = field(init=False)
    app: Application = field(init=False)
    secret: Password = field(init=False)
    pair: KeyPair = field(init=False)
    first: KeyCredential = field(init=False)
    """The certificate of the pair, as it is listed."""

    def __post_init__(self) -> None:
        self.world = build_world(self.clock)
        self.identity = self.world.add_principal("owner")
        self.app = self.world.add_application("orders", self.identity)
        self.directory.grant(self.identity, "Application.ReadWrite.OwnedBy")
        self.secret = self.directory.add_password(self.app, "by hand")
        start = self.clock.now().replace(microsecond=0)
        lifetime = (start, start + timedelta(days=365))
        self.pair = self_signed("CN by hand", *lifetime)
        self.first = self.directory.add_certificate(self.app, self.pair.der, lifetime, "CN by hand")
        self.clock.advance(3600)

    @property
    def directory(self) -> Directory:
        """Where the application is registered."""
        return self.world.directory

    def alive(self) -> list[KeyCredential]:
        """Return the certificates that the application lists now."""
        return self.app.keys(self.clock.now())
