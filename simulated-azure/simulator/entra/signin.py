"""The token endpoint for applications with a secret or a certificate (client credentials flow).

Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow. The
texts of the refusals are from issue reports. The order of the checks is from memory.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from simulator.entra import assertions
from simulator.wire import Request, Response

if TYPE_CHECKING:
    from simulator.entra.directory import Application, Directory
    from simulator.world import World

NEEDED = ("grant_type", "client_id", "scope")
NO_STORE = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store, no-cache",
    "Pragma": "no-cache",
    "Expires": "-1",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}


class SignInError(Exception):
    """A refusal: HTTP status, OAuth error, AADSTS number and text."""

    def __init__(self, status: int, error: str, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.code, self.text = status, error, code, text


class TokenEndpoint:
    """Issues tokens to applications; each sign-in uses the directory's next replica."""

    def __init__(self, world: World, directory: Directory) -> None:
        self._world, self._directory = world, directory

    def answer(self, tenant: str, request: Request) -> Response:
        """Answer one request for a token."""
        try:
            token = self._token(
                tenant,
                dict(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)),
            )
        except SignInError as refusal:
            return self._refused(refusal)
        life = int(self._world.identities.life.total_seconds())
        body = {
            "token_type": "Bearer",
            "expires_in": life,
            "ext_expires_in": life,
            "access_token": token,
        }
        return Response(200, NO_STORE, json.dumps(body).encode())

    def _token(self, tenant: str, form: dict[str, str]) -> str:
        proof = "client_assertion" if form.get("client_assertion_type") else "client_secret"
        for name in (*NEEDED, proof):
            if not form.get(name):
                raise SignInError(
                    400,
                    "invalid_request",
                    900144,
                    f"The request body must contain the following parameter: '{name}'.",
                )
        if form["grant_type"] != "client_credentials":
            raise SignInError(
                400,
                "unsupported_grant_type",
                70003,
                f"The app requested an unsupported grant type '{form['grant_type']}'.",
            )
        if not form["scope"].endswith("/.default"):
            raise SignInError(
                400,
                "invalid_scope",
                1002012,
                f"The provided value for scope {form['scope']} is not valid.",
            )
        application = self._application(tenant, form["client_id"])
        if proof == "client_secret":
            self._check_secret(application, form[proof])
        else:
            self._check_assertion(tenant, application, form)
        if application.principal is None:
            raise SignInError(
                401,
                "invalid_client",
                7000229,
                f"The client application {application.app_id} is missing service principal in "
                f"the tenant {tenant}. "
                "See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119",
            )
        return self._world.identities.token_for(form["scope"], application.principal)

    def _application(self, tenant: str, client_id: str) -> Application:
        tenants = {principal.tenant for principal in self._world.identities.principals.values()}
        if tenant not in tenants:
            raise SignInError(
                400,
                "invalid_request",
                90002,
                f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.",
            )
        application = self._directory.applications.get(client_id.lower())
        if application is None or application.tenant != tenant:
            raise SignInError(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client_id}' was not found in the directory "
                f"'{tenant}'. This can happen if the "
                "application has not been installed by the administrator of the tenant or "
                "consented to by any user in the "
                "tenant. You may have sent your authentication request to the wrong tenant.",
            )
        if application.disabled:
            raise SignInError(
                400,
                "unauthorized_client",
                7000112,
                f"Application '{client_id}'({application.name}) is disabled.",
            )
        return application

    def _check_secret(self, application: Application, secret: str) -> None:
        known = application.passwords(self._directory.at_next_replica())
        password = next((candidate for candidate in known if candidate.secret == secret), None)
        if password is None:
            raise SignInError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request "
                "is the client secret value, not "
                f"the client secret ID, for a secret added to app '{application.app_id}'.",
            )
        if not password.start <= self._world.now() < password.end:
            raise SignInError(
                401,
                "invalid_client",
                7000222,
                f"The provided client secret keys for app '{application.app_id}' are expired. "
                "Visit the Azure portal to "
                "create new keys for your app: https://aka.ms/NewClientSecret, or consider "
                "using certificate credentials "
                "for added security: https://aka.ms/certCreds.",
            )

    def _check_assertion(self, tenant: str, application: Application, form: dict[str, str]) -> None:
        if form["client_assertion_type"] != assertions.TYPE:
            raise SignInError(
                400, "invalid_request", 50027, "The client assertion type is not supported."
            )
        now, seen = self._world.now(), self._directory.at_next_replica()
        audience = f"https://{self._world.domains.login}/{tenant}/oauth2/v2.0/token"
        expected = assertions.Expected(application, audience, now, application.keys(seen))
        try:
            assertions.check(form["client_assertion"], expected)
        except assertions.BadAssertionError as refusal:
            code, text = refusal.code, refusal.text
        else:
            return
        raise SignInError(401, "invalid_client", code, text)

    def _refused(self, refusal: SignInError) -> Response:
        trace, correlation = (
            str(uuid.UUID(bytes=self._world.entropy(16), version=4)) for _ in range(2)
        )
        now = f"{self._world.now():%Y-%m-%d %H:%M:%SZ}"
        body: dict[str, Any] = {
            "error": refusal.error,
            "error_description": f"AADSTS{refusal.code}: {refusal.text} Trace ID: {trace} "
            "Correlation ID: "
            f"{correlation} "
            f"Timestamp: {now}",
            "error_codes": [refusal.code],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://{self._world.domains.login}/error?code={refusal.code}",
        }
        return Response(refusal.status, NO_STORE, json.dumps(body).encode())
