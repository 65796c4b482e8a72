"""A change whose answer is lost is not sent again beneath our own retries.

aiohttp repeats a PUT and a DELETE by itself, which only real clients over TLS show.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import HttpRequest

from cli.transport import SharedTransport
from cloud.azure import CHANGING, NO_ANSWER, NOT_READ, Azure, call
from cloud.clock import SystemClock
from cloud.rest.arm import Arm
from cloud.rest.client import quiet_pipeline, without_logging
from cloud.rest.graph import Graph
from cloud.rest.key_pairs import KeyPairs, Order
from cloud.retries import SendsOnce
from cloud.storage import blobs
from cloud.storage.backlog import backlog
from cloud.storage.host_storage import HostStorage
from cloud.storage.leases import BlobLeases
from cloud.vaults import KeyVaults
from engine.errors import LeaseUnavailable, TransientError
from engine.secret import Draft, SecretRef, SecretVersion, Sensitive
from simulator.azure import Azure as World
from simulator.azure import build_world
from simulator.keyvault.state import Vault
from simulator.reach.names import resolve_localhost
from simulator.reach.server import Running, serve
from simulator.reach.transport import Call, SimulatedCredential, forget_challenges
from simulator.wire import Request, Response, json_response
from tests.shared.builders import NOW, V1
from tests.shared.rig import VAULT_ACTIONS, Rig

SOURCE = "/subscriptions/x/resourcegroups/y"
CUT_OFF = json_response(502, {"error": {"code": "NoSuchHost"}})
"""With this answer the server closes the connection instead."""
GARBLED = Response(200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"none")
"""The client unpacks it, and cannot."""


@dataclass
class FrontEnd:
    """Stands before every service. It loses one answer after the request has taken effect."""

    world: World
    losing: str = ""
    """The method of the request whose answer is lost."""
    instead: Response = CUT_OFF
    """What comes in its place."""
    sent: list[str] = field(default_factory=list)
    """The paths of all requests with this method since."""

    def answers(self, host: str) -> bool:
        return bool(host)

    def handle(self, request: Request) -> Response:
        behind = (service for service in self.world.services if service is not self)
        service = next(service for service in behind if service.answers(request.host))
        answer = service.handle(request)
        # Key Vault's client first asks without a token who gives them.
        if request.method != self.losing or not request.header("authorization"):
            return answer
        self.sent.append(request.path)
        return self.instead if len(self.sent) == 1 else answer

    @contextmanager
    def loses(self, method: str) -> Iterator[None]:
        self.losing, self.sent = method, []
        yield
        self.losing = ""


@dataclass(frozen=True)
class Closing(Azure):
    """Knows the transports of all clients, to close them at the end."""

    transports: list[AsyncHttpTransport[Any, Any]] = field(default_factory=list)

    @property
    def sending_options(self) -> dict[str, Any]:
        options = super().sending_options
        self.transports.append(options["transport"])
        return options


@dataclass
class Stand:
    """A vault and a storage account behind a front end, and the app's view of them."""

    running: Running[World]
    front: FrontEnd
    vault: Vault
    azure: Azure

    @property
    def storage(self) -> HostStorage:
        return HostStorage(connection_string=self.running.connection_string("rekeyhost"))

    @property
    def ref(self) -> SecretRef:
        return SecretRef(self.vault.url, "app")

    async def publish(self) -> None:
        draft = Draft(
            Sensitive("new"), self.running.world.now() + timedelta(days=9), "text/plain", {}
        )
        await KeyVaults(self.azure, frozenset([self.vault.url])).publish(self.ref, draft)

    async def write_blob(self) -> None:
        service = self.storage.blobs(self.azure)
        await blobs.overwrite(service, service.get_blob_client(blobs.CONTAINER, "x"), b"x")

    async def delete_blob(self) -> None:
        blob = self.storage.blobs(self.azure).get_blob_client(blobs.CONTAINER, "x")
        await call("deleting", blob.delete_blob(**CHANGING), where="x")

    async def create_queue(self) -> None:
        queue = self.storage.queues(self.azure).get_queue_client("x")
        await call("creating", queue.create_queue(**CHANGING), where="x")

    async def put(self) -> None:
        await self.request("PUT", without_logging(CHANGING))

    async def request(self, method: str, limits: dict[str, Any]) -> None:
        url = f"{self.vault.url}/x"
        client = quiet_pipeline(self.azure, url)
        request = HttpRequest(method, url, headers={"Authorization": "Bearer x"})
        await call("asking", client.send_request(request, **limits), where="x")


@asynccontextmanager
async def standing() -> AsyncIterator[Stand]:
    forget_challenges()
    undo = resolve_localhost()
    try:
        async with serve(lambda domains: build_world(domains=domains)) as running:
            world = running.world
            vault, identity = world.add_vault("prod"), world.add_principal("rekey")
            world.add_account("rekeyhost")
            world.grant(identity, VAULT_ACTIONS, vault.resource_id)
            world.services.insert(0, front := FrontEnd(world))
            trusted = {"connection_verify": str(running.ca_file)}
            azure = Closing(SimulatedCredential(world, identity), options=trusted)
            try:
                yield Stand(running, front, vault, azure)
            finally:
                for transport in azure.transports:
                    await transport.close()
    finally:
        undo()


type Change = Callable[[Stand], Awaitable[None]]
CHANGES: dict[str, tuple[str, Change]] = {
    "a version of a secret": ("PUT", Stand.publish),
    "a blob": ("PUT", Stand.write_blob),
    "the end of a blob": ("DELETE", Stand.delete_blob),
    "a queue": ("PUT", Stand.create_queue),
    "a resource, without an SDK": ("PUT", Stand.put),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_whose_answer_is_lost_is_sent_once(name: str) -> None:
    method, change = CHANGES[name]
    async with standing() as stand:
        with stand.front.loses(method), pytest.raises(TransientError) as caught:
            await change(stand)
        assert caught.value.code == NO_ANSWER
        assert len(stand.front.sent) == 1


@pytest.mark.parametrize("name", CHANGES)
async def test_a_change_whose_answer_does_not_unpack_may_have_taken_effect(name: str) -> None:
    method, change = CHANGES[name]
    async with standing() as stand:
        stand.front.instead = GARBLED
        with stand.front.loses(method), pytest.raises(TransientError) as caught:
            await change(stand)
        assert caught.value.code == NOT_READ
        assert len(stand.front.sent) == 1


type Act = Callable[[Azure], Awaitable[object]]
REF, SITE = SecretRef("https://prod.vault.azure.net", "app"), "/subscriptions/x/sites/y"
HELD = SecretVersion(REF, V1, True, NOW, None, None, value=None)
ORDER = Order(REF.vault, "app", "orders", None, NOW, 3, "application/x-pkcs12")
ACTS: Mapping[str, Act] = {
    "an action on a resource": lambda client: Arm(client, "1", "").act(SITE, "", ""),
    "a change that goes on": lambda client: Arm(client, "1", "").begin(SITE, {}, "", ""),
    "a merge into a resource": lambda client: Arm(client, "1", "").merge(SITE, {}, "", ""),
    "a change of a resource": lambda client: call(
        "changing", Arm(client, "1", "").change(SITE, {}), where=""
    ),
    "an action of Graph": lambda client: Graph(client).change("/x", {}, "", ""),
    "a change of Graph": lambda client: Graph(client).replace("/x", {}, "", ""),
    "a key pair": lambda client: KeyPairs(client, SystemClock()).make(ORDER),
    "a version's tags": lambda client: vaults(client).retag(HELD, {}),
    "a version's end": lambda client: vaults(client).disable(REF, V1),
}


def vaults(client: Azure) -> KeyVaults:
    return KeyVaults(client, frozenset([REF.vault]))


@pytest.mark.parametrize("name", ACTS)
async def test_a_change_that_a_busy_service_answers_is_left_to_the_caller(name: str) -> None:
    """It may have taken effect. An SDK that may repeat it does so after a 503, a POST too."""
    sent = list[str]()

    async def busy(request: Request, proceed: Call) -> Response:
        if not request.header("authorization"):
            return await proceed()  # Key Vault's client first asks without a token who gives them.
        if request.method == "GET":
            return json_response(404, {"error": {"code": "CertificateNotFound"}})
        sent.append(request.method)
        return json_response(503, {"error": {"code": "ServiceUnavailable"}})

    with pytest.raises(TransientError, match="503"):
        await ACTS[name](Rig().azure(busy))
    assert len(sent) == 1


async def test_a_version_whose_answer_is_lost_is_the_only_one() -> None:
    async with standing() as stand:
        with stand.front.loses("PUT"), pytest.raises(TransientError, match="got no answer"):
            await stand.publish()
        assert len(stand.vault.versions("app")) == 1


async def test_a_record_whose_answer_is_lost_is_not_said_to_be_another_workers() -> None:
    """Sent twice, the second write would meet the first one: ConditionNotMet."""
    async with standing() as stand:
        leases = BlobLeases(stand.storage, stand.azure, SystemClock())
        async with leases.hold(SOURCE, str(stand.ref)) as lease:
            with stand.front.loses("PUT"), pytest.raises(TransientError) as caught:
                await lease.write(lease.record)
        assert not isinstance(caught.value, LeaseUnavailable)
        assert caught.value.code == NO_ANSWER


async def test_a_read_whose_answer_is_lost_may_be_sent_again() -> None:
    async with standing() as stand:
        with stand.front.loses("GET"):
            await stand.request("GET", without_logging(CHANGING))
        assert len(stand.front.sent) == 2


async def test_who_closes_a_client_leaves_the_others_open() -> None:
    async with standing() as stand:
        for _ in range(2):
            lengths = await backlog(stand.storage, stand.storage, stand.azure)
            assert set(lengths.values()) == {None}
        await stand.publish()


def test_the_command_line_sends_a_change_once_too() -> None:
    assert issubclass(SharedTransport, SendsOnce)
