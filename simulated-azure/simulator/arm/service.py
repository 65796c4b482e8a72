"""The gateway: it checks token, api-version, subscription and rate, then calls the provider.

The provider checks the caller's role before it looks up a resource.
"""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from simulator.arm import authorization, clouds, errors, metadata, tenants
from simulator.arm.request import ArmRequest, parse
from simulator.identity import HOME_TENANT, Principal, bearer
from simulator.rates import Rate
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.world import World

API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-\w+)?")
HOUR = timedelta(hours=1)
GATEWAY_HEADERS = {
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Expires": "-1",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


class Provider(Protocol):
    """One resource provider, such as Microsoft.Storage."""

    namespace: str

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the api-versions of a type, oldest first; empty if the type does not exist."""
        ...

    def rate(self, call: ArmRequest) -> str:
        """Return the rate that a request counts against: reads, writes or resource-requests."""
        ...

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """Answer a request that has passed the gateway; raise arm.errors.ArmError to refuse it."""
        ...


class ArmService:
    """Resource Manager, with one provider for each namespace.

    `rates` limits the requests of each subscription and hour. `retry_after` is the number of
    seconds that a 429 asks the caller to wait.
    """

    def __init__(self, world: World, *providers: Provider) -> None:
        self._world = world
        self.providers = {provider.namespace.lower(): provider for provider in providers}
        self.limits = {"reads": 12_000, "writes": 1_200, "resource-requests": 12_000}
        self.retry_after = 300
        self.subscriptions: Callable[[Request, Principal], Response | None] = lambda *_: None
        """Answers for what a subscription holds directly, such as its groups."""
        self.single_factor: set[str] = set()
        """The object ids of people who signed in without a second factor: they may only look."""
        self._rates: dict[tuple[str, str], Rate] = {}

    def answers(self, host: str) -> bool:
        """Return whether the host is Resource Manager's."""
        return host.removesuffix(":443") == self._world.domains.arm

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        identity = {"x-ms-request-id": self._id(), "x-ms-correlation-request-id": self._id()}
        headers = GATEWAY_HEADERS | identity
        try:
            response = self._serve(request)
        except errors.ArmError as refusal:
            cause = {"x-ms-failure-cause": "gateway"}
            return json_response(
                refusal.status, refusal.body(), headers | cause | dict(refusal.headers)
            )
        return Response(response.status, headers | dict(response.headers), response.body)

    def _serve(self, request: Request) -> Response:
        if request.method == "GET" and request.path.rstrip("/").lower() == metadata.PATH:
            return metadata.answer(self._world.domains, request.query.get("api-version", ""))
        principal = self._authenticated(request)
        _check_api_version(request)
        _check_media_type(request)
        if (listing := tenants.answer(self._world, request, principal)) is not None:
            return listing
        if (held := self.subscriptions(request, principal)) is not None:
            return held
        if (roles := authorization.answer(self._world, request, principal)) is not None:
            return roles
        call = parse(request)
        if call is None:
            raise errors.invalid_namespace(request.path.strip("/").partition("/")[0])
        self._check_subscription(call)
        provider = self._provider(call)
        kind = provider.rate(call)
        self._count(call, kind)
        answer = provider.handle(call, principal)
        left = str(self._rate(call, kind).remaining(self._world.now()))
        return Response(
            answer.status,
            {f"x-ms-ratelimit-remaining-subscription-{kind}": left} | dict(answer.headers),
            answer.body,
        )

    def _authenticated(self, request: Request) -> Principal:
        token = bearer(request.header("authorization"))
        authority = f"https://{self._world.domains.login}/{HOME_TENANT}"
        if token is None:
            raise errors.no_token(authority)
        audiences = self._audiences()
        result = self._world.identities.examine(token, *audiences, exact=True)
        if not isinstance(result, Principal):
            raise errors.bad_token(authority, result, audiences, self._world.now())
        if result.oid in self.single_factor and request.method not in ("GET", "HEAD"):
            raise errors.second_factor(authority)
        return result

    def _audiences(self) -> tuple[str, ...]:
        own = f"https://{self._world.domains.arm}"
        classic = "https://management.core.windows.net"
        return (f"{classic}/", classic, f"{own}/", own)

    def _check_subscription(self, call: ArmRequest) -> None:
        try:
            uuid.UUID(call.subscription)
        except ValueError:
            raise errors.invalid_subscription_id(call.subscription) from None
        if call.subscription.lower() not in self._world.groups:
            raise errors.subscription_not_found(call.subscription)

    def _provider(self, call: ArmRequest) -> Provider:
        provider = self.providers.get(call.namespace.lower())
        if provider is None:
            raise errors.invalid_namespace(call.namespace)
        supported = provider.api_versions(call.kind)
        if not supported:
            raise errors.invalid_type(provider.namespace, call.api_version)
        cloud = clouds.cloud_of(self._world.domains.arm)
        here = clouds.offered(cloud, provider.namespace, supported)
        if call.api_version not in here:
            raise errors.no_registered_provider(call.api_version, call.kind, here, "westeurope")
        return provider

    def _count(self, call: ArmRequest, kind: str) -> None:
        rate = self._rate(call, kind)
        if not rate.take(self._world.now()):
            raise errors.throttled(
                kind.removesuffix("s"), call.subscription, rate.limit, self.retry_after
            )

    def _rate(self, call: ArmRequest, kind: str) -> Rate:
        rate = self._rates.setdefault(
            (call.subscription.lower(), kind), Rate(self.limits[kind], HOUR)
        )
        rate.limit = self.limits[kind]
        return rate

    def _id(self) -> str:
        return str(uuid.UUID(bytes=self._world.entropy(16), version=4))


def check_group(world: World, call: ArmRequest) -> None:
    """Refuse a resource group that does not exist; call it after the role check."""
    if call.group.lower() not in world.groups[call.subscription.lower()]:
        raise errors.group_not_found(call.group)


def check_role(world: World, principal: Principal, action: str, scope: str) -> None:
    """Refuse a caller who may not take the action at the scope."""
    if world.roles.find(principal, action, scope) is None:
        raise errors.authorization_failed(principal, action, scope)


def _check_media_type(request: Request) -> None:
    media = request.header("content-type").partition(";")[0].strip().lower()
    if request.body and media != "application/json":
        raise errors.unsupported_media_type(media or "<null>")


def _check_api_version(request: Request) -> None:
    version = request.query.get("api-version")
    if not version:
        raise errors.missing_api_version()
    if not API_VERSION.fullmatch(version):
        raise errors.invalid_api_version(
            version, ("2022-12-01", "2022-09-01", "2021-04-01", "2021-01-01", "2020-10-01")
        )
