"""A person who deploys, with a checkout, a sign-in that may read, and answers prepared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cli.main import main
from cli.session import Connections
from cloud.azure import Azure as Connection
from simulator.azure import GROUP, SUBSCRIPTION
from simulator.reach.transport import SimulatedCredential, SimulatedTransport, forget_challenges
from tests.cli.desk import Answers, Desk, Ran, captured

READ_ACTIONS = (
    "Microsoft.KeyVault/vaults/read",
    "Microsoft.EventGrid/systemTopics/read",
    "Microsoft.Storage/storageAccounts/read",
    "Microsoft.Sql/servers/read",
    "Microsoft.OperationalInsights/workspaces/read",
)
PRODUCTION = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"


class Newcomer(Desk):
    """A desk whose Ada may look at everything in the subscription, and at nothing else."""

    def __init__(self, checkout: Path) -> None:
        super().__init__()
        self.checkout = checkout
        (checkout / "infra").mkdir()
        (checkout / "infra" / "main.bicep").touch()
        self.world.grant(self.ada, READ_ACTIONS, f"/subscriptions/{SUBSCRIPTION}")

    @property
    def parameters(self) -> Path:
        return self.checkout / "infra" / "my.bicepparam"

    def add_topic(self, name: str, group: str = PRODUCTION, **tags: str) -> None:
        """Give the vault a system topic."""
        topic = f"{group}/providers/Microsoft.EventGrid/systemTopics/{name}"
        self.world.event_grid.add(topic, self.vault.resource_id).tags = tags

    def sign_in(self) -> Connection:
        """Return what Ada's sign-in reaches."""
        return Connection(
            SimulatedCredential(self.world, self.ada),
            options={"transport": SimulatedTransport(self.world)},
        )

    def init(self, *arguments: str, answers: Iterable[str] = (), attended: bool = True) -> Ran:
        """Run `rekey init` with these answers; unattended it is left to standard input."""
        forget_challenges()
        parts = Connections(
            SimulatedCredential(self.world, self.ada),
            options={"transport": SimulatedTransport(self.world)},
            person=Answers(list(answers)) if attended else None,
        )
        return captured(lambda: main(("init", *arguments), {}, parts))
