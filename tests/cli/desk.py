"""An operator at the command line: the whole of it, in process, on a simulated Azure."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from typing import Any

from cli.codes import Exit
from cli.consent import Person
from cli.main import main
from cli.session import Connections
from rotators.shared.database_engine import MYSQL, POSTGRESQL
from simulator.identity import Principal
from simulator.keys.contracts import CONTRACTS
from simulator.keyvault.state import Vault
from simulator.reach.sabotage import Died, Mode, Saboteur
from simulator.reach.transport import SimulatedCredential, SimulatedTransport, forget_challenges
from tests.shared.delivery import Delivery
from tests.shared.policies import OWN
from tests.shared.rig import KEY_ACTIONS, VAULT_ACTIONS, Rig, RigClock
from tests.shared.scene import NAME
from tests.shared.simulated_sql import SimulatedSqlServers

LIST_ACTIONS = (
    "Microsoft.Storage/storageAccounts/read",
    "Microsoft.Sql/servers/read",
    *(f"{engine.provider}/read" for engine in (POSTGRESQL, MYSQL)),
    *(f"{contract.kind}/read" for contract in CONTRACTS),
    *(
        f"{contract.kind}/{child}/read"
        for contract in CONTRACTS
        for child in contract.children
        if "/" not in child
    ),
)
ADA = "ada@northwind.example"
REFUSALS = {Exit.USAGE, Exit.SETTINGS, Exit.AZURE, Exit.DECLINED}


@dataclass(frozen=True)
class Ran:
    """How one run ended, and what it showed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def ends(self, code: int, *words: str) -> Ran:
        """Demand its exit code and what it says, a refusal where errors go and all else as output."""
        text = self.err if code in REFUSALS else self.out
        missing = [word for word in words if word not in text]
        assert (self.code, missing) == (code, []), self
        return self


@dataclass
class Desk(Rig):
    """A rig with an operator who may do everything that the app may, and list what there is."""

    ada: Principal = field(init=False)
    bound: list[str] = field(default_factory=list)
    """What the vault may rotate besides its group."""
    policy: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ada = self.world.add_person(ADA, "Application.ReadWrite.All")
        self.world.grant(self.ada, (*VAULT_ACTIONS, *KEY_ACTIONS, *LIST_ACTIONS), self.group)

    @property
    def group(self) -> str:
        return self.vault.resource_id.split("/providers/")[0]

    @property
    def env(self) -> dict[str, str]:
        key = self.host.keys["key1"].value
        document = {"REKEY_POLICY": f"{self.vault.url}/secrets/{OWN.name}"} if self.policy else {}
        return {
            "REKEY_VAULTS": self.vault.url,
            "REKEY_SCOPES": json.dumps({self.vault.url: [self.group, *self.bound]}),
            "AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=rekeyhost;AccountKey={key}",
            **document,
        }

    def beside(self, *others: Vault) -> dict[str, str]:
        """Return the settings of an app that serves other vaults, too, out of the same group."""
        scopes = {vault.url: [self.group] for vault in (self.vault, *others)}
        return {**self.env, "REKEY_VAULTS": ",".join(scopes), "REKEY_SCOPES": json.dumps(scopes)}

    async def take_up(self) -> None:
        """Let the app take up what is on its queues, as itself."""
        orders = self.messages("sweeps")
        self.queue("sweeps").clear()
        for order in orders:
            await self.service().sweep_vault(json.dumps(order))
        await Delivery(self, self.service).run()

    def run(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        while_waiting: Callable[[], Awaitable[None]] | None = None,
        person: Person | None = None,
    ) -> Ran:
        """Run the command line; `while_waiting` is what goes on each time that it sleeps, `person` who answers."""
        forget_challenges()
        parts = Connections(
            SimulatedCredential(self.world, self.ada),
            _Waiting(self, while_waiting),
            {"transport": SimulatedTransport(self.world)},
            SimulatedSqlServers(self.world),
            person,
        )
        return captured(lambda: main(argv, self.env if env is None else env, parts))


def managing(days_left: float = 80, name: str = NAME, **options: Any) -> Desk:
    """Return a desk with one secret, of the account `appdata`."""
    desk = Desk()
    desk.secret(name, desk.account("appdata"), days_left=days_left, **options)
    return desk


@dataclass
class Answers:
    """Somebody who answers in this order, and then not at all."""

    left: list[str]

    def ask(self, question: str) -> str:
        del question
        if not self.left:
            raise EOFError
        return self.left.pop(0)


def captured(run: Callable[[], int]) -> Ran:
    """Run something, and return what it showed and how it ended."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = run()
        except SystemExit as end:
            code = int(end.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


class _Waiting(RigClock):
    """The world's clock; while somebody sleeps by it, the app goes on."""

    def __init__(self, desk: Desk, meanwhile: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(desk.clock)
        pause = self.sleep

        async def sleep(seconds: float) -> None:
            await pause(seconds)
            if meanwhile:
                await meanwhile()

        self.sleep = sleep


def commands(
    within: argparse.ArgumentParser, path: str = ""
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command that can be run, by its whole name."""
    below = [action for action in within._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield path, within
    for name, command in (pair for action in below for pair in action.choices.items()):
        yield from commands(command, f"{path} {name}".strip())


def struck(desk: Desk, at: int, mode: Mode, *argv: str) -> bool:
    """Type a command whose process ends, or loses an answer, at one call; tell whether it did."""
    forget_challenges()
    saboteur = Saboteur({at: mode})
    transport = SimulatedTransport(desk.world, saboteur)
    credential = SimulatedCredential(desk.world, desk.ada)
    parts = Connections(credential, RigClock(desk.clock), {"transport": transport})
    with suppress(Died):
        captured(lambda: main(argv, desk.env, parts))
    return saboteur.calls > at
