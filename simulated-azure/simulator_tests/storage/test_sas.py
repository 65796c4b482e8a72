"""Signatures of Microsoft's own packages at the simulated account, and what it refuses of them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.storage.blob import (
    AccountSasPermissions,
    BlobSasPermissions,
    ContainerSasPermissions,
    ResourceTypes,
    Services,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)
from azure.storage.queue import QueueSasPermissions, generate_queue_sas

from simulator.azure import Azure, build_world
from simulator.clock import VirtualClock
from simulator.wire import Request, Response

BLOB, QUEUE = "https://appdata.blob.core.windows.net", "https://appdata.queue.core.windows.net"
LIST = f"{BLOB}/uploads?restype=container&comp=list"
OBJECT = f"{BLOB}/uploads/a.txt"
MESSAGES = f"{QUEUE}/jobs/messages"


class Account:
    """A simulated account with the container `uploads` and the queue `jobs`."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.world: Azure = build_world(self.clock.now)
        self.account = self.world.add_account("appdata")
        whole = self.of_account("rwdlacup", "sco", "bq")
        assert self.ask("PUT", f"{BLOB}/uploads?restype=container", whole).status == 201
        assert self.ask("PUT", f"{QUEUE}/jobs", whole).status == 201
        headers = {"x-ms-blob-type": "BlockBlob"}
        assert self.ask("PUT", OBJECT, whole, headers=headers).status == 201

    @property
    def key(self) -> str:
        return self.account.keys["key1"].value

    def ends(self, hours: float = 1) -> datetime:
        return self.clock.now() + timedelta(hours=hours)

    def of_account(self, permissions: str, types: str, services: str, **options: Any) -> str:
        return generate_account_sas(
            "appdata",
            self.key,
            resource_types=ResourceTypes.from_string(types),  # type: ignore[no-untyped-call]
            permission=AccountSasPermissions.from_string(permissions),  # type: ignore[no-untyped-call]
            services=Services.from_string(services),  # type: ignore[no-untyped-call]
            **{"expiry": self.ends(), **options},
        )

    def of_container(self, permissions: str, name: str = "uploads", **options: Any) -> str:
        return generate_container_sas(
            "appdata",
            name,
            account_key=self.key,
            permission=ContainerSasPermissions.from_string(permissions),
            **{"expiry": self.ends(), **options},
        )

    def of_blob(self, permissions: str, name: str = "a.txt", **options: Any) -> str:
        return generate_blob_sas(
            "appdata",
            "uploads",
            name,
            account_key=self.key,
            permission=BlobSasPermissions.from_string(permissions),
            **{"expiry": self.ends(), **options},
        )

    def of_queue(self, permissions: str, name: str = "jobs", **options: Any) -> str:
        permission = QueueSasPermissions.from_string(permissions)
        return generate_queue_sas(
            "appdata", name, self.key, permission, **{"expiry": self.ends(), **options}
        )

    def ask(
        self, method: str, url: str, token: str, headers: dict[str, str] | None = None
    ) -> Response:
        """Send one request that the token alone permits."""
        joined = f"{url}{'&' if '?' in url else '?'}{token}"
        return self.world.handle(
            Request(method, joined, {"x-ms-version": "2022-11-02", **(headers or {})})
        )

    def code(self, method: str, url: str, token: str) -> str:
        """Return the code of a refusal; empty where there is none."""
        answer = self.ask(method, url, token)
        match = re.search(r"<Code>(\w+)</Code>", answer.body.decode("utf-8-sig"))
        return match[1] if match else ""


@pytest.fixture
def account() -> Account:
    return Account()


def test_each_permission_is_needed_for_what_it_allows(account: Account) -> None:
    cases = [
        ("GET", LIST, account.of_container, "l"),
        ("GET", OBJECT, account.of_container, "r"),
        ("GET", OBJECT, account.of_blob, "r"),
        ("DELETE", OBJECT, account.of_blob, "d"),
        ("GET", f"{QUEUE}/jobs?comp=metadata", account.of_queue, "r"),
        ("GET", f"{MESSAGES}?peekonly=true", account.of_queue, "r"),
        ("GET", MESSAGES, account.of_queue, "p"),
    ]
    for method, url, make, letter in cases:
        others = "".join(other for other in "raup" if other != letter)
        if make is not account.of_queue:
            others = "".join(other for other in "racwdl" if other != letter)
            others = others.replace("l", "") if make is account.of_blob else others
        assert account.code(method, url, make(others)) == "AuthorizationPermissionMismatch", url
        assert account.code(method, url, make(letter)) == "", url


def test_an_account_signature_is_held_to_its_services_and_types(account: Account) -> None:
    properties = f"{BLOB}/?restype=service&comp=properties"
    assert account.code("GET", properties, account.of_account("r", "s", "b")) == ""
    for types, services, code in (
        ("co", "b", "AuthorizationResourceTypeMismatch"),
        ("s", "q", "AuthorizationServiceMismatch"),
    ):
        token = account.of_account("r", types, services)
        assert account.code("GET", properties, token) == code
    token = account.of_account("w", "s", "b")
    assert account.code("GET", properties, token) == "AuthorizationPermissionMismatch"


def test_a_service_signature_reaches_nothing_else(account: Account) -> None:
    wrong = "AuthenticationFailed"
    assert account.code("GET", LIST, account.of_container("l", "others")) == wrong
    assert account.code("GET", OBJECT, account.of_blob("r", "b.txt")) == wrong
    assert account.code("GET", LIST, account.of_blob("r")) == wrong
    assert account.code("GET", MESSAGES, account.of_queue("p", "tasks")) == wrong
    assert account.code("GET", MESSAGES, account.of_container("r")) == wrong


def test_a_signature_counts_only_in_its_time(account: Account) -> None:
    token = account.of_container("l", start=account.ends(0.5))
    assert account.code("GET", LIST, token) == "AuthenticationFailed"
    account.clock.advance(1800)
    assert account.code("GET", LIST, token) == ""
    account.clock.advance(1800)
    assert account.code("GET", LIST, token) == "AuthenticationFailed"


def test_a_signature_ends_with_its_key(account: Account) -> None:
    token = account.of_container("l", expiry=account.ends(1000))
    account.account.regenerate("key2")
    assert account.code("GET", LIST, token) == ""
    account.account.regenerate("key1")
    assert account.code("GET", LIST, token) == "AuthenticationFailed"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token.replace("sp=l", "sp=rl"),
        lambda token: token.replace("sr=c", "sr=b"),
        lambda token: re.sub(r"se=\d{4}", "se=2099", token),
        lambda token: re.sub(r"sv=[\d-]+", "sv=2022-11-02", token),
        lambda token: re.sub(r"sv=[\d-]+", "sv=2015-04-05", token),
        lambda token: re.sub(r"sig=.*", "sig=AAAA", token),
        lambda token: f"{token}&si=policy",
        lambda token: f"{token}&sip=1.2.3.4",
        lambda token: f"{token}&spr=https",
    ],
)
def test_a_changed_signature_is_refused(account: Account, change: Any) -> None:
    token = account.of_container("l")
    assert account.code("GET", LIST, token) == ""
    assert account.code("GET", LIST, change(token)) == "AuthenticationFailed"


def test_a_signature_is_held_to_its_protocol_and_addresses(account: Account) -> None:
    token = account.of_container("l", protocol="https")
    assert account.code("GET", LIST, token) == ""
    plain = LIST.replace("https:", "http:")
    assert account.code("GET", plain, token) == "AuthorizationProtocolMismatch"
    elsewhere = account.of_container("l", ip="10.0.0.1-10.0.0.9")
    assert account.code("GET", LIST, elsewhere) == "AuthorizationSourceIPMismatch"
    assert account.code("GET", LIST, account.of_container("l", ip="203.0.113.0-203.0.113.9")) == ""


def test_an_account_without_shared_keys_takes_no_signature(account: Account) -> None:
    account.account.allow_shared_key_access = False
    code = account.code("GET", LIST, account.of_container("l"))
    assert code == "KeyBasedAuthenticationNotPermitted"


@pytest.mark.parametrize("service", ["table", "file"])
def test_an_account_signature_is_checked_at_every_service(account: Account, service: str) -> None:
    url = f"https://appdata.{service}.core.windows.net/?restype=service&comp=properties"

    def code(token: str) -> str:
        body = account.ask("GET", url, token).body.decode("utf-8-sig")
        match = re.search(r'<Code>(\w+)<|"code": ?"(\w+)"', body)
        return (match[1] or match[2]) if match else ""

    def token(permissions: str, types: str, services: str) -> str:
        return generate_account_sas(
            "appdata",
            account.key,
            ResourceTypes.from_string(types),  # type: ignore[no-untyped-call]
            AccountSasPermissions.from_string(permissions),  # type: ignore[no-untyped-call]
            account.ends(),
            services=services,
        )

    assert code(token("r", "s", service[0])) == ""
    assert code(token("r", "s", "b")) == "AuthorizationServiceMismatch"
    assert code(token("r", "co", service[0])) == "AuthorizationResourceTypeMismatch"
    assert code(token("w", "s", service[0])) == "AuthorizationPermissionMismatch"
    assert code(token("r", "s", service[0]).replace("sp=r", "sp=rw")) == "AuthenticationFailed"
