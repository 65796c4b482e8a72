"""What clients of JSON interfaces share: a pipeline that logs nothing, and the reading of answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cloud.azure import Azure
from engine.errors import PermanentError, TransientError

if TYPE_CHECKING:
    from azure.core import AsyncPipelineClient
    from azure.core.rest import AsyncHttpResponse, HttpRequest

type Json = dict[str, Any]

USUAL_PORT = re.compile(r"^(https://[^/:]+):443(?=/)")


class SignedIn:
    """A client of one service, which calls it as the app's own identity. It is made at first use."""

    def __init__(self, azure: Azure, endpoint: str, scope: str) -> None:
        """Use the service at this address, with tokens for this scope."""
        self._azure, self._endpoint, self._scope = azure, endpoint, scope
        self._client: AsyncPipelineClient[HttpRequest, AsyncHttpResponse] | None = None

    async def send(self, request: HttpRequest, limits: Mapping[str, Any]) -> AsyncHttpResponse:
        """Send a request; raises what azure-core raises where there is no answer."""
        if self._client is None:
            from azure.core.pipeline.policies import AsyncBearerTokenCredentialPolicy

            token = AsyncBearerTokenCredentialPolicy(self._azure.credential, self._scope)
            self._client = quiet_pipeline(self._azure, self._endpoint, token)
        return await self._client.send_request(request, **without_logging(limits))


def quiet_pipeline(
    azure: Azure, endpoint: str, *last: Any
) -> AsyncPipelineClient[HttpRequest, AsyncHttpResponse]:
    """Return a client that logs nothing and retries as its caller allows.

    `last` are the policies behind the retries.
    """
    from azure.core import AsyncPipelineClient
    from azure.core.pipeline.policies import UserAgentPolicy

    from cloud.retries import ShortRetries

    policies = [UserAgentPolicy("rekey"), ShortRetries(), *last]
    return AsyncPipelineClient(endpoint, policies=policies, **azure.sending_options)


def without_logging(limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's options without the option that only a logging policy accepts."""
    return {name: value for name, value in limits.items() if name != "logging_enable"}


def is_json(response: AsyncHttpResponse) -> bool:
    """Return whether the service itself answered; a proxy, or an error page, answers with HTML."""
    return "json" in response.headers.get("Content-Type", "").lower()


def body_of(response: AsyncHttpResponse) -> str:
    """Return the body as text; empty if it is none, whatever its headers say."""
    try:
        return response.text()
    except UnicodeDecodeError:
        return ""


def not_json(response: AsyncHttpResponse, what: str, where: str) -> TransientError:
    """Return the error for an answer that does not come from the service itself."""
    kind = response.headers.get("Content-Type", "").partition(";")[0] or "no content type"
    return TransientError(
        f"{what} was answered {response.status_code} with {kind[:60]} in place of JSON",
        where=where,
        code="NotJson",
        fix="if it persists, check for a proxy or firewall between the app and Azure",
    )


def at_usual_port(url: str) -> str:
    """Return an address without the port of HTTPS, which some resource providers name."""
    return USUAL_PORT.sub(r"\1", url)


def next_page(link: object, base: str, where: str) -> str:
    """Return the path of a list's next page below `base`; empty if there is none.

    The token goes to that address, so a link to another host is refused: PermanentError.
    """
    following = at_usual_port(str(link or ""))
    if following and not following.startswith(f"{base}/"):
        raise PermanentError(
            "the link to the next page leads to another host",
            where=where,
            fix="check for a proxy that changes answers on their way from Azure",
        )
    return following.removeprefix(base)


def decoded(response: AsyncHttpResponse, what: str, where: str) -> Json:
    """Return the JSON object of the body; raises TransientError for anything else."""
    try:
        body = response.json() if is_json(response) else None
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise not_json(response, what, where)
    return body
