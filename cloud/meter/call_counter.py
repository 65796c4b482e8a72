"""The policy that counts each request in every SDK client's pipeline. Imports azure-core: import it when first used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy

from cloud.meter.metering import NO_ANSWER, count
from cloud.meter.operations import operation_of, service_of


class CallCounter(SansIOHTTPPolicy[Any, Any]):
    """Counts each request that a client sends. It keeps nothing, so one serves every client."""

    def on_response(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> None:
        """Count a request that was answered."""
        _count(request, str(response.http_response.status_code))

    def on_exception(self, request: PipelineRequest[Any]) -> None:
        """Count a request that was not."""
        _count(request, NO_ANSWER)


def metered(options: Mapping[str, Any]) -> dict[str, Any]:
    """Add the counter to the options of SDK clients, behind the retries; storage clients have a name of their own for it."""
    counter = [CallCounter()]
    return {"per_retry_policies": counter, "_additional_pipeline_policies": counter, **options}


def unmetered(options: Mapping[str, Any]) -> dict[str, Any]:
    """Take the counter from the options again, for a client whose calls cannot be told from their URLs."""
    return {name: value for name, value in options.items() if name not in metered({})}


def _count(request: PipelineRequest[Any], status: str) -> None:
    sent = request.http_request
    service = service_of(sent.url)
    count(service, operation_of(service, sent.method, sent.url, sent.headers), status)
