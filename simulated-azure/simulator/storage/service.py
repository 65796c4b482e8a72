"""What the blob and the queue service share: find the account, route, authorise, answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from simulator.storage.access import Gate
from simulator.storage.wire import (
    Envelope,
    StorageError,
    element,
    operation_refused,
    text,
    whole_number,
)
from simulator.wire import Request, Response

if TYPE_CHECKING:
    from datetime import datetime

    from simulator.storage.accounts import StorageAccount
    from simulator.world import World

PAGE = 5000
"""The maximum number of items in one page of a listing."""


@dataclass(frozen=True)
class Call:
    """One request to an account's service.

    `path` is the resource inside the account, without a leading slash.
    """

    request: Request
    account: StorageAccount
    path: str
    now: datetime

    @property
    def container(self) -> str:
        """The first segment of the path: a container's or a queue's name."""
        return self.path.partition("/")[0]

    @property
    def rest(self) -> str:
        """What follows the first segment: a blob's name, or messages and a message's id."""
        return self.path.partition("/")[2]

    @property
    def comp(self) -> str:
        """The query's comp: the part of the resource."""
        return "&".join(
            filter(
                None, (self.request.query.get("restype", ""), self.request.query.get("comp", ""))
            )
        )


@dataclass(frozen=True)
class Route:
    """An operation, and the actions of which the caller's role must permit one."""

    handler: Callable[[Call], Response]
    actions: tuple[str, ...]


class StorageService(ABC):
    """One service of all storage accounts.

    A subclass sets `server` and `provider`, and finds a call's route.
    """

    server = ""
    provider = ""

    def __init__(self, world: World, domain: str) -> None:
        self.world = world
        self.domain = domain
        self._gate = Gate(world, domain)
        self._envelope = Envelope(self.server)

    def answers(self, host: str) -> bool:
        """Return whether the host is the service's, with the account in the path or in the name."""
        return host == self.domain or (
            host.endswith(f".{self.domain}") and self._account_of(host) in self.world.accounts
        )

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        now = self.world.now()
        try:
            response = self._serve(request, now)
        except StorageError as error:
            return self._envelope.refuse(request, error, now)
        return self._envelope.seal(request, response, now)

    @abstractmethod
    def route(self, call: Call) -> Route | None:
        """Return the operation for a call; None if it does not exist."""

    def _serve(self, request: Request, now: datetime) -> Response:
        call = self._locate(request, now)
        route = self.route(call)
        self._gate.check(request, call.account, route.actions if route else (), self._scope(call))
        if route is None:
            raise operation_refused(request)
        return route.handler(call)

    def _locate(self, request: Request, now: datetime) -> Call:
        name, path = self._account_of(request.host), request.path.removeprefix("/")
        if request.host == self.domain:
            name, _, path = path.partition("/")
        if name not in self.world.accounts:
            raise StorageError(404, "ResourceNotFound", "The specified resource does not exist.")
        return Call(request, self.world.accounts[name], path, now)

    def _account_of(self, host: str) -> str:
        return host.removesuffix(f".{self.domain}")

    def _scope(self, call: Call) -> str:
        service, kind = self.provider.split("/")
        below = f"/{service}/default/{kind}/{call.container}" if call.container else ""
        return f"{call.account.resource_id}{below}"


def listing(
    call: Call, names: Iterable[str], plural: str, describe: Callable[[str], str], **attributes: str
) -> str:
    """Return one page of a listing in XML.

    It holds the names that start with `prefix`, in order, beginning at `marker`.
    """
    query = call.request.query
    limit = whole_number(call.request, "maxresults", PAGE, range(1, PAGE + 1))
    prefix, marker = query.get("prefix", ""), query.get("marker", "")
    matching = sorted(name for name in names if name.startswith(prefix) and name >= marker)
    page, following = matching[:limit], matching[limit : limit + 1]
    echoed = [text(tag, query[key]) for key, tag in _ECHOED.items() if query.get(key)]
    items = element(plural, *map(describe, page))
    return element(
        "EnumerationResults",
        *echoed,
        items,
        element("NextMarker", *map(escape, following)),
        **attributes,
    )


_ECHOED: Mapping[str, str] = {"prefix": "Prefix", "marker": "Marker", "maxresults": "MaxResults"}
