"""The SDKs' own retries, limited to pauses of a few seconds.

An SDK sleeps for as long as Retry-After says, even under a lease or in a call with a time limit. A
longer pause is left to the queue: `cloud.azure.translate` passes the time on, and `engine.service`
postpones the message. This module imports azure-core, so import it at first use.
"""

from __future__ import annotations

from typing import Any

from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import AsyncRetryPolicy

from cloud.waiting import retry_after

LONGEST_PAUSE = 5.0
"""The longest Retry-After in seconds that a call itself waits for."""


class ShortRetries(AsyncRetryPolicy[Any, Any]):
    """Retries as azure-core does, unless the service asks for a long pause.

    Each call sets its own number of retries.
    """

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        """Return the wait in seconds that an answer asks for; None if it cannot be read."""
        return retry_after(response.http_response)

    def is_retry(self, settings: dict[str, Any], response: PipelineResponse[Any, Any]) -> bool:
        """Return whether the SDK should send the call again."""
        pause = self.get_retry_after(response)
        return (pause is None or pause <= LONGEST_PAUSE) and super().is_retry(settings, response)
