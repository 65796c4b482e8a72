"""The deployed app in Azure: its addresses, keys and deployments.

Sources: https://learn.microsoft.com/rest/api/appservice/web-apps/get and list-host-keys;
POST /api/publish and GET /api/deployments/{id} as Azure/azure-dev speaks them
(cli/azd/pkg/azsdk/funcapp_host_client.go), the statuses too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest, HttpResponse

from scripts.deploying.patience import NotYetError, StepError
from scripts.deploying.signin import no_token

API_VERSION = "2024-04-01"
SOON = frozenset({403, 404, 408, 409, 429, 500, 502, 503, 504})
"""The statuses of a new site until its names, rights and deployment service are ready."""
SPREADING = (
    "InaccessibleStorageException",
    "AuthorizationPermissionMismatch",
    "AuthorizationFailure",
    " 403 ",
    "from host runtime",
    "Kudu has been restarted",
)
"""Signs of what passes. The app's identity may not write its package yet (Azure/azure-dev, issue
8026), or the host starts: Resource Manager then answers 400 "Encountered an error
(ServiceUnavailable) from host runtime." (Azure/azure-functions-host, issue 5722; that trying again
helps: Azure/azure-functions-core-tools, issue 1204). The deployment service restarts amid a
deployment, and calls it a success in part (Azure/azure-cli, issue 33184).
"""
UNKNOWN_CALLER = timedelta(minutes=3)
"""How long a new app or its deployment service may not know who calls, before that is believed."""
LIMITS: Mapping[str, Any] = {"connection_timeout": 10, "read_timeout": 230}
FAILED = {
    -1: "was cancelled",
    3: "failed",
    5: "met another deployment",
    6: "succeeded in part only",
}
SUCCEEDED, CONFLICT = 4, 5


class ClosedError(StepError):
    """The app does not accept its own key, since it requires a sign-in with Microsoft Entra."""


@dataclass
class Site:
    """One Functions app, reached with the deployer's own sign-in."""

    resource_id: str
    credential: TokenCredential
    arm: str
    """Resource Manager's address, without a slash at its end."""

    @property
    def name(self) -> str:
        """The app's name."""
        return self.resource_id.rpartition("/")[2]

    @cached_property
    def hosts(self) -> tuple[str, str]:
        """The hosts of the app and of its deployment service; raises NotYetError without a site."""
        properties = self._arm("GET", "")["properties"]
        states = properties.get("hostNameSslStates") or ()
        service = next(
            (state["name"] for state in states if state.get("hostType") == "Repository"), ""
        )
        return str(properties["defaultHostName"]), str(service)

    def master_key(self) -> str:
        """Return the key that opens the host's admin API."""
        return str(self._arm("POST", "/host/default/listkeys")["masterKey"])

    def settings(self) -> dict[str, str]:
        """Return the application settings, which may be secret."""
        return {
            str(name): str(value)
            for name, value in self._arm("POST", "/config/appsettings/list")["properties"].items()
        }

    def asks_to_sign_in(self) -> bool:
        """Return whether the platform lets in nobody who has not signed in with Microsoft Entra.

        Source: https://learn.microsoft.com/rest/api/appservice/web-apps/get-auth-settings-v2.
        """
        properties = self._arm("POST", "/config/authsettingsV2/list")["properties"]
        validation = properties.get("globalValidation") or {}
        enabled = (properties.get("platform") or {}).get("enabled")
        return bool(enabled and validation.get("requireAuthentication"))

    def health(self) -> str:
        """Return why the app reports that it cannot work; empty if it can."""
        answer = self._send(HttpRequest("GET", f"https://{self.hosts[0]}/api/health"), self._keyed)
        try:
            body = answer.json()
            health = body if isinstance(body, dict) else {}
        except ValueError:
            health = {}
        if answer.status_code == HTTPStatus.OK and health.get("status") == "ok":
            return ""
        reason = (
            health.get("detail")
            or health.get("title")
            or "it answers something else than its health"
        )
        return f"the app is not healthy, {answer.status_code}: {str(reason)[:300]}"

    def publish(self, package: bytes) -> str:
        """Upload a complete package and return the id of the deployment."""
        answer = self._send(
            HttpRequest(
                "POST", f"https://{self.hosts[1]}/api/publish", content=package, headers=ZIP
            )
        )
        if answer.status_code != HTTPStatus.ACCEPTED or not isinstance(answer.json(), str):
            raise _refused("the upload", answer)
        return str(answer.json())

    def is_published(self, deployment: str) -> bool | None:
        """Return whether a deployment has succeeded; None if Azure knows no such deployment.

        Raises NotYetError or StepError if it has failed.
        """
        answer = self._send(
            HttpRequest("GET", f"https://{self.hosts[1]}/api/deployments/{deployment}")
        )
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.ACCEPTED):
            raise _refused("the deployment", answer)
        body = answer.json()
        status = int(body["status"])
        if status in FAILED:
            errors = (body.get("build_summary") or {}).get("errors") or ()
            reason = body.get("status_text") or body.get("message") or "no reason was given"
            text = "; ".join(map(str, (reason, *errors)))
            spreading = status == CONFLICT or _spreads(text)
            raise _failure(f"the deployment {FAILED[status]}: {text[:500]}", spreading=spreading)
        return status == SUCCEEDED

    def sweep(self) -> None:
        """Start the timer function `sweep` now.

        Source: https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http.
        """
        self._call(
            "POST", "/admin/functions/sweep", accepted=HTTPStatus.ACCEPTED, json={"input": ""}
        )

    def secrets(self) -> Iterator[dict[str, Any]]:
        """Yield every secret as the app's own API shows it."""
        path = "/api/secrets?limit=1000"
        while path:
            body = self._call("GET", path, accepted=HTTPStatus.OK).json()
            yield from body["secrets"]
            path = body["next"] or ""

    def _call(self, method: str, path: str, accepted: int, **content: Any) -> HttpResponse:
        """Call the app itself, with the master key."""
        url = f"https://{self.hosts[0]}{path}"
        request = HttpRequest(
            method, url, headers={"x-functions-key": self.master_key()}, **content
        )
        answer = self._send(request, self._keyed)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self.asks_to_sign_in():
            raise ClosedError("the app asks its callers to sign in")
        if answer.status_code != accepted:
            raise _refused(f"the app ({path.partition('?')[0]})", answer)
        return answer

    def _arm(self, method: str, path: str) -> dict[str, Any]:
        url = f"{self.arm}{self.resource_id}{path}"
        answer = self._send(HttpRequest(method, url, params={"api-version": API_VERSION}))
        if answer.status_code != HTTPStatus.OK:
            raise _refused(f"Resource Manager ({path or 'the site'})", answer)
        body: dict[str, Any] = answer.json()
        return body

    def _send(
        self, request: HttpRequest, client: PipelineClient[HttpRequest, HttpResponse] | None = None
    ) -> HttpResponse:
        try:
            return (client or self._client).send_request(request, **LIMITS)
        except (ServiceRequestError, ServiceResponseError) as error:
            raise NotYetError(f"no answer ({type(error).__name__})") from None
        except AzureError as error:
            raise no_token(error) from None

    @cached_property
    def _client(self) -> PipelineClient[HttpRequest, HttpResponse]:
        signing = BearerTokenCredentialPolicy(self.credential, f"{self.arm}/.default")
        return PipelineClient(self.arm, policies=[signing])

    @cached_property
    def _keyed(self) -> PipelineClient[HttpRequest, HttpResponse]:
        """A client that does not send the deployer's token to the app."""
        return PipelineClient(self.arm, policies=[])


ZIP = {"Content-Type": "application/zip", "Accept": "application/json"}


def _refused(what: str, answer: HttpResponse) -> Exception:
    text = " ".join(answer.text().split())[:300]
    told = f"{what} was answered {answer.status_code}{': ' if text else ''}{text}"
    if answer.status_code == HTTPStatus.UNAUTHORIZED:
        return NotYetError(told, within=UNKNOWN_CALLER)
    return _failure(told, spreading=answer.status_code in SOON or _spreads(text))


def _failure(text: str, *, spreading: bool) -> Exception:
    return NotYetError(text) if spreading else StepError(text)


def _spreads(text: str) -> bool:
    return any(sign in f" {text} " for sign in SPREADING)
