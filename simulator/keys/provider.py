"""The provider of every type with two keys: the resource to read and list, its keys to list and replace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simulator.arm import errors
from simulator.arm.paging import page
from simulator.arm.service import check_group, check_role
from simulator.keys.contracts import CONTRACTS, Contract
from simulator.keys.shapes import account_body, key_body, keys_body
from simulator.wire import Response, json_response

if TYPE_CHECKING:
    from simulator.arm.request import ArmRequest
    from simulator.identity import Principal
    from simulator.keys.accounts import KeyedAccount, KeyRing
    from simulator.world import World

PAGE = 100
NAMED = 2
"""A type and a name."""


class KeysProvider:
    """Answers for one namespace."""

    def __init__(self, world: World, namespace: str) -> None:
        self._world = world
        self.namespace = namespace

    def api_versions(self, kind: str) -> tuple[str, ...]:
        """Return the versions for a type, oldest first."""
        contract = self._contract(kind)
        return contract.versions if contract else ()

    def rate(self, asked: ArmRequest) -> str:
        """Return which rate a request counts against."""
        return "reads" if asked.request.method == "GET" else "writes"

    def handle(self, asked: ArmRequest, principal: Principal) -> Response:
        """Read or list resources, list keys, or replace one."""
        contract, parts = self._contract(asked.kind), asked.path.split("/")
        assert contract  # noqa: S101 - the gateway has asked for its versions
        if asked.request.method == "GET" and len(parts) <= NAMED:
            return (
                self._read(asked, principal, contract)
                if parts[1:]
                else self._list(asked, principal, contract)
            )
        if (
            asked.request.method == "GET"
            and parts[NAMED:]
            and parts[NAMED].lower() == "authorizationrules"
            and not parts[3:]
        ):
            return self._rules(asked, principal, contract, parts)
        if asked.request.method != "POST" or len(parts) <= NAMED:
            raise errors.invalid_type(self.namespace, asked.api_version)
        return self._act(asked, principal, contract, parts)

    def _act(
        self, asked: ArmRequest, principal: Principal, contract: Contract, parts: list[str]
    ) -> Response:
        in_path = not contract.asks and parts[-2].lower() == contract.replaces.lower()
        operation, path = (parts[-2], parts[2:-2]) if in_path else (parts[-1], parts[2:-1])
        below = "/".join(path[::2])
        kinds = [contract.kind, *([below] if below else [])]
        known = (
            below.lower() in [child.lower() for child in contract.children]
            if below
            else not contract.children
        )
        listing = operation.lower() == contract.lists.lower()
        if not known or not (listing or operation.lower() == contract.replaces.lower()):
            raise errors.invalid_type(self.namespace, asked.api_version)
        check_role(
            self._world,
            principal,
            f"{'/'.join(kinds)}/{operation}/action",
            self._scope(asked, parts[: NAMED + len(path)]),
        )
        account = self._account(asked, parts[1])
        ring = account.ring("/".join(path))
        if ring is None:
            raise errors.resource_not_found(
                "/".join(kinds), "/".join([parts[1], *path[1::2]]), asked.group
            )
        if not account.takes_keys and contract.keyless == "refuses":
            raise errors.ArmError(400, "BadRequest", f"Keys are disabled: {contract.switch}.")
        if listing:
            return json_response(200, keys_body(account, ring))
        slot = parts[-1] if in_path else _named(asked, contract)
        return self._replace(asked, account, ring, slot)

    def _replace(
        self, asked: ArmRequest, account: KeyedAccount, ring: KeyRing, named: object
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
            path = f"{asked.group_scope}/providers/{self.namespace}/locations/westeurope/operationStatuses/1"
            address = f"https://{self._world.domains.arm}{path}?api-version={asked.api_version}"
            return json_response(202, {}, {"Location": address, "Azure-AsyncOperation": address})
        one = contract.replies == "one"
        return json_response(
            200, key_body(account, ring, by_name[named]) if one else keys_body(account, ring)
        )

    def _rules(
        self, asked: ArmRequest, principal: Principal, contract: Contract, parts: list[str]
    ) -> Response:
        """List the rules of a namespace, without their keys."""
        scope = self._scope(asked, parts[:NAMED])
        check_role(self._world, principal, f"{contract.kind}/authorizationRules/read", scope)
        account = self._account(asked, parts[1])
        rings = [ring for ring in account.rings.values() if not ring.entity]
        rows = [
            {
                "id": f"{account.resource_id}/{ring.path}",
                "name": ring.rule,
                "properties": {"rights": list(ring.rights)},
            }
            for ring in rings
        ]
        return json_response(200, page(asked, self._world.domains.arm, rows, PAGE))

    def _read(self, asked: ArmRequest, principal: Principal, contract: Contract) -> Response:
        name = asked.path.split("/")[1]
        check_role(
            self._world, principal, f"{contract.kind}/read", self._scope(asked, [asked.kind, name])
        )
        return json_response(200, account_body(self._account(asked, name)))

    def _list(self, asked: ArmRequest, principal: Principal, contract: Contract) -> Response:
        readable = list(self._readable(asked, principal, contract))
        if not readable:
            check_role(self._world, principal, f"{contract.kind}/read", asked.group_scope)
        if asked.group:
            check_group(self._world, asked)
        return json_response(200, page(asked, self._world.domains.arm, readable, PAGE))

    def _readable(
        self, asked: ArmRequest, principal: Principal, contract: Contract
    ) -> Iterator[dict[str, Any]]:
        for account in self._world.keyed.values():
            inside = account.resource_id.lower().startswith(f"{asked.group_scope}/".lower())
            of_kind = account.contract is contract and inside
            if of_kind and self._world.roles.find(
                principal, f"{contract.kind}/read", account.resource_id
            ):
                yield account_body(account)

    def _account(self, asked: ArmRequest, name: str) -> KeyedAccount:
        check_group(self._world, asked)
        account = self._world.keyed.get(self._scope(asked, [asked.kind, name]).lower())
        if account is None:
            raise errors.resource_not_found(f"{self.namespace}/{asked.kind}", name, asked.group)
        return account

    def _contract(self, kind: str) -> Contract | None:
        whole = f"{self.namespace}/{kind}".lower()
        return next((contract for contract in CONTRACTS if contract.kind.lower() == whole), None)

    def _scope(self, asked: ArmRequest, parts: list[str]) -> str:
        return f"{asked.group_scope}/providers/{self.namespace}/{'/'.join(parts)}"


def _in_progress(account: KeyedAccount) -> errors.ArmError:
    """Return the refusal of a second change; that of Cosmos DB is from hashicorp/terraform-provider-azurerm issue 15842."""
    if account.contract.kind.startswith("Microsoft.DocumentDB"):
        message = f"There is another user operation in progress which requires an exclusive lock on [{account.name}]."
        return errors.ArmError(412, "PreconditionFailed", message)
    return errors.ArmError(409, "Conflict", "Another operation on this resource is in progress.")


def _named(asked: ArmRequest, contract: Contract) -> object:
    try:
        body = json.loads(asked.request.body)
    except ValueError as error:
        raise errors.invalid_content(str(error)) from None
    return body.get(contract.asks) if isinstance(body, dict) else None
