"""The policy that counts each request in every SDK client's pipeline.

This module imports azure-core, so import it at first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy

from cloud.meter.metering import NO_ANSWER, count_request


class CallCounter(SansIOHTTPPolicy[Any, Any]):
    """Counts each request of a client. It has no state, so one instance serves all clients."""

    def on_response(
        self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]
    ) -> None:
        """Count an answered request."""
        count_request(request.http_request, str(response.http_response.status_code))

    def on_exception(self, request: PipelineRequest[Any]) -> None:
        """Count a request without an answer."""
        count_request(request.http_request, NO_ANSWER)


def metered(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of SDK clients with the counter added behind the retries.

    Storage clients have their own name for this option.
    """
    counter = [CallCounter()]
    return {"per_retry_policies": counter, "_additional_pipeline_policies": counter, **options}


def unmetered(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options without the counter, for URLs that do not show the operation."""
    return {name: value for name, value in options.items() if name not in metered({})}
