"""Resource Manager, with the deployer's own sign-in, for what azd's hooks do without `az`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from azure.core import PipelineClient
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest, HttpResponse

from scripts.deploying.patience import NotYetError
from scripts.deploying.signin import no_token

LIMITS: Mapping[str, Any] = {"connection_timeout": 10, "read_timeout": 230}


@dataclass
class Manager:
    """Resource Manager at an address without a slash at its end."""

    credential: TokenCredential
    arm: str

    def send(
        self, method: str, path: str, version: str = "", body: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send a request; a path that is a whole address must be Resource Manager's own."""
        url = path if path.startswith(f"{self.arm}/") else f"{self.arm}{path}"
        params = {"api-version": version} if version else {}
        try:
            return self._client.send_request(
                HttpRequest(method, url, params=params, json=body), **LIMITS
            )
        except (ServiceRequestError, ServiceResponseError) as error:
            raise NotYetError(f"no answer ({type(error).__name__})") from None
        except AzureError as error:
            raise no_token(error) from None

    @cached_property
    def _client(self) -> PipelineClient[HttpRequest, HttpResponse]:
        signing = BearerTokenCredentialPolicy(self.credential, f"{self.arm}/.default")
        return PipelineClient(self.arm, policies=[signing])
