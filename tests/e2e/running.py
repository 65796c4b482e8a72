"""The product itself, as it is shipped, on a simulated Azure over TLS.

On our host, and behind Microsoft's listeners. The workers load what the complete package unfolds to:
its sources and its libraries, none of the developer's environment.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from demo.__main__ import settings
from demo.app import KEY, MASTER_KEY, SYSTEM_KEY, App
from demo.cast import EVENTS_ACCOUNT, HOST_ACCOUNT, VAULT, Part, cast, stage
from scripts.package import unfolded
from simulator.azure import Azure
from simulator.host.describe import describe_app
from simulator.keyvault.state import SecretVersion, Vault
from simulator.reach.names import resolve_localhost
from simulator.reach.server import Background, start_in_thread
from simulator_tests.azurite import start_azurite
from simulator_tests.host.running import process, trigger_host
from simulator_tests.host.waiting import free_port, wait_for
from tests.e2e.witness import HISTORIES, Witness, witnessing
from tests.parts import sampled

OURS_SIMULATED = "our host, simulated storage by identity"
OURS_AZURITE = "our host, Azurite"
MICROSOFTS = "Microsoft's listeners, Azurite"
HOSTS = sampled([OURS_SIMULATED, OURS_AZURITE, MICROSOFTS], [OURS_SIMULATED, MICROSOFTS])
"""By day our host and Azurite are each met, though not together."""
HOST_STORAGE, EVENTS_STORAGE = "AzureWebJobsStorage", "RekeyEvents"
ACCOUNTS = {HOST_STORAGE: HOST_ACCOUNT, EVENTS_STORAGE: EVENTS_ACCOUNT}
# What Storage Blob Data Owner and Storage Queue Data Contributor permit.
DATA_RIGHTS = (
    "Microsoft.Storage/storageAccounts/blobServices/*",
    "Microsoft.Storage/storageAccounts/queueServices/*",
)
EVENTS_QUEUE = "vault-events"
QUEUES = ("sweeps", "rotations", "rotations-poison")


@dataclass(frozen=True)
class Product:
    """The running product: its HTTP side, its cloud, its queues."""

    app: App
    webhook: App
    """Where Event Grid delivers to: our host, or Microsoft's listener."""
    cloud: Background[Azure]
    parts: tuple[Part, ...]
    queues: QueueServiceClient
    events: QueueServiceClient
    """The account that Event Grid delivers to."""
    log: Path
    connection: str
    trusted: str | bool
    witness: Witness | None = None

    @property
    def vault(self) -> Vault:
        return self.cloud.world.vaults[VAULT]

    def latest(self, name: str) -> SecretVersion:
        return self.vault.versions(name)[-1]

    def queue(self, name: str) -> QueueClient:
        account = self.events if name == EVENTS_QUEUE else self.queues
        return account.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())

    def send(self, queue: str, text: str) -> None:
        self.queue(queue).send_message(text)

    def waiting(self, queue: str) -> int:
        return self.queue(queue).get_queue_properties().approximate_message_count or 0

    def wait_until_rotated(self, name: str, before: SecretVersion) -> SecretVersion:
        wait_for(
            lambda: self.latest(name).version != before.version,
            lambda: f"{name} to be rotated; log: {self.log.read_text()[-3000:]}",
        )
        return self.latest(name)


def by_identity(cloud: Background[Azure]) -> dict[str, str]:
    """Let the app's identity use the app's accounts; return settings without any key."""
    azure, identity = cloud.world, cloud.world.managed_identity.system
    assert identity
    named: dict[str, str] = {}
    for connection, account in ACCOUNTS.items():
        azure.grant(identity, DATA_RIGHTS, azure.accounts[account].resource_id)
        named |= {
            f"{connection}__credential": "managedidentity",
            f"{connection}__blobServiceUri": f"https://{account}.{azure.domains.blob}",
            f"{connection}__queueServiceUri": f"https://{account}.{azure.domains.queue}",
        }
    return named


@contextlib.contextmanager
def product(
    kind: str,
    folder: Path,
    schedule: str = "0 0 0 1 1 *",
    between_tries: str = "00:00:00",
    options: tuple[str, ...] = (),
    *,
    witnessed: bool = False,
) -> Iterator[Product]:
    """Run the product until the end of the block; `options` are those of our host.

    `witnessed`: what happens is written down, as it is wherever `--histories` asks for that.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(resolve_localhost())
        parts = cast()
        cloud = stack.enter_context(start_in_thread(lambda domains: stage(domains, parts)))
        azurite = "" if kind == OURS_SIMULATED else stack.enter_context(start_azurite())
        connections = [
            azurite or cloud.running.connection_string(account) for account in ACCOUNTS.values()
        ]
        storage = dict.fromkeys(ACCOUNTS, azurite) if azurite else by_identity(cloud)
        env = _environment(settings(cloud, parts, schedule), storage, between_tries)
        trusted = str(cloud.running.ca_file) if kind == OURS_SIMULATED else True
        queues, events = (
            stack.enter_context(
                QueueServiceClient.from_connection_string(connection, connection_verify=trusted)
            )
            for connection in connections
        )
        _make_queues(queues, events)
        log = folder / "host.log"
        is_seen = kind == OURS_SIMULATED and (witnessed or HISTORIES)
        witness = stack.enter_context(witnessing(cloud.world, parts, log)) if is_seen else None
        run = _microsofts if kind == MICROSOFTS else _both
        app, webhook = (App(url, log) for url in stack.enter_context(run(folder, env, *options)))
        yield Product(
            app, webhook, cloud, parts, queues, events, log, connections[0], trusted, witness
        )


def _environment(
    usual: Mapping[str, str], storage: Mapping[str, str], between_tries: str
) -> dict[str, str]:
    """Return what the host's processes are told; `storage` stands for the accounts' settings."""
    return {
        **os.environ,
        **{name: text for name, text in usual.items() if name not in ACCOUNTS},
        **storage,
        "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": between_tries,
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.200",
    }


def _make_queues(queues: QueueServiceClient, events: QueueServiceClient) -> None:
    for account, name in (*((queues, name) for name in QUEUES), (events, EVENTS_QUEUE)):
        with contextlib.suppress(ResourceExistsError):
            account.create_queue(name)


@contextlib.contextmanager
def _ours(folder: Path, env: dict[str, str], *options: str) -> Iterator[str]:
    command = [sys.executable, "-m", "simulator.host", "--app", str(unfolded())]
    command += ["--port", "0", "--key", KEY]
    command += ["--master-key", MASTER_KEY, "--system-key", SYSTEM_KEY, *options]
    with process(command, folder / "host.log", env, "Host ready on ") as (line, _):
        yield line.split()[-1]


@contextlib.contextmanager
def _both(folder: Path, env: dict[str, str], *options: str) -> Iterator[tuple[str, str]]:
    with _ours(folder, env, *options) as url:
        yield url, url


@contextlib.contextmanager
def _microsofts(folder: Path, env: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Microsoft's listeners poll the queues and run the timer.

    HTTP, which is not theirs, stays with our worker.
    """
    program, functions = trigger_host(), folder / "functions.json"
    triggered = [
        function
        for function in describe_app(unfolded(), env)
        if function["bindings"][0]["type"] != "httpTrigger"
    ]
    functions.write_text(json.dumps(triggered))
    listen = f"http://127.0.0.1:{free_port()}"
    with _ours(folder, env, "--worker-only") as worker:
        command = [program, "--functions", str(functions), "--host", str(unfolded() / "host.json")]
        command += ["--invoke", f"{worker}/invoke", "--listen", listen]
        with process(command, folder / "listeners.log", env, "trigger-host ready"):
            yield worker, listen
