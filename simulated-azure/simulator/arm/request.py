"""The parts of a request's path: subscription, group, provider, type, name, operation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.wire import Request

PATH = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)"
    r"(/resourceGroups/(?P<group>[^/]+))?"
    r"(/providers/(?P<namespace>[^/]+)/(?P<path>.+?))?/?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ArmRequest:
    """The parts of an ARM path, as the client spelt them; missing parts are empty.

    `path` is what follows the provider's namespace, such as storageAccounts/name/listKeys.
    """

    request: Request
    subscription: str
    group: str
    namespace: str
    path: str

    @property
    def kind(self) -> str:
        """The type of resource: the first segment after the namespace."""
        return self.path.partition("/")[0]

    @property
    def api_version(self) -> str:
        """The api-version in the query."""
        return self.request.query.get("api-version", "")

    @property
    def group_scope(self) -> str:
        """The scope of the resource group, or of the subscription if the path names no group."""
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"


def parse(request: Request) -> ArmRequest | None:
    """Return the parts of a subscription's path; None for any other path. Case is ignored."""
    match = PATH.fullmatch(request.path)
    return (
        ArmRequest(request, **{name: part or "" for name, part in match.groupdict().items()})
        if match
        else None
    )
