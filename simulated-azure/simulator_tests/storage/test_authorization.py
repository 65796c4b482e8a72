"""Who is let in: every refusal of the data plane has Azure's status and error code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob._shared.authentication import _storage_header_sort
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from simulator.azure import Azure
from simulator.clock import VirtualClock
from simulator.reach.transport import SimulatedCredential, SimulatedTransport
from simulator.storage.sharedkey import signature, string_to_sign
from simulator.wire import Request, Response
from simulator_tests.storage.places import ACCOUNT, SimulatedStorage, refused

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
AUTHENTICATION_FAILED = (403, "AuthenticationFailed")
GUID = "11111111-2222-4333-8444-555555555555"
BLOB_ACTIONS = "Microsoft.Storage/storageAccounts/blobServices/containers"
QUEUE_ACTIONS = "Microsoft.Storage/storageAccounts/queueServices/queues"


def outcome(response: Response) -> tuple[int, str]:
    return response.status, response.headers.get("x-ms-error-code", "")


@dataclass
class Caller:
    """Signs requests by hand, at a moment of its choosing, to a world whose clock stands at NOW."""

    world: Azure

    @property
    def key(self) -> str:
        return self.world.accounts[ACCOUNT].keys["key1"].value

    def request(self, date: str | None = None, version: str = "2025-05-05") -> Request:
        headers = {
            "x-ms-version": version,
            "x-ms-date": format_datetime(NOW, usegmt=True) if date is None else date,
        }
        return Request(
            "GET",
            f"https://{ACCOUNT}.blob.core.windows.net/?restype=service&comp=properties",
            headers,
        )

    def signed(self, request: Request, key: str = "", account: str = ACCOUNT) -> Request:
        signed = signature(key or self.key, string_to_sign(request, account))
        return replace(
            request, headers={**request.headers, "authorization": f"SharedKey {account}:{signed}"}
        )

    def send(self, request: Request) -> Response:
        return self.world.handle(request)

    def put(
        self, path: str, headers: dict[str, str] | None = None, service: str = "blob"
    ) -> tuple[int, str]:
        known = self.request()
        url = f"https://{ACCOUNT}.{service}.core.windows.net/{path}"
        return outcome(
            self.send(
                self.signed(
                    replace(
                        known, url=url, method="PUT", headers={**known.headers, **(headers or {})}
                    )
                )
            )
        )


@pytest.fixture
def caller() -> Caller:
    """A caller to an account of a world that stands still."""
    world = Azure(now=lambda: NOW)
    world.add_account(ACCOUNT)
    return Caller(world)


def test_a_signature_with_either_key_is_accepted(caller: Caller) -> None:
    account = caller.world.accounts[ACCOUNT]
    answers = [
        caller.send(caller.signed(caller.request(), key.value)) for key in account.keys.values()
    ]
    assert [answer.status for answer in answers] == [200, 200]


def test_the_string_to_sign_is_the_one_of_microsofts_example() -> None:
    """https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, Get Container Metadata."""
    request = Request(
        "GET",
        "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20",
        {
            "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT",
            "x-ms-version": "2015-02-21",
            "content-length": "0",
        },
    )
    assert string_to_sign(request, "myaccount") == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\n"
        "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
        "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
    )


def test_headers_are_signed_in_the_order_of_microsofts_client() -> None:
    names = [
        "x-ms-meta-ab-c",
        "x-ms-meta-abb",
        "x-ms-meta-a_b",
        "x-ms-meta-a1",
        "x-ms-meta-aa",
        "x-ms-version",
    ]
    names += [
        "x-ms-lease-id",
        "x-ms-lease-duration",
        "x-ms-lease-action",
        "x-ms-date",
        "x-ms-client-request-id",
    ]
    lines = string_to_sign(
        Request("PUT", "https://a.example/", dict.fromkeys(names, "1")), "a"
    ).split("\n")
    signed = [line.partition(":")[0] for line in lines if line.startswith("x-ms-")]
    assert signed == [name for name, _ in _storage_header_sort([(name, "1") for name in names])]


@pytest.mark.parametrize("change", ["method", "url", "header"])
def test_a_request_that_was_changed_after_signing_is_refused(caller: Caller, change: str) -> None:
    request = caller.signed(caller.request())
    changed = {
        "method": replace(request, method="HEAD"),
        "url": replace(request, url=f"{request.url}&timeout=1"),
        "header": replace(request, headers={**request.headers, "x-ms-version": "2025-07-05"}),
    }
    assert outcome(caller.send(changed[change])) == AUTHENTICATION_FAILED


def test_a_wrong_key_is_refused_with_what_the_service_signed(caller: Caller) -> None:
    answer = caller.send(caller.signed(caller.request(), key="d3Jvbmc="))
    assert outcome(answer) == AUTHENTICATION_FAILED
    assert (
        b"is not the same as any computed signature. Server used following string to sign: 'GET"
        in answer.body
    )
    assert caller.key.encode() not in answer.body


def test_a_signature_for_another_account_is_refused(caller: Caller) -> None:
    assert (
        outcome(caller.send(caller.signed(caller.request(), account="other")))
        == AUTHENTICATION_FAILED
    )


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (timedelta(minutes=-15), (200, "")),
        (timedelta(minutes=-15, seconds=-1), AUTHENTICATION_FAILED),
        (timedelta(minutes=15), (200, "")),
        (timedelta(minutes=15, seconds=1), AUTHENTICATION_FAILED),
    ],
)
def test_a_date_more_than_a_quarter_of_an_hour_away_is_refused(
    caller: Caller, offset: timedelta, expected: tuple[int, str]
) -> None:
    answer = caller.send(caller.signed(caller.request(format_datetime(NOW + offset, usegmt=True))))
    assert outcome(answer) == expected


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_request_without_a_readable_date_is_refused(caller: Caller, date: str) -> None:
    assert outcome(caller.send(caller.signed(caller.request(date)))) == AUTHENTICATION_FAILED


@pytest.mark.parametrize(
    "value", ["SharedKey", "SharedKey shopdata", "Basic c2hvcDpkYXRh", "SharedKeyLite a:b"]
)
def test_an_authorization_header_of_another_form_is_refused(caller: Caller, value: str) -> None:
    request = caller.request()
    answer = caller.send(replace(request, headers={**request.headers, "authorization": value}))
    assert outcome(answer) == (400, "InvalidAuthenticationInfo")


def test_an_anonymous_request_is_challenged(caller: Caller) -> None:
    answer = caller.send(caller.request())
    assert outcome(answer) == (401, "NoAuthenticationInformation")
    assert answer.headers["WWW-Authenticate"].startswith(
        "Bearer authorization_uri=https://login.microsoftonline.com/"
    )


def test_an_anonymous_request_of_an_old_version_is_told_that_nothing_is_public(
    caller: Caller,
) -> None:
    assert outcome(caller.send(caller.request(version="2019-07-07"))) == (
        409,
        "PublicAccessNotPermitted",
    )


def test_a_refusal_is_a_document_with_request_id_and_time(caller: Caller) -> None:
    answer = caller.send(caller.request())
    assert answer.headers["Content-Type"] == "application/xml"
    assert b"<Error><Code>NoAuthenticationInformation</Code><Message>" in answer.body
    assert (
        f"RequestId:{answer.headers['x-ms-request-id']}\nTime:2026-11-02T09:00:00".encode()
        in answer.body
    )


async def test_the_clients_of_microsoft_are_refused_with_a_wrong_key(
    simulated: SimulatedStorage,
) -> None:
    simulated.world.accounts[ACCOUNT].regenerate("key1")
    assert await refused(simulated.blobs.get_service_properties()) == AUTHENTICATION_FAILED
    assert await refused(simulated.queues.create_queue("events")) == AUTHENTICATION_FAILED


async def test_a_regenerated_key_works_once_it_has_propagated(simulated: SimulatedStorage) -> None:
    account = simulated.world.accounts[ACCOUNT]
    account.propagation = timedelta(seconds=20)
    blobs = client(
        simulated.world, AzureNamedKeyCredential(ACCOUNT, account.regenerate("key1").value)
    )
    simulated.clock.advance(19)
    assert await refused(blobs.get_service_properties()) == AUTHENTICATION_FAILED
    simulated.clock.advance(1)
    assert (await blobs.get_service_properties())["cors"] == []


async def test_the_other_key_is_untouched_by_a_regeneration(simulated: SimulatedStorage) -> None:
    simulated.world.accounts[ACCOUNT].regenerate("key2")
    assert (await simulated.blobs.get_service_properties())["cors"] == []


async def test_keys_are_useless_where_shared_key_access_is_off(simulated: SimulatedStorage) -> None:
    simulated.world.accounts[ACCOUNT].allow_shared_key_access = False
    expected = (403, "KeyBasedAuthenticationNotPermitted")
    assert await refused(simulated.blobs.get_service_properties()) == expected
    assert await refused(simulated.queues.create_queue("events")) == expected


async def test_a_closed_firewall_refuses_everybody(simulated: SimulatedStorage) -> None:
    simulated.world.accounts[ACCOUNT].network_default_action = "Deny"
    assert await refused(simulated.blobs.get_service_properties()) == (403, "AuthorizationFailure")


def client(
    world: Azure, credential: AzureNamedKeyCredential | SimulatedCredential
) -> BlobServiceClient:
    url = f"https://{ACCOUNT}.{world.domains.blob}"
    return BlobServiceClient(url, credential=credential, transport=SimulatedTransport(world))


@pytest.fixture
def world() -> Azure:
    """A world with one account."""
    azure = Azure(now=VirtualClock())
    azure.add_account(ACCOUNT)
    return azure


async def test_a_token_without_a_role_is_refused(world: Azure) -> None:
    stranger = SimulatedCredential(world, world.add_principal("stranger"))
    expected = (403, "AuthorizationPermissionMismatch")
    assert await refused(client(world, stranger).create_container("locks")) == expected


async def test_a_data_role_permits_its_own_actions_only(world: Azure) -> None:
    writer = world.add_principal("writer")
    scope = world.accounts[ACCOUNT].resource_id
    world.grant(writer, [f"{BLOB_ACTIONS}/write", f"{BLOB_ACTIONS}/blobs/write"], scope)
    blobs = client(world, SimulatedCredential(world, writer))
    blob = await (await blobs.create_container("locks")).upload_blob("lock", b"x")
    assert (await blob.acquire_lease(15)).id
    assert await refused(blob.download_blob()) == (403, "AuthorizationPermissionMismatch")


async def test_a_role_on_one_container_holds_there_only(world: Azure) -> None:
    owner = world.add_principal("owner")
    scope = f"{world.accounts[ACCOUNT].resource_id}/blobServices/default/containers/locks"
    world.grant(owner, [f"{BLOB_ACTIONS}/*"], scope)
    blobs = client(world, SimulatedCredential(world, owner))
    assert await (await blobs.create_container("locks")).exists()
    assert await refused(blobs.create_container("others")) == (
        403,
        "AuthorizationPermissionMismatch",
    )


async def test_a_queue_reader_peeks_but_neither_takes_nor_deletes(world: Azure) -> None:
    reader = world.add_principal("reader")
    world.grant(
        reader,
        [f"{QUEUE_ACTIONS}/read", f"{QUEUE_ACTIONS}/messages/read"],
        world.accounts[ACCOUNT].resource_id,
    )
    transport = SimulatedTransport(world)
    url = f"https://{ACCOUNT}.{world.domains.queue}"
    owner = QueueServiceClient(
        url, credential=world.accounts[ACCOUNT].keys["key1"].value, transport=transport
    )
    await (await owner.create_queue("events")).send_message("a")
    queue = QueueServiceClient(
        url, credential=SimulatedCredential(world, reader), transport=transport
    )
    messages = queue.get_queue_client("events")
    assert [message.content for message in await messages.peek_messages()] == ["a"]
    assert await refused(messages.receive_message()) == (403, "AuthorizationPermissionMismatch")
    assert await refused(messages.clear_messages()) == (403, "AuthorizationPermissionMismatch")


def bearer(world: Azure, token: str) -> tuple[int, str]:
    headers = {"x-ms-version": "2025-05-05", "authorization": f"Bearer {token}"}
    url = f"https://{ACCOUNT}.{world.domains.blob}/?comp=list"
    return outcome(world.handle(Request("GET", url, headers)))


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("https://storage.azure.com", (200, "")),
        ("https://storage.azure.com/", (200, "")),
        (f"https://{ACCOUNT}.blob.core.windows.net", (200, "")),
        ("https://other.blob.core.windows.net", (401, "InvalidAuthenticationInfo")),
        ("https://vault.azure.net", (401, "InvalidAuthenticationInfo")),
    ],
)
def test_a_token_must_be_for_storage_or_for_the_account(
    world: Azure, audience: str, expected: tuple[int, str]
) -> None:
    reader = world.add_principal("reader")
    world.grant(reader, [f"{BLOB_ACTIONS}/read"], world.accounts[ACCOUNT].resource_id)
    assert bearer(world, world.identities.token_for(audience, reader)) == expected


def test_a_token_that_was_made_up_is_refused(world: Azure) -> None:
    assert bearer(world, "made.up.token") == (401, "InvalidAuthenticationInfo")


def test_a_token_that_has_run_out_is_refused() -> None:
    clock = VirtualClock()
    world = Azure(now=clock)
    world.add_account(ACCOUNT)
    reader = world.add_principal("reader")
    world.grant(reader, [f"{BLOB_ACTIONS}/read"], world.accounts[ACCOUNT].resource_id)
    token = world.identities.token_for("https://storage.azure.com", reader)
    assert bearer(world, token) == (200, "")
    clock.advance(world.identities.life.total_seconds())
    assert bearer(world, token) == (401, "InvalidAuthenticationInfo")


def test_an_account_in_the_path_is_found_too(caller: Caller) -> None:
    """The address style of emulators and of private endpoints by IP."""
    url = f"https://blob.core.windows.net/{ACCOUNT}/?restype=service&comp=properties"
    assert caller.send(caller.signed(replace(caller.request(), url=url))).status == 200


def test_an_unknown_account_in_the_path_is_not_found(caller: Caller) -> None:
    url = "https://blob.core.windows.net/nobody/?restype=service&comp=properties"
    assert outcome(caller.send(replace(caller.request(), url=url))) == (404, "ResourceNotFound")


@pytest.mark.parametrize(
    ("query", "method", "expected"),
    [
        ("comp=nonsense", "GET", (400, "InvalidQueryParameterValue")),
        ("restype=service", "POST", (405, "UnsupportedHttpVerb")),
    ],
)
def test_an_unknown_operation_is_refused(
    caller: Caller, query: str, method: str, expected: tuple[int, str]
) -> None:
    url = f"https://{ACCOUNT}.blob.core.windows.net/?{query}"
    request = replace(caller.request(), url=url, method=method)
    assert outcome(caller.send(caller.signed(request))) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (400, "MissingRequiredHeader")),
        ({"x-ms-blob-type": "PageBlob"}, (400, "InvalidHeaderValue")),
        ({"x-ms-blob-type": "BlockBlob", "content-md5": "AAAA"}, (400, "Md5Mismatch")),
        ({"x-ms-blob-type": "BlockBlob", "if-modified-since": "soon"}, (400, "InvalidHeaderValue")),
        ({"x-ms-blob-type": "BlockBlob", "x-ms-meta-a-b": "1"}, (400, "InvalidMetadata")),
        ({"x-ms-blob-type": "BlockBlob", "x-ms-lease-id": "mine"}, (400, "InvalidHeaderValue")),
        ({"x-ms-blob-type": "BlockBlob"}, (201, "")),
    ],
)
def test_a_put_with_wrong_headers_is_refused(
    caller: Caller, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert caller.put("locks?restype=container") == (201, "")
    assert caller.put("locks/lock", {"x-ms-blob-type": "BlockBlob"}) == (201, "")
    assert caller.put("locks/lock", headers) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, (400, "MissingRequiredHeader")),
        ({"x-ms-lease-action": "steal"}, (400, "InvalidHeaderValue")),
        ({"x-ms-lease-action": "acquire"}, (400, "MissingRequiredHeader")),
        (
            {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "long"},
            (400, "InvalidHeaderValue"),
        ),
        ({"x-ms-lease-action": "renew"}, (400, "MissingRequiredHeader")),
        ({"x-ms-lease-action": "change", "x-ms-lease-id": GUID}, (400, "MissingRequiredHeader")),
        ({"x-ms-lease-action": "acquire", "x-ms-lease-duration": "15"}, (201, "")),
    ],
)
def test_a_lease_request_with_wrong_headers_is_refused(
    caller: Caller, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert caller.put("locks?restype=container") == (201, "")
    assert caller.put("locks/lock", {"x-ms-blob-type": "BlockBlob"}) == (201, "")
    assert caller.put("locks/lock?comp=lease", headers) == expected


@pytest.mark.parametrize(
    "body", [b"", b"text", b"<Other><MessageText>a</MessageText></Other>", b"<QueueMessage />"]
)
def test_a_message_that_is_not_the_documented_xml_is_refused(caller: Caller, body: bytes) -> None:
    assert caller.put("events", service="queue") == (201, "")
    url = f"https://{ACCOUNT}.queue.core.windows.net/events/messages"
    request = replace(caller.request(), url=url, method="POST", body=body)
    assert outcome(caller.send(caller.signed(request))) == (400, "InvalidXmlDocument")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "MissingRequiredQueryParameter"),
        ("visibilitytimeout=1", "MissingRequiredQueryParameter"),
        ("visibilitytimeout=soon&popreceipt=a", "InvalidQueryParameterValue"),
    ],
)
def test_an_update_without_its_parameters_is_refused(caller: Caller, query: str, code: str) -> None:
    assert caller.put("events", service="queue") == (201, "")
    assert caller.put(f"events/messages/some-id?{query}", service="queue") == (400, code)
