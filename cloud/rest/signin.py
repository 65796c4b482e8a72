"""Verifies an application's credential: signs in at Microsoft Entra with it, and discards the token.

This is a direct request, since azure-identity caches the token and logs its steps.
Source: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from cloud.azure import BUSY, READING, Azure, call
from cloud.rest.client import (
    body_of,
    decoded,
    is_json,
    not_json,
    quiet_pipeline,
    without_logging,
)
from engine.errors import TransientError
from engine.secret import Sensitive

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import AsyncHttpResponse, HttpRequest

ONCE = {**READING, "retry_total": 0}
"""No retries: the caller repeats the call itself, and the SDK would wait for any Retry-After."""
WHAT = "signing in as the application"
CODE = re.compile(r"AADSTS(\d{4,8})")
"""Entra's error codes:
https://learn.microsoft.com/entra/identity-platform/reference-error-codes."""


class SignIn:
    """The token endpoint of the authority."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    def address(self, tenant: str) -> str:
        """Return the address where a tenant issues tokens: the audience of a client assertion."""
        return f"{self._azure.authority}/{tenant}/oauth2/v2.0/token"

    async def refusal(
        self, tenant: str, client_id: str, credential: Mapping[str, Sensitive], where: str
    ) -> int | None:
        """Sign in once; return None for success, else the number of the AADSTS error code.

        `credential` are the parameters of the form that prove who signs in. Raises TransientError
        if Entra is busy or does not answer.
        """
        response = await call(WHAT, self._ask(tenant, client_id, credential), where=where)
        if not is_json(response):
            raise not_json(response, WHAT, where)
        if response.status_code == HTTPStatus.OK:
            if not decoded(response, WHAT, where).get("access_token"):
                raise TransientError(f"{WHAT} was answered 200 without a token", where=where)
            return None
        return int(CODE.findall(body_of(response))[0])

    async def _ask(
        self, tenant: str, client_id: str, credential: Mapping[str, Sensitive]
    ) -> AsyncHttpResponse:
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "scope": self._azure.graph_scope,
            **{name: value.reveal() for name, value in credential.items()},
        }
        request = HttpRequest(
            "POST",
            self.address(tenant),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            content=urlencode(form),
        )
        response = await self._pipeline().send_request(request, **without_logging(ONCE))
        busy = response.status_code in BUSY
        unexplained = (
            response.status_code != HTTPStatus.OK
            and is_json(response)
            and not CODE.search(body_of(response))
        )
        if busy or unexplained:
            raise HttpResponseError(response=response)
        return response

    def _pipeline(self) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
        if self._client is None:
            self._client = quiet_pipeline(self._azure, self._azure.authority)
        return self._client
