"""One run of the command line: the app's own parts, built over the operator's sign-in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from api.access import Caller, Role
from cli import naming
from cli.signed_in import name_of
from cli.terminal import Terminal
from cloud.policy_store import PolicyStore
from cloud.rest.graph import Graph
from composition import build, connect
from engine.errors import ConfigError
from engine.secret import SecretRef

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

    from cli.consent import Person
    from cli.names import Names
    from cloud.azure import Azure
    from cloud.settings import Settings
    from cloud.sql.servers import SqlServers
    from engine.engine import Engine
    from engine.ports import Clock
    from engine.service import Service
    from engine.state.policy import Policy

SLOW = 60
"""Seconds that `az` or azd may take for a token: azure-identity waits ten, which can be too few."""
AT_ONCE = 8
"""How many vaults or secrets a run looks at at a time."""


@dataclass(frozen=True)
class Connections:
    """What takes the place of the real Azure and the real time; nothing by default."""

    identity: AsyncTokenCredential | None = None
    clock: Clock | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of every SDK client."""
    sql: SqlServers | None = None
    person: Person | None = None
    """Who answers questions; whoever sits at the keyboard if None."""


@dataclass(frozen=True)
class Session:
    """What every command works with."""

    settings: Settings
    service: Service
    azure: Azure
    terminal: Terminal
    person: Person | None = None
    """Who answers questions; whoever sits at the keyboard if None."""
    names: Names | None = None
    """Where names are kept for completion; None where they are not."""

    async def ready(self) -> Engine:
        """Return the engine under the policy as it is now."""
        return await self.service.ready()

    @property
    def deployed(self) -> Policy:
        """What the settings grant, whatever the policy document says."""
        return self.service.engine.policy

    def now(self) -> datetime:
        """Return the current time."""
        return self.service.engine.clock.now()

    def store(self) -> PolicyStore:
        """Return where the policy document lives; raises ConfigError where there is none."""
        if isinstance(self.service.policies, PolicyStore):
            return self.service.policies
        raise ConfigError(
            ["REKEY_POLICY is empty: set the id of the secret that holds the policy document"]
        )

    async def caller(self) -> Caller:
        """Say who is signed in, for the record; what that person may do, Azure decides."""
        claims = await Graph(self.azure).claims("Microsoft Entra")
        name, object_id = f"{name_of(claims)}, by command line", str(claims.get("oid", "unknown"))
        return Caller(name, object_id, frozenset({Role.ADMIN}))

    def secret(self, text: str) -> SecretRef:
        """Read what names a secret; raises NotFound where no vault of ours is meant."""
        return naming.secret(self.deployed, text)

    def vaults(self, name: str | None) -> list[str]:
        """Return the URL of one vault, or of all; raises NotFound where there is no such vault."""
        return [naming.vault(self.deployed, name)] if name else list(self.deployed.scopes)


@asynccontextmanager
async def opened(
    settings: Settings, parts: Connections, terminal: Terminal, names: Names | None = None
) -> AsyncIterator[Session]:
    """Build everything for one run, and close what it opened."""
    async with AsyncExitStack() as stack:
        identity, options = parts.identity, dict(parts.options)
        if identity is None:
            identity, options = await _real(stack, settings.authority)
        clients: dict[str, Any] = {"identity": identity, "options": options, "sql": parts.sql}
        service = build(settings, clock=parts.clock, **clients)
        yield Session(
            settings, service, connect(settings, **clients), terminal, parts.person, names
        )


@asynccontextmanager
async def signed_in(env: Mapping[str, str], parts: Connections) -> AsyncIterator[Azure]:
    """Reach Azure where there are no settings yet: by the operator's sign-in alone."""
    from cloud.azure import Azure
    from cloud.settings import ARM_ENDPOINT, AUTHORITY

    authority = env.get("AZURE_AUTHORITY_HOST", AUTHORITY).rstrip("/")
    async with AsyncExitStack() as stack:
        identity, options = parts.identity, dict(parts.options)
        if identity is None:
            identity, options = await _real(stack, authority)
        arm_endpoint = env.get("REKEY_ARM_ENDPOINT", ARM_ENDPOINT).rstrip("/")
        yield Azure(identity, arm_endpoint, options, authority=authority)


async def _real(
    stack: AsyncExitStack, authority: str
) -> tuple[AsyncTokenCredential, dict[str, Any]]:
    from azure.identity.aio import DefaultAzureCredential

    from cli.transport import SharedTransport

    transport = SharedTransport()
    stack.push_async_callback(transport.end)
    identity = await stack.enter_async_context(
        DefaultAzureCredential(authority=authority, process_timeout=SLOW)
    )
    return identity, {"transport": transport}
