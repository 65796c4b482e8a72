"""Microsoft.Storage: read and list accounts, list and regenerate their keys."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.arm.storage_shapes import account_body, keys_body
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.storage.accounts import StorageAccount
    from simulator.world import World

KIND = "Microsoft.Storage/storageAccounts"
API_VERSIONS = (
    *(
        "2015-06-15",
        "2016-01-01",
        "2016-12-01",
        "2017-06-01",
        "2017-10-01",
        "2018-02-01",
        "2018-07-01",
        "2018-11-01",
    ),
    *(
        "2019-04-01",
        "2019-06-01",
        "2020-08-01-preview",
        "2021-01-01",
        "2021-02-01",
        "2021-04-01",
        "2021-06-01",
    ),
    *(
        "2021-08-01",
        "2021-09-01",
        "2022-05-01",
        "2022-09-01",
        "2023-01-01",
        "2023-04-01",
        "2023-05-01",
        "2024-01-01",
    ),
    *("2025-01-01", "2025-06-01", "2025-08-01", "2026-04-01", "2026-09-01"),
)
RESOURCE = re.compile(r"storageAccounts(/(?P<name>[^/]+)(/(?P<operation>[^/]+))?)?", re.IGNORECASE)
HEADERS = {
    "Content-Type": "application/json",
    "Server": (
        "Microsoft-Azure-Storage-Resource-Provider/1.0,Microsoft-HTTPAPI/2.0 Microsoft-HTTPAPI/2.0"
    ),
    "Vary": "Accept-Encoding",
}


class StorageProvider:
    """Answers for the world's storage accounts."""

    namespace = "Microsoft.Storage"

    def __init__(self, world: World) -> None:
        self._world = world
        self.page_size = 1000

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for storage accounts, oldest first."""
        return API_VERSIONS if kind.lower() == "storageaccounts" else ()

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against, as the recorded headers name it."""
        if call.request.method == "GET":
            return "reads"
        return "resource-requests" if call.path.lower().endswith("/listkeys") else "writes"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """Answer one operation; refuse any other path or method."""
        match = RESOURCE.fullmatch(call.path)
        name, operation = (
            (match["name"], (match["operation"] or "").lower()) if match else (None, "")
        )
        match call.request.method, name, bool(call.group), operation:
            case "GET", None, _, "":
                return _answer(self._list(call, principal))
            case "GET", str(), True, "":
                return _answer(
                    account_body(
                        self._account(call, principal, name, "read"), self._world, call.api_version
                    )
                )
            case "POST", str(), True, "listkeys":
                account = self._account(call, principal, name, "listKeys/action")
                return _answer(keys_body(account, call.api_version))
            case "POST", str(), True, "regeneratekey":
                account = self._account(call, principal, name, "regenerateKey/action")
                account.regenerate(_key_name(call, account))
                return _answer(keys_body(account, call.api_version))
            case _:
                raise errors.invalid_type(self.namespace, call.api_version)

    def _account(
        self, call: ArmRequest, principal: Principal, name: str, action: str
    ) -> StorageAccount:
        scope = f"{call.group_scope}/providers/{KIND}/{name}"
        check_role(self._world, principal, f"{KIND}/{action}", scope)
        check_group(self._world, call)
        account = self._world.accounts.get(name.lower())
        if account is None or account.resource_id.lower() != scope.lower():
            raise errors.resource_not_found(KIND, name, call.group)
        return account

    def _list(self, call: ArmRequest, principal: Principal) -> dict[str, Any]:
        readable = list(self._readable(call, principal))
        if not readable:
            check_role(self._world, principal, f"{KIND}/read", call.group_scope)
        if call.group:
            check_group(self._world, call)
        bodies = [account_body(account, self._world, call.api_version) for account in readable]
        return page(call, self._world.domains.arm, bodies, self.page_size)

    def _readable(self, call: ArmRequest, principal: Principal) -> Iterator[StorageAccount]:
        # A list silently omits what the caller may not read.
        for account in self._world.accounts.values():
            inside = account.resource_id.lower().startswith(f"{call.group_scope}/".lower())
            if inside and self._world.roles.find(principal, f"{KIND}/read", account.resource_id):
                yield account


def _key_name(call: ArmRequest, account: StorageAccount) -> str:
    try:
        body = json.loads(call.request.body)
    except ValueError as error:
        raise errors.invalid_content(str(error)) from None
    name = body.get("keyName") if isinstance(body, dict) else None
    if not isinstance(name, str) or name not in account.keys:
        raise errors.invalid_values("keyName")
    return name


def _answer(body: dict[str, Any]) -> Response:
    return json_response(200, body, HEADERS)
