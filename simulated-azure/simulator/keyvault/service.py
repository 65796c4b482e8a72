"""The data plane: challenge, token, rate and role are checked in that order, as in Azure."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from simulator.identity import Principal, bearer
from simulator.keyvault import errors, parameters
from simulator.keyvault.call import Call
from simulator.keyvault.operations import OPERATIONS, Operation
from simulator.telemetry.vault_logs import Audited
from simulator.wire import Request, Response, json_response

if TYPE_CHECKING:
    from simulator.keyvault.state import Vault
    from simulator.rbac import Assignment
    from simulator.world import World


class KeyVaultService:
    """Answers for every vault of the world."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answers(self, host: str) -> bool:
        """Return whether the host is that of an existing vault; other names do not resolve."""
        return self._vault(host) is not None

    def handle(self, request: Request) -> Response:
        """Answer one request to a vault."""
        vault = self._vault(request.host)
        if vault is None:
            raise LookupError(f"no vault answers at {request.host}")
        headers = _headers(vault, request)
        try:
            status, body = self._serve(vault, request, headers)
        except errors.VaultError as refusal:
            self._audit(vault, request, refusal.status, {})
            return json_response(
                refusal.status, refusal.body(), headers | self._hints(vault, refusal)
            )
        self._audit(vault, request, status, body or {})
        return Response(204, headers) if body is None else json_response(status, body, headers)

    def _audit(self, vault: Vault, request: Request, status: int, body: dict[str, Any]) -> None:
        """Write a call to the audit log, if a diagnostic setting has one written."""
        if vault.audit is None:
            return
        caller = self._world.identities.principal_of(
            bearer(request.header("authorization")) or "..", self._audience
        )
        read = request.method == "GET" and "value" in body and "id" in body
        url = f"https://{request.host}{request.path}"
        known = (
            {"app": caller.appid, "oid": caller.oid, "resource": caller.resource} if caller else {}
        )
        person = {"person": caller.name} if caller and caller.scopes else {}
        vault.audit.append(
            Audited(
                vault.now(),
                "SecretGet" if read or status == HTTPStatus.FORBIDDEN else "SecretList",
                status,
                str(body.get("id", "")),
                url,
                **known,
                **person,
            )
        )

    def _vault(self, host: str) -> Vault | None:
        # A client that follows a nextLink names port 443.
        name, _, domain = host.removesuffix(":443").partition(".")
        return self._world.vaults.get(name) if domain == self._world.domains.vault else None

    def _serve(
        self, vault: Vault, request: Request, headers: dict[str, str]
    ) -> tuple[int, dict[str, Any] | None]:
        principal = self._authenticated(vault, request)
        parameters.check_api_version(request)
        operation, call = _matched(vault, request)
        if not getattr(vault, operation.rate).take(vault.now()):
            raise errors.throttled()
        # Recordings name the assignment in refusals too, if the caller holds one.
        headers["x-ms-keyvault-rbac-assignment-id"] = self._authorized(
            call, operation, principal
        ).assignment_id
        body = operation.run(call)
        if operation.status == HTTPStatus.ACCEPTED and body:
            headers |= {
                "Location": f"{body['id']}?request_id={body['request_id']}",
                "Retry-After": "10",
            }
        return operation.status, body

    def _authenticated(self, vault: Vault, request: Request) -> Principal:
        token = bearer(request.header("authorization"))
        if token is None:
            raise errors.no_token()
        result = self._world.identities.examine(token, self._audience, exact=True)
        if not isinstance(result, Principal):
            raise errors.bad_token(result, self._audience)
        if result.tenant != vault.tenant:
            raise errors.wrong_tenant(vault, result)
        return result

    def _authorized(self, call: Call, operation: Operation, principal: Principal) -> Assignment:
        place = f"/{operation.collection}/{call.name}" if call.name else ""
        scope = f"{call.vault.resource_id}{place}"
        assignment = self._world.roles.find(principal, operation.action, scope)
        if assignment is None:
            raise errors.forbidden_by_rbac(call.vault, principal, operation.action, scope)
        return assignment

    @property
    def _audience(self) -> str:
        return f"https://{self._world.domains.vault}"

    def _hints(self, vault: Vault, refusal: errors.VaultError) -> dict[str, str]:
        if refusal.status == HTTPStatus.UNAUTHORIZED:
            authority = f"https://{self._world.domains.login}/{vault.tenant}"
            return {
                "WWW-Authenticate": (
                    f'Bearer authorization="{authority}", resource="{self._audience}"'
                )
            }
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS and vault.retry_after is not None:
            return {"Retry-After": str(vault.retry_after)}
        return {}


def _matched(vault: Vault, request: Request) -> tuple[Operation, Call]:
    for operation in OPERATIONS:
        match = operation.path.fullmatch(request.path)
        if match and operation.method == request.method:
            parts = match.groupdict()
            call = Call(vault, request, parts.get("name") or "", parts.get("version") or "")
            if call.name:
                parameters.check_name(call.name)
            return operation, call
    raise errors.bad_operation(request.method, request.path.rsplit("/", 1)[-1])


def _headers(vault: Vault, request: Request) -> dict[str, str]:
    request_id = request.header("x-ms-client-request-id")
    return ({"x-ms-client-request-id": request_id} if request_id else {}) | {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "x-ms-keyvault-region": vault.location,
        "x-ms-request-id": str(uuid.UUID(bytes=vault.entropy(16), version=4)),
        "x-ms-keyvault-service-version": "1.9.2900.1",
        "x-ms-keyvault-network-info": "conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;",
        "X-Content-Type-Options": "nosniff",
        "Strict-Transport-Security": "max-age=31536000;includeSubDomains",
    }
