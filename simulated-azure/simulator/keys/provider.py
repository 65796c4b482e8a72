"""The provider of every type with two keys: reads and lists resources, lists and replaces keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.keys.contracts import CONTRACTS, Contract
from simulator.keys.shapes import account_body, child_body, key_body, keys_body
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.keys.accounts import KeyedAccount, KeyRing, Pending
    from simulator.world import World

PAGE = 100
NAMED = 2
"""A type and a name."""
PAIRED = {"regenerateprimarykey": "Primary", "regeneratesecondarykey": "Secondary"}
"""The operations of a service that has one for each key."""


class KeysProvider:
    """Answers for one namespace."""

    def __init__(self, world: World, namespace: str) -> None:
        self._world = world
        self.namespace = namespace
        self._begun: list[tuple[KeyedAccount, Pending]] = []
        """The changes that went on after their answer, by their number."""

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for a type, oldest first."""
        if kind.lower() == "locations":
            return tuple(sorted({version for row in self._rows() for version in row.versions}))
        contract = self._contract(kind)
        return contract.versions if contract else ()

    def rate(self, call: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return "reads" if call.request.method == "GET" else "writes"

    def handle(self, call: ArmRequest, principal: Principal) -> Response:
        """Read or list resources, list keys, or replace one."""
        contract, parts = self._contract(call.kind), call.path.split("/")
        if call.kind.lower() == "locations":
            return self._operation(call, principal, parts[NAMED:])
        assert contract  # noqa: S101 - the gateway has asked for its versions
        if call.request.method == "GET" and len(parts) <= NAMED:
            return (
                self._read(call, principal, contract)
                if parts[1:]
                else self._list(call, principal, contract)
            )
        if call.request.method == "GET":
            return self._below(call, principal, contract, parts)
        if call.request.method != "POST" or len(parts) <= NAMED:
            raise errors.invalid_type(self.namespace, call.api_version)
        return self._act(call, principal, contract, parts)

    def _act(
        self, call: ArmRequest, principal: Principal, contract: Contract, parts: list[str]
    ) -> Response:
        if contract.replies == "empty" and parts[-1].lower() in PAIRED:
            return self._act_on(call, principal, contract, parts, PAIRED[parts[-1].lower()])
        return self._act_on(call, principal, contract, parts)

    def _act_on(
        self,
        call: ArmRequest,
        principal: Principal,
        contract: Contract,
        parts: list[str],
        replaced: str = "",
    ) -> Response:
        named = not contract.asks and contract.replies != "empty"
        in_path = named and parts[-2].lower() == contract.replaces.lower()
        operation, path = (parts[-2], parts[2:-2]) if in_path else (parts[-1], parts[2:-1])
        below = "/".join(path[::2])
        kinds = [contract.kind, *([below] if below else [])]
        known = (
            below.lower() in [child.lower() for child in contract.children]
            if below
            else not contract.children
        )
        listing = operation.lower() == contract.lists.lower()
        replacing = bool(replaced) or operation.lower() == contract.replaces.lower()
        if not known or not (listing or replacing):
            raise errors.invalid_type(self.namespace, call.api_version)
        check_role(
            self._world,
            principal,
            f"{'/'.join(kinds)}/{operation}/action",
            self._scope(call, parts[: NAMED + len(path)]),
        )
        account = self._account(call, parts[1])
        ring = account.ring("/".join(path))
        if ring is None:
            raise errors.resource_not_found(
                "/".join(kinds), "/".join([parts[1], *path[1::2]]), call.group
            )
        if not account.takes_keys and contract.keyless == "refuses":
            raise errors.ArmError(400, "BadRequest", f"Keys are disabled: {contract.switch}.")
        if listing:
            return json_response(200, keys_body(account, ring))
        slot = replaced or (parts[-1] if in_path else _named(call, contract))
        return self._replace(call, account, ring, slot)

    def _replace(
        self, call: ArmRequest, account: KeyedAccount, ring: KeyRing, named: object
    ) -> Response:
        contract = account.contract
        by_name = {sent: slot for slot, sent in contract.slots.items()}
        if contract.asks == "id":
            by_name = {key.identity: slot for slot, key in ring.keys.items()}
        if not isinstance(named, str) or named not in by_name:
            raise errors.ArmError(
                400, "BadRequest", f"The value of '{contract.asks or 'keyKind'}' is not valid."
            )
        if account.pending:
            raise _in_progress(account)
        key = account.replace(ring, by_name[named])
        if key is None:
            self._begun.append((account, account.pending[ring.path.lower()]))
            location = f"providers/{self.namespace}/locations/westeurope"
            path = f"{call.group_scope}/{location}/operationStatuses/{len(self._begun)}"
            address = f"https://{self._world.domains.arm}{path}?api-version={call.api_version}"
            headers = {"Location": address, "Azure-AsyncOperation": address, "Retry-After": "10"}
            return json_response(202, {}, headers)
        if contract.replies == "empty":
            return Response(204)
        single = contract.replies == "one"
        return json_response(
            200, key_body(account, ring, by_name[named]) if single else keys_body(account, ring)
        )

    def _operation(self, call: ArmRequest, principal: Principal, parts: list[str]) -> Response:
        """Say how far a change has come that was answered with 202."""
        number = parts[1] if len(parts) == NAMED and parts[0] == "operationStatuses" else ""
        if call.request.method != "GET" or not number.isdecimal():
            raise errors.invalid_type(self.namespace, call.api_version)
        if not 0 < int(number) <= len(self._begun):
            raise errors.resource_not_found(f"{self.namespace}/operationStatuses", number, "")
        account, change = self._begun[int(number) - 1]
        check_role(self._world, principal, f"{account.contract.kind}/read", account.resource_id)
        ended = "Failed" if account.fails else "Succeeded"
        state = ended if change.ends <= self._world.now() else "InProgress"
        return json_response(200, {"name": number, "status": state})

    def _below(
        self, call: ArmRequest, principal: Principal, contract: Contract, parts: list[str]
    ) -> Response:
        """List or read what has keys below a resource, without them; or read an API."""
        kind, *name = parts[NAMED:]
        known = [child.lower() for child in (*contract.children, "apis") if "/" not in child]
        if kind.lower() not in known or name[1:]:
            raise errors.invalid_type(self.namespace, call.api_version)
        scope = self._scope(call, parts[:NAMED])
        check_role(self._world, principal, f"{contract.kind}/{kind}/read", scope)
        account = self._account(call, parts[1])
        if name and name[0] in account.apis and kind.lower() == "apis":
            return json_response(200, {"properties": {"path": account.apis[name[0]]}})
        inside = f"{kind}/{'/'.join(name)}".lower()
        rings = [ring for path, ring in account.rings.items() if path.startswith(inside)]
        if name and not any(ring.path.lower() == inside for ring in rings):
            raise errors.resource_not_found(f"{contract.kind}/{kind}", name[0], call.group)
        if name:
            return json_response(200, child_body(account, rings[0]))
        rows = [child_body(account, ring) for ring in rings]
        return json_response(200, page(call, self._world.domains.arm, rows, PAGE))

    def _read(self, call: ArmRequest, principal: Principal, contract: Contract) -> Response:
        name = call.path.split("/")[1]
        check_role(
            self._world, principal, f"{contract.kind}/read", self._scope(call, [call.kind, name])
        )
        return json_response(200, account_body(self._account(call, name), call.api_version))

    def _list(self, call: ArmRequest, principal: Principal, contract: Contract) -> Response:
        readable = list(self._readable(call, principal, contract))
        if not readable:
            check_role(self._world, principal, f"{contract.kind}/read", call.group_scope)
        if call.group:
            check_group(self._world, call)
        return json_response(200, page(call, self._world.domains.arm, readable, PAGE))

    def _readable(
        self, call: ArmRequest, principal: Principal, contract: Contract
    ) -> Iterator[dict[str, Any]]:
        for account in self._world.keyed.values():
            inside = account.resource_id.lower().startswith(f"{call.group_scope}/".lower())
            of_kind = account.contract.kind == contract.kind and inside
            if of_kind and self._world.roles.find(
                principal, f"{contract.kind}/read", account.resource_id
            ):
                yield account_body(account, call.api_version)

    def _account(self, call: ArmRequest, name: str) -> KeyedAccount:
        check_group(self._world, call)
        account = self._world.keyed.get(self._scope(call, [call.kind, name]).lower())
        if account is None:
            raise errors.resource_not_found(f"{self.namespace}/{call.kind}", name, call.group)
        return account

    def _contract(self, kind: str) -> Contract | None:
        whole = f"{self.namespace}/{kind}".lower()
        return next((row for row in self._rows() if row.kind.lower() == whole), None)

    def _rows(self) -> list[Contract]:
        return [row for row in CONTRACTS if row.kind.startswith(f"{self.namespace}/")]

    def _scope(self, call: ArmRequest, parts: list[str]) -> str:
        return f"{call.group_scope}/providers/{self.namespace}/{'/'.join(parts)}"


def _in_progress(account: KeyedAccount) -> errors.ArmError:
    """Return the refusal of a second change.

    That of Cosmos DB is from hashicorp/terraform-provider-azurerm issue 15842.
    """
    if account.contract.kind.startswith("Microsoft.DocumentDB"):
        message = (
            "There is another user operation in progress which requires an exclusive lock on "
            f"[{account.name}]."
        )
        return errors.ArmError(412, "PreconditionFailed", message)
    return errors.ArmError(409, "Conflict", "Another operation on this resource is in progress.")


def _named(call: ArmRequest, contract: Contract) -> object:
    try:
        body = json.loads(call.request.body)
    except ValueError as error:
        raise errors.invalid_content(str(error)) from None
    return body.get(contract.asks) if isinstance(body, dict) else None
